"""ONNX Runtime as the pages use it: on the processor, one thread a call, the same bytes every time, and no memory kept beyond its need."""

from pathlib import Path

import onnxruntime

from gan_aug import files, native_memory
from gan_aug.errors import CorruptFile


def open_file(path: Path, sha256: str, todo: str) -> onnxruntime.InferenceSession:
    """A session for the model in ``path``.

    Raises
    ------
    CorruptFile
        If the file does not have the digest ``sha256``; ``todo`` says what to do then.
    """
    if files.sha256_file(path) != sha256:
        raise CorruptFile(f"{path} does not have the bytes that were exported.", todo)
    session = open_model(str(path))  # not its bytes, of which the session would keep a copy
    native_memory.give_back()
    return session


def open_model(model: str | bytes) -> onnxruntime.InferenceSession:
    """A session for a model: its path, or its bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False  # an arena keeps the peak memory for good, and saves no time here
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
