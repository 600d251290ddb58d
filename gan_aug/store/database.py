"""Transactions: short, repeatable, and on an up-to-date schema."""

import contextlib
import datetime
import errno
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from gan_aug import migrations
from gan_aug.errors import UserError
from gan_aug.store.backups import copy_database
from gan_aug.store.engine import database_url, new_engine, set_journal, sqlite_file

T = TypeVar("T")

_RETRY_WAITS = (0.1, 0.5, 2.0)  # seconds; each attempt has itself waited BUSY_SECONDS

# Engines of databases that were found to have the present schema, and which file it was: a backup may be put in its place.
_engines: dict[sa.URL, tuple[sa.Engine, tuple[int, int] | None]] = {}
_preparing = threading.Lock()


_ABSENT = re.compile("no such (table|column)|has no column named")  # SQLite says it in words only
_ABSENT_STATES = ("42P01", "42703")  # PostgreSQL: undefined table, undefined column

_MAKE_ROOM = "Free some space on that disk and try again; what was saved before is safe."
_MEND_FOLDER = "Check that the folder exists, is writable and is on a healthy disk."


class DatabaseUnavailable(UserError):
    """The database, or the workspace that it lies in, cannot be opened, read or written."""


class _OtherSchema(DatabaseUnavailable):
    """A statement names a table or a column that the database does not have."""


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Say in words what the system refuses to do with a file or folder of the workspace.

    Raises
    ------
    DatabaseUnavailable
        If the disk is full, or the folder is not writable or not there.
    """
    try:
        yield
    except OSError as error:
        todo = _MAKE_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else _MEND_FOLDER
        raise DatabaseUnavailable(f"{path} cannot be used: {error.strerror or error}.", todo) from error


def now() -> str:
    """The time as the tables hold it: ISO 8601, UTC, microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def read(work: Callable[[sa.Connection], T]) -> T:
    """Run ``work(connection)`` in a transaction that cannot write, and return what it returns.

    ``work`` may be called again when the database was busy, so it must have no other effect.

    Raises
    ------
    DatabaseUnavailable
    """
    return _run(work, immediate=False)


def write(work: Callable[[sa.Connection], T]) -> T:
    """Run ``work(connection)`` in a transaction, alone among writers, and return what it returns after the commit.

    ``work`` may be called again when the database was busy, so it must have no other effect.

    Raises
    ------
    DatabaseUnavailable
    """
    return _run(work, immediate=True)


def _run(work: Callable[[sa.Connection], T], immediate: bool) -> T:
    """Run a transaction; if it shows that the database is an older one, bring that up to date and run it again.

    So it is where a backup was copied over the file. One that was moved there is told by :func:`_ready_engine` before.
    """
    engine = _ready_engine()
    try:
        return _transact(engine, work, immediate)
    except _OtherSchema:
        if _transact(engine, migrations.current, immediate=False) == migrations.head():
            raise
    with _preparing:
        _engines.pop(engine.url, None)
    return _transact(_ready_engine(), work, immediate)


def _transact(engine: sa.Engine, work: Callable[[sa.Connection], T], immediate: bool) -> T:
    waits = iter(_RETRY_WAITS)
    while True:
        try:
            with engine.connect().execution_options(immediate=immediate) as connection, connection.begin():
                return work(connection)
        except sa.exc.DatabaseError as error:
            if _names_what_is_absent(error.orig):
                raise _explain(error.orig) from error
            if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)):
                raise  # a fault in our statements, not in the database
            wait = next(waits, None)
            if wait is None or "database is locked" not in str(error.orig):
                raise _explain(error.orig) from error
            time.sleep(wait * random.uniform(0.5, 1.5))


def _names_what_is_absent(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None)
    return state in _ABSENT_STATES if state else bool(_ABSENT.search(str(error)))


def _explain(error: BaseException) -> DatabaseUnavailable:
    """What an error of the driver means to a user."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    path = sqlite_file()
    place = str(path) if path else database_url().render_as_string(hide_password=True)
    if "locked" in text:
        todo = "Another program has held it for minutes: close it, or find it with 'gan-aug doctor', and try again."
    elif _names_what_is_absent(error):
        todo = "Its tables are not those that it should have: put a backup in its place."
        return _OtherSchema(f"The database {place} cannot be used: {text}.", todo)
    elif "full" in text:
        todo = _MAKE_ROOM
    elif "malformed" in text or "not a database" in text:
        todo = "Put the newest file of the workspace's backups folder in its place."
    elif path is None:
        todo = "Check that the server runs and that GAN_AUG_DATABASE_URL is right."
    else:
        todo = _MEND_FOLDER
    return DatabaseUnavailable(f"The database {place} cannot be used: {text}.", todo)


def _ready_engine() -> sa.Engine:
    """The engine of the database, which exists and has the present schema."""
    url, path = database_url(), sqlite_file()
    with _preparing:
        known, which = _engines.get(url, (None, None))
        if known is not None and (path is None or which == _which(path)):
            return known
        engine = new_engine(url)
        if path is not None:
            with told(path.parent):
                path.parent.mkdir(parents=True, exist_ok=True)
        if _transact(engine, migrations.current, immediate=False) != migrations.head():
            _transact(engine, _migrate, immediate=True)
        if path is not None:
            try:
                set_journal(path)
            except sqlite3.Error as error:
                raise _explain(error) from error
        _engines[url] = engine, _which(path) if path else None
        return engine


def _which(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None if there is none."""
    with told(path):
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
    return status.st_dev, status.st_ino


def _migrate(connection: sa.Connection) -> None:
    """Bring the schema up to date. The write lock is held, so of several processes one migrates and the others find it done."""
    before = migrations.current(connection)
    if before == migrations.head():
        return
    migrations.refuse_unknown(before)
    path = sqlite_file()
    if before is not None and path is not None:
        copy_database(path, f"before-migration-{before}-to-{migrations.head()}")
    migrations.upgrade(connection)
