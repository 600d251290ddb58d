"""Recognition: what a folder or table from outside holds, and which file belongs to which row. Nothing is decoded here."""

import dataclasses
import filecmp
import os
import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath

from gan_aug.data import labels, layouts, tables
from gan_aug.data.layouts import Layout, Record
from gan_aug.errors import NotFound, UserError

_PICTURES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp"}
_OTHER_PICTURES = {".gif", ".eps", ".ps", ".svg", ".dcm", ".heic", ".heif", ".avif", ".jp2", ".pdf", ".psd", ".ico", ".raw", ".cr2", ".nef"}
_NOT_LESIONS = (
    (re.compile(r"_(segmentation|mask|superpixels|attribute_\w+)$"), "a segmentation mask, by its name"),
    (re.compile(r"_thumbnail(_\d+)?$"), "a thumbnail of another picture, by its name"),
)
_MAX_CLASSES = 100
_DISAGREE = "its rows disagree"

ROW_WITHOUT_IMAGE, IMAGE_WITHOUT_ROW, WITHOUT_LABEL = "row without image", "image without row", "without label"


@dataclasses.dataclass(frozen=True)
class Unmatched:
    """A row or a file that has no counterpart, or no label."""

    kind: str  # row without image | image without row | without label
    image: str  # as the table names it
    file: str  # below the source's folder
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """One place that images come from, with its rows matched to its files."""

    folder: Path
    name: str
    format: str  # names of the layouts found, joined by +
    tables: tuple[tuple[str, str, int], ...]  # per table: file, what it is, rows
    n_rows: int  # images that the tables speak of
    n_files: int  # picture files found
    matches: tuple[tuple[Record, str], ...]  # labelled row, file below ``folder``
    rejected: tuple[tuple[str, str], ...]  # file, reason; judged by its name
    unmatched: tuple[Unmatched, ...]
    row_labels: dict[str, int]  # label -> rows
    notes: tuple[str, ...]

    def count(self, kind: str) -> int:
        """How many of ``unmatched`` are of a kind."""
        return sum(item.kind == kind for item in self.unmatched)


def recognise(
    path: Path, format: str | None = None, image_column: str | None = None, label_column: str | None = None, by_diagnosis: bool = False
) -> Source:
    """Find out what ``path`` holds: a folder with tables or class folders, or one table whose pictures lie beside or below it.

    Parameters
    ----------
    path : Path
    format : str, optional
        Name of the layout, where the recognition is not to be trusted.
    image_column, label_column : str, optional
        Columns of a table of no known layout.
    by_diagnosis : bool
        Whether the label is the diagnosis instead of benign or malignant.

    Raises
    ------
    UserError
        If there is no such path, or nothing in it tells what the images show.
    """
    layouts.check_format(format)
    folder = _folder(path)
    found = _list_files(folder)
    read, seen = _read_tables(folder, path, found, format, image_column, label_column)
    if not any(table.layout.judge for table in read) and format in (None, layouts.FOLDER):
        rows = _class_folders(found.pictures)
        read += [_Table(".", layouts.CLASS_FOLDERS, rows)] if rows else []
    if not read:
        raise _nothing(path, seen)
    speaking = [table for table in read if table.layout.judge]
    records = _combine(speaking, [table for table in read if not table.layout.judge])
    if by_diagnosis:
        records = {key: layouts.use_diagnosis(record) for key, record in records.items()}
    _check_classes(path, records)
    notes = [f"Not used: {text}." for text in seen]
    merged = sum(len(table.rows) for table in speaking) - len(records)
    if speaking and merged:
        notes.append(f"{merged} rows name an image that another row names too; they were merged.")
    if found.others:
        notes.append(f"{found.others} other files were not looked at.")
    return _match(folder, read, records, found.pictures, tuple(notes))


@dataclasses.dataclass(frozen=True)
class _Files:
    """What lies below a folder, in sorted order."""

    pictures: list[str]
    tables: list[str]
    jsons: list[str]
    others: int


@dataclasses.dataclass(frozen=True)
class _Table:
    """A table that was understood."""

    file: str
    layout: Layout
    rows: list[Record]


def _folder(path: Path) -> Path:
    """The folder below which the pictures of ``path`` lie."""
    if not path.exists():
        raise NotFound(f"There is no {str(path)!r}.", "Check the path.")
    if path.is_dir():
        return path
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise UserError(
            f"{path.name!r} is neither a folder nor a CSV table.", "Give the folder that holds the pictures; unpack archives first."
        )
    return path.parent


def _list_files(folder: Path) -> _Files:
    """Files below ``folder``. Links to folders are not followed, hidden files not looked at."""
    pictures: list[str] = []
    table_files: list[str] = []
    json_files: list[str] = []
    others = 0
    for root, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        below = PurePosixPath(Path(root).relative_to(folder).as_posix())
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in _PICTURES or suffix in _OTHER_PICTURES:
                pictures.append(str(below / name))
            elif suffix in (".csv", ".tsv"):
                table_files.append(str(below / name))
            elif suffix == ".json":
                json_files.append(str(below / name))
            else:
                others += 1
    return _Files(pictures, table_files, json_files, others)


def _unreadable(error: OSError) -> None:
    raise UserError(f"The folder {error.filename!r} cannot be read ({error.strerror}).", "Check its permissions.") from error


def _read_tables(
    folder: Path, path: Path, found: _Files, format: str | None, image_column: str | None, label_column: str | None
) -> tuple[list[_Table], list[str]]:
    """Every table below a folder, or one table with the label-less ones that go with it; and what the others look like."""
    layouts_of: dict[str, Layout] = {}
    seen: list[str] = []
    for file in found.tables if path.is_dir() else dict.fromkeys([path.name, *found.tables]):
        try:
            columns = tables.read_header(folder / file)
        except tables.TableRejected as error:
            seen.append(f"{file} ({error.reason})")
            continue
        layout = layouts.layout_of(columns, format, image_column, label_column) or layouts.companion(columns)
        if layout:
            layouts_of[file] = layout
        else:
            seen.append(f"{file} (columns {', '.join(columns[:12])})")
    if not path.is_dir():
        own = layouts_of.get(path.name)
        layouts_of = {file: layout for file, layout in layouts_of.items() if own and (file == path.name or own.goes_with(layout))}
        seen = [text for text in seen if text.startswith(f"{path.name} (")]
    read = [_Table(file, layout, _read_records(folder / file, layout)) for file, layout in layouts_of.items()]
    if path.is_dir() and format in (None, layouts.ARCHIVE_JSON.name):
        rows = _read_json_records(folder, found.jsons)
        read += [_Table(f"{len(rows)} JSON files", layouts.ARCHIVE_JSON, rows)] if rows else []
    return read, seen


def _read_records(path: Path, layout: Layout) -> list[Record]:
    """All rows of a table in the common form."""
    rows = tables.read_table(path, layout.wanted())
    records = [layout.record(row) for row in rows]
    if layout.name == layouts.CSV:
        records = layouts.own_classes(records, [row[layout.columns[0]] for row in rows])
    return records


def _read_json_records(folder: Path, json_files: list[str]) -> list[Record]:
    rows = (tables.read_archive_json(folder / file) for file in json_files)
    return [layouts.ARCHIVE_JSON.record(row) for row in rows if row]


def _key(image: str) -> str:
    """What a row or file is matched by: its path without the ending of a picture, in lower case."""
    path = PurePosixPath(unicodedata.normalize("NFC", image).replace("\\", "/").lower())
    return str(path.with_suffix("") if path.suffix in _PICTURES | _OTHER_PICTURES else path)


def _combine(speaking: list[_Table], silent: list[_Table]) -> dict[str, Record]:
    """One record per image from the tables with labels, completed from those without; the latter stand alone if there are no others."""
    records: dict[str, Record] = {}
    for table in speaking or silent:
        for row in table.rows:
            if table.layout is layouts.CLASS_FOLDERS:
                key = row.image  # a.jpg and a.png are two pictures here
            else:
                key = _key(row.image) if row.image else f" {len(records)}"  # two rows without a name are not two of one image
            records[key] = _merged(records[key], row) if key in records else row
    for table in silent:
        for row in table.rows:
            if (key := _key(row.image)) in records:
                records[key] = _filled(records[key], row)
    return records


def _merged(known: Record, row: Record) -> Record:
    """Two rows for one image: the later fills in what is unknown, and a contradiction takes the label away."""
    if known.label and row.label and known.label != row.label:
        return dataclasses.replace(known, label="", reason=f"{_DISAGREE}: {known.label} and {row.label}")
    if row.label and not known.label and not known.reason.startswith(_DISAGREE):
        known = dataclasses.replace(known, label=row.label, diagnosis=row.diagnosis, reason="")
    return _filled(known, row)


def _filled(record: Record, row: Record) -> Record:
    """``record`` with what it lacks taken from ``row``."""
    missing = {name: getattr(row, name) for name in ("diagnosis", "patient_id", "lesion_id", "licence") if not getattr(record, name)}
    return dataclasses.replace(record, **missing)


def _class_folders(pictures: list[str]) -> list[Record]:
    """Records of pictures that lie in folders named after classes; one folder alone counts if it is named after a known diagnosis."""
    inside = [file for file in pictures if str(PurePosixPath(file).parent) != "."]
    names = [PurePosixPath(file).parent.name for file in inside]
    if len(set(names)) < 2 and not any(labels.statement(name) or labels.verdict(name) for name in names):
        return []
    return layouts.own_classes([layouts.class_record(file, name) for file, name in zip(inside, names, strict=True)], names)


def _check_classes(path: Path, records: dict[str, Record]) -> None:
    """A label with a hundred values is a column that was mistaken for one."""
    names = {record.label for record in records.values() if record.label}
    if len(names) > _MAX_CLASSES:
        raise UserError(
            f"The labels of {str(path)!r} have {len(names)} different values.", "Name the column of the labels with --label-column."
        )
    for name in sorted(names):
        if len(name) > 80 or not name.isprintable():
            raise UserError(f"{name[:80]!r} cannot be the name of a class.", "Use printable text of at most 80 letters.")


def _nothing(path: Path, seen: list[str]) -> UserError:
    found = f" Tables not understood: {'; '.join(seen[:3])}." if seen else ""
    return UserError(
        f"Nothing in {str(path)!r} tells what its images show.{found}",
        "Give a folder with a known table or one folder per class, or name your table's columns with --image-column and --label-column.",
    )


def _match(folder: Path, read: list[_Table], records: dict[str, Record], pictures: list[str], notes: tuple[str, ...]) -> Source:
    """Find the file of every row. Rows name files; files are never opened by a name from a table."""
    rejected = {file: reason for file in pictures if (reason := _unfit(file))}
    by_stem: dict[str, list[str]] = defaultdict(list)
    for file in pictures:
        by_stem[PurePosixPath(_key(file)).name].append(file)
    matches: list[tuple[Record, str]] = []
    unmatched: list[Unmatched] = []
    taken: set[str] = set()
    present = set(pictures)
    for key, record in records.items():
        files = [record.image] if record.image in present else _candidates(key, by_stem)
        taken.update(files)
        files = [file for file in files if file not in rejected] or files
        if not files:
            unmatched.append(Unmatched(ROW_WITHOUT_IMAGE, record.image, "", record.label or record.reason))
        elif files[0] in rejected:
            continue
        elif not record.label:
            unmatched += [Unmatched(WITHOUT_LABEL, record.image, file, record.reason) for file in files]
        elif any(not filecmp.cmp(folder / files[0], folder / other, shallow=False) for other in files[1:]):
            unmatched += [Unmatched(IMAGE_WITHOUT_ROW, record.image, file, f"one row, but {len(files)} different files") for file in files]
        else:
            matches.append((record, files[0]))
            unmatched += [Unmatched(IMAGE_WITHOUT_ROW, record.image, file, f"a copy of {files[0]}") for file in files[1:]]
    unmatched += [Unmatched(IMAGE_WITHOUT_ROW, "", file) for file in pictures if file not in taken and file not in rejected]
    names = [table.layout.name for table in read if table.layout.judge] or [table.layout.name for table in read]
    row_labels = Counter(record.label for record in records.values() if record.label)
    return Source(
        folder=folder,
        name=folder.resolve().name,
        format="+".join(dict.fromkeys(names)),
        tables=tuple((table.file, table.layout.title, len(table.rows)) for table in read),
        n_rows=len(records),
        n_files=len(pictures),
        matches=tuple(sorted(matches, key=lambda match: match[1])),
        rejected=tuple(rejected.items()),
        unmatched=tuple(unmatched),
        row_labels=dict(sorted(row_labels.items())),
        notes=notes,
    )


def _candidates(key: str, by_stem: dict[str, list[str]]) -> list[str]:
    """The files that a row may mean: those of its name that share the longest end of its path."""
    parts = PurePosixPath(key).parts

    def shared(file: str) -> int:
        own = PurePosixPath(_key(file)).parts
        return next((n for n, (a, b) in enumerate(zip(reversed(parts), reversed(own), strict=False)) if a != b), min(len(parts), len(own)))

    files = by_stem.get(parts[-1], []) if parts else []
    longest = max(map(shared, files), default=0)
    return [file for file in files if shared(file) == longest]


def _unfit(file: str) -> str:
    """Why a file is no photograph of a lesion, judged by its name; empty if it may be one."""
    path = PurePosixPath(file)
    if path.suffix.lower() in _OTHER_PICTURES:
        return f"{path.suffix.lower().removeprefix('.').upper()} files are not accepted; convert it to PNG or JPEG"
    return next((reason for pattern, reason in _NOT_LESIONS if pattern.search(path.stem.lower())), "")
