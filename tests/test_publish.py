"""Runs that are passed on: half precision, licences, the card, and ``derm``."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image

from gan_aug import evaluate, images, publish, runs, sample, train_classifier, train_gan, workspace
from gan_aug.data.split import load_split
from gan_aug.errors import ExtractorUnavailable, InvalidValue
from gan_aug.metrics.extractors import open_extractor
from gan_aug.records import ClassifierConfig

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
    assert f"On the held-out test part: {record['test/auc']:.3f}" in publish.write_card("derm").read_text()
