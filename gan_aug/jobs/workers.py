"""The worker: takes jobs from the queue and starts a process for each. One per workspace; it starts by itself and leaves when idle.

A job does not depend on its worker: it is a session of its own, holds its own locks and writes its own end. When the worker is killed, the
job goes on; the next worker starts what waits.
"""

import contextlib
import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gan_aug import files, store, workspace
from gan_aug.errors import InvalidValue, UserError, refusal
from gan_aug.jobs import queue
from gan_aug.jobs.kinds import KINDS
from gan_aug.jobs.slots import Slot, holder, named_slots, release_lock, slot_environment, slots_of, take_lock
from gan_aug.jobs.upkeep import backup_if_due, sweep_uploads
from gan_aug.store.database import told
from gan_aug.store.engine import database_url

POLL_SECONDS = 0.25
RETRY_SECONDS = 2.0  # after something stood in the way
IDLE_SECONDS = 10.0  # after which a worker that was started for one submission leaves
KILL_SECONDS = 10.0  # between SIGTERM and SIGKILL, at most

LOCKS_VARIABLE = "GAN_AUG_JOB_LOCKS"  # descriptors of the locks that a job inherits

_MAX_LOG = 1_000_000  # bytes of worker.log

_started: list[subprocess.Popen[bytes]] = []


def worker_lock() -> Path:
    """The lock that the worker of this workspace holds."""
    return workspace.home() / "jobs" / "worker.lock"


def worker_process() -> int | None:
    """Process id of the worker, or None if there is none."""
    return int(holder(worker_lock()) or 0) or None if files.is_locked(worker_lock()) else None


def ensure_worker() -> bool:
    """Start a worker if there is something to do and nobody to do it; tells whether one was started.

    ``GAN_AUG_AUTOSTART=0`` leaves that to a service that runs ``gan-aug worker``.

    Raises
    ------
    UserError
        If a setting is impossible with which the worker would end at once, or its log cannot be written.
    """
    _started[:] = [process for process in _started if process.poll() is None]  # also reaps those that have left
    if os.environ.get("GAN_AUG_AUTOSTART") == "0" or not _work_waits() or files.is_locked(worker_lock()):
        return False
    check_settings()
    with _open_log(worker_lock().parent / "worker.log") as log:
        if log.tell() > _MAX_LOG:
            log.truncate(0)
        _started.append(_start_detached(["worker", "--once"], {}, log))
    return True


def check_settings() -> None:
    """Refuse settings with which a worker could start no job, or end none.

    Raises
    ------
    InvalidValue
        If ``GAN_AUG_SLOTS`` or ``GAN_AUG_CANCEL_GRACE`` is impossible.
    """
    named_slots()
    cancel_grace()


def _work_waits() -> bool:
    return any(row["status"] == "queued" or row["cancel_asked"] for row in queue.open_jobs())


def _start_detached(arguments: list[str], variables: dict[str, str], log: Any, locks: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Start ``python -m gan_aug`` so that it outlives this process, finds the same workspace, and needs no installed package."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAN_AUG_JOB_")}
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment["GAN_AUG_HOME"] = str(workspace.home())
    environment["GAN_AUG_CHECKPOINTS"] = str(workspace.checkpoints())
    if environment.get("GAN_AUG_DATABASE_URL"):
        environment["GAN_AUG_DATABASE_URL"] = database_url().render_as_string(hide_password=False)  # a relative file made absolute
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "gan_aug", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment | variables,
        start_new_session=True,
        close_fds=True,
        pass_fds=locks,
    )


# --- the loop ----------------------------------------------------------------------------------------------------------------------------


def worker(once: bool = False, idle_seconds: float = IDLE_SECONDS) -> None:
    """Do the work of this workspace's queue until SIGTERM, or with ``once`` until there has been none for ``idle_seconds``.

    If there is a worker already, ``once`` returns, and otherwise this one waits to take over. What stands in its way, such as a full disk,
    is told in its log, and tried again.

    Raises
    ------
    InvalidValue
        If a setting is impossible; see :func:`check_settings`.
    """
    check_settings()
    stopped, trouble = _StopWish(), _Trouble()
    while True:
        with _be_the_worker(stopped, trouble, wait=not once) as is_worker:
            if is_worker:
                sweep_uploads()
                _serve(stopped, trouble, idle_seconds if once else None)
        # Whoever submitted a job after the last look at the queue, but before the lock was released, has started no worker.
        if stopped or not once or not is_worker or not _work_may_wait():
            return


def _work_may_wait() -> bool:
    try:
        return worker_lock().exists() and _work_waits()
    except (OSError, UserError):
        return True  # the next round tells what stands in the way


class _StopWish:
    """True once SIGTERM or SIGINT has arrived. Jobs live on without their worker."""

    def __init__(self) -> None:
        self._wished = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        self._wished = True

    def __bool__(self) -> bool:
        return self._wished


class _Trouble:
    """What stands in the worker's way. The log names it when it comes up, not at every look for as long as it lasts."""

    def __init__(self) -> None:
        self._told: str | None = None

    def tell(self, error: OSError | UserError) -> None:
        what = error.what if isinstance(error, UserError) else refusal(error)
        if what != self._told:
            note(f"{what} Trying again.")
        self._told = what

    def is_over(self) -> None:
        self._told = None


@contextlib.contextmanager
def _be_the_worker(stopped: _StopWish, trouble: _Trouble, wait: bool) -> Iterator[bool]:
    """Hold the worker's lock. Who looks whether it is held, holds it for a moment, so it is tried for a second at least."""
    give_up = time.monotonic() + 1.0
    while (descriptor := _take_worker_lock(trouble)) is None:
        if stopped or (not wait and time.monotonic() > give_up):
            yield False
            return
        time.sleep(0.05)
    try:
        yield True
    finally:
        release_lock(descriptor)


def _take_worker_lock(trouble: _Trouble) -> int | None:
    try:
        return take_lock(worker_lock(), str(os.getpid()))
    except (OSError, UserError) as error:
        trouble.tell(error)
        time.sleep(RETRY_SECONDS)
        return None


def note(line: str) -> None:
    """Write a line of a worker's or a job's log, which is standard output."""
    with contextlib.suppress(OSError):  # the log is on the disk that may be full; what it could not take comes with the next line
        print(f"{store.now()}  {line}", flush=True)


def _serve(stopped: _StopWish, trouble: _Trouble, idle_seconds: float | None) -> None:
    children: dict[str, subprocess.Popen[bytes]] = {}
    last_work = time.monotonic()
    while not stopped:
        try:
            if not worker_lock().exists():  # it goes with a workspace that is deleted
                return
            if problem := backup_if_due():
                note(f"No backup was made: {problem}")
            idle = not _look_after_jobs(children)
            trouble.is_over()
        except (OSError, UserError) as error:
            trouble.tell(error)
            idle = False
            time.sleep(RETRY_SECONDS)
        if not idle:
            last_work = time.monotonic()
        elif idle_seconds is not None and time.monotonic() - last_work > idle_seconds:
            return
        time.sleep(POLL_SECONDS)


def _look_after_jobs(children: dict[str, subprocess.Popen[bytes]]) -> bool:
    """Find the dead, press those that are to stop, start what can start; tells whether any job waits or runs."""
    ended = {job_id: code for job_id, process in children.items() if (code := process.poll()) is not None}
    for job in queue.reap({job_id: _describe_end(code) for job_id, code in ended.items()}):
        note(f"{job.id} {job.kind}: {job.status}. {job.message}")
    for job_id in ended:
        del children[job_id]
    rows = queue.open_jobs()
    for row in rows:
        if row["status"] == "running" and row["cancel_asked"]:
            _press_to_stop(row)
    _start_waiting([row for row in rows if row["status"] == "queued"], children)
    return bool(rows)


def _describe_end(code: int) -> str:
    if code == -signal.SIGKILL:
        return "Its process was killed, by a person or because the memory was full."
    return f"Its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'} before it could say why; see its log."


def _start_waiting(rows: list[dict[str, Any]], children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Start waiting jobs, oldest first, for as long as a slot of their lane is free, and note each in ``children`` at once."""
    taken: set[str] = set()
    for row in rows:
        lane = KINDS[row["kind"]].lane if row["kind"] in KINDS else "short"  # an unknown kind is started too, and says so as its failure
        for slot in slots_of(lane):
            if slot.name in taken:
                continue
            slot_lock = take_lock(slot.lock, f"job {row['id']} ({row['kind']}), since {datetime.datetime.now():%Y-%m-%d %H:%M}")
            taken.add(slot.name)
            if slot_lock is None:
                continue
            try:
                process = _start(row, slot, slot_lock)
            finally:
                release_lock(slot_lock)  # the job has its own copy
            if process is not None:
                children[row["id"]] = process
            break


def _start(row: dict[str, Any], slot: Slot, slot_lock: int) -> subprocess.Popen[bytes] | None:
    """Claim a job and start its process; None if somebody else was quicker or it was cancelled.

    The order matters: the job's lock is held before the row says ``running``, and the child inherits it, so no one can find a running row
    without a lock unless the job is dead. Its log is opened before that, so that on a full disk it waits and does not fail.
    """
    job_lock = take_lock(queue.lock_file(row["id"]), str(os.getpid()))
    if job_lock is None:
        return None
    try:
        with _open_log(queue.folder(row["id"]) / "log.txt") as log:
            if not queue.claim(row["id"]):
                return None
            variables = {LOCKS_VARIABLE: f"{job_lock},{slot_lock}", **slot_environment(slot)}
            process = _start_detached(["run-job", row["id"]], variables, log, (job_lock, slot_lock))
        note(f"{row['id']} {row['kind']}: started in slot {slot.name}, process {process.pid}")
        return process
    except OSError as error:
        queue.finish(queue.get(row["id"]), "failed", message=f"Its process could not be started: {error.strerror}. Try again later.")
        return None
    finally:
        release_lock(job_lock)


def _open_log(path: Path) -> IO[bytes]:
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")


def _press_to_stop(row: dict[str, Any]) -> None:
    """Signal a job that was asked to stop and has not, first politely. It is alive: :func:`queue.reap` has just looked at its lock."""
    asked = datetime.datetime.fromisoformat(row["cancel_asked"])
    grace = cancel_grace()
    overdue = (datetime.datetime.now(datetime.UTC) - asked).total_seconds() - grace
    if overdue > 0 and row["process"]:
        _signal(row["process"], signal.SIGKILL if overdue > min(grace, KILL_SECONDS) else signal.SIGTERM)


def _signal(process: int, number: signal.Signals) -> None:
    """Signal a job's process, and its children where it leads their group; a job that a script runs is in the group of that script.

    The number cannot belong to anybody else while the process holds the job's lock.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended; or it is another user's, who can end it
        send = os.killpg if os.getpgid(process) == process else os.kill
        send(process, number)


def cancel_grace() -> float:
    """Seconds that a cancelled job has to end its step and save: ``GAN_AUG_CANCEL_GRACE``, default 60."""
    text = os.environ.get("GAN_AUG_CANCEL_GRACE", "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise InvalidValue(f"GAN_AUG_CANCEL_GRACE cannot be {text!r}.", "Give a number of seconds, 0 or above.")
    return seconds
