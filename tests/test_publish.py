"""Runs that are passed on: half precision, licences, the card, and ``derm``."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from made_images import arrays, save_dataset
from PIL import Image
from sklearn.metrics import roc_auc_score

from gan_aug import classifier, evaluate, images, publish, runs, sample, stats, train_classifier, train_gan, workspace
from gan_aug.data.split import load_split, make_split
from gan_aug.errors import ExtractorUnavailable, InvalidValue
from gan_aug.metrics.extractors import open_extractor
from gan_aug.records import ClassifierConfig
from gan_aug.train_classifier import loop

SHIPPED = "small-lesions"


@pytest.fixture
def trained(phantom: str) -> str:
    """A GAN that saw a few images."""
    settings = {"width": 4, "z_dim": 8, "batch_size": 8, "total_kimg": 0.016, "tick_kimg": 0.016, "upsampling": "transposed"}
    run = train_gan.prepare("acgan", phantom, settings=settings, device_name="cpu")
    train_gan.train(run.id)
    return run.id


def pretrained() -> Path:
    return workspace.checkpoints() / "pretrained"


def test_a_published_run_generates_the_same_in_half_the_bytes(trained: str) -> None:
    folder = publish.publish(trained, SHIPPED, pretrained())
    snapshot = runs.list_checkpoints(SHIPPED)[-1]
    runs.verify(snapshot)
    weights = safetensors.torch.load_file(runs.sampled_file(snapshot))
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float16}
    mine, theirs = (sample.sample(name, list(range(6)), "benign")[0].astype(int) for name in (trained, SHIPPED))
    largest = np.abs(mine - theirs).max()
    assert 0 < largest <= snapshot.metrics["fp16_difference"] <= 4
    assert runs.status(SHIPPED).state == "finished"
    assert SHIPPED in {run.id for run in runs.list_runs("gan")}
    assert not list(folder.rglob("optim.pt"))


def test_what_it_has_seen_travels_with_it(trained: str) -> None:
    publish.publish(trained, SHIPPED, pretrained())
    lists = [pd.read_parquet(runs.run_folder(name) / "training_list.parquet") for name in (trained, SHIPPED)]
    pd.testing.assert_frame_equal(*lists)
    split = load_split("phantom")
    assert json.loads((pretrained() / SHIPPED / "split.json").read_text())["fingerprint"] == split.fingerprint
    parts = pd.read_parquet(pretrained() / SHIPPED / "split.parquet").set_index("image_id")["part"]
    assert set(parts[lists[1]["image_id"]]) == {"train"}


def test_weights_that_saw_an_image_that_is_not_free_are_refused(trained: str, phantom: str) -> None:
    path = workspace.datasets() / phantom / "table.parquet"
    table = pd.read_parquet(path)
    seen = set(pd.read_parquet(runs.run_folder(trained) / "training_list.parquet")["image_id"])
    first = next(row for row, name in enumerate(table["image_id"]) if name in seen)
    table.loc[first, "licence"] = "CC-BY-NC-4.0"
    table.to_parquet(path)
    with pytest.raises(InvalidValue, match=rf"1 images of phantom that are not CC0: {table['image_id'][first]} \(CC-BY-NC-4.0\)"):
        publish.publish(trained, SHIPPED, pretrained())
    assert not (pretrained() / SHIPPED).exists()


def test_weights_beyond_half_precision_are_refused_and_leave_nothing(trained: str) -> None:
    snapshot = runs.list_checkpoints(trained)[-1]
    meta = runs.read_meta(Path(snapshot.folder))
    path = Path(snapshot.folder) / meta["sampled"]
    weights = safetensors.torch.load_file(path)
    next(value for value in weights.values() if value.is_floating_point()).flatten()[0] = 1e6
    safetensors.torch.save_file(weights, path)
    meta["files"][meta["sampled"]] = {"sha256": publish.files.sha256_file(path), "bytes": path.stat().st_size}
    (Path(snapshot.folder) / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InvalidValue, match="half precision"):
        publish.publish(trained, SHIPPED, pretrained())
    assert not (pretrained() / SHIPPED).exists()


def test_too_large_a_file_is_refused(trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "LARGEST", 1000)
    with pytest.raises(InvalidValue, match="narrower"):
        publish.publish(trained, SHIPPED, pretrained())
    assert not list(pretrained().iterdir())


def test_a_name_is_taken_once(trained: str) -> None:
    publish.publish(trained, SHIPPED, pretrained())
    with pytest.raises(InvalidValue, match="already"):
        publish.publish(trained, SHIPPED, pretrained())


def test_the_name_of_a_run_is_refused_wherever_the_copy_is_made(trained: str, tmp_path: Path) -> None:
    """The run of the checkpoints folder is found first, so the copy could never be reached."""
    for out in (pretrained(), workspace.checkpoints(), tmp_path / "elsewhere"):
        with pytest.raises(InvalidValue) as refusal:
            publish.publish(trained, trained, out)
        assert refusal.value.what == f"There already is a run {trained!r}, in {workspace.checkpoints() / trained}."
        assert refusal.value.todo == "Choose another name."
    publish.publish(trained, SHIPPED, pretrained())
    with pytest.raises(InvalidValue, match=f"There already is a run 'small-lesions', in {pretrained() / SHIPPED}"):
        publish.publish(trained, SHIPPED, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists() and [path.name for path in pretrained().iterdir()] == [SHIPPED]


def test_a_shipped_run_can_be_made_anew_in_the_checkpoints_folder(trained: str) -> None:
    """As benchmarks/shipped.py does; whether it takes the place of the shipped one is for a person to say."""
    publish.publish(trained, SHIPPED, pretrained())
    assert publish.publish(trained, SHIPPED, workspace.checkpoints()) == runs.run_folder(SHIPPED)
    with pytest.raises(InvalidValue, match="There already is a run 'small-lesions'"):
        publish.publish(trained, SHIPPED, workspace.checkpoints())


def test_a_file_in_the_place_of_the_folder_is_named(trained: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidValue, match=r"/file is already there"):
        publish.publish(trained, SHIPPED, tmp_path / "file")


def test_a_run_that_was_not_published_gets_no_card(trained: str) -> None:
    folder = runs.run_folder(trained.partition("@")[0])
    before = set(folder.rglob("*"))
    with pytest.raises(InvalidValue, match="is no published one") as refusal:
        publish.write_card(trained)
    assert f"gan-aug publish {trained} --name" in refusal.value.todo
    assert set(folder.rglob("*")) == before


def test_a_published_run_is_not_trained_again_in_its_place(trained: str) -> None:
    publish.publish(trained, SHIPPED, pretrained())
    folder = pretrained() / SHIPPED
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InvalidValue, match="at most weights to sample with"):
        train_gan.train(SHIPPED)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in before), "every user of the machine may read them"


def test_the_card_says_what_was_measured(trained: str, phantom: str) -> None:
    publish.publish(trained, SHIPPED, pretrained())
    kid = evaluate.evaluate(SHIPPED, phantom, "val", "random-conv", 12)[0]
    text = publish.write_card(SHIPPED, "Somebody 2017").read_text()
    assert f"| KID | {kid.value:.4f} ({kid.ci[0]:.4f} to {kid.ci[1]:.4f}) |" in text
    assert "Not for diagnosis" in text and "Somebody 2017" in text and "Not audited." in text
    assert "112 images of phantom (train part" in text
    assert "](pictures.png)" in text


def test_pictures_stand_beside_the_card(trained: str) -> None:
    publish.publish(trained, SHIPPED, pretrained())
    path = publish.write_card(SHIPPED).with_name("pictures.png")
    run, snapshot = runs.resolve(SHIPPED)
    each = publish.SHOWN // len(run.classes)
    generated = [sample.sample(snapshot.id, list(range(each)), name)[0] for name in run.classes]
    assert np.array_equal(np.asarray(Image.open(path)), images.grid(np.concatenate(generated), publish.COLUMNS))
    origin = images.read_provenance(path)
    assert (origin["checkpoint"], origin["seed"], origin["classes"]) == (snapshot.id, list(range(each)), list(run.classes))


# --- classifiers -------------------------------------------------------------------------------------------------------------------------


def classify(data: str, weights: str | None = None) -> str:
    """A classifier that was trained for two steps."""
    config = ClassifierConfig(resolution=32, steps=2, batch_size=4, evaluate_every=2, weights=weights)
    run = train_classifier.prepare(data, "standard", config)
    train_classifier.train(run.id)
    return run.id


def copied_weights(run_id: str, folder: Path) -> Path:
    """The weights of a run, copied to a file of one's own."""
    folder.mkdir()
    return Path(shutil.copy(runs.sampled_file(runs.list_checkpoints(run_id)[-1]), folder / "start.safetensors"))


def test_a_classifier_that_began_with_weights_of_unknown_origin_is_refused(phantom: str, tmp_path: Path) -> None:
    path = tmp_path / "outside.pth"
    torch.manual_seed(0)
    torch.save(classifier.build(ClassifierConfig(resolution=32), 5).net.state_dict(), path)
    run_id = classify(phantom, str(path))
    for why in ("which were written by no run that is here", "which are no longer there"):
        with pytest.raises(InvalidValue, match=f"outside.pth, {why}, so nobody can tell which images they have seen"):
            publish.publish(run_id, SHIPPED, pretrained())
        path.unlink(missing_ok=True)
    assert not (pretrained() / SHIPPED).exists()


def test_a_classifier_that_began_with_weights_of_a_known_run_is_published_without_their_path(phantom: str, tmp_path: Path) -> None:
    first = classify(phantom)
    path = copied_weights(first, tmp_path / "of-somebody")
    second = classify(phantom, str(path))
    folder = publish.publish(second, SHIPPED, pretrained())
    text = publish.write_card(SHIPPED).read_text()
    sha256 = publish.files.sha256_file(path)
    assert f"It began with the weights of {first} (sha256 `{sha256}`)" in text and "from scratch" not in text
    assert runs.load_run(SHIPPED).config["weights"] == f"sha256:{sha256}"
    for each in (each for each in folder.rglob("*") if each.is_file()):
        assert b"of-somebody" not in each.read_bytes(), f"{each} tells where the file lay"
    # Who goes on from the published run can publish that too: what it has seen was looked at.
    third = classify(phantom, f"{SHIPPED}@last")
    publish.publish(third, "third", pretrained())
    assert f"It began with the weights of {SHIPPED} " in publish.write_card("third").read_text()
    # Another file by the same name is not what it began with, whatever that is.
    path.write_bytes(runs.sampled_file(runs.list_checkpoints(second)[-1]).read_bytes())
    with pytest.raises(InvalidValue, match="not noted in its log as those of its training"):
        publish.publish(second, "again", pretrained())


def test_what_the_first_of_a_line_of_classifiers_began_with_counts(phantom: str, tmp_path: Path) -> None:
    first = classify(phantom)
    second = classify(phantom, f"{first}@best")
    record = runs.run_folder(first) / "run.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"config": known["config"] | {"weights": str(tmp_path / "gone.pth")}}))
    with pytest.raises(InvalidValue, match=f"{first} began with the weights .*gone.pth, which are no longer there"):
        publish.publish(second, SHIPPED, pretrained())
    record.write_text(json.dumps(known))
    path = runs.run_folder(first) / "training_list.parquet"
    table = pd.read_parquet(path)
    table.loc[0, "image_id"] = "nowhere"  # what it has seen counts, also where the list of who went on from it lacks that
    table.to_parquet(path)
    with pytest.raises(InvalidValue, match=f"1 images that {second} has seen are not in phantom"):
        publish.publish(second, SHIPPED, pretrained())


def test_a_card_is_not_written_for_what_was_published_without_a_look_at_its_initial_weights(phantom: str) -> None:
    run_id = classify(phantom)
    publish.publish(run_id, SHIPPED, pretrained())
    record = pretrained() / SHIPPED / "run.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps(known | {"config": known["config"] | {"weights": "/home/somebody/outside.pth"}}))
    with pytest.raises(InvalidValue, match="nobody looked at the weights") as refusal:
        publish.write_card(SHIPPED)
    assert f"gan-aug publish {run_id}@" in refusal.value.todo
    assert not (pretrained() / SHIPPED / "README.md").exists()


def three_classes(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of three classes, and probabilities that tell them apart unequally well."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    logits = rng.normal(0, 1, (n, 3)) + np.eye(3)[labels] * np.array([2.0, 1.0, 0.2])
    return labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_the_auc_of_more_than_two_classes_is_the_mean_that_chose_the_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, p = three_classes()
    area = publish._area(labels, p, [str(row) for row in range(len(labels))])
    assert area.value == pytest.approx(roc_auc_score(labels, p, multi_class="ovr", average="macro"))
    config, data = ClassifierConfig(resolution=32), SimpleNamespace(at=lambda resolution: None, labels=labels)
    monkeypatch.setattr(classifier, "probabilities", lambda *_: p)
    state = SimpleNamespace(model=None, config=config, device=None)
    assert area.value == loop.evaluate(state, data, np.arange(len(labels)))["val/auc"]
    two = publish._area((labels > 0).astype(int), np.stack([p[:, 0], 1 - p[:, 0]], 1), ["one"] * len(labels))
    assert two == stats.delong_ci((labels > 0).astype(int), 1 - p[:, 0])


def test_its_interval_is_that_of_the_mean_over_whole_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, p = three_classes()
    single = publish._area(labels, p, [str(row) for row in range(len(labels))])
    assert single.low < single.value < single.high
    # Each image four times tells no more than once, if the four are one group.
    four = publish._area(np.tile(labels, 4), np.tile(p, (4, 1)), [str(row) for row in range(len(labels))] * 4)
    assert (four.value, four.low, four.high) == pytest.approx((single.value, single.low, single.high))
    # About the spread of the mean over new draws of the data.
    monkeypatch.setattr(publish, "RESAMPLINGS", 100)
    means = [publish._area(*three_classes(seed=seed), [str(row) for row in range(len(labels))]).value for seed in range(40)]
    assert (single.high - single.low) / (2 * 1.96) == pytest.approx(np.std(means), rel=0.35)


def test_a_perfect_order_or_a_rare_class_gives_no_certainty() -> None:
    labels = np.arange(30) % 3
    groups = [str(row) for row in range(30)]
    perfect = publish._area(labels, np.eye(3)[labels] * 0.9 + 0.1 / 3, groups)
    assert perfect.value == 1.0 and 0.5 < perfect.low < 0.8 and perfect.high == 1.0
    labels, p = three_classes()
    rare = np.where(np.arange(len(labels)) > 2, 0, labels)
    with pytest.raises(InvalidValue, match="of 2000 resamplings of the test part held every class"):
        publish._area(rare, p, [f"{row}" for row in range(len(rare))])


def test_a_classifier_of_three_classes_is_published_with_the_mean_over_them(workspace: Path) -> None:
    pictures = arrays(90)
    names = ("melanoma", "nevus", "vascular lesion")
    labels = [names[row % 3] for row in range(len(pictures))]
    save_dataset("three", pictures, names, label=labels, patient_id=[f"p{row // 2}" for row in range(len(pictures))])
    make_split("three", val=0.3, test=0.3)
    publish.publish(classify("three"), SHIPPED, pretrained())
    snapshot = runs.resolve(SHIPPED)[1]
    image_set, split = publish.open_dataset("three"), load_split("three")
    rows = np.array(split.rows("test"))
    model = classifier.build(ClassifierConfig(resolution=32), 3)
    weights = safetensors.torch.load_file(runs.sampled_file(snapshot))
    model.load_state_dict(weights)
    p = classifier.probabilities(model, image_set.at(32), rows, torch.device("cpu"))
    wanted = roc_auc_score(image_set.labels[rows], p, multi_class="ovr", average="macro", labels=[0, 1, 2])
    assert snapshot.metrics["test/auc"] == pytest.approx(wanted)
    assert snapshot.metrics["test/auc_low"] <= wanted <= snapshot.metrics["test/auc_high"]
    assert "(here and below the mean over the classes, each against the others)" in publish.write_card(SHIPPED).read_text()


def test_derm_is_the_shipped_classifier_and_is_never_replaced(phantom: str) -> None:
    with pytest.raises(ExtractorUnavailable, match="derm"):
        open_extractor("derm")
    config = ClassifierConfig(resolution=64, steps=2, batch_size=4, evaluate_every=2)
    run = train_classifier.prepare(phantom, "standard", config)
    train_classifier.train(run.id)
    publish.publish(run.id, "derm", pretrained())
    assert open_extractor("derm").name == "derm"
    record = runs.list_checkpoints("derm")[-1].metrics
    assert record["test/auc_low"] <= record["test/auc"] <= record["test/auc_high"]
    log = (workspace.datasets() / phantom / "test_access.jsonl").read_text()
    assert "publish" in log and "test_digest" in log
    text = publish.write_card("derm").read_text()
    assert f"On the held-out test part: {record['test/auc']:.3f}" in text
    assert "It was trained from scratch on few images" in text and "each against the others" not in text
