"""A training as a job, killed and cancelled and resumed: one run, with good snapshots, to its end."""

import os
import signal

from processes import process_of, wait_for, wait_until

from gan_aug import jobs, runs
from gan_aug.records import Job

SHORT_TRAINING = {
    "gan": "dcgan",
    "data": "phantom",
    "settings": {"width": 8, "z_dim": 16, "batch_size": 8, "total_kimg": 2.4, "tick_kimg": 0.04, "snapshot_kimg": 0.08},
}


def snapshots(job: Job) -> int:
    run_id = (jobs.get(job.id).result or {}).get("run_id")
    return len(runs.list_checkpoints(run_id)) if run_id else 0


def test_a_killed_training_resumes_from_its_snapshot_and_a_cancelled_one_keeps_a_good_one(phantom: str) -> None:
    job = jobs.submit("train_gan", SHORT_TRAINING)
    wait_until(lambda: snapshots(job), "A snapshot")
    os.kill(process_of(job), signal.SIGKILL)
    lost = wait_for(job, "lost", seconds=30)
    run_id, before = lost.result["run_id"], snapshots(job)
    assert runs.status(run_id).state == "lost"

    jobs.resume(job.id)
    wait_until(lambda: snapshots(job) > before, "Another snapshot")
    jobs.cancel(job.id)
    cancelled = wait_for(job, "cancelled", "done", "failed")
    assert cancelled.status == "cancelled"
    assert runs.status(run_id).state == "stopped"
    kept = runs.list_checkpoints(run_id)[-1]
    runs.verify(kept)
    assert kept.step == runs.status(run_id).step

    jobs.resume(job.id)
    done = wait_for(job, "done", "failed")
    assert (done.status, done.attempts, done.result["run_id"]) == ("done", 3, run_id)
    assert [run.id for run in runs.list_runs()] == [run_id], "resuming starts no other run"
    assert runs.status(run_id).state == "finished"
