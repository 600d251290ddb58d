"""How like real images a generator's are: every number with its interval, its protocol, and what two sets of real images score.

The real images are those of one part of a split, ``val`` unless another is named. As many generated images are set against them, at the
generator's resolution, through one extractor. The floor is the same measure between two sets of those real images, of different
patients: what the measure says where nothing is generated.
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug import randomness, runs
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet
from gan_aug.data.split import digest_of_test
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.metrics import record
from gan_aug.metrics.extractors import Extractor, OnProgress, cached_features, fingerprint, open_extractor
from gan_aug.metrics.frechet import frechet_distance, frechet_infinity, least_for_infinity
from gan_aug.metrics.kid import kid, kid_interval
from gan_aug.metrics.prdc import prdc
from gan_aug.metrics.record import MetricRecord
from gan_aug.records import PARTS, Checkpoint, Split
from gan_aug.subjects import Setting, open_setting

NEIGHBOURS = 5  # k of precision, recall, density and coverage
FEWEST = NEIGHBOURS + 2  # images that a set needs for them


@dataclasses.dataclass(frozen=True)
class _Real:
    """The real images of a comparison, whole groups (patients, lesions) one after the other in an order that belongs to the seed."""

    pictures: np.ndarray  # (at least n, R, R, 3) uint8
    labels: np.ndarray  # class name of each
    groups: np.ndarray  # number of the patient or lesion that each is of
    available: int  # images of the class in the part
    n: int  # the first n are compared with generated images
    others: np.ndarray  # positions of images of other groups, which the first so many are compared with for the floor; empty if too few

    @property
    def floor_n(self) -> int:
        return len(self.others)


def evaluate(
    subject: str,
    data: str,
    part: str = "val",
    extractor: str = "derm",
    n: int = 1000,
    seed: int = 0,
    *,
    class_name: str | None = None,
    split_id: str | None = None,
    infinity: bool = False,
    on_progress: OnProgress | None = None,
) -> list[MetricRecord]:
    """Measure a generator, or a folder of pictures, against the real images of one part of a dataset.

    The numbers are also kept, one JSON line each: in the run's folder, or in the workspace for a folder of pictures.

    Parameters
    ----------
    subject : str
        ``RUN``, ``RUN@best``, ``RUN@last``, ``RUN@kimg``, or a folder.
    data : str
        Name of the dataset with the real images.
    part : str
        ``test`` is only read when it is named here, and that is logged beside the dataset.
    extractor : str
        See :func:`gan_aug.metrics.extractors.open_extractor`.
    n : int
        Images on either side, at most; the records say where the part or the folder held fewer.
    seed : int
        Decides which real images and which seeds of the generator are taken.
    class_name : str, optional
        Class of the real images; by default the one that the run was trained on, or all.
    split_id : str, optional
        By default the split that the run was trained on, or the dataset's only one.
    infinity : bool
        Also extrapolate the Frechet distance to infinitely many images, which takes three images a side for each feature.

    Raises
    ------
    LeakError
        If the generator or the extractor was trained on images of val or test.
    InvalidValue, NotFound, ExtractorUnavailable
        If something named does not exist or does not fit, or there are fewer than 7 images.
    """
    if part not in PARTS:
        raise InvalidValue(f"There is no part {part!r}.", f"Choose one of {', '.join(PARTS)}.")
    setting = open_setting(subject, data, class_name, split_id, seed)
    source = setting.source
    eyes = open_extractor(extractor)
    _refuse_leaks(setting, eyes)
    if part == "test":
        _log_access(setting, eyes)
    most = n if setting.run else min(n, len(source.files))
    real = _draw_real(setting.image_set, setting.split, part, setting.class_name, setting.size, most, seed)
    if infinity:
        _check_infinity(real, eyes)
    fake = source.pictures(real.labels[: real.n], setting.size, setting.class_name, seed)
    numbers = _measure(cached_features(eyes, real.pictures, on_progress), cached_features(eyes, fake, on_progress), real, seed, infinity)
    protocol = {
        "subject": source.name,
        "extractor": eyes.name,
        "weights_sha256": eyes.weights_sha256,
        "dim": eyes.dim,
        "resize": eyes.resize,
        "n_real": real.n,
        "n_fake": len(fake),
        "real_set_fingerprint": fingerprint(real.pictures[: real.n]),
        "fake_set_fingerprint": fingerprint(fake),
        "image_size": setting.size,
        "codec": source.codec,
        "dataset": data,
        "part": part,
        "class_name": setting.class_name,
        "seed": seed,
        "floor_n": real.floor_n,
        "real_groups": len(np.unique(real.groups[: real.n])),
        "notes": _notes(n, real, eyes, setting, part),
        "versions": record.versions(),
        "created": runs.now(),
    }
    records = [MetricRecord(**numbers[metric], **protocol) for metric in record.METRICS if metric in numbers]
    record.append_records(source.file, records)
    return records


def select_best(
    run_id: str,
    data: str,
    extractor: str,
    n: int = 1000,
    seed: int = 0,
    *,
    on_progress: OnProgress | None = None,
) -> Checkpoint:
    """Choose the best snapshot of a run: the lowest KID on ``val``, averaged over each snapshot and its neighbours in time.

    A snapshot counts twice and each neighbour once, so that neither a single lucky one wins nor one that is merely in good company. Every
    snapshot is evaluated on the same images and seeds, and its numbers are kept; the choice is written to the run's ``best.json``.

    Raises
    ------
    NotFound
        If the run has no snapshot.
    InvalidValue
        If a snapshot or a folder is named instead of a run.
    """
    _refuse_no_run(run_id)
    checkpoints = runs.list_checkpoints(run_id)
    if not checkpoints:
        raise NotFound(f"Run {run_id} has no snapshot yet.", "Wait until its training has written one.")
    measured = [evaluate(checkpoint.id, data, "val", extractor, n, seed, on_progress=on_progress) for checkpoint in checkpoints]
    first, *_ = lines = [line for records in measured for line in records if line.metric == "kid"]
    kids = [line.value for line in lines]
    weights = np.array([1, 2, 1])
    averaged = np.convolve(kids, weights)[1:-1] / np.convolve(np.ones(len(kids)), weights)[1:-1]
    best = int(np.argmin(averaged))
    reason = (
        f"{first.title} {averaged[best]:.5f} through {first.extractor} on val of {data}, {first.n_real} images a side, averaged over "
        f"{', '.join(checkpoint.id.partition('@')[2] for checkpoint in checkpoints[max(0, best - 1) : best + 2])} kimg; "
        f"the lowest of {len(kids)} snapshots."
    )
    runs.choose_best(run_id, checkpoints[best].step, reason)
    return checkpoints[best]


def _refuse_no_run(run_id: str) -> None:
    """Say what is wanted where a folder or a snapshot was named, which :func:`evaluate` takes as well."""
    if "@" not in run_id and not Path(run_id).is_dir():
        return
    with contextlib.suppress(InvalidValue):
        if runs.is_there(run_id):  # a folder may be called as a run is
            return
    if Path(run_id).is_dir():
        what, todo = "is a folder of pictures", "Name a run; see them with: gan-aug runs --kind gan"
    else:
        what, todo = "is a single snapshot", f"Name the run alone: {run_id.partition('@')[0]}"
    raise InvalidValue(f"{run_id} {what}, and the best is chosen among all snapshots of a run.", todo)


def _refuse_leaks(setting: Setting, eyes: Extractor) -> None:
    """Neither what made the images nor what looks at them may have been trained on images of val or test."""
    training_list.refuse_leak(list(eyes.seen), setting.image_set, setting.split, f"extractor {eyes.name}")
    if run := setting.run:
        training_list.refuse_leak(training_list.read(runs.run_folder(run.id)), setting.image_set, setting.split, f"run {run.id}")


def _log_access(setting: Setting, eyes: Extractor) -> None:
    """Note beside the dataset that its test part was looked at."""
    access = {"time": runs.now(), "by": "evaluate", "subject": setting.source.name, "extractor": eyes.name, "split": setting.split.id}
    access |= {"test_digest": digest_of_test(setting.image_set, setting.split), "seed": setting.seed}
    record.append_lines(setting.image_set.folder / "test_access.jsonl", [access])


def _check_infinity(real: _Real, eyes: Extractor) -> None:
    if real.n < least_for_infinity(eyes.dim):
        raise InvalidValue(
            f"{real.n} images a side are too few to extrapolate a Frechet distance of {eyes.dim} features.",
            f"It takes {least_for_infinity(eyes.dim):,}: ask for more, or leave --infinity away; KID is unbiased at any number.",
        )


def _draw_real(image_set: ImageSet, split: Split, part: str, class_name: str | None, size: int, n: int, seed: int) -> _Real:
    rows = np.array(split.rows(part), np.int64)
    labels = image_set.table["label"].to_numpy()
    if class_name is not None:
        rows = rows[labels[rows] == class_name]
    n = min(n, len(rows))
    if n < FEWEST:
        of_class = f" of class {class_name}" if class_name else ""
        raise InvalidValue(
            f"Only {n} images a side could be compared; {part} of {image_set.record.name!r} holds {len(rows)}{of_class}.",
            f"Precision and recall need at least {FEWEST} images on either side.",
        )
    groups, group = np.unique(np.array(split.groups)[rows], return_inverse=True)
    place = np.lexsort((randomness.order(seed, 1, len(rows)), randomness.order(seed, 0, len(groups))[group]))
    rows, group = rows[place], group[place]
    half = min(n, len(rows) // 2)
    # A patient on both sides would make two sets look more alike than they are.
    others = np.flatnonzero((np.arange(len(rows)) >= half) & (group != group[half - 1]))[:half]
    enough = len(others) >= FEWEST and min(len(np.unique(half_groups)) for half_groups in (group[:half], group[others])) > 1
    others = others if enough else others[:0]
    taken = max(n, others.max(initial=-1) + 1)
    return _Real(image_set.at(size)[rows[:taken]], labels[rows[:taken]], group[:taken], len(rows), n, others)


def _measure(real_features: np.ndarray, fake_features: np.ndarray, real: _Real, seed: int, infinity: bool) -> dict[str, dict[str, Any]]:
    """Value, interval and floor of every metric."""
    compared, groups = real_features[: real.n], real.groups[: real.n]
    values = _numbers(compared, fake_features, groups)
    halves = real_features[: real.floor_n], real_features[real.others]
    floors = _numbers(*halves, real.groups[: real.floor_n], real.groups[real.others]) if real.floor_n else {}
    if infinity:
        values["frechet_infinity"] = frechet_infinity(compared, fake_features, seed)
        if real.floor_n >= least_for_infinity(compared.shape[1]):
            floors["frechet_infinity"] = frechet_infinity(*halves, seed)
    interval = kid_interval(compared, fake_features, groups, seed=seed)
    ci = {"kid": (interval.low, interval.high)}
    return {
        metric: {"metric": metric, "value": value, "ci": ci.get(metric, ()), "floor_real_real": floors.get(metric)}
        for metric, value in values.items()
    }


def _numbers(
    real_features: np.ndarray, fake_features: np.ndarray, real_groups: np.ndarray, fake_groups: np.ndarray | None = None
) -> dict[str, float]:
    return {
        "kid": kid(real_features, fake_features, real_groups, fake_groups),
        "frechet": frechet_distance(real_features, fake_features),
        **dataclasses.asdict(prdc(real_features, fake_features, NEIGHBOURS)),
    }


def _notes(asked: int, real: _Real, eyes: Extractor, setting: Setting, part: str) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    notes = []
    if real.n < asked:
        notes.append(f"{asked} images a side were asked for, and {real.n} are compared: there are no more on one side.")
    if real.floor_n == 0:
        notes.append(f"There is no floor: {part} holds {real.available} images, too few for two sets of {FEWEST} of different patients.")
    elif real.floor_n < real.n:
        notes.append(
            f"The floor is of two sets of {real.floor_n} images of different patients, because {part} holds {real.available} images. All "
            "metrics but KID depend on the number of images, so beside them it is a rough guide only."
        )
    if part == "train" and setting.run:
        notes.append("The real images are of the part that generators train on, so copying them is rewarded.")
    if eyes.name.startswith("random-conv"):
        notes.append("random-conv is an extractor for tests; its numbers say nothing about realism.")
    if setting.image_set.record.phantom:
        notes.append("The images are phantoms, drawn by rule; nothing here says anything about skin lesions.")
    return tuple(notes)
