"""What each kind of job does, from submission to result, in this process and with tiny sizes."""

import contextlib
import csv
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made_up import make_run
from PIL import Image

from gan_aug import files, images, jobs, reviews, runs, store, study, work, workspace
from gan_aug.batches import facts, making
from gan_aug.checkpoint import load_snapshot
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import list_splits, load_split
from gan_aug.jobs import run
from gan_aug.metrics.extractors import open_extractor
from gan_aug.records import ClassifierConfig, Job
from gan_aug.train_gan.state import build_training


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


def test_a_split_is_taken_over_from_a_run(home: Path) -> None:
    done("demo", name="theirs", images=60, size=64)
    make_run("donor", "dcgan", "theirs")
    done("demo", name="mine", images=60, size=64)  # the same pictures
    result = done("split", name="mine", like="donor")
    assert load_split("mine", result["split"]).parts == load_split("theirs").parts


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


def test_a_generator_is_audited(run_id: str) -> None:
    result = done("audit", reference=run_id, data="phantom", n=20)
    assert result["checkpoint"].startswith(run_id)
    assert Path(result["sheet"]).exists()
    assert result["verdict"] == study.history.last_audit(result["checkpoint"])["verdict"]


def test_a_generator_is_exported(run_id: str) -> None:
    assert Path(done("export", checkpoint=run_id)["file"]).stat().st_size > 1000


def test_images_are_generated_into_the_exports(home: Path, run_id: str) -> None:
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


def test_a_batch_whose_generating_is_stopped_can_be_generated_anew(home: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        cancel_when_asked(patch, 1)
        stopped = do("review_batch", name="anew", reference=run_id, n=3)
    assert stopped.status == "cancelled"
    assert not (home / "reviews" / "anew").exists()
    (home / "reviews" / "anew").mkdir(parents=True)  # what a kill between the pictures and the database leaves
    assert "folder" in do("review_batch", name="anew", reference=run_id, n=3).message, "another job's folder is left alone"
    assert jobs.run_job(jobs.resume(stopped.id).id).status == "done"
    assert store.batch("anew").n_cases == 3


@pytest.fixture(scope="module")
def blind(home: Path, run_id: str) -> list[store.ReviewCase]:
    """A blind batch of 40 pictures and 4 repeats."""
    assert done("review_batch", name="blind", reference=run_id, n=40, mode="blind", data="phantom", margin=0.15)["cases"] == 44
    return store.cases("blind")


def test_a_blind_batch_mixes_generated_and_real_pictures_of_the_train_part(run_id: str, blind: list[store.ReviewCase]) -> None:
    originals = [case for case in blind if case.repeat_of is None]
    generated = [case for case in originals if case.synthetic]
    real = [case for case in originals if case.real]
    assert len(generated) + len(real) == len(originals) == 40
    assert 14 <= len(generated) <= 26, "the share of generated images is drawn, and not known beforehand"
    assert len(blind) - len(originals) == 4
    image_set = open_dataset("phantom")
    rows = {image_id: row for row, image_id in enumerate(image_set.table["image_id"])}
    parts = load_split("phantom", runs.load_run(run_id).split_id).parts
    for case in real:
        row = rows[case.real["image_id"]]
        assert (parts[row], image_set.table["label"][row]) == ("train", "malignant")
        assert (np.asarray(Image.open(case.path)) == image_set.at(64)[row]).all()
    settings = store.batch("blind").settings
    assert (settings["margin"], settings["data"], settings["part"]) == (0.15, "phantom", "train")
    assert "n" not in settings and "generated" not in settings


def test_a_blind_batch_tells_nothing_but_pixels(home: Path, blind: list[store.ReviewCase]) -> None:
    kinds = [case.synthetic is None for case in blind]
    for case in blind:
        status = case.path.stat()
        assert (status.st_size, status.st_mtime) == (blind[0].path.stat().st_size, blind[0].path.stat().st_mtime)
        with Image.open(case.path) as file:
            assert (file.format, file.size, file.mode, file.info) == ("PNG", (64, 64), "RGB", {})
        chunks = []  # name and length of each part of the file: one writer, one layout
        content, place = case.path.read_bytes(), 8
        while place < len(content):
            length = int.from_bytes(content[place : place + 4])
            chunks.append((content[place + 4 : place + 8], length))
            place += 12 + length
        assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
        assert len(case.path.stem) == 16 and set(case.path.stem) <= set("0123456789abcdef")
        assert case.image == case.path.stem and case.facts is None
    assert [case.image for case in blind] == sorted(case.image for case in blind), "stored in the order of names that say nothing"
    assert kinds != sorted(kinds) and kinds != sorted(kinds, reverse=True)
    # Nothing that a reader knows (batch, run, seed, data) leads to a name: the same order again gives other names.
    run = blind[[bool(case.synthetic) for case in blind].index(True)].synthetic.checkpoint
    done("review_batch", name="blind-2", reference=run, n=40, mode="blind", data="phantom")
    assert {case.image for case in store.cases("blind-2")}.isdisjoint(case.image for case in blind)


def test_the_making_of_a_blind_batch_does_not_tell_how_many_are_generated(
    home: Path, run_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither do the steps and the log, nor how much is generated, which takes the time."""
    monkeypatch.setattr(making, "_BLOCK", 4)
    monkeypatch.setattr(run, "BEAT_SECONDS", 0.0)
    sample, calls, shown, told = making.sample.sample, [], [], []
    monkeypatch.setattr(making.sample, "sample", lambda *arguments: calls[-1].append(len(arguments[1])) or sample(*arguments))
    for secret in ("a", "b", "c"):
        monkeypatch.setattr(making, "secrets", SimpleNamespace(token_hex=lambda _, secret=secret: secret, randbits=lambda _: 1))
        calls.append([])
        done("review_batch", name=f"secret-{secret}", reference=run_id, n=40, mode="blind", data="phantom")
        told.append([line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines() if "attempt" not in line])
        cases = [case for case in store.cases(f"secret-{secret}") if case.repeat_of is None]
        assert len(cases) == 40
        shown.append(sum(case.synthetic is not None for case in cases))
        assert {case.synthetic.seed for case in cases if case.synthetic} == set(range(shown[-1]))
    assert len(set(shown)) == 3, "they differ"
    assert told[0] == told[1] == told[2] and len(told[0]) > 5
    assert calls[0] == calls[1] == calls[2]


def test_each_reader_of_a_blind_batch_has_an_order_of_their_own(blind: list[store.ReviewCase]) -> None:
    batch = store.batch("blind")
    orders = {reader: [case.image for case in reviews.reading_order(batch, reader)] for reader in ("ana", "ben")}
    assert orders["ana"] != orders["ben"]
    assert orders["ana"] == [case.image for case in reviews.reading_order(batch, "ana")]
    twins = {case.image: case.repeat_of for case in blind if case.repeat_of}
    by_image = {case.image: case for case in blind}
    for images_in_order in orders.values():
        assert sorted(images_in_order) == sorted(by_image)
        for image, twin in twins.items():
            assert images_in_order.index(image) - images_in_order.index(twin) > 8, "a fifth of the pictures lies between"
            same = (by_image[image].sha256, by_image[image].synthetic, by_image[image].real)
            assert same == (by_image[twin].sha256, by_image[twin].synthetic, by_image[twin].real)
        kinds = [by_image[image].synthetic is None for image in images_in_order]
        changes = sum(a != b for a, b in itertools.pairwise(kinds))
        assert changes >= 10, "generated and real pictures are mixed"


def test_pictures_to_curate_are_measured_once_through_the_extractor_that_was_named(home: Path, run_id: str) -> None:
    done("review_batch", name="measured", reference=run_id, n=6, extractor="random-conv")
    found = [case.facts for case in store.cases("measured")]
    run, checkpoint = runs.resolve(run_id)
    image_set, split = open_dataset("phantom"), load_split("phantom", run.split_id)
    pictures = np.stack([np.asarray(Image.open(case.path)) for case in store.cases("measured")])
    rows = [row for row in split.rows("train") if image_set.table["label"][row] == "malignant"]
    see = open_extractor("random-conv")
    training, own = see(image_set.at(64)[rows]), see(pictures)
    for number, picture in enumerate(pictures):
        turns = [np.rot90(flipped, turn) for flipped in (picture, picture[:, ::-1]) for turn in range(4)]
        seen = see(np.ascontiguousarray(turns))
        nearest = min(np.linalg.norm(training - feature, axis=1).min() for feature in seen)
        others = np.delete(own, number, axis=0)
        apart = min(np.linalg.norm(others - feature, axis=1).min() for feature in seen)
        assert found[number]["nearest_real"] == pytest.approx(nearest, rel=1e-4)
        assert found[number]["uniqueness"] == pytest.approx(apart, rel=1e-4)
    state = build_training(run, torch.device("cpu"))
    state.D.load_state_dict(load_snapshot(checkpoint).weights["D"])
    logits = state.D.eval()(torch.from_numpy(images.to_float(pictures)).permute(0, 3, 1, 2)).detach().numpy().ravel()
    np.testing.assert_allclose([fact["d_score"] for fact in found], logits, rtol=1e-4, atol=1e-5)
    settings = store.batch("measured").settings
    assert settings["extractor"] == see.name and settings["extractor_sha256"] == see.weights_sha256
    assert settings["nearest_unknown"] is None
    done("review_batch", name="unmeasured", reference=run_id, n=2)
    assert {key for case in store.cases("unmeasured") for key, value in case.facts.items() if value is not None} <= {"d_score", "alike"}


def test_pictures_of_a_run_that_was_passed_on_are_compared_with_each_other_alone(home: Path, run_id: str) -> None:
    datasets = home / "datasets" / "phantom"
    elsewhere = datasets.rename(home / "elsewhere")
    try:
        done("review_batch", name="passed-on", reference=run_id, n=4, extractor="random-conv")
    finally:
        elsewhere.rename(datasets)
    for case in store.cases("passed-on"):
        assert case.facts["nearest_real"] is None and case.facts["uniqueness"] > 0
    assert "phantom" in store.batch("passed-on").settings["nearest_unknown"]


def test_near_duplicates_of_a_batch_are_found(home: Path) -> None:
    pictures = np.array(open_dataset("phantom").at(64)[[0, 40, 80, 120]])
    pictures = np.concatenate([pictures, pictures[1:2, ::-1], pictures[1:2].transpose(0, 2, 1, 3)])  # the second again, turned
    assert facts._groups(pictures) == {1: 1, 4: 1, 5: 1}


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


@pytest.mark.usefixtures("small_network")
def test_a_classifier_that_another_process_trains_is_left_to_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study.plan("shared", "phantom", ["none", "standard"], [0, 1], ClassifierConfig(**TINY))
    cells, looks = study.cells("shared"), []
    with contextlib.ExitStack() as other:  # what another process holds
        other.enter_context(files.hold(cells[1].folder / "cell.lock", "One cell is being run"))

        def look_again(seconds: float) -> None:
            looks.append([cell.state for cell in study.cells("shared")])
            other.close()
            if len(looks) == 1:  # the other process gave up, and a third one is just reading the test part
                other.enter_context(files.hold(study.study_folder("shared") / "final.lock", "The test part is being read"))

        monkeypatch.setattr(work, "time", SimpleNamespace(sleep=look_again))
        result = done("study", name="shared")
    assert looks == [["trained", "new", "trained", "trained"], ["trained"] * 4]
    assert {cell.state for cell in study.cells("shared")} == {"done"} and Path(result["report"]).exists()
    assert [access["count"] for access in study.test_accesses("shared")] == [1]


@pytest.mark.usefixtures("small_network")
def test_a_split_whose_gan_another_process_trains_is_left_to_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"width": 4, "z_dim": 8, "batch_size": 4, "total_kimg": 0.008}
    schemes, config = ("standard", "standard+synthetic:train(dcgan)@1.0"), ClassifierConfig(**TINY)
    sweep = study.plan_sweep("shared", "phantom", schemes, [0], config, fractions=(0.5, 1.0), gan_settings=quick)
    looks = []
    with contextlib.ExitStack() as other:
        other.enter_context(study.hold_point(sweep, sweep.points[0]))

        def look_again(seconds: float) -> None:
            looks.append([len(study.trained_for(sweep, point)) for point in sweep.points])
            other.close()

        monkeypatch.setattr(work, "time", SimpleNamespace(sleep=look_again))
        done("sweep", name="shared")
    assert looks == [[0, 1]]
    assert [row.point for row in study.load_sweep_result(sweep).rows] == [point.label for point in sweep.points]


def test_every_job_here_left_its_slot(home: Path) -> None:
    assert not files.is_locked(workspace.home() / "slots" / "cpu.lock")
    assert not files.is_locked(workspace.home() / "slots" / "short.lock")
    assert set(work.WORK) == set(jobs.KINDS)
