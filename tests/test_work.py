"""What each kind of job does, from submission to result, in this process and with tiny sizes."""

import csv
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug import files, images, jobs, runs, store, study, work, workspace
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import list_splits, load_split
from gan_aug.records import ClassifierConfig, Job


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, phantom_source: Path) -> Iterator[Path]:
    """One workspace for this file, with the phantom dataset, because its tests build on one trained GAN."""
    root = tmp_path_factory.mktemp("work")
    shutil.copytree(phantom_source / "datasets", root / "home" / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_HOME", str(root / "home"))
        patch.setenv("GAN_AUG_CHECKPOINTS", str(root / "checkpoints"))
        patch.setenv("GAN_AUG_SLOTS", "cpu")
        patch.setenv("GAN_AUG_AUTOSTART", "0")
        yield root / "home"


def do(kind: str, **arguments: Any) -> Job:
    return jobs.run_job(jobs.submit(kind, arguments).id)


def done(kind: str, **arguments: Any) -> dict[str, Any]:
    job = do(kind, **arguments)
    assert job.status == "done", job.error
    return job.result


@pytest.fixture(scope="module")
def run_id(home: Path) -> str:
    """A GAN that was trained for a moment on the malignant phantoms."""
    small = {"width": 8, "z_dim": 16, "batch_size": 8, "total_kimg": 0.16, "tick_kimg": 0.04, "snapshot_kimg": 0.08}
    result = done("train_gan", gan="dcgan", data="phantom", class_name="malignant", settings=small)
    assert runs.status(result["run_id"]).state == "finished"
    return result["run_id"]


def test_the_demo_is_drawn_and_split(home: Path) -> None:
    result = done("demo", name="small", images=60, size=64)
    assert open_dataset("small").record.n_images == result["images"] == 60
    assert load_split("small").id == result["split"]


def test_a_folder_of_photographs_is_imported_and_split(home: Path, tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / ("benign" if number % 2 else "malignant") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (70, 80, 3), np.uint8)).save(path)
    result = done("import", paths=[str(tmp_path)], name="photos", size=64)
    assert result["images"] == open_dataset("photos").record.n_images == 24
    assert result["split"] == load_split("photos").id
    assert do("import", paths=[str(tmp_path / "nothing")], name="other").status == "failed"


def test_an_import_that_is_stopped_leaves_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benign").mkdir()
    Image.new("RGB", (70, 70)).save(tmp_path / "benign" / "a.png")
    cancel_when_asked(monkeypatch, 1)
    job = do("import", paths=[str(tmp_path)], name="stopped", size=64)
    assert (job.status, job.error) == ("cancelled", None)
    assert not (home / "datasets" / "stopped").exists()


def cancel_when_asked(monkeypatch: pytest.MonkeyPatch, time: int) -> None:
    """Let the running job be cancelled just before it asks for the ``time``-th time whether it should stop."""
    asked = Counter()
    original = jobs.Progress.should_stop

    def should_stop(progress: jobs.Progress) -> bool:
        asked[progress.job.id] += 1
        if asked[progress.job.id] == time:
            jobs.cancel(progress.job.id)
            progress._last_look = float("-inf")
        return original(progress)

    monkeypatch.setattr(jobs.Progress, "should_stop", should_stop)


def test_another_split_is_made_once(home: Path) -> None:
    done("demo", name="again", images=60, size=64)
    first = done("split", name="again", seed=3, val=0.2)
    assert done("split", name="again", seed=3, val=0.2) == first
    assert len(list_splits("again")) == 2


def test_a_stopped_training_goes_on_in_the_same_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"width": 8, "z_dim": 16, "batch_size": 8, "total_kimg": 0.12, "tick_kimg": 0.04, "snapshot_kimg": 0.04}
    before = {run.id for run in runs.list_runs()}
    with monkeypatch.context() as patch:
        cancel_when_asked(patch, 4)
        stopped = do("train_gan", gan="sngan", data="phantom", settings=small)
    assert stopped.status == "cancelled"
    assert runs.list_checkpoints(stopped.result["run_id"])[-1].step == 4
    finished = jobs.run_job(jobs.resume(stopped.id).id)
    assert (finished.status, finished.result["run_id"]) == ("done", stopped.result["run_id"])
    assert len({run.id for run in runs.list_runs()} - before) == 1
    assert done("train_gan", run_id=stopped.result["run_id"])["checkpoint"] == finished.result["checkpoint"]


def test_a_generator_is_exported(run_id: str) -> None:
    assert Path(done("export", checkpoint=run_id)["file"]).stat().st_size > 1000


def test_images_are_painted_into_the_exports(home: Path, run_id: str) -> None:
    manifest = Path(done("sample", reference=run_id, name="first", seeds="3,5-6")["manifest"])
    assert manifest.parent == home / "exports" / "first"
    with manifest.open() as stream:
        assert [row["seed"] for row in csv.DictReader(stream)] == ["3", "5", "6"]
    assert len(list(manifest.parent.glob("*.png"))) == 3


def test_a_generator_is_measured_and_its_best_snapshot_chosen(run_id: str) -> None:
    result = done("evaluate", reference=run_id, data="phantom", extractor="random-conv", n=8)
    assert {"kid"} <= {record["metric"] for record in result["metrics"]}
    chosen = done("select_best", run_id=run_id, data="phantom", extractor="random-conv")
    assert runs.resolve(f"{run_id}@best")[1].id == chosen["checkpoint"]


def test_a_batch_to_curate_holds_the_pictures_of_its_seeds(home: Path, run_id: str) -> None:
    assert done("review_batch", name="look", reference=run_id, n=5, first_seed=10)["cases"] == 5
    cases = store.cases("look")
    assert [case.synthetic.seed for case in cases] == [10, 11, 12, 13, 14]
    for case in cases:
        assert files.sha256_file(case.path) == case.sha256
        assert images.read_provenance(case.path)["seed"] == case.synthetic.seed
    again = do("review_batch", name="look", reference=run_id, n=5)
    assert again.status == "failed"
    assert "already is a batch" in again.message
    assert [case.path.exists() for case in cases] == [True] * 5, "the batch that is there is left alone"


def test_a_batch_whose_painting_is_stopped_can_be_painted_anew(home: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        cancel_when_asked(patch, 1)
        stopped = do("review_batch", name="anew", reference=run_id, n=3)
    assert stopped.status == "cancelled"
    assert not (home / "reviews" / "anew").exists()
    (home / "reviews" / "anew").mkdir(parents=True)  # what a kill between the pictures and the database leaves
    assert "folder" in do("review_batch", name="anew", reference=run_id, n=3).message, "another job's folder is left alone"
    assert jobs.run_job(jobs.resume(stopped.id).id).status == "done"
    assert store.batch("anew").n_cases == 3


def test_a_blind_batch_tells_nothing(home: Path, run_id: str) -> None:
    done("review_batch", name="blind", reference=run_id, n=20, mode="blind", data="phantom")
    cases = store.cases("blind")
    originals = [case for case in cases if case.repeat_of is None]
    painted = [case for case in originals if case.synthetic]
    real = [case for case in originals if case.real]
    assert (len(painted), len(originals)) == (20, len(painted) + len(real))
    assert 10 <= len(real) <= 38, "the share of real images is not known beforehand"
    assert len(cases) - len(originals) == round(len(originals) * 0.1)

    image_set = open_dataset("phantom")
    rows = {image_id: row for row, image_id in enumerate(image_set.table["image_id"])}
    parts = load_split("phantom", runs.load_run(run_id).split_id).parts
    for case in real:
        row = rows[case.real["image_id"]]
        assert (parts[row], image_set.table["label"][row]) == ("train", "malignant")
        assert (np.asarray(Image.open(case.path)) == image_set.at(64)[row]).all()

    by_image = {case.image: case for case in cases}
    for case in cases:
        if case.repeat_of:
            twin = by_image[case.repeat_of]
            assert (case.sha256, case.synthetic, case.real) == (twin.sha256, twin.synthetic, twin.real)
            assert cases.index(case) >= len(cases) // 2 - 2
    look = Counter((Image.open(case.path).format, Image.open(case.path).size, tuple(Image.open(case.path).info)) for case in cases)
    assert list(look) == [("PNG", (64, 64), ())]
    kinds_in_order = [case.synthetic is None for case in cases]
    assert kinds_in_order != sorted(kinds_in_order)
    assert kinds_in_order != sorted(kinds_in_order, reverse=True)


def test_a_blind_batch_with_too_few_real_images_is_refused_before_it_is_stored(home: Path, run_id: str) -> None:
    job = do("review_batch", name="huge", reference=run_id, n=600, mode="blind", data="phantom")
    assert job.status == "failed"
    assert "training images of class malignant" in job.message
    assert not (home / "reviews" / "huge").exists()


def test_the_index_counts_the_runs(run_id: str) -> None:
    assert done("reindex")["runs"] == len(runs.list_runs()) == len(store.indexed_runs())


TINY = {"resolution": 64, "batch_size": 4, "steps": 2, "evaluate_every": 2}


def test_a_classifier_is_trained(home: Path) -> None:
    result = done("classify", data="phantom", scheme="none", config=TINY)
    assert runs.load_run(result["run_id"]).kind == "classifier"
    assert runs.status(result["run_id"]).state == "finished"


def test_a_study_is_stopped_between_its_classifiers_and_resumed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study.plan("first", "phantom", ["none", "standard"], [0], ClassifierConfig(**TINY))
    with monkeypatch.context() as patch:
        patch.setattr(study, "analyse", lambda name: pytest.fail("a stopped study is not analysed"))
        cancel_when_asked(patch, 1)
        stopped = do("study", name="first")
    assert (stopped.status, stopped.error) == ("cancelled", None)
    assert "done" not in [cell.state for cell in study.cells("first")]
    finished = jobs.run_job(jobs.resume(stopped.id).id)
    assert finished.status == "done", finished.error
    assert [cell.state for cell in study.cells("first")] == ["done", "done"]
    assert Path(finished.result["report"]).stat().st_size > 10_000
    written = {cell.run_id for cell in study.cells("first")}
    done("study", name="first")
    assert {cell.run_id for cell in study.cells("first")} == written, "nothing is trained twice"


def test_every_job_here_left_its_slot(home: Path) -> None:
    assert not files.is_locked(workspace.home() / "slots" / "cpu.lock")
    assert not files.is_locked(workspace.home() / "slots" / "short.lock")
    assert set(work.WORK) == set(jobs.KINDS)
