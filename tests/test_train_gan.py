"""The training loop: exact resume, stops, divergence, and what it writes."""

import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import preloaded
import pytest
import safetensors
import torch

from gan_aug import catalog, checkpoint, device, files, images, lengthening, randomness, runs, train_gan
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import Busy, CorruptFile, Diverged, InvalidValue, NotFound, UserError
from gan_aug.gans import augment
from gan_aug.records import GanConfig, from_dict
from gan_aug.train_gan import graphs, loop, state
from gan_aug.training import Tick

# Twelve steps of batch 8, a snapshot every four. wgan_gp does two D steps in each; no preset for small data has several.
TINY = {"z_dim": 8, "width": 4, "batch_size": 8, "ema_kimg": 0.05, "r1_every": 2}


def settings(name: str, **more: object) -> dict:
    d_steps = 2 if name == "wgan_gp" else 1
    step = 8 * d_steps / 1000
    return {**TINY, "d_steps": d_steps, "total_kimg": 12 * step, "tick_kimg": 2 * step, "snapshot_kimg": 4 * step, **more}


def prepare(name: str, **more: object):
    class_name = None if catalog.entry(name).conditional else "malignant"
    return train_gan.prepare(name, "phantom", class_name=class_name, settings=settings(name, **more), seed=3, device_name="cpu")


def digests(run_id: str) -> dict[str, str]:
    """Digest of every weight file of the last snapshot."""
    last = runs.list_checkpoints(run_id)[-1]
    recorded = runs.read_meta(runs.Path(last.folder))["files"]
    return {name: entry["sha256"] for name, entry in recorded.items() if name.endswith(".safetensors")}


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_stopped_and_resumed_training_ends_with_the_same_weights(phantom, name):
    straight, broken = prepare(name), prepare(name)
    train_gan.train(straight.id)

    asked = iter(range(100))
    stopped = train_gan.train(broken.id, should_stop=lambda: next(asked) == 4)  # after step 5, between two ticks
    assert stopped.step == 5
    assert runs.status(broken.id).state == "stopped"
    train_gan.train(broken.id)

    assert runs.status(broken.id).state == "finished"
    assert digests(broken.id) == digests(straight.id)
    assert len(digests(straight.id)) == 3


def test_learning_rates_fall_to_zero_over_the_last_part(phantom):
    training = state.build_training(prepare("wgan_gp", lr_decay=0.25, g_lr=1e-3, d_lr=4e-3), torch.device("cpu"))
    assert training.config.total_steps == 12
    rates = []
    for training.step in range(12):
        training.set_learning_rates()
        rates.append((training.g_optimiser.param_groups[0]["lr"], training.d_optimiser.param_groups[0]["lr"]))
    assert rates[:9] == [(1e-3, 4e-3)] * 9
    assert rates[9:] == [
        (1e-3, 4e-3),
        (pytest.approx(1e-3 * 2 / 3), pytest.approx(4e-3 * 2 / 3)),
        (pytest.approx(1e-3 / 3), pytest.approx(4e-3 / 3)),
    ]


def test_falling_rates_go_on_from_where_they_were(phantom):
    straight, broken, constant = (prepare("dcgan", lr_decay=share) for share in (1.0, 1.0, 0.0))
    train_gan.train(straight.id)
    asked = iter(range(100))
    train_gan.train(broken.id, should_stop=lambda: next(asked) == 4)
    train_gan.train(broken.id)
    train_gan.train(constant.id)
    assert digests(broken.id) == digests(straight.id) != digests(constant.id)


def test_adaptive_diff_augment_goes_on_from_the_share_it_had(phantom, monkeypatch):
    monkeypatch.setattr(augment.AdaptiveShare, "KIMG", 0.02)
    straight, broken, never = (prepare("dcgan", augment_target=target) for target in (0.01, 0.01, 0.99))
    train_gan.train(straight.id)
    asked = iter(range(100))
    train_gan.train(broken.id, should_stop=lambda: next(asked) == 4)
    train_gan.train(broken.id)
    shares = [line["D/augment"] for line in runs.read_stats(straight.id)[0]]
    assert min(shares) < max(shares) and 0 < shares[2] <= 1, "the stop was to be at a share between none and all"
    assert digests(broken.id) == digests(straight.id)

    # A D that is never that sure of real images sees none of them distorted.
    train_gan.train(never.id)
    assert all(line["D/augment"] == 0 and line["D/real_sign"] < 0.99 for line in runs.read_stats(never.id)[0])


def train_slowly(run_id):
    torch.set_num_threads(1)
    train_gan.train(run_id, should_stop=lambda: time.sleep(0.05))


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_killed_training_resumes_to_the_same_weights(phantom, name):
    """kill -9 in the middle of the work, in a process of its own."""
    straight, killed = prepare(name), prepare(name)
    child = preloaded.Child(train_slowly, killed.id)
    while not runs.list_checkpoints(killed.id) and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert runs.status(killed.id).state == "lost"
    assert 0 < runs.list_checkpoints(killed.id)[-1].step < 12

    train_gan.train(killed.id)
    train_gan.train(straight.id)
    assert digests(killed.id) == digests(straight.id)
    # The statistics of the steps that were done twice are there once.
    assert [line["step"] for line in runs.read_stats(killed.id)[0]] == [2, 4, 6, 8, 10, 12]


# One with adaptive DiffAugment, one whose D changes buffers in every pass, and one with two D steps.
@pytest.mark.parametrize(("name", "more"), [("dcgan", {"augment_target": 0.01}), ("sngan", {}), ("wgan_gp", {})])
def test_a_finished_training_goes_on_to_where_a_longer_one_would_be(phantom, name, more):
    straight = prepare(name, **more)
    total = from_dict(GanConfig, straight.config).total_kimg
    short = prepare(name, **more, total_kimg=total * 7 / 12)  # ends between two ticks
    train_gan.train(straight.id)
    train_gan.train(short.id)
    runs.choose_best(short.id, 7, "seen")
    before = {path: files.sha256_file(path) for path in runs.run_folder(short.id).rglob("*") if path.is_file()}

    longer = lengthening.lengthen(short.id, total)
    assert (longer.id[:-4], longer.parent, longer.config) == (short.id[:-4], short.id, straight.config)
    waiting = runs.status(longer.id)
    assert (waiting.state, waiting.step, waiting.total_kimg) == ("stopped", 7, total)
    with pytest.raises(NotFound, match="No best snapshot"):
        runs.resolve(f"{longer.id}@best")
    train_gan.train(longer.id)
    assert digests(longer.id) == digests(straight.id)
    assert [line["step"] for line in runs.read_stats(longer.id)[0]] == [2, 4, 6, 7, 8, 10, 12]
    assert [step for step, _ in runs.grids(longer.id)] == [saved.step for saved in runs.list_checkpoints(longer.id)] == [4, 7, 8, 12]
    assert runs.log_tail(longer.id).count(f"Goes on from {short.id}") == 1
    assert training_list.read(runs.run_folder(longer.id)) == training_list.read(runs.run_folder(short.id))
    assert before == {path: files.sha256_file(path) for path in runs.run_folder(short.id).rglob("*") if path.is_file()}


def test_a_training_that_cannot_be_made_longer_says_why(phantom):
    run, falling = prepare("dcgan"), prepare("dcgan", lr_decay=0.5)
    with pytest.raises(InvalidValue, match=r"No snapshot of run .* holds what a training goes on from"):
        lengthening.lengthen(run.id, 1.0)  # nothing was trained yet
    train_gan.train(run.id)
    for length, message in ((0.096, "0.096 are not more"), (0.09, "0.09 are not more"), (float("nan"), "total_kimg cannot be nan")):
        with pytest.raises(InvalidValue, match=message):
            lengthening.lengthen(run.id, length)
    with pytest.raises(InvalidValue, match=r"fall to zero at 0\.096"):
        lengthening.lengthen(falling.id, 1.0)
    with pytest.raises(Busy), runs.training_lock(run.id):
        lengthening.lengthen(run.id, 1.0)
    assert {found.id for found in runs.list_runs()} == {run.id, falling.id}
    assert not list(runs.run_folder(run.id).parent.glob(".*"))


def test_what_a_run_leaves(phantom):
    ticks = []
    run = prepare("dcgan")
    last = train_gan.train(run.id, on_tick=ticks.append)
    assert [tick["step"] for tick in ticks] == [2, 4, 6, 8, 10, 12]
    assert ticks[-1]["seconds_left"] == 0
    stats, offset = runs.read_stats(run.id)
    assert [line["step"] for line in stats] == [2, 4, 6, 8, 10, 12]
    assert {"D/loss", "G/loss", "D/real", "D/fake", "D/accuracy", "D/r1", "images_per_second", "kimg"} <= set(stats[-1])
    assert runs.read_stats(run.id, offset) == ([], offset)
    assert [step for step, _ in runs.grids(run.id)] == [4, 8, 12]
    said = images.read_provenance(runs.grids(run.id)[-1][1])
    assert (said["run"], said["step"], said["digitalSourceType"]) == (run.id, 12, images.SYNTHETIC)
    assert last.id == f"{run.id}@0.096"
    assert runs.resolve(run.id)[1] == runs.resolve(f"{run.id}@last")[1] == runs.resolve(f"{run.id}@0.096")[1] == last
    # Only the last two snapshots can be resumed from; the first keeps what is sampled.
    kept = [sorted(path.name for path in runs.Path(c.folder).iterdir()) for c in runs.list_checkpoints(run.id)]
    assert kept[0] == ["G_ema.safetensors", "meta.json"]
    assert kept[1] == kept[2] == ["D.safetensors", "G.safetensors", "G_ema.safetensors", "meta.json", "optim.pt"]
    status = runs.status(run.id)
    assert (status.state, status.step) == ("finished", 12)

    # A finished run that is trained again changes nothing.
    assert train_gan.train(run.id) == last


def test_the_penalties_are_lazy_and_each_has_its_own_weight(phantom):
    for name, gammas, expected in (
        ("r3gan", {}, {"D/r1", "D/r2"}),
        ("r3gan", {"r1_gamma": 0.0}, {"D/r2"}),
        ("dcgan", {}, {"D/r1"}),
        ("sngan", {}, set()),
    ):
        run = prepare(name, **gammas)
        training = state.build_training(run, torch.device("cpu"))
        data = state.TrainingImages(run, training.config, torch.device("cpu"))
        for step in range(4):
            stats = loop.train_step(training, data, "fp32")
            assert set(stats) & {"D/r1", "D/r2"} == (expected if step % 2 == 0 else set())


def test_the_training_list_names_the_training_images_and_no_others(phantom):
    run = prepare("dcgan")
    image_set, split = open_dataset("phantom"), load_split("phantom")
    seen = {image.image_id for image in training_list.read(runs.run_folder(run.id))}
    malignant = image_set.table["label"] == "malignant"
    assert seen == {image_set.table["image_id"][row] for row in split.rows("train") if malignant[row]}
    assert run.n_images == len(seen) > 0


def test_a_not_a_number_stops_the_run_and_keeps_the_last_good_snapshot(phantom, monkeypatch):
    run = prepare("dcgan")
    genuine = loop.train_step

    def poisoned(training, data, precision):
        stats = genuine(training, data, precision)
        return stats | {"G/loss": torch.tensor(float("nan"))} if training.step == 7 else stats

    monkeypatch.setattr(loop, "train_step", poisoned)
    with pytest.raises(Diverged, match="G/loss"):
        train_gan.train(run.id)
    assert runs.status(run.id).state == "failed"
    assert "G/loss" in runs.status(run.id).message
    assert [saved.step for saved in runs.list_checkpoints(run.id)] == [4]
    runs.verify(runs.list_checkpoints(run.id)[-1])


def test_weights_that_are_not_numbers_are_never_saved(phantom, monkeypatch):
    run = prepare("dcgan")
    genuine = loop.train_step

    def poisoned(training, data, precision):
        stats = genuine(training, data, precision)
        if training.step == 8:
            with torch.no_grad():
                next(training.G.parameters())[0, 0, 0, 0] = float("inf")
        return stats

    monkeypatch.setattr(loop, "train_step", poisoned)
    with pytest.raises(Diverged, match="weight"):
        train_gan.train(run.id)
    assert [saved.step for saved in runs.list_checkpoints(run.id)] == [4]


def test_a_flipped_bit_is_refused_and_the_snapshot_before_it_used(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    expected = digests(run.id)
    last = runs.list_checkpoints(run.id)[-1]
    path = runs.Path(last.folder) / "G.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)

    with pytest.raises(CorruptFile, match="bytes that were saved"):
        checkpoint.load_snapshot(last)
    train_gan.train(run.id)
    assert "G.safetensors does not have the bytes" in runs.log_tail(run.id)
    assert digests(run.id) == expected


def test_a_damaged_meta_is_told_and_the_snapshot_before_it_used(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    expected = digests(run.id)
    (runs.Path(runs.list_checkpoints(run.id)[-1].folder) / "meta.json").write_text("{")
    assert runs.list_checkpoints(run.id)[-1].step == 8
    train_gan.train(run.id)
    assert "meta.json is damaged" in runs.log_tail(run.id)
    assert digests(run.id) == expected


def test_progress_after_a_damaged_snapshot_is_kept(phantom):
    """The damaged one is set aside: it counted among the newest, of which all files are kept, and the next one was thinned at once."""
    run = prepare("dcgan")
    train_gan.train(run.id)
    expected = digests(run.id)
    for saved in runs.list_checkpoints(run.id)[-1:]:
        (Path(saved.folder) / "optim.pt").write_bytes(b"cut")
    told, steps = [], iter([False, True])
    train_gan.train(run.id, on_notice=told.append, should_stop=lambda: next(steps))
    assert [saved.step for saved in runs.list_checkpoints(run.id)] == [4, 8, 10]
    assert told == [f"{Path(saved.folder) / 'optim.pt'} does not have the bytes that were saved.", "The training goes on from step 8."]
    assert (Path(saved.folder) / "damaged-meta.json").exists()
    assert checkpoint.newest_good(run)[0].step == 10
    train_gan.train(run.id, on_notice=told.append)
    assert digests(run.id) == expected and len(told) == 2


def test_a_run_whose_snapshots_are_all_damaged_is_not_trained_anew_in_their_place(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    for saved in runs.list_checkpoints(run.id):
        (Path(saved.folder) / f"{'optim.pt' if saved.step > 4 else 'G_ema.safetensors'}").write_bytes(b"cut")
    names = ("stats.jsonl", "snapshots/step-00000012/meta.json", "snapshots/step-00000008/meta.json")
    before = [(runs.run_folder(run.id) / name).read_bytes() for name in names]
    with pytest.raises(CorruptFile, match="no snapshot that its training could go on from") as refusal:
        train_gan.train(run.id)
    assert "optim.pt does not have the bytes" in refusal.value.what and "train a new run" in refusal.value.todo
    assert [(runs.run_folder(run.id) / name).read_bytes() for name in names] == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 99}, "seed 3 (now 99)"),
        ({"config": {"g_lr": 0.01, "batch_size": 16}}, "batch_size 8 (now 16), g_lr 0.0002 (now 0.01)"),
    ],
)
def test_a_run_whose_settings_were_edited_is_not_gone_on_with(phantom, change, told):
    run = prepare("dcgan")
    train_gan.train(run.id, should_stop=lambda: True)
    path = runs.run_folder(run.id) / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | change | {"config": record["config"] | change.get("config", {})}))
    with pytest.raises(InvalidValue) as refusal:
        train_gan.train(run.id)
    assert f"other settings than run.json has: {told}." in refusal.value.what
    path.write_text(json.dumps(record))
    train_gan.train(run.id)


def test_a_run_is_trained_by_one_process_at_a_time(phantom):
    run = prepare("dcgan")
    with runs.training_lock(run.id), pytest.raises(Busy, match="trained by another process"):
        train_gan.train(run.id)
    assert runs.status(run.id).state == "new"


def test_a_full_disk_is_told_and_the_earlier_snapshot_is_whole(phantom, monkeypatch):
    run = prepare("dcgan")
    genuine = checkpoint.torch.save
    calls = []

    def full(value, path):
        calls.append(path)
        if len(calls) == 2:
            raise RuntimeError("unexpected pos 64 vs 0")  # what torch says when the disk is full
        return genuine(value, path)

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(Exception, match="could not be written"):
        train_gan.train(run.id)
    assert [saved.step for saved in runs.list_checkpoints(run.id)] == [4]
    runs.verify(runs.list_checkpoints(run.id)[0])


def test_a_disk_that_is_full_for_the_weights_is_told_and_leaves_no_half_snapshot(phantom, monkeypatch):
    run = prepare("dcgan")

    def full(tensors, path):
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint.safetensors.torch, "save_file", full)
    with pytest.raises(UserError, match="step 4 could not be written") as refusal:
        train_gan.train(run.id)
    assert "Make room" in refusal.value.todo
    assert not list((runs.run_folder(run.id) / "snapshots").iterdir())


def test_every_user_of_the_machine_may_read_a_snapshot(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    found = [path for path in runs.run_folder(run.id).rglob("step-*/*") if path.is_file()]
    assert {path.suffix for path in found} >= {".safetensors", ".json", ".pt"}
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in found)


def test_damage_to_what_is_not_sampled_does_not_keep_from_sampling(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    saved = runs.list_checkpoints(run.id)[-1]
    (Path(saved.folder) / "optim.pt").unlink()
    assert checkpoint.load_sampled(saved)
    with pytest.raises(CorruptFile, match=r"optim\.pt is missing"):
        checkpoint.load_snapshot(saved)


def test_a_run_of_which_only_the_sampled_weights_are_left_is_not_trained_anew_in_their_place(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    checkpoint.thin(run.id, keep=1)
    shutil.rmtree(runs.list_checkpoints(run.id)[-1].folder)
    before = {path: path.read_bytes() for path in runs.run_folder(run.id).rglob("*") if path.is_file()}
    with pytest.raises(InvalidValue, match="at most weights to sample with"):
        train_gan.train(run.id)
    assert {path: path.read_bytes() for path in runs.run_folder(run.id).rglob("*") if path.is_file()} == before


def test_a_finished_run_stays_finished_when_its_data_are_gone(phantom):
    run = prepare("dcgan")
    train_gan.train(run.id)
    shutil.rmtree(open_dataset("phantom").folder)
    with pytest.raises(NotFound):
        train_gan.train(run.id)
    assert runs.status(run.id).state == "finished"


def test_other_data_under_the_same_name_is_refused(phantom):
    run = prepare("dcgan")
    path = runs.run_folder(run.id) / "run.json"
    files.write_json(path, {**files.read_json(path), "dataset_fingerprint": "0" * 64})
    with pytest.raises(InvalidValue, match="not the one"):
        train_gan.train(run.id)


def test_wrong_plans_are_refused_before_a_folder_is_made(phantom, tmp_path):
    cases = [
        (InvalidValue, {"gan": "acgan", "class_name": "malignant"}, "learns all classes"),
        (NotFound, {"gan": "dcgan", "class_name": "cat"}, "no class 'cat'"),
        (InvalidValue, {"gan": "dcgan", "settings": {"resolution": 128}}, "holds images of 64 px"),
        (InvalidValue, {"gan": "dcgan", "seed": -1}, "Seed -1 is out of range"),
        (InvalidValue, {"gan": "dcgan", "device_name": "tpu"}, "no device 'tpu'"),
        (InvalidValue, {"gan": "dcgan", "settings": {"batch_size": 1}}, "batch_size"),
        (InvalidValue, {"gan": "dcgan", "settings": {"lr_decay": 1.5}}, "lr_decay"),
        (InvalidValue, {"gan": "dcgan", "settings": {"augment_target": 1.0}}, "augment_target"),
        (InvalidValue, {"gan": "dcgan", "settings": {"augment_target": 0.6, "augment": ()}}, "augment names nothing"),
        (InvalidValue, {"gan": "wgan_gp", "settings": {"augment_target": 0.6}}, "wgan_gp does not use augment_target"),
        (InvalidValue, {"gan": "r3gan", "settings": {"augment_target": 0.6}}, "r3gan does not use augment_target"),
        (NotFound, {"gan": "gan2"}, "no GAN"),
    ]
    for kind, options, message in cases:
        gan = options.pop("gan")
        with pytest.raises(kind, match=message):
            train_gan.prepare(gan, "phantom", **options)
    with pytest.raises(NotFound):
        train_gan.prepare("dcgan", "nothing")
    assert runs.list_runs() == []


def test_sampling_uses_the_average_with_its_buffers(phantom):
    run = prepare("dcgan")
    training = state.build_training(run, torch.device("cpu"))
    data = state.TrainingImages(run, training.config, torch.device("cpu"))
    for _ in range(3):
        loop.train_step(training, data, "fp32")
    averaged, G = training.averaged.network.state_dict(), training.G.state_dict()
    moved = [name for name in averaged if "running_mean" in name and averaged[name].abs().sum() > 0]
    assert moved
    assert all(averaged[name].shape == G[name].shape for name in averaged)
    assert not torch.equal(averaged["layers.0.weight"], G["layers.0.weight"])


def test_average_of_a_known_sequence():
    """Half-life h: after h images the old value weighs one half."""
    config = catalog.gan_config("dcgan", ema_kimg=1.0, ema_rampup=0.0)
    G = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(G.weight)
    averaged = state.AveragedG(G, config)
    torch.nn.init.ones_(G.weight)
    averaged.set_weight(100, 1e9)
    for _ in range(10):
        averaged.update(G)
    assert averaged.network.weight.item() == pytest.approx(0.5, abs=1e-6)


def test_parameter_counts_need_no_memory(phantom):
    run, rows = train_gan.plan("dcgan", "phantom", settings={"z_dim": 100, "width": 64, "upsampling": "transposed"}, device_name="cpu")
    assert train_gan.parameter_counts(run) == {"G": 3_576_704, "D": 2_765_568}
    assert len(rows) == run.n_images


# --- what a GPU captures -----------------------------------------------------------------------------------------------------------------


class FirstOfItsKind:
    """Stands in for ``Graphs``: computes every step by the function that came with the first of its kind, as a captured graph would."""

    def __init__(self, training: state.Training):
        self.training, self.first = training, {}

    def run(self, kind, compute):
        step, self.training.step = self.training.step, None  # whoever reads it while the step is computed would have it captured
        try:
            return self.first.setdefault(kind, compute)()
        finally:
            self.training.step = step


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_step_computes_from_what_lies_in_place_and_from_its_kind_alone(phantom, name, monkeypatch):
    plain, captured = (prepare(name, lr_decay=0.5) for _ in range(2))
    train_gan.train(plain.id)

    def build(*arguments):
        training = state.build_training(*arguments)
        training.graphs = FirstOfItsKind(training)
        return training

    monkeypatch.setattr(loop, "build_training", build)
    train_gan.train(captured.id)
    assert digests(captured.id) == digests(plain.id)


class FakeGraph:
    """Stands in for a CUDA graph: knows how often it was replayed."""

    def __init__(self):
        self.replays = 0

    def replay(self):
        self.replays += 1


def test_each_kind_of_step_is_captured_once_and_then_replayed(monkeypatch):
    made, capturing = [], []

    @contextlib.contextmanager
    def capture(graph, **_):
        capturing.append(graph)
        yield
        capturing.pop()

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: made.append(FakeGraph()) or made[-1])
    monkeypatch.setattr(torch.cuda, "graph", capture)
    computed = []

    def compute(kind):
        computed.append((kind, bool(capturing)))
        return {"kind": kind, "graph": capturing[-1] if capturing else None}

    steps = graphs.Graphs()
    seen = [steps.run(kind, lambda kind=kind: compute(kind)) for kind in "aaabaabbbaa"]
    assert [step["kind"] for step in seen] == list("aaabaabbbaa")
    assert computed == [("a", False)] * 3 + [("b", False), ("a", True), ("b", False), ("b", False), ("b", True)]
    assert [graph.replays for graph in made] == [4, 1]  # a captured step has not run: the graph does it, the first time, too
    assert seen[-1] is seen[4] and seen[-1]["graph"] is made[0]


def test_a_learning_rate_that_a_graph_reads_stays_where_it_is(phantom):
    training = state.build_training(prepare("dcgan", lr_decay=0.5), torch.device("cpu"))
    rates = [torch.tensor(training.config.g_lr), torch.tensor(training.config.d_lr)]
    for optimiser, rate in zip((training.g_optimiser, training.d_optimiser), rates, strict=True):
        optimiser.param_groups[0]["lr"] = rate
    training.step = 9  # of 12: half-way through the last half
    training.set_learning_rates()
    assert training.g_optimiser.param_groups[0]["lr"] is rates[0]
    assert [rate.item() for rate in rates] == pytest.approx([training.config.g_lr / 2, training.config.d_lr / 2])


def test_a_training_begun_on_a_gpu_goes_on_on_a_cpu(phantom, monkeypatch):
    straight, moved = prepare("dcgan"), prepare("dcgan")
    train_gan.train(straight.id)
    asked = iter(range(100))
    train_gan.train(moved.id, should_stop=lambda: next(asked) == 5)
    genuine = loop.newest_good

    def as_a_gpu_saves(*arguments):
        snapshot = genuine(*arguments)
        for optimiser in snapshot.optimisers.values():
            for group in optimiser["param_groups"]:
                group |= {"lr": torch.tensor(group["lr"]), "fused": True, "capturable": True}
        return snapshot

    monkeypatch.setattr(loop, "newest_good", as_a_gpu_saves)
    train_gan.train(moved.id)
    assert digests(moved.id) == digests(straight.id)


def test_the_statistics_of_a_tick_are_means_over_the_steps_that_have_them():
    tick = Tick()
    shared = torch.tensor(1.0)
    tick.add({"loss": shared, "penalty": torch.tensor(8.0)})
    shared.fill_(3.0)  # as the next step overwrites it
    tick.add({"loss": shared})
    tick.add({"loss": torch.tensor(5.0, dtype=torch.bfloat16)})
    assert tick.means() == {"loss": 3.0, "penalty": 8.0}
    tick.add({"loss": torch.tensor(float("inf"))})
    with pytest.raises(Diverged, match="loss"):
        tick.means()


# --- keyed randomness --------------------------------------------------------------------------------------------------------------------


def test_every_epoch_visits_every_image_once():
    n, batch_size = 10, 4
    visited = np.concatenate([randomness.batch_rows(7, batch, batch_size, n) for batch in range(5)])
    assert sorted(visited[:10]) == sorted(visited[10:]) == list(range(10))
    assert list(visited[:10]) != list(visited[10:])


def test_keyed_draws_are_the_same_on_every_machine():
    assert randomness.key(0, "step", 1) == 2111436579075594638
    assert randomness.order(0, 0, 6).tolist() == [3, 1, 5, 0, 4, 2]
    assert randomness.order(0, 0, 6).tolist() != randomness.order(1, 0, 6).tolist()


def test_pixels_reach_the_network_by_one_formula():
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(device.to_float(torch.from_numpy(pixels)).numpy(), images.to_float(pixels))
    np.testing.assert_array_equal(images.to_uint8(images.to_float(pixels)), pixels)


def test_real_images_span_the_range_of_tanh(phantom):
    """The original trained AC-GAN on real images in [0, 1] against fakes in [-1, 1]."""
    run = prepare("acgan")
    config = from_dict(GanConfig, run.config)
    data = state.TrainingImages(run, config, torch.device("cpu"))
    data.load(0)
    batch, labels = data.batch(0)
    assert batch.shape == (8, 3, 64, 64)
    assert batch.min() < 0 < batch.max()
    assert batch.abs().max() <= 1
    assert set(labels.tolist()) <= {0, 1}
