"""Locks that say who may compute: of a workspace's work, one job at a time for each GPU, or in all where there is none.

The locks lie in the workspace. Two workspaces on one machine do not see each other's, and their work shares its GPUs and processors.

A lock is ``flock``, which the kernel drops when its holder ends in any way. A descriptor that is passed on to a child process holds it too,
so a worker can hand a lock to the job it starts without a moment in which nobody holds it. The file's content says who took it.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import functools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from gan_aug import workspace
from gan_aug.errors import InvalidValue, UserError
from gan_aug.store.database import told

Lane = Literal["device", "short"]

SLOT_VARIABLE = "GAN_AUG_JOB_SLOT"  # set while this process or one above it holds a slot


class SlotTaken(UserError):
    """Every device is at work on something else of this workspace."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """A place for one piece of the workspace's work at a time."""

    name: str
    cuda: str | None  # what CUDA_VISIBLE_DEVICES is set to, or None to leave it alone

    @property
    def lock(self) -> Path:
        """The lock file."""
        return workspace.home() / "slots" / f"{self.name}.lock"


# Work of seconds to minutes on the CPU, such as an import, need not wait behind a training of hours.
SHORT = Slot("short", cuda="")


def slots_of(lane: Lane) -> list[Slot]:
    """The slots of a lane, in the order in which they are tried."""
    return device_slots() if lane == "device" else [SHORT]


def device_slots() -> list[Slot]:
    """One slot of the workspace per GPU, or a single one where there is none.

    ``GAN_AUG_SLOTS`` overrides what is found: names with commas, where ``gpu0`` means the first GPU and any other name means the CPU. A
    GPU can have several, ``gpu0.a,gpu0.b``, whose work shares it under NVIDIA's MPS and takes turns without.

    Raises
    ------
    InvalidValue
        If ``GAN_AUG_SLOTS`` holds what cannot be a name.
    """
    if named := named_slots():
        return named
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [gpu.strip() for gpu in visible.split(",")] if visible is not None else _gpus()
    found = [Slot(f"gpu{gpu.replace('/', '-')}", gpu) for gpu in gpus if gpu and not gpu.startswith("-")]  # -1 hides all
    # Without a GPU the variable is left alone: a GPU that nvidia-smi does not report can still be used.
    return found or [Slot("cpu", cuda=None)]


def named_slots() -> list[Slot]:
    """The slots that ``GAN_AUG_SLOTS`` names; none where it is not set.

    Raises
    ------
    InvalidValue
        If it holds what cannot be a name.
    """
    wanted = os.environ.get("GAN_AUG_SLOTS")
    if not wanted:
        return []
    try:
        names = [workspace.check_name(name.strip(), "name of a slot") for name in wanted.split(",")]
    except InvalidValue as error:
        todo = "Give names with commas between them, such as gpu0,gpu1, or unset it to use what is found."
        raise InvalidValue(f"GAN_AUG_SLOTS cannot be {wanted!r}: {error.what}", todo) from None
    return [Slot(name, name.removeprefix("gpu").partition(".")[0] if name.startswith("gpu") else "") for name in names]


@functools.cache
def _gpus() -> tuple[str, ...]:
    """Numbers of the GPUs of this machine, as the driver's tool lists them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()  # a tool without a working driver; doctor reports the device that was found
    return tuple(line.split(":")[0].removeprefix("GPU ") for line in listing.splitlines() if line.startswith("GPU "))


def take_lock(path: Path, holder: str) -> int | None:
    """Take an exclusive lock and write ``holder`` into the file; returns the descriptor that holds it, or None if somebody else does.

    Raises
    ------
    DatabaseUnavailable
        If the file cannot be made or written: the disk is full, say.
    """
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder.encode(), 0)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
    return adopt_lock(descriptor)


def adopt_lock(descriptor: int) -> int:
    """See to it that of all forked processes this one alone holds a lock: a data loader that outlives it would make it look alive."""
    os.set_inheritable(descriptor, False)
    _held.add(descriptor)
    return descriptor


def release_lock(descriptor: int) -> None:
    """Close our descriptor of a lock; the lock is free unless a child was given it."""
    _held.discard(descriptor)
    os.close(descriptor)


def _leave_locks_to_parent() -> None:
    while _held:
        os.close(_held.pop())


_held: set[int] = set()
os.register_at_fork(after_in_child=_leave_locks_to_parent)


def holder(path: Path) -> str:
    """Who took the lock last."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


@contextlib.contextmanager
def slot(what: str, wait: bool = False, lane: Lane = "device") -> Iterator[Slot]:
    """Hold a slot while the block runs, on its device. Console trainings and jobs go through here, so they take turns.

    Inside a job the slot is held already, and is simply yielded.

    Parameters
    ----------
    what : str
        Who holds it, in words, for the message to others.
    wait : bool
        Wait for a free slot instead of raising.

    Raises
    ------
    SlotTaken
        If every slot is held and ``wait`` is false.
    UserError
        If ``GAN_AUG_SLOTS`` is impossible, or the locks cannot be written.
    """
    inherited = os.environ.get(SLOT_VARIABLE)
    if inherited:
        yield Slot(inherited, cuda=None)
        return
    chosen, descriptor = _take_slot(what, wait, lane)
    changed = slot_environment(chosen)
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield chosen
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        release_lock(descriptor)


def slot_environment(chosen: Slot) -> dict[str, str]:
    """Environment variables of work in a slot.

    One core is left to the rest of the machine, unless OMP_NUM_THREADS says otherwise. Measured: on 2 cores, one of which another process
    used, a training step took 2 s with two threads, which wait for each other at every operation, and 0.1 s with one.
    """
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, workspace.processors() - 1))
    cuda = {} if chosen.cuda is None else {"CUDA_VISIBLE_DEVICES": chosen.cuda}
    return {SLOT_VARIABLE: chosen.name, "OMP_NUM_THREADS": threads, **cuda}


def _take_slot(what: str, wait: bool, lane: Lane) -> tuple[Slot, int]:
    since = f"{what}, since {datetime.datetime.now():%Y-%m-%d %H:%M}"
    while True:
        slots = slots_of(lane)
        for chosen in slots:
            descriptor = take_lock(chosen.lock, since)
            if descriptor is not None:
                return chosen, descriptor
        if not wait:
            raise SlotTaken(
                f"This workspace is at work: {'; '.join(f'{taken.name}: {holder(taken.lock)}' for taken in slots)}.",
                "Wait for it to end, stop it, or submit a job, which waits in the queue. See: gan-aug jobs list",
            )
        time.sleep(0.5)
