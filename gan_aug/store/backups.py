"""Copies of the SQLite database, taken while it is in use."""

import contextlib
import datetime
import os
import sqlite3
from pathlib import Path

from gan_aug import files, workspace
from gan_aug.errors import CorruptFile, NotFound, UserError
from gan_aug.store.engine import BUSY_SECONDS, sqlite_file

KEPT = 10


def backups_folder() -> Path:
    """Where backups lie."""
    return workspace.home() / "backups"


def copy_database(source: Path, name: str) -> Path:
    """Copy a SQLite database to ``name-<time>.db`` in the backups folder; the copy appears when it is whole and has been checked.

    Raises
    ------
    CorruptFile
        If the copy fails SQLite's own check.
    UserError
        If the disk is full, or the folder cannot be written.
    """
    folder = backups_folder()
    try:
        return _copy_into(folder, source, name)
    except OSError as error:
        raise UserError(
            f"The database {source} cannot be copied to {folder}: {error.strerror}.", "See that the disk has room and is writable."
        ) from error


def _copy_into(folder: Path, source: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S-%f}.db"
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    try:
        finding = _copy(source, temporary)
        if finding != "ok":
            raise CorruptFile(f"The database {source} is damaged: {finding}.", f"Put the newest file of {folder} in its place.")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    files.fsync_folder(folder)
    return target


def _copy(source: Path, target: Path) -> str:
    """Copy a database page by page and return what SQLite's check says of the copy."""
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=BUSY_SECONDS)) as original,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
            return copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise UserError(f"The database {source} cannot be copied: {error}.", "See that the disk has room and is writable.") from error
    except sqlite3.DatabaseError as error:
        return str(error)


def backup() -> Path:
    """Copy the database into the backups folder and keep the ten newest copies.

    Raises
    ------
    UserError
        If the database is a PostgreSQL server, which has its own tools.
    NotFound
        If there is no database yet.
    """
    source = sqlite_file()
    if source is None:
        raise UserError("The database is a PostgreSQL server.", "Back it up with pg_dump.")
    if not source.exists():
        raise NotFound(f"There is no database at {source} yet.", "It is made when the first job or review is stored.")
    target = copy_database(source, "gan_aug")
    for old in _regular_backups()[:-KEPT]:
        old.unlink(missing_ok=True)
    return target


def backup_daily() -> Path | None:
    """Make a backup if there is a database in a file, and no backup of the last 24 hours."""
    source, newest = sqlite_file(), _regular_backups()[-1:]
    if source is None or not source.exists():
        return None
    now = datetime.datetime.now().timestamp()
    if newest and now - newest[0].stat().st_mtime < 24 * 3600:
        return None
    return backup()


def _regular_backups() -> list[Path]:
    """Backups that :func:`backup` made, oldest first; those made before a migration have other names and are kept."""
    return sorted(backups_folder().glob("gan_aug-*.db"))
