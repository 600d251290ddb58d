"""The presets, stated in full: what a paper and the student project of 2021 say is repeated here and not read from the catalogue."""

import dataclasses

import pytest

from gan_aug import catalog

LENGTH = {"resolution", "total_kimg", "tick_kimg", "snapshot_kimg"}  # for whoever trains to decide

# What all papers here have in common, and the settings that only some GANs read at the values at which they do nothing or go unread.
BARE = {
    "z_dim": 128, "width": 64, "architecture": "paper", "upsampling": "transposed", "d_norm": "batch",
    "batch_size": 64, "g_lr": 2e-4, "d_lr": 2e-4, "lr_decay": 0.0, "beta1": 0.5, "beta2": 0.999, "d_steps": 1,
    "real_label": 1.0, "gp_weight": 10.0, "r1_gamma": 0.0, "r2_gamma": 0.0, "r1_every": 16,
    "aux_d": 1.0, "aux_g": 1.0, "aux_fake": 1.0,
    "augment": (), "augment_target": 0.0, "dihedral": False, "ema_kimg": 0.0, "ema_rampup": 0.05,
    "precision": "fp32", "channels_last": False,
}  # fmt: skip

PAPER = {
    # Radford et al., sections 3 and 4: Adam 2e-4, beta1 0.5, batch 128, z of 100; G of 1,024 to 128 channels, so D of 128 to 1,024.
    "dcgan": {"architecture": "dcgan", "z_dim": 100, "width": 128, "batch_size": 128},
    # Gulrajani et al., algorithm 1: lambda 10, five critic steps, Adam 1e-4, betas (0, 0.9); their gan_64x64.py: z of 128, batch 64.
    "wgan_gp": {"d_steps": 5, "gp_weight": 10.0, "g_lr": 1e-4, "d_lr": 1e-4, "beta1": 0.0, "beta2": 0.9},
    # Odena et al., appendix A: Adam 2e-4, beta1 0.5, batch 100, z of 100 beside the class; section 3: both losses alike, on real and fake.
    "acgan": {"z_dim": 100, "width": 16, "batch_size": 100, "aux_d": 1.0, "aux_g": 1.0, "aux_fake": 1.0},
    # Miyato et al., tables 1 (setting C) and 3: Adam 2e-4, betas (0.5, 0.999), one D step; z of 128, batch 64.
    "sngan": {"beta1": 0.5, "beta2": 0.999, "d_steps": 1},
    # Huang et al., FFHQ-64 of the authors' train.py at the start of its schedules, with the averaging of their end.
    "r3gan": {
        "z_dim": 64, "width": 384, "batch_size": 256, "beta1": 0.0, "beta2": 0.9, "r1_gamma": 2.0, "r2_gamma": 2.0, "r1_every": 1,
        "ema_kimg": 500.0,
    },
}  # fmt: skip

# The student project of 2021: batch 16, Adam 2e-4 and beta1 0.5 in all, the critic's too; labels of 0.9 where the loss has labels.
AIDL21 = {
    "dcgan": {"z_dim": 256, "real_label": 0.9},
    "wgan_gp": {"z_dim": 256, "d_steps": 5, "gp_weight": 10.0},
    "acgan": {"z_dim": 600, "real_label": 0.9},
    "sngan": {"z_dim": 256},
}


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_paper_has_the_published_settings(name):
    assert method(name, "paper") == {**BARE, **PAPER[name]}


@pytest.mark.parametrize("name", [name for name, entry in catalog.ENTRIES.items() if "aidl21" in entry.presets])
def test_aidl21_has_the_settings_of_the_student_project(name):
    assert method(name, "aidl21") == {**BARE, "architecture": "dcgan", "batch_size": 16, **AIDL21[name]}


@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_small_data_augments_without_colour_and_averages(name):
    found = method(name, "small-data")
    assert {"translation"} <= set(found["augment"]) <= {"translation", "cutout"}
    assert (found["dihedral"], found["ema_kimg"], found["real_label"], found["architecture"]) == (True, 5.0, 1.0, "dcgan")


def method(name: str, preset: str) -> dict[str, object]:
    config = dataclasses.asdict(catalog.gan_config(name, preset))
    return {field: value for field, value in config.items() if field not in LENGTH}
