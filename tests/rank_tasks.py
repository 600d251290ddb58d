"""What each of two ranks does in test_ranks.py; it leaves what it has seen in a file of its own."""

import json
import os
from pathlib import Path
from typing import Any

import preloaded
import torch

from gan_aug import gans, runs, train_gan
from gan_aug.errors import UserError
from gan_aug.train_gan import loop, ranks, state


def console(rank: int, folder: Path, *arguments: str) -> None:
    """The console, as a rank; what it prints is in a file."""
    preloaded.module(folder / f"rank-{rank}.txt", *arguments)


def perform(rank: int, folder: Path, task: str, *run_ids: str) -> None:
    """One rank's part of one of the tasks below; the environment tells its place, as ``torchrun`` would."""
    torch.set_num_threads(1)
    seen: dict[str, Any] = {}
    try:
        with ranks.joined() as group:
            globals()[task](group, seen, *run_ids)
    except UserError as error:
        seen["error"] = f"{type(error).__name__}: {error.what}"
    (folder / f"rank-{rank}.json").write_text(json.dumps(seen))
    os._exit(bool(seen.get("error")))  # seen now and then: torch aborts while the interpreter shuts down ("terminate called without ...")


def train(group: ranks.Ranks, seen: dict[str, Any], straight: str, broken: str) -> None:
    gans.augment.AdaptiveShare.KIMG = 0.02
    kept: list[Any] = []
    build = loop.build_training
    loop.build_training = lambda *arguments: kept.append(build(*arguments)) or kept[-1]
    train_gan.train(straight)
    seen["straight"] = ranks.digest(kept[-1].networks.values())
    seen["share"] = kept[-1].adaptive and kept[-1].adaptive.share.item()
    asked = iter(range(100))
    wish = lambda: next(asked) == 4 and group.rank == 1  # noqa: E731  a wish of the rank that writes nothing
    seen["stopped_at"] = train_gan.train(broken, should_stop=wish).step
    train_gan.train(broken)
    seen["broken"] = ranks.digest(kept[-1].networks.values())


def gradients(group: ranks.Ranks, seen: dict[str, Any], run_id: str) -> None:
    run = runs.load_run(run_id)
    training = state.build_training(run, torch.device("cpu"), group)
    data = state.TrainingImages(run, training.config, torch.device("cpu"), group)
    data.load(0)
    x, _ = data.batch(0)
    seen["images"] = len(x)
    loss = training.D(x).mean() + gans.blocks.r1_penalty(training.D, x)
    loss.backward()
    group.average_gradients(training.D)
    seen["gradients"] = [p.grad.double().sum().item() for p in training.D.parameters()]


def differ(group: ranks.Ranks, seen: dict[str, Any], run_id: str) -> None:
    """The weights of rank 1 change by themselves."""
    genuine = loop.train_step

    def poisoned(training: Any, *arguments: Any) -> Any:
        stats = genuine(training, *arguments)
        if training.step == 6 and group.rank == 1:
            with torch.no_grad():
                next(training.G.parameters()).add_(0.001)
        return stats

    loop.train_step = poisoned
    train_gan.train(run_id)


def fail(group: ranks.Ranks, seen: dict[str, Any], run_id: str) -> None:
    genuine = loop.train_step

    def failing(training: Any, *arguments: Any) -> Any:
        if training.step == 6 and group.rank == 1:
            raise UserError("The plug was pulled.", "Put it back.")
        return genuine(training, *arguments)

    loop.train_step = failing
    train_gan.train(run_id)
