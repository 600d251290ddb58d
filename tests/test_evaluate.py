"""Evaluation of generators: what is compared with what, leaks refused, what is written down, and the choice of the best snapshot."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_gans import make_gan

from gan_aug import catalog, classifier, evaluate, runs, subjects
from gan_aug.checkpoint import Snapshot, save_snapshot
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import digest_of_test, load_split
from gan_aug.data.training_list import training_list
from gan_aug.errors import InvalidValue, LeakError, NotFound
from gan_aug.export import export_onnx
from gan_aug.metrics import record
from gan_aug.metrics.extractors import open_extractor
from gan_aug.metrics.frechet import frechet_distance, frechet_infinity
from gan_aug.metrics.kid import kid
from gan_aug.records import Checkpoint, ClassifierConfig, Run, to_dict

Generator = Callable[[str, list[int], str | None], np.ndarray]

measure = functools.partial(evaluate.evaluate, extractor="random-conv")


def make_run(
    part: str = "train", *, kind: str = "gan", spec: str = "dcgan", steps: tuple[int, ...] = (100,), **changes
) -> list[Checkpoint]:
    """A run on the phantom data that has seen the images of ``part``, and its snapshots."""
    image_set, split = open_dataset("phantom"), load_split("phantom")
    values = {
        "id": "made", "kind": kind, "spec": spec, "config": to_dict(catalog.gan_config("dcgan")), "dataset": "phantom",
        "dataset_fingerprint": image_set.record.fingerprint, "split_id": split.id, "split_fingerprint": split.fingerprint,
        "classes": image_set.record.classes, "class_name": None, "n_images": 1, "seed": 0, "code_version": "0", "device": "cpu",
        "created": runs.now(), "phantom": True,
    }  # fmt: skip
    run = Run(**{**values, **changes})
    runs.create_run(run, training_list(image_set, split, np.array(split.rows(part))))
    weights = {"G": {"w": torch.zeros(1)}}
    return [save_snapshot(run, Snapshot(step, step / 10, weights, {}, "G", {})) for step in steps]


def make_classifier(part: str = "train", scheme: str | None = "none", **changes) -> Checkpoint:
    """A classifier of random weights that has seen the images of ``part``."""
    config = ClassifierConfig(resolution=32)
    (empty,) = make_run(part, kind="classifier", spec=config.backbone, config=to_dict(config), id="looker", scheme=scheme, **changes)
    torch.manual_seed(0)
    model = classifier.build(config, 2)
    return save_snapshot(runs.load_run("looker"), Snapshot(empty.step, 10.0, {"classifier": model.state_dict()}, {}, "classifier", {}))


def blurred_train(noise: float) -> Generator:
    """Generates the train images, with noise of so many grey levels."""

    def generate(reference: str, seeds: list[int], class_name: str | None) -> np.ndarray:
        image_set, split = open_dataset("phantom"), load_split("phantom")
        rows = split.rows("train")
        pictures = image_set.images[[rows[seed % len(rows)] for seed in seeds]].astype(float)
        spread = np.random.default_rng(seeds[0]).normal(size=pictures.shape) * noise
        return np.clip(pictures + spread, 0, 255).astype(np.uint8)

    return generate


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Callable[[Generator], list]:
    """Puts a generator in the place of the generator; returns the list of what it is asked for."""

    def install(generate: Generator) -> list:
        calls: list = []

        def sample(reference: str, seeds: list[int], class_name: str | None = None) -> tuple[np.ndarray, list]:
            calls.append((reference, seeds, class_name))
            return generate(reference, seeds, class_name), []

        monkeypatch.setattr(subjects, "sample", sample)
        return calls

    return install


def by_metric(records: list[record.MetricRecord]) -> dict[str, record.MetricRecord]:
    return {line.metric: line for line in records}


# What is compared


def test_every_metric_with_its_protocol(phantom: str, generator) -> None:
    make_run()
    calls = generator(blurred_train(0))
    records = measure("made", phantom, n=8)
    assert [line.metric for line in records] == [metric for metric in record.METRICS if metric not in record.ON_WISH]
    assert record.evaluations("made") == records
    assert calls == [("made@10", list(range(8)), None)]
    first = records[0]
    assert (first.subject, first.part, first.n_real, first.n_fake, first.image_size, first.codec) == ("made@10", "val", 8, 8, 64, "none")
    assert (first.extractor, first.dataset, first.class_name, first.seed) == ("random-conv:0", phantom, None, 0)
    assert first.ci[0] < first.value < first.ci[1]
    assert all(line.ci == () for line in records[1:])
    assert all(line.floor_at_same_n and line.floor_real_real is not None for line in records)
    assert any("for tests" in note for note in first.notes)
    assert any("phantoms" in note for note in first.notes)
    assert {"numpy", "torch", "gan_aug"} <= set(first.versions)


def test_the_numbers_are_those_of_the_images_named(phantom: str, generator) -> None:
    make_run()
    generator(blurred_train(20))
    found = by_metric(measure("made", phantom, n=8, seed=3))
    image_set, split, eyes = open_dataset(phantom), load_split(phantom), open_extractor("random-conv")
    seeds = list(range(3_000_000, 3_000_008))
    fake = eyes(blurred_train(20)("", seeds, None))
    row_of = {image_set.images[row].tobytes(): row for row in split.rows("val")}
    real = evaluate._draw_real(image_set, split, "val", None, 64, 8, 3)
    rows = [row_of[image.tobytes()] for image in real.pictures]
    assert len(set(rows)) == len(rows)
    halves = [{split.groups[rows[position]] for position in half} for half in (range(8), real.others)]
    assert halves[0].isdisjoint(halves[1]), "no patient on both sides"
    groups = np.array([split.groups[row] for row in rows])
    assert found["kid"].real_groups == len(set(groups[:8])) < 8, "the patients of some images are the same"
    assert found["kid"].value == pytest.approx(kid(eyes(real.pictures[:8]), fake, groups[:8]), rel=1e-6)
    floor = kid(eyes(real.pictures[:8]), eyes(real.pictures[real.others]), groups[:8], groups[real.others])
    assert found["kid"].floor_real_real == pytest.approx(floor, rel=1e-6)
    assert found["frechet"].value == pytest.approx(frechet_distance(eyes(real.pictures[:8]), fake), rel=1e-5)


def test_a_small_part_says_so(phantom: str, generator) -> None:
    make_run()
    generator(blurred_train(0))
    held = len(load_split(phantom).rows("val"))
    first = measure("made", phantom)[0]
    assert (first.n_real, first.n_fake) == (held, held)
    assert evaluate.FEWEST <= first.floor_n <= held // 2
    assert not first.floor_at_same_n
    assert any(note.startswith("1000 images a side were asked for") for note in first.notes)
    assert any("two sets of" in note for note in first.notes)


def test_better_pictures_score_better_and_none_beats_the_floor_by_much(phantom: str, generator) -> None:
    make_run()
    scores = []
    for noise in (0, 20, 60):
        generator(blurred_train(noise))
        scores.append(by_metric(measure("made", phantom, n=12)))
    assert scores[0]["kid"].value < scores[1]["kid"].value < scores[2]["kid"].value
    assert scores[0]["frechet"].value < scores[1]["frechet"].value < scores[2]["frechet"].value
    assert scores[2]["precision"].value == 0.0
    assert scores[0]["kid"].floor_real_real == scores[2]["kid"].floor_real_real
    assert scores[0]["kid"].ci[0] < scores[0]["kid"].floor_real_real < scores[2]["kid"].ci[0]
    assert record.comparable(scores[0]["kid"], scores[2]["kid"])


def test_the_class_of_the_run_is_the_class_of_the_real_images(phantom: str, generator) -> None:
    make_run(class_name="malignant")
    generator(blurred_train(0))
    first = measure("made", phantom, part="train", n=10)[0]
    image_set, split = open_dataset(phantom), load_split(phantom)
    real = evaluate._draw_real(image_set, split, "train", "malignant", 64, 10, 0)
    assert first.class_name == "malignant"
    assert set(real.labels) == {"malignant"}
    assert real.available == sum(image_set.table["label"].iloc[row] == "malignant" for row in split.rows("train"))
    assert any("copying them is rewarded" in note for note in first.notes)


def test_a_conditional_gan_generates_the_classes_of_the_real_images(phantom: str, generator) -> None:
    make_run(spec="acgan")
    calls = generator(blurred_train(0))
    measure("made", phantom)
    labels = [open_dataset(phantom).table["label"].iloc[row] for row in load_split(phantom).rows("val")]
    assert {class_name: len(seeds) for _, seeds, class_name in calls} == {name: labels.count(name) for name in set(labels)}
    assert sorted(seed for _, seeds, _ in calls for seed in seeds) == list(range(len(labels)))
    calls.clear()
    measure("made", phantom, part="train", class_name="benign", n=9)
    assert [(len(seeds), class_name) for _, seeds, class_name in calls] == [(9, "benign")]


def test_smaller_generators_are_compared_at_their_own_size(phantom: str, generator, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(config={"resolution": 32})
    generator(lambda reference, seeds, class_name: np.zeros((len(seeds), 32, 32, 3), np.uint8))
    assert measure("made", phantom, n=8)[0].image_size == 32


def test_the_distance_without_its_bias_needs_many_images(phantom: str, generator, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run()
    calls = generator(blurred_train(20))
    with pytest.raises(InvalidValue, match="too few to extrapolate"):
        evaluate.evaluate("made", phantom, part="train", extractor="random-conv", infinity=True)
    assert calls == [], "refused before anything is generated"
    few = 6
    monkeypatch.setattr(evaluate, "cached_features", lambda eyes, pictures, on_progress: eyes(pictures)[:, :few])
    monkeypatch.setattr(evaluate, "least_for_infinity", lambda dim: 3 * few)
    found = by_metric(evaluate.evaluate("made", phantom, part="train", extractor="random-conv", n=50, infinity=True))
    line = found["frechet_infinity"]
    assert line.title == "Frechet distance, n to infinity"
    eyes, fake = open_extractor("random-conv"), blurred_train(20)("", list(range(50)), None)
    real = evaluate._draw_real(open_dataset(phantom), load_split(phantom), "train", None, 64, 50, 0)
    features = [eyes(pictures)[:, :few] for pictures in (real.pictures[:50], fake, real.pictures[real.others])]
    assert line.value == pytest.approx(frechet_infinity(*features[:2]), rel=1e-5) != found["frechet"].value
    assert line.floor_real_real == pytest.approx(frechet_infinity(features[0][: real.floor_n], features[2]), abs=1e-6)
    assert record.evaluations("made")[-1] == line


# Leaks


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_generator_that_has_seen_held_out_images_is_refused(part: str, phantom: str, generator) -> None:
    make_run(part)
    calls = generator(blurred_train(0))
    with pytest.raises(LeakError, match="made"):
        measure("made", phantom)
    assert calls == []
    assert record.evaluations("made") == []


def test_an_extractor_that_has_seen_held_out_images_is_refused(phantom: str, generator) -> None:
    make_run()
    make_classifier("val")
    generator(blurred_train(0))
    with pytest.raises(LeakError, match="looker"):
        evaluate.evaluate("made", phantom, extractor="classifier:looker")


def test_the_test_part_is_read_by_name_only_and_logged(phantom: str, generator, workspace: Path) -> None:
    make_run()
    generator(blurred_train(0))
    log = workspace / "datasets" / phantom / "test_access.jsonl"
    measure("made", phantom)
    assert not log.exists()
    assert measure("made", phantom, part="test", n=8)[0].part == "test"
    (line,) = [json.loads(text) for text in log.read_text().splitlines()]
    assert (line["subject"], line["by"], line["split"]) == ("made@10", "evaluate", load_split(phantom).id)
    assert line["test_digest"] == digest_of_test(open_dataset(phantom), load_split(phantom))
    with pytest.raises(InvalidValue, match="no part 'all'"):
        measure("made", phantom, part="all")


# Our own classifiers as extractors


def test_a_classifier_gives_what_it_sees_at_five_depths_of_one_length(phantom: str, generator) -> None:
    make_run()
    snapshot = make_classifier()
    eyes = open_extractor("classifier:looker")
    assert (eyes.name, eyes.weights_sha256, eyes.dim) == ("classifier:looker@10", snapshot.weights_sha256, 2 * (24 + 40 + 112 + 320) + 1280)
    assert len(eyes.seen) == len(load_split(phantom).rows("train"))
    pictures = np.array(open_dataset(phantom).at(32)[:3])
    model = classifier.build(ClassifierConfig(resolution=32), 2).eval()
    model.load_state_dict(eyes.network.model.state_dict())
    with torch.inference_mode():
        pooled = model.features(classifier.to_tensor(pictures, torch.device("cpu"))).numpy()
    found = eyes(pictures)
    length = np.sqrt(eyes.dim / 5)
    np.testing.assert_allclose(found[:, -1280:], length * pooled / np.linalg.norm(pooled, axis=1, keepdims=True), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[:, :48], axis=1), length, rtol=1e-5)
    assert eyes(np.asarray(open_dataset(phantom).images[:2])).shape == (2, eyes.dim), "64 px images are brought to 32"
    generator(blurred_train(0))
    assert evaluate.evaluate("made", phantom, extractor="classifier:looker", n=8)[0].resize.startswith("bilinear to 32")


def test_a_classifier_that_knows_generated_images_is_no_extractor(phantom: str) -> None:
    make_classifier(scheme="standard+synthetic:other@1.0")
    with pytest.raises(InvalidValue, match="generated images"):
        open_extractor("classifier:looker")


def test_a_gan_is_no_extractor_and_a_classifier_no_generator(phantom: str) -> None:
    make_run()
    make_classifier()
    with pytest.raises(InvalidValue, match="not a classifier"):
        open_extractor("classifier:made")
    with pytest.raises(InvalidValue, match="makes no images"):
        measure("looker", phantom)


# Folders


def write_pictures(folder: Path, n: int = 12, size: int = 64, suffix: str = ".png") -> Path:
    folder.mkdir(exist_ok=True)
    pictures = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03d}{suffix}")
    return folder


def test_a_folder_of_pictures(phantom: str, workspace: Path, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "fakes")
    (folder / "manifest.csv").write_text("not a picture")
    records = measure(str(folder), phantom, n=10)
    assert record.read_records(workspace / "evaluations.jsonl") == records
    first = records[0]
    assert (first.subject, first.codec, first.n_fake, first.image_size) == (str(folder), "png", 10, 64)
    assert by_metric(records)["recall"].value == 0.0, "noise resembles no lesion"


def test_a_folder_is_compared_at_the_smaller_size(phantom: str, tmp_path: Path) -> None:
    assert measure(str(write_pictures(tmp_path / "large", size=100, suffix=".jpg")), phantom)[0].image_size == 64
    small = measure(str(write_pictures(tmp_path / "small", size=48)), phantom)[0]
    assert (small.image_size, small.n_real) == (48, 12)
    assert any("no more on one side" in note for note in small.notes)


def test_unusable_folders_are_refused(phantom: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="holds no pictures"):
        measure(str(tmp_path / "empty"), phantom)
    with pytest.raises(InvalidValue, match="Only 3 images a side"):
        measure(str(write_pictures(tmp_path / "few", n=3)), phantom)
    mixed = write_pictures(tmp_path / "mixed", n=12)
    Image.open(mixed / "007.png").resize((40, 40)).save(mixed / "007.png")
    with pytest.raises(InvalidValue, match=r"007\.png is 40 x 40"):
        measure(str(mixed), phantom)


def test_what_does_not_exist_is_named(phantom: str) -> None:
    make_run()
    with pytest.raises(NotFound, match="nobody"):
        measure("nobody", phantom)
    with pytest.raises(NotFound, match="nowhere"):
        measure("made", "nowhere")
    with pytest.raises(InvalidValue, match="no class 'naevus'"):
        measure("made", phantom, class_name="naevus")
    with pytest.raises(InvalidValue, match="no class ''"):
        measure("made", phantom, class_name="")
    with pytest.raises(NotFound, match="no split ''"):
        measure("made", phantom, split_id="")
    with pytest.raises(InvalidValue, match="Seed -1"):
        measure("made", phantom, seed=-1)


def test_a_stop_in_between_leaves_no_numbers(phantom: str, generator) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int, what: str) -> None:
        raise Stopped

    make_run()
    generator(blurred_train(0))
    with pytest.raises(Stopped):
        measure("made", phantom, on_progress=stop)
    assert record.evaluations("made") == []


# The best snapshot


def test_the_best_snapshot_has_good_neighbours(phantom: str, generator) -> None:
    checkpoints = make_run(steps=(100, 200, 300, 400, 500, 600, 700))
    noise = {"made@10": 90, "made@20": 0, "made@30": 90, "made@40": 12, "made@50": 10, "made@60": 12, "made@70": 40}
    generator(lambda reference, seeds, class_name: blurred_train(noise[reference])(reference, seeds, class_name))
    best = evaluate.select_best("made", phantom, "random-conv")
    kids = [line.value for line in record.evaluations("made") if line.metric == "kid"]
    assert len(kids) == 7
    assert np.argmin(kids) == 1, "the second snapshot is best by itself"
    assert best.step == 500, "and the fifth with its neighbours"
    assert runs.resolve("made@best")[1] == checkpoints[4]
    reason = runs.best("made")["reason"]
    assert "through random-conv:0" in reason
    assert "40, 50, 60 kimg" in reason


def test_good_company_alone_does_not_make_the_best_snapshot(phantom: str, generator) -> None:
    make_run(steps=(100, 200, 300, 400, 500))
    noise = {"made@10": 40, "made@20": 5, "made@30": 45, "made@40": 5, "made@50": 60}
    generator(lambda reference, seeds, class_name: blurred_train(noise[reference])(reference, seeds, class_name))
    assert evaluate.select_best("made", phantom, "random-conv").step == 200


def test_there_is_no_best_of_nothing(phantom: str) -> None:
    make_run(steps=())
    with pytest.raises(NotFound, match="no snapshot"):
        evaluate.select_best("made", phantom, "random-conv")


def test_the_best_is_chosen_of_a_run_and_of_nothing_else(phantom: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(steps=())
    folder = write_pictures(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    for subject in ("pictures", "./pictures", str(folder)):
        with pytest.raises(InvalidValue) as caught:
            evaluate.select_best(subject, phantom, "random-conv")
        assert caught.value.what == f"{subject} is a folder of pictures, and the best is chosen among all snapshots of a run."
        assert caught.value.todo == "Name a run; see them with: gan-aug runs --kind gan"
    with pytest.raises(InvalidValue) as caught:
        evaluate.select_best("made@0.288", phantom, "random-conv")
    assert caught.value.what == "made@0.288 is a single snapshot, and the best is chosen among all snapshots of a run."
    assert caught.value.todo == "Name the run alone: made"
    write_pictures(tmp_path / "made")
    with pytest.raises(NotFound, match="Run made has no snapshot yet"):
        evaluate.select_best("made", phantom, "random-conv")


# The whole way


def test_a_real_generator_end_to_end(phantom: str) -> None:
    export_onnx(make_gan("dcgan", "one", class_name="benign"))
    first = measure("one", phantom, part="train", n=20)
    again = measure("one@last", phantom, part="train", n=20)
    assert [(line.metric, line.value, line.ci) for line in first] == [(line.metric, line.value, line.ci) for line in again]
    assert all(np.isfinite(line.value) for line in first)
    found = by_metric(first)
    assert found["kid"].value > found["kid"].floor_real_real, "random weights generate no lesions"
