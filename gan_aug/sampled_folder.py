"""A folder of sampled pictures: a manifest lists them, and what a killed call has left is known by what the pictures say of themselves."""

import contextlib
import csv
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from gan_aug import catalog, files, images, latent
from gan_aug.data.dataset import csv_text
from gan_aug.errors import InvalidValue, UserError

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = ("file", "checkpoint", "seed", "class", "truncation", "sha256")
Z_OF_ONE = f"{latent.Z_RECIPE}; times truncation"  # what such a picture says of its z

_LOCK = ".sampling.lock"  # in a folder while it is being filled
_LONGEST = 45  # characters of a class in a file name: at most 180 bytes, of the 255 that file systems allow a name
_LEFT_OVER = re.compile(rf"\.({re.escape(MANIFEST)}|seed\d+.*\.png)\.\w+\.tmp")  # of a write that was killed, see files.write_bytes


def file_name(spec: str, seed: int, label: str | None) -> str:
    """The name of the picture of a seed: with its class where the generator knows several, and of another class always another name."""
    suffix = f"-{_in_a_name(label)}" if catalog.entry(spec).conditional else ""
    return f"seed{seed:06d}{suffix}.png"


def _in_a_name(label: str) -> str:
    """A class as part of a file name: letters and digits of any script as they are, anything else replaced and told apart by a digest.

    A name that was not changed holds no full stop, so it is never one that was.
    """
    # Composed, because some systems write one accented letter in two ways. Marks (M) are the vowels of scripts such as Devanagari.
    composed = unicodedata.normalize("NFC", label)[:_LONGEST]
    plain = re.sub(" +", "_", "".join(sign if sign in "_-" or unicodedata.category(sign)[0] in "LMN" else " " for sign in composed))
    return label if plain == label else f"{plain}.{files.sha256_bytes(label.encode())[:8]}"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes from sampling into a folder while the block runs. What a killed one has left is taken away, and so is the lock.

    Raises
    ------
    Busy
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / _LOCK
    while True:
        with lock.open("a") as stream, files.hold(lock, f"{folder} is being filled"):
            if os.fstat(stream.fileno()).st_nlink == 0:  # it was taken away by who held it until now; such a lock keeps nobody out
                continue
            try:
                for path in folder.iterdir():
                    if _LEFT_OVER.fullmatch(path.name):
                        path.unlink()
                yield
            finally:
                lock.unlink(missing_ok=True)
            return


def is_whole(path: Path, sha256: str) -> bool:
    return path.exists() and files.sha256_file(path) == sha256


def read_manifest(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of the folder's manifest by file name; none for a folder that is new or empty.

    Raises
    ------
    InvalidValue
        If the folder holds anything else.
    """
    if not folder.exists() or (folder.is_dir() and all(_LEFT_OVER.fullmatch(path.name) or path.name == _LOCK for path in folder.iterdir())):
        return {}
    rows = listed(folder)
    if rows is None:
        raise InvalidValue(f"{folder} is not an empty folder, nor one that was filled by sampling.", "Choose an empty or a new folder.")
    return rows


def listed(folder: Path) -> dict[str, dict[str, str]] | None:
    """The rows of the folder's manifest by file name, of pictures that are there; None if it has no manifest of sampled pictures."""
    with contextlib.suppress(OSError, UnicodeDecodeError, csv.Error), (folder / MANIFEST).open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) == MANIFEST_COLUMNS:
            whole = [row for row in reader if None not in row.values() and len(row["sha256"]) == 64]  # a power cut may tear the last one
            rows = [row | {"class": row["class"].removeprefix("'")} for row in whole]  # see csv_text
            return {row["file"]: row for row in rows if (folder / row["file"]).is_file()}
    return None


def refuse(folder: Path, what: str) -> None:
    """Refuse to write ``what`` among sampled pictures: it would be taken for one of them.

    Raises
    ------
    InvalidValue
        If the folder has a manifest of sampled pictures.
    """
    if listed(folder) is not None:
        raise InvalidValue(f"{folder} holds sampled pictures, and {what} would be taken for one of them.", "Choose another folder.")


def unlisted(folder: Path, rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Rows of the pictures in a folder that its manifest does not list, as after a call that was killed.

    Raises
    ------
    InvalidValue
        If one is damaged, renamed or of other making: whoever measures the folder would take it for a picture of the generator.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".png" and path.name not in rows and not path.name.startswith(".") and path.is_file():
            row = _row_of(path)
            if row is None:
                what = f"{path} is not listed in {MANIFEST}, and it is no whole picture that was sampled under this name."
                raise InvalidValue(what, "Move it elsewhere, or choose an empty or a new folder.")
            found[path.name] = row
    return found


def _row_of(path: Path) -> dict[str, str] | None:
    """The manifest's row of a picture, by the provenance inside; None if it is damaged, or not what its name says."""
    said = images.read_provenance(path) or {}
    try:
        with Image.open(path, formats=("PNG",)) as file:
            file.verify()  # every checksum
        if said["z"] != Z_OF_ONE or path.name != file_name(said["generator"], said["seed"], said["class"]):
            return None
        return {
            "file": path.name,
            "checkpoint": str(said["checkpoint"]),
            "seed": str(said["seed"]),
            "class": said["class"] or "",
            "truncation": str(float(said["truncation"])),
            "sha256": files.sha256_file(path),
        }
    except (OSError, SyntaxError, LookupError, TypeError, ValueError, UserError):
        return None


def _manifest_text(rows: list[dict[str, str]]) -> str:
    return csv_text(MANIFEST_COLUMNS, [tuple(row[column] for column in MANIFEST_COLUMNS) for row in rows])


def add_to_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    """List some more pictures, without writing anew what may be a hundred thousand lines."""
    with (folder / MANIFEST).open("a", newline="", encoding="utf-8") as stream:
        stream.write(_manifest_text(rows).partition("\n")[2])
        stream.flush()
        os.fsync(stream.fileno())


def write_manifest(folder: Path, rows: dict[str, dict[str, str]]) -> None:
    files.write_text(folder / MANIFEST, _manifest_text([rows[name] for name in sorted(rows)]))
