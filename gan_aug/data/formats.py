"""Recognition: what a folder or table from outside holds, and which file belongs to which row. Nothing is decoded here."""

import dataclasses
import os
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from gan_aug.data import labels, layouts, matching, tables
from gan_aug.data.layouts import Layout, Record
from gan_aug.errors import NotFound, UserError

_NOT_LESIONS = (
    (re.compile(r"_(segmentation|mask|superpixels|attribute_\w+)$"), "a segmentation mask, by its name"),
    (re.compile(r"_thumbnail(_\d+)?$"), "a thumbnail of another picture, by its name"),
)
_MAX_CLASSES = 100
_DISAGREE = "its rows disagree"
_TABLES = (".csv", ".tsv")
_MAYBE_TABLES = (".tab", ".txt", "")  # Dataverse gives HAM10000_metadata without an ending, or as .tab
_MAYBE_TABLE_BYTES = 20_000_000

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
    seen += found.odd_tables if path.is_dir() else []
    if not any(table.layout.judge for table in read) and format in (None, layouts.FOLDER):
        rows = _class_folders(found.pictures)
        read += [_Table(".", layouts.CLASS_FOLDERS, rows)] if rows else []
    if not read:
        raise _nothing(path, seen)
    speaking = [table for table in read if table.layout.judge]
    if by_diagnosis:  # before rows are combined, so that two diagnoses of one image show as a contradiction
        speaking = [dataclasses.replace(table, rows=list(map(layouts.use_diagnosis, table.rows))) for table in speaking]
    records = _combine(speaking, [table for table in read if not table.layout.judge])
    claims = matching.claims_of(records, found.pictures)
    _unite(records, claims)
    _check_classes(path, records)
    notes = [f"Not used: {text}." for text in seen]
    merged = sum(len(table.rows) for table in speaking) - len(records)
    if speaking and merged:
        notes.append(f"{merged} rows name an image that another row names too; they were merged.")
    if found.others:
        notes.append(f"{found.others} other files were not looked at.")
    return _match(folder, read, records, claims, found, tuple(notes))


@dataclasses.dataclass(frozen=True)
class _Files:
    """What lies below a folder, in sorted order."""

    pictures: list[str]
    tables: list[str]
    jsons: list[str]
    rejected: dict[str, str]  # pictures that cannot be read at all, some of them among ``pictures`` -> reason
    odd_tables: list[str]  # with the reason why they are not read
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
    if path.suffix.lower() not in (*_TABLES, *_MAYBE_TABLES):
        raise UserError(
            f"{path.name!r} is neither a folder nor a CSV table.", "Give the folder that holds the pictures; unpack archives first."
        )
    return path.parent


def _list_files(folder: Path) -> _Files:
    """Files below ``folder``. Links to folders are not followed, hidden files not looked at."""
    found = _Files([], [], [], {}, [], 0)
    others = 0
    for root, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        below = PurePosixPath(Path(root).relative_to(folder).as_posix())
        for name in sorted(names):
            if not name.startswith("."):
                others += not _list_file(found, folder, str(below / name))
    return dataclasses.replace(found, others=others)


def _list_file(found: _Files, folder: Path, file: str) -> bool:
    """Put a file where it belongs; false if it is of no use."""
    suffix = PurePosixPath(file).suffix.lower()
    printable = os.fsencode(file).decode("utf-8", "backslashreplace")
    if suffix in matching.PICTURES or suffix in matching.OTHER_PICTURES:
        if printable != file:
            found.rejected[printable] = "its name is not UTF-8 text; rename it"
            return True
        found.pictures.append(file)
        if not os.path.isfile(folder / file):
            found.rejected[file] = "it is a broken link or no ordinary file"
    elif suffix in _TABLES and printable != file:
        found.odd_tables.append(f"{printable} (its name is not UTF-8 text; rename it)")
    elif suffix in _TABLES or (suffix in _MAYBE_TABLES and printable == file and _is_known_table(folder / file)):
        found.tables.append(file)
    elif suffix == ".json":
        found.jsons.append(file)
    else:
        return False
    return True


def _is_known_table(path: Path) -> bool:
    """Whether a file that may hold any text is a table of a known layout."""
    try:
        return path.stat().st_size <= _MAYBE_TABLE_BYTES and layouts.is_known(tables.read_header(path))
    except (OSError, tables.TableRejected):
        return False


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
    return layouts.records_of(layout, tables.read_table(path, layout.wanted()))


def _read_json_records(folder: Path, json_files: list[str]) -> list[Record]:
    rows = (tables.read_archive_json(folder / file) for file in json_files)
    return [layouts.ARCHIVE_JSON.record(row) for row in rows if row]


def _combine(speaking: list[_Table], silent: list[_Table]) -> dict[str, Record]:
    """One record per image from the tables with labels, completed from those without; the latter stand alone if there are no others."""
    records: dict[str, Record] = {}
    for table in speaking or silent:
        for row in table.rows:
            if table.layout is layouts.CLASS_FOLDERS:
                key = row.image  # a.jpg and a.png are two pictures here
            else:
                key = matching.key_of(row.image) if row.image else f" {len(records)}"  # two rows without a name are not two of one image
            records[key] = _merged(records[key], row) if key in records else row
    by_stem = matching.keys_by_stem({key: record.image for key, record in records.items()})
    for table in silent:
        for row in table.rows:
            own = PurePosixPath(matching.key_of(row.image)).parts
            for key in by_stem.get(own[-1], []) if own else []:
                known = PurePosixPath(matching.key_of(records[key].image)).parts
                if matching.n_shared(own, known) == min(len(own), len(known)):  # one may name folders that the other leaves out
                    records[key] = records[key].filled(row)
    return {key: dataclasses.replace(record, licence=record.licence or record.collection_licence) for key, record in records.items()}


def _merged(known: Record, row: Record) -> Record:
    """Two rows for one image: the later fills in what is unknown, and a contradiction takes the label away."""
    if known.label and row.label and known.label != row.label:
        known = dataclasses.replace(known, label="", reason=f"{_DISAGREE}: {known.label} and {row.label}")
    if row.label and not known.label and not known.reason.startswith(_DISAGREE):
        known = dataclasses.replace(known, label=row.label, diagnosis=row.diagnosis, reason="")
    return known.filled(row)


def _class_folders(pictures: list[str]) -> list[Record]:
    """Records of pictures that lie in folders named after classes; one folder alone counts if it is named after a known diagnosis."""
    inside = [file for file in pictures if str(PurePosixPath(file).parent) != "."]
    names = [PurePosixPath(file).parent.name for file in inside]
    if len(set(names)) < 2 and not any(labels.statement(name) or labels.verdict(name) for name in names):
        return []
    return layouts.class_records(inside, names)


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


def _match(
    folder: Path, read: list[_Table], records: dict[str, Record], claims: dict[str, dict[str, int]], found: _Files, notes: tuple[str, ...]
) -> Source:
    """Find the file of every row. Rows name files; files are never opened by a name from a table."""
    pictures = found.pictures
    rejected = {file: reason for file in pictures if (reason := _unfit(file))} | found.rejected
    lost = matching.lost_rows(claims)
    matches: list[tuple[Record, str]] = []
    unmatched: list[Unmatched] = []
    taken: set[str] = set()
    for key, record in records.items():
        files = [] if key in lost else list(claims[key])
        taken.update(files)
        files = [file for file in files if file not in rejected] or files
        if not files:
            unmatched.append(Unmatched(ROW_WITHOUT_IMAGE, record.image, "", lost.get(key) or record.label or record.reason))
        elif files[0] in rejected:
            continue
        elif not record.label:
            unmatched += [Unmatched(WITHOUT_LABEL, record.image, file, record.reason) for file in files]
        elif not all(matching.same_bytes(folder / files[0], folder / other) for other in files[1:]):
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
        n_files=len({*pictures, *rejected}),
        matches=tuple(sorted(matches, key=lambda match: match[1])),
        rejected=tuple(rejected.items()),
        unmatched=tuple(unmatched),
        row_labels=dict(sorted(row_labels.items())),
        notes=notes,
    )


def _unite(records: dict[str, Record], claims: dict[str, dict[str, int]]) -> None:
    """Merge rows that all name the same one file, some with its folders and some without."""
    for file, keys in matching.claimants(claims).items():
        first, *others = [key for key in keys if len(claims[key]) == 1 and claims[key][file] >= len(PurePosixPath(key).parts)] or [""]
        for key in others:
            records[first] = _merged(records[first], records.pop(key))
            del claims[key]


def _unfit(file: str) -> str:
    """Why a file is no photograph of a lesion, judged by its name; empty if it may be one."""
    path = PurePosixPath(file)
    if path.suffix.lower() in matching.OTHER_PICTURES:
        return f"{path.suffix.lower().removeprefix('.').upper()} files are not accepted; convert it to PNG or JPEG"
    return next((reason for pattern, reason in _NOT_LESIONS if pattern.search(path.stem.lower())), "")
