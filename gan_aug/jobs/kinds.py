"""The kinds of job, and what each takes. Arguments are checked when a job is submitted, so that a mistake never waits in the queue.

The rules are those of the parts that do the work, where these import without torch. What they bring along is imported when it is needed.
"""

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gan_aug.errors import InvalidValue
from gan_aug.fields import check_types, require
from gan_aug.jobs.slots import Lane
from gan_aug.randomness import MEASURED_BELOW, check_seed
from gan_aug.records import ClassifierConfig, from_dict, to_dict
from gan_aug.workspace import check_name

# gan_aug.evaluate and gan_aug.audit refuse fewer images on either side. They import torch; a test holds these numbers to theirs.
FEWEST_MEASURED = 7
FEWEST_AUDITED = 2


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What a job takes. Every value is of its declared type, or the record does not come to be."""

    def __post_init__(self) -> None:
        check_types(self)
        self.check()

    def check(self) -> None:
        """Raise an InvalidValue where values are impossible or contradict each other."""


@dataclasses.dataclass(frozen=True)
class DrawDemo(Arguments):
    """Draw the phantom dataset, and split it."""

    name: str = "phantom"
    images: int = 2000
    size: int = 64  # [px]
    seed: int = 0

    def check(self) -> None:
        from gan_aug.data.phantom import check_drawing

        check_name(self.name, "name of a dataset")
        check_drawing(self.images, self.size, self.seed)


@dataclasses.dataclass(frozen=True)
class ImportImages(Arguments):
    """Import photographs, and split them."""

    paths: tuple[str, ...]  # relative ones are made absolute: the worker may have been started in another folder
    name: str
    size: int = 128  # [px]
    workers: int | None = None  # processes that read images
    format: str | None = None  # None recognises it
    image_column: str | None = None
    label_column: str | None = None
    labels: Literal["binary", "diagnosis"] = "binary"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "paths", tuple(str(Path(path).expanduser().absolute()) for path in self.paths))

    def check(self) -> None:
        from gan_aug.data.importer import check_options

        check_name(self.name, "name of a dataset")
        check_options(self.paths, self.size, self.workers)


@dataclasses.dataclass(frozen=True)
class SplitDataset(Arguments):
    """Split a dataset into train, val and test: by shares, or as a run's training was (``like``)."""

    name: str
    seed: int = 0
    val: float = 0.15
    test: float = 0.15
    fraction: float = 1.0
    like: str | None = None  # a run's id

    def check(self) -> None:
        from gan_aug.data.split import check_shares

        check_name(self.name, "name of a dataset")
        check_shares(self.seed, self.val, self.test, self.fraction)


@dataclasses.dataclass(frozen=True)
class TrainGan(Arguments):
    """Train a GAN: a new run (``gan`` and ``data``), or a run that was stopped (``run_id``)."""

    gan: str | None = None
    data: str | None = None
    class_name: str | None = None
    preset: str = "small-data"
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)  # fields of GanConfig that differ from the preset
    seed: int = 0
    split_id: str | None = None
    parent: str | None = None  # the run this is a clone of
    run_id: str | None = None

    def check(self) -> None:
        _check_new_or_old(self.run_id, (self.gan, self.data), "Give gan and data, or run_id alone.")
        if self.gan is not None:
            from gan_aug import catalog

            catalog.gan_config(self.gan, self.preset, **self.settings)
            check_seed(self.seed)


def _check_new_or_old(run_id: str | None, needed: tuple[str | None, ...], todo: str) -> None:
    """A training is described by what a new run needs, or by the run that it goes on with."""
    given = [value is not None for value in needed]
    if any(given) if run_id else not all(given):
        raise InvalidValue("It is not clear whether a run is to be started, or one to be gone on with.", todo)


def _check_measurement(n: int, fewest: int, seed: int) -> None:
    require(n >= fewest, "n", n, f"a whole number, {fewest} or above")
    check_seed(seed, MEASURED_BELOW)


def _check_truncation(truncation: float) -> None:
    from gan_aug import latent

    latent.truncate(latent.z_of_seed(0, 1), truncation)


@dataclasses.dataclass(frozen=True)
class ExportGenerator(Arguments):
    """Write the generator of a snapshot as an ONNX file, from which pages generate."""

    checkpoint: str  # RUN, RUN@best, RUN@last or RUN@kimg


@dataclasses.dataclass(frozen=True)
class EvaluateGenerator(Arguments):
    """Measure generated images against real ones."""

    reference: str  # a run's snapshot, or a folder of images
    data: str
    part: Literal["train", "val", "test"] = "val"
    extractor: str = "derm"
    n: int = 1000  # images on either side, at most
    seed: int = 0
    class_name: str | None = None
    split_id: str | None = None

    def check(self) -> None:
        _check_measurement(self.n, FEWEST_MEASURED, self.seed)


@dataclasses.dataclass(frozen=True)
class SelectBest(Arguments):
    """Choose the best snapshot of a run."""

    run_id: str
    data: str
    extractor: str = "derm"
    n: int = 1000  # images on either side, at most
    seed: int = 0

    def check(self) -> None:
        _check_measurement(self.n, FEWEST_MEASURED, self.seed)


@dataclasses.dataclass(frozen=True)
class AuditGenerator(Arguments):
    """Look whether a generator repeats the images that it was trained on."""

    reference: str  # a run's snapshot, or a folder of images
    data: str
    extractor: str | None = None  # a network to look through, besides the pixels
    n: int = 1000  # images of each kind, at most
    seed: int = 0
    class_name: str | None = None
    split_id: str | None = None

    def check(self) -> None:
        _check_measurement(self.n, FEWEST_AUDITED, self.seed)


@dataclasses.dataclass(frozen=True)
class SampleImages(Arguments):
    """Generate images into a folder of the workspace's exports."""

    reference: str
    name: str  # of the folder
    seeds: str = "0-63"
    class_name: str | None = None
    truncation: float = 1.0

    def check(self) -> None:
        from gan_aug import latent

        check_name(self.name, "name of a folder")
        latent.parse_seeds(self.seeds)
        _check_truncation(self.truncation)


@dataclasses.dataclass(frozen=True)
class TrainClassifier(Arguments):
    """Train one classifier: a new run (``data``), or a run that was stopped (``run_id``)."""

    data: str | None = None
    scheme: str = "standard"
    config: dict[str, Any] = dataclasses.field(default_factory=dict)  # fields of ClassifierConfig that differ from the defaults
    seed: int = 0
    split_id: str | None = None
    run_id: str | None = None

    def check(self) -> None:
        _check_new_or_old(self.run_id, (self.data,), "Give data, or run_id alone.")
        if self.data is not None:
            from gan_aug import backbones, schemes

            schemes.parse_scheme(self.scheme)
            backbones.check_backbone(from_dict(ClassifierConfig, self.config))
            check_seed(self.seed)


@dataclasses.dataclass(frozen=True)
class RunStudy(Arguments):
    """Train the cells of a planned study that are missing, analyse it, and write its report."""

    name: str

    def check(self) -> None:
        check_name(self.name, "name of a study")


@dataclasses.dataclass(frozen=True)
class RunSweep(Arguments):
    """Go through the points of a planned sweep: train the GANs that are missing, run the studies, and write the report."""

    name: str

    def check(self) -> None:
        check_name(self.name, "name of a sweep")


@dataclasses.dataclass(frozen=True)
class MakeReviewBatch(Arguments):
    """Generate images for people to judge. In blind mode, real ones of ``data`` are mixed in and a tenth is shown twice."""

    name: str
    reference: str
    n: int = 200  # images: all generated, or in blind mode generated and real ones together
    first_seed: int = 0
    seeds: tuple[int, ...] = ()  # these instead, as many as they are; curate mode
    mode: Literal["curate", "blind"] = "curate"
    class_name: str | None = None
    truncation: float = 1.0
    data: str | None = None  # dataset of the real images
    part: Literal["train", "val"] = "train"  # from which they come; test is read once per study and shown to nobody
    margin: float = 0.1  # how far from one half an accuracy may lie and still count as chance; laid down before anybody judges
    extractor: str | None = None  # for distances, curate mode
    by: str = "page"

    def check(self) -> None:
        from gan_aug import latent

        check_name(self.name, "name of a batch")
        fewest, most = (10, 2_000) if self.mode == "blind" else (1, 10_000)
        if not fewest <= self.n <= most:
            raise InvalidValue(f"A {self.mode} batch cannot have {self.n} images.", f"Ask for {fewest} to {most:,}.")
        if self.seeds and self.mode == "blind":
            raise InvalidValue("The pictures of a blind batch are not chosen by hand.", "Make a batch to be curated of chosen seeds.")
        if len(self.seeds) > most or len(set(self.seeds)) < len(self.seeds) or not all(0 <= seed < 2**63 for seed in self.seeds):
            raise InvalidValue("These seeds cannot be a batch.", f"Name up to {most:,} different whole numbers from 0 on.")
        latent.z_of_seeds([self.first_seed, self.first_seed + self.n - 1], 1)
        _check_truncation(self.truncation)
        if not 0 < self.margin < 0.5:
            raise InvalidValue(f"The margin around chance cannot be {self.margin:g}.", "Give a number above 0 and below 0.5, such as 0.1.")
        if self.mode == "blind" and self.data is None:
            raise InvalidValue(
                "A blind batch mixes real images in, and no dataset was named.", "Name the dataset that the run was trained on."
            )


@dataclasses.dataclass(frozen=True)
class PrepareNearest(Arguments):
    """Prepare the search for the training image that is nearest to a picture: the extractor as a graph, and features of the images."""

    run_id: str
    extractor: str = "derm"


@dataclasses.dataclass(frozen=True)
class ProjectImage(Arguments):
    """Find the latent vector whose picture comes nearest to an image, which the page has noted or left in the projection's folder."""

    name: str  # of the projection, see gan_aug.projections
    reference: str
    class_name: str | None = None
    starts: int = 4
    steps: int = 300
    seed: int = 0

    def check(self) -> None:
        from gan_aug.projections import check_search

        check_name(self.name, "name of a projection")
        check_search(self.starts, self.steps, self.seed)


@dataclasses.dataclass(frozen=True)
class Reindex(Arguments):
    """Make the index of runs anew from their folders."""


@dataclasses.dataclass(frozen=True)
class Sleep(Arguments):
    """Wait, and do nothing: a check that the queue works."""

    seconds: float = 1.0

    def check(self) -> None:
        if not 0 <= self.seconds <= 3600:
            raise InvalidValue(f"seconds cannot be {self.seconds}.", "Give 0 to 3600.")


# What it means to ask for the same while it waits or runs. same: nothing, one job does it. later: what it finds depends on when it starts,
# as a training adds snapshots and runs, so only a job that still waits does it. more: each is work of its own.
Again = Literal["same", "later", "more"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of job: what it takes, whether it needs the device for long, and what asking for the same once more means."""

    arguments: type
    lane: Lane
    again: Again = "same"


KINDS: dict[str, Kind] = {
    "demo": Kind(DrawDemo, "short"),
    "import": Kind(ImportImages, "short"),
    "split": Kind(SplitDataset, "short"),
    "train_gan": Kind(TrainGan, "device"),
    "export": Kind(ExportGenerator, "short", again="later"),
    "evaluate": Kind(EvaluateGenerator, "device", again="later"),
    "select_best": Kind(SelectBest, "device", again="later"),
    "audit": Kind(AuditGenerator, "device", again="later"),
    "sample": Kind(SampleImages, "short"),
    "classify": Kind(TrainClassifier, "device"),
    "study": Kind(RunStudy, "device"),
    "sweep": Kind(RunSweep, "device"),
    "review_batch": Kind(MakeReviewBatch, "short"),
    "nearest": Kind(PrepareNearest, "short"),
    "project": Kind(ProjectImage, "short"),
    "reindex": Kind(Reindex, "short", again="later"),
    "sleep": Kind(Sleep, "device", again="more"),
}


def parse_arguments(kind: str, arguments: Mapping[str, Any]) -> Any:
    """The arguments of a job as the record of its kind.

    Raises
    ------
    UserError
        If there is no such kind, a key is unknown or missing, or a value is impossible.
    """
    if kind not in KINDS:
        raise InvalidValue(f"There is no work called {kind!r}.", f"There is: {', '.join(KINDS)}; a newer version may know more.")
    record = KINDS[kind].arguments
    missing = [field.name for field in dataclasses.fields(record) if _is_required(field) and field.name not in arguments]
    if missing:
        raise InvalidValue(f"A job of kind {kind!r} needs {', '.join(missing)}.", f"It takes {', '.join(typing.get_type_hints(record))}.")
    return from_dict(record, dict(arguments))


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def normalise(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a job as plain JSON values, checked, with every default filled in."""
    return to_dict(parse_arguments(kind, arguments))
