"""Is this machine, and this workspace, fit for work? Each check says what it found and what to do about it. Nothing heavy is imported."""

import dataclasses
import datetime
import importlib.metadata
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from gan_aug import jobs, migrations, store, workspace
from gan_aug.errors import UserError, refusal
from gan_aug.jobs.slots import device_slots
from gan_aug.store.engine import filesystem_type, is_network, journal, sqlite_file, wanted_journal

State = Literal["ok", "warn", "fail"]

# Older versions have known holes: torch up to 2.9 can be made to run code or corrupt memory by a weights file (CVE-2025-32434,
# CVE-2026-24747), Streamlit up to 1.53 to reveal credentials on Windows (CVE-2026-33682).
_OLDEST = {"torch": (2, 10), "torchvision": (0, 25), "streamlit": (1, 54), "sqlalchemy": (2, 0), "onnxruntime": (1, 20)}
_LITTLE_SPACE, _NO_SPACE = 5e9, 5e8  # bytes
_ORPHAN_SECONDS = 3600.0  # a temporary file this old belongs to no write that still goes on
_HUNG_SECONDS = 900.0  # without a sign of progress from a job that lives
_ELSEWHERE = "Choose another with GAN_AUG_HOME and GAN_AUG_CHECKPOINTS."


@dataclasses.dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    state: State
    finding: str
    todo: str = ""  # empty where nothing has to be done


def doctor() -> list[Check]:
    """Look at everything that work depends on. A check that itself cannot be made is a failed check, not an exception."""
    found: list[Check] = []
    for examine in (_python, _packages, _device, _folders, _space, _filesystem, _database, _queue, _orphans, _programs):
        found += _examine(examine)
    return found


def _examine(examine: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(examine())
    except UserError as error:
        return [Check(examine.__name__.strip("_"), "fail", error.what, error.todo)]
    except OSError as error:
        return [Check(examine.__name__.strip("_"), "fail", refusal(error), _ELSEWHERE)]


def _python() -> Iterator[Check]:
    yield Check("python", "ok", f"Python {platform.python_version()} at {sys.executable}")


def _packages() -> Iterator[Check]:
    for name, oldest in _OLDEST.items():
        wanted = ".".join(map(str, oldest))
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "fail", f"{name} is not installed.", "Run: pip install -r requirements.txt")
            continue
        if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < oldest:
            yield Check(name, "fail", f"{name} {version} is older than {wanted}.", "Run: pip install -r requirements.txt")
        else:
            yield Check(name, "ok", f"{name} {version}")


def _device() -> Iterator[Check]:
    slots = device_slots()
    names = ", ".join(slot.name for slot in slots)
    if any(slot.cuda for slot in slots):
        yield Check("device", "ok", f"{names}: one job at a time on each")
    elif shutil.which("nvidia-smi"):
        yield Check("device", "warn", "nvidia-smi is there, but it lists no GPU.", "See that the driver works: run nvidia-smi.")
    else:
        yield Check("device", "ok", f"{names}: no NVIDIA GPU; small trainings only")


def _folders() -> Iterator[Check]:
    for name, place in (("workspace", workspace.home), ("checkpoints", workspace.checkpoints)):
        try:
            folder = place()
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except UserError as error:
            yield Check(name, "fail", error.what, error.todo)
        except OSError as error:
            yield Check(name, "fail", f"{folder} cannot be written: {error.strerror}.", _ELSEWHERE)
        else:
            yield Check(name, "ok", f"{folder} can be written")


def _space() -> Iterator[Check]:
    for name, place in (("space for the workspace", workspace.home), ("space for checkpoints", workspace.checkpoints)):
        try:
            folder = place()
        except UserError:
            continue  # its own check has said why
        if not folder.is_dir():
            continue
        free = shutil.disk_usage(folder).free
        state: State = "fail" if free < _NO_SPACE else "warn" if free < _LITTLE_SPACE else "ok"
        yield Check(
            name, state, f"{free / 1e9:.1f} GB free", "" if state == "ok" else "Free some space: a training that cannot save stops."
        )


def _filesystem() -> Iterator[Check]:
    kind = filesystem_type(workspace.home())
    if is_network(kind):
        yield Check(
            "file system",
            "warn",
            f"The workspace is on a network file system ({kind}). Locks tell which job is alive, and some servers do not keep them.",
            "Use a local disk for GAN_AUG_HOME; a team shares reviews through a PostgreSQL server (GAN_AUG_DATABASE_URL).",
        )
    else:
        yield Check("file system", "ok", f"local ({kind or 'unknown'})")


def _database() -> Iterator[Check]:
    revision = store.read(migrations.current)
    path = sqlite_file()
    if path is None:
        yield Check("database", "ok", f"PostgreSQL, revision {revision}")
        return
    finding = store.read(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
    if finding != "ok":
        yield Check(
            "database", "fail", f"{path} is damaged: {finding}", "Put the newest file of the workspace's backups folder in its place."
        )
        return
    yield Check("database", "ok", f"{path}, revision {revision}, intact")
    mode, wanted = journal(path), wanted_journal(sqlite3.sqlite_version_info, filesystem_type(path.parent))
    if mode != wanted:
        yield Check(
            "journal",
            "warn",
            f"SQLite {sqlite3.sqlite_version}, mode {mode}",
            f"Close every program that uses it; it then becomes {wanted}.",
        )
    elif wanted == "wal":
        yield Check("journal", "ok", f"SQLite {sqlite3.sqlite_version}, mode wal")
    else:
        yield Check(
            "journal", "ok", f"SQLite {sqlite3.sqlite_version}, mode delete: a write-ahead log is not safe with this version or disk"
        )


def _queue() -> Iterator[Check]:
    jobs.reap()
    found = jobs.list_jobs(limit=1000)
    process = jobs.worker_process()
    waiting = sum(job.status == "queued" for job in found)
    if waiting and process is None:
        log = workspace.home() / "jobs" / "worker.log"
        yield Check(
            "queue", "warn", f"{waiting} jobs wait and there is no worker.", f"Run: gan-aug worker. Why the last one left may be in {log}."
        )
    else:
        yield Check("queue", "ok", f"{waiting} jobs wait; {'a worker is there' if process else 'a worker starts when there is work'}")
    lost = [job.id for job in found if job.status == "lost"]
    if lost:
        yield Check(
            "lost jobs",
            "warn",
            f"{len(lost)} jobs were killed: {', '.join(lost[:5])}.",
            "Run for each: gan-aug jobs resume ID, or cancel ID.",
        )
    hung = [job.id for job in found if job.status == "running" and job.heartbeat and _age(job.heartbeat) > _HUNG_SECONDS]
    if hung:
        minutes = round(_HUNG_SECONDS / 60)
        yield Check(
            "silent jobs",
            "warn",
            f"No progress for {minutes} minutes: {', '.join(hung)}.",
            "See gan-aug jobs log ID; cancel it if it hangs.",
        )


def _age(time_: str) -> float:
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(time_)).total_seconds()


def _orphans() -> Iterator[Check]:
    found = orphans()
    if found:
        finding = f"{len(found)} temporary files of interrupted writes, such as {found[0]}."
        yield Check("leftovers", "warn", finding, "Delete them: their names begin with a dot and end in .tmp.")
    else:
        yield Check("leftovers", "ok", "no temporary files of interrupted writes")


def orphans() -> list[Path]:
    """Temporary files and folders that a killed process has left in the workspace or among the checkpoints."""
    roots = [root for root in (workspace.home(), workspace.checkpoints()) if root.exists()]
    found = {path for root in roots for path in root.rglob(".*.tmp") if _is_old(path)}
    return sorted(path for path in found if not found.intersection(path.parents))


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _ORPHAN_SECONDS
    except FileNotFoundError:
        return False  # its write has just ended


def _programs() -> Iterator[Check]:
    """Programs that one feature or some tests use; without them the rest works."""
    for name, alternatives, use in (
        ("ffmpeg", ("ffmpeg",), "walks can be written as .mp4"),
        ("chromium", ("chromium", "chromium-browser", "google-chrome"), "browser tests run"),
    ):
        path = next(filter(None, map(shutil.which, alternatives)), None)
        yield Check(name, "ok", f"{path}: {use}" if path else f"not there (optional): with it, {use}")
