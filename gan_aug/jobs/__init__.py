"""Work that outlives the page that asked for it: a queue in the database, a detached worker, and a process for each job.

    submit -> row, queued -> worker claims it and starts `python -m gan_aug run-job ID` -> the job writes done, failed or cancelled

Nothing here imports torch; the work itself stands in :mod:`gan_aug.work`.
"""

from collections.abc import Mapping
from typing import Any

from gan_aug.jobs import queue
from gan_aug.jobs.kinds import KINDS
from gan_aug.jobs.queue import OPEN, get, list_jobs, log, reap
from gan_aug.jobs.run import Progress, Stopped, run_job
from gan_aug.jobs.slots import SlotTaken, slot
from gan_aug.jobs.upkeep import backup_if_due
from gan_aug.jobs.workers import check_settings, ensure_worker, worker, worker_process
from gan_aug.records import Job

__all__ = [
    "KINDS",
    "OPEN",
    "Progress",
    "SlotTaken",
    "Stopped",
    "backup_if_due",
    "cancel",
    "ensure_worker",
    "get",
    "list_jobs",
    "log",
    "reap",
    "resume",
    "run_job",
    "slot",
    "submit",
    "worker",
    "worker_process",
]


def submit(kind: str, arguments: Mapping[str, Any], by: str = "page") -> Job:
    """Queue a job, and see to it that a worker is there. Where a job that does the same waits or runs, that one is returned.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    arguments : mapping
        Fields of that kind's arguments; the others keep their defaults.
    by : str
        Who asks, for the record.

    Raises
    ------
    UserError
        If the kind or an argument is unknown, or a value or a setting of the worker is impossible; no job exists then.
    """
    check_settings()
    reap()  # a job that was killed does nothing any more
    job = queue.enqueue(kind, arguments, by)
    ensure_worker()
    return job


def cancel(job_id: str) -> Job:
    """Take a waiting job off the queue, or ask a running one to stop; one that does not is ended by the worker after a time of grace.

    Raises
    ------
    InvalidValue
        If the job has ended already.
    """
    job = queue.cancel(job_id)
    ensure_worker()
    return job


def resume(job_id: str) -> Job:
    """Queue a lost, cancelled or failed job again. A training goes on from its newest snapshot, other work starts over.

    Raises
    ------
    InvalidValue
        If it waits, runs or is done.
    """
    job = queue.requeue(job_id)
    ensure_worker()
    return job
