"""Which device computes, in which precision, and how pixels get there."""

import contextlib
import os
from typing import Literal

import torch

from gan_aug.errors import InvalidValue

Precision = Literal["auto", "fp32", "bf16"]


def pick(name: str = "auto") -> torch.device:
    """The device of that name: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    InvalidValue
        If there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InvalidValue(f"There is no device {name!r}.", "Use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidValue(f"This machine has no {name!r}.", f"It has {torch.cuda.device_count()} CUDA devices; use auto or cpu.")
    return device


def describe(device: torch.device) -> str:
    """The device in words, for the record of a run."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What ``auto`` means on a device: bf16 where the processor multiplies in it, else fp32 (bf16 would be emulated, and slower)."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def autocast(precision: Literal["fp32", "bf16"], device: torch.device) -> contextlib.AbstractContextManager:
    """The context in which networks run: nothing for fp32, PyTorch's autocast for bf16."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def own_stream(device: torch.device) -> contextlib.AbstractContextManager:
    """A stream of its own for the work of the block, without which a GPU's work cannot be captured as a graph; nothing on a CPU."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    torch.cuda.synchronize(device)  # what was prepared on the usual stream is there
    return torch.cuda.stream(torch.cuda.Stream(device))


def graphs_wanted(device: torch.device) -> bool:
    """Whether steps are captured as CUDA graphs: on a GPU, unless ``GAN_AUG_CUDA_GRAPHS`` is 0."""
    return device.type == "cuda" and os.environ.get("GAN_AUG_CUDA_GRAPHS") != "0"


def to_float(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [0, 255] to float32 [-1, 1] on the pixels' own device: ``images.to_float`` for tensors, bit for bit the same."""
    return pixels.float() / 127.5 - 1
