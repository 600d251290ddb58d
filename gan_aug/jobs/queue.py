"""The queue: rows that say what is to be done and how far it is. Nothing here starts a process.

    queued --claim--> running --the job itself--> done | failed | cancelled
       ^                 |
       +-----resume---- lost | failed | cancelled

A running job holds a lock on its own folder. A row that says ``running`` without that lock is a job that was killed; :func:`reap` finds it.
"""

import contextlib
import datetime
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gan_aug import files, workspace
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.jobs.kinds import KINDS, normalise
from gan_aug.records import Job
from gan_aug.store.database import now, read, told, write
from gan_aug.store.tables import jobs as table

WAITING = "Waiting for its turn."
OPEN = ("queued", "running")  # states of a job that is not over
DOUBLE_CLICK_SECONDS = 5.0  # who asks for the same twice within so long has pressed a button twice


def folder(job_id: str) -> Path:
    """Folder of a job: its lock and its log."""
    return workspace.home() / "jobs" / workspace.check_name(job_id, "job id")


def lock_file(job_id: str) -> Path:
    """The lock that the job's process holds for as long as it lives."""
    return folder(job_id) / "lock"


def workspace_id() -> str:
    """A name for this workspace that stays when its machine is renamed.

    Several workspaces can share a database; each runs its own jobs, because their datasets and locks lie there.

    Raises
    ------
    DatabaseUnavailable
        If the folder of the workspace cannot be written, or read.
    """
    path = workspace.home() / "workspace-id"
    with told(workspace.home()):
        if not path.exists():
            draft = path.with_name(f".workspace-id.{os.getpid()}.{secrets.token_hex(4)}.tmp")
            files.write_text(draft, secrets.token_hex(8))
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # unlike a rename, it does not replace what another process has put there
            draft.unlink()
        return path.read_text(encoding="utf-8")


def enqueue(kind: str, arguments: Mapping[str, Any], by: str) -> Job:
    """Store a job that waits for its turn; where one that does the same waits or runs, that one is returned.

    Raises
    ------
    UserError
        If the kind or an argument is unknown, or a value is impossible.
    """
    job_id = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    row = {
        "id": job_id,
        "workspace": workspace_id(),
        "kind": kind,
        "arguments": normalise(kind, arguments),
        "submitted_by": by,
        "status": "queued",
        "progress": 0.0,
        "message": WAITING,
        "created": now(),
        "attempts": 0,
    }

    def store(connection: sa.Connection) -> str:
        same = _same(connection, row)
        if same is None:
            connection.execute(table.insert().values(**row))
        return same or job_id

    return get(write(store))


def _same(connection: sa.Connection, row: Mapping[str, Any]) -> str | None:
    """Id of the open job that does what a new one would (see :data:`gan_aug.jobs.kinds.Again`). One that was told to stop does not."""
    again = KINDS[row["kind"]].again
    if again == "more":
        return None
    mine = (table.c.workspace == row["workspace"], table.c.kind == row["kind"], table.c.status.in_(OPEN), table.c.cancel_asked.is_(None))
    query = sa.select(table.c.id, table.c.arguments, table.c.status, table.c.created).where(*mine).order_by(table.c.sequence)
    wanted = json.dumps(row["arguments"], sort_keys=True)
    for found in connection.execute(query):
        in_time = again == "same" or found.status == "queued" or _seconds_since(found.created) < DOUBLE_CLICK_SECONDS
        if in_time and json.dumps(found.arguments, sort_keys=True) == wanted:
            return found.id
    return None


def _seconds_since(moment: str) -> float:
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(moment)).total_seconds()


def get(job_id: str) -> Job:
    """The job of that id.

    Raises
    ------
    NotFound
    """
    row = read(lambda connection: connection.execute(sa.select(table).where(table.c.id == job_id)).mappings().first())
    if row is None:
        raise NotFound(f"There is no job {job_id!r}.", "See the jobs with: gan-aug jobs list")
    return _job(row)


def list_jobs(limit: int = 50) -> list[Job]:
    """The newest jobs of this workspace and all that wait or run, however old these are; newest first."""
    here = table.c.workspace == workspace_id()
    newest = sa.select(table.c.sequence).where(here).order_by(table.c.sequence.desc()).limit(limit)
    either = sa.or_(table.c.sequence.in_(newest), table.c.status.in_(OPEN))
    query = sa.select(table).where(here, either).order_by(table.c.sequence.desc())
    return [_job(row) for row in read(lambda connection: connection.execute(query).mappings().all())]


def open_jobs() -> list[dict[str, Any]]:
    """Rows of this workspace that wait or run, oldest first, with the columns that only workers need."""
    query = sa.select(table).where(table.c.workspace == workspace_id(), table.c.status.in_(OPEN)).order_by(table.c.sequence)
    return [dict(row) for row in read(lambda connection: connection.execute(query).mappings().all())]


def _job(row: Mapping[str, Any]) -> Job:
    return Job(
        **{name: row[name] for name in ("id", "kind", "arguments", "status", "progress", "message", "created", "started", "finished")},
        heartbeat=row["heartbeat"],
        error=row["error"],
        cancel_wish=row["cancel_asked"] is not None,
        attempts=row["attempts"],
        result=row["result"],
    )


def log(job_id: str, lines: int = 30) -> str:
    """The last lines that a job wrote."""
    get(job_id)
    path = folder(job_id) / "log.txt"
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 400 * lines))
        return "\n".join(stream.read().decode("utf-8", errors="replace").splitlines()[-lines:])


# --- changes of state --------------------------------------------------------------------------------------------------------------------


def _change(job_id: str, statuses: tuple[str, ...], attempt: int | None = None, **values: Any) -> bool:
    """Change a row if it is (still) in one of those states and, if given, in that attempt; tells whether it was."""
    condition = sa.and_(table.c.id == job_id, table.c.status.in_(statuses))
    if attempt is not None:
        condition = sa.and_(condition, table.c.attempts == attempt)
    return write(lambda connection: connection.execute(table.update().where(condition).values(**values)).rowcount == 1)


def claim(job_id: str) -> bool:
    """Take a waiting job, for a caller that holds its lock; false if somebody else took it or it was cancelled."""
    return _change(
        job_id,
        ("queued",),
        status="running",
        started=now(),
        heartbeat=now(),
        attempts=table.c.attempts + 1,
        process=None,
        message="Starting.",
    )


def beat(job: Job, **values: Any) -> None:
    """Record a sign of life of a running attempt, with new values of its columns."""
    _change(job.id, ("running",), job.attempts, heartbeat=now(), **values)


def finish(job: Job, status: str, **values: Any) -> Job:
    """Write the end of a running attempt. Only its own process does this, or who has seen that its lock is free."""
    _change(job.id, ("running",), job.attempts, status=status, finished=now(), **values)
    return get(job.id)


def stop_is_asked(job: Job) -> bool:
    """Whether somebody asked for this job to stop."""
    return read(lambda connection: connection.execute(sa.select(table.c.cancel_asked).where(table.c.id == job.id)).scalar()) is not None


def cancel(job_id: str) -> Job:
    """Take a waiting job off the queue, or ask a running one to stop at the end of its step.

    Raises
    ------
    InvalidValue
        If the job has ended already.
    """
    if _change(job_id, ("queued", "lost"), status="cancelled", finished=now(), message="Cancelled."):
        return get(job_id)
    if not _change(job_id, ("running",), cancel_asked=sa.func.coalesce(table.c.cancel_asked, now())):
        raise InvalidValue(f"Job {job_id} cannot be cancelled: it is {get(job_id).status}.", "Only waiting, running and lost jobs can be.")
    return get(job_id)


def requeue(job_id: str) -> Job:
    """Put a job that was killed, cancelled or failed back on the queue. A training goes on from its newest snapshot.

    Raises
    ------
    InvalidValue
        If it waits, runs or is done.
    """
    if not _change(
        job_id,
        ("lost", "cancelled", "failed"),
        status="queued",
        message=WAITING,
        cancel_asked=None,
        error=None,
        finished=None,
        process=None,
    ):
        raise InvalidValue(
            f"Job {job_id} cannot be resumed: it is {get(job_id).status}.", "Only lost, cancelled and failed jobs can be; submit a new one."
        )
    return get(job_id)


def reap(reasons: Mapping[str, str] | None = None) -> list[Job]:
    """Find jobs whose process is gone without having said how it ended, and mark them ``lost`` (or cancelled, if that was asked for).

    Parameters
    ----------
    reasons : mapping, optional
        What is known of how a job's process ended, by job id.
    """
    found = []
    for row in open_jobs():
        if row["status"] == "queued" or files.is_locked(lock_file(row["id"])):
            continue
        if row["cancel_asked"] is None:
            status, message = "lost", (reasons or {}).get(row["id"], "Its process is gone: it was killed, or the machine was restarted.")
        else:
            status, message = "cancelled", "Cancelled: its process was ended by force."
        # The attempt is part of the condition: between the look at the lock and now, the job may have been resumed.
        if _change(row["id"], ("running",), row["attempts"], status=status, finished=now(), message=f"{message} It can be resumed."):
            found.append(get(row["id"]))
    return found
