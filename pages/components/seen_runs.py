"""The GAN runs of this workspace as one look finds them: from their folders, and from the jobs that train them."""

import dataclasses
from collections import defaultdict

from gan_aug import catalog, jobs, runs
from gan_aug.records import Job, Run

WAITING = ("Waiting for its turn", ":material/hourglass_empty:", "orange")
STOPPING = ("Stopping", ":material/progress_activity:", "orange")
STATES = {
    "new": ("Not started", ":material/hourglass_empty:", "orange"),
    "running": ("Training", ":material/progress_activity:", "blue"),
    "stopped": ("Stopped", ":material/stop_circle:", "gray"),
    "finished": ("Finished", ":material/check_circle:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
    "lost": ("Interrupted", ":material/link_off:", "red"),
}


@dataclasses.dataclass(frozen=True)
class SeenRun:
    """A run, where it is, and the jobs that trained or will train it, newest first (none if a console started it)."""

    run: Run
    status: runs.RunStatus
    jobs: tuple[Job, ...]

    @property
    def job(self) -> Job | None:
        """The waiting or running job among them."""
        return next((job for job in self.jobs if job.status in jobs.OPEN), None)

    @property
    def moving(self) -> bool:
        """Whether it trains or waits for its turn."""
        return self.status.state == "running" or self.job is not None

    @property
    def badge(self) -> tuple[str, str, str]:
        """Its state as a word, an icon and a colour."""
        if self.job is not None and self.job.cancel_wish:
            return STOPPING
        return WAITING if self.job is not None and self.status.state != "running" else STATES[self.status.state]


def scan() -> tuple[list[SeenRun], list[str]]:
    """The GAN runs, newest first, and a notice for each that cannot be shown: it is damaged, or its GAN is not known here."""
    found, damaged = runs.scan_runs("gan")
    known = [run for run in found if run.spec in catalog.ENTRIES]
    notices = [_unknown(run) for run in found if run.spec not in catalog.ENTRIES]
    placed, without_status = runs.scan_statuses(known)
    trainers: dict[str | None, list[Job]] = defaultdict(list)
    for job in jobs.list_jobs(500):
        if job.kind == "train_gan":
            trainers[run_of(job)].append(job)
    seen = [SeenRun(run, status, tuple(trainers[run.id])) for run, status in placed]
    return seen, [*damaged.values(), *without_status.values(), *notices]


def _unknown(run: Run) -> str:
    folder = runs.run_folder(run.id)
    return f"Run {run.id} is of a GAN {run.spec!r}, which this version does not know. Update gan_aug, or delete the folder {folder}."


def look() -> list[SeenRun]:
    """The GAN runs that can be shown, newest first."""
    return scan()[0]


def run_of(job: Job) -> str | None:
    """The run that a training job was given or has begun; None before it has begun one."""
    return job.arguments["run_id"] or (job.result or {}).get("run_id")
