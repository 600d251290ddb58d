"""Running one job: the process that does the work, watches for a wish to stop, and writes its own end.

``python -m gan_aug run-job ID`` is the only way in; a worker, a console, or another launcher calls it.
"""

import contextlib
import dataclasses
import os
import signal
import time
import traceback
from collections.abc import Iterator
from typing import Any

from gan_aug.errors import InvalidValue, UserError
from gan_aug.jobs import queue
from gan_aug.jobs.kinds import KINDS, parse_arguments
from gan_aug.jobs.slots import adopt_lock, release_lock, slot, take_lock
from gan_aug.jobs.workers import LOCKS_VARIABLE, note
from gan_aug.records import Job
from gan_aug.store import DatabaseUnavailable

BEAT_SECONDS = 5.0  # between two writes of progress
ASK_SECONDS = 1.0  # between two looks for a wish to stop


class Stopped(Exception):
    """Raised by work that was told to stop and has put things in order."""


class Progress:
    """What a job tells about itself, and how it hears that it should stop."""

    def __init__(self, job: Job):
        self.job = job
        self.fraction = 0.0
        self.cancelled = False  # whether somebody cancelled the job
        self.terminated = False  # whether a signal asked for the process to end
        self.stop_seen = False  # whether the work has been told to stop
        self.kept: dict[str, Any] = dict(job.result or {})  # what earlier attempts recorded
        self._last_beat = self._last_look = float("-inf")

    def report(self, fraction: float, message: str) -> None:
        """Say how far the work is, 0 to 1, and what it is doing. Can be called at every step; it is stored every few seconds."""
        self.fraction = min(1.0, max(0.0, float(fraction)))
        if time.monotonic() - self._last_beat >= BEAT_SECONDS:
            self._last_beat = time.monotonic()
            note(f"{self.fraction:4.0%}  {message}")
            with self._database_may_fail():
                queue.beat(self.job, progress=self.fraction, message=message)

    def keep(self, **values: Any) -> None:
        """Record values at once, such as the id of a run that was begun; they are in ``kept`` when the job is resumed."""
        self.kept |= values
        queue.beat(self.job, result=self.kept)

    def should_stop(self) -> bool:
        """Whether the work should save what it has and return."""
        if not self.stop_seen and (self.terminated or time.monotonic() - self._last_look >= ASK_SECONDS):
            self._last_look = time.monotonic()
            with self._database_may_fail():
                self.cancelled = queue.stop_is_asked(self.job)
            self.stop_seen = self.cancelled or self.terminated
        return self.stop_seen

    @contextlib.contextmanager
    def _database_may_fail(self) -> Iterator[None]:
        """A training of hours does not end because a disk is full for a minute: the log says so, and the next beat tries again."""
        try:
            yield
        except DatabaseUnavailable as error:
            note(f"{error.what} Going on.")


@dataclasses.dataclass(frozen=True)
class _End:
    status: str
    message: str
    error: str | None = None
    result: dict[str, Any] | None = None


def run_job(job_id: str) -> Job:
    """Do a job in this process, and return it as it ended. Its own failures are its end state, not an exception.

    Raises
    ------
    UserError
        If the job does not exist, is not waiting, or no device is free.
    """
    with _claimed(job_id):
        job = queue.get(job_id)
        progress = Progress(job)
        with _stop_on_signals(progress):
            queue.beat(job, process=os.getpid())
            note(f"{job.kind}, attempt {job.attempts}: {job.arguments}")
            end = _perform(job, progress)
            note(f"{end.status}: {end.message}")
            return _store_end(job, progress, end)


@contextlib.contextmanager
def _claimed(job_id: str) -> Iterator[None]:
    """Hold the job's lock and a slot: those inherited from a worker that has claimed the job, or our own."""
    inherited = os.environ.pop(LOCKS_VARIABLE, None)
    if inherited is not None:
        for descriptor in inherited.split(","):
            adopt_lock(int(descriptor))
        yield
        return
    job = queue.get(job_id)
    lane = KINDS[job.kind].lane if job.kind in KINDS else "short"
    with slot(f"job {job.id} ({job.kind})", lane=lane):
        descriptor = take_lock(queue.lock_file(job.id), str(os.getpid()))
        try:
            if descriptor is None or not queue.claim(job.id):
                status = queue.get(job.id).status
                raise InvalidValue(f"Job {job.id} cannot be run: it is {status}.", "Only a waiting job can be; resume it first.")
            yield
        finally:
            if descriptor is not None:
                release_lock(descriptor)


@contextlib.contextmanager
def _stop_on_signals(progress: Progress) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C ask the work to stop at the end of its step; a second Ctrl-C ends it at once."""

    def note(number: int, frame: Any) -> None:
        if number == signal.SIGINT and progress.terminated:
            raise KeyboardInterrupt
        progress.terminated = True

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _perform(job: Job, progress: Progress) -> _End:
    """Do the work, and say how it ended."""
    from gan_aug import work  # here, because pages import this package and need none of what work needs

    try:
        arguments = parse_arguments(job.kind, job.arguments)  # first: it says in words that this version knows no such kind
        result = work.WORK[job.kind](arguments, progress)
    except Stopped:
        return _stopped(progress)
    except Exception as error:
        with contextlib.suppress(OSError):  # the log may be what the disk has no room for
            traceback.print_exc()
        if progress.stop_seen:
            return _stopped(progress, traceback.format_exc())
        return _End("failed", _describe(error), traceback.format_exc())
    if progress.stop_seen:
        return _stopped(progress)
    return _End("done", "Done.", result=result)


def _stopped(progress: Progress, error: str | None = None) -> _End:
    if progress.cancelled:
        return _End("cancelled", "Cancelled. It can be resumed.", error)
    # The machine is being shut down, or somebody ended the process: nobody wanted the work not to be done.
    return _End("lost", "The system ended it. What it had saved is kept; it can be resumed.", error)


def _describe(error: Exception) -> str:
    if isinstance(error, UserError):
        return f"{error.what} {error.todo}"
    if type(error).__name__ == "OutOfMemoryError":
        return "The memory of the GPU is full. Use a smaller batch, or smaller images."
    if isinstance(error, MemoryError):
        return "The memory is full. Use a smaller batch, or close other programs."
    return f"A fault in gan_aug: {type(error).__name__}: {' '.join(str(error).split())[:500]}"


def _store_end(job: Job, progress: Progress, end: _End) -> Job:
    """Write how the job ended, with patience: without it, work that is done would count as lost."""
    values = {
        "message": end.message,
        "error": end.error,
        "progress": 1.0 if end.status == "done" else progress.fraction,
        "result": (progress.kept | (end.result or {})) or None,
    }
    for wait in (1.0, 10.0, 60.0, 300.0):
        try:
            return queue.finish(job, end.status, **values)
        except DatabaseUnavailable as error:
            note(f"{error.what} Trying again in {wait:.0f} s.")
            time.sleep(wait)
    return queue.finish(job, end.status, **values)
