"""Where the database is, and how a connection to it behaves.

Measured on SQLite with eight writing processes: a transaction that first reads and then writes is refused in 84 % of the cases (the busy
timeout does not apply to it), so a writing transaction takes the write lock at its beginning. ``synchronous=FULL`` keeps an acknowledged
review through a power cut.
"""

import functools
import json
import os
import random
import sqlite3
import time
import zlib
from pathlib import Path

import sqlalchemy as sa

from gan_aug import workspace
from gan_aug.errors import InvalidValue

BUSY_SECONDS = 60  # how long a transaction waits for another one to end
_ADVISORY_LOCK = zlib.crc32(b"gan_aug")  # PostgreSQL's name for our write lock
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre", "ceph", "glusterfs", "fuse.glusterfs", "beegfs"}


def database_url() -> sa.URL:
    """The database: ``GAN_AUG_DATABASE_URL``, or a SQLite file in the workspace.

    Raises
    ------
    InvalidValue
        If the variable is no URL of a SQLite or PostgreSQL database.
    """
    text = os.environ.get("GAN_AUG_DATABASE_URL")
    if not text:
        return sa.URL.create("sqlite", database=str(workspace.home() / "gan_aug.db"))
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql") or not url.database or url.database == ":memory:":
        # The text itself may hold a password, so it is not repeated.
        raise InvalidValue(
            "GAN_AUG_DATABASE_URL is not the URL of a database that gan_aug can use.",
            "Write sqlite:////folder/file.db or postgresql://user:password@host/name, or unset it to use a file in the workspace.",
        )
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url.set(database=str(Path(url.database).resolve()))


def sqlite_file() -> Path | None:
    """The file of the database, or None where it is a PostgreSQL server."""
    url = database_url()
    return Path(url.database) if url.get_backend_name() == "sqlite" else None


def new_engine(url: sa.URL) -> sa.Engine:
    """An engine whose connections live for one transaction: none crosses a fork or a thread, and a file that was replaced is seen.

    A transaction runs with the execution option ``immediate`` (take the write lock at once) or is read-only.
    """
    on_sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = sa.create_engine(
            url,
            poolclass=sa.NullPool,
            connect_args={"timeout": BUSY_SECONDS} if on_sqlite else {"connect_timeout": BUSY_SECONDS},
            json_serializer=functools.partial(json.dumps, allow_nan=False, ensure_ascii=False),
        )
    except ModuleNotFoundError:
        raise InvalidValue(
            "GAN_AUG_DATABASE_URL names a PostgreSQL server, but its driver is not installed.", "Run: pip install 'psycopg[binary]'"
        ) from None
    if on_sqlite:
        sa.event.listen(engine, "connect", _on_sqlite_connect)
    sa.event.listen(engine, "begin", _on_sqlite_begin if on_sqlite else _on_postgresql_begin)
    return engine


def _on_sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the begin hook begins transactions, not the driver
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("immediate"):
        _begin_immediate(connection)
    else:
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("BEGIN DEFERRED")


def _begin_immediate(connection: sa.Connection) -> None:
    """Take SQLite's write lock, waiting in short even steps.

    Its own waiting grows to steps of 100 ms, so who has waited longest is the least likely to be next: with eight saturating writers the
    longest wait was 1.3 to 1.8 s, and 0.2 to 0.5 s this way, for a sixth less throughput; on a busy machine 14 s and 1 s.
    """
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            break
        except sa.exc.OperationalError as error:
            if "database is locked" not in str(error.orig) or time.monotonic() > give_up:
                raise
            time.sleep(random.uniform(0.001, 0.004))
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(1000 * BUSY_SECONDS)}")  # for the commit, which waits for readers


def _on_postgresql_begin(connection: sa.Connection) -> None:
    """One writer at a time, as on SQLite, so that the code has one set of rules to be right under."""
    if connection.get_execution_options().get("immediate"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def filesystem_type(path: Path) -> str:
    """Type of the file system that holds ``path``, such as ``ext4`` or ``nfs4``; empty where the system does not tell."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    found, longest = "", -1
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, mount, kind = line.split(" ")[:3]
        mount = mount.replace("\\040", " ")
        if len(mount) > longest and Path(path).resolve().is_relative_to(mount):
            found, longest = kind, len(mount)
    return found


def is_network(filesystem: str) -> bool:
    """Whether a file system of that type may be shared between machines."""
    return filesystem in _NETWORK


def wanted_journal(version: tuple[int, ...], filesystem: str) -> str:
    """``wal`` where it is safe, else ``delete``.

    SQLite 3.7.0 to 3.51.2 can lose commits of a write-ahead log in a race between checkpoints; 3.51.3, 3.50.7 and 3.44.6 mend it. A
    write-ahead log needs memory shared between its users, which a network file system does not give.
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return "wal" if mended and not is_network(filesystem) else "delete"


def journal(path: Path) -> str:
    """The journal mode that a SQLite file is in."""
    with sqlite3.connect(path, timeout=BUSY_SECONDS) as connection:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return mode


def set_journal(path: Path) -> None:
    """Put a SQLite file into the journal mode that is right here."""
    wanted = wanted_journal(sqlite3.sqlite_version_info, filesystem_type(path.parent))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            connection.execute(f"PRAGMA journal_mode={wanted}")
    except sqlite3.OperationalError as error:
        # The mode can only change while nobody else has the file open. The next process to start tries again; doctor tells the mode.
        if "locked" not in str(error):
            raise
    finally:
        connection.close()
