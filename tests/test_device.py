"""Precision: what ``auto`` means on processors that are not there, and what a precision does."""

import pytest
import torch

from gan_aug import device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": True}, "bf16"),
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": False, "avx2": True, "avx512_f": True, "amx_int8": True}, "fp32"),
        ({"avx2": True}, "fp32"),
        (None, "fp32"),  # a PyTorch that cannot tell
    ],
)
def test_auto_is_bf16_on_a_cpu_that_multiplies_in_it(capabilities, precision, monkeypatch):
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)  # a GPU beside it changes nothing
    assert device.resolve_precision("auto", CPU) == precision


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_on_a_gpu_that_need_not_emulate_it(native, precision, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": not native}, raising=False)
    assert device.resolve_precision("auto", CUDA) == precision


@pytest.mark.parametrize("capable", [True, False])
@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_a_precision_that_is_asked_for_is_used(asked, capable, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: capable)
    assert device.resolve_precision(asked, CPU) == device.resolve_precision(asked, CUDA) == asked


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_layers_compute_in_the_precision(precision, dtype):
    layer = torch.nn.Linear(2, 2)
    with device.autocast(precision, CPU):
        assert layer(torch.zeros(1, 2)).dtype == dtype
    assert layer.weight.dtype == torch.float32
