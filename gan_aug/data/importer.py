"""Import: from folders of photographs to a stored dataset.

Several processes decode; this one writes what they return, in order, so that the same files give the same dataset whatever the number of
processes. A picture that cannot be used is listed with its reason, and the import goes on. Nothing appears in the workspace before all is
done.
"""

import dataclasses
import multiprocessing
import re
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path, PurePosixPath
from typing import TypeVar

from gan_aug.data import formats
from gan_aug.data.dataset import COLUMNS, DatasetWriter, free_folder, new_dataset
from gan_aug.data.duplicates import phash
from gan_aug.data.formats import Source, recognise
from gan_aug.data.labels import BINARY
from gan_aug.data.layouts import UNKNOWN_NAME, Record
from gan_aug.data.licences import stricter
from gan_aug.errors import InvalidValue, UserError
from gan_aug.images import SYNTHETIC_TYPES, ImageRejected, Picture, read_picture, read_provenance
from gan_aug.records import Dataset, ImportReport
from gan_aug.workspace import processors

LABELS = ("binary", "diagnosis")
VERSION = 1  # of decoding, cropping and scaling; part of the fingerprint

T = TypeVar("T")
R = TypeVar("R")

_CHUNK = 16  # pictures handed to a worker at a time
_POOL_FROM = 200  # below so many pictures, starting processes takes longer than decoding


@dataclasses.dataclass(frozen=True)
class Recognition:
    """What an import would find in one place."""

    path: str
    source: str
    format: str
    tables: tuple[tuple[str, str, int], ...]  # per table: file, what it is, rows
    n_rows: int  # images that the tables speak of
    n_files: int  # picture files
    n_usable: int  # files with a label; each is still to be decoded
    n_rows_without_image: int
    n_images_without_row: int
    n_without_label: int
    n_rejected: int  # files that are no photographs, by their name
    row_labels: dict[str, int]  # label -> rows
    image_labels: dict[str, int]  # label -> usable files
    notes: tuple[str, ...]


class ImportStopped(UserError):
    """The import was asked to stop; nothing was kept."""

    def __init__(self):
        super().__init__("The import was stopped.", "Nothing was kept; start it again when you want to.")

    def __reduce__(self):
        return type(self), ()


def inspect(
    paths: list[Path], format: str | None = None, image_column: str | None = None, label_column: str | None = None, labels: str = "binary"
) -> list[Recognition]:
    """Say what an import of ``paths`` would find, without decoding a picture.

    Raises
    ------
    UserError
        See :func:`gan_aug.data.formats.recognise`.
    """
    return [
        Recognition(
            path=str(path),
            source=source.name,
            format=source.format,
            tables=source.tables,
            n_rows=source.n_rows,
            n_files=source.n_files,
            n_usable=len(source.matches),
            n_rows_without_image=source.count(formats.ROW_WITHOUT_IMAGE),
            n_images_without_row=source.count(formats.IMAGE_WITHOUT_ROW),
            n_without_label=source.count(formats.WITHOUT_LABEL),
            n_rejected=len(source.rejected),
            row_labels=source.row_labels,
            image_labels=dict(sorted(Counter(record.label for record, _ in source.matches).items())),
            notes=source.notes,
        )
        for path, source in zip(paths, _sources(paths, format, image_column, label_column, labels), strict=True)
    ]


def import_dataset(
    paths: list[Path],
    name: str,
    size: int = 128,
    workers: int | None = None,
    format: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    labels: str = "binary",
    on_progress: Callable[[int, int, str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Dataset:
    """Import photographs into the workspace as one dataset.

    Parameters
    ----------
    paths : list of Path
        Folders or tables; each is one source.
    name : str
        Name of the new dataset.
    size : int
        Side of the stored images [px]: a multiple of 32, up to 1024.
    workers : int, optional
        Processes that decode; as many as there are processors, if left out.
    format, image_column, label_column : str, optional
        See :func:`gan_aug.data.formats.recognise`.
    labels : str
        ``binary`` for benign and malignant, ``diagnosis`` for one class per diagnosis.
    on_progress : callable, optional
        Called with (done, all, message).
    should_stop : callable, optional
        Asked between pictures; a true answer ends the import, and nothing is kept.

    Raises
    ------
    UserError
        If the name is taken, an option is impossible, nothing is recognised, or no picture can be used.
    """
    free_folder(name)
    check_options(paths, size, workers)
    sources = _sources(paths, format, image_column, label_column, labels)
    tasks = [(source.folder / file, size) for source in sources for _, file in source.matches]
    if not tasks:
        raise UserError(
            f"None of the {sum(source.n_rows for source in sources)} images that the tables name has both a label and a picture here.",
            "Give the folder that holds both the table and the pictures; `--dry-run` shows what was found.",
        )
    with new_dataset(name, size) as writer:
        intake = _Intake(writer, sources)
        owners = ((source, record, file) for source in sources for record, file in source.matches)
        for done, (owner, result) in enumerate(zip(owners, map_in_order(_decode, tasks, workers, should_stop), strict=True), 1):
            intake.take(*owner, result)
            if on_progress is not None:
                on_progress(done, len(tasks), f"{done} of {len(tasks)} pictures read")
        return intake.finish(name, {"version": VERSION, "size": size, "labels": labels}, labels)


def check_options(paths: Sequence[Path | str], size: int, workers: int | None) -> None:
    """Refuse what :func:`import_dataset` cannot take, before anything is looked at.

    Raises
    ------
    InvalidValue
    """
    if size % 32 or not 32 <= size <= 1024:
        raise InvalidValue(f"{size} px is not a possible size.", "Use a multiple of 32, up to 1024.")
    if workers is not None and not 1 <= workers <= 256:
        raise InvalidValue(f"{workers} is not a possible number of workers.", "Use 1 to 256.")
    if not paths:
        raise InvalidValue("There is nothing to import.", "Give at least one folder, archive or table.")


def _sources(paths: list[Path], format: str | None, image_column: str | None, label_column: str | None, labels: str) -> list[Source]:
    """Recognise every path; sources of the same name are told apart by a number."""
    if labels not in LABELS:
        raise InvalidValue(f"Labels cannot be {labels!r}.", f"Use {' or '.join(LABELS)}.")
    sources: list[Source] = []
    for path in paths:
        source = recognise(path, format, image_column, label_column, by_diagnosis=labels == "diagnosis")
        same = sum(re.sub(r" \(\d+\)$", "", other.name) == source.name for other in sources)
        sources.append(dataclasses.replace(source, name=f"{source.name} ({same + 1})") if same else source)
    if labels == "binary":
        _check_both_sides(sources)
    return sources


def _check_both_sides(sources: list[Source]) -> None:
    """Refuse a dataset that is benign or malignant only because the names of all other labels are not known, as of ``non-melanoma``."""
    present = {record.label for source in sources for record, _ in source.matches}
    dropped = [item.detail for source in sources for item in source.unmatched if item.detail.endswith(UNKNOWN_NAME) and item.file]
    if dropped and len(present) == 1 and present <= set(BINARY):
        raise UserError(
            f"All images would be {present.pop()}; {len(dropped)} others have no label: {'; '.join(sorted(set(dropped))[:3])}.",
            "Make every name a class with `--labels diagnosis`, or write benign or malignant where that is what a name means.",
        )


def _decode(task: tuple[Path, int]) -> tuple[Picture, str] | str:
    """A picture with its perceptual hash, or the reason why it is rejected. Runs in a worker."""
    try:
        picture = read_picture(*task)
    except ImageRejected as error:
        return error.reason
    origin = read_provenance(task[0]) or {}
    if origin.get("digitalSourceType") in SYNTHETIC_TYPES:  # of our pictures, only those of an exported blind batch do not say so
        return "it says of itself that a trained model made it; synthetic images take part in trainings through schemes only"
    return picture, phash(picture.pixels)


class _Intake:
    """Takes decoded pictures one by one and keeps the accounts of the import."""

    def __init__(self, writer: DatasetWriter, sources: list[Source]):
        self.writer = writer
        self.sources = sources
        self.rejected = [(source.name, file, reason) for source in sources for file, reason in source.rejected]
        self.unmatched = [(source.name, item.kind, item.image, item.file, item.detail) for source in sources for item in source.unmatched]
        self.traits: Counter[str] = Counter()
        self._stored: dict[str, tuple[str, str]] = {}  # image id -> pixel hash, label
        self._row_of: dict[str, int] = {}

    def take(self, source: Source, record: Record, file: str, result: tuple[Picture, str] | str) -> None:
        """Store a picture, or list why not."""
        if isinstance(result, str):
            self.rejected.append((source.name, file, result))
            return
        picture, picture_hash = result
        image_id = _safe_id(file)
        if self._stored.get(image_id) == (picture.pixel_sha256, record.label) and self._join(image_id, record):
            self.rejected.append((source.name, file, f"the same picture as {image_id}, which is stored already"))
            return
        image_id = self._unique(image_id, source, file)
        self._stored[image_id] = (picture.pixel_sha256, record.label)
        self._row_of[image_id] = len(self.writer.rows)
        self._note(picture)
        self.writer.append(
            picture.pixels,
            image_id=image_id,
            label=record.label,
            diagnosis=record.diagnosis,
            patient_id=record.patient_id,
            lesion_id=record.lesion_id,
            source=source.name,
            licence=record.licence,
            byte_sha256=picture.byte_sha256,
            pixel_sha256=picture.pixel_sha256,
            phash=picture_hash,
            file=file,
        )

    def _join(self, image_id: str, record: Record) -> bool:
        """Add to a stored row what another record says of its picture; false if they contradict each other about whose it is.

        Such a picture is stored again: its pixels then link the patients and lesions that both records name, so that no split parts them.
        """
        stored = dict(zip(COLUMNS, self.writer.rows[self._row_of[image_id]], strict=True))
        said = {name: getattr(record, name) for name in ("diagnosis", "patient_id", "lesion_id")}
        if any(stored[name] and said[name] and stored[name] != said[name] for name in ("patient_id", "lesion_id")):
            self.traits["are stored more than once, because their rows name different patients or lesions"] += 1
            return False
        filled = {name: stored[name] or text for name, text in said.items()} | {"licence": stricter(stored["licence"], record.licence)}
        self.writer.rows[self._row_of[image_id]] = tuple((stored | filled).values())
        return True

    def _unique(self, image_id: str, source: Source, file: str) -> str:
        """An id that no image has yet: with the folder or the source in front, or else a number behind."""
        if image_id not in self._stored:
            return image_id
        fuller = [_safe_id(f"{prefix}-{image_id}") for prefix in (PurePosixPath(file).parent.name, source.name) if prefix]
        numbered = (f"{image_id}-{number}" for number in range(2, len(self._stored) + 3))
        return next(candidate for candidate in (*fuller, *numbered) if candidate not in self._stored)

    def _note(self, picture: Picture) -> None:
        if picture.mode != "RGB":
            self.traits[f"were converted from {picture.mode} to RGB"] += 1
        if picture.turned:
            self.traits["were turned upright as their EXIF data say"] += 1
        if min(picture.width, picture.height) < self.writer.size:
            self.traits[f"are smaller than {self.writer.size} px and were enlarged"] += 1

    def finish(self, name: str, options: dict[str, str | int], labels: str) -> Dataset:
        """Close the accounts."""
        if not self.writer.rows:
            raise UserError(
                f"None of the {len(self.rejected)} pictures can be used; the first: {self.rejected[0][1]}, because {self.rejected[0][2]}.",
                "Check that the files are photographs.",
            )
        present = {row[1] for row in self.writer.rows}
        # Both names of the binary rule stay, so that class numbers mean the same in every dataset.
        classes = BINARY if labels == "binary" and present <= set(BINARY) else tuple(sorted(present))
        notes = [f"{count} images {what}." for what, count in sorted(self.traits.items())]
        notes += [note if len(self.sources) == 1 else f"{source.name}: {note}" for source in self.sources for note in source.notes]
        if not present <= set(BINARY) and labels == "binary":
            notes.append("The labels are no diagnoses that the label rule knows; they were kept as classes.")
        report = ImportReport(
            formats=tuple(source.format for source in self.sources),
            n_rows=sum(source.n_rows for source in self.sources),
            n_images=len(self.writer.rows),
            n_rows_without_image=sum(source.count(formats.ROW_WITHOUT_IMAGE) for source in self.sources),
            n_images_without_row=sum(source.count(formats.IMAGE_WITHOUT_ROW) for source in self.sources),
            n_without_label=sum(source.count(formats.WITHOUT_LABEL) for source in self.sources),
            n_rejected=len(self.rejected),
            notes=tuple(notes),
        )
        return self.writer.finish(name, classes, options, report, rejected=self.rejected, unmatched=self.unmatched)


def _safe_id(file: str) -> str:
    """The file's name without its ending, in letters that can be part of any path."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(file).stem).strip(".-")[:80] or "image"


def map_in_order(
    function: Callable[[T], R], tasks: list[T], workers: int | None = None, should_stop: Callable[[], bool] | None = None
) -> Iterator[R | str]:
    """Results of ``function`` over ``tasks``, in order, from several processes; at most a few chunks are under way at a time.

    A task whose process dies (a decoder that crashes, memory that runs out) gives a sentence instead of a result, and the others go on.

    Raises
    ------
    ImportStopped
        When ``should_stop`` says so.
    """
    workers = min(workers or processors(), -(-len(tasks) // _CHUNK))
    if workers == 1 or len(tasks) < _POOL_FROM:
        for task in tasks:
            _check_wish(should_stop)
            yield function(task)
        return
    chunks = deque(tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK))
    while chunks:
        lost = yield from _run_chunks(function, chunks, workers, should_stop)
        yield from _run_singly(function, [task for _ in range(lost) for task in chunks.popleft()], should_stop)


def _run_chunks(
    function: Callable[[T], R], chunks: deque[list[T]], workers: int, should_stop: Callable[[], bool] | None
) -> Generator[R, None, int]:
    """Work through ``chunks`` from the left. If a process dies, returns how many chunks were under way; they are the first ones left."""
    pool = _pool(workers)
    under_way: deque[Future[list[R]]] = deque()
    try:
        while chunks:
            while len(under_way) < min(4 * workers, len(chunks)):
                under_way.append(pool.submit(_apply, function, chunks[len(under_way)]))
            _check_wish(should_stop)
            results = under_way[0].result()
            under_way.popleft()
            chunks.popleft()
            yield from results
    except BrokenProcessPool:
        return max(len(under_way), 1)
    finally:
        pool.shutdown(cancel_futures=True)
    return 0


def _run_singly(function: Callable[[T], R], tasks: list[T], should_stop: Callable[[], bool] | None) -> Iterator[R | str]:
    """One task after the other in one process, to find those that kill it."""
    pool: ProcessPoolExecutor | None = None
    try:
        for task in tasks:
            _check_wish(should_stop)
            pool = pool or _pool(1)
            try:
                yield pool.submit(function, task).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = None
                yield "the process that read it died"
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes, which inherit no threads or locks, and leave Ctrl-C to this one."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))


def _apply(function: Callable[[T], R], tasks: list[T]) -> list[R]:
    return [function(task) for task in tasks]


def _check_wish(should_stop: Callable[[], bool] | None) -> None:
    if should_stop is not None and should_stop():
        raise ImportStopped
