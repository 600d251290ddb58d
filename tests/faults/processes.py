"""Watching, stopping and killing the processes of jobs."""

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_aug import jobs
from gan_aug.jobs import queue, workers
from gan_aug.records import Job


def wait_until(true: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            log = workers.worker_lock().parent / "worker.log"
            pytest.fail(
                f"{what} did not come about in {seconds:.0f} s.\n{log.read_text() if log.exists() else 'no worker log'}\n{jobs.list_jobs()}"
            )
        time.sleep(0.05)


def wait_for(job: Job, *statuses: str, seconds: float = 120.0) -> Job:
    wait_until(lambda: jobs.get(job.id).status in statuses, f"Job {job.id} {' or '.join(statuses)}", seconds)
    return jobs.get(job.id)


def process_of(job: Job) -> int:
    """Process of a running job, once it has come up and said so."""
    find = lambda: next((row["process"] for row in queue.open_jobs() if row["id"] == job.id), None)  # noqa: E731
    wait_until(find, f"The process of job {job.id}")
    return find()


def attempts_logged(job: Job) -> int:
    """How often the job's work was begun, by its own log."""
    return len(re.findall(r"^\S+  \w+, attempt \d+:", jobs.log(job.id, lines=10_000), re.MULTILINE))


def kill_worker() -> None:
    """End the worker, and one that was started at the same moment and takes over."""
    while (process := jobs.worker_process()) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def hang(process: int, database: Path) -> None:
    """Stop a process, so that it answers nothing any more, SIGTERM included; but not while it has the database locked."""
    while True:
        os.kill(process, signal.SIGSTOP)
        time.sleep(0.05)
        connection = sqlite3.connect(database, timeout=1.0, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            return
        except sqlite3.OperationalError:
            os.kill(process, signal.SIGCONT)
        finally:
            connection.close()
