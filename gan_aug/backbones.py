"""The classifiers that can be chosen, by name, and the weights they can start from. No torch, so that studies are planned without it.

All are EfficientNets (Tan and Le 2019, arXiv 1905.11946) built by efficientnet-pytorch. One family is never put in the place of another:
the same name from torchvision pads otherwise and is not the same function of the same weights.
"""

import dataclasses
from pathlib import Path

from gan_aug import files, runs
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import ClassifierConfig

# Number of MBConv blocks of each; what `frozen_blocks` counts.
BLOCKS = {
    "efficientnet-b0": 16,
    "efficientnet-b1": 23,
    "efficientnet-b2": 23,
    "efficientnet-b3": 26,
    "efficientnet-b4": 32,
    "efficientnet-b5": 39,
    "efficientnet-b6": 45,
    "efficientnet-b7": 55,
}

SCRATCH = "random numbers: trained from scratch"


def check_backbone(config: ClassifierConfig) -> None:
    """Refuse a configuration that names no backbone we have, or freezes more blocks than it has.

    Raises
    ------
    InvalidValue
        For an unknown name the message lists the known ones.
    """
    if config.backbone not in BLOCKS:
        raise InvalidValue(f"There is no backbone {config.backbone!r}.", f"Choose one of {', '.join(BLOCKS)}.")
    if config.frozen_blocks > BLOCKS[config.backbone]:
        raise InvalidValue(
            f"frozen_blocks is {config.frozen_blocks}, but {config.backbone} has {BLOCKS[config.backbone]} blocks.",
            "Freeze at most that many; the head is always trained.",
        )


@dataclasses.dataclass(frozen=True)
class InitialWeights:
    """The file that a classifier starts from, instead of from random numbers."""

    file: str
    sha256: str
    run_id: str | None  # the run that wrote these bytes, whose training list then counts; None for a file from outside

    def __str__(self) -> str:
        origin = f"run {self.run_id}" if self.run_id else "a file from outside, whose training images are not known here"
        return f"{Path(self.file).name} (sha256 {self.sha256[:12]}, {origin})"


def initial_weights(config: ClassifierConfig) -> InitialWeights | None:
    """What ``config.weights`` names: a local file, or a classifier run such as ``RUN@best``. None means training from scratch.

    A file is recognised by its bytes, so weights that were copied out of a run folder are still known as that run's.

    Raises
    ------
    NotFound
        If there is neither such a file nor such a run.
    """
    if config.weights is None:
        return None
    path = Path(config.weights).expanduser()
    if not path.is_file():
        path = _file_of_run(config.weights)
    sha256 = files.sha256_file(path)
    found, damaged = runs.scan_runs("classifier")
    names = (*(run.id for run in found), *damaged)  # one whose record is damaged has still written its weights
    writers = (name for name in names for made in runs.list_checkpoints(name) if made.weights_sha256 == sha256)
    return InitialWeights(str(path.resolve()), sha256, next(writers, None))


def _file_of_run(reference: str) -> Path:
    try:
        run, checkpoint = runs.resolve(reference)
    except (NotFound, InvalidValue):
        raise NotFound(
            f"The initial weights {reference!r} are neither a file nor a run.", "Give the path of a local file, or a run such as RUN@best."
        ) from None
    if run.kind != "classifier":
        raise InvalidValue(f"{run.id} is a {run.kind}; a classifier cannot start from it.", "Name a run of a classifier.")
    return runs.sampled_file(checkpoint)
