"""Planning a study: everything is settled, and every leak refused, before the first classifier is trained.

workspace/studies/NAME/
    study.json          the plan; never changes
    cells/ARM-seedK/    one folder per scheme and seed: cell.json, predictions.parquet
    test_access.jsonl   one line each time that the test part was opened
    analysis.json       what the predictions say
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug import backbones, files, runs, workspace
from gan_aug.data import leaks, training_list
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split, thin_split
from gan_aug.errors import InvalidValue, LeakError, NotFound
from gan_aug.records import ClassifierConfig, Scheme, SeenImage, Split, Study, to_dict
from gan_aug.schemes import (
    CuratedImage,
    Generator,
    check_resolution,
    curated_images,
    digest_of_curated,
    find_generators,
    freeze,
    order_images,
    parse_scheme,
    refuse_leaks,
    seen_images,
    spell,
)
from gan_aug.study import external as external_set
from gan_aug.study.words import named

PRIMARY_METRIC = "AUC on the test part"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One scheme of a study, with what it meant when the study was planned."""

    scheme: str  # as typed
    frozen: str  # the same with every snapshot and version pinned; this is what is trained
    generators: tuple[Generator, ...]
    real: dict[str, int]  # training images of each class
    synthetic: dict[str, int]
    curated_from: tuple[str, ...] = ()  # the snapshots that generated the pictures of its curated set, RUN@kimg
    curated_sha256: str | None = None  # over those pictures and their classes
    seen_outside: dict[str, int] = dataclasses.field(default_factory=dict)  # run behind its images -> real ones beside the train part


# Fields of an arm that plans of older versions lack, and what they then are.
_LATER = {"curated_from": [], "curated_sha256": None, "seen_outside": {}}


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study and the facts that it was planned on."""

    study: Study
    dataset_fingerprint: str
    phantom: bool
    sizes: dict[str, dict[str, int]]  # part (and "external") -> class -> images
    arms: tuple[Arm, ...]
    starts_from: str  # where the networks' first weights come from, in words
    weights_sha256: str | None  # of the file with initial weights
    external_fingerprint: str | None
    external_left_out: tuple[str, ...]  # images of the external set that something here has seen
    notes: tuple[str, ...]  # what a reader has to know about the arms

    @property
    def sha256(self) -> str:
        """Digest of the whole plan; every reading of the test part is logged with it. A later field counts where it says something."""
        values = to_dict(self)
        values["arms"] = [{key: value for key, value in arm.items() if (key, value) not in _LATER.items()} for arm in values["arms"]]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def arm(self, scheme: str) -> Arm:
        """The arm of a scheme.

        Raises
        ------
        NotFound
        """
        for arm in self.arms:
            if arm.scheme == scheme:
                return arm
        raise NotFound(f"Study {self.study.name} has no scheme {scheme!r}.", f"It has: {', '.join(self.study.schemes)}.")


# --- making a plan -----------------------------------------------------------------------------------------------------------------------


def plan(
    name: str,
    data: str,
    schemes: tuple[str, ...] | list[str],
    seeds: tuple[int, ...] | list[int],
    config: ClassifierConfig,
    base: str | None = None,
    fraction: float = 1.0,
    external: str | None = None,
    split_id: str | None = None,
    question: str | None = None,
    positive: str | None = None,
) -> Study:
    """Settle a study and write it down; the same plan given again continues the study that is there.

    Parameters
    ----------
    schemes : sequence of str
        Augmentation schemes, see :mod:`gan_aug.schemes`.
    seeds : sequence of int
        One classifier is trained per scheme and seed.
    base : str, optional
        The scheme that all others are compared with; ``standard`` where it is one of them, else the first.
    fraction : float, default 1
        Share of the train part that is used (low-data studies).
    external : str, optional
        Another dataset, on which every classifier is tested too.
    positive : str, optional
        The class whose probability is the score; ``malignant`` where there is one.

    Raises
    ------
    LeakError
        If a generator, curated set or initial weights have seen images of val or test; the message names them.
    InvalidValue, NotFound
        If anything does not exist or fit, or a study of that name has another plan; the message says what differs.
    """
    folder = study_folder(name)
    image_set = open_dataset(data)
    split = _choose_split(image_set, fraction, split_id)
    parsed = tuple(parse_scheme(text) for text in schemes)
    study = Study(
        name=name,
        question=question or "",
        dataset=data,
        split_id=split.id,
        split_fingerprint=split.fingerprint,
        positive=positive or default_positive(image_set),
        schemes=tuple(scheme.name for scheme in parsed),
        base=base or next((scheme.name for scheme in parsed if scheme.name == "standard"), parsed[0].name if parsed else ""),
        seeds=tuple(sorted(seeds)),
        config=to_dict(config),
        fraction=split.fraction,
        external=external,
        primary_metric=PRIMARY_METRIC,
        created=runs.now(),
    )
    if not question:
        study = dataclasses.replace(study, question=_default_question(study))
    _check(study, image_set, split, config)
    if (folder / "study.json").exists():
        return _same_study(load_plan(name).study, study)
    settled = _settle(study, parsed, image_set, split, config)
    files.write_json(folder / "study.json", to_dict(settled))
    return study


def _choose_split(image_set: ImageSet, fraction: float, split_id: str | None) -> Split:
    """The named split, or else the dataset's only full one, thinned where a fraction is asked for; val and test stay the same."""
    name = image_set.record.name
    split = load_split(name, split_id)
    if fraction != 1.0:
        split = thin_split(split, fraction)
    if split.dataset_fingerprint != image_set.record.fingerprint:
        raise InvalidValue(f"Split {split.id} was made for another state of dataset {name}.", f"Split it again: gan-aug data split {name}")
    return split


def default_positive(image_set: ImageSet) -> str:
    """The class that is looked for where none was named: ``malignant``.

    Raises
    ------
    InvalidValue
        If there is no such class.
    """
    if "malignant" in image_set.record.classes:
        return "malignant"
    raise InvalidValue(
        f"Dataset {image_set.record.name} has no class 'malignant', so it is not clear which class is looked for.",
        f"Name the positive class: {', '.join(image_set.record.classes)}.",
    )


def _default_question(study: Study) -> str:
    others = [named(name) for name in study.schemes if name != study.base]
    if not others:
        return f"How well does a classifier find {study.positive} lesions on {study.dataset}?"
    asked = f"does the scheme {others[0]}" if len(others) == 1 else f"does one of the schemes {', '.join(others)}"
    return f"On {study.dataset}, {asked} find {study.positive} lesions better than {named(study.base)}?"


def _check(study: Study, image_set: ImageSet, split: Split, config: ClassifierConfig) -> None:
    """What can be wrong with a plan before anything is looked up."""
    record = image_set.record
    backbones.check_backbone(config)
    if not study.schemes or len(set(study.schemes)) < len(study.schemes):
        raise InvalidValue("A study needs schemes, each of them once.", "Write for example: --schemes none,standard")
    if study.base not in study.schemes:
        raise InvalidValue(f"The base {study.base!r} is not one of the study's schemes.", f"They are: {', '.join(study.schemes)}.")
    if not study.seeds or len(set(study.seeds)) < len(study.seeds) or not all(0 <= seed < 10**9 for seed in study.seeds):
        raise InvalidValue("A study needs seeds, each of them once, from 0 to 999,999,999.", "Write for example: --seeds 0,1,2")
    if study.positive not in record.classes:
        raise InvalidValue(f"Dataset {record.name} has no class {study.positive!r}.", f"It has: {', '.join(record.classes)}.")
    if config.resolution > record.size:
        raise InvalidValue(
            f"Dataset {record.name} holds images of {record.size} px, and the classifier is to look at {config.resolution} px.",
            f"Set resolution={record.size} or less, or import the images again with a larger --size.",
        )
    positive = image_set.labels == record.classes.index(study.positive)
    for part in ("train", "val", "test"):
        here = positive[split.rows(part)]
        if min(here.sum(), (~here).sum()) < 2:
            raise InvalidValue(
                f"The {part} part of {record.name} has {here.sum()} {study.positive} images and {(~here).sum()} others.",
                "A study needs at least 2 of each in every part: use more data.",
            )


def _same_study(there: Study, asked: Study) -> Study:
    """The study that exists, if it is the one that is asked for."""
    old, new = _flat(there), _flat(asked)
    different = [f"{key} is {old.get(key)!r}, not {new[key]!r}" for key in new if key != "created" and old.get(key) != new[key]]
    if different:
        raise InvalidValue(
            f"There is a study {there.name!r} with another plan: {'; '.join(different)}.", "Choose another name; a plan is never changed."
        )
    return there


def _flat(study: Study) -> dict[str, Any]:
    """The fields of a study and of its configuration side by side."""
    fields = to_dict(study)
    return fields | fields.pop("config")


# --- settling what it means --------------------------------------------------------------------------------------------------------------


def _settle(study: Study, parsed: tuple[Scheme, ...], image_set: ImageSet, split: Split, config: ClassifierConfig) -> Plan:
    """Pin every reference and refuse every leak."""
    classes = image_set.record.classes
    notes = _check_groups(image_set, split)
    weights = backbones.initial_weights(config)
    sizes = {part: _count(image_set, split.rows(part)) for part in ("train", "val", "test")}
    arms, seen = [], {}
    for scheme in parsed:
        generators = find_generators(scheme, classes)
        check_resolution(generators, config)
        curated = curated_images(scheme, classes)
        behind = seen_images(generators, curated, None)
        arm = _settle_arm(scheme, generators, curated, sizes["train"])
        arms.append(dataclasses.replace(arm, seen_outside=_seen_outside(behind, image_set, split)))
        seen |= behind
    seen |= seen_images((), [], weights)
    refuse_leaks(seen, image_set, split)
    _refuse_twins(arms)
    notes += _notes_on_origin(seen, split)
    if weights and weights.run_id is None:
        notes.append(f"What the initial weights {Path(weights.file).name} were trained on is not known here.")
    outside, left_out = open_dataset(study.external) if study.external else None, ()
    if outside:
        left_out = external_set.leaks(outside, image_set, split, seen)
        sizes["external"] = _count(outside, external_set.rows(outside, left_out))
        external_set.check(outside, image_set, study.positive, sizes["external"], config)
    if left_out:
        notes.append(f"Images of {study.external} left out, because they or relatives of them were trained or chosen on: {len(left_out)}.")
    return Plan(
        study=study,
        dataset_fingerprint=image_set.record.fingerprint,
        phantom=image_set.record.phantom,
        sizes=sizes,
        arms=tuple(arms),
        starts_from=str(weights) if weights else backbones.SCRATCH,
        weights_sha256=weights.sha256 if weights else None,
        external_fingerprint=outside.record.fingerprint if outside else None,
        external_left_out=left_out,
        notes=tuple(notes),
    )


def _check_groups(image_set: ImageSet, split: Split) -> list[str]:
    """Refuse a split that separates what belongs together; what is known of patients and lesions, for the report.

    Raises
    ------
    LeakError
    """
    report = leaks.check(image_set.record.name)
    broken = [sentence for sentence in report.violations if sentence.startswith(f"Split {split.id} ")]
    if broken:
        raise LeakError(
            f"{broken[0]}{f' So it is with {len(broken) - 1} more groups.' if len(broken) > 1 else ''}",
            f"Make a split that keeps groups together: gan-aug data split {image_set.record.name}",
        )
    if report.n_with_patient == report.n_images:
        return []
    known = f"The patient is known for {report.n_with_patient} and the lesion for {report.n_with_lesion} of {report.n_images} images"
    return [f"{known} of {image_set.record.name}; of the others, only duplicates and verified near-duplicates were kept together."]


def _settle_arm(scheme: Scheme, generators: tuple[Generator, ...], curated: list[CuratedImage], counts: dict[str, int]) -> Arm:
    """Pin an arm and count its training images."""
    classes = tuple(counts)
    synthetic = dict.fromkeys(classes, 0)
    for order in order_images(scheme, generators, classes, counts, seed=0):
        synthetic[order.class_name] += order.count
    for picture in curated:
        synthetic[picture.class_name] += 1
    real = counts if scheme.real else dict.fromkeys(classes, 0)
    curated_from = tuple(dict.fromkeys(picture.image.checkpoint for picture in curated))
    frozen = spell(freeze(scheme, generators))
    return Arm(scheme.name, frozen, generators, real, synthetic, curated_from, digest_of_curated(curated))


def _refuse_twins(arms: list[Arm]) -> None:
    first: dict[str, str] = {}
    for arm in arms:
        if arm.frozen in first:
            raise InvalidValue(f"The schemes {first[arm.frozen]!r} and {arm.scheme!r} mean the same.", "Leave one of them out.")
        first[arm.frozen] = arm.scheme


def _count(image_set: ImageSet, rows: list[int]) -> dict[str, int]:
    """Images of each class among some rows."""
    counts = np.bincount(image_set.labels[rows], minlength=len(image_set.record.classes))
    return dict(zip(image_set.record.classes, counts.tolist(), strict=True))


def _notes_on_origin(seen: dict[str, list[SeenImage]], split: Split) -> list[str]:
    """Which runs come from elsewhere; that they do not leak has been checked."""
    found = []
    for run_id in seen:
        run = runs.load_run(run_id)
        if run.split_fingerprint != split.fingerprint:
            found.append(f"{run_id} was trained on {run.dataset}, split {run.split_id}; it has seen no image of val or test.")
    return found


def _seen_outside(behind: dict[str, list[SeenImage]], image_set: ImageSet, split: Split) -> dict[str, int]:
    """How many real images outside the train part each run behind an arm's images has seen, where there are any."""
    counts = {run_id: training_list.count_outside(images, image_set, split.rows("train")) for run_id, images in behind.items()}
    return {run_id: n for run_id, n in counts.items() if n}


# --- reading -----------------------------------------------------------------------------------------------------------------------------


def study_name(study: Study | str) -> str:
    """The name of a study that is given as its record or by its name."""
    return study if isinstance(study, str) else study.name


def study_folder(name: str) -> Path:
    """Where the study called ``name`` lies, or would."""
    return workspace.studies() / workspace.check_name(name, "study name")


def load_plan(name: str) -> Plan:
    """The plan of a study.

    Raises
    ------
    NotFound
        If there is none of that name; the message lists those that exist.
    CorruptFile
        If its study.json is damaged.
    """
    path = study_folder(name) / "study.json"
    if not path.exists():
        known = ", ".join(study.name for study in list_studies())
        raise NotFound(f"There is no study {name!r}.", f"There are: {known}." if known else "Plan one with: gan-aug study run")
    settled = files.read_record(Plan, path)
    files.refuse_renamed(path, settled.study.name)
    return settled


def load_study(name: str) -> Study:
    """The record of a study."""
    return load_plan(name).study


def scan_studies() -> tuple[list[Study], dict[str, str]]:
    """The studies of the workspace, newest first; and by name a notice for each that cannot be read."""
    names = sorted(path.parent.name for path in workspace.studies().glob("[!.]*/study.json"))
    found, damaged = files.read_each(load_study, names)
    return sorted(found, key=lambda study: (study.created, study.name), reverse=True), damaged


def list_studies() -> list[Study]:
    """The readable studies of the workspace, newest first."""
    return scan_studies()[0]
