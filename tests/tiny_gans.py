"""Tiny GAN runs with a snapshot, as a training leaves them, for the tests of what comes after training."""

import torch
from torch import nn

from gan_aug import catalog, gans, runs
from gan_aug.checkpoint import Snapshot, save_snapshot
from gan_aug.records import Checkpoint, GanConfig, Run, from_dict, to_dict

CLASSES = ("benign", "malignant")


def make_gan(name: str, run_id: str, classes: tuple[str, ...] = CLASSES, class_name: str | None = None, **settings: object) -> Checkpoint:
    """A run of GAN ``name`` with one snapshot of random weights, whose pictures spread over the whole range of colours."""
    config = catalog.gan_config(name, **{"width": 4, "z_dim": 8, **settings})
    run = Run(
        id=run_id, kind="gan", spec=name, config=to_dict(config), dataset="demo", dataset_fingerprint="d" * 64, split_id="s",
        split_fingerprint="f" * 64, classes=classes, class_name=class_name, n_images=3, seed=0, code_version="0", device="cpu",
        created="2026-01-01T00:00:00+00:00", phantom=True,
    )  # fmt: skip
    runs.create_run(run, [])
    return add_snapshot(run_id, 3.2, seed=0)


def add_snapshot(run_id: str, kimg: float, seed: int, half: bool = False) -> Checkpoint:
    """A snapshot of other random weights, on request in half precision, as shipped ones are."""
    run = runs.load_run(run_id)
    torch.manual_seed(seed)
    G, _ = gans.spec(run.spec).build(from_dict(GanConfig, run.config), len(run.classes))
    with torch.no_grad():
        for module in G.modules():
            if isinstance(module, nn.BatchNorm2d):  # statistics as of a trained network: none is 0 or 1
                module.running_mean.normal_(0, 0.01)
                module.running_var.uniform_(0.001, 0.003)
    weights = {name: value.half() if half and value.is_floating_point() else value for name, value in G.state_dict().items()}
    return save_snapshot(run, Snapshot(round(100 * kimg), kimg, {"G_ema": weights}, {}, "G_ema", {}))
