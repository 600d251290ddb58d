"""What a workspace needs from time to time, whoever is there to see to it: a worker, or the pages alone where people only review."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from gan_aug import files, projections, store, workspace
from gan_aug.errors import UserError, refusal
from gan_aug.jobs import queue
from gan_aug.store.engine import sqlite_file

CHECK_SECONDS = 3600.0  # between two looks of one process at the backups

_looked: dict[tuple[Path, Path], float] = {}  # workspace and database -> when this process looked last, by the monotonic clock
_looking = threading.Lock()


def backup_if_due() -> str | None:
    """See to it that the database has a copy of the last 24 hours. To be called often: it looks once an hour, and else costs nothing.

    Of several threads and processes that call at the same moment, one makes the copy, and the others do not wait for it.

    Returns
    -------
    str or None
        Why no copy could be made, for a log, or None. Nobody's work depends on a copy, so this is no exception.
    """
    try:
        home, database = workspace.home(), sqlite_file()
    except UserError:
        return None  # who wants to use the database is told
    try:
        if database is None or not _is_time(home, database):
            return None
        with files.try_lock(home / "jobs" / "backup.lock") as mine:
            if mine:
                store.backup_daily()
    except UserError as error:
        return f"{error.what} {error.todo}"
    except OSError as error:
        return refusal(error)
    except sqlite3.Error as error:
        return f"The database {database} cannot be copied: {error}."
    return None


def sweep_uploads() -> None:
    """Remove pictures that were uploaded for jobs that have ended, though nobody looks at the page that they were uploaded to."""
    with contextlib.suppress(OSError, UserError):  # the next worker, or that page, looks again
        projections.sweep({row["arguments"]["name"]: True for row in queue.open_jobs() if row["kind"] == "project"})


def _is_time(home: Path, database: Path) -> bool:
    """Whether there is a database, and this process has not looked at its copies for an hour; it counts as a look."""
    with _looking:
        now = time.monotonic()
        if now - _looked.get((home, database), float("-inf")) < CHECK_SECONDS or not database.exists():
            return False
        _looked[home, database] = now
        return True
