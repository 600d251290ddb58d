"""Preparing the comparison with training images that :mod:`gan_aug.nearest` reads: the extractor as a graph, and features of all images.

Only the export needs torch. Features are taken by the exported graph itself, so that a picture that is a training image, pixel by pixel, is
at no distance from it.
"""

import io
import os
from pathlib import Path

import numpy as np
import onnx
import torch

from gan_aug import files, nearest, runs, workspace
from gan_aug.audit.run import held_out_rows, training_rows
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.export import as_graph
from gan_aug.metrics.extractors import Extractor, OnProgress, open_extractor
from gan_aug.nearest import Eyes, Record
from gan_aug.records import to_dict
from gan_aug.render import check_is_gan
from gan_aug.subjects import Generator

HELD_OUT = 200  # real images that the yardstick is taken from, at most

_BLOCK = 64  # images between two reports


def export_extractor(extractor: Extractor, size: int) -> Path:
    """The graph of an extractor for images of one size, made if it is not there or damaged; its record, with the digest, lies beside it."""
    name = files.sha256_bytes(f"{extractor.name}\n{extractor.weights_sha256}\n{extractor.resize}\n{size}".encode())[:16]
    path = nearest.graphs() / f"{name}.onnx"
    if _is_whole(path):
        return path
    network = extractor.network.to("cpu").eval().requires_grad_(False)
    model = as_graph(network, [torch.zeros(2, 3, size, size)], ["images"], "features")
    onnx.helper.set_model_props(model, {"extractor": extractor.name, "weights_sha256": extractor.weights_sha256})
    content = model.SerializeToString(deterministic=True)
    files.write_bytes(path, content)
    files.write_json(path.with_suffix(".json"), {"sha256": files.sha256_bytes(content), "extractor": extractor.name, "size": size})
    return path


def _is_whole(path: Path) -> bool:
    """Whether a graph has the bytes that its record names."""
    try:
        return files.read_json(path.with_suffix(".json"))["sha256"] == files.sha256_file(path)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def prepare(run_id: str, extractor: str = nearest.DERM, on_progress: OnProgress | None = None) -> Record:
    """Make what :func:`gan_aug.nearest.opened` opens.

    Held-out images are of val, as in the audit, so an extractor that has seen them is refused: it would find them farther or nearer than
    images that are new to it.

    Parameters
    ----------
    run_id : str
        A GAN run with a snapshot, whose dataset is in the workspace.
    extractor : str
        ``derm``, ``classifier:RUN``, or another of :func:`gan_aug.metrics.extractors.open_extractor`.

    Raises
    ------
    LeakError
        If the run or the extractor has seen images of val.
    UserError
        If something named does not exist, or the workspace cannot be written.
    """
    run, checkpoint = runs.resolve(run_id)  # and never a folder of pictures that has the same name
    check_is_gan(run)
    source = Generator(run, checkpoint)
    image_set, split = open_dataset(run.dataset), load_split(run.dataset, run.split_id)
    eyes = open_extractor(extractor)
    training_list.refuse_leak(list(eyes.seen), image_set, split, f"extractor {eyes.name}")
    train, missing = training_rows(source, image_set, split, run.class_name)
    held_out = held_out_rows(image_set, split, run.class_name, HELD_OUT, seed=0)
    size = source.size(image_set)
    pictures = image_set.at(size)
    folder = nearest.folder_of(run, extractor)
    with files.writing(workspace.home()):
        graph = export_extractor(eyes, size)
        graph_sha256 = files.read_json(graph.with_suffix(".json"))["sha256"]
        look = Eyes(graph, graph_sha256)
        work = len(train) + 8 * len(held_out)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{nearest.FEATURES}"
        features = np.lib.format.open_memmap(temporary, "w+", np.float32, (len(train), look.dim))  # may be larger than the memory
        for start in range(0, len(train), _BLOCK):
            if on_progress:
                on_progress(start, work, f"features of training images by {eyes.name}")
            features[start : start + _BLOCK] = look(np.asarray(pictures[train[start : start + _BLOCK]]))
        features.flush()
        distances: list[float] = []
        for start in range(0, len(held_out), _BLOCK // 8):
            if on_progress:
                on_progress(len(train) + 8 * start, work, f"distances of held-out images by {eyes.name}")
            found = nearest.search(look, np.asarray(pictures[held_out[start : start + _BLOCK // 8]]), features)
            distances.extend(found.nearest.tolist())
        os.replace(temporary, folder / nearest.FEATURES)
        stream = io.BytesIO()
        np.save(stream, train.astype(np.int64))
        files.write_bytes(folder / nearest.ROWS, stream.getvalue())
        record = Record(
            extractor=eyes.name,
            weights_sha256=eyes.weights_sha256,
            dim=look.dim,
            resize=eyes.resize,
            size=size,
            graph=graph.name,
            graph_sha256=graph_sha256,
            features_sha256=files.sha256_file(folder / nearest.FEATURES),
            rows_sha256=files.sha256_file(folder / nearest.ROWS),
            dataset=run.dataset,
            dataset_fingerprint=image_set.record.fingerprint,
            split_id=split.id,
            class_name=run.class_name,
            n_train=len(train),
            missing=missing,
            held_out=tuple(sorted(distances)),
            created=runs.now(),
        )
        files.write_json(folder / nearest.RECORD, to_dict(record))  # comes last: without it the rest does not count
    return record
