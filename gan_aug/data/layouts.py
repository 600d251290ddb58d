"""Known layouts: what users really have, recognised by the columns of its tables, or by one folder per class.

Every layout ends in the same thing, a :class:`Record` per image. How a layout's columns become a label is written in one function each,
over the diagnosis table of ``labels.py``.
"""

import dataclasses
import re
from collections.abc import Callable

from gan_aug.data import labels
from gan_aug.data.licences import stricter
from gan_aug.errors import InvalidValue

Row = dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What one row of one table says about one image."""

    image: str  # as the table names it: an id, a file name or a path
    label: str  # benign, malignant or another class; empty without a usable label
    diagnosis: str  # empty if unknown
    reason: str = ""  # why there is no label
    patient_id: str = ""
    lesion_id: str = ""
    licence: str = ""  # as the row states it
    collection_licence: str = ""  # holds where no row states one

    def filled(self, other: "Record") -> "Record":
        """This record with what it lacks taken from another of the same image, and the stricter of their licences."""
        missing = {name: getattr(other, name) for name in ("diagnosis", "patient_id", "lesion_id") if not getattr(self, name)}
        licences = {name: stricter(getattr(self, name), getattr(other, name)) for name in ("licence", "collection_licence")}
        return dataclasses.replace(self, **missing, **licences)


@dataclasses.dataclass(frozen=True)
class Layout:
    """A kind of table that is recognised by its columns."""

    name: str  # as typed after --format
    title: str
    image: str  # column that names the image
    columns: tuple[str, ...]  # columns that a table must have to be one (besides ``image``)
    judge: Callable[[Row], tuple[str, str]] | None  # row -> (benign | malignant | indeterminate | empty, diagnosis); None: no labels in it
    used: tuple[str, ...] = ()  # further columns that ``judge`` reads
    any_of: tuple[str, ...] = ()  # at least one of these columns must be there
    patient: Callable[[Row], str] = lambda row: row.get("patient_id", "")
    licence: str = ""  # of the whole collection, where its rows do not say

    def fits(self, columns: list[str]) -> bool:
        """Whether a table with these columns is of this layout."""
        return {self.image, *self.columns} <= set(columns) and (not self.any_of or not set(self.any_of).isdisjoint(columns))

    def goes_with(self, other: "Layout") -> bool:
        """Whether ``other`` is the table without labels that belongs to this one."""
        return other.name == f"{self.name}-metadata"

    def wanted(self) -> list[str]:
        """Every column that is read."""
        return [self.image, *self.columns, *self.used, *self.any_of, "patient_id", "lesion_id", "copyright_license", "license", "licence"]

    def record(self, row: Row) -> Record:
        """The row in the common form."""
        verdict, diagnosis = self.judge(row) if self.judge else ("", "")
        unknown = f"{diagnosis!r} {UNKNOWN_NAME}" if diagnosis and not labels.verdict(diagnosis) else _NO_DIAGNOSIS
        label, reason = _usable(verdict, f"{diagnosis or 'its diagnosis'} is indeterminate", unknown)
        return Record(
            image=row[self.image],
            label=label,
            diagnosis=diagnosis,
            reason=reason,
            # All rows with an id "NA" would be one patient, and so one group.
            patient_id=labels.known(self.patient(row)),
            lesion_id=labels.known(row.get("lesion_id", "")),
            licence=next((row[name] for name in ("copyright_license", "license", "licence") if labels.known(row.get(name, ""))), ""),
            collection_licence=self.licence,
        )


_NO_DIAGNOSIS = "the table states no diagnosis"
UNKNOWN_NAME = "is no known diagnosis"


def _usable(verdict: str, indeterminate: str, unknown: str) -> tuple[str, str]:
    """The label that a verdict gives, or else the reason why there is none."""
    if verdict in labels.BINARY:
        return verdict, ""
    return "", indeterminate if verdict else unknown


def _judge_isic2017(row: Row) -> tuple[str, str]:
    """Two yes-or-no columns; neither means nevus (the challenge's third class)."""
    melanoma, keratosis = labels.statement(row["melanoma"]), labels.statement(row["seborrheic_keratosis"])
    if not melanoma or not keratosis:
        return "", ""
    name = "melanoma" if melanoma == labels.MALIGNANT else "seborrheic keratosis" if keratosis == labels.MALIGNANT else "nevus"
    return labels.verdict(name), name


_ONE_HOT = ("mel", "nv", "bcc", "ak", "akiec", "bkl", "df", "vasc", "scc", "unk")


def _judge_one_hot(row: Row) -> tuple[str, str]:
    """One column per diagnosis, a 1 in exactly one of them."""
    hot = [name for name in _ONE_HOT if row.get(name) in ("1", "1.0")]
    if len(hot) != 1 or hot == ["unk"]:
        return "", ""
    return labels.verdict(hot[0]), labels.diagnosis(hot[0])


def _judge_ham10000(row: Row) -> tuple[str, str]:
    return labels.verdict(row["dx"]), labels.diagnosis(row["dx"])


def _judge_target(row: Row) -> tuple[str, str]:
    """A 0 or 1 in ``target``, else the word in ``benign_malignant``."""
    stated = labels.statement(row.get("target", "")) or labels.statement(row.get("benign_malignant", ""))
    return stated, labels.diagnosis(row.get("diagnosis", ""))


def _judge_archive(row: Row) -> tuple[str, str]:
    """The archive's first level of diagnosis, or its older columns; the most detailed level names the diagnosis."""
    stated = next((labels.statement(row[name]) for name in ("diagnosis_1", "iddx_1", "benign_malignant", "target") if row.get(name)), "")
    levels = ("diagnosis_3", "iddx_3", "diagnosis", "diagnosis_2", "iddx_2")
    name = next((row[level] for level in levels if row.get(level)), "")
    return stated or labels.verdict(name), labels.diagnosis(name)


def _patient_aidl21(row: Row) -> str:
    """The project's ``ID`` holds the patient of SIIM-ISIC 2020 images, and for others the archive's key of the image."""
    return row["id"] if re.fullmatch(r"IP_\d+", row.get("id", "")) else ""


_BY_NC = "CC-BY-NC-4.0"
_ARCHIVE_LABELS = ("diagnosis_1", "iddx_1", "benign_malignant", "diagnosis", "target")
_ARCHIVE_LEVELS = ("diagnosis_2", "diagnosis_3", "iddx_2", "iddx_3")
_STATED = ("benign_malignant", "diagnosis")
# A table is of the first layout that fits.
LAYOUTS = (
    Layout("isic2017", "ISIC 2017 ground truth", "image_id", ("melanoma", "seborrheic_keratosis"), _judge_isic2017, licence="CC0-1.0"),
    Layout("isic2017-metadata", "ISIC 2017 metadata (no labels)", "image_id", ("age_approximate", "sex"), None),
    Layout("ham10000", "HAM10000 metadata", "image_id", ("lesion_id", "dx"), _judge_ham10000, licence=_BY_NC),
    Layout("isic2019", "ISIC 2018 or 2019 ground truth", "image", ("mel", "nv", "bcc"), _judge_one_hot, _ONE_HOT, licence=_BY_NC),
    Layout("isic2019-metadata", "ISIC 2019 metadata (no labels)", "image", ("age_approx", "anatom_site_general", "sex"), None),
    Layout("aidl21", "AIDL21 project list", "dcm_name", ("target",), _judge_target, ("id", *_STATED), patient=_patient_aidl21),
    Layout(
        "isic2020", "ISIC 2020 ground truth v2", "image_name", ("target", "patient_id", "lesion_id"), _judge_target, _STATED, licence=_BY_NC
    ),
    Layout("siim2020", "SIIM-ISIC 2020 train.csv", "image_name", ("target", "patient_id"), _judge_target, _STATED, licence=_BY_NC),
    Layout("isic-archive", "ISIC archive metadata", "isic_id", (), _judge_archive, _ARCHIVE_LEVELS, any_of=_ARCHIVE_LABELS),
)
ARCHIVE_JSON = dataclasses.replace(LAYOUTS[-1], name="isic-api", title="ISIC archive API files, one JSON per image")
FOLDER = "folder"
CSV = "csv"
CLASS_FOLDERS = Layout(FOLDER, "one folder per class", "", (), lambda row: ("", ""))  # its records are made from paths, not rows
FORMATS = (*(layout.name for layout in LAYOUTS), ARCHIVE_JSON.name, FOLDER, CSV)

_IMAGE_COLUMNS = ("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_id", "image_name", "img", "isic_id")
_LABEL_COLUMNS = ("label", "target", "class", "benign_malignant", "malignant", "diagnosis", "dx")


def layout_of(columns: list[str], format: str | None, image_column: str | None, label_column: str | None) -> Layout | None:
    """The layout of a table with these lower-case columns, or None if it is of none (or not of the one asked for)."""
    if image_column or label_column:
        return _csv_layout(columns, image_column, label_column)
    for layout in LAYOUTS:
        if layout.fits(columns) and format in (None, layout.name):
            return layout
    return _csv_layout(columns, None, None) if format in (None, CSV) else None


def is_known(columns: list[str]) -> bool:
    """Whether a table with these columns is of a layout that has a name of its own."""
    return any(layout.fits(columns) for layout in LAYOUTS)


def companion(columns: list[str]) -> Layout | None:
    """The layout of a table that has no labels of its own but goes with one that has."""
    return next((layout for layout in LAYOUTS if layout.judge is None and layout.fits(columns)), None)


def _csv_layout(columns: list[str], image_column: str | None, label_column: str | None) -> Layout | None:
    """Any other table, by the columns that were named or that have a telling name."""
    image = image_column.lower() if image_column else next((name for name in _IMAGE_COLUMNS if name in columns), None)
    label = label_column.lower() if label_column else next((name for name in _LABEL_COLUMNS if name in columns and name != image), None)
    if image not in columns or label not in columns or image is None or label is None:
        return None

    def judge(row: Row) -> tuple[str, str]:
        text = row[label]
        named = row.get("diagnosis", "") or (text if not labels.statement(text) else "")
        return labels.statement(text) or labels.verdict(text), labels.diagnosis(named)

    return Layout(CSV, f"CSV table (images in {image!r}, labels in {label!r})", image, (label,), judge, ("diagnosis",))


def check_format(format: str | None) -> None:
    """Refuse a format that does not exist.

    Raises
    ------
    InvalidValue
        The message lists those that do.
    """
    if format is not None and format not in FORMATS:
        raise InvalidValue(f"There is no format {format!r}.", f"Use one of {', '.join(FORMATS)}, or leave it out.")


def records_of(layout: Layout, rows: list[Row]) -> list[Record]:
    """All rows of a table in the common form."""
    column = layout.columns[0] if layout.name == CSV else "target"
    texts = [row.get(column, "") for row in rows]
    records = [layout.record(row | {column: meant}) for row, meant in zip(rows, labels.judged(texts), strict=True)]
    records = [
        dataclasses.replace(record, reason=f"{text!r} {UNKNOWN_NAME}") if record.reason == _NO_DIAGNOSIS and labels.known(text) else record
        for record, text in zip(records, texts, strict=True)
    ]
    return own_classes(records, texts) if layout.name == CSV else records


def class_records(images: list[str], folders: list[str]) -> list[Record]:
    """The records of images in folders that are named after their classes."""
    records: list[Record] = []
    for image, folder, said in zip(images, folders, labels.judged(folders), strict=True):
        verdict = labels.statement(said) or labels.verdict(said)
        label, reason = _usable(verdict, f"{folder!r} is indeterminate", f"{folder!r} {UNKNOWN_NAME}")
        records.append(Record(image, label, "" if labels.statement(said) else labels.diagnosis(folder), reason))
    return own_classes(records, folders)


def own_classes(records: list[Record], texts: list[str]) -> list[Record]:
    """Labels of which the diagnosis table knows none are classes of the user's own; ``texts`` are the labels as written.

    All or nothing: among known diagnoses, an unknown one is more likely a slip than a class.
    """
    if any(labels.statement(text) or labels.verdict(text) for text in labels.judged(texts)):
        return records
    own: list[Record] = []
    for record, text in zip(records, map(str.strip, texts), strict=True):
        diagnosis = text if record.diagnosis in ("", labels.diagnosis(text)) else record.diagnosis  # from a column of its own
        own.append(dataclasses.replace(record, label=text, diagnosis=diagnosis, reason="") if text else record)
    return own


def use_diagnosis(record: Record) -> Record:
    """The same record with the diagnosis as its label."""
    if record.diagnosis:
        return dataclasses.replace(record, label=record.diagnosis, reason="")
    return dataclasses.replace(record, label="", reason=_NO_DIAGNOSIS)
