"""Jobs with real processes, some of which are killed: nothing is lost, nothing runs twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import attempts_logged, hang, kill_worker, process_of, wait_for, wait_until

from gan_aug import files, jobs
from gan_aug.jobs import queue, slots

ROOT = Path(__file__).resolve().parents[2]


def test_the_process_that_submitted_is_killed_and_the_job_goes_on(workspace: Path) -> None:
    program = "import time\nfrom gan_aug import jobs\nprint(jobs.submit('sleep', {'seconds': 1.5}).id, flush=True)\ntime.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as submitter:
        job = jobs.get(submitter.stdout.readline().strip())
        wait_for(job, "running")
        os.killpg(submitter.pid, signal.SIGKILL)
    assert submitter.returncode == -signal.SIGKILL
    done = wait_for(job, "done", "lost", "failed")
    assert (done.status, done.attempts, attempts_logged(job)) == ("done", 1, 1)


def test_the_worker_is_killed_and_the_job_goes_on(workspace: Path) -> None:
    first = jobs.submit("sleep", {"seconds": 3.0})
    process_of(first)
    second = jobs.submit("sleep", {"seconds": 0.1})
    kill_worker()
    assert jobs.reap() == [], "the job lives: it holds its lock itself"
    assert jobs.ensure_worker(), "somebody looks at the jobs, and the second one waits"
    with pytest.raises(jobs.SlotTaken, match=first.id), jobs.slot("another"):
        pass
    for job in (first, second):
        done = wait_for(job, "done", "lost", "failed")
        assert (done.status, done.attempts, attempts_logged(job)) == ("done", 1, 1)
    assert jobs.get(first.id).finished <= jobs.get(second.id).started, "one at a time"


def test_a_killed_job_is_lost_and_resumes(workspace: Path) -> None:
    job = jobs.submit("sleep", {"seconds": 2.0})
    os.kill(process_of(job), signal.SIGKILL)
    lost = wait_for(job, "lost", seconds=30)
    assert "killed" in lost.message
    jobs.resume(job.id)
    done = wait_for(job, "done", "failed")
    assert (done.status, done.attempts, attempts_logged(job)) == ("done", 2, 2)


def test_everything_is_killed_as_in_a_power_cut(workspace: Path) -> None:
    running = jobs.submit("sleep", {"seconds": 2.0})
    process = process_of(running)
    waiting = jobs.submit("sleep", {"seconds": 0.1})
    kill_worker()
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: not files.is_locked(queue.lock_file(running.id)), "The end of the job")
    assert [job.id for job in jobs.reap()] == [running.id]
    assert jobs.get(waiting.id).status == "queued"
    jobs.resume(running.id)
    for job, attempts in ((running, 2), (waiting, 1)):
        done = wait_for(job, "done", "lost", "failed")
        assert (done.status, done.attempts, attempts_logged(job)) == ("done", attempts, attempts)


def test_a_cancelled_job_stops_by_itself(workspace: Path) -> None:
    job = jobs.submit("sleep", {"seconds": 60.0})
    process_of(job)
    jobs.cancel(job.id)
    ended = wait_for(job, "cancelled", seconds=30)
    assert "can be resumed" in ended.message
    wait_until(lambda: not files.is_locked(slots.Slot("cpu", None).lock), "The slot")


def test_a_job_that_hangs_is_ended_after_the_time_of_grace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_CANCEL_GRACE", "0.5")
    job = jobs.submit("sleep", {"seconds": 60.0})
    hang(process_of(job), workspace / "gan_aug.db")
    jobs.cancel(job.id)
    assert wait_for(job, "cancelled", seconds=30).message.startswith("Cancelled: its process was ended by force")


def test_a_job_waits_for_a_console_that_holds_the_slot(workspace: Path) -> None:
    program = "import time\nfrom gan_aug import jobs\nwith jobs.slot('gan-aug train'):\n    print('held', flush=True)\n    time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as console:
        assert console.stdout.readline() == "held\n"
        job, other_lane = jobs.submit("sleep", {"seconds": 0.1}), jobs.submit("reindex", {})
        assert wait_for(other_lane, "done", "failed").status == "done", "short work on the CPU does not wait for the device"
        assert jobs.get(job.id).status == "queued"
        console.kill()
    assert wait_for(job, "done", "failed").status == "done"


SUBMITTER = "from gan_aug import jobs\nfor _ in range(10):\n    print(jobs.submit('sleep', {'seconds': 0.0}).id)"


def test_four_submitters_and_four_workers_do_every_job_once(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu,cpu2,cpu3")
    command = [sys.executable, "-m", "gan_aug", "worker", "--once"]
    extra = [subprocess.Popen(command, cwd=ROOT, start_new_session=True) for _ in range(3)]
    submitters = [subprocess.Popen([sys.executable, "-c", SUBMITTER], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    submitted = [line for process in submitters for line in process.communicate(timeout=60)[0].split()]
    assert len(set(submitted)) == 40
    wait_until(lambda: not queue.open_jobs(), "The end of all jobs", seconds=120)
    found = {job.id: job for job in jobs.list_jobs()}
    assert set(found) == set(submitted)
    assert {(job.status, job.attempts, attempts_logged(job)) for job in found.values()} == {("done", 1, 1)}
    kill_worker()
    for process in extra:
        process.wait(timeout=60)


def test_a_worker_leaves_when_idle_and_the_next_submission_starts_another(workspace: Path) -> None:
    program = "import sys\nfrom gan_aug import jobs\njobs.worker(once=True, idle_seconds=0.0)"
    job = queue.enqueue("sleep", {"seconds": 0.1}, "test")
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False).returncode == 0
    assert jobs.get(job.id).status == "done"
    assert jobs.worker_process() is None
    assert wait_for(jobs.submit("sleep", {"seconds": 0.1}), "done", "failed").status == "done"


def test_a_worker_that_is_told_to_leave_leaves_its_job_alone(workspace: Path) -> None:
    job = jobs.submit("sleep", {"seconds": 2.0})
    process_of(job)
    os.kill(jobs.worker_process(), signal.SIGTERM)
    wait_until(lambda: jobs.worker_process() is None, "The end of the worker", seconds=30)
    assert wait_for(job, "done", "lost").status == "done"
