"""Verbs about jobs and the workspace: the queue, the worker, the index, backups, and whether this machine is fit."""

import contextlib
import sys
from typing import Annotated, Any

import typer

from gan_aug.cli.options import Json
from gan_aug.cli.output import EXIT_DONE, EXIT_FAILED, print_facts, print_json, print_table, remark, say

app = typer.Typer()
jobs_app = typer.Typer(help="List, stop and resume the work that pages have asked for.", invoke_without_command=True)

JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of a job; 'gan-aug jobs' shows them.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, help="Show the newest N, and all that wait or run.")]


@jobs_app.callback()
def _jobs(context: typer.Context, json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_jobs(json=json)


@jobs_app.command("list")
def list_jobs(limit: Limit = 50, json: Json = False) -> None:
    """List the jobs, newest first. 'gan-aug jobs' alone does the same."""
    from gan_aug import jobs

    jobs.reap()  # so that a job whose process was killed is shown as lost
    found = jobs.list_jobs(limit)
    if json:
        print_json(found)
        return
    print_table(
        ("id", "kind", "status", "done", "message"),
        ((job.id, job.kind, job.status, f"{job.progress:.0%}", job.message) for job in found),
        empty="There are no jobs. The pages of the app make them.",
    )


@jobs_app.command()
def log(
    job_id: JobId, lines: Annotated[int, typer.Option(metavar="N", min=1, help="Show the last N lines.")] = 30, json: Json = False
) -> None:
    """Show what a job has written, and the traceback of a failure."""
    from gan_aug import jobs

    job, text = jobs.get(job_id), jobs.log(job_id, lines)
    if json:
        print_json({"job": job, "log": text})
        return
    print_facts({"status": job.status, "message": job.message})
    say(text)


@jobs_app.command()
def cancel(job_id: JobId, json: Json = False) -> None:
    """Ask a job to stop. A training ends its step and leaves a snapshot."""
    from gan_aug import jobs

    _tell(jobs.cancel(job_id), "Asked to stop.", json)


@jobs_app.command()
def resume(job_id: JobId, json: Json = False) -> None:
    """Queue a lost, cancelled or failed job again. A training goes on from its newest snapshot."""
    from gan_aug import jobs

    _tell(jobs.resume(job_id), "Queued again.", json)


def _tell(job: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        say(sentence)


@app.command("run-job")
def run_job(job_id: JobId, json: Json = False) -> int:
    """Do one job of the queue in this process."""
    from gan_aug import jobs

    with contextlib.redirect_stdout(sys.stderr):  # where the job's log goes, for standard output is the answer's
        job = jobs.run_job(job_id)
    if json:
        print_json(job)
    else:
        remark(f"{job.status}: {job.message}")
    return EXIT_DONE if job.status == "done" else EXIT_FAILED


@app.command()
def worker(once: Annotated[bool, typer.Option("--once", help="Leave when there has been nothing to do for some seconds.")] = False) -> None:
    """Do the jobs of the queue until stopped.

    The app starts a worker by itself when there is something to do; run this one as a service where the app must not, which
    GAN_AUG_AUTOSTART=0 tells the app."""
    from gan_aug import jobs

    jobs.worker(once=once)


@app.command()
def reindex(json: Json = False) -> None:
    """Make the database's index of runs anew from the run folders."""
    from gan_aug import runs, store

    count = store.reindex()
    listed, damaged = runs.scan_runs()
    for notice in (*damaged.values(), *runs.scan_statuses(listed)[1].values()):
        remark(notice)
    if json:
        print_json({"runs": count})
    else:
        say(f"{count:,} runs are in the index.")


@app.command()
def backup(json: Json = False) -> None:
    """Copy the database, while it is in use, into the workspace's backups folder."""
    from gan_aug import store

    path = store.backup()
    if json:
        print_json({"file": path})
    else:
        say(f"The database is copied to {path}.")


@app.command()
def doctor(json: Json = False) -> int:
    """Check whether this machine and the workspace are fit for work. The exit code is 1 if something must be mended."""
    from gan_aug.doctor import doctor as examine

    found = examine()
    if json:
        print_json(found)
    else:
        print_table(("check", "state", "finding"), ((check.name, check.state, check.finding) for check in found), empty="")
        for check in found:
            if check.todo:
                say(f"{check.name}: {check.todo}")
    return EXIT_FAILED if any(check.state == "fail" for check in found) else EXIT_DONE
