"""Sweeps: one question asked of several splits, as one study each. Fractions of the training images, folds, or sources held out in turn.

Schemes of a sweep may say ``train(GAN)`` or ``train(GAN:CLASS)`` where a run would stand: a generator that is trained anew, for every
split, on exactly the training images of that split. At 1/16 of the data the GAN has seen 1/16 of the data, and in a fold nothing of the
fold's test images; a run that was trained outside is refused by every fold that tests on its images, like by any study.

workspace/sweeps/NAME/
    sweep.json      the plan; never changes
    point-K.json    which run each recipe became for split K; its study lies with the other studies, as NAME-K
    result.json     what the studies say together

Nothing is trained here; the console does that, point by point, and a sweep that was stopped goes on where it was.
"""

import dataclasses
import re
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug import catalog, files, runs, workspace
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import hold_out_source, load_split, make_folds, thin_split
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import ClassifierConfig, Scheme, Split, Study, from_dict, to_dict
from gan_aug.schemes import parse_scheme
from gan_aug.study.planning import default_positive, load_plan, plan, study_folder

_RECIPE = re.compile(r"train\(([^():@&+]+)(?::([^():@&+]+))?\)")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A generator that every point of a sweep trains for itself."""

    text: str  # as typed, such as train(dcgan:malignant)
    gan: str
    class_name: str | None  # None: all classes, of a conditional GAN


@dataclasses.dataclass(frozen=True)
class Point:
    """One split of a sweep, and the study on it."""

    label: str  # "1/16 of the training images", "fold 2 of 5", "source NAME"
    split_id: str
    study: str
    n_train: int  # images
    n_test: int


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is asked, and of which splits; fixed before the first training."""

    name: str
    kind: str  # fraction | fold | source
    dataset: str
    schemes: tuple[str, ...]  # as typed, with recipes
    base: str
    seeds: tuple[int, ...]
    config: dict[str, Any]  # to_dict of the ClassifierConfig
    recipes: tuple[Recipe, ...]
    preset: str  # of every recipe
    gan_settings: dict[str, Any]  # fields of GanConfig that differ from the preset
    external: str | None
    points: tuple[Point, ...]
    created: str


# --- planning ----------------------------------------------------------------------------------------------------------------------------


def plan_sweep(
    name: str,
    data: str,
    schemes: tuple[str, ...] | list[str],
    seeds: tuple[int, ...] | list[int],
    config: ClassifierConfig,
    *,
    fractions: tuple[float, ...] = (),
    folds: int = 0,
    sources: bool = False,
    split_id: str | None = None,
    base: str | None = None,
    preset: str = "small-data",
    gan_settings: dict[str, Any] | None = None,
    external: str | None = None,
) -> Sweep:
    """Settle a sweep and write it down; the same plan given again continues the one that is there.

    Parameters
    ----------
    fractions, folds, sources
        Exactly one of them: shares of the train part (val and test stay the same), a number of folds, or every source held out in turn.
    split_id : str, optional
        The split whose train part the fractions are of; needed where a dataset has several.
    base : str, optional
        The scheme that all others are compared with; ``standard`` where it is one of them, else the first.

    Raises
    ------
    InvalidValue, NotFound
        If anything does not exist or fit, or a sweep of that name has another plan; the message says what differs.
    """
    folder = _folder(name)
    image_set = open_dataset(data)
    if sum((bool(fractions), bool(folds), sources)) != 1:
        raise InvalidValue("It is not clear which splits are swept.", "Give fractions, a number of folds, or sources.")
    if split_id is not None and not fractions:
        raise InvalidValue("Folds and held-out sources are splits of their own, and a split was named.", "Leave the split out.")
    typed = tuple(scheme.strip() for scheme in schemes)
    recipes = _recipes(typed, image_set, preset, gan_settings or {})
    if not typed or len(set(typed)) < len(typed):
        raise InvalidValue("A sweep needs schemes, each of them once.", "Write for example: --schemes none,standard")
    chosen = base or ("standard" if "standard" in typed else typed[0])
    if chosen not in typed:
        raise InvalidValue(f"The base {chosen!r} is not one of the schemes.", f"They are: {', '.join(typed)}.")
    kind, splits = _splits(image_set, fractions, folds, sources, split_id)
    for label, split in splits:
        _check_classes(image_set, label, split)
    points = tuple(
        Point(label, split.id, workspace.check_name(f"{name}-{number}", "study name"), len(split.rows("train")), len(split.rows("test")))
        for number, (label, split) in enumerate(splits, 1)
    )
    sweep = Sweep(
        name=name, kind=kind, dataset=data, schemes=typed, base=chosen, seeds=tuple(sorted(seeds)), config=to_dict(config), recipes=recipes,
        preset=preset, gan_settings=gan_settings or {}, external=external, points=points, created=runs.now(),
    )  # fmt: skip
    if (folder / "sweep.json").exists():
        return _same(load_sweep(name), sweep)
    taken = [point.study for point in points if study_folder(point.study).exists()]
    if taken:
        raise InvalidValue(f"There already is a study {taken[0]!r}.", "Choose another name for the sweep.")
    files.write_json(folder / "sweep.json", to_dict(sweep))
    return sweep


def trains_gans(scheme: str) -> bool:
    """Whether a scheme, as typed, has a GAN trained for every split."""
    return _RECIPE.search(scheme) is not None


def _recipes(schemes: tuple[str, ...], image_set: ImageSet, preset: str, settings: dict[str, Any]) -> tuple[Recipe, ...]:
    """The recipes among the schemes, each once; every scheme must make sense when a run stands in the recipe's place."""
    found = {}
    for scheme in schemes:
        for match in _RECIPE.finditer(scheme):
            entry = catalog.entry(match[1])
            catalog.gan_config(entry.name, preset, **settings)
            class_name = match[2] or (None if entry.conditional else default_positive(image_set))
            if entry.conditional and match[2]:
                raise InvalidValue(f"{entry.name} learns all classes together.", f"Write train({entry.name}).")
            if class_name is not None and class_name not in image_set.record.classes:
                raise NotFound(f"There is no class {class_name!r}.", f"There are: {', '.join(image_set.record.classes)}.")
            found[match[0]] = Recipe(match[0], entry.name, class_name)
        parse_scheme(_RECIPE.sub("run", scheme))
    return tuple(found.values())


def _splits(
    image_set: ImageSet, fractions: tuple[float, ...], folds: int, sources: bool, split_id: str | None
) -> tuple[str, list[tuple[str, Split]]]:
    """The kind of sweep, and its splits with their labels."""
    name = image_set.record.name
    if folds:
        return "fold", [(split.rule, split) for split in make_folds(name, folds)]
    if sources:
        return "source", [
            (f"source {source}", hold_out_source(name, source)) for source in sorted(image_set.table["source"].unique().tolist())
        ]
    if len(set(fractions)) < len(fractions):
        raise InvalidValue("A fraction is named twice.", "Name each of them once.")
    whole = load_split(name, split_id)
    made = [(share, thin_split(whole, share)) for share in sorted(fractions)]
    return "fraction", [(_share_text(share), split) for share, split in made]


def _share_text(share: float) -> str:
    return "all training images" if share == 1 else f"{Fraction(share).limit_denominator(1000)} of the training images"


def _check_classes(image_set: ImageSet, label: str, split: Split) -> None:
    for part in ("train", "val", "test"):
        count = np.bincount(image_set.labels[split.rows(part)], minlength=len(image_set.record.classes))
        if count.min() < 2:
            rarest = image_set.record.classes[int(count.argmin())]
            raise InvalidValue(
                f"{label}: the {part} part has {count.min()} {rarest} images.", "A study needs at least 2 of each class in every part."
            )


def _same(there: Sweep, asked: Sweep) -> Sweep:
    old, new = to_dict(there), to_dict(asked)
    different = [key for key in new if key != "created" and old[key] != new[key]]
    if different:
        raise InvalidValue(
            f"There is a sweep {there.name!r} with other {', '.join(different)}.", "Choose another name; a plan is never changed."
        )
    return there


# --- going through the points ------------------------------------------------------------------------------------------------------------


def hold_point(sweep: Sweep, point: Point) -> AbstractContextManager[None]:
    """Hold a point while its GANs are trained and its study is planned.

    Raises
    ------
    Busy
        If another process does so.
    """
    return files.hold(_point_file(sweep, point).with_suffix(".lock"), f"{sweep.name}, {point.label}: the GANs are being trained")


def trained_for(sweep: Sweep, point: Point) -> dict[str, str]:
    """Which run each recipe became for a point, so far: text of the recipe -> run id.

    Raises
    ------
    CorruptFile
        If what was noted of it is damaged.
    """
    path = _point_file(sweep, point)
    if not path.exists():
        return {}
    try:
        made = files.read_json(path)
        whole = all(isinstance(run_id, str) for run_id in made.values())
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise CorruptFile(f"{path} is damaged.", "Delete that file: the GANs of that point are trained anew then.")
    return made


def note_run(sweep: Sweep, point: Point, recipe: Recipe, run_id: str) -> None:
    """Remember the run that a recipe became for a point, before it is trained, so that it is gone on with.

    Raises
    ------
    InvalidValue
        If the run was made for another split, which would be a leak or no retraining.
    """
    if runs.load_run(run_id).split_id != point.split_id:
        raise InvalidValue(f"{run_id} is not trained on the split of {point.label}.", "Train one on it.")
    files.write_json(_point_file(sweep, point), trained_for(sweep, point) | {recipe.text: run_id})


def plan_point(sweep: Sweep, point: Point) -> Study:
    """The study of a point, with the runs of its own in the place of the recipes; all of them must be trained.

    Raises
    ------
    LeakError, InvalidValue
        As :func:`gan_aug.study.plan`.
    """
    made = trained_for(sweep, point)
    for recipe in sweep.recipes:
        if recipe.text not in made or runs.status(made[recipe.text]).state != "finished":
            raise InvalidValue(
                f"{recipe.text} is not trained yet for {point.label}.", f"Go on with: gan-aug study sweep --name {sweep.name}"
            )
    return plan(
        point.study,
        sweep.dataset,
        [scheme_at(sweep, point, scheme) for scheme in sweep.schemes],
        sweep.seeds,
        from_dict(ClassifierConfig, sweep.config),
        base=scheme_at(sweep, point, sweep.base),
        external=sweep.external,
        split_id=point.split_id,
    )


def is_planned(point: Point) -> bool:
    """Whether the study of a point is planned: it says itself then which generators it needs."""
    return (study_folder(point.study) / "study.json").exists()


def scheme_at(sweep: Sweep, point: Point, scheme: str) -> str:
    """A scheme of the sweep as the study of a point spells it."""
    made = trained_for(sweep, point)
    return _RECIPE.sub(lambda match: made.get(match[0], match[0]), scheme)


def read_scheme(text: str) -> Scheme:
    """A scheme of a sweep as it is understood; what stands in the place of a recipe's run says nothing."""
    return dataclasses.replace(parse_scheme(_RECIPE.sub("run", text)), name=text)


# --- reading -----------------------------------------------------------------------------------------------------------------------------


def load_sweep(name: str) -> Sweep:
    """The plan of a sweep.

    Raises
    ------
    NotFound
        If there is none of that name.
    CorruptFile
        If its sweep.json is damaged.
    """
    path = _folder(name) / "sweep.json"
    if not path.exists():
        raise NotFound(f"There is no sweep {name!r}.", "Plan one with: gan-aug study sweep")
    sweep = files.read_record(Sweep, path)
    files.refuse_renamed(path, sweep.name)
    return sweep


def scan_sweeps() -> tuple[list[Sweep], dict[str, str]]:
    """The sweeps of the workspace, newest first; and by name a notice for each that cannot be read."""
    names = sorted(path.parent.name for path in (workspace.home() / "sweeps").glob("[!.]*/sweep.json"))
    found, damaged = files.read_each(load_sweep, names)
    return sorted(found, key=lambda sweep: sweep.created, reverse=True), damaged


def list_sweeps() -> list[Sweep]:
    """The readable sweeps of the workspace, newest first."""
    return scan_sweeps()[0]


def is_phantom(sweep: Sweep) -> bool:
    """Whether a sweep is on images drawn by rule. A study that is planned knows it when the dataset is gone."""
    planned = next((point.study for point in sweep.points if is_planned(point)), None)
    if planned is not None:
        return load_plan(planned).phantom
    try:
        return open_dataset(sweep.dataset).record.phantom
    except NotFound:
        return False


def result_file(sweep: Sweep) -> Path:
    """Where the result of a sweep is kept."""
    return _folder(sweep.name) / "result.json"


def _folder(name: str) -> Path:
    return workspace.home() / "sweeps" / workspace.check_name(name, "name of a sweep")


def _point_file(sweep: Sweep, point: Point) -> Path:
    return _folder(sweep.name) / f"point-{sweep.points.index(point) + 1}.json"
