"""Studies: plans that cannot leak, cells that can be stopped, one door to the test part, and what the predictions say."""

import dataclasses
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_images import arrays, save_dataset

from gan_aug import checkpoint, classifier, files, images, runs, sample, stats, study, train_classifier, workspace
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import load_split
from gan_aug.errors import Busy, CorruptFile, InvalidValue, LeakError, NotFound, UserError
from gan_aug.records import ClassifierConfig, GanConfig, Prediction, Run, SeenImage, SyntheticImage, to_dict
from gan_aug.report.tables import analysis_of
from gan_aug.schemes import parse_scheme
from gan_aug.study import history, unequal, words
from gan_aug.study.measure import measure_part
from gan_aug.study.results import Comparison
from gan_aug.train_classifier import loop

TINY = ClassifierConfig(resolution=32, batch_size=8, steps=4, evaluate_every=2, warmup=0.0)


# --- made-up generators ------------------------------------------------------------------------------------------------------------------


def make_gan(
    name: str, seen: list[SeenImage], spec: str = "dcgan", class_name: str | None = "malignant", data: str = "phantom", split: str = "other"
) -> str:
    """A GAN's run folder with one snapshot at 1.5 thousand images; returns the run id."""
    run = Run(
        id=name,
        kind="gan",
        spec=spec,
        config=to_dict(GanConfig()),
        dataset=data,
        dataset_fingerprint="0" * 64,
        split_id=split[:12],
        split_fingerprint=split,
        classes=("benign", "malignant"),
        class_name=class_name,
        n_images=len(seen),
        seed=0,
        code_version="test",
        device="cpu",
        created=runs.now(),
    )
    runs.create_run(run, seen)
    snapshot = checkpoint.Snapshot(94, 1.5, {"G": {"w": torch.zeros(1)}}, {}, "G", {})
    checkpoint.save_snapshot(run, snapshot)
    return name


def save_curated(*checkpoints: str, seed: int = 0) -> None:
    """A curated set ``good`` with a picture of each snapshot, as its first version."""
    lines = [
        {"image": to_dict(SyntheticImage(name, seed, "malignant")), "file": f"reviews/{number}.png", "sha256": f"{seed + number:064x}"}
        for number, name in enumerate(checkpoints)
    ]
    files.write_json(workspace.home() / "curated" / "good" / "v1.json", {"images": lines})


def seen_in(part: str, data: str = "phantom") -> list[SeenImage]:
    image_set, split = open_dataset(data), load_split(data)
    return training_list.training_list(image_set, split, np.array(split.rows(part)))


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Lets made-up generators give plain pictures; returns the calls."""
    calls = []

    def generate(reference: str, seeds: list[int], class_name: str | None = None, truncation: float = 1.0) -> tuple[np.ndarray, list]:
        calls.append((reference, seeds, class_name))
        return np.stack([np.full((64, 64, 3), seed % 251, np.uint8) for seed in seeds]), []

    monkeypatch.setattr(sample, "sample", generate)
    return calls


def plan(schemes: tuple[str, ...] = ("none", "standard"), name: str = "s", seeds: tuple[int, ...] = (0,), **options):
    return study.plan(name, "phantom", schemes, seeds, options.pop("config", TINY), **options)


# --- plans -------------------------------------------------------------------------------------------------------------------------------


def test_a_plan_is_settled_and_read_back(phantom: str) -> None:
    planned = plan(seeds=(0, 5))
    settled = study.load_plan("s")
    assert settled.study == planned == study.load_study("s")
    assert study.list_studies() == [planned]
    assert planned.base == "standard" and planned.positive == "malignant"
    split = load_split("phantom")
    assert {part: sum(counts.values()) for part, counts in settled.sizes.items()} == {
        part: len(split.rows(part)) for part in ("train", "val", "test")
    }
    assert settled.arm("none").real == settled.sizes["train"] and sum(settled.arm("none").synthetic.values()) == 0
    assert settled.starts_from == "random numbers: trained from scratch"
    assert [(cell.scheme, cell.seed, cell.state) for cell in study.cells(planned)] == [
        ("none", 0, "new"),
        ("none", 5, "new"),
        ("standard", 0, "new"),
        ("standard", 5, "new"),
    ]


def test_the_same_plan_continues_and_another_is_refused(phantom: str) -> None:
    first = plan()
    assert plan() == first
    assert plan(name="two", seeds=(5, 0)) == plan(name="two", seeds=(0, 5))
    with pytest.raises(InvalidValue) as error:
        plan(seeds=(0, 1), config=dataclasses.replace(TINY, steps=5))
    assert error.value.what.endswith("with another plan: seeds is [0], not [0, 1]; steps is 4, not 5.")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"schemes": ("none", "none")}, "each of them once"),
        ({"schemes": ()}, "needs schemes"),
        ({"schemes": ("none", "sparkle")}, "sparkle"),
        ({"schemes": ("standard+oversample", "oversample+standard")}, "mean the same"),
        ({"schemes": ("synthetic:nobody@1.0",)}, "nobody"),
        ({"schemes": ("curated:nothing",)}, "nothing"),
        ({"seeds": ()}, "needs seeds"),
        ({"seeds": (1, 1)}, "each of them once"),
        ({"seeds": (10**9,)}, "999,999,999"),
        ({"base": "weighted"}, "not one of the study's schemes"),
        ({"positive": "spotted"}, "no class 'spotted'"),
        ({"external": "elsewhere"}, "elsewhere"),
        ({"external": "phantom"}, "phantom"),
        ({"name": "../x"}, "cannot be a study name"),
        ({"config": dataclasses.replace(TINY, backbone="resnet50")}, "resnet50"),
        ({"config": dataclasses.replace(TINY, resolution=128)}, "64 px"),
        ({"config": dataclasses.replace(TINY, weights="absent.pth")}, "absent.pth"),
    ],
)
def test_plans_that_cannot_work_are_refused(phantom: str, options: dict, says: str) -> None:
    with pytest.raises(UserError) as error:
        plan(**options)
    assert says in str(error.value)
    assert not (workspace.studies() / "s").exists()


def test_a_low_data_study_uses_a_thinned_train_part(phantom: str) -> None:
    full = sum(study.load_plan(plan().name).sizes["train"].values())
    planned = plan(name="low", fraction=0.5)
    sizes = study.load_plan("low").sizes
    assert planned.fraction == 0.5
    assert sum(sizes["train"].values()) == pytest.approx(full / 2, abs=8)
    assert sizes["test"] == study.load_plan("s").sizes["test"]
    assert plan(name="full").split_id == study.load_study("s").split_id, "a thinned split is not taken for the dataset's own"
    with pytest.raises(InvalidValue, match="not 0"):
        plan(name="other", fraction=0.25, split_id=planned.split_id)


# --- leaks -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("scheme", ["synthetic:G@1.0", "standard+synthetic:G@best@1.0", "balance:G", "synthetic-only:B&G"])
def test_a_generator_that_has_seen_val_or_test_is_refused_by_name(phantom: str, part: str, scheme: str) -> None:
    leaked = seen_in(part)[:2]
    make_gan("G", seen_in("train") + leaked)
    make_gan("B", seen_in("train"), class_name="benign")
    runs.choose_best("G", 94, "test")
    with pytest.raises(LeakError) as error:
        plan(("none", scheme))
    assert "G" in error.value.what
    assert all(image.image_id in str(error.value) for image in leaked)
    assert not (workspace.studies() / "s").exists()
    with pytest.raises(LeakError):
        train_classifier.prepare("phantom", scheme, TINY)


def test_a_leak_is_seen_under_another_name(phantom: str) -> None:
    """Renamed, re-encoded and from another dataset: the pixels are still the same."""
    other = [dataclasses.replace(seen_in("test")[0], dataset="elsewhere", image_id="renamed", group="renamed", byte_sha256="f" * 64)]
    make_gan("G", other)
    with pytest.raises(LeakError):
        plan(("synthetic:G@1.0",))


def test_a_leak_that_appears_later_is_refused_when_the_cell_starts(phantom: str, generated: list) -> None:
    make_gan("G", seen_in("train"))
    planned = plan(("synthetic:G@1.0",))
    table = pd.read_parquet(runs.run_folder("G") / "training_list.parquet")
    leaked = pd.DataFrame([to_dict(seen_in("test")[0])], columns=table.columns)
    pd.concat([table, leaked]).to_parquet(runs.run_folder("G") / "training_list.parquet", index=False)
    with pytest.raises(LeakError):
        train_classifier.run_cell(planned, "synthetic:G@1.0", 0)
    assert study.cells(planned)[0].state == "new"


def test_initial_weights_that_have_seen_test_are_refused(phantom: str, tmp_path: Path) -> None:
    """By the run's name, and as a file that was copied out of its folder: the bytes give it away."""
    make_classifier("C", seen_in("test"))
    copy = tmp_path / "copy.safetensors"
    shutil.copy(Path(runs.list_checkpoints("C")[0].folder) / "classifier.safetensors", copy)
    for weights in ("C@last", str(copy)):
        with pytest.raises(LeakError, match="C"):
            plan(config=dataclasses.replace(TINY, weights=weights))


def test_initial_weights_of_a_run_whose_record_is_damaged_still_answer_for_what_they_have_seen(phantom: str, tmp_path: Path) -> None:
    make_classifier("C", seen_in("test"))
    copy = tmp_path / "copy.safetensors"
    shutil.copy(Path(runs.list_checkpoints("C")[0].folder) / "classifier.safetensors", copy)
    (runs.run_folder("C") / "run.json").write_text("{")
    with pytest.raises(LeakError, match="C"):
        plan(config=dataclasses.replace(TINY, weights=str(copy)))


def test_a_curated_set_answers_for_the_run_that_generated_it(phantom: str) -> None:
    make_gan("G", seen_in("val"))
    image = SyntheticImage("G@1.5", 3, "malignant")
    line = {"image": to_dict(image), "file": "reviews/a.png", "sha256": "0" * 64}
    files.write_json(workspace.home() / "curated" / "good" / "v1.json", {"images": [line]})
    with pytest.raises(LeakError, match="G"):
        plan(("curated:good",))


def test_a_generator_of_another_split_without_overlap_is_allowed_and_reported(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    plan(("none", "synthetic:G@1.0"))
    settled = study.load_plan("s")
    assert any("G was trained on phantom, split other" in note for note in settled.notes)
    arm = settled.arm("synthetic:G@1.0")
    assert arm.frozen == "synthetic:G@1.5@1"
    assert arm.synthetic == {"benign": 0, "malignant": settled.sizes["train"]["malignant"]}
    assert arm.generators[0].weights_sha256 == runs.list_checkpoints("G")[0].weights_sha256


def test_a_generator_that_has_seen_more_real_images_than_the_study_is_a_caution(phantom: str) -> None:
    """At a quarter of the training images, a GAN of all of them has seen what no classifier there has, and brings it into a curated set."""
    make_gan("G", seen_in("train"))
    save_curated("G@1.5")
    planned = plan(("standard", "standard+synthetic:G@1.0", "curated:good"), name="low", fraction=0.25)
    settled = study.load_plan("low")
    more = len(seen_in("train")) - len(load_split("phantom", planned.split_id).rows("train"))
    assert [arm.seen_outside for arm in settled.arms] == [{}, {"G": more}, {"G": more}] and more > 0
    text = f"G has seen {more} real images outside the train part of this study, which no arm of real images alone was trained on."
    assert [caution.startswith(text) for caution in unequal.cautions(settled)].count(True) == 1
    plan(("standard", "standard+synthetic:G@1.0"))
    assert unequal.cautions(study.load_plan("s")) == ()


def test_generators_that_cannot_serve_are_refused(phantom: str) -> None:
    make_gan("all", seen_in("train"), class_name=None)
    make_gan("moles", seen_in("train"), class_name="moles")
    make_gan("G", seen_in("train"))
    make_gan("both", seen_in("train"), spec="acgan", class_name=None)
    make_classifier("C", seen_in("train"))
    for scheme, says in (
        ("synthetic:all@1.0", "without their labels"),
        ("synthetic:moles@1.0", "'moles'"),
        ("synthetic:C@1.0", "cannot generate"),
        ("synthetic:G&both@1.0", "two runs generate malignant"),
        ("synthetic:G@7@1.0", "no snapshot @7"),
    ):
        with pytest.raises(UserError) as error:
            plan((scheme,))
        assert says in str(error.value)


# --- external test sets ------------------------------------------------------------------------------------------------------------------


def test_external_images_that_were_seen_are_left_out(phantom: str) -> None:
    """The external set is a copy of the study's, whose labels make another fingerprint: everything but the test images was seen."""
    copy_dataset("phantom", "outside")
    split = load_split("phantom")
    plan(external="outside")
    settled = study.load_plan("s")
    kept = set(open_dataset("outside").table["image_id"]) - set(settled.external_left_out)
    test_ids = set(open_dataset("phantom").table["image_id"].iloc[split.rows("test")])
    assert kept == test_ids
    assert sum(settled.sizes["external"].values()) == len(test_ids)
    assert any("left out" in note for note in settled.notes)


def test_a_class_that_an_external_set_lacks_does_not_move_the_others(workspace: Path) -> None:
    """The classifier knows three classes; of the two in the external set the second is its third."""
    save_dataset("outside", arrays(4), classes=("melanoma", "nevus"), label=["melanoma", "nevus", "nevus", "melanoma"])
    classes = ("bcc", "melanoma", "nevus")
    image_set = open_dataset("outside")
    exam = study.make_exam(image_set, "external", [0, 1, 3], ("a", "b", "c", "d"), "nevus", classes, ClassifierConfig(resolution=32))
    sure = np.array([[0.0, 0.9, 0.1], [0.0, 0.2, 0.8], [0.3, 0.7, 0.0]])
    found = exam.predictions("s", "none", 0, sure)
    assert [(line.label, line.score) for line in found] == [(0, 0.1), (1, 0.8), (0, 0.0)]
    assert [(line.image_id, line.group) for line in found] == [(image_set.table["image_id"][row], "abcd"[row]) for row in (0, 1, 3)]


def copy_dataset(source: str, name: str) -> None:
    """A dataset with the same images under another name and fingerprint."""
    folder = workspace.datasets() / name
    shutil.copytree(workspace.datasets() / source, folder, ignore=shutil.ignore_patterns("splits"))
    record = files.read_json(folder / "dataset.json")
    files.write_json(folder / "dataset.json", record | {"name": name, "fingerprint": "e" * 64})


# --- training ----------------------------------------------------------------------------------------------------------------------------


def test_a_stopped_training_ends_with_the_weights_of_an_undisturbed_one(phantom: str) -> None:
    config = dataclasses.replace(TINY, steps=3)
    whole = train_classifier.prepare("phantom", "standard", config, seed=3)
    ended = train_classifier.train(whole.id)
    parts = train_classifier.prepare("phantom", "standard", config, seed=3)
    for _ in range(2):  # stops after steps 1 and 2, the first of them between two evaluations
        train_classifier.train(parts.id, should_stop=lambda: True)
        assert runs.status(parts.id).state == "stopped"
    resumed = train_classifier.train(parts.id)
    assert runs.status(parts.id).state == runs.status(whole.id).state == "finished"
    last = [runs.resolve(f"{run.id}@last")[1] for run in (whole, parts)]
    assert last[0].step == last[1].step == 3
    assert last[0].weights_sha256 == last[1].weights_sha256
    assert (ended.step, ended.weights_sha256) == (resumed.step, resumed.weights_sha256)
    lines = [{line["step"]: line.get("val/auc") for line in runs.read_stats(run.id)[0]} for run in (whole, parts)]
    assert lines[0].items() <= lines[1].items()


@pytest.mark.usefixtures("small_network")
def test_the_best_weights_on_val_are_kept(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aucs = iter([0.6, 0.8, 0.7, 0.8])
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"val/auc": next(aucs), "val/loss": 1.0})
    run = train_classifier.prepare("phantom", "weighted", dataclasses.replace(TINY, steps=4, evaluate_every=1))
    ticks = []
    best = train_classifier.train(run.id, on_tick=ticks.append)
    assert best.step == 2, "the earlier of two equals"
    assert runs.resolve(f"{run.id}@best")[1] == best
    assert [made.step for made in runs.list_checkpoints(run.id)] == [2, 3, 4]
    assert [tick["step"] for tick in ticks] == [1, 2, 3, 4]
    assert ticks[-1]["seconds_left"] == 0 and ticks[0]["total_steps"] == 4


@pytest.mark.usefixtures("small_network")
def test_patience_ends_a_training_early(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aucs = iter([0.6, 0.8, 0.7, 0.7, 0.9])
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"val/auc": next(aucs), "val/loss": 1.0})
    config = dataclasses.replace(TINY, steps=9, evaluate_every=1, patience=2)
    run = train_classifier.prepare("phantom", "none", config)
    assert train_classifier.train(run.id).step == 2
    assert runs.status(run.id).step == 4 and runs.status(run.id).state == "finished"
    assert train_classifier.train(run.id).step == 2, "a finished training is left as it is"


def test_the_learning_rate_rises_and_falls() -> None:
    config = ClassifierConfig(steps=100, warmup=0.1, lr=1e-3)
    rates = [loop.learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4) and rates[9] == rates[10] == pytest.approx(1e-3)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] < 1e-6


def test_generated_images_are_trained_on_and_remembered(phantom: str, generated: list[tuple]) -> None:
    make_gan("G", seen_in("train"))
    run = train_classifier.prepare("phantom", "standard+synthetic:G@0.5", TINY, seed=2)
    assert run.scheme == "standard+synthetic:G@1.5@0.5"
    image_set = open_dataset("phantom")
    first = loop.build_training(run, image_set).data
    again = loop.build_training(run, image_set).data
    n_malignant = int((image_set.labels[load_split("phantom").rows("train")] == 1).sum())
    assert len(generated) == 1, "the second time they come from the cache"
    assert generated[0] == ("G@1.5", list(range(3 * 10**9 + 10**7, 3 * 10**9 + 10**7 + round(n_malignant / 2))), "malignant")
    assert first.synthetic.shape == (round(n_malignant / 2), 32, 32, 3)
    assert np.array_equal(first.synthetic, again.synthetic)
    assert set(first.labels[len(first.rows) :]) == {1}


def test_a_classifier_remembers_what_its_generator_has_seen(phantom: str) -> None:
    elsewhere = SeenImage("elsewhere", "x1", "x1", "a" * 64, "b" * 64, "0123456789abcdef")
    make_gan("G", [*seen_in("train")[:3], elsewhere])
    run = train_classifier.prepare("phantom", "synthetic:G@1.0", TINY)
    seen = training_list.read(runs.run_folder(run.id))
    assert len(seen) == len(seen_in("train")) + 1
    assert elsewhere in seen


def test_images_smaller_than_the_classifier_looks_at_are_refused(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    record = files.read_json(runs.run_folder("G") / "run.json")
    record["config"]["resolution"] = 16
    files.write_json(runs.run_folder("G") / "run.json", record)
    with pytest.raises(InvalidValue, match="16 px"):
        plan(("synthetic:G@1.0",))


def test_a_scheme_that_cannot_be_generated_makes_no_run(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    with pytest.raises(InvalidValue, match="nothing generates benign"):
        train_classifier.prepare("phantom", "synthetic-only:G", TINY)
    assert runs.list_runs("classifier") == []


def test_curated_pictures_are_read_as_they_were_judged(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    path = workspace.home() / "reviews" / "a.png"
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    files.write_bytes(path, images.png_bytes(picture, None))
    line = {"image": to_dict(SyntheticImage("G@1.5", 3, "malignant")), "file": "reviews/a.png", "sha256": files.sha256_file(path)}
    for version in (1, 2):
        files.write_json(workspace.home() / "curated" / "good" / f"v{version}.json", {"images": [line] * version})
    run = train_classifier.prepare("phantom", "curated:good", dataclasses.replace(TINY, resolution=64))
    assert run.scheme == "curated:good@2"
    data = loop.build_training(run, open_dataset("phantom")).data
    assert np.array_equal(data.synthetic, np.stack([picture, picture]))
    files.write_bytes(path, images.png_bytes(255 - picture, None))
    with pytest.raises(CorruptFile, match=r"a\.png"):
        loop.build_training(run, open_dataset("phantom"))


def test_test_is_not_predicted_one_classifier_at_a_time(phantom: str) -> None:
    make_classifier("C", seen_in("train"))
    for part in ("test", "phantom"):
        with pytest.raises(InvalidValue, match="one classifier at a time"):
            train_classifier.predict("C", part)
    found = train_classifier.predict("C", "val")
    split = load_split("phantom")
    assert [prediction.image_id for prediction in found] == open_dataset("phantom").table["image_id"].iloc[split.rows("val")].tolist()
    assert all(0 <= prediction.score <= 1 and prediction.part == "val" for prediction in found)


def make_classifier(name: str, seen: list[SeenImage]) -> str:
    """A classifier's run folder with one snapshot of random weights."""
    gan = runs.load_run(make_gan(f"{name}-gan", seen))
    split = load_split("phantom")
    changes = {"id": name, "kind": "classifier", "spec": TINY.backbone, "config": to_dict(TINY), "class_name": None, "scheme": "none"}
    run = dataclasses.replace(gan, **changes, split_id=split.id, split_fingerprint=split.fingerprint)
    runs.create_run(run, seen)
    weights = {"classifier": classifier.build(TINY, 2).state_dict()}
    checkpoint.save_snapshot(run, checkpoint.Snapshot(4, 0.032, weights, {}, "classifier", {"val/auc": 0.7}))
    return name


# --- a whole study -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(phantom_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace in which the study ``s`` was run: two schemes, two seeds, an external set."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(phantom_source / "datasets", folder / "home" / "datasets")
    with pytest.MonkeyPatch.context() as patch:
        point_to(folder, patch)
        make_phantom("outside", images=60, size=64, seed=5)
        planned = plan(seeds=(0, 1), external="outside", config=dataclasses.replace(TINY, steps=2))
        for cell in study.cells(planned):
            train_classifier.run_cell(planned, cell.scheme, cell.seed)
        study.analyse(planned)
    return folder


@pytest.fixture
def done(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a finished study in a workspace of this test's own."""
    shutil.copytree(finished, tmp_path / "copy", copy_function=link_or_copy)
    point_to(tmp_path / "copy", monkeypatch)
    return "s"


def link_or_copy(source: str, target: str) -> None:
    """Weights are never written in place, so they need no copy."""
    if source.endswith((".safetensors", ".pt")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def point_to(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("GAN_AUG_HOME", str(folder / "home"))
    patch.setenv("GAN_AUG_CHECKPOINTS", str(folder / "checkpoints"))


def test_a_finished_study_has_every_prediction_once(done: str) -> None:
    assert {cell.state for cell in study.cells(done)} == {"done"}
    found = study.predictions(done)
    sizes = study.load_plan(done).sizes
    for part in ("val", "test", "external"):
        here = found[found["part"] == part]
        assert len(here) == 4 * sum(sizes[part].values())
        assert not here.duplicated(["scheme", "seed", "image_id"]).any()
        assert here["label"].sum() == 4 * sizes[part]["malignant"]
    table, split = open_dataset("phantom").table, load_split("phantom")
    assert set(found[found["part"] == "test"]["image_id"]) == set(table["image_id"].iloc[split.rows("test")])
    assert found["score"].between(0, 1).all()


def test_test_was_opened_once_and_logged(done: str) -> None:
    accesses = study.test_accesses(done)
    assert len(accesses) == 1
    assert accesses[0]["plan_sha256"] == study.load_plan(done).sha256
    train_classifier.final_evaluate(done)
    train_classifier.run_cell(done, "none", 0)
    assert len(study.test_accesses(done)) == 1, "what is done is left as it is"


def test_test_is_not_opened_before_all_cells_are_trained(phantom: str) -> None:
    planned = plan(config=dataclasses.replace(TINY, steps=1))
    cell = train_classifier.run_cell(planned, "none", 0)
    assert cell.state == "trained" and set(study.predictions("s")["part"]) == {"val"}
    assert study.test_accesses("s") == []
    with pytest.raises(InvalidValue, match="not trained yet"):
        study.open_test("s")
    with pytest.raises(InvalidValue, match="2 of 2"):
        study.analyse("s")
    with pytest.raises(NotFound):
        study.load_analysis("s")


def test_a_final_reading_that_was_cut_short_is_done_again_and_logged_again(done: str) -> None:
    cell = study.cells(done)[2]
    val = [prediction for prediction in predictions_of(cell) if prediction.part == "val"]
    study.write_cell(cell, cell.run_id, val)
    before = study.predictions(done)
    assert study.cells(done)[2].state == "trained"
    train_classifier.run_cell(done, cell.scheme, cell.seed)
    assert study.cells(done)[2].state == "done"
    assert [access["count"] for access in study.test_accesses(done)] == [1, 2]
    assert len(study.predictions(done)) > len(before)


def predictions_of(cell: study.Cell) -> list[Prediction]:
    return [Prediction(**row) for row in pd.read_parquet(cell.folder / "predictions.parquet").to_dict("records")]


@pytest.mark.usefixtures("small_network")
def test_a_cell_whose_run_was_deleted_is_new_and_trained_again(phantom: str) -> None:
    planned = plan(config=dataclasses.replace(TINY, steps=2))
    stopped = train_classifier.run_cell(planned, "none", 0, should_stop=lambda: True)
    trained = train_classifier.run_cell(planned, "standard", 0)
    assert (stopped.state, trained.state) == ("stopped", "trained")
    for cell in (stopped, trained):
        shutil.rmtree(runs.run_folder(cell.run_id))
        gone = study.find_cell(planned, cell.scheme, 0)
        assert (gone.state, gone.run_id, gone.parts) == ("new", None, ())
        assert gone.message == f"Its run {cell.run_id} was deleted; it is trained anew."
    assert study.predictions("s").empty
    for scheme in planned.schemes:
        train_classifier.run_cell(planned, scheme, 0)
    assert {cell.state for cell in study.cells("s")} == {"done"}
    assert not {cell.run_id for cell in study.cells("s")} & {stopped.run_id, trained.run_id}


def test_a_finished_cell_needs_its_run_no_more_even_if_the_reading_is_done_again(done: str) -> None:
    first, second = study.cells(done)[:2]
    kept = predictions_of(first)
    study.write_cell(second, second.run_id, [prediction for prediction in predictions_of(second) if prediction.part == "val"])
    shutil.rmtree(runs.run_folder(first.run_id))
    assert study.cells(done)[0] == first
    train_classifier.run_cell(done, second.scheme, second.seed)
    assert study.cells(done)[:2] == [first, second] and predictions_of(first) == kept


@pytest.mark.usefixtures("small_network")
def test_a_cell_whose_status_is_damaged_says_so_and_goes_on_without_it(phantom: str) -> None:
    planned = plan(("none",), config=dataclasses.replace(TINY, steps=2))
    cell = train_classifier.run_cell(planned, "none", 0, should_stop=lambda: True)
    path = runs.run_folder(cell.run_id) / "status.json"
    path.write_text("{")
    damaged = study.find_cell(planned, "none", 0)
    assert damaged.state == "failed" and damaged.message.startswith(f"{path} cannot be read")
    path.unlink()
    assert train_classifier.run_cell(planned, "none", 0).state == "done"
    (cell.folder / "cell.json").write_text("{}")
    with pytest.raises(CorruptFile, match=r"cell\.json is damaged"):
        study.cells("s")


def test_a_plan_that_was_changed_after_test_was_read_is_refused(done: str) -> None:
    path = study.study_folder(done) / "study.json"
    settled = files.read_json(path)
    settled["study"]["config"]["lr"] = 0.1
    files.write_json(path, settled)
    for attempt in (lambda: train_classifier.run_cell(done, "none", 0), lambda: study.analyse(done), lambda: study.open_test(done)):
        reset_cell(done)
        with pytest.raises(InvalidValue, match="changed after its test part had been read"):
            attempt()
    with pytest.raises(InvalidValue, match="another plan"):
        study.load_analysis(done)


def reset_cell(name: str) -> None:
    """Make the first cell one that has to be trained again."""
    cell = study.cells(name)[0]
    study.write_cell(cell, cell.run_id, [prediction for prediction in predictions_of(cell) if prediction.part == "val"])


@pytest.mark.parametrize("data", ["phantom", "outside"])
def test_data_that_changed_since_the_plan_are_refused(done: str, data: str) -> None:
    reset_cell(done)
    path = workspace.datasets() / data / "dataset.json"
    files.write_json(path, files.read_json(path) | {"fingerprint": "d" * 64})
    with pytest.raises(InvalidValue, match=f"Dataset {data} is not what study s was planned on"):
        study.open_test(done)
    assert len(study.test_accesses(done)) == 1


def test_a_generator_whose_weights_changed_since_the_plan_is_refused(phantom: str, generated: list[tuple]) -> None:
    make_gan("G", seen_in("train"))
    planned = plan(("synthetic:G@1.0",))
    snapshot = checkpoint.Snapshot(94, 1.5, {"G": {"w": torch.ones(1)}}, {}, "G", {})
    checkpoint.save_snapshot(runs.load_run("G"), snapshot)
    with pytest.raises(InvalidValue, match="weights of G@"):
        train_classifier.run_cell(planned, "synthetic:G@1.0", 0)
    assert generated == []


def test_a_curated_set_that_changed_since_the_plan_is_refused(phantom: str) -> None:
    """The same version, written anew from another database."""
    for run_id in ("G", "H"):
        make_gan(run_id, seen_in("train"))
    save_curated("G@1.5", "H@1.5", "G@1.5")
    planned = plan(("none", "curated:good"))
    arm = study.load_plan("s").arm("curated:good")
    assert (arm.frozen, arm.generators, arm.curated_from) == ("curated:good@1", (), ("G@1.5", "H@1.5"))
    study.check_cell("s", "curated:good")
    save_curated("G@1.5", "H@1.5", "G@1.5", seed=7)
    with pytest.raises(InvalidValue, match="pictures of the curated set good@1 are not those"):
        train_classifier.run_cell(planned, "curated:good", 0)
    study.check_cell("s", "none")


def test_plans_of_older_versions_keep_their_digest_and_say_what_they_do_not_know(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    save_curated("G@1.5")
    plan(("none", "curated:good"))
    path = study.study_folder("s") / "study.json"
    old = files.read_json(path)
    for arm in old["arms"]:
        del arm["curated_from"], arm["curated_sha256"], arm["seen_outside"]
    digest = files.sha256_bytes(json.dumps(old, sort_keys=True).encode())
    assert study.load_plan("s").sha256 != digest
    files.write_json(path, old)
    settled = study.load_plan("s")
    assert settled.sha256 == digest
    assert any("Which generators the pictures of curated:good come from is not on record" in text for text in history.cautions(settled))
    study.check_cell("s", "curated:good")


def test_a_cell_is_not_run_twice_at_once(done: str) -> None:
    cell = study.cells(done)[0]
    with files.try_lock(cell.folder / "cell.lock"), pytest.raises(Busy, match="another process"):
        train_classifier.run_cell(done, cell.scheme, cell.seed)


@pytest.mark.parametrize("content", ["", "{}", "novel", "renamed"])
def test_a_damaged_plan_is_named_and_does_not_hide_the_other_studies(phantom: str, content: str) -> None:
    good, bad = plan(), plan(name="bad", seeds=(1,))
    path = study.study_folder(bad.name) / "study.json"
    settled = files.read_json(path)
    changed = {"novel": settled | {"novel": 1}, "renamed": settled | {"study": settled["study"] | {"name": "t"}}}
    path.write_text(json.dumps(changed[content]) if content in changed else content)
    with pytest.raises(CorruptFile) as error:
        study.load_plan(bad.name)
    assert error.value.what.startswith(str(path))
    assert study.list_studies() == [good]
    assert study.scan_studies()[1] == {bad.name: f"{error.value.what} {error.value.todo}"}


def test_unknown_names_are_refused(done: str) -> None:
    with pytest.raises(NotFound, match="no cell"):
        train_classifier.run_cell(done, "none", 9)
    with pytest.raises(NotFound) as error:
        study.load_study("nothing")
    assert "s" in error.value.todo
    with pytest.raises(InvalidValue, match="cannot be a study name"):
        study.load_study("../s")


def test_the_analysis_is_made_from_the_predictions_alone(done: str) -> None:
    stored = study.load_analysis(done)
    shutil.rmtree(workspace.checkpoints())
    again = study.analyse(done)
    assert dataclasses.replace(again, created=stored.created) == stored
    found = study.predictions(done)
    here = found[(found["part"] == "test") & (found["scheme"] == "none")]
    mean = here.groupby("image_id")[["label", "score"]].mean()
    arm = stored.part("test").arm("none")
    assert arm.auc.value == pytest.approx(stats.auc(mean["label"], mean["score"]))
    for seed, value in zip(stored.seeds, arm.seed_aucs, strict=True):
        one = here[here["seed"] == seed]
        assert value == pytest.approx(stats.auc(one["label"], one["score"]))
    assert stored.part("external").n == sum(study.load_plan(done).sizes["external"].values())
    json.dumps(to_dict(stored), allow_nan=False)


def test_a_damaged_analysis_is_named_and_made_anew(done: str) -> None:
    path = study.study_folder(done) / "analysis.json"
    verdict = study.load_analysis(done).verdict
    path.write_text("{")
    with pytest.raises(CorruptFile) as error:
        study.load_analysis(done)
    assert str(path) in error.value.what and f"gan-aug study report {done}" in error.value.todo
    assert analysis_of(done).verdict == study.load_analysis(done).verdict == verdict


def test_what_a_deleted_generator_repeated_can_no_longer_be_looked_at(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    plan(("none", "synthetic:G@1.0"))
    settled = study.load_plan("s")
    assert any("there is no audit of it" in caution for caution in history.cautions(settled))
    shutil.rmtree(runs.run_folder("G"))
    assert history.last_audit("G@1.5") is None
    assert any("G@1.5" in caution and "its run was deleted" in caution for caution in history.cautions(settled))


# --- what predictions say ----------------------------------------------------------------------------------------------------------------


def made_up(strengths: dict[str, float], n: int = 400, seeds: tuple[int, ...] = (0, 1), per_group: int = 1) -> pd.DataFrame:
    """Predictions of arms whose scores tell the classes apart by ``strength`` standard deviations; the same noise for all arms."""
    rows = []
    for part_number, part in enumerate(("val", "test")):
        rng = np.random.default_rng(part_number)
        labels = (rng.random(n) < 0.3).astype(int)
        shared = rng.normal(size=n)
        for scheme, strength in strengths.items():
            for seed in seeds:
                noise = 0.9 * shared + 0.2 * np.random.default_rng(1000 + seed).normal(size=n)
                scores = 1 / (1 + np.exp(-(strength * labels + noise)))
                for i in range(n):
                    rows.append(("s", scheme, seed, part, f"{part}{i}", f"{part}g{i // per_group}", labels[i], scores[i]))
    return pd.DataFrame(rows, columns=list(Prediction.__dataclass_fields__))


def test_numbers_are_those_of_the_statistics(workspace: Path) -> None:
    predictions = made_up({"standard": 1.0, "none": 0.6, "weighted": 1.05})
    part = measure_part(predictions, "test", "d", ("standard", "none", "weighted"), "standard")
    mean = predictions[predictions["part"] == "test"].pivot_table(index="image_id", columns="scheme", values="score")
    labels = predictions[predictions["part"] == "test"].drop_duplicates("image_id").set_index("image_id")["label"].loc[mean.index]
    interval = stats.delong_ci(labels, mean["none"])
    assert not part.grouped and part.prevalence == labels.mean()
    assert (part.arm("none").auc.low, part.arm("none").auc.high) == pytest.approx((interval.low, interval.high))
    tests = [stats.delong_paired(labels, mean[scheme], mean["standard"]) for scheme in ("none", "weighted")]
    assert [c.difference for c in part.comparisons] == pytest.approx([test.difference for test in tests])
    assert [c.p_holm for c in part.comparisons] == pytest.approx(stats.holm([test.p for test in tests]))
    assert part.comparison("standard") is None


def test_repeated_groups_widen_the_interval() -> None:
    single = measure_part(made_up({"none": 1.0}), "test", "d", ("none",), "none")
    repeated = made_up({"none": 1.0}, n=100)
    repeated = pd.concat([repeated.assign(image_id=repeated["image_id"] + f"-{copy}") for copy in range(4)])
    part = measure_part(repeated, "test", "d", ("none",), "none")
    assert part.grouped and part.n_groups == 100 and part.n == single.n
    assert "resampl" in part.arm("none").auc.method
    naive = stats.delong_ci(*(repeated[(repeated["part"] == "test") & (repeated["seed"] == 0)][column] for column in ("label", "score")))
    assert part.arm("none").auc.high - part.arm("none").auc.low > 1.5 * (naive.high - naive.low)


def test_thresholds_come_from_val_and_are_only_applied_to_test() -> None:
    predictions = made_up({"none": 1.5}, seeds=(0,))
    shifted = predictions.copy()
    shifted.loc[shifted["part"] == "test", "score"] **= 2  # same order, but other thresholds would be best on test now
    arms = [measure_part(table, "test", "d", ("none",), "none").arm("none") for table in (predictions, shifted)]
    assert arms[0].auc.value == arms[1].auc.value
    assert arms[0].at_specificity.threshold == arms[1].at_specificity.threshold
    assert arms[1].at_specificity.specificity > arms[0].at_specificity.specificity
    assert arms[0].at_specificity.specificity == pytest.approx(0.95, abs=0.05)
    val = predictions[predictions["part"] == "val"].groupby("image_id")[["label", "score"]].mean()
    chosen = stats.sensitivity_at_specificity(val["label"].round(), val["score"], 0.95).threshold
    assert arms[0].at_specificity.threshold == pytest.approx(chosen)


def test_net_benefit_is_that_of_recalibrated_probabilities() -> None:
    predictions = made_up({"none": 1.5})
    part = measure_part(predictions, "test", "d", ("none",), "none")
    curve, places = part.arm("none").net_benefit, (4, 19)
    assert [curve.x[place] for place in places] == [0.05, 0.2]
    val, test = (predictions[predictions["part"] == name].groupby("image_id")[["label", "score"]].mean() for name in ("val", "test"))
    p = stats.fit_platt(val["label"].round(), val["score"], part="val")(test["score"])
    expected = stats.net_benefit(test["label"].round(), p, [0.05, 0.2])
    assert [curve.y[place] for place in places] == pytest.approx(expected.tolist(), abs=1e-6)
    assert part.treat_all.y[19] == pytest.approx(part.prevalence - (1 - part.prevalence) * 0.25, abs=1e-6)


def test_an_interval_over_seeds_stands_beside_the_test() -> None:
    predictions = made_up({"standard": 1.0, "none": 0.6}, seeds=(0, 1, 2))
    found = measure_part(predictions, "test", "d", ("standard", "none"), "standard").comparison("none")
    assert found.over_seeds.value == pytest.approx(np.mean(found.seed_differences))
    assert found.over_seeds.low < found.over_seeds.value < found.over_seeds.high and 0 < found.p_over_seeds < 1
    alone = measure_part(made_up({"standard": 1.0, "none": 0.6}, seeds=(0,)), "test", "d", ("standard", "none"), "standard")
    assert alone.comparison("none").over_seeds is None


def test_a_gain_of_these_trainings_alone_is_a_caution() -> None:
    names = ("standard", "none")
    part = measure_part(made_up({"standard": 0.5, "none": 1.5}, n=500), "test", "d", names, "standard")
    (sure,) = part.comparisons
    assert sure.outcome == "gain" and sure.p_over_seeds < 0.05
    assert not any("new trainings" in text for text in words.cautions((part,), 5, False))
    unsure = dataclasses.replace(sure, p_over_seeds=0.3, over_seeds=dataclasses.replace(sure.over_seeds, low=-0.01))
    (text,) = words.cautions((dataclasses.replace(part, comparisons=(unsure,)),), 5, False)
    assert "the gain of “none” is one of these very trainings" in text and "-0.010 to" in text


def test_flips_are_counted_and_the_largest_are_kept() -> None:
    predictions = made_up({"standard": 0.8, "none": 1.6})
    flips = measure_part(predictions, "test", "d", ("standard", "none"), "standard").comparison("none").flips
    test = predictions[predictions["part"] == "test"].pivot_table(index="image_id", columns="scheme", values="score")
    labels = predictions.drop_duplicates("image_id").set_index("image_id")["label"].loc[test.index]
    val = predictions[predictions["part"] == "val"].groupby(["scheme", "image_id"])[["label", "score"]].mean()
    cuts = {name: stats.sensitivity_at_specificity(val.loc[name, "label"].round(), val.loc[name, "score"], 0.95).threshold for name in test}
    called, base = test["none"] >= cuts["none"], test["standard"] >= cuts["standard"]
    assert flips.mended_positive == (called & ~base & (labels == 1)).sum() > 0
    assert flips.lost_positive == (~called & base & (labels == 1)).sum()
    assert flips.mended_negative == (~called & base & (labels == 0)).sum()
    assert flips.lost_negative == (called & ~base & (labels == 0)).sum()
    changes = [abs(case.arm_score - case.base_score) for case in flips.cases]
    assert 0 < len(flips.cases) <= 12 and changes == sorted(changes, reverse=True)
    assert all(case.mended == (bool(case.label) == called[case.image_id]) for case in flips.cases)


@pytest.mark.parametrize("aim", [study.Aim("specificity", 0.8), study.Aim("sensitivity", 0.9)])
def test_one_operating_point_is_chosen_on_val_and_carried_over(aim: study.Aim) -> None:
    predictions = made_up({"standard": 0.8, "none": 1.6})
    calls = study.carry_over(predictions, "test", ("standard", "none"), aim)
    for found in calls:
        mean = predictions[predictions["scheme"] == found.scheme].groupby(["part", "image_id"])[["label", "score"]].mean()
        val, test = mean.loc["val"], mean.loc["test"]
        reach = stats.sensitivity_at_specificity if aim.what == "specificity" else stats.specificity_at_sensitivity
        threshold = reach(val["label"].round(), val["score"], aim.level).threshold
        assert found.threshold == threshold
        assert found.found == ((test["score"] >= threshold) & (test["label"] == 1)).sum()
        assert found.false_alarms == ((test["score"] >= threshold) & (test["label"] == 0)).sum()
        assert found.found + found.missed == test["label"].sum() and found.found + found.missed + found.false_alarms + found.cleared == len(
            test
        )
        assert found.sensitivity.value == found.found / (found.found + found.missed)
        assert found.specificity.low < found.specificity.value < found.specificity.high
    one, other = calls
    flips = study.find_flips(predictions, "test", "standard", "none", aim)
    assert sum(case.mended and case.label == 1 for case in flips) - sum(not case.mended and case.label == 1 for case in flips) == (
        other.found - one.found
    )
    assert sum(case.mended and case.label == 0 for case in flips) - sum(not case.mended and case.label == 0 for case in flips) == (
        other.cleared - one.cleared
    )
    back = study.find_flips(predictions, "test", "none", "standard", aim)
    assert {(case.image_id, case.mended) for case in flips} == {(case.image_id, not case.mended) for case in back}
    with pytest.raises(InvalidValue, match="cannot be chosen"):
        study.Aim("specificity", 1.0)


def test_the_flips_of_the_page_are_those_of_the_analysis() -> None:
    predictions = made_up({"standard": 0.8, "none": 1.6})
    kept = measure_part(predictions, "test", "d", ("standard", "none"), "standard").comparison("none").flips
    assert study.find_flips(predictions, "test", "standard", "none", study.Aim("specificity", 0.95))[: len(kept.cases)] == kept.cases


def test_ratios_of_one_generator_make_a_curve() -> None:
    names = ("none", "standard", "standard+synthetic:a@2", "standard+synthetic:a@0.5", "standard+ten-percent:a", "standard+synthetic:b@1")
    (ladder,) = study.ladders((*names, "synthetic:a@1", "synthetic-only:a@2", "synthetic-only:a@1", "standard+balance:a"))
    assert ladder.name == "standard+synthetic:a"
    assert [(dose.scheme, dose.ratio) for dose in ladder.doses] == [
        ("standard", 0.0), ("standard+ten-percent:a", 0.1), ("standard+synthetic:a@0.5", 0.5), ("standard+synthetic:a@2", 2.0),
    ]  # fmt: skip
    (bare,) = study.ladders(("weighted+synthetic:a@1", "weighted+synthetic:a@2", "standard"))
    assert [dose.ratio for dose in bare.doses] == [1.0, 2.0]


def test_sources_are_measured_apart_and_one_of_a_single_class_is_a_caution() -> None:
    predictions = made_up({"none": 1.0})
    test = predictions[predictions["part"] == "test"].drop_duplicates("image_id")
    assert measure_part(predictions, "test", "d", ("none",), "none").arm("none").by_source == ()
    sources = dict(zip(test["image_id"], np.where(test["label"] == 1, "clinic", "atlas"), strict=True))
    first = test["image_id"].iloc[test["label"].to_numpy().argmin()]
    sources[first] = "clinic"
    part = measure_part(predictions, "test", "d", ("none",), "none", sources)
    atlas, clinic = part.arm("none").by_source
    assert (atlas.source, atlas.n_positive, atlas.auc, clinic.n - clinic.n_positive) == ("atlas", 0, None, 1)
    assert atlas.n + clinic.n == part.n
    assert [text for text in words.cautions((part,), 5, False) if "atlas" in text and "one class" in text]
    halves = {image: f"half {number % 2}" for number, image in enumerate(test["image_id"])}
    for half in measure_part(predictions, "test", "d", ("none",), "none", halves).arm("none").by_source:
        here = test["image_id"].map(halves) == half.source
        mean = predictions.groupby("image_id")["score"].mean().loc[test.loc[here, "image_id"]]
        assert half.auc.value == pytest.approx(stats.auc(test.loc[here, "label"], mean))


def test_synthetic_arms_without_a_balancing_control_are_a_caution() -> None:
    names = ("standard", "standard+synthetic:G@1.0")
    part = measure_part(made_up(dict.fromkeys(names, 1.0), n=500), "test", "d", names, "standard")
    shared, control = words.cautions((part,), 5, False)
    assert "share the generator" in shared and "control arm" in control
    names += ("standard+oversample",)
    part = measure_part(made_up(dict.fromkeys(names, 1.0), n=500), "test", "d", names, "standard")
    assert words.cautions((part,), 5, False) == (shared,)


def test_a_threshold_that_calls_nothing_positive_can_be_written() -> None:
    predictions = made_up({"none": 1.0}, n=60)
    predictions.loc[predictions["part"] == "val", "score"] = 0.5
    arm = measure_part(predictions, "test", "d", ("none",), "none").arm("none")
    assert arm.at_specificity.threshold is None and arm.at_specificity.sensitivity == 0
    json.dumps(to_dict(arm), allow_nan=False)


def test_curves_are_thin_ordered_and_inside_their_bands() -> None:
    arm = measure_part(made_up({"none": 1.0}, n=2000), "test", "d", ("none",), "none").arm("none")
    for curve in (arm.roc, arm.pr):
        assert len(curve.x) <= 300 and curve.x[0] == 0 and curve.x[-1] == 1
        assert list(curve.x) == sorted(curve.x)
        middle = np.interp(curve.band_x, curve.x, curve.y)[5:-5]
        assert (np.array(curve.band_low)[5:-5] - 0.02 <= middle).all() and (middle <= np.array(curve.band_high)[5:-5] + 0.02).all()
    assert np.trapezoid(arm.roc.y, arm.roc.x) == pytest.approx(arm.auc.value, abs=0.005)
    assert 0.29 < arm.pr.y[-1] < 0.31, "where everything positive is found, precision is hardly above the prevalence"


def test_seeds_that_were_judged_on_other_images_are_refused() -> None:
    predictions = made_up({"none": 1.0}, n=50)
    with pytest.raises(InvalidValue, match="same test images"):
        measure_part(predictions.drop(predictions[predictions["part"] == "test"].index[3]), "test", "d", ("none",), "none")
    with pytest.raises(InvalidValue, match="no predictions"):
        measure_part(predictions, "external", "d", ("none",), "none")


# --- the verdict -------------------------------------------------------------------------------------------------------------------------


def verdict(strengths: dict[str, float], base: str = "standard", **options) -> str:
    return words.verdict(measure_part(made_up(strengths, **options), "test", "d", tuple(strengths), base), base)


def test_the_verdict_can_be_a_gain() -> None:
    text = verdict({"standard": 0.8, "standard+synthetic:G@1.0": 1.5, "oversample": 0.8})
    assert text.startswith("Evidence of a gain over “standard” from synthetic images: “standard+synthetic:G@1.0”.")


def test_the_verdict_can_be_no_gain() -> None:
    text = verdict({"standard": 1.0, "standard+synthetic:G@1.0": 1.0})
    assert text.startswith("No evidence of a gain over “standard” from synthetic images.")
    assert "does not prove that there is no effect" in text


def test_the_verdict_can_be_a_loss() -> None:
    text = verdict({"standard": 1.5, "curated:S": 0.5})
    assert "No evidence of a gain" in text and "Evidence of a loss: “curated:S”." in text


def test_the_verdict_says_whom_a_gain_is_of() -> None:
    """A difference can be sure for the classifiers at hand and not for those that others would train; of one training nobody knows."""
    assert words.these_trainings([("a", 0.01)]) == []
    assert words.these_trainings([("a", 0.3), ("b", 0.01), ("c", 0.05)]) == [
        "That is of these very trainings; for new ones the interval holds 0: a, c."
    ]
    assert words.these_trainings([("a", None)]) == ["That is of one training an arm; what others would give is not known: a."]
    part = measure_part(made_up({"standard": 0.8, "none": 1.5}), "test", "d", ("standard", "none"), "standard")
    (sure,) = part.comparisons
    for p, says in ((0.001, False), (0.2, True)):
        text = words.verdict(dataclasses.replace(part, comparisons=(dataclasses.replace(sure, p_over_seeds=p),)), "standard")
        assert "Evidence of a gain" in text and ("for new ones the interval holds 0: “none”." in text) == says


def test_a_gain_is_put_down_to_images_only_where_nothing_else_differs() -> None:
    arm = "standard+synthetic:R@1.0"
    text = verdict({"none": 0.8, "standard": 0.8, arm: 1.5}, "none")
    assert text.startswith(f"Evidence of a gain over “none”: “{arm}”.") and "from synthetic images" not in text
    text = verdict({"none": 0.8, "synthetic:R@1.0": 0.8, arm: 1.5}, "none")
    assert text.startswith(f"No evidence of a gain over “none” from synthetic images. Evidence of a gain over “none”: “{arm}”.")
    assert verdict({"none": 1.0, arm: 1.0}, "none").startswith(f"No evidence of a gain over “none” with “{arm}”.")
    assert verdict({"standard": 0.8, "standard+balance:R": 1.5}).startswith("Evidence of a gain over “standard” from synthetic images:")
    other = "standard+synthetic:S@1.0"
    assert verdict({arm: 0.8, other: 1.5}, arm).startswith(f"Evidence of a gain over “{arm}”: “{other}”.")


def test_the_verdict_says_what_is_gained_without_images() -> None:
    arm = "standard+synthetic:R@1.0"
    text = verdict({"none": 0.8, "standard": 1.6, "oversample": 1.7, arm: 1.5}, "none")
    assert f"Without synthetic images at least as much is gained as by “{arm}” (" in text
    assert "): “standard” (+" in text and ", “oversample” (+" in text
    text = verdict({"standard": 0.8, "standard+oversample": 1.6, "standard+balance:R": 1.5})
    assert "at least as much is gained as by “standard+balance:R” (" in text and "“standard+oversample” (+" in text
    text = verdict({"standard": 0.8, "standard+oversample": 1.2, arm: 1.5})
    assert f"Beside “{arm}” (+" in text and "there is a gain without synthetic images, too: “standard+oversample” (+" in text
    for strengths, base in (
        ({"standard": 0.8, "standard+oversample": 0.8, arm: 1.5}, "standard"),
        ({"none": 0.8, "standard": 1.6, "synthetic:R@1.0": 1.5}, "none"),  # classic augmentation may gain, and the images all the same
    ):
        assert "without" not in verdict(strengths, base).lower()


def test_arms_that_differ_in_more_than_images_are_a_caution() -> None:
    schemes = [parse_scheme(text) for text in ("none", "standard", "synthetic:R@1", "standard+synthetic:R@1", "standard+balance:R")]
    (text,) = unequal.more_than_images(schemes, schemes[0], schemes)
    assert text.startswith("“standard+synthetic:R@1”, “standard+balance:R” differ from the base “none” in classic augmentation, not only")
    assert text.endswith("which is “standard” here.")
    assert unequal.more_than_images(schemes[3:], schemes[1], schemes) == []
    assert unequal.more_than_images(schemes[3:], schemes[4], schemes) == [], "which images there are is all that differs"
    (text,) = unequal.more_than_images([parse_scheme("standard+weighted+curated:S")], schemes[0], schemes)
    assert "differs from the base “none” in classic augmentation and balance" in text
    assert text.endswith("“standard+weighted”, and there is no such arm here.")


def ensembles(errors: dict[str, tuple[float, float]], n: int = 600) -> pd.DataFrame:
    """Predictions of arms of five seeds each, which err by so much all alike, and by so much each by itself."""
    rows = []
    for part_number, part in enumerate(("val", "test")):
        rng = np.random.default_rng(part_number)
        labels = (rng.random(n) < 0.4).astype(int)
        common = rng.normal(size=n)
        for (scheme, (alike, apart)), seed in itertools.product(errors.items(), range(5)):
            scores = 1 / (1 + np.exp(-(labels + alike * common + apart * rng.normal(size=n))))
            rows += [("s", scheme, seed, part, f"{part}{i}", f"{part}{i}", labels[i], scores[i]) for i in range(n)]
    return pd.DataFrame(rows, columns=list(Prediction.__dataclass_fields__))


@pytest.mark.parametrize("base", ["standard", "none"])
def test_a_difference_that_single_classifiers_contradict_is_doubtful(base: str) -> None:
    """The mean of five poor classifiers can be better than that of five good ones that err alike."""
    part = measure_part(ensembles({"standard": (1.2, 0.1), "none": (0.1, 2.3)}), "test", "d", ("standard", "none"), base)
    (found,) = part.comparisons
    assert (found.outcome, found.contrary) == ("gain" if base == "standard" else "loss", True) and found.p_over_seeds < 0.05
    text, verb = words.verdict(part, base), "gains" if base == "standard" else "loses"
    assert f"Only the mean of the seeds' predictions {verb}; single classifiers on average do not: “{found.scheme}”." in text
    (caution,) = words.cautions((part,), 5, False)
    assert f"the {found.outcome} of “{found.scheme}” is one of the mean of the seeds' predictions" in caution
    assert f"by {found.over_seeds.value:+.3f} on average" in caution
    agreed = dataclasses.replace(found, over_seeds=dataclasses.replace(found.over_seeds, value=found.difference))
    assert "Only the mean" not in words.verdict(dataclasses.replace(part, comparisons=(agreed,)), base)


def test_the_verdict_is_withheld_where_the_base_did_not_learn() -> None:
    text = verdict({"standard": 0.0, "synthetic:G@1.0": 2.0})
    assert text.startswith("No verdict: the base classifier did not learn.")
    part = measure_part(made_up({"standard": 0.0, "none": 2.0}), "test", "d", ("standard", "none"), "standard")
    assert not words.has_learned(part, "standard")
    assert all("no conclusion" in sentence for sentence in words.findings(part, "standard", False))


def test_without_another_arm_there_is_nothing_to_compare() -> None:
    assert "no other arm" in verdict({"standard": 1.0})


def test_outcomes_follow_the_corrected_p() -> None:
    made = Comparison("x", 0.1, 0.01, 0.2, 0.03, 0.06, "DeLong", (0.1,))
    assert made.outcome == "none"
    assert dataclasses.replace(made, p_holm=0.04).outcome == "gain"
    assert dataclasses.replace(made, p_holm=0.04, difference=-0.1).outcome == "loss"


def test_cautions_name_phantoms_few_seeds_and_few_images() -> None:
    part = measure_part(made_up({"none": 1.0}, n=60), "test", "d", ("none",), "none")
    assert len(words.cautions((part,), 2, True)) == 3
    assert words.cautions((dataclasses.replace(part, n=1000, n_positive=500),), 5, False) == ()
