"""Which file a row of a table means, judged by names alone: a row names an id, a file, or a path on another machine, with any ending."""

import filecmp
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

from gan_aug.data.layouts import Record

PICTURES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"}
OTHER_PICTURES = {".gif", ".eps", ".ps", ".svg", ".dcm", ".heic", ".heif", ".avif", ".jp2", ".pdf", ".psd", ".ico", ".raw", ".cr2", ".nef"}
_EXACT = 1_000_000  # more parts than any path shares: the row names the very file


def key_of(image: str) -> str:
    """What a row or file is matched by: its path without the ending of a picture, in lower case."""
    path = PurePosixPath(unicodedata.normalize("NFC", image).replace("\\", "/").lower())
    return str(path.with_suffix("") if path.suffix in PICTURES | OTHER_PICTURES else path)


def keys_by_stem(images: dict[str, str]) -> dict[str, list[str]]:
    """Keys by the name, without folders and ending, of the image that each stands for."""
    by_stem: dict[str, list[str]] = defaultdict(list)
    for key, image in images.items():
        by_stem[PurePosixPath(key_of(image)).name].append(key)
    return by_stem


def n_shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two paths share, counted from the end."""
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def claims_of(records: dict[str, Record], pictures: list[str]) -> dict[str, dict[str, int]]:
    """The files that each row may mean, and how many parts of its path each shares."""
    by_stem = keys_by_stem({file: file for file in pictures})
    present = set(pictures)
    return {key: {record.image: _EXACT} if record.image in present else _candidates(key, by_stem) for key, record in records.items()}


def claimants(claims: dict[str, dict[str, int]]) -> dict[str, list[str]]:
    """The rows that may mean each file, the one that shares most with it first."""
    keys_of: dict[str, list[str]] = defaultdict(list)
    for key, files in claims.items():
        for file in files:
            keys_of[file].append(key)
    return {file: sorted(keys, key=lambda key: -claims[key][file]) for file, keys in keys_of.items()}


def _candidates(key: str, by_stem: dict[str, list[str]]) -> dict[str, int]:
    """The files that a row may mean, those of its name that share the longest end of its path, and how many parts of it that is."""
    parts = PurePosixPath(key).parts
    shared = {file: n_shared(parts, PurePosixPath(key_of(file)).parts) for file in (by_stem.get(parts[-1], []) if parts else [])}
    longest = max(shared.values(), default=0)
    return {file: n for file, n in shared.items() if n == longest}


def lost_rows(claims: dict[str, dict[str, int]]) -> dict[str, str]:
    """The rows whose file is another row's, each with how that came.

    A file is the row's that shares the longest end of its path. The others name a file like it in other folders, which is not here, and
    with this one they would give a picture the label and the patient of another.
    """
    lost: dict[str, str] = {}
    for file, keys in claimants(claims).items():
        nearest = sum(claims[key][file] == claims[keys[0]][file] for key in keys)
        if nearest > 1:
            lost |= dict.fromkeys(keys, f"{nearest} rows may mean {file}")
        else:
            lost |= dict.fromkeys(keys[1:], f"{file} is another row's")
    return lost


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files can be read and hold the same bytes."""
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
