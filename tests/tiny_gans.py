"""Tiny GAN runs with a snapshot, as a training leaves them, for the tests of what comes after training."""

import torch
from torch import nn

from gan_aug import catalog, gans, runs
from gan_aug.checkpoint import Snapshot, save_snapshot
from gan_aug.records import Checkpoint, Run, to_dict

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
    torch.manual_seed(0)
    G, _ = gans.spec(name).build(config, len(classes))
    with torch.no_grad():
        for module in G.modules():
            if isinstance(module, nn.BatchNorm2d):  # statistics as of a trained network: none is 0 or 1
                module.running_mean.normal_(0, 0.01)
                module.running_var.uniform_(0.001, 0.003)
    return save_snapshot(run, Snapshot(100, 3.2, {"G_ema": G.state_dict()}, {}, "G_ema", {}))
