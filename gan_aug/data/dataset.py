"""A dataset on disk: images stored once as uint8, and a table of what is known about each.

workspace/datasets/NAME/
    dataset.json    the Dataset record; written last, so a folder that has it is whole
    images.npy      (N, S, S, 3) uint8, read through a memory map
    table.parquet   one row per image, in the order of images.npy
    rejected.csv    files that could not be used, each with the reason
    unmatched.csv   rows without an image, images without a row, images without a usable label
    images-64.npy   the same images at a smaller size, derived when first asked for
    splits/         see split.py

The record holds digests of what the import wrote. The columns of the table that say what each image is are compared with theirs when the
table is read; images.npy, which may have gigabytes, and all the rest when a user asks for it, see ``check_files``.
"""

import contextlib
import csv
import dataclasses
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from gan_aug import files, workspace
from gan_aug.errors import CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.images import resize
from gan_aug.records import Dataset, Digests, ImportReport, from_dict, to_dict

COLUMNS = (
    "image_id", "label", "diagnosis", "patient_id", "lesion_id", "source", "licence", "byte_sha256", "pixel_sha256", "phash", "file",
)  # fmt: skip
REJECTED_COLUMNS = ("source", "file", "reason")
UNMATCHED_COLUMNS = ("source", "kind", "image_id", "file", "detail")

_ORIGINS = ("source", "licence")
_ROWS = tuple(column for column in COLUMNS if column not in _ORIGINS)

_BLOCK = 1024  # images resized at a time
_AGAIN = "Remove the dataset's folder and import the pictures again."
_RESTORE = "Bring {} back from a backup, or import the pictures again under another name."
# Import options that the fingerprint of a dataset without digests was made with, besides its size. Those of a phantom held its seed, which
# such a dataset does not tell.
_OLDER_OPTIONS = ({"version": 1, "labels": "binary"}, {"version": 1, "labels": "diagnosis"})

_verified: dict[Path, tuple[object, ...]] = {}  # by table: what it was when it was found to be as imported; pages read tables often


class ImageSet:
    """The images and the table of one dataset, read as needed."""

    def __init__(self, record: Dataset, folder: Path):
        self.record = record
        self.folder = folder
        self._table: pd.DataFrame | None = None

    @property
    def images(self) -> np.ndarray:
        """All images as stored: memory map of shape (N, S, S, 3), uint8, in table order."""
        return self._open(self.folder / "images.npy", self.record.size)

    @property
    def table(self) -> pd.DataFrame:
        """One row per image; text columns, see ``COLUMNS``. Unknown values are empty.

        Raises
        ------
        CorruptFile
            If it cannot be read, or does not say of the images what the import wrote.
        """
        if self._table is None:
            self._table = self._read_table()
        return self._table

    @property
    def has_known_table(self) -> bool:
        """Whether there is something by which to tell that the table changed: all datasets but phantoms of older versions."""
        return self.record.digests is not None or not self.record.phantom

    @property
    def labels(self) -> np.ndarray:
        """Class number of every image, shape (N,), int64: the label's position in ``record.classes``."""
        position = {name: number for number, name in enumerate(self.record.classes)}
        return np.array([position[label] for label in self.table["label"]], np.int64)

    def at(self, size: int) -> np.ndarray:
        """All images at ``size`` pixels, (N, size, size, 3) uint8; derived once with an antialiased filter, and kept.

        Raises
        ------
        InvalidValue
            If ``size`` is larger than the stored images: enlarging adds no detail.
        """
        self._check(size)
        if size == self.record.size:
            return self.images
        path = self.folder / f"images-{size}.npy"
        if not path.exists():
            self._derive(path, size)
        return self._open(path, size, _derive_again(path))

    def picture(self, row: int, size: int) -> np.ndarray:
        """The image of one row at ``size`` pixels, (size, size, 3) uint8: that of :meth:`at`, without deriving all the others.

        Raises
        ------
        InvalidValue
            As :meth:`at`.
        """
        self._check(size)
        stored = self.images[row]
        return stored if size == self.record.size else resize(stored[None], size)[0]

    def _read_table(self) -> pd.DataFrame:
        path, name = self.folder / "table.parquet", self.record.name
        todo = _RESTORE.format(path)
        try:
            status = path.stat()
            table = pd.read_parquet(path)
        except (OSError, ValueError, LookupError, TypeError, NotImplementedError) as error:
            raise CorruptFile(f"table.parquet of dataset {name!r} cannot be read ({error}).", todo) from None
        missing = [column for column in COLUMNS if column not in table]
        if missing:
            raise CorruptFile(f"The table of dataset {name!r} has no column {', '.join(missing)}.", todo)
        if len(table) != self.record.n_images:
            raise CorruptFile(f"The table of dataset {name!r} has {len(table)} rows, not {self.record.n_images}.", todo)
        state = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, self.record.digests, self.record.fingerprint)
        if _verified.get(path) != state:
            if not self._is_as_imported(table):
                what = "what it says of the images (labels, patients, digests) has changed"
                raise CorruptFile(f"The table of dataset {name!r} is not as it was imported: {what}.", todo)
            _verified[path] = state
        return table

    def _is_as_imported(self, table: pd.DataFrame) -> bool:
        """Whether the table says of each image what the import wrote, as far as the record tells."""
        try:
            if self.record.digests is not None:
                return _digest(table, _ROWS) == self.record.digests.rows
            candidates = ({**options, "size": self.record.size} for options in _OLDER_OPTIONS)
            return not self.has_known_table or any(fingerprint(table, options) == self.record.fingerprint for options in candidates)
        except TypeError:  # a cell that is no text
            return False

    def _check(self, size: int) -> None:
        if size != self.record.size and not 8 <= size < self.record.size:
            raise InvalidValue(
                f"Dataset {self.record.name!r} is stored at {self.record.size} px and cannot give {size} px.",
                f"Ask for at most {self.record.size} px, or import the pictures again with a larger --size.",
            )

    def _derive(self, path: Path, size: int) -> None:
        """Write the images at a smaller size; two processes may do so at once, and the last rename wins with equal bytes."""
        images = self.images
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                _write_header(stream, len(images), size)
                for start in range(0, len(images), _BLOCK):
                    stream.write(resize(images[start : start + _BLOCK], size).tobytes())
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _open(self, path: Path, size: int, todo: str = _AGAIN) -> np.ndarray:
        """A memory map whose shape is checked against the record."""
        expected = (self.record.n_images, size, size, 3)
        try:
            images = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CorruptFile(f"{path.name} of dataset {self.record.name!r} cannot be read ({error}).", todo) from None
        if images.shape != expected or images.dtype != np.uint8:
            raise CorruptFile(f"{path.name} of dataset {self.record.name!r} holds {images.shape}, not {expected}.", todo)
        return images


def folder_of(name: str) -> Path:
    """Where the dataset called ``name`` lies, or would."""
    return workspace.datasets() / workspace.check_name(name, "dataset name")


def open_dataset(name: str) -> ImageSet:
    """Open a dataset of the workspace.

    Raises
    ------
    NotFound
        If there is none of that name; the message lists those that exist.
    """
    folder = folder_of(name)
    if not (folder / "dataset.json").exists():
        known = ", ".join(record.name for record in list_datasets())
        raise NotFound(
            f"There is no dataset called {name!r}.",
            f"The workspace has: {known}." if known else "Import one with `gan-aug data import`, or draw one with `gan-aug data demo`.",
        )
    return ImageSet(_read_record(folder), folder)


def scan_datasets() -> tuple[list[Dataset], dict[str, str]]:
    """The datasets of the workspace, by name; and by name a notice for each that cannot be read."""
    names = sorted(path.parent.name for path in workspace.datasets().glob("[!.]*/dataset.json"))
    return files.read_each(lambda name: _read_record(workspace.datasets() / name), names)


def list_datasets() -> list[Dataset]:
    """The readable datasets of the workspace, by name."""
    return scan_datasets()[0]


def _read_record(folder: Path) -> Dataset:
    try:
        values = files.read_json(folder / "dataset.json")
        values["report"] = from_dict(ImportReport, values["report"])
        return from_dict(Dataset, values)
    except (OSError, ValueError, LookupError, TypeError, UserError) as error:
        raise CorruptFile(f"dataset.json of dataset {folder.name!r} cannot be read ({error}).", _AGAIN) from None


def rejected(name: str) -> pd.DataFrame:
    """Files that the import could not use: source, file, reason."""
    return _read_csv(open_dataset(name).folder / "rejected.csv")


def unmatched(name: str) -> pd.DataFrame:
    """Rows without an image, images without a row and images without a usable label: source, kind, image_id, file, detail."""
    return _read_csv(open_dataset(name).folder / "unmatched.csv")


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def csv_text(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as CSV text. A cell that a spreadsheet would run as a formula gets a leading apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["'" + cell if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row])
    return stream.getvalue()


def free_folder(name: str) -> Path:
    """The folder of a dataset that does not exist yet.

    Raises
    ------
    InvalidValue
        If the name is taken or cannot be a name.
    """
    folder = folder_of(name)
    if folder.exists():
        raise InvalidValue(f"There is a dataset called {name!r} already.", "Choose another name, or remove that one's folder first.")
    return folder


@dataclasses.dataclass(frozen=True)
class FileCheck:
    """Which files of a dataset were found to be as they were written. One that is not is no result but an error."""

    table: bool  # of an older import, what its fingerprint covers; false: an older phantom, whose table cannot be compared with anything
    images: bool  # false: the dataset is older than the digests of images
    derived: tuple[int, ...]  # sizes [px] of the derived images


def check_files(name: str, on_progress: Callable[[int, int, str], None] | None = None) -> FileCheck:
    """Compare all that is stored of a dataset's images with its digests, and the derived sizes with the images.

    It reads every file to its end.

    Parameters
    ----------
    on_progress : callable, optional
        Called with (done, all, message) while derived images are compared.

    Raises
    ------
    NotFound
        If there is no dataset of that name.
    CorruptFile
        If a file cannot be read, or is not as it was written; the message names the first.
    """
    image_set = open_dataset(name)
    table, images, digests = image_set.table, image_set.images, image_set.record.digests
    if digests is not None:
        path = image_set.folder / "images.npy"
        if files.sha256_file(path) != digests.images:
            raise CorruptFile(f"images.npy of dataset {name!r} is not as it was imported: its digest is another.", _RESTORE.format(path))
        if _digest(table, _ORIGINS) != digests.origins:
            todo = _RESTORE.format(image_set.folder / "table.parquet")
            raise CorruptFile(f"The table of dataset {name!r} is not as it was imported: a source or a licence has changed.", todo)
    sizes = _derived_sizes(image_set)
    for size in sizes:
        derived, path = image_set.at(size), image_set.folder / f"images-{size}.npy"
        for start in range(0, len(images), _BLOCK):
            if not np.array_equal(derived[start : start + _BLOCK], resize(images[start : start + _BLOCK], size)):
                raise CorruptFile(f"{path.name} of dataset {name!r} is not what images.npy gives at {size} px.", _derive_again(path))
            if on_progress is not None:
                on_progress(min(start + _BLOCK, len(images)), len(images), f"{path.name} compared with images.npy")
    return FileCheck(image_set.has_known_table, digests is not None, sizes)


def _derived_sizes(image_set: ImageSet) -> tuple[int, ...]:
    """Sizes that were derived and kept; another file of such a name, which nothing reads, does not count."""
    names = (re.fullmatch(r"images-([1-9]\d*)\.npy", path.name) for path in image_set.folder.iterdir())
    return tuple(sorted(int(name[1]) for name in names if name and 8 <= int(name[1]) < image_set.record.size))


def _derive_again(path: Path) -> str:
    """What to do about a damaged file of derived images."""
    return f"Remove {path}: it is made again from images.npy when it is needed."


@contextlib.contextmanager
def new_dataset(name: str, size: int) -> Iterator["DatasetWriter"]:
    """A writer whose dataset appears in the workspace when the block ends well, and leaves nothing behind when it does not.

    Raises
    ------
    InvalidValue
        If the name is taken, at the beginning or, by another process, at the end.
    """
    folder = free_folder(name)
    try:
        with files.new_folder(folder) as temporary:
            writer = DatasetWriter(temporary, size)
            try:
                yield writer
            finally:
                writer.close()
    except FileExistsError:
        free_folder(name)  # another process was faster
        raise


class DatasetWriter:
    """Writes a dataset into a folder, image by image, so that memory does not grow with their number.

    Parameters
    ----------
    folder : Path
        An empty folder, see :func:`gan_aug.files.new_folder`.
    size : int
        Side of the images [px].
    """

    def __init__(self, folder: Path, size: int):
        self.folder = folder
        self.size = size
        self.rows: list[tuple[str, ...]] = []
        self._stream = (folder / "images.npy").open("wb")
        _write_header(self._stream, 0, size)

    def append(self, pixels: np.ndarray, **row: str) -> None:
        """Add an image (size, size, 3) uint8 and its row; ``row`` names every one of ``COLUMNS``."""
        self._stream.write(np.ascontiguousarray(pixels).tobytes())
        self.rows.append(tuple(row[column] for column in COLUMNS))

    def finish(
        self,
        name: str,
        classes: tuple[str, ...],
        options: dict[str, str | int],
        report: ImportReport,
        rejected: Sequence[tuple[str, ...]] = (),
        unmatched: Sequence[tuple[str, ...]] = (),
        phantom: bool = False,
    ) -> Dataset:
        """Write the table, the lists and, last, the record."""
        self._stream.seek(0)
        _write_header(self._stream, len(self.rows), self.size)
        self._stream.close()
        table = pd.DataFrame(self.rows, columns=list(COLUMNS), dtype=str)
        table.to_parquet(self.folder / "table.parquet", index=False)
        files.write_text(self.folder / "rejected.csv", csv_text(REJECTED_COLUMNS, rejected))
        files.write_text(self.folder / "unmatched.csv", csv_text(UNMATCHED_COLUMNS, unmatched))
        record = Dataset(
            name=name,
            classes=classes,
            n_images=len(table),
            size=self.size,
            sources=tuple(dict.fromkeys(table["source"])),
            fingerprint=fingerprint(table, options),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            report=report,
            phantom=phantom,
            digests=Digests(files.sha256_file(self.folder / "images.npy"), _digest(table, _ROWS), _digest(table, _ORIGINS)),
        )
        files.write_json(self.folder / "dataset.json", to_dict(record))
        return record

    def close(self) -> None:
        """Release the file of images."""
        self._stream.close()


def _write_header(stream: BinaryIO, count: int, size: int) -> None:
    """The .npy header of ``count`` images. NumPy pads it so that more images take no more room, and it can be written again at the end."""
    shape = (count, size, size, 3)
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})


def fingerprint(table: pd.DataFrame, options: dict[str, str | int]) -> str:
    """SHA-256 over the import options and the sorted lines of byte hash, label, patient and lesion of every image."""
    columns = (table[name] for name in ("byte_sha256", "label", "patient_id", "lesion_id"))
    lines = sorted("\t".join(values) for values in zip(*columns, strict=True))
    head = [f"{key}={value}" for key, value in sorted(options.items())]
    return files.sha256_bytes("\n".join([*head, *lines]).encode())


def _digest(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 over columns of texts, in table order: the content, however the file that holds it is encoded.

    Raises
    ------
    TypeError
        If a cell is no text.
    """
    digest = hashlib.sha256()
    for column in columns:
        digest.update("\0".join([column, *table[column].tolist(), "\n"]).encode())
    return digest.hexdigest()
