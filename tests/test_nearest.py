"""The nearest training image without torch: known answers, the same numbers as with torch, and files that are damaged or gone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import make_run

from gan_aug import files, jobs, nearest, nearest_making, runs, workspace
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import CorruptFile, InvalidValue, LeakError, NotFound
from gan_aug.metrics import copying
from gan_aug.metrics.extractors import RandomConv, open_extractor

RUN, EYES = "dcgan-phantom-malignant-ab12", "random-conv:0"
SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints" / "pretrained"


@pytest.fixture
def prepared(phantom: str) -> nearest.Space:
    """A comparison with the training images of a made-up run, which has seen the whole train part and generates malignant lesions."""
    run = make_run(RUN, "dcgan", phantom, "malignant")
    assert nearest.opened(run, EYES) is None
    nearest_making.prepare(RUN, EYES)
    return nearest.opened(run, EYES)


def rows_of(part: str, class_name: str | None = None) -> np.ndarray:
    labels = open_dataset("phantom").table["label"].to_numpy()
    return np.array([row for row in load_split("phantom").rows(part) if class_name in (None, labels[row])])


@torch.inference_mode()
def features(pictures: np.ndarray) -> np.ndarray:
    """By torch, in double precision."""
    x = torch.from_numpy(pictures.astype(np.float64) / 127.5 - 1).permute(0, 3, 1, 2)
    return RandomConv(0).double()(x).numpy()


def brute_force(pictures: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place and distance of the nearest of ``train``, over all flips and turns, pair by pair."""
    ours = np.stack([features(np.rot90(some, turn, (1, 2)).copy()) for some in (pictures, pictures[:, :, ::-1]) for turn in range(4)])
    distances = np.linalg.norm(ours[:, :, None] - features(train)[None, None], axis=3).min(axis=0)
    return distances.argmin(axis=1), distances.min(axis=1)


# --- known answers -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(copying.TURNS))
def test_every_turn_can_be_taken_back(turn: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.uint8)
    assert np.array_equal(copying.turned(copying.turned(pictures, turn), nearest.undone(turn)), pictures)


def test_a_training_image_is_at_no_distance_from_itself_however_it_is_turned(prepared: nearest.Space) -> None:
    train, pictures = rows_of("train"), open_dataset("phantom").images
    asked = np.stack([copying.turned(pictures[row][None], turn)[0] for turn, row in enumerate(train[:8])])
    found = prepared.find(asked)
    assert [each.row for each in found] == train[:8].tolist()
    assert [each.distance for each in found] == [0.0] * 8
    assert all(each.nearer == 0 for each in found)
    for picture, each in zip(asked, found, strict=True):
        assert np.array_equal(prepared.picture(each), picture), "it is shown as the picture lies"


def test_the_nearest_image_and_its_distance_are_those_of_a_search_pair_by_pair_with_torch(prepared: nearest.Space) -> None:
    image_set = open_dataset("phantom")
    asked = image_set.images[rows_of("test")[:6]]
    train = rows_of("train")
    places, distances = brute_force(asked, image_set.images[train])
    found = prepared.find(asked)
    assert [each.row for each in found] == train[places].tolist()
    np.testing.assert_allclose([each.distance for each in found], distances, rtol=1e-4)
    assert prepared.record.n_train == len(train)


def test_the_yardstick_is_the_distance_of_held_out_images_of_the_same_class(prepared: nearest.Space) -> None:
    image_set = open_dataset("phantom")
    _, distances = brute_force(image_set.images[rows_of("val", "malignant")], image_set.images[rows_of("train")])
    np.testing.assert_allclose(prepared.record.held_out, np.sort(distances), rtol=1e-4)
    assert prepared.record.usual == pytest.approx(np.median(distances), rel=1e-4)
    (found,) = prepared.find(image_set.images[rows_of("test")[:1]])
    assert found.nearer == int((np.array(prepared.record.held_out) < found.distance).sum())


def test_what_is_looked_at_beside_it_does_not_move_a_distance(prepared: nearest.Space) -> None:
    """What is seen in a picture is the same to the last bit; products of matrices of other shapes are rounded otherwise."""
    asked = open_dataset("phantom").images[rows_of("test")]
    look = nearest.Eyes(nearest.graphs() / prepared.record.graph, prepared.record.graph_sha256)
    assert np.array_equal(look(asked)[:1], look(asked[:1]))
    among, alone = prepared.find(asked)[0], prepared.find(asked[:1])[0]
    assert (among.row, among.turn, among.nearer) == (alone.row, alone.turn, alone.nearer)
    assert among.distance == pytest.approx(alone.distance, rel=1e-12)


def test_pictures_of_another_size_are_refused(prepared: nearest.Space) -> None:
    with pytest.raises(InvalidValue, match="64 px"):
        prepared.find(np.zeros((1, 32, 32, 3), np.uint8))


@pytest.mark.parametrize("size", [64, 256])
def test_derm_sees_the_same_with_and_without_torch(workspace: Path, size: int) -> None:
    """Features of derm are of length 48 and lie some units apart; the two may differ by a ten-thousandth."""
    shutil.copytree(SHIPPED, workspace.parent / "checkpoints" / "pretrained")
    derm = open_extractor("derm")
    graph = nearest_making.export_extractor(derm, size)
    look = nearest.Eyes(graph, files.sha256_file(graph))
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    pictures = np.repeat(np.repeat(coarse, size // 8, axis=1), size // 8, axis=2)
    with_torch = derm(pictures)
    assert np.linalg.norm(with_torch[0] - with_torch[1]) > 1
    np.testing.assert_allclose(look(pictures), with_torch, atol=1e-4)
    for path in graph.parent.iterdir():
        assert str(workspace).encode() not in path.read_bytes()


# --- what may go wrong -------------------------------------------------------------------------------------------------------------------


def test_generators_that_saw_the_same_images_share_it_and_others_do_not(prepared: nearest.Space, phantom: str) -> None:
    twin = make_run("sngan-phantom-malignant-cd34", "sngan", phantom, "malignant")
    assert nearest.opened(twin, EYES) is prepared
    assert nearest.opened(twin, "random-conv:1") is None


@pytest.mark.parametrize("name", [nearest.FEATURES, nearest.ROWS, nearest.RECORD])
def test_a_damaged_or_missing_file_means_that_it_must_be_prepared_again(phantom: str, name: str) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    nearest_making.prepare(RUN, EYES)
    path = nearest.folder_of(run, EYES) / name
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    nearest._open.cache_clear()
    assert nearest.opened(run, EYES) is None
    path.unlink()
    assert nearest.opened(run, EYES) is None
    nearest_making.prepare(RUN, EYES)
    assert nearest.opened(run, EYES).find(open_dataset(phantom).images[:1])


def test_without_its_graph_a_comparison_must_be_prepared_again(phantom: str) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    record = nearest_making.prepare(RUN, EYES)
    (nearest.graphs() / record.graph).unlink()
    assert nearest.opened(run, EYES) is None
    nearest_making.prepare(RUN, EYES)
    assert nearest.opened(run, EYES) is not None


@pytest.mark.parametrize("suffix", [".onnx", ".json"])
def test_a_damaged_graph_is_made_anew(phantom: str, suffix: str) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    graph = nearest.graphs() / nearest_making.prepare(RUN, EYES).graph
    whole = graph.read_bytes()
    path = graph.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    nearest_making.prepare(RUN, EYES)
    assert graph.read_bytes() == whole
    assert nearest.opened(run, EYES).find(open_dataset(phantom).images[:1])


def test_a_folder_that_is_named_like_the_run_is_not_meant(phantom: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "seed000000.png").write_bytes(b"a picture that was sampled")
    monkeypatch.chdir(tmp_path)
    nearest_making.prepare(RUN, EYES)
    assert nearest.opened(run, EYES) is not None


def test_a_damaged_graph_is_refused(prepared: nearest.Space, tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes((nearest.graphs() / prepared.record.graph).read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptFile, match="bytes"):
        nearest.Eyes(path, prepared.record.graph_sha256)


def test_a_dataset_that_is_not_here_is_named(phantom: str) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    shutil.rmtree(workspace.datasets() / phantom)
    with pytest.raises(NotFound, match="phantom"):
        nearest.opened(run, EYES)
    with pytest.raises(NotFound, match="phantom"):
        nearest_making.prepare(RUN, EYES)


def test_a_generator_that_has_seen_held_out_images_is_refused(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(RUN, "dcgan", phantom, "malignant")
    image_set, split = open_dataset(phantom), load_split(phantom)
    training_list.write(runs.run_folder(RUN), training_list.training_list(image_set, split, split.rows("train") + split.rows("val")[:1]))
    with pytest.raises(LeakError):
        nearest_making.prepare(RUN, EYES)
    assert nearest.opened(run, EYES) is None


def test_preparing_tells_how_far_it_is(phantom: str) -> None:
    make_run(RUN, "dcgan", phantom, "malignant")
    told: list[tuple[int, int, str]] = []
    nearest_making.prepare(RUN, EYES, on_progress=lambda *each: told.append(each))
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert all(done < total for done, total, _ in told)


def test_a_job_prepares_it(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    run = make_run(RUN, "dcgan", phantom, "malignant")
    job = jobs.run_job(jobs.submit("nearest", {"run_id": RUN, "extractor": EYES}).id)
    assert job.status == "done", job.error
    assert job.result == {"extractor": EYES, "images": len(rows_of("train"))}
    assert nearest.opened(run, EYES) is not None
    failed = jobs.run_job(jobs.submit("nearest", {"run_id": RUN, "extractor": "no-such"}).id)
    assert failed.status == "failed"
    assert "no-such" in failed.message
