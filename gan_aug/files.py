"""Files that are whole or absent: atomic writes, digests, and locks that the kernel drops.

A file that a reader can see is complete: every write goes to a temporary name in the same folder, is flushed to the disk, and is then
renamed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gan_aug.errors import Busy, CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.fields import check_types, from_dict

T = TypeVar("T")

_TRIES = 5  # to take a lock: whoever looks whether it is held stands in the way for a moment


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Say in words that the system refuses to write a file or folder of the user's.

    Raises
    ------
    UserError
        If the disk is full, say, or the place is not writable.
    """
    try:
        yield
    except OSError as error:
        todo = "Make room, make it writable, or choose another place."
        raise UserError(f"{place} cannot be written: {error.strerror or error}.", todo) from error


def fsync_folder(folder: Path) -> None:
    """Flush the directory entry itself, without which a rename may be lost in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    fsync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinities are refused (they are not JSON)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that :func:`write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_record(kind: type[T], path: Path, todo: str | None = None) -> T:
    """Read a record of class ``kind`` from a JSON file.

    Parameters
    ----------
    todo : str, optional
        What to do about a damaged file, as the error tells it, where it is not the file without which its folder is of no use.

    Raises
    ------
    CorruptFile
        If it cannot be read, is no JSON, lacks a key, has one that this version does not know, or holds a value of another type.
    """
    try:
        record = from_dict(kind, read_json(path))
        check_types(record)
        return record
    except UserError as error:
        reason = error.what.rstrip(".")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = str(error)
    usual = f"Update gan_aug if a newer version wrote it; else bring it back from a copy, or delete the folder {path.parent}."
    raise CorruptFile(f"{path} cannot be read ({reason}).", todo or usual)


def refuse_renamed(path: Path, name: str) -> None:
    """Refuse a record whose folder has another name than the record itself.

    Raises
    ------
    CorruptFile
    """
    if path.parent.name != name:
        raise CorruptFile(f"{path} belongs to {name!r}, but its folder is called {path.parent.name!r}.", f"Call the folder {name} again.")


def read_each(read: Callable[[str], T], names: Iterable[str]) -> tuple[list[T], dict[str, str]]:
    """What ``read`` makes of each name; and by name a notice for each that it cannot read. What is gone by then is neither."""
    found, damaged = [], {}
    for name in names:
        try:
            found.append(read(name))
        except (CorruptFile, InvalidValue) as error:
            damaged[name] = f"{error.what} {error.todo}"
        except (NotFound, FileNotFoundError):
            continue
    return found, damaged


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder out of sight, then let it appear whole under ``path``.

    Yields a temporary sibling folder. When the block ends well it is renamed to ``path``; when it raises, nothing is left behind.

    Raises
    ------
    FileExistsError
        If ``path`` already exists when the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    os.chmod(temporary, 0o755)
    try:
        yield temporary
        for item in sorted(temporary.rglob("*")):
            if item.is_file():
                with item.open("rb") as stream:
                    os.fsync(stream.fileno())
        if path.exists():
            raise FileExistsError(path)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_folder(path.parent)


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of ``content`` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Try to hold an exclusive lock on ``path`` while the block runs; yields whether it is held.

    The lock is ``flock``: the kernel drops it when the process ends in any way (kill -9, out of memory, reboot), so liveness needs no
    process id and no timeout. It works between processes of one host on a local disk; child processes that inherit the descriptor keep it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock on ``path`` while the block runs; see :func:`try_lock`.

    Parameters
    ----------
    what : str
        What the lock stands for, as the error tells it: "Run X is being trained".

    Raises
    ------
    Busy
        If another process holds it.
    """
    for _ in range(_TRIES):
        with try_lock(path) as held:
            if held:
                yield
                return
        time.sleep(0.02)
    raise Busy(f"{what} by another process.", "Wait for it to end, or stop it first.")


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock on ``path``. It looks with a shared lock, so that others who look do not count."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
