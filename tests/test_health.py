"""What a training says about its own health: each alarm provoked, each silent where all is well, and none that changes a weight."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_aug import catalog, runs, train_gan
from gan_aug.errors import UserError
from gan_aug.gans import dcgan
from gan_aug.gans.blocks import ConvGenerator
from gan_aug.records import GanConfig
from gan_aug.train_gan import health, loop

# Thirty steps of batch 8, a tick each.
SHORT = {"z_dim": 8, "width": 8, "batch_size": 8, "ema_kimg": 0.0}


def prepare(name: str, **more: object):
    step = 8 * catalog.gan_config(name).d_steps / 1000
    settings = {**SHORT, "total_kimg": 30 * step, "tick_kimg": step, "snapshot_kimg": 10 * step, **more}
    return train_gan.prepare(name, "phantom", settings=settings, seed=3, device_name="cpu")


def lines(n: int = 30, **numbers: object) -> list[dict[str, float]]:
    """A healthy training's ticks, some statistics replaced by a number or a function of the tick."""
    usual = {"D/loss": 1.1, "G/loss": 1.4, "D/real": 0.5, "D/fake": -0.5, "D/accuracy": 0.75, "diversity": 0.8} | numbers
    values = [{name: value(i) if callable(value) else value for name, value in usual.items()} for i in range(n)]
    return [
        {"kimg": health.WARM_UP + 1 + i} | {name: value for name, value in line.items() if value is not None}
        for i, line in enumerate(values)
    ]


# Statistics of trainings at 64 px on photographs, 100 kimg where none are named, of benchmarks/small_data.py: what `look` reads of them.
# SN-GAN's are of the small-data preset of before 2026-12-01, which had twice the rates.
RECORDED = json.loads(Path(__file__).with_name("recorded_trainings.json").read_text())

# A D that rates real and generated images alike, at whatever level, from the 20th tick on.
BLIND = {
    "D/accuracy": lambda i: 0.7 if i < 20 else 0.5,
    "D/real": lambda i: 0.5 if i < 20 else 0.013 + 0.01 * (i % 2),
    "D/fake": lambda i: -0.5 if i < 20 else 0.023 - 0.01 * (i % 2),
}

# --- variety -----------------------------------------------------------------------------------------------------------------------------


def test_variety_of_known_pictures():
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    assert health.variety(np.stack([black, black, black])) == 0
    assert health.variety(np.stack([black, white])) == pytest.approx(1)
    assert health.variety(np.stack([black, black, white])) == pytest.approx(2 / 3)
    assert health.variety(black[None]) == 0
    half = black.copy()
    half[:32] = 255
    assert health.variety(np.stack([black, half])) == pytest.approx(0.5**0.5)


def test_variety_is_of_shapes_and_not_of_noise():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    pictures = np.stack([np.stack([checks] * 3, axis=-1), np.stack([255 - checks] * 3, axis=-1)])
    assert health.variety(pictures) == pytest.approx(0)


def test_variety_compares_within_a_class():
    pictures = np.zeros((8, 64, 64, 3), np.uint8)
    pictures[4:] = 200
    classes = np.array([0] * 4 + [1] * 4)
    assert health.variety(pictures) > 0.3
    assert health.variety(pictures, classes) == pytest.approx(0, abs=1e-6)


# --- covering ----------------------------------------------------------------------------------------------------------------------------


def pictures_of(rng: np.random.Generator, colours: np.ndarray) -> np.ndarray:
    """Plain pictures of the given colours, with a little noise: (N, 64, 64, 3) uint8."""
    noise = rng.normal(0, 4, (len(colours), 64, 64, 3))
    return np.clip(colours[:, None, None, :] + noise, 0, 255).astype(np.uint8)


def test_pictures_like_the_training_images_cover_as_much_as_other_training_images_do():
    rng = np.random.default_rng(0)
    some, others, fakes = (pictures_of(rng, rng.uniform(60, 200, (100, 3))) for _ in range(3))
    covering = health.Reference((some, None), some, others).covering(fakes)
    assert covering == {"precision": pytest.approx(1, abs=0.15), "recall": pytest.approx(1, abs=0.15)}


def test_good_pictures_that_are_alike_have_precision_and_no_recall():
    rng = np.random.default_rng(0)
    some, others = (pictures_of(rng, rng.uniform(60, 200, (100, 3))) for _ in range(2))
    fakes = pictures_of(rng, np.repeat(some[:1].mean(axis=(1, 2)), 100, axis=0))
    covering = health.Reference((some, None), some, others).covering(fakes)
    assert covering["precision"] > 0.9 and covering["recall"] < 0.1


def test_too_few_training_images_tell_nothing_of_covering():
    few = np.zeros((health.NEIGHBOURS + 1, 64, 64, 3), np.uint8)
    assert health.Reference((few, None), few, few).covered is None


# --- alarms ----------------------------------------------------------------------------------------------------------------------------


def test_healthy_statistics_raise_no_alarm():
    assert health.look([]) == {}
    assert health.look(lines()) == {}
    rng = np.random.default_rng(0)
    for noise in rng.normal(size=(20, 30)):
        noisy = lines(**{"D/accuracy": lambda i, noise=noise: 0.6 + 0.1 * noise[i], "G/loss": lambda i, noise=noise: 2 + 0.5 * noise[i]})
        assert health.look(noisy) == {}


@pytest.mark.parametrize(
    ("kind", "words", "numbers"),
    [
        ("collapse", "differ from each other by 5%", {"diversity": lambda i: 0.8 if i < 20 else 0.05}),
        ("collapse", "r1_gamma", {"diversity": lambda i: {10: 0.1, 20: 0.1}.get(i)}),  # never varied, measured now and then
        (
            "collapse",
            "cover 30% of what",
            {"precision": lambda i: 0.9 if i % 10 == 9 else None, "recall": lambda i: {9: 0.4, 19: 0.45, 29: 0.3}.get(i)},
        ),
        (
            "collapse",
            "recall fell to 55%",
            {"precision": lambda i: {9: 0.8}.get(i, 0.9), "recall": lambda i: {9: 1.0, 19: 0.58, 29: 0.55}.get(i)},
        ),
        ("strong D", "smaller d_lr", {"D/accuracy": lambda i: 0.7 if i < 25 else 0.995}),
        ("weak D", "larger d_lr", {"D/accuracy": lambda i: 0.7 if i < 20 else 0.49 + 0.02 * (i % 2)}),
        ("weak D", "is blind", {**BLIND, "diversity": 0.95}),
        ("weak D", "half the learning rates", {**BLIND, "diversity": None}),
        ("divergence", "D/loss has run away, to 60 from 1.1", {"D/loss": lambda i: 1.1 if i < 27 else 60.0}),
        ("divergence", "G/loss", {"G/loss": lambda i: -1.4 * (1 if i < 27 else 50)}),
    ],
)
def test_each_alarm_is_raised_and_says_what_to_try(kind, words, numbers):
    found = health.look(lines(**numbers))
    assert list(found) == [kind]
    assert words in found[kind]
    assert health.look([{**line, "kimg": line["kimg"] / 100} for line in lines(**numbers)]) == {}, "nothing is said while it warms up"


def test_a_discriminator_whose_accuracy_is_one_half_may_be_well():
    """It sees a small difference on average, and the pictures vary as they should: so were healthy SN-GANs."""
    equal = {"D/accuracy": 0.5, "diversity": 0.95}
    assert health.look(lines(**equal)) == {}
    assert health.look(lines(**{**equal, "D/real": -0.29, "D/fake": -0.31})) == {}
    assert health.look(lines(**{**equal, "D/real": 30.0, "D/fake": 30.0, "D/distance": 0.0})) == {}, "a critic's ratings have no scale"


def test_alarms_wait_for_several_ticks():
    assert health.look(lines(**{"D/accuracy": lambda i: 0.7 if i < 26 else 1.0})) == {}
    assert health.look(lines(**{"D/accuracy": lambda i: 0.7 if i < 21 else 0.5})) == {}
    assert health.look(lines(**{"D/loss": lambda i: 1.1 if i < 28 else 60.0})) == {}
    assert health.look(lines(diversity=lambda i: 0.8 if i < 29 else 0.05)) == {}
    assert health.look(lines(precision=0.9, recall=lambda i: {19: 0.3, 29: 0.3}.get(i))) == {}, "two snapshots are not three"
    assert health.look(lines(precision=0.9, recall=lambda i: {9: 1.0, 29: 0.55}.get(i))) == {}, "one is not two"
    assert health.look(lines(12, **{"D/loss": lambda i: 1.1 if i < 9 else 60.0})) == {}, "too little is known of what is usual"


def test_recall_that_falls_with_precision_is_no_collapse():
    """The pictures get worse, and not alike: the charts show it, and the best snapshot is an earlier one."""
    worse = {"precision": lambda i: {9: 0.9}.get(i, 0.7), "recall": lambda i: {9: 1.0, 19: 0.58, 29: 0.55}.get(i)}
    assert health.look(lines(**worse)) == {}


def events(recorded: list[dict[str, float]]) -> list[tuple[int, list[str]]]:
    """When the kinds of trouble that are told change, in thousand images, and to what."""
    told: list[tuple[int, list[str]]] = [(0, [])]
    for end in range(1, len(recorded) + 1):
        kinds = sorted(health.look(recorded[:end]))
        if kinds != told[-1][1]:
            told.append((int(recorded[end - 1]["kimg"]), kinds))
    return told[1:]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dcgan small-data on isic_cc0, seed 2", []),
        ("dcgan aidl21 on ham10000, seed 1", []),
        ("dcgan aidl21 on ham10000, seed 2", []),
        ("sngan small-data on isic_cc0, seed 0", []),
        ("acgan small-data on isic_cc0, seed 0, 40 kimg", []),
        ("r3gan small-data on isic_cc0, seed 0, 40 kimg", []),
        # Recall through derm 0.37 at the end.
        ("wgan_gp small-data on isic_cc0, seed 0, 40 kimg", [(40, ["collapse"])]),
        # Recall through derm 0.09 and 0.16 at the end.
        ("sngan aidl21 on ham10000, seed 1", [(59, ["collapse"]), (100, [])]),
        ("sngan aidl21 on ham10000, seed 2", [(59, ["collapse"])]),
        # D's mean ratings of real and generated images differ by less than 0.001 from there to the end.
        ("sngan small-data on ham10000, seed 1", [(44, ["weak D"])]),
        ("sngan small-data on ham10000, seed 2", [(62, ["weak D"])]),
        # KID 2 and 4: some few pictures.
        ("dcgan paper on isic_cc0, seed 1", [(20, ["collapse"]), (23, ["collapse", "strong D"]), (48, ["collapse"])]),
        (
            "sngan paper on isic_cc0, seed 1",
            [(19, ["collapse"]), (27, ["collapse", "strong D"]), (57, ["collapse"]), (69, ["collapse", "strong D"])],
        ),
    ],
)
def test_what_is_told_of_trainings_on_photographs(name, expected):
    assert events(RECORDED[name]) == expected


def test_a_loss_that_was_near_zero_may_go_back_to_its_equilibrium():
    assert health.look(lines(**{"D/loss": lambda i: 0.08 if i < 20 else 1.386, "D/accuracy": lambda i: 0.97 if i < 20 else 0.6})) == {}
    assert health.look(lines(**{"G/loss": lambda i: 0.05 * (-1) ** i if i < 20 else 1.05})) == {}


def test_a_critic_may_be_ahead_and_its_ratings_may_drift():
    assert health.look(lines(**{"D/accuracy": 1.0, "D/distance": 3.0, "G/loss": lambda i: 0.1 * 1.5**i})) == {}


def test_an_event_is_logged_once_and_again_after_it_was_over(workspace):
    folder = workspace / "run"
    folder.mkdir()
    watch = health.Watch(folder, [])
    told = [watch.add(line) for line in lines(60, **{"D/accuracy": lambda i: 1.0 if 10 <= i < 20 or i >= 40 else 0.7})]
    assert [i for i, flags in enumerate(told) if flags] == [*range(14, 20), *range(44, 60)]
    assert (folder / "log.txt").read_text().count("discriminator wins") == 2
    # A resumed training knows what was told.
    health.Watch(folder, lines(60, **{"D/accuracy": 1.0})).add({"kimg": 99.0, "D/accuracy": 1.0})
    assert (folder / "log.txt").read_text().count("discriminator wins") == 2


# --- in a training -----------------------------------------------------------------------------------------------------------------------


def test_a_generator_that_does_not_hear_z_is_reported(phantom, monkeypatch):
    monkeypatch.setattr(dcgan.Generator, "forward", lambda self, z, y=None: ConvGenerator.forward(self, z * 0, y))
    monkeypatch.setattr(health, "WARM_UP", 0.0)
    run = prepare("dcgan")
    train_gan.train(run.id)
    (flag,) = [flag for flag in runs.status(run.id).flags if "Mode collapse" in flag]
    assert "by 0% of what the training images do" in flag
    assert runs.log_tail(run.id).count("Mode collapse") == 1
    measured = [line["diversity"] for line in runs.read_stats(run.id)[0] if "diversity" in line]
    assert len(measured) == 6 and max(measured) < 0.001


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_short_training_is_watched_and_nothing_is_told_while_it_warms_up(phantom, monkeypatch, name):
    run = prepare(name)
    train_gan.train(run.id)
    assert runs.status(run.id).flags == ()
    stats = runs.read_stats(run.id)[0]
    assert len(stats) == 30
    assert [line["step"] for line in stats if "diversity" in line] == [5, 10, 15, 20, 25, 30]
    assert [line["step"] for line in stats if "precision" in line and "recall" in line] == [10, 20, 30]
    # Told without the time to warm up: the first pictures are alike, and D tells them at once. Nothing else may be found.
    monkeypatch.setattr(health, "WARM_UP", 0.0)
    assert set(health.look(stats)) <= {"collapse", "strong D"}


@pytest.mark.parametrize("name", ["dcgan", "acgan", "sngan"])
def test_watching_changes_no_weight(phantom, monkeypatch, name):
    def final(run):
        train_gan.train(run.id)
        recorded = runs.read_meta(runs.Path(runs.list_checkpoints(run.id)[-1].folder))["files"]
        return {file: entry["sha256"] for file, entry in recorded.items() if file.endswith(".safetensors")}

    monkeypatch.setattr(health, "VARIETY_TICKS", 1)
    watched = final(prepare(name, ema_kimg=0.05))
    assert len(watched) == 3
    monkeypatch.setattr(health, "VARIETY_TICKS", 10**6)
    monkeypatch.setattr(loop, "sample_pictures", lambda state, on, n, classes: np.zeros((n, 64, 64, 3), np.uint8))
    monkeypatch.setattr(health.Watch, "add", lambda self, line: ())
    assert final(prepare(name, ema_kimg=0.05)) == watched


# --- memory ------------------------------------------------------------------------------------------------------------------------------


def test_a_full_memory_names_what_needs_less():
    config = GanConfig(batch_size=64, width=48)
    with (
        pytest.raises(UserError, match=r"machine is full \(batch_size 64, width 48, 64 px\)") as full,
        health.memory_explained(config),
    ):
        torch.empty(2**55, dtype=torch.uint8)
    assert "--batch 32" in full.value.todo and "--set width=24" in full.value.todo and "--size" in full.value.todo
    with pytest.raises(UserError, match="memory of the GPU"), health.memory_explained(config):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    with pytest.raises(RuntimeError, match="shapes"), health.memory_explained(config):
        raise RuntimeError("shapes cannot be multiplied")


def test_a_training_that_finds_no_memory_says_so_in_its_status(phantom, monkeypatch):
    monkeypatch.setattr(loop, "train_step", lambda *arguments: torch.empty(2**55, dtype=torch.uint8))
    run = prepare("dcgan")
    with pytest.raises(UserError, match="is full"):
        train_gan.train(run.id)
    assert runs.status(run.id).state == "failed"
    assert "memory of this machine is full" in runs.status(run.id).message
