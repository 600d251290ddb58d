"""Projections that the workspace keeps: a picture that was given to a generator, and where in latent space it was found. No torch.

workspace/projections/NAME/
    origin.json      what was given, and to which generator
    given.png        an uploaded picture, already a square of the generator's size; removed as soon as the projection has ended, or with the
                     whole folder where it never comes to that
    projection.png   the picture, its projection, the nearest random picture, side by side
    projection.json  records of :mod:`gan_aug.project`; written last
"""

import contextlib
import dataclasses
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_aug import files, images, runs, workspace
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.errors import CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.randomness import check_seed
from gan_aug.records import Run, from_dict, to_dict

PICTURE, RECORD = "projection.png", "projection.json"
ORIGIN, GIVEN = "origin.json", "given.png"

RANDOM = 256  # pictures that a projection is compared with, and the nearest of which it starts from
FAR_NEARER = 3.0  # times nearer than the nearest random picture; a picture of the generator's own comes to above 5, noise to below 1.5
LONG = 1.3  # length of z, relative to that of samples, beyond which a generator is outside of what it was trained on
MAX_UPLOAD = 20  # [MB]

_MAX_STEPS = 100_000
_KEPT = 86_400  # for so long an upload waits to be projected, where nothing is known of the jobs [s]
_UNSENT = 60  # and where it is known that none is to project it: its job is submitted right after it came [s]


@dataclasses.dataclass(frozen=True)
class Projection:
    """Where an image lies in latent space. Distances are root mean squares over the pixels, in grey levels of 255."""

    checkpoint: str  # RUN@kimg
    class_name: str | None
    image: str  # file name
    image_sha256: str  # of the file
    z: tuple[float, ...]
    distance: float
    feature_distance: float  # relative: 1 is as far as a picture without any of the image's features
    start_distances: tuple[float, ...]  # reached from each start, ascending
    random_least: float  # nearest of the random pictures
    random_median: float
    closer_than_random: float  # random_least / distance; far above 1 where the image was found
    length: float  # |z| / sqrt(z_dim); about 1 for samples
    extractor: str
    steps: int
    seed: int
    created: str


def check_search(starts: int, steps: int, seed: int) -> None:
    """Refuse what :func:`gan_aug.project.project` cannot take.

    Raises
    ------
    InvalidValue
    """
    if not 1 <= starts <= RANDOM or not 1 <= steps <= _MAX_STEPS:
        raise InvalidValue(
            f"{starts} starts of {steps} steps cannot be.", f"Use 1 to {RANDOM} starts, and 1 to {_MAX_STEPS:,} steps from each."
        )
    check_seed(seed, 2**31)


@dataclasses.dataclass(frozen=True)
class Origin:
    """What was given to be projected."""

    name: str
    run_id: str
    given: str  # the image in words: its id, or the name of the uploaded file
    data: str | None  # dataset; None for an upload
    image_id: str | None
    part: str | None
    seen: bool | None  # whether the generator was trained on that very image; None where it is not known
    created: str


@dataclasses.dataclass(frozen=True)
class Kept:
    """A finished projection."""

    origin: Origin
    record: Projection

    def pictures(self) -> list[np.ndarray]:
        """The image, its projection and the nearest random picture, each (R, R, 3) uint8."""
        path = folder(self.origin.name) / PICTURE
        try:
            strip = np.asarray(Image.open(path, formats=("PNG",)).convert("RGB"))
        except (OSError, ValueError) as error:
            raise CorruptFile(f"{path} cannot be read ({error}).", "Delete this projection, and project the image again.") from None
        return np.split(strip, 3, axis=1)


def home() -> Path:
    """Folder that holds one folder per projection."""
    return workspace.home() / "projections"


def folder(name: str) -> Path:
    """Where the projection called ``name`` lies, or would."""
    return home() / workspace.check_name(name, "name of a projection")


# --- giving an image ---------------------------------------------------------------------------------------------------------------------


def of_dataset(run: Run, data: str, image_id: str, part: str | None = None) -> Origin:
    """Note that an image of a dataset is to be projected; the picture itself stays where it is.

    Raises
    ------
    NotFound
        If there is no such dataset or image.
    """
    table = open_dataset(data).table
    row = _row(data, image_id)
    listed = {image.pixel_sha256 for image in training_list.read(runs.run_folder(run.id))}
    origin = Origin(_new_name(run), run.id, image_id, data, image_id, part, table["pixel_sha256"].iat[row] in listed, runs.now())
    files.write_json(folder(origin.name) / ORIGIN, to_dict(origin))
    return origin


def of_upload(run: Run, content: bytes, name: str) -> Origin:
    """Take an uploaded file: what is kept of it is the centre square at the generator's size, without metadata, until it is projected.

    Raises
    ------
    UserError
        If it is not a photograph that can be read, see :func:`gan_aug.images.read_picture`, or is too large.
    """
    if len(content) > MAX_UPLOAD * 1_000_000:
        raise InvalidValue(f"The file is larger than {MAX_UPLOAD} MB.", "Give a smaller picture.")
    shown = re.sub(r"[^\w. -]", "_", name)[-80:] or "a picture"
    with tempfile.TemporaryDirectory() as there:
        path = Path(there) / "upload"  # the name is a stranger's, and says nothing that the content does not
        path.write_bytes(content)
        try:
            pixels = images.read_picture(path, run.config["resolution"]).pixels
        except images.ImageRejected as error:
            raise InvalidValue(f"{shown} cannot be used: {error.reason}.", "Give another picture.") from None
    origin = Origin(_new_name(run), run.id, shown, None, None, None, None, runs.now())
    files.write_json(folder(origin.name) / ORIGIN, to_dict(origin))
    files.write_bytes(folder(origin.name) / GIVEN, images.png_bytes(pixels))
    return origin


def _new_name(run: Run) -> str:
    return f"{run.id[:80]}-{secrets.token_hex(4)}"


def _row(data: str, image_id: str) -> int:
    found = np.flatnonzero(open_dataset(data).table["image_id"].to_numpy() == image_id)
    if len(found) == 0:
        raise NotFound(f"Dataset {data!r} has no image {image_id!r}.", "Choose another image.")
    return int(found[0])


@contextlib.contextmanager
def given(name: str) -> Iterator[Path]:
    """The picture that is to be projected, as a file for the length of the block; an upload is gone afterwards, however the block ends.

    Raises
    ------
    NotFound
        If there is no such projection, or its picture is gone.
    """
    if not (folder(name) / ORIGIN).exists():
        raise _gone()
    origin = _origin(name)
    with tempfile.TemporaryDirectory() as there:
        path = Path(there) / GIVEN
        if origin.data is not None:
            size = runs.load_run(origin.run_id).config["resolution"]
            pixels = np.asarray(open_dataset(origin.data).at(size)[_row(origin.data, origin.image_id)])
            path.write_bytes(images.png_bytes(pixels))
        else:
            kept = folder(name) / GIVEN
            if not kept.exists():
                raise _gone()
            path.write_bytes(kept.read_bytes())
        try:
            yield path
        finally:
            (folder(name) / GIVEN).unlink(missing_ok=True)


def _gone() -> NotFound:
    return NotFound("The uploaded picture is gone: it is kept for one projection alone.", "Upload it again.")


def sweep(is_open: Mapping[str, bool] | None = None) -> None:
    """Remove uploads that nobody is going to project, such as that of a job that was taken off the queue, with what was noted of them.

    Parameters
    ----------
    is_open : mapping, optional
        Name of a projection -> whether its job waits or runs. All that do must be in it. Uploads of jobs that have ended go at once.
        Without it, uploads go after a day.
    """
    for path in home().glob("*"):
        with contextlib.suppress(OSError):  # another process may sweep too
            if _holds_upload(path) and _is_over(path, is_open):
                if (path / RECORD).exists():
                    (path / GIVEN).unlink()
                else:
                    shutil.rmtree(path)


def _holds_upload(path: Path) -> bool:
    """Whether an uploaded picture lies in a projection's folder, or the note of one that did not come to be projected."""
    if (path / GIVEN).exists() or (path / RECORD).exists():
        return (path / GIVEN).exists()
    try:
        return _read(path / ORIGIN, Origin).data is None
    except UserError:
        return False


def _is_over(path: Path, is_open: Mapping[str, bool] | None) -> bool:
    """Whether no job is going to project the upload in the folder ``path``."""
    if is_open is not None and path.name in is_open:
        return not is_open[path.name]
    age = time.time() - (path / (GIVEN if (path / GIVEN).exists() else ORIGIN)).stat().st_mtime
    return age > (_KEPT if is_open is None else _UNSENT)


# --- results -----------------------------------------------------------------------------------------------------------------------------


def finished(run_id: str) -> list[Kept]:
    """The finished projections of a run, newest first; damaged ones are left out."""
    found = []
    for path in home().glob(f"*/{RECORD}"):
        with contextlib.suppress(UserError):
            found.append(load(path.parent.name))
    return sorted((kept for kept in found if kept.origin.run_id == run_id), key=lambda kept: kept.record.created, reverse=True)


def load(name: str) -> Kept:
    """A finished projection.

    Raises
    ------
    NotFound, CorruptFile
        If there is none of that name, or it cannot be read.
    """
    origin = _origin(name)
    return Kept(origin, _read(folder(name) / RECORD, Projection))


def _origin(name: str) -> Origin:
    return _read(folder(name) / ORIGIN, Origin)


def _read(path: Path, kind: type) -> Any:
    if not path.exists():
        raise NotFound(f"There is no projection {path.parent.name!r}.", "Project an image first.")
    try:
        return from_dict(kind, files.read_json(path))
    except (ValueError, TypeError, AttributeError, UserError) as error:
        raise CorruptFile(f"{path} cannot be read ({error}).", "Delete this projection, and project the image again.") from None


def remove(name: str) -> None:
    """Delete a projection, pictures and all."""
    shutil.rmtree(folder(name), ignore_errors=True)


def in_words(kept: Kept) -> list[str]:
    """What a projection says, in sentences."""
    record = kept.record
    told = [
        f"The projection differs from the image by {record.distance:.1f} grey levels of 255 (root mean square). Of 256 random pictures of "
        f"this generator the nearest differs by {record.random_least:.1f}, the median one by {record.random_median:.1f}."
    ]
    if record.closer_than_random >= FAR_NEARER:
        told.append(
            f"That is {record.closer_than_random:.1f} times nearer than any of them: the generator can produce this image, or one very "
            "much like it."
        )
        if kept.origin.seen:
            told.append("It was trained on this image, so that is a reason to run the audit for copied training images.")
    else:
        told.append(
            f"That is {record.closer_than_random:.1f} times as near as the nearest of them. The generator does not hold this image; where "
            "the two differ is what it cannot produce."
        )
    if record.length > LONG:
        told.append(f"Its z is {record.length:.1f} times as long as that of samples: the generator was driven out of what it has learned.")
    return told
