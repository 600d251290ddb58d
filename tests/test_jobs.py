"""Jobs, without processes of their own: arguments, states, slots, the work of a job in this process. With processes: tests/faults."""

import dataclasses
import errno
import fcntl
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gan_aug import audit, doctor, evaluate, files, jobs, projections, store, work
from gan_aug.errors import Busy, InvalidValue, NotFound, UnknownKey, UserError
from gan_aug.jobs import kinds, queue, run, slots, upkeep, workers
from gan_aug.records import to_dict
from gan_aug.store.backups import backups_folder
from gan_aug.workspace import processors

ROOT = Path(__file__).resolve().parent.parent
FULL = OSError(errno.ENOSPC, "No space left on device", "/somewhere/lock")


class Full(io.StringIO):
    """A log on a full disk."""

    def write(self, text: str) -> int:
        raise FULL


@pytest.fixture(autouse=True)
def _no_worker(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs wait until the test runs them."""
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Let jobs of the kind ``sleep`` do something else."""
    return lambda function: monkeypatch.setitem(work.WORK, "sleep", function)


# --- submitting --------------------------------------------------------------------------------------------------------------------------


def test_every_kind_has_its_work() -> None:
    assert set(kinds.KINDS) == set(work.WORK)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_value_of_the_wrong_type_is_refused_in_words_for_every_field(kind: str) -> None:
    needed = {"import": {"paths": ["x"], "name": "n"}, "train_gan": {"gan": "dcgan", "data": "d"}, "classify": {"data": "d"}}
    fields = dataclasses.fields(kinds.KINDS[kind].arguments)
    given = {field.name: "n" for field in fields if kinds._is_required(field)} | needed.get(kind, {})
    kinds.parse_arguments(kind, given)
    for field in fields:
        with pytest.raises(InvalidValue) as caught:
            kinds.parse_arguments(kind, given | {field.name: object()})
        assert caught.value.what.startswith(f"{field.name} cannot be")
        assert caught.value.todo.startswith("It must be ")


@pytest.mark.parametrize(
    ("kind", "arguments", "error"),
    [
        ("dream", {}, "no work called 'dream'"),
        ("sleep", {"minutes": 1}, "no 'minutes'"),
        ("sleep", {"seconds": "1"}, "seconds cannot be '1'"),
        ("sleep", {"seconds": True}, "seconds cannot be True"),
        ("sleep", {"seconds": float("nan")}, "seconds cannot be nan"),
        ("sleep", {"seconds": -1.0}, "seconds cannot be -1"),
        ("import", {"name": "a"}, "needs paths"),
        ("import", {"name": "a", "paths": []}, "nothing to import"),
        ("import", {"name": "a", "paths": ["x", 5]}, "paths cannot be"),
        ("import", {"name": "../a", "paths": ["x"]}, "'../a' cannot be"),
        ("import", {"name": "a", "paths": ["x"], "labels": "both"}, "labels cannot be 'both'"),
        ("train_gan", {}, "started, or one to be gone on with"),
        ("train_gan", {"gan": "dcgan"}, "started, or one to be gone on with"),
        ("train_gan", {"gan": "dcgan", "data": "d", "run_id": "r"}, "started, or one to be gone on with"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"g_lr": float("inf")}}, "settings cannot be"),
        ("train_gan", {"gan": "dcgan", "data": "d", "seed": 1.5}, "seed cannot be 1.5"),
        ("review_batch", {"name": "b", "reference": "r", "n": 0}, "0 images"),
        ("review_batch", {"name": "b", "reference": "r", "mode": "blind"}, "no dataset was named"),
        ("review_batch", {"name": "b", "reference": "r", "truncation": -3.0}, "Truncation -3"),
        ("review_batch", {"name": "b", "reference": "r", "first_seed": -5}, "Seed -5"),
        ("review_batch", {"name": "b", "reference": "r", "first_seed": 2**64 - 1, "n": 2}, f"Seed {2**64} is"),
        ("split", {"name": "d", "val": 0.6, "test": 0.5}, "cannot be shares"),
        ("split", {"name": "d", "fraction": 0.0}, "Fraction 0 is out of range"),
        ("train_gan", {"gan": "nope", "data": "d"}, "no GAN 'nope'"),
        ("train_gan", {"gan": "r3gan", "data": "d", "preset": "aidl21"}, "no preset 'aidl21'"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"batch_size": -1}}, "batch_size cannot be -1"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"no_such": 1}}, "no 'no_such'"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"preset": "paper"}}, "no 'preset'"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"name": "acgan"}}, "no 'name'"),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"gp_weight": 1.0}}, "does not use gp_weight"),
        ("sample", {"reference": "r", "name": "n", "seeds": "abc"}, "'abc' is not a list of seeds"),
        ("sample", {"reference": "r", "name": "n", "truncation": 9.0}, "Truncation 9"),
        ("evaluate", {"reference": "r", "data": "d", "n": -5}, "n cannot be -5"),
        ("select_best", {"run_id": "r", "data": "d", "n": 6}, "n cannot be 6"),
        ("audit", {"reference": "r", "data": "d", "n": 1}, "n cannot be 1"),
        ("demo", {"images": 7}, "7 is not a possible number of images"),
        ("demo", {"size": 100}, "100 px is not a possible size"),
        ("demo", {"seed": -1}, "Seed -1"),
        ("import", {"name": "a", "paths": ["x"], "size": 2048}, "2048 px is not a possible size"),
        ("import", {"name": "a", "paths": ["x"], "workers": 0}, "0 is not a possible number of workers"),
        ("train_gan", {"gan": "dcgan", "data": "d", "seed": -1}, "Seed -1"),
        ("classify", {"data": "d", "seed": 2**63}, f"Seed {2**63}"),
        ("evaluate", {"reference": "r", "data": "d", "seed": 1_000_000}, "Seed 1000000"),
        ("select_best", {"run_id": "r", "data": "d", "seed": -1}, "Seed -1"),
        ("audit", {"reference": "r", "data": "d", "seed": -1}, "Seed -1"),
        ("project", {"name": "p", "reference": "r", "starts": 257}, "257 starts of 300 steps"),
        ("project", {"name": "p", "reference": "r", "seed": 2**31}, f"Seed {2**31}"),
        ("project", {"name": "p", "reference": "r", "steps": 0}, "4 starts of 0 steps"),
        ("classify", {"data": "d", "config": {"lr": -1.0}}, "lr cannot be -1"),
        ("classify", {"data": "d", "config": {"backbone": "resnet"}}, "no backbone 'resnet'"),
        ("classify", {"data": "d", "config": {"wings": 2}}, "no 'wings'"),
        ("classify", {"data": "d", "scheme": "magic"}, "unknown word: 'magic'"),
    ],
)
def test_a_mistake_is_refused_before_a_job_exists(kind: str, arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(UserError) as caught:
        jobs.submit(kind, arguments)
    assert error in caught.value.what
    assert caught.value.todo
    assert jobs.list_jobs() == []


def test_as_few_images_are_refused_here_as_by_what_compares_them(workspace: Path) -> None:
    assert kinds.FEWEST_MEASURED == evaluate.FEWEST
    with pytest.raises(InvalidValue, match="n cannot be 1"):
        audit.audit("r", "d", n=kinds.FEWEST_AUDITED - 1)
    with pytest.raises(NotFound):  # so many are enough, and there is no such run
        audit.audit("r", "d", n=kinds.FEWEST_AUDITED)


def test_arguments_are_checked_without_torch() -> None:
    """The web process checks them."""
    program = """
import sys
from gan_aug.jobs import kinds
kinds.parse_arguments("train_gan", {"gan": "dcgan", "data": "d"})
kinds.parse_arguments("classify", {"data": "d", "scheme": "standard+synthetic:RUN@1.0"})
kinds.parse_arguments("sample", {"reference": "r", "name": "n"})
kinds.parse_arguments("review_batch", {"reference": "r", "name": "n"})
kinds.parse_arguments("evaluate", {"reference": "r", "data": "d"})
print({"torch", "torchvision", "sklearn"} & set(sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_settings_with_which_no_job_could_start_are_refused_before_one_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = jobs.submit("sleep", {})
    monkeypatch.delenv("GAN_AUG_AUTOSTART")
    monkeypatch.setattr(workers, "_start_detached", lambda *_: pytest.fail("it would end at once, and the next one, too"))
    monkeypatch.setattr(workers, "_serve", lambda *_: pytest.fail("it would start no job for as long as it lives"))
    for name, value in (("GAN_AUG_SLOTS", "gpu0,../up"), ("GAN_AUG_CANCEL_GRACE", "soon")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            for attempt in (lambda: jobs.submit("sleep", {}), jobs.ensure_worker, jobs.worker):
                with pytest.raises(InvalidValue, match=f"{name} cannot be '{value}'") as caught:
                    attempt()
                assert caught.value.todo
    assert [job.id for job in jobs.list_jobs()] == [waiting.id]


def test_defaults_are_filled_in_and_whole_numbers_become_what_the_field_is() -> None:
    job = jobs.submit("split", {"name": "d", "val": 0})
    assert job.arguments == {"name": "d", "seed": 0, "val": 0.0, "test": 0.15, "fraction": 1.0, "like": None}
    assert (job.status, job.progress, job.attempts, job.cancel_wish, job.result) == ("queued", 0.0, 0, False, None)
    assert jobs.get(job.id) == job


def test_paths_are_kept_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    job = jobs.submit("import", {"name": "d", "paths": ["photos", "/elsewhere"]})
    assert job.arguments["paths"] == [str(tmp_path / "photos"), "/elsewhere"]


def test_jobs_are_listed_newest_first() -> None:
    made = [jobs.submit("sleep", {}).id for _ in range(3)]
    assert [job.id for job in jobs.list_jobs()] == made[::-1]


def test_jobs_that_wait_or_run_are_listed_however_many_newer_ones_there_are() -> None:
    running, waiting, *ended = [jobs.submit("sleep", {}).id for _ in range(5)]
    assert queue.claim(running)
    for job_id in ended:
        jobs.cancel(job_id)
    assert [job.id for job in jobs.list_jobs(limit=1)] == [ended[2], waiting, running]
    assert len(jobs.list_jobs()) == 5


# --- asking twice ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def claim() -> Iterator[Callable[[jobs.Job], None]]:
    """Let a job run, as far as anybody can see from outside."""
    locks = []

    def run(job: jobs.Job) -> None:
        locks.append(slots.take_lock(queue.lock_file(job.id), "test"))
        assert queue.claim(job.id)

    yield run
    for lock in locks:
        slots.release_lock(lock)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("demo", {}),
        ("split", {"name": "d"}),
        ("train_gan", {"gan": "dcgan", "data": "d", "settings": {"augment": ("translation", "cutout"), "batch_size": 8}}),
        ("train_gan", {"run_id": "r"}),
        ("evaluate", {"reference": "r", "data": "d"}),
        ("study", {"name": "s"}),
    ],
)
def test_the_same_asked_twice_is_one_job(kind: str, arguments: dict[str, Any], claim: Callable[[jobs.Job], None]) -> None:
    job = jobs.submit(kind, arguments)
    assert jobs.submit(kind, arguments) == job, "while it waits"
    claim(job)
    assert jobs.submit(kind, arguments).id == job.id, "a double click, and the worker was quick"
    assert [found.id for found in jobs.list_jobs()] == [job.id]
    other = jobs.submit("split", {"name": "another"})
    assert other.id != job.id
    assert queue.finish(jobs.get(job.id), "done").status == "done"
    assert jobs.submit(kind, arguments).id not in (job.id, other.id), "what is done can be asked for again"


def test_clicks_at_the_same_moment_make_one_job() -> None:
    made = []
    threads = [threading.Thread(target=lambda: made.append(jobs.submit("demo", {}).id)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6 and len(set(made)) == len(jobs.list_jobs()) == 1


@pytest.mark.parametrize("kind", ["evaluate", "select_best", "audit"])
def test_a_measurement_that_runs_does_not_stand_for_one_asked_for_later(
    kind: str, claim: Callable[[jobs.Job], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training that it looks at may have written another snapshot since."""
    arguments = {"run_id" if kind == "select_best" else "reference": "r", "data": "d"}
    running = jobs.submit(kind, arguments)
    claim(running)
    monkeypatch.setattr(queue, "DOUBLE_CLICK_SECONDS", 0.0)
    waiting = jobs.submit(kind, arguments)
    assert waiting.id != running.id
    assert jobs.submit(kind, arguments).id == waiting.id


def test_a_job_that_is_to_stop_or_was_killed_does_not_stand_for_a_new_one(claim: Callable[[jobs.Job], None]) -> None:
    stopping = jobs.submit("study", {"name": "s"})
    claim(stopping)
    jobs.cancel(stopping.id)
    killed = jobs.submit("study", {"name": "s"})
    assert killed.id != stopping.id
    assert queue.claim(killed.id), "and its process is gone at once: nobody holds its lock"
    assert jobs.submit("study", {"name": "s"}).id not in (stopping.id, killed.id)
    assert jobs.get(killed.id).status == "lost"


def test_an_unknown_job_is_named() -> None:
    for call in (jobs.get, jobs.log, jobs.cancel, jobs.resume, jobs.run_job):
        with pytest.raises(UserError, match="nothing"):
            call("nothing")


def test_a_workspace_does_not_see_the_jobs_of_another_in_the_same_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", f"sqlite:///{tmp_path}/team.db")
    job = jobs.submit("sleep", {})
    assert queue.claim(job.id)
    monkeypatch.setenv("GAN_AUG_HOME", str(tmp_path / "other"))
    assert jobs.list_jobs() == []
    assert jobs.reap() == [], "a running job whose lock lies elsewhere is not lost"
    assert jobs.get(job.id).status == "running"


# --- doing -------------------------------------------------------------------------------------------------------------------------------


def test_a_job_writes_its_own_end() -> None:
    job = jobs.run_job(jobs.submit("sleep", {"seconds": 0.2}).id)
    assert (job.status, job.progress, job.result, job.error, job.attempts) == ("done", 1.0, {"slept": 0.2}, None, 1)
    assert job.created < job.started < job.finished
    with pytest.raises(InvalidValue, match="it is done"):
        jobs.run_job(job.id)


def test_a_failure_keeps_its_traceback_and_says_what_to_do(do: Callable[..., None]) -> None:
    def fail(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        raise NotFound("There is no dataset 'x'.", "See the datasets with: gan-aug data list")

    do(fail)
    job = jobs.run_job(jobs.submit("sleep", {}).id)
    assert (job.status, job.message) == ("failed", "There is no dataset 'x'. See the datasets with: gan-aug data list")
    assert "in fail" in job.error


def test_a_fault_of_ours_is_told_from_a_mistake(do: Callable[..., None]) -> None:
    do(lambda arguments, progress: {}["no such key"])
    job = jobs.run_job(jobs.submit("sleep", {}).id)
    assert job.status == "failed"
    assert job.message == "A fault in gan_aug: KeyError: 'no such key'"
    assert "Traceback" in job.error


def test_work_that_a_newer_version_queued_is_told_in_plain_words() -> None:
    job = jobs.submit("sleep", {})
    assert queue._change(job.id, ("queued",), kind="dream")
    ended = jobs.run_job(job.id)
    assert ended.status == "failed"
    assert ended.message.startswith("There is no work called 'dream'.") and "newer version" in ended.message


def test_a_full_gpu_is_told_in_plain_words(do: Callable[..., None]) -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    def fail(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    do(fail)
    assert "smaller batch" in jobs.run_job(jobs.submit("sleep", {}).id).message


def test_progress_is_stored_at_most_every_few_seconds(do: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stored = [100.0], []
    monkeypatch.setattr(run.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(queue, "beat", lambda job, **values: stored.append(values.get("progress")))

    def report(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        for step in range(20):
            progress.report(step / 20, "working")
            clock[0] += 1.0
        return {}

    do(report)
    jobs.run_job(jobs.submit("sleep", {}).id)
    assert stored == [None, 0.0, 0.25, 0.5, 0.75]


def test_a_database_that_fails_for_a_while_does_not_end_the_work(do: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    real_finish, failures = queue.finish, []

    def unavailable(*arguments: Any, **values: Any) -> Any:
        failures.append(1)
        raise store.DatabaseUnavailable("The database cannot be used: disk is full.", "Free some space.")

    def report(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        monkeypatch.setattr(queue, "beat", unavailable)
        monkeypatch.setattr(queue, "stop_is_asked", unavailable)
        monkeypatch.setattr(queue, "finish", lambda *a, **v: unavailable() if len(failures) < 4 else real_finish(*a, **v))
        progress.report(0.5, "half")
        assert not progress.should_stop()
        return {"made": 1}

    monkeypatch.setattr(run.time, "sleep", lambda seconds: None)
    do(report)
    job = jobs.run_job(jobs.submit("sleep", {}).id)
    assert (job.status, job.result, len(failures)) == ("done", {"made": 1}, 4)


def test_a_log_that_cannot_be_written_does_not_end_the_work(do: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    done = jobs.run_job(jobs.submit("sleep", {"seconds": 0.01}).id)
    assert (done.status, done.message) == ("done", "Done.")
    do(lambda arguments, progress: {}["no such key"])
    failed = jobs.run_job(jobs.submit("sleep", {}).id)
    assert failed.status == "failed" and "KeyError" in failed.error


def test_what_a_job_keeps_is_there_when_it_is_resumed(do: Callable[..., None]) -> None:
    seen = []

    def begin(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        seen.append(dict(progress.kept))
        progress.keep(run_id="run-1")
        if len(seen) == 1:
            raise ValueError
        return {"steps": 5}

    do(begin)
    job = jobs.run_job(jobs.submit("sleep", {}).id)
    assert (job.status, job.result) == ("failed", {"run_id": "run-1"})
    job = jobs.run_job(jobs.resume(job.id).id)
    assert (job.status, job.result, job.attempts, job.error) == ("done", {"run_id": "run-1", "steps": 5}, 2, None)
    assert seen == [{}, {"run_id": "run-1"}]


# --- stopping and resuming ---------------------------------------------------------------------------------------------------------------


def until_stopped(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
    """Work that saves and returns when it is told to stop, as a training does."""
    deadline = time.monotonic() + 20
    while not progress.should_stop():
        assert time.monotonic() < deadline, "nobody told the work to stop"
        time.sleep(0.01)
    progress.keep(saved=True)
    return {}


def test_a_waiting_job_is_cancelled_at_once_and_can_come_back() -> None:
    job = jobs.submit("sleep", {"seconds": 0.0})
    assert jobs.cancel(job.id).status == "cancelled"
    with pytest.raises(InvalidValue, match="it is cancelled"):
        jobs.run_job(job.id)
    with pytest.raises(InvalidValue, match="it is cancelled"):
        jobs.cancel(job.id)
    assert jobs.resume(job.id).status == "queued"
    assert jobs.run_job(job.id).status == "done"
    with pytest.raises(InvalidValue, match="it is done"):
        jobs.resume(job.id)


def test_a_running_job_hears_that_it_is_cancelled(do: Callable[..., None]) -> None:
    do(until_stopped)
    job = jobs.submit("sleep", {})
    timer = threading.Timer(0.3, jobs.cancel, [job.id])
    timer.start()
    ended = jobs.run_job(job.id)
    timer.join()
    assert (ended.status, ended.cancel_wish, ended.result) == ("cancelled", True, {"saved": True})
    again = jobs.resume(job.id)
    assert (again.status, again.cancel_wish, again.finished) == ("queued", False, None)


def test_a_job_that_the_system_ends_counts_as_lost_not_cancelled(do: Callable[..., None]) -> None:
    do(until_stopped)
    job = jobs.submit("sleep", {})
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGTERM])
    timer.start()
    ended = jobs.run_job(job.id)
    timer.join()
    assert (ended.status, ended.result) == ("lost", {"saved": True})
    assert jobs.resume(job.id).status == "queued"


def test_the_handlers_of_signals_are_put_back(do: Callable[..., None]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    do(lambda arguments, progress: {})
    jobs.run_job(jobs.submit("sleep", {}).id)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fault_after_a_wish_to_stop_is_kept(do: Callable[..., None]) -> None:
    def fail_on_stop(arguments: Any, progress: jobs.Progress) -> dict[str, Any]:
        until_stopped(arguments, progress)
        raise RuntimeError("could not save")

    do(fail_on_stop)
    job = jobs.submit("sleep", {})
    timer = threading.Timer(0.2, jobs.cancel, [job.id])
    timer.start()
    ended = jobs.run_job(job.id)
    timer.join()
    assert ended.status == "cancelled"
    assert "could not save" in ended.error


@pytest.fixture
def script() -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Start a script that starts a process, waits for it and then says how it ended; returns the script and that process's id."""
    program = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=sys.argv[1] == "leads")
print(child.pid, flush=True)
print(child.wait(), flush=True)
"""
    started = []

    def start(how: str) -> tuple[subprocess.Popen[str], int]:
        started.append(subprocess.Popen([sys.executable, "-c", program, how], stdout=subprocess.PIPE, text=True, start_new_session=True))
        return started[-1], int(started[-1].stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("how", ["leads", "is led"])
def test_to_end_a_job_that_a_script_runs_leaves_the_script_alone(
    how: str, script: Callable[..., tuple[subprocess.Popen[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_AUG_CANCEL_GRACE", "0")
    caller, process = script(how)
    workers._press_to_stop({"cancel_asked": "2026-01-01T00:00:00.000000+00:00", "process": process})
    assert (caller.communicate(timeout=30)[0], caller.returncode) == (f"{-signal.SIGKILL}\n", 0)


def test_to_end_a_job_that_leads_its_group_ends_its_children(
    script: Callable[..., tuple[subprocess.Popen[str], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_AUG_CANCEL_GRACE", "0")
    job, child = script("is led")
    workers._press_to_stop({"cancel_asked": "2026-01-01T00:00:00.000000+00:00", "process": job.pid})
    assert job.wait(timeout=30) == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.05)


def test_a_job_names_its_own_process_not_the_group_of_who_runs_it(do: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpgrp", lambda: 1)
    do(lambda arguments, progress: {"process": queue.open_jobs()[0]["process"]})
    assert jobs.run_job(jobs.submit("sleep", {}).id).result == {"process": os.getpid()}


# --- life and death ----------------------------------------------------------------------------------------------------------------------


def test_a_running_row_without_its_lock_is_lost_and_one_with_it_is_not() -> None:
    dead, alive = jobs.submit("sleep", {}), jobs.submit("sleep", {})
    lock = slots.take_lock(queue.lock_file(alive.id), "test")
    assert queue.claim(dead.id)
    assert queue.claim(alive.id)
    assert [job.id for job in jobs.reap()] == [dead.id]
    assert (jobs.get(dead.id).status, jobs.get(alive.id).status) == ("lost", "running")
    assert jobs.reap() == []
    slots.release_lock(lock)
    assert [job.id for job in jobs.reap()] == [alive.id]


def test_a_job_that_was_to_be_cancelled_and_is_gone_counts_as_cancelled() -> None:
    job = jobs.submit("sleep", {})
    queue.claim(job.id)
    assert jobs.cancel(job.id).cancel_wish
    assert [found.status for found in jobs.reap()] == ["cancelled"]


def test_a_late_writer_cannot_touch_the_next_attempt() -> None:
    job = jobs.submit("sleep", {})
    queue.claim(job.id)
    first = queue.get(job.id)
    jobs.reap()
    jobs.resume(job.id)
    queue.claim(job.id)
    queue.beat(first, progress=0.9, message="old")
    assert queue.finish(first, "done", message="old").status == "running"
    assert jobs.get(job.id).progress == 0.0


def test_of_many_claims_one_wins() -> None:
    job = jobs.submit("sleep", {})
    won = []
    threads = [threading.Thread(target=lambda: won.append(queue.claim(job.id))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert jobs.get(job.id).attempts == 1


def test_a_lost_job_can_be_dismissed() -> None:
    job = jobs.submit("sleep", {})
    queue.claim(job.id)
    jobs.reap()
    assert jobs.cancel(job.id).status == "cancelled"


def test_the_log_gives_its_last_lines() -> None:
    job = jobs.submit("sleep", {})
    assert jobs.log(job.id) == ""
    queue.folder(job.id).mkdir(parents=True)
    (queue.folder(job.id) / "log.txt").write_text("".join(f"line {number} \u00e9\n" for number in range(5000)), encoding="utf-8")
    assert jobs.log(job.id, lines=2) == "line 4998 \u00e9\nline 4999 \u00e9"
    assert len(jobs.log(job.id).splitlines()) == 30


# --- slots -------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program called nvidia-smi at the front of the PATH, and no override."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("GAN_AUG_SLOTS")
    slots._gpus.cache_clear()
    yield program
    slots._gpus.cache_clear()


LISTING = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n  MIG 1g.10gb Device 0: (UUID: MIG-2)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-3)\n"


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_there_is_a_slot_for_each_gpu(fake_driver: Path) -> None:
    write_program(fake_driver, f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n")
    assert slots.device_slots() == [slots.Slot("gpu0", "0"), slots.Slot("gpu1", "1")]


def test_a_driver_that_does_not_work_means_one_slot(fake_driver: Path) -> None:
    write_program(fake_driver, "#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert slots.device_slots() == [slots.Slot("cpu", None)]


@pytest.mark.parametrize(
    ("visible", "names"), [("2,3", ["gpu2", "gpu3"]), ("", ["cpu"]), ("-1", ["cpu"]), ("MIG-GPU-1/2/0", ["gpuMIG-GPU-1-2-0"])]
)
def test_devices_that_the_user_hides_have_no_slot(
    fake_driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str, names: list[str]
) -> None:
    write_program(fake_driver, f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [slot.name for slot in slots.device_slots()] == names


def test_slots_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "gpu1, cpu2")
    assert slots.device_slots() == [slots.Slot("gpu1", "1"), slots.Slot("cpu2", "")]
    monkeypatch.setenv("GAN_AUG_SLOTS", "gpu0.a,gpu0.b,gpu1")
    shared = slots.device_slots()
    assert [slot.cuda for slot in shared] == ["0", "0", "1"] and len({slot.lock for slot in shared}) == 3
    monkeypatch.setenv("GAN_AUG_SLOTS", "../up")
    with pytest.raises(InvalidValue):
        slots.device_slots()


def free_of(name: str) -> Any:
    """What another process, which holds no slot, sees of one: whether it is free."""
    return not files.is_locked(slots.Slot(name, None).lock)


def test_a_slot_is_held_by_one_and_names_its_holder() -> None:
    with jobs.slot("gan-aug train dcgan") as held:
        assert held.name == "cpu"
        assert not free_of("cpu")
        del os.environ["GAN_AUG_JOB_SLOT"]  # as in another process
        with pytest.raises(jobs.SlotTaken, match="gan-aug train dcgan, since"), jobs.slot("another"):
            pass
        with pytest.raises(jobs.SlotTaken, match="gan-aug train dcgan"):
            jobs.run_job(jobs.submit("sleep", {}).id)
    assert free_of("cpu")
    assert jobs.list_jobs()[0].status == "queued", "a job that found no slot still waits"


def test_work_inside_a_slot_does_not_wait_for_itself() -> None:
    with jobs.slot("outer"), jobs.slot("inner") as held:
        assert held.name == "cpu"
    with jobs.slot("after"):
        pass


def test_waiting_for_a_slot_ends_when_it_is_free() -> None:
    lock = slots.take_lock(slots.Slot("cpu", None).lock, "somebody")
    timer = threading.Timer(0.3, slots.release_lock, [lock])
    timer.start()
    with jobs.slot("patient", wait=True) as held:
        assert held.name == "cpu"
    timer.join()


def test_work_in_a_slot_sees_its_gpu_alone_and_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "gpu0,gpu1")
    first = slots.take_lock(slots.Slot("gpu0", "0").lock, "somebody")
    monkeypatch.delenv("OMP_NUM_THREADS")
    with jobs.slot("second"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert int(os.environ["OMP_NUM_THREADS"]) == max(1, processors() - 1)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ and "OMP_NUM_THREADS" not in os.environ
    slots.release_lock(first)


def test_a_forked_child_does_not_keep_a_lock_alive(workspace: Path) -> None:
    program = """
import os, sys, time
from gan_aug.jobs import slots
from pathlib import Path
lock = slots.take_lock(Path(sys.argv[1]), "parent")
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(30)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    path = workspace / "lock"
    child = int(subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, check=False).stdout)
    try:
        os.kill(child, 0)  # it lives
        assert path.exists()
        assert not files.is_locked(path)
    finally:
        os.kill(child, signal.SIGKILL)


def test_to_look_whether_a_lock_is_held_neither_counts_as_holding_it_nor_refuses_it(workspace: Path) -> None:
    path = workspace / "lock"
    assert not files.is_locked(path)
    path.touch()
    with path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # what another process does while it looks
        assert not files.is_locked(path)
        threading.Timer(0.03, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with files.hold(path, "It is held"):
            assert files.is_locked(path)
            with pytest.raises(Busy, match="It is held by another process"), files.hold(path, "It is held"):
                pass
    assert not files.is_locked(path)


# --- the worker's rules ------------------------------------------------------------------------------------------------------------------


def test_a_worker_is_started_only_when_there_is_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(workers, "_start_detached", lambda arguments, *rest: started.append(arguments) or FakeProcess())
    monkeypatch.delenv("GAN_AUG_AUTOSTART")
    assert not jobs.ensure_worker()
    job = jobs.submit("sleep", {})
    assert started == [["worker", "--once"]]
    lock = slots.take_lock(workers.worker_lock(), "123")
    assert jobs.worker_process() == 123
    assert not jobs.ensure_worker(), "there is one"
    slots.release_lock(lock)
    assert jobs.worker_process() is None
    queue.claim(job.id)
    assert not jobs.ensure_worker(), "a job that runs needs none"
    jobs.cancel(job.id)
    assert len(started) == 2, "a job that is to stop needs one to insist"


def test_a_process_that_cannot_be_started_is_a_failure_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(workers, "_start_detached", fail)
    job = jobs.submit("sleep", {})
    children = {}
    workers._start_waiting(queue.open_jobs(), children)
    assert children == {}
    assert (jobs.get(job.id).status, "Cannot allocate memory" in jobs.get(job.id).message) == ("failed", True)
    assert free_of("cpu")
    assert not files.is_locked(queue.lock_file(job.id))


def test_a_worker_outlives_a_database_that_fails_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [store.DatabaseUnavailable("It is locked.", "Wait."), True, True]

    def look(children: dict[str, Any]) -> bool:
        answer = answers.pop(0) if answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(workers, "_look_after_jobs", look)
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "RETRY_SECONDS", 0.0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    jobs.worker(once=True, idle_seconds=0.0)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert len(answers) <= 2, "it looked again after the failure"


@pytest.fixture
def work_through(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let a worker live through what its looks at the queue meet: errors, or calls to make; after the last one it leaves."""
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "RETRY_SECONDS", 0.0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def live(*looks: Any) -> None:
        waiting = list(looks)

        def look(children: dict[str, Any]) -> bool:
            found = waiting.pop(0)
            if not waiting:
                os.kill(os.getpid(), signal.SIGTERM)
            if isinstance(found, Exception):
                raise found
            found()
            return True

        monkeypatch.setattr(workers, "_look_after_jobs", look)
        jobs.worker()
        assert waiting == []

    yield live
    for number, handler in handlers.items():
        signal.signal(number, handler)


def nothing() -> None:
    pass


def test_a_worker_outlives_a_full_disk_and_says_so_once(work_through: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    other = UserError("It is locked.", "Wait.")
    work_through(FULL, FULL, FULL, nothing, FULL, FULL, other, other)
    told = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    full = "/somewhere/lock cannot be used: No space left on device. Trying again."
    assert told == [full, full, "It is locked. Trying again."], "and again when it comes back"


def test_a_worker_whose_log_is_full_goes_on(work_through: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    work_through(FULL, nothing, nothing)


def test_a_worker_that_cannot_write_its_lock_waits(
    work_through: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries, write = [], os.pwrite

    def pwrite(*arguments: Any) -> int:
        tries.append(1)
        if len(tries) < 4:
            raise FULL
        return write(*arguments)

    monkeypatch.setattr(slots.os, "pwrite", pwrite)
    work_through(nothing)
    assert len(tries) == 4
    assert capsys.readouterr().out.count(f"{workers.worker_lock()} cannot be used: No space left on device.") == 1


def test_a_worker_for_one_submission_that_cannot_write_its_lock_leaves(
    work_through: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(*arguments: Any) -> int:
        raise FULL

    monkeypatch.setattr(slots.os, "pwrite", pwrite)
    jobs.worker(once=True)  # the pages would start one after the other, and all of them would wait


def test_a_lock_that_cannot_be_written_is_told_and_is_free(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(*arguments: Any) -> int:
        raise FULL

    path = workspace / "slots" / "cpu.lock"
    with monkeypatch.context() as patch:
        patch.setattr(slots.os, "pwrite", pwrite)
        with pytest.raises(store.DatabaseUnavailable) as caught:
            slots.take_lock(path, "somebody")
    assert str(path) in caught.value.what and "Free some space" in caught.value.todo
    assert not files.is_locked(path)


def test_a_full_disk_leaves_a_job_in_the_queue_and_forgets_none_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu,cpu2")
    first, second = jobs.submit("sleep", {}), jobs.submit("sleep", {})
    process, children, opened = FakeProcess(), {}, Path.open

    def full(path: Path, *arguments: Any, **options: Any) -> Any:
        if path == queue.folder(second.id) / "log.txt":
            raise FULL
        return opened(path, *arguments, **options)

    monkeypatch.setattr(workers, "_start_detached", lambda *_: process)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(store.DatabaseUnavailable, match="No space left"):
        workers._start_waiting(queue.open_jobs(), children)
    assert children == {first.id: process}
    assert (jobs.get(first.id).status, jobs.get(second.id).status) == ("running", "queued")
    assert not files.is_locked(queue.lock_file(second.id)) and free_of("cpu2")


# --- uploads -----------------------------------------------------------------------------------------------------------------------------


def test_a_worker_removes_uploads_that_no_job_is_to_project(workspace: Path, work_through: Callable[..., None]) -> None:
    then = time.time() - 3600
    for name in ("waits", "ended"):
        origin = projections.Origin(name, "dcgan-64", "Mrs Smith.jpg", None, None, None, None, store.now())
        files.write_json(projections.folder(name) / projections.ORIGIN, to_dict(origin))
        files.write_bytes(projections.folder(name) / projections.GIVEN, b"a picture")
        os.utime(projections.folder(name) / projections.GIVEN, (then, then))
    jobs.submit("project", {"name": "waits", "reference": "dcgan-64"})
    seen: list[list[str]] = []
    work_through(lambda: seen.append([path.name for path in projections.home().iterdir()]))
    assert seen == [["waits"]]


# --- backups -----------------------------------------------------------------------------------------------------------------------------


def make_older(hours: float) -> None:
    """Let the newest copy of the database have been made that long ago."""
    then = time.time() - hours * 3600
    os.utime(copies()[-1], (then, then))


def copies() -> list[Path]:
    return sorted(backups_folder().glob("gan_aug-*.db"))


def test_a_worker_that_lives_for_days_makes_a_copy_a_day(work_through: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.submit("sleep", {})
    clock, seen = [1000.0], []
    monkeypatch.setattr(upkeep.time, "monotonic", lambda: clock[0])

    def a_day_passes() -> None:
        seen.append(len(copies()))
        make_older(25)
        clock[0] += 25 * 3600

    work_through(*[a_day_passes] * 4)
    assert seen == [1, 2, 3, 4]


def test_a_copy_that_fails_is_told_in_the_log_of_the_worker(
    workspace: Path, work_through: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.submit("sleep", {})
    (workspace / "backups").write_text("in the way")
    work_through(nothing, nothing, nothing)
    assert capsys.readouterr().out.count("No backup was made: The database") == 1


def test_whoever_calls_looks_at_the_copies_once_an_hour(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks, copy = [1000.0], [], store.backup_daily
    monkeypatch.setattr(upkeep.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(store, "backup_daily", lambda: looks.append(1) or copy())
    assert jobs.backup_if_due() is None
    assert list(workspace.iterdir()) == [], "there is nothing to copy yet, and a visitor leaves nothing behind"
    store.add_note("run", "text")
    threads = [threading.Thread(target=jobs.backup_if_due) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == len(copies()) == 1
    make_older(25)
    clock[0] += 3599
    assert jobs.backup_if_due() is None and len(copies()) == 1
    clock[0] += 2
    assert jobs.backup_if_due() is None and len(copies()) == 2
    assert len(looks) == 2


def test_a_copy_that_another_process_makes_is_left_to_it(workspace: Path) -> None:
    store.add_note("run", "text")
    with files.try_lock(workspace / "jobs" / "backup.lock") as held:
        assert held
        assert jobs.backup_if_due() is None
    assert copies() == []


@pytest.mark.parametrize("error", [FULL, sqlite3.OperationalError("unable to open database file"), UserError("It is full.", "Make room.")])
def test_a_copy_that_cannot_be_made_is_told_and_breaks_nothing(error: Exception, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    store.add_note("run", "text")
    monkeypatch.setattr(store, "backup_daily", fail)
    problem = jobs.backup_if_due()
    assert any(words in problem for words in ("No space left", "unable to open", "It is full. Make room."))
    assert jobs.backup_if_due() is None, "it is tried again in an hour"


def test_where_settings_are_impossible_there_is_no_copy_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "nonsense")
    assert jobs.backup_if_due() is None


def test_processes_are_told_where_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {}
    monkeypatch.setattr(workers.subprocess, "Popen", lambda command, **options: told.update(options, command=command))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GAN_AUG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GAN_AUG_HOME", "here")
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", "there")
    monkeypatch.setenv("GAN_AUG_DATABASE_URL", "sqlite:///team.db")
    monkeypatch.setenv("GAN_AUG_JOB_SLOT", "cpu")
    workers._start_detached(["run-job", "1"], {"GAN_AUG_JOB_LOCKS": "7"}, None, (7,))
    found = {name: value for name, value in told["env"].items() if name.startswith("GAN_AUG_")}
    assert found | {"GAN_AUG_SLOTS": "cpu"} == {
        "GAN_AUG_HOME": str(tmp_path / "here"),
        "GAN_AUG_CHECKPOINTS": str(tmp_path / "there"),
        "GAN_AUG_DATABASE_URL": f"sqlite:///{tmp_path}/team.db",
        "GAN_AUG_JOB_LOCKS": "7",
        "GAN_AUG_SLOTS": "cpu",
    }
    assert told["env"]["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    assert told["command"][1:] == ["-P", "-m", "gan_aug", "run-job", "1"]
    assert (told["start_new_session"], told["stdin"], told["pass_fds"]) == (True, subprocess.DEVNULL, (7,))


class FakeProcess:
    pid = 1

    def poll(self) -> int:
        return 0


def test_a_worker_that_cannot_write_its_log_says_so(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.enqueue("sleep", {}, "test")
    monkeypatch.delenv("GAN_AUG_AUTOSTART")
    monkeypatch.setattr(workers, "_start_detached", lambda *_: pytest.fail("no worker is started without a log"))
    (workspace / "jobs").mkdir()
    (workspace / "jobs" / "worker.log").mkdir()
    with pytest.raises(store.DatabaseUnavailable) as caught:
        jobs.ensure_worker()
    assert str(workspace / "jobs") in caught.value.what and caught.value.todo


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_an_impossible_time_of_grace_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAN_AUG_CANCEL_GRACE", text)
    with pytest.raises(InvalidValue, match="GAN_AUG_CANCEL_GRACE"):
        workers.cancel_grace()


def test_importing_jobs_and_the_store_is_light() -> None:
    program = "import sys\nfrom gan_aug import jobs, store, doctor\nprint({'torch', 'sklearn', 'streamlit', 'alembic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "set()\n"


# --- doctor ------------------------------------------------------------------------------------------------------------------------------


def findings() -> dict[str, doctor.Check]:
    return {check.name: check for check in doctor.doctor()}


def test_a_healthy_workspace_has_nothing_to_mend(workspace: Path) -> None:
    found = findings()
    assert {name: check.finding for name, check in found.items() if check.state == "fail"} == {}
    assert found["database"].state == found["queue"].state == found["leftovers"].state == "ok"
    assert str(workspace / "gan_aug.db") in found["database"].finding


def test_every_complaint_says_what_to_do(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost, _ = jobs.submit("sleep", {}), jobs.submit("sleep", {})
    queue.claim(lost.id)
    old = workspace / "datasets" / ".import.x.tmp"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    (workspace / "datasets" / ".now.tmp").write_text("being written")
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: {"torch": "2.5.1+cu121"}.get(name, "99.0"))
    monkeypatch.setattr(doctor, "filesystem_type", lambda path: "nfs4")
    found = findings()
    assert found["torch"].state == "fail"
    assert "1 jobs wait" in found["queue"].finding
    assert lost.id in found["lost jobs"].finding
    assert found["leftovers"].finding.startswith("1 temporary files")
    assert found["file system"].state == "warn"
    assert all(check.todo for check in found.values() if check.state != "ok")


def test_a_damaged_database_is_a_finding(workspace: Path) -> None:
    (workspace / "gan_aug.db").write_bytes(b"no database " * 1000)
    assert findings()["database"].state == "fail"


def test_a_job_that_lives_but_is_silent_is_named(workspace: Path) -> None:
    job = jobs.submit("sleep", {})
    lock = slots.take_lock(queue.lock_file(job.id), "test")
    queue.claim(job.id)
    assert "silent jobs" not in findings()
    queue._change(job.id, ("running",), heartbeat="2026-01-01T00:00:00.000000+00:00")
    assert job.id in findings()["silent jobs"].finding
    slots.release_lock(lock)


def test_a_folder_that_cannot_be_written_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(tmp_path / "file" / "checkpoints"))
    assert findings()["checkpoints"].state == "fail"


def test_arguments_survive_the_way_through_the_database() -> None:
    given = {"gan": "dcgan", "data": "d", "settings": {"augment": ["translation"], "g_lr": 1e-4}, "class_name": "malignant"}
    job = jobs.submit("train_gan", given)
    parsed = kinds.parse_arguments(job.kind, json.loads(json.dumps(job.arguments)))
    assert (parsed.settings, parsed.class_name, parsed.preset) == (given["settings"], "malignant", "small-data")
    with pytest.raises(UnknownKey):
        kinds.parse_arguments("train_gan", {**job.arguments, "batch": 4})
