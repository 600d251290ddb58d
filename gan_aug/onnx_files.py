"""A generator as files for ONNX Runtime: a snapshot's ``generator.onnx``, and its run's ``graph.onnx``, which is the same without weights.

All snapshots of a run compute alike, so torch (:mod:`gan_aug.export`) is needed for the first alone: every other ``generator.onnx`` is the
graph filled with the snapshot's weights, in a fraction of a second. Shipped generators bring their graph along. Where a snapshot's folder
cannot be written, as in an installation that belongs to another user, its ``generator.onnx`` lies in the workspace's cache. Each file has
a record beside it, written last, with its digest: without one, or with another digest, it does not count.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.numpy
from onnx import numpy_helper

from gan_aug import __version__, files, runs, workspace
from gan_aug.records import NOTICE, Checkpoint

ONNX_NAME = "generator.onnx"  # in a snapshot's folder
GRAPH_NAME = "graph.onnx"  # in its run's


def exported(checkpoint: Checkpoint) -> Path | None:
    """The ``generator.onnx`` of a snapshot, or None if there is none or it was made from other weights."""
    for folder in (Path(checkpoint.folder), _cache(checkpoint)):
        path = folder / ONNX_NAME
        if path.exists() and _read_record(path).get("weights_sha256") == checkpoint.weights_sha256:
            return path
    return None


def _cache(checkpoint: Checkpoint) -> Path:
    return workspace.home() / "cache" / "generators" / checkpoint.weights_sha256


def fill(checkpoint: Checkpoint) -> Path | None:
    """Make a snapshot's ``generator.onnx`` of its weights and its run's graph; None if there is no graph that they fit.

    Raises
    ------
    CorruptFile
        If the weights do not have the bytes that were saved.
    UserError
        If the folder cannot be written.
    """
    graph = _run_folder(checkpoint) / GRAPH_NAME
    made = _read_record(graph)
    if not graph.is_file() or files.sha256_file(graph) != made.get("sha256"):
        return None
    model = onnx.load(graph)
    sampled = runs.sampled_file(checkpoint)
    runs.verify(checkpoint, sampled.name)
    weights = safetensors.numpy.load_file(sampled)
    for tensor in model.graph.initializer:
        if not tensor.HasField("raw_data"):
            value = weights.get(tensor.name)
            if value is None or value.shape != tuple(tensor.dims):
                return None
            tensor.raw_data = value.astype("<f4").tobytes()  # shipped weights are in half precision
    return write_generator(checkpoint, model, made["torch"])


def write_generator(checkpoint: Checkpoint, model: onnx.ModelProto, torch_version: str) -> Path:
    """Write a snapshot's ``generator.onnx`` and its record. The same model gives the same bytes.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    onnx.helper.set_model_props(model, {"notice": NOTICE, "checkpoint": checkpoint.id, "weights_sha256": checkpoint.weights_sha256})
    folder = Path(checkpoint.folder)
    path = (folder if os.access(folder, os.W_OK) else _cache(checkpoint)) / ONNX_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, model, {"weights_sha256": checkpoint.weights_sha256, "torch": torch_version})
    return path


def write_graph(checkpoint: Checkpoint, model: onnx.ModelProto, weights: Mapping[str, np.ndarray], torch_version: str) -> None:
    """Write the ``graph.onnx`` of a snapshot's run: ``model`` without ``weights``, by name.

    Nothing is written if a weight is not in the model as it is, under its name: what was computed from it would be missed by :func:`fill`.
    """
    graph = onnx.ModelProto()
    graph.CopyFrom(model)
    left = dict(weights)
    for tensor in graph.graph.initializer:
        if tensor.name in left and np.array_equal(numpy_helper.to_array(tensor), left[tensor.name]):
            tensor.ClearField("raw_data")
            del left[tensor.name]
    if not left and os.access(_run_folder(checkpoint), os.W_OK):
        _write(_run_folder(checkpoint) / GRAPH_NAME, graph, {"torch": torch_version})


def _run_folder(checkpoint: Checkpoint) -> Path:
    return Path(checkpoint.folder).parent.parent


def record_of(path: Path) -> Path:
    """Where the record of such a file lies."""
    return path.with_suffix(".json")


def _read_record(path: Path) -> dict[str, Any]:
    """What the record of a file holds; nothing if it is not there, or not whole."""
    try:
        record = files.read_json(record_of(path))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(path: Path, model: onnx.ModelProto, record: dict[str, str]) -> None:
    content = model.SerializeToString(deterministic=True)
    with files.writing(path):
        files.write_bytes(path, content)
        files.write_json(record_of(path), {"sha256": files.sha256_bytes(content), **record, "gan_aug": __version__})
