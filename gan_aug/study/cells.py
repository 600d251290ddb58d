"""The cells of a study: one classifier per scheme and seed, their predictions, and the one door to the test part."""

import dataclasses
import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gan_aug import backbones, files, runs, schemes
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import digest_of_test, load_split
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import ClassifierConfig, Prediction, Split, Study, from_dict, to_dict
from gan_aug.study import external
from gan_aug.study.planning import Arm, Plan, load_plan, load_study, study_folder, study_name

COLUMNS = [field.name for field in dataclasses.fields(Prediction)]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One classifier of a study."""

    study: str
    scheme: str
    seed: int
    state: str  # new | running | stopped | failed | lost | trained (test not yet read) | done
    run_id: str | None
    message: str  # where it is, in words
    parts: tuple[str, ...] = ()  # what has been predicted

    @property
    def folder(self) -> Path:
        """Where cell.json and predictions.parquet lie."""
        return study_folder(self.study) / "cells" / f"{_slug(self.scheme)}-seed{self.seed}"


def _slug(scheme: str) -> str:
    """A scheme as part of a path; what cannot stand in one is told apart by a digest."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", scheme).strip("-")[:60]
    return plain if plain == scheme else f"{plain}-{hashlib.sha256(scheme.encode()).hexdigest()[:6]}"


def cells(study: Study | str) -> list[Cell]:
    """All cells of a study, scheme by scheme, and where each is now."""
    planned = load_study(study_name(study))
    return [find_cell(planned, scheme, seed) for scheme in planned.schemes for seed in planned.seeds]


def find_cell(study: Study, scheme: str, seed: int) -> Cell:
    """One cell of a study and where it is now. One that is done needs its run no more; another whose run was deleted is new again.

    Raises
    ------
    NotFound
        If the study has no such cell.
    """
    if scheme not in study.schemes or seed not in study.seeds:
        seeds = ", ".join(map(str, study.seeds))
        raise NotFound(f"Study {study.name} has no cell {scheme!r}, seed {seed}.", f"It has {', '.join(study.schemes)}; seeds {seeds}.")
    fresh = Cell(study.name, scheme, seed, "new", None, "Not started.")
    path = fresh.folder / "cell.json"
    if not path.exists():
        return fresh
    run_id, parts = _read_cell(path)
    known = dataclasses.replace(fresh, run_id=run_id, parts=parts)
    if "test" in parts:
        return dataclasses.replace(known, state="done", message="Trained and tested.")
    try:
        status = runs.status(run_id)
    except NotFound:  # without its weights it cannot be tested, so it counts for nothing
        return dataclasses.replace(fresh, message=f"Its run {run_id} was deleted; it is trained anew.")
    except CorruptFile as error:
        return dataclasses.replace(known, state="failed", message=f"{error.what} {error.todo}")
    if "val" in parts:
        return dataclasses.replace(known, state="trained", message="Trained; the test part is read when all cells are.")
    state = {"finished": "stopped"}.get(status.state, status.state)
    return dataclasses.replace(known, state=state, message=f"{status.message} Step {status.step}.")


def _read_cell(path: Path) -> tuple[str, tuple[str, ...]]:
    """The run of a cell, and what has been predicted.

    Raises
    ------
    CorruptFile
    """
    try:
        written = files.read_json(path)
        return written["run_id"], tuple(written["parts"])
    except (ValueError, KeyError, TypeError):
        todo = "Bring it back from a copy, or delete it: then that classifier is trained anew."
        raise CorruptFile(f"{path} is damaged.", todo) from None


def write_cell(cell: Cell, run_id: str, predictions: list[Prediction] = ()) -> None:
    """Record a cell's run and its predictions; the predictions come first, so that cell.json never promises any that are not there."""
    if predictions:
        table = pd.DataFrame([to_dict(prediction) for prediction in predictions], columns=COLUMNS)
        files.write_bytes(cell.folder / "predictions.parquet", table.to_parquet(index=False))
    parts = sorted({prediction.part for prediction in predictions})
    files.write_json(cell.folder / "cell.json", {"scheme": cell.scheme, "seed": cell.seed, "run_id": run_id, "parts": parts})


def predictions(study: Study | str) -> pd.DataFrame:
    """Every prediction of a study so far: study, scheme, seed, part, image_id, group, label, score."""
    found = [pd.read_parquet(cell.folder / "predictions.parquet") for cell in cells(study) if cell.parts]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


# --- what is looked at -------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Exam:
    """Images on which a classifier is judged."""

    part: str  # val | test | external
    images: np.ndarray  # (N, R, R, 3) uint8, all images of the dataset
    rows: np.ndarray  # (n,) int64, those that are looked at
    labels: np.ndarray  # (n,) 1 if the image is of the positive class
    image_ids: tuple[str, ...]
    groups: tuple[str, ...]
    positive: int  # number of the positive class among those of the classifier

    def predictions(self, study: str, scheme: str, seed: int, probabilities: np.ndarray) -> list[Prediction]:
        """A classifier's predictions, from its class probabilities (n, classes) of the images looked at."""
        lines = zip(self.image_ids, self.groups, self.labels.tolist(), probabilities[:, self.positive].tolist(), strict=True)
        return [Prediction(study, scheme, seed, self.part, *line) for line in lines]


def make_exam(
    image_set: ImageSet,
    part: str,
    rows: list[int],
    groups: tuple[str, ...],
    positive: str,
    classes: tuple[str, ...],
    config: ClassifierConfig,
) -> Exam:
    """The images ``rows`` of a dataset, as a classifier of ``classes`` and of that configuration looks at them.

    An external dataset may hold fewer classes than the classifier knows, so a class can have one number in it and another in predictions.
    """
    place = np.array(rows, np.int64)
    return Exam(
        part=part,
        images=image_set.at(config.resolution),
        rows=place,
        labels=(image_set.labels[place] == image_set.record.classes.index(positive)).astype(np.int64),
        image_ids=tuple(image_set.table["image_id"].iloc[place]),
        groups=tuple(groups[row] for row in rows),
        positive=classes.index(positive),
    )


def val_exam(name: str) -> Exam:
    """The val part of a study, on which everything is chosen."""
    study = load_plan(name).study
    split = load_split(study.dataset, study.split_id)
    config = from_dict(ClassifierConfig, study.config)
    image_set = open_dataset(study.dataset)
    return make_exam(image_set, "val", split.rows("val"), split.groups, study.positive, image_set.record.classes, config)


def open_test(name: str) -> list[Exam]:
    """The test part of a study, and its external set if it has one: the only door to them, and it is logged.

    Raises
    ------
    InvalidValue
        If a cell is not trained yet, or the plan is no longer the one with which test was read before.
    """
    settled = load_plan(name)
    open_cells = [cell for cell in cells(name) if cell.state not in ("trained", "done")]
    if open_cells:
        first = open_cells[0]
        raise InvalidValue(
            f"{len(open_cells)} cells of study {name} are not trained yet, such as {first.scheme}, seed {first.seed}.",
            "The test part is read once, when all are: run the study to its end.",
        )
    check_unchanged(settled)
    image_set, split = _check_data(settled)
    _log_access(settled, digest_of_test(image_set, split))
    study, config = settled.study, from_dict(ClassifierConfig, settled.study.config)
    classes = image_set.record.classes
    exams = [make_exam(image_set, "test", split.rows("test"), split.groups, study.positive, classes, config)]
    if study.external:
        other = open_dataset(study.external)
        rows = external.rows(other, settled.external_left_out)
        exams.append(make_exam(other, "external", rows, external.groups(other), study.positive, classes, config))
    return exams


# --- guards ------------------------------------------------------------------------------------------------------------------------------


def test_accesses(study: Study | str) -> list[dict]:
    """The lines of a study's log of test accesses, oldest first."""
    path = study_folder(study_name(study)) / "test_access.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _log_access(settled: Plan, test_digest: str) -> None:
    """Note what is read, by content too: another split, and a dataset under another name, can hold the same images."""
    name = settled.study.name
    line = {
        "count": len(test_accesses(name)) + 1,
        "time": runs.now(),
        "plan_sha256": settled.sha256,
        "split_fingerprint": settled.study.split_fingerprint,
        "test_digest": test_digest,
        "dataset": settled.study.dataset,
        "dataset_fingerprint": settled.dataset_fingerprint,
        "external": settled.study.external,
        "external_fingerprint": settled.external_fingerprint,
        "code_version": runs.code_version(),
    }
    with (study_folder(name) / "test_access.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def check_unchanged(settled: Plan) -> None:
    """Refuse a plan that was changed after the test part had been read.

    Raises
    ------
    InvalidValue
    """
    for access in test_accesses(settled.study.name):
        if access["plan_sha256"] != settled.sha256:
            raise InvalidValue(
                f"The plan of study {settled.study.name} was changed after its test part had been read on {access['time']}.",
                "Bring study.json back as it was, or plan a study under a new name.",
            )


def _check_data(settled: Plan) -> tuple[ImageSet, Split]:
    """The data of a study, if they still are what it was planned on.

    Raises
    ------
    InvalidValue
    """
    study = settled.study
    image_set, split = open_dataset(study.dataset), load_split(study.dataset, study.split_id)
    found = [
        (f"Dataset {study.dataset}", image_set.record.fingerprint, settled.dataset_fingerprint),
        (f"Split {split.id}", split.fingerprint, study.split_fingerprint),
    ]
    if study.external:
        found.append((f"Dataset {study.external}", open_dataset(study.external).record.fingerprint, settled.external_fingerprint))
    for what, now, planned in found:
        if now != planned:
            raise InvalidValue(f"{what} is not what study {study.name} was planned on.", "Bring it back, or plan a study under a new name.")
    return image_set, split


def check_cell(name: str, scheme: str) -> tuple[Plan, Arm]:
    """Make sure, when a cell starts, that everything still is what the study was planned on, and that nothing leaks.

    Raises
    ------
    LeakError, InvalidValue, CorruptFile
    """
    settled = load_plan(name)
    study, arm = settled.study, settled.arm(scheme)
    check_unchanged(settled)
    image_set, split = _check_data(settled)
    frozen = schemes.parse_scheme(arm.frozen)
    generators = schemes.find_generators(frozen, image_set.record.classes)
    for generator, planned in zip(generators, arm.generators, strict=True):
        if generator.weights_sha256 != planned.weights_sha256:
            raise InvalidValue(
                f"The weights of {planned.checkpoint} are not those that study {name} was planned with.",
                "Bring that snapshot back, or plan a study under a new name.",
            )
    weights = backbones.initial_weights(from_dict(ClassifierConfig, study.config))
    if (weights.sha256 if weights else None) != settled.weights_sha256:
        raise InvalidValue(f"The initial weights are not those that study {name} was planned with.", "Bring that file back.")
    curated = schemes.curated_images(frozen, image_set.record.classes)
    # A plan of an older version pins a set by its number alone.
    if arm.curated_sha256 is not None and schemes.digest_of_curated(curated) != arm.curated_sha256:
        raise InvalidValue(
            f"The pictures of the curated set {frozen.curated} are not those that study {name} was planned with.",
            "Bring that version of the set back, or plan a study under a new name.",
        )
    schemes.refuse_leaks(schemes.seen_images(generators, curated, weights), image_set, split)
    return settled, arm
