"""What an audit found, with its protocol, and the file that it is kept in. No torch."""

import dataclasses
import json
from pathlib import Path

from gan_aug import runs, workspace
from gan_aug.errors import CorruptFile
from gan_aug.metrics import record
from gan_aug.records import from_dict, to_dict


@dataclasses.dataclass(frozen=True)
class SpaceAudit:
    """What the distances in one space say. Pairs of numbers are of generated and of held-out images."""

    space: str  # name of the extractor, or pixels
    weights_sha256: str  # of the extractor; empty for pixels
    dim: int
    resize: str
    median_distance: tuple[float, float]  # to the nearest training image, over the 8 flips and turns
    least_distance: tuple[float, float]
    median_relative: tuple[float, float]  # see metrics.copying.Nearest.relative
    auth_pct: tuple[float, float]  # [%]; real images of other patients need not reach 100
    rank_z: float  # below 0 if generated images lie nearer
    ct: float | None  # None if no cell holds enough images
    closer_than_any: int  # training images to which generated ones are relatively nearer than every held-out one is to any
    closer_chance: float  # of so many, if nothing is copied


@dataclasses.dataclass(frozen=True)
class ClassAudit:
    """The same of one class: that of the generated images where it is known, else that of the nearest training image."""

    class_name: str
    known: bool  # whether the class of the generated images is known
    n_fake: int
    n_held_out: int
    identical: int
    near_duplicates: int
    median_distance: tuple[float | None, float | None]
    auth_pct: tuple[float | None, float | None]
    rank_z: float | None


@dataclasses.dataclass(frozen=True)
class Pair:
    """A generated image and the training image closest to it: the one that it duplicates, or the nearest."""

    fake: str  # seed or file
    real: str  # image id
    relative: float  # of the generated image: its distance to the nearest training image over the mean distance to the next ten
    similarity: float  # correlation, see data.duplicates; near-duplicates have 0.7 or more, by chance up to 0.73, copies 0.8 or more
    identical: bool


@dataclasses.dataclass(frozen=True)
class Audit:
    """The result with its protocol."""

    subject: str  # RUN@kimg, or the folder of the images
    verdict: str  # copies | no sign of copying | too few images to say
    reasons: tuple[str, ...]  # in sentences
    notes: tuple[str, ...]
    n_fake: int
    n_held_out: int
    n_train: int
    identical: int  # generated images that are a training image, pixel by pixel, in one of the 8 flips and turns
    near_duplicates: tuple[int, int]  # verified ones, identical ones included: generated images, held-out images
    spaces: tuple[SpaceAudit, ...]
    classes: tuple[ClassAudit, ...]
    pairs: tuple[Pair, ...]  # as on the sheet
    sheet: str  # file of the picture; in a stored audit relative to the workspace, if it lies there
    dataset: str
    dataset_fingerprint: str
    split_id: str
    split_fingerprint: str
    class_name: str | None
    seed: int
    image_size: int  # side at which images are compared [px]
    codec: str
    fake_set_fingerprint: str
    held_out_fingerprint: str
    train_fingerprint: str  # sha256 over the pixel digests of the training images, sorted
    versions: dict[str, str]
    created: str


def append(folder: Path, result: Audit) -> None:
    """Keep an audit in a run's folder or the workspace; a run may be passed on, so it names no folder of this machine that it need not."""
    sheet = Path(result.sheet)
    inside = sheet.is_relative_to(workspace.home())
    record.append_lines(_file(folder), [to_dict(result) | {"sheet": str(sheet.relative_to(workspace.home()) if inside else sheet)}])


def audits(run_id: str) -> list[Audit]:
    """The audits of a run, oldest first; a last line without its end was never finished and does not count.

    Raises
    ------
    CorruptFile
        If a finished line is not an audit.
    """
    path = _file(runs.run_folder(run_id))
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    try:
        found = [from_dict(Audit, json.loads(line)) for line in lines if line.endswith("\n")]
    except (ValueError, TypeError, AttributeError) as error:
        raise CorruptFile(f"{path} cannot be read ({error}).", "Delete the damaged line; audits can be repeated.") from None
    return [dataclasses.replace(each, sheet=str(workspace.home() / each.sheet)) for each in found]


def _file(folder: Path) -> Path:
    return folder / "audits.jsonl"
