"""One step of the training loop on networks so small that it can be worked out by hand."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from gan_aug import gans
from gan_aug.gans import augment
from gan_aug.records import GanConfig
from gan_aug.train_gan import loop, state

CPU = torch.device("cpu")
RATES = {"g_lr": 0.5, "d_lr": 0.1}


class Bowl(nn.Module):
    """D(x) = w |x|^2 / 2, whose gradient is w x, so that R1 is w^2 E|x|^2."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.7))

    def forward(self, images: Tensor) -> Tensor:
        return self.w * half_square(images)


class OnePicture(nn.Module):
    """G that makes one learnt picture, whatever z is."""

    def __init__(self):
        super().__init__()
        self.picture = nn.Parameter(torch.linspace(-0.5, 0.6, 12).view(1, 3, 2, 2))

    def forward(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.picture.expand(len(z), -1, -1, -1)


class Pictures:
    """Stands in for ``TrainingImages``: other real images in every turn of every step."""

    device = CPU

    def load(self, step: int) -> None:
        self.step = step

    def batch(self, turn: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(100 * self.step + turn)
        return torch.rand(4, 3, 2, 2, generator=generator) * 2 - 1, torch.zeros(4, dtype=torch.int64)


def begin(step: int = 0, **settings: object) -> tuple[state.Training, Pictures]:
    """A training by the logistic loss and plain gradient descent, about to do that step."""
    config = GanConfig(batch_size=4, z_dim=2, **RATES, **settings)
    G, D = OnePicture(), Bowl()
    return state.Training(
        run=SimpleNamespace(spec="dcgan", seed=3),
        config=config,
        G=G,
        D=D,
        averaged=state.AveragedG(G, config) if config.ema_kimg else None,
        adaptive=augment.AdaptiveShare(config.augment_target, CPU) if config.augment_target else None,
        g_optimiser=torch.optim.SGD(G.parameters(), config.g_lr),
        d_optimiser=torch.optim.SGD(D.parameters(), config.d_lr),
        step=step,
    ), Pictures()


def half_square(images: Tensor) -> Tensor:
    return images.square().sum(dim=(1, 2, 3)) / 2


# --- what a step does to the weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gammas", [(0.0, 0.0), (0.4, 0.0), (0.0, 0.3), (0.4, 0.3)])
@pytest.mark.parametrize(("d_steps", "step"), [(1, 0), (1, 1), (1, 4), (3, 1)])
def test_a_step_follows_the_gradients_of_the_losses_and_of_the_penalties_that_are_due(d_steps, step, gammas):
    training, data = begin(step, d_steps=d_steps, r1_gamma=gammas[0], r2_gamma=gammas[1], r1_every=4)
    w, picture = training.D.w.detach().clone(), training.G.picture.detach().clone()
    loop.train_step(training, data, "fp32")

    # D: E[softplus(-w r)] + E[softplus(w f)] with r and f half the squares of real and fake, and every fourth time, counted from the first,
    # 4 gamma / 2 times the penalty w^2 E|x|^2, which is 2 w^2 E[r] or 2 w^2 E[f].
    data.load(step)
    for turn in range(d_steps):
        r, f = half_square(data.batch(turn)[0]), half_square(picture)
        gradient = (-r * torch.sigmoid(-w * r)).mean() + (f * torch.sigmoid(w * f)).mean()
        if (step * d_steps + turn) % 4 == 0:
            gradient = gradient + 4 * (gammas[0] / 2 * 4 * w * r.mean() + gammas[1] / 2 * 4 * w * f.mean())
        w = w - RATES["d_lr"] * gradient
    torch.testing.assert_close(training.D.w.detach(), w)
    torch.testing.assert_close(training.D.w.grad, gradient, msg="G's step is to leave D's gradient alone")

    # G: softplus(-w f), with the D that has just learnt.
    slope = -w * picture * torch.sigmoid(-w * half_square(picture))
    torch.testing.assert_close(training.G.picture.detach(), picture - RATES["g_lr"] * slope)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, Tensor, Tensor]]:
    """Every call of a loss: of whom, whether D's weights were to be learnt, and what D was shown."""
    seen = []
    spec = gans.spec("dcgan")

    def watch(whose: str, loss):
        def call(D, real, fake, y, config):
            seen.append((whose, D.w.requires_grad, real.detach().clone(), fake.detach().clone()))
            return loss(D, real, fake, y, config)

        return call

    watching = dataclasses.replace(spec, d_loss=watch("D", spec.d_loss), g_loss=watch("G", spec.g_loss))
    monkeypatch.setattr(gans, "spec", lambda name: watching)
    return seen


@pytest.mark.parametrize("d_steps", [1, 2])
def test_d_is_learnt_in_its_own_steps_and_not_in_those_of_g(monkeypatch, d_steps):
    seen = watched(monkeypatch)
    training, data = begin(d_steps=d_steps)
    for _ in range(2):
        loop.train_step(training, data, "fp32")
    assert [(whose, learnt) for whose, learnt, *_ in seen] == ([("D", True)] * d_steps + [("G", False)]) * 2


# --- what D is shown ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d_steps", [1, 2])
@pytest.mark.parametrize("target", [0.0, 0.6])
def test_real_and_fake_images_are_augmented_alike_in_the_losses_and_in_the_penalties(monkeypatch, d_steps, target):
    seen, asked, penalised = watched(monkeypatch), [], []

    def ten_more(images: Tensor, policies: tuple[str, ...], share: Tensor | None = None) -> Tensor:
        asked.append((policies, share))
        return images + 10

    def r1_penalty(D: nn.Module, images: Tensor) -> Tensor:
        penalised.append(images.detach().clone())
        return D.w * 0

    monkeypatch.setattr(loop, "diff_augment", ten_more)
    monkeypatch.setattr(loop, "r1_penalty", r1_penalty)
    settings = {"augment": ("translation", "cutout"), "augment_target": target, "r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 1}
    training, data = begin(d_steps=d_steps, **settings)
    picture = training.G.picture.detach().clone().expand(4, 3, 2, 2)
    loop.train_step(training, data, "fp32")

    real = [data.batch(turn)[0] + 10 for turn in range(d_steps)]
    assert [whose for whose, *_ in seen] == ["D"] * d_steps + ["G"]
    for (_, _, real_shown, fake_shown), expected in zip(seen, [*real, real[-1]], strict=True):
        torch.testing.assert_close(real_shown, expected)
        torch.testing.assert_close(fake_shown, picture + 10)
    torch.testing.assert_close(penalised, [images for shown in real for images in (shown, picture + 10)])
    share = training.adaptive.share if target else None
    assert len(asked) == 2 * d_steps + 1
    assert all(policies == ("translation", "cutout") and given is share for policies, given in asked)


# --- the average -------------------------------------------------------------------------------------------------------------------------


# Four images a D step; the half-life is a twentieth of the images seen, and 20 images from the 400th on.
@pytest.mark.parametrize(
    ("settings", "step", "half_life"),
    [
        ({}, 0, 4 / 20),
        ({}, 19, 80 / 20),
        ({}, 49, 200 / 20),
        ({}, 99, 20),
        ({}, 9999, 20),
        ({"ema_rampup": 0.0}, 0, 20),
        ({"ema_rampup": 0.5}, 4, 20 / 2),
        ({"d_steps": 2}, 19, 160 / 20),
    ],
)
def test_the_half_life_of_the_average_grows_with_the_images_seen(settings, step, half_life):
    training, data = begin(step, ema_kimg=0.02, **settings)
    before = training.G.picture.detach().clone()
    loop.train_step(training, data, "fp32")
    kept = 0.5 ** (training.config.step_images / half_life)
    assert training.averaged.weight.item() == pytest.approx(1 - kept, rel=1e-6)
    after = training.G.picture.detach()
    torch.testing.assert_close(training.averaged.network.picture, kept * before + (1 - kept) * after)
    assert not torch.equal(before, after)
