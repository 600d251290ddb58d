"""Runs, studies and review batches made up in a moment, without torch, for tests of what is shown of them.

The numbers are drawn; everything else (files, digests, plans, analyses) is what the real code writes.
"""

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gan_aug import catalog, files, images, runs, store, study
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.data.training_list import training_list
from gan_aug.onnx_files import ONNX_NAME, record_of
from gan_aug.records import ClassifierConfig, Prediction, Run, Study, SyntheticImage, to_dict

Z_DIM = 8


def make_run(
    run_id: str, gan: str, data: str, class_name: str | None = None, kimg: tuple[float, ...] = (1.0, 2.0), exported: bool = True
) -> Run:
    """A GAN run on ``data`` with a snapshot per ``kimg``, whose generator is one random linear layer."""
    image_set, split = open_dataset(data), load_split(data)
    config = catalog.gan_config(gan, resolution=64, z_dim=Z_DIM)
    run = Run(
        id=run_id, kind="gan", spec=gan, config=to_dict(config), dataset=data, dataset_fingerprint=image_set.record.fingerprint,
        split_id=split.id, split_fingerprint=split.fingerprint, classes=image_set.record.classes, class_name=class_name,
        n_images=len(split.rows("train")), seed=0, code_version="0", device="cpu", created=f"2026-01-01T00:00:{len(run_id):02d}+00:00",
        preset="small-data", phantom=image_set.record.phantom,
    )  # fmt: skip
    folder = runs.create_run(run, training_list(image_set, split, split.rows("train")))
    n_classes = len(run.classes) if catalog.entry(gan).conditional else 0
    for number, length in enumerate(kimg):
        _snapshot(runs.snapshot_folder(folder, 100 * (number + 1)), length, _generator(n_classes, seed=number), exported)
    return run


def _snapshot(folder, kimg: float, generator: bytes, exported: bool) -> None:
    weights = files.sha256_bytes(generator)
    files.write_bytes(folder / "weights.bin", generator)
    described = {"weights.bin": {"bytes": len(generator), "sha256": weights}}
    step = int(folder.name.removeprefix("step-"))
    if exported:
        path = folder / ONNX_NAME
        files.write_bytes(path, generator)
        files.write_json(record_of(path), {"sha256": weights, "weights_sha256": weights})
    meta = {
        "format": runs.META_FORMAT,
        "step": step,
        "kimg": kimg,
        "files": described,
        "sampled": "weights.bin",
        "metrics": {},
        "created": "",
    }
    files.write_json(folder / "meta.json", meta)


def _generator(n_classes: int, seed: int) -> bytes:
    """tanh(W [z, y] + b) as 64 px images, an ONNX file."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    waves = [np.cos(rng.normal(0, 2) * x + rng.normal(0, 2) * y + rng.uniform(0, 6)) for _ in range(Z_DIM + n_classes)]
    weights = np.stack([0.25 * rng.normal(1, 0.3, (3, 1, 1)) * wave for wave in waves]).reshape(Z_DIM + n_classes, -1).astype(np.float32)
    skin = np.broadcast_to(np.array([0.7, 0.25, 0.1])[:, None, None], (3, 64, 64)).reshape(1, -1).astype(np.float32)
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", Z_DIM])]
    nodes, last = [], "z"
    if n_classes:
        inputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", n_classes]))
        nodes.append(helper.make_node("Concat", ["z", "y"], ["zy"], axis=1))
        last = "zy"
    nodes += [
        helper.make_node("MatMul", [last, "W"], ["waves"]),
        helper.make_node("Add", ["waves", "skin"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["image"]),
    ]
    constants = [
        numpy_helper.from_array(weights, "W"),
        numpy_helper.from_array(skin, "skin"),
        numpy_helper.from_array(np.array([-1, 3, 64, 64]), "shape"),
    ]
    output = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 64, 64])
    model = helper.make_model(
        helper.make_graph(nodes, "generator", inputs, [output], constants), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def make_study(
    name: str, data: str, schemes: list[str], seeds: tuple[int, ...] = (0, 1), strength: float = 1.2, finish: bool = True
) -> study.Plan:
    """A study on ``data`` whose classifiers are as good as ``strength`` says (0 is guessing), better with each later scheme."""
    planned = study.plan(name, data, schemes, seeds, ClassifierConfig(resolution=64, steps=10))
    _predict(planned, strength, seeds if finish else seeds[:1])
    if finish:
        study.analyse(name)
    return study.load_plan(name)


def _predict(planned: Study, strength: float, seeds: tuple[int, ...]) -> None:
    """Predictions of every cell of a study with these seeds."""
    image_set, split = open_dataset(planned.dataset), load_split(planned.dataset, planned.split_id)
    positive = image_set.labels == image_set.record.classes.index(planned.positive)
    for place, scheme in enumerate(planned.schemes):
        for seed in seeds:
            rng = np.random.default_rng([seed, place])
            scores = 1 / (1 + np.exp(-(strength * (1 + 0.3 * place) * (2 * positive - 1) + rng.normal(0, 1.5, len(positive)))))
            found = []
            for part in ("val", "test"):
                for row in split.rows(part):
                    image, group = str(image_set.table["image_id"].iloc[row]), split.groups[row]
                    found.append(Prediction(planned.name, scheme, seed, part, image, group, int(positive[row]), float(scores[row])))
            study.write_cell(study.find_cell(planned, scheme, seed), f"{planned.name}-{place}-{seed}", found)


def make_sweep(name: str, data: str, schemes: list[str], done: int | None = None, seeds: tuple[int, ...] = (0, 1), **splits) -> study.Sweep:
    """A sweep of schemes without a GAN of their own, of which the studies of the first ``done`` splits (all, unless said) are finished."""
    config = ClassifierConfig(resolution=64, steps=10)
    sweep = study.plan_sweep(name, data, schemes, seeds, config, **(splits or {"fractions": (0.5, 1.0)}))
    for number, point in enumerate(sweep.points[:done]):
        planned = study.plan_point(sweep, point)
        _predict(planned, 0.8 + 0.3 * number, seeds)
        study.analyse(planned)
    if done is None:
        study.analyse_sweep(sweep)
    return sweep


def make_batch(name: str, n: int, missing: int | None = None, facts: list[dict] | None = None, settings: dict | None = None) -> list[str]:
    """A batch of ``n`` small pictures, with what was measured of each if given; returns their opaque names."""
    cases = []
    for seed in range(n):
        content = images.png_bytes(np.full((64, 64, 3), seed % 256, np.uint8), {"seed": seed})
        origin = SyntheticImage("dcgan-phantom@4", seed, "malignant")
        known = facts[seed] if facts else None
        case = store.ReviewCase(f"{name}-{seed}", f"reviews/{name}/{seed}.png", files.sha256_bytes(content), origin, facts=known)
        if seed != missing:
            files.write_bytes(case.path, content)
        cases.append(case)
    store.create_batch(name, "curate", cases, "tester", settings)
    return [case.image for case in cases]


def make_blind_batch(name: str, n: int = 20, repeats: int = 4, margin: float = 0.1) -> dict[str, store.ReviewCase]:
    """A blind batch of ``n`` grey pictures, half of them called real, the first ``repeats`` twice; returns its cases by name."""
    cases = []
    for number in range(n):
        content = images.png_bytes(np.full((64, 64, 3), number % 256, np.uint8))
        origin = (
            {"real": {"dataset": "phantom", "image_id": f"P{number}"}}
            if number % 2
            else {"synthetic": SyntheticImage("run@4", number, None)}
        )
        image = files.sha256_bytes(f"{name} {number}".encode())[:16]
        cases.append(store.ReviewCase(image, f"reviews/{name}/{image}.png", files.sha256_bytes(content), **origin))
        files.write_bytes(cases[-1].path, content)
    for first in cases[:repeats]:
        image = files.sha256_bytes(f"again {first.image}".encode())[:16]
        again = dataclasses.replace(first, image=image, file=f"reviews/{name}/{image}.png", repeat_of=first.image)
        files.write_bytes(again.path, first.path.read_bytes())
        cases.append(again)
    cases.sort(key=lambda case: case.image)
    store.create_batch(name, "blind", cases, "tester", {"seed": 1, "margin": margin, "data": "phantom", "part": "train", "phantom": True})
    return {case.image: case for case in cases}
