"""Tables from outside: CSV files and the ISIC archive's JSON files, read as text with limits on what is believed."""

import csv
import json
from pathlib import Path
from typing import Any

from gan_aug.errors import UserError

MAX_TABLE_BYTES = 1_000_000_000
MAX_LINE = 1_000_000  # longest line that is still a table [bytes]
MAX_JSON_BYTES = 1_000_000


class TableRejected(UserError):
    """A file is not a table that can be read; ``reason`` says why in a few words."""

    def __init__(self, path: Path, reason: str):
        super().__init__(
            f"{path.name} cannot be read as a table: {reason}.", "Save it as a CSV file in UTF-8, one row per image, with a header line."
        )
        self.path = path
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


def read_header(path: Path) -> list[str]:
    """Column names of a CSV file, in lower case.

    Raises
    ------
    TableRejected
        If the file is empty, too large, not text, or has no header line.
    """
    return [column.strip().lower() for column in _dialect(path)[1]]


def read_table(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """Some columns of a CSV file, one dict per row; names in lower case, cells without spaces around them, invalid UTF-8 marked.

    Raises
    ------
    TableRejected
        See :func:`read_header`; also if a line does not have the header's number of cells, which would shift values into wrong columns.
    """
    delimiter, header = _dialect(path)
    places = [(name.strip().lower(), place) for place, name in enumerate(header) if name.strip().lower() in columns]
    rows: list[dict[str, str]] = []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            next(reader)
            for cells in reader:
                if len(cells) == len(header):
                    rows.append({name: cells[place].strip() for name, place in places})
                elif cells:
                    raise TableRejected(path, f"line {reader.line_num} has {len(cells)} cells, its header has {len(header)}")
    except (csv.Error, OSError) as error:
        raise TableRejected(path, str(error)) from None
    return rows


def _dialect(path: Path) -> tuple[str, list[str]]:
    """Delimiter and column names, after the checks that do not need the whole file in memory."""
    try:
        size = path.stat().st_size
        if not path.is_file():  # opening a pipe waits for ever
            raise TableRejected(path, "it is no ordinary file")
        if size > MAX_TABLE_BYTES:
            raise TableRejected(path, f"it is larger than {MAX_TABLE_BYTES // 1_000_000} MB")
        _check_text(path)
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            first = stream.readline(MAX_LINE)
    except OSError as error:
        raise TableRejected(path, error.strerror or "the file cannot be opened") from None
    if not first.strip():
        raise TableRejected(path, "it has no header line")
    delimiter = max(",;\t", key=first.count)
    try:
        header = next(csv.reader([first], delimiter=delimiter))
    except csv.Error as error:
        raise TableRejected(path, str(error)) from None
    if len(set(header)) < len(header):
        raise TableRejected(path, "two of its columns have the same name")
    return delimiter, header


def _check_text(path: Path) -> None:
    """Refuse NUL bytes (binary files, UTF-16) and endless lines."""
    with path.open("rb") as stream:
        rest = 0  # length of the line that the block before ended in
        while block := stream.read(MAX_LINE):
            if b"\0" in block:
                raise TableRejected(path, "it holds NUL bytes, so it is not UTF-8 text")
            pieces = block.split(b"\n")
            longest = max(rest + len(pieces[0]), *map(len, pieces[1:])) if len(pieces) > 1 else rest + len(block)
            if longest > MAX_LINE:
                raise TableRejected(path, f"a line is longer than {MAX_LINE} bytes")
            rest = len(pieces[-1]) if len(pieces) > 1 else rest + len(block)


def read_archive_json(path: Path) -> dict[str, str] | None:
    """One image's JSON file as the ISIC archive's API gives it, flattened to column names and text; None if it is something else."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
            return None
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    name = value.get("isic_id") or value.get("name")
    meta = value.get("meta") or value.get("metadata")
    if not isinstance(name, str) or not isinstance(meta, dict):
        return None
    flat: dict[str, Any] = {}
    for part in (value, meta.get("acquisition"), meta.get("clinical")):
        if isinstance(part, dict):
            flat.update({key: item for key, item in part.items() if isinstance(item, (str, int, float, bool))})
    texts = {key.lower(): str(item) for key, item in flat.items()} | {"isic_id": name}
    # JSON can spell half a character, which no file could be written with.
    return {key: text.encode("utf-8", "replace").decode() for key, text in texts.items()}
