"""Run folders: the truth about every training, readable without torch.

<checkpoints>/<run id>/
    run.json              what was asked for (records.Run); never changes
    training_list.parquet the images it has seen
    status.json           where it is now; written at every tick
    stats.jsonl           one line of numbers per tick
    damaged-stats.txt     lines of it that a resumed training found unreadable; absent as a rule
    log.txt               what happened, in words
    grids/step-00000100.png
    snapshots/step-00000100/ weights, optimisers, and last of all meta.json
    graph.onnx, .json     how its G computes, without weights; absent until one was asked for (onnx_files.py)
    best.json             which snapshot was chosen, and by what measure; absent until one was
    run.lock              held by the process that trains it
"""

import contextlib
import dataclasses
import datetime
import difflib
import functools
import json
import logging
import math
import os
import secrets
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from gan_aug import __version__, files, images, workspace
from gan_aug.data import training_list
from gan_aug.errors import CorruptFile, InvalidValue, NotFound
from gan_aug.records import NOTICE, Checkpoint, Run, SeenImage, to_dict

State = Literal["new", "running", "stopped", "finished", "failed", "lost"]

KINDS = ("gan", "classifier")
META_FORMAT = 1
BEST_NAME = "best.json"  # which snapshot was chosen; see choose_best
OPTIMISERS_NAME = "optim.pt"  # in a snapshot from which a training goes on; a thinned one has none
StatsPlace = tuple[int, int]  # how far statistics were read: the file's inode, and the byte in it
STATS_START: StatsPlace = (0, 0)
STATS_NAME, DAMAGED_STATS_NAME = "stats.jsonl", "damaged-stats.txt"
PICTURES_NAME = "pictures.png"  # what a published GAN generates, beside its card; see publish.py

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class RunStatus:
    """Where a run is. ``running`` is told by the lock, so a killed training shows as ``lost`` at once."""

    state: State
    step: int
    kimg: float
    total_kimg: float
    images_per_second: float
    message: str
    flags: tuple[str, ...]  # health warnings in words
    updated: str  # ISO 8601, UTC


def now() -> str:
    """The time as it is written in records: ISO 8601, UTC, seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def statement(source_type: str = images.SYNTHETIC) -> dict[str, Any]:
    """What every picture says of itself that shows something generated: an import takes none that says so for a photograph."""
    return {"notice": NOTICE, "digitalSourceType": source_type, "date": now(), "code_version": __version__}


def code_version() -> str:
    """Version of gan_aug, with the commit where it runs from a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return __version__
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{commit}"


# --- folders -----------------------------------------------------------------------------------------------------------------------------


def run_folder(run_id: str) -> Path:
    """Folder of a run, trained here or shipped.

    Raises
    ------
    NotFound
        If there is none; the message names the nearest ones.
    """
    workspace.check_name(run_id, "run id")
    for parent in (workspace.checkpoints(), workspace.pretrained()):
        if (parent / run_id / "run.json").exists():
            return parent / run_id
    near = difflib.get_close_matches(run_id, _run_ids(), n=3, cutoff=0.4)
    raise NotFound(
        f"There is no run {run_id!r} in {workspace.checkpoints()}.",
        f"Did you mean {' or '.join(near)}?" if near else "See the runs with: gan-aug runs",
    )


def is_there(run_id: str) -> bool:
    """Whether there is a run of that id."""
    try:
        run_folder(run_id)
    except NotFound:
        return False
    return True


def _run_ids() -> list[str]:
    parents = (workspace.checkpoints(), workspace.pretrained())
    return sorted({path.parent.name for parent in parents for path in parent.glob("*/run.json") if not path.parent.name.startswith(".")})


def create_run(run: Run, seen: list[SeenImage]) -> Path:
    """Make the folder of a new run, whole or not at all.

    Raises
    ------
    InvalidValue
        If a run of that id exists.
    """
    folder = workspace.checkpoints() / workspace.check_name(run.id, "run id")
    try:
        with files.new_folder(folder) as temporary:
            files.write_json(temporary / "run.json", to_dict(run))
            training_list.write(temporary, seen)
    except FileExistsError:
        raise InvalidValue(f"There already is a run {run.id!r}.", "Choose another name, or resume that run.") from None
    return folder


def new_run_id(*words: str | int) -> str:
    """A readable id that is not taken: the words, joined, and four random digits."""
    name = "-".join(str(word) for word in words)[:90]
    return workspace.check_name(f"{name}-{secrets.token_hex(2)}", "run id")


def load_run(run_id: str) -> Run:
    """The record of a run.

    Raises
    ------
    NotFound, CorruptFile
        If there is none of that id, or its run.json is damaged.
    """
    path = run_folder(run_id) / "run.json"
    status = path.stat()
    return _read_run(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(4096)
def _read_run(path: Path, modified: int, size: int) -> Run:
    """Records never change, and pages list hundreds of them: read once, and shared. Time and size tell a folder made anew."""
    run = files.read_record(Run, path)
    if run.kind not in KINDS:
        todo = f"Update gan_aug if a newer version wrote it; else bring it back from a copy, or delete the folder {path.parent}."
        raise CorruptFile(f"{path} cannot be read (kind cannot be {run.kind!r}).", todo)
    files.refuse_renamed(path, run.id)
    return run


def scan_runs(kind: str | None = None) -> tuple[list[Run], dict[str, str]]:
    """The runs, newest first, of one kind (``gan`` or ``classifier``) if given; and by id a notice for each that cannot be read.

    Nobody knows of what kind a damaged one is, so all of them are named.
    """
    found, damaged = files.read_each(load_run, _run_ids())
    return sorted((run for run in found if kind in (None, run.kind)), key=lambda run: run.created, reverse=True), damaged


def list_runs(kind: str | None = None) -> list[Run]:
    """The readable runs, newest first, of one kind (``gan`` or ``classifier``) if given."""
    return scan_runs(kind)[0]


@contextlib.contextmanager
def training_lock(run_id: str) -> Iterator[None]:
    """Hold the run while it trains.

    Raises
    ------
    Busy
        If another process trains it already.
    """
    with files.hold(run_folder(run_id) / "run.lock", f"Run {run_id} is being trained"):
        yield


# --- progress ----------------------------------------------------------------------------------------------------------------------------


def write_status(folder: Path, status: RunStatus) -> None:
    """Replace the status file."""
    files.write_json(folder / "status.json", dataclasses.asdict(status))


def status(run_id: str) -> RunStatus:
    """Where a run is now.

    Raises
    ------
    NotFound, CorruptFile
        If there is no such run, or its status.json is damaged.
    """
    folder = run_folder(run_id)
    path = folder / "status.json"
    if not path.exists():
        fresh = RunStatus("new", 0, 0.0, float(load_run(run_id).config.get("total_kimg", 0.0)), 0.0, "Not started.", (), "")
        return dataclasses.replace(fresh, state="running", message="Starting.") if files.is_locked(folder / "run.lock") else fresh
    todo = "Delete that file: snapshots and statistics stay, and a resumed training writes it anew."
    found = files.read_record(RunStatus, path, todo)
    if files.is_locked(folder / "run.lock"):
        return dataclasses.replace(found, state="running")
    if found.state == "running":
        return dataclasses.replace(found, state="lost", message="The process that trained it is gone. It can be resumed.")
    return found


def scan_statuses(listed: Iterable[Run]) -> tuple[list[tuple[Run, RunStatus]], dict[str, str]]:
    """Each of the runs with where it is now; and by id a notice for each whose status.json is damaged."""
    by_id = {run.id: run for run in listed}
    return files.read_each(lambda run_id: (by_id[run_id], status(run_id)), by_id)


def append_log(folder: Path, message: str) -> None:
    """Add a line, with the time, to the run's log."""
    with (folder / "log.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"{now()}  {message}\n")


def append_stats(folder: Path, line: dict[str, Any]) -> None:
    """Add a line of numbers to the run's statistics."""
    with (folder / STATS_NAME).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, allow_nan=False) + "\n")


def truncate_stats(folder: Path, step: int) -> None:
    """Drop the lines after ``step``: a resumed run writes them again. Damaged lines go into a file of their own, and the log tells it."""
    path = folder / STATS_NAME
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows on the last line break was still being written
    numbers = [_numbers(line) for line in lines]
    damaged = [place for place, found in enumerate(numbers) if found is None]
    if damaged:  # first of all, so that a crash in between loses none
        with (folder / DAMAGED_STATS_NAME).open("ab") as stream:
            stream.write(b"".join(lines[place] + b"\n" for place in damaged))
        told = f"{_told_damaged(path, damaged)} What stood there is now in {folder / DAMAGED_STATS_NAME}."
        append_log(folder, told)
        _log.warning("%s", told)
    kept = (line for line, found in zip(lines, numbers, strict=True) if found is not None and found["step"] <= step)
    files.write_bytes(path, b"".join(line + b"\n" for line in kept))


def read_stats(run_id: str, place: StatsPlace = STATS_START) -> tuple[list[dict[str, Any]], StatsPlace]:
    """The lines of statistics from a place on, and the place to go on from.

    A last line that is still being written is left for the next call. When another file took the place of the one that was read (the run
    was resumed from an earlier snapshot), everything is read again. Damaged lines are left out, and a warning is logged that names them.
    """
    path = run_folder(run_id) / STATS_NAME
    if not path.exists():
        return [], STATS_START
    with path.open("rb") as stream:
        file, (inode, offset) = os.fstat(stream.fileno()), place
        if file.st_ino != inode or file.st_size < offset:
            offset = 0
        stream.seek(offset)
        content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        numbers = [_numbers(line) for line in whole.split(b"\n")[:-1]]
        damaged = [number for number, found in enumerate(numbers) if found is None]
        if damaged:
            stream.seek(0)
            before = stream.read(offset).count(b"\n")
            _log.warning("%s", _told_damaged(path, [before + number for number in damaged]))
    return [found for found in numbers if found is not None], (file.st_ino, offset + len(whole))


def _numbers(line: bytes) -> dict[str, Any] | None:
    """What a line of statistics holds; None if it is damaged."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or type(found.get("step")) is not int:
        return None
    return found if all(type(value) in (int, float) and math.isfinite(value) for value in found.values()) else None


def _told_damaged(path: Path, damaged: list[int]) -> str:
    numbers = ", ".join(str(number + 1) for number in damaged)
    return f"{path} is damaged in line {numbers}; the statistics there are left out."


def log_tail(run_id: str, lines: int = 30) -> str:
    """The last lines of a run's log."""
    path = run_folder(run_id) / "log.txt"
    return "\n".join(path.read_text(encoding="utf-8").splitlines()[-lines:]) if path.exists() else ""


def grids(run_id: str) -> list[tuple[int, Path]]:
    """The sample grids of a run, as (step, file), in order of training."""
    return [(int(path.stem.removeprefix("step-")), path) for path in sorted((run_folder(run_id) / "grids").glob("step-*.png"))]


# --- snapshots ---------------------------------------------------------------------------------------------------------------------------


def snapshot_folder(folder: Path, step: int) -> Path:
    """Where the snapshot of a step lies."""
    return folder / "snapshots" / f"step-{step:08d}"


def scan_checkpoints(run_id: str) -> tuple[list[Checkpoint], list[str]]:
    """The snapshots of a run in order of training, and a notice for each that cannot be read or whose meta.json is damaged.

    A folder without meta.json was never finished and is neither. Where the folder of all snapshots cannot be read, a notice says so.
    """
    folder = run_folder(run_id) / "snapshots"
    found, notices = [], []
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.startswith("step-"))  # glob passes over what it may not read
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"{folder} cannot be read: {error.strerror}."]
    for path in paths:
        try:
            found.append(_checkpoint(run_id, path))
        except CorruptFile as error:
            notices.append(error.what)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            notices.append(f"{path} cannot be read: {error.strerror}.")
    return found, notices


def list_checkpoints(run_id: str) -> list[Checkpoint]:
    """The readable snapshots of a run, in order of training."""
    return scan_checkpoints(run_id)[0]


def _checkpoint(run_id: str, folder: Path) -> Checkpoint:
    meta = read_meta(folder)
    sha256 = meta["files"][meta["sampled"]]["sha256"]
    return Checkpoint(run_id, meta["step"], meta["kimg"], str(folder), sha256, meta["metrics"], meta["created"])


def read_meta(folder: Path) -> dict[str, Any]:
    """The meta.json of a snapshot.

    Raises
    ------
    CorruptFile
        If it is not readable, lacks something, or is of a format that this version does not know.
    """
    try:
        meta = files.read_json(folder / "meta.json")
        known = meta["format"] == META_FORMAT
        whole = not known or _is_whole(meta)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise CorruptFile(f"{folder / 'meta.json'} is damaged.", "Delete that snapshot folder; an earlier snapshot is used then.")
    if not known:
        raise CorruptFile(f"{folder} has format {meta['format']}, and this version reads {META_FORMAT}.", "Update gan_aug.")
    return meta


def _is_whole(meta: dict[str, Any]) -> bool:
    """Whether everything in a meta.json that is read later is there and of its type; a KeyError or TypeError says no, too."""
    digests = [isinstance(file["sha256"], str) and type(file["bytes"]) is int for file in meta["files"].values()]
    numbers = type(meta["step"]) is int and type(meta["kimg"]) in (int, float) and math.isfinite(meta["kimg"])
    named = meta["sampled"] in meta["files"] and isinstance(meta["created"], str)
    return all(digests) and numbers and named and isinstance(meta["metrics"], dict)


def verify(checkpoint: Checkpoint, *names: str) -> None:
    """Check files of a snapshot, all if none is named, against the digests recorded when they were written.

    Raises
    ------
    CorruptFile
        If a file is missing or differs.
    """
    folder = Path(checkpoint.folder)
    recorded_files = read_meta(folder)["files"]
    for name in names or recorded_files:
        path, recorded = folder / name, recorded_files.get(name)
        if recorded is None or not path.exists():
            raise CorruptFile(f"{path} is missing.", "Use an earlier snapshot of the run.")
        if path.stat().st_size != recorded["bytes"] or files.sha256_file(path) != recorded["sha256"]:
            raise CorruptFile(f"{path} does not have the bytes that were saved.", "Use an earlier snapshot of the run.")


def refuse_untrainable(run_id: str, fresh: bool) -> None:
    """Refuse to go on with a run whose snapshots hold weights alone, as published ones do; ``fresh``: one without a snapshot may begin.

    Raises
    ------
    InvalidValue
    """
    snapshots = list_checkpoints(run_id)
    if fresh and not snapshots:
        return
    if not any(OPTIMISERS_NAME in read_meta(Path(found.folder))["files"] for found in snapshots):
        raise InvalidValue(
            f"No snapshot of run {run_id} holds what a training goes on from, but at most weights to sample with.",
            "Train a new run from the start.",
        )


def sampled_file(checkpoint: Checkpoint) -> Path:
    """The file with the weights that are sampled (the averaged G) or predict."""
    folder = Path(checkpoint.folder)
    return folder / read_meta(folder)["sampled"]


def choose_best(run_id: str, step: int, reason: str) -> None:
    """Record which snapshot is the best, and by what measure."""
    files.write_json(run_folder(run_id) / BEST_NAME, {"step": step, "reason": reason, "created": now()})


def best(run_id: str) -> dict[str, Any] | None:
    """What was recorded of the best snapshot: ``step``, ``reason`` and ``created``; None before one was chosen.

    Raises
    ------
    CorruptFile
        If best.json is not readable, or does not say which and why.
    """
    path = run_folder(run_id) / BEST_NAME
    if not path.exists():
        return None
    try:
        recorded = files.read_json(path)
        whole = isinstance(recorded["step"], int) and isinstance(recorded["reason"], str)
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise CorruptFile(f"{path} is damaged.", f"Delete that file, and choose again with: {_how_to_choose(load_run(run_id))}")
    return recorded


def _how_to_choose(run: Run) -> str:
    return f"gan-aug evaluate {run.id} --data {run.dataset} --select"


def resolve(reference: str) -> tuple[Run, Checkpoint]:
    """Find what ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg`` means. ``RUN`` is the chosen best snapshot, or else the last.

    Raises
    ------
    NotFound
        If the run, or such a snapshot of it, does not exist or cannot be read.
    """
    run_id, _, which = reference.partition("@")
    run, (checkpoints, notices) = load_run(run_id), scan_checkpoints(run_id)
    if not checkpoints and notices:
        todo = "Bring its files back, make them readable, or update gan_aug if a newer version wrote them."
        raise NotFound(f"Run {run_id} has no snapshot that can be read: {' '.join(notices)}", todo)
    if not checkpoints:
        raise NotFound(f"Run {run_id} has no snapshot yet.", "Wait until its training has written one.")
    recorded = best(run_id) if which in ("", "best") else None
    if which == "best" and not recorded:
        raise NotFound(f"No best snapshot of {run_id} was chosen.", f"Choose one with: {_how_to_choose(run)}")
    if recorded:
        chosen = [checkpoint for checkpoint in checkpoints if checkpoint.step == recorded["step"]]
    elif which in ("", "last"):
        chosen = checkpoints[-1:]
    else:
        chosen = [checkpoint for checkpoint in checkpoints if f"{checkpoint.kimg:g}" == which]
    if not chosen:
        there = ", ".join(f"{checkpoint.kimg:g}" for checkpoint in checkpoints)
        told = " ".join([f"Run {run_id} has no snapshot @{which or 'best'}.", *notices])
        raise NotFound(told, f"It has, in thousands of images: {there}.")
    return run, chosen[0]
