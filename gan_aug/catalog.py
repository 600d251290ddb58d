"""The GANs by name: paper, presets, and what is needed to list them. No torch, so that pages and ``--help`` can read it.

Each entry belongs to the file of the same name in ``gan_aug/gans``; a test asserts that the two agree.
"""

import dataclasses
import functools
from typing import Any

from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import GanConfig, Run, from_dict, to_dict

PRESETS = ("small-data", "aidl21", "paper")  # not every GAN has every one

PRESET_SUMMARIES = {
    "small-data": "Default, for hundreds to thousands of images: DiffAugment without colour, averaged weights, flips and turns.",
    "aidl21": "The settings of the AIDL21 student project, with its defects mended.",
    "paper": "As published, as far as the resolution allows.",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """What can be said about a GAN without building it."""

    name: str
    title: str
    paper: str
    arxiv: str
    conditional: bool  # learns all classes at once and can be asked for one
    unused: tuple[str, ...]  # fields of GanConfig that it does not read; setting one is refused, and no form shows it
    unused_by_paper: tuple[str, ...]  # those that its paper's networks do not read besides
    aliases: tuple[str, ...]
    summary: str  # one sentence for people who choose
    presets: dict[str, dict[str, Any]]  # preset name -> settings that differ from GanConfig's defaults

    def idle(self, architecture: str) -> tuple[str, ...]:
        """The fields of GanConfig that have no effect with that architecture."""
        return (*self.unused, *self.unused_by_paper) if architecture == "paper" else self.unused


# What every small-data preset shares. Colour is diagnostic in dermoscopy, so DiffAugment never touches it; flips and turns are free.
_SMALL_DATA = {
    "width": 48,
    "batch_size": 16,
    "augment": ("translation", "cutout"),
    "dihedral": True,
    "ema_kimg": 5.0,
}

# What only a GAN with classes reads.
_CLASSES = ("aux_d", "aux_g", "aux_fake")

# D learns four times as fast as G, without momentum (two time scales: Heusel et al. 2017).
_TWO_RATES = {"g_lr": 1e-4, "d_lr": 4e-4, "beta1": 0.0, "beta2": 0.9}

# What the four GANs of the AIDL21 project shared. Its defects are not reproduced, nor all of its networks: see the docstring of each GAN.
# Its D learned at a factor times 2e-4; the factor was 1 but for trials with 10 and 100, which are d_lr=2e-3 and d_lr=2e-2 here.
_AIDL21 = {"batch_size": 16, "width": 64, "g_lr": 2e-4, "d_lr": 2e-4, "beta1": 0.5, "precision": "fp32", "channels_last": False}

_PAPER = {"precision": "fp32", "channels_last": False}

_NO_METHOD = ("resolution", "total_kimg", "tick_kimg", "snapshot_kimg", "precision", "channels_last")

ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name="dcgan",
            title="DC-GAN",
            paper="Radford, Metz and Chintala 2015: Unsupervised representation learning with deep convolutional GANs",
            arxiv="1511.06434",
            conditional=False,
            unused=(*_CLASSES, "gp_weight"),
            unused_by_paper=(),
            aliases=("dc-gan",),
            summary="The classic: convolutions with batch normalisation and the logistic loss. Quick, and good on small data.",
            presets={
                "small-data": {**_SMALL_DATA, "upsampling": "resize", "r1_gamma": 0.05},
                "aidl21": {**_AIDL21, "z_dim": 256, "real_label": 0.9},
                "paper": {**_PAPER, "z_dim": 100, "width": 128, "batch_size": 128},
            },
        ),
        Entry(
            name="wgan_gp",
            title="W-GAN (gradient penalty)",
            paper="Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville 2017: Improved training of Wasserstein GANs",
            arxiv="1704.00028",
            conditional=False,
            unused=(*_CLASSES, "augment_target", "d_norm", "real_label"),
            unused_by_paper=("upsampling",),
            aliases=("wgan", "w-gan", "wgan-gp"),
            summary="A critic that estimates a distance, held smooth by a penalty. Steady, and slow to learn.",
            presets={
                "small-data": {
                    **_SMALL_DATA,
                    **_TWO_RATES,
                    "upsampling": "resize",
                    "d_steps": 1,
                },
                "aidl21": {**_AIDL21, "z_dim": 256, "d_steps": 5, "gp_weight": 10.0},
                "paper": {
                    **_PAPER,
                    "architecture": "paper",
                    "batch_size": 64,
                    "d_steps": 5,
                    "g_lr": 1e-4,
                    "d_lr": 1e-4,
                    "beta1": 0.0,
                    "beta2": 0.9,
                },
            },
        ),
        Entry(
            name="acgan",
            title="AC-GAN",
            paper="Odena, Olah and Shlens 2016: Conditional image synthesis with auxiliary classifier GANs",
            arxiv="1610.09585",
            conditional=True,
            unused=("gp_weight",),
            unused_by_paper=("d_norm", "upsampling"),
            aliases=("ac-gan",),
            summary="Learns all classes together and generates the one it is asked for, so that one z is seen as benign and as malignant.",
            presets={
                "small-data": {**_SMALL_DATA, "upsampling": "resize", "r1_gamma": 0.05, "aux_g": 0.1, "aux_fake": 0.0},
                "aidl21": {**_AIDL21, "z_dim": 600, "real_label": 0.9},
                "paper": {**_PAPER, "architecture": "paper", "z_dim": 100, "width": 16, "batch_size": 100},
            },
        ),
        Entry(
            name="sngan",
            title="SN-GAN",
            paper="Miyato, Kataoka, Koyama and Yoshida 2018: Spectral normalization for generative adversarial networks",
            arxiv="1802.05957",
            conditional=False,
            unused=(*_CLASSES, "d_norm", "gp_weight", "real_label"),
            unused_by_paper=("upsampling",),
            aliases=("sn-gan",),
            summary="A discriminator whose layers cannot stretch distances, with the hinge loss. The best on small data.",
            presets={
                "small-data": {
                    **_SMALL_DATA,
                    "upsampling": "resize",
                    **_TWO_RATES,
                    "g_lr": 5e-5,  # at twice these rates D's weights come to have one direction, and D to rate all images alike
                    "d_lr": 2e-4,
                    "augment": ("translation",),
                },
                "aidl21": {**_AIDL21, "z_dim": 256},
                "paper": {**_PAPER, "architecture": "paper", "batch_size": 64},
            },
        ),
        Entry(
            name="r3gan",
            title="R3GAN",
            paper="Huang, Gokaslan, Kuleshov and Tompkin 2024: The GAN is dead; long live the GAN! A modern baseline GAN",
            arxiv="2501.05441",
            conditional=False,
            unused=(*_CLASSES, "augment_target", "d_norm", "gp_weight", "real_label", "upsampling"),
            unused_by_paper=(),
            aliases=("r3-gan", "rpgan"),
            summary="The newest: real and generated images are rated against each other, under two penalties and without normalisation.",
            presets={
                "small-data": {
                    **_SMALL_DATA,
                    "width": 16,
                    "r1_gamma": 0.05,
                    "r2_gamma": 0.05,
                    "r1_every": 8,
                    "d_lr": 8e-4,  # at G's 2e-4 it comes to guess, and all pictures to bear one ornament
                    "beta1": 0.0,
                    "beta2": 0.9,
                },
                "paper": {
                    **_PAPER,
                    "architecture": "paper",
                    "z_dim": 64,
                    "width": 384,
                    "batch_size": 256,
                    "beta1": 0.0,
                    "beta2": 0.9,
                    "r1_gamma": 2.0,
                    "r2_gamma": 2.0,
                    "r1_every": 1,
                    "ema_kimg": 500.0,
                },
            },
        ),
    )
}


def entry(name: str) -> Entry:
    """The entry of a GAN, by its name or an alias.

    Raises
    ------
    NotFound
        If there is no such GAN; the message lists those there are.
    """
    for candidate in ENTRIES.values():
        if name.lower() in (candidate.name, *candidate.aliases):
            return candidate
    raise NotFound(f"There is no GAN {name!r}.", f"Choose one of {', '.join(ENTRIES)}.")


def gan_config(name: str, preset: str = "small-data", /, **settings: Any) -> GanConfig:
    """The configuration of a GAN's preset, with some settings replaced.

    What the preset sets for the DCGAN-sized networks and those of the paper do not read is left at its default where these were asked for.

    Raises
    ------
    NotFound, InvalidValue, UnknownKey
        If the GAN or preset does not exist, or a setting is wrong.
    """
    gan = entry(name)
    if preset not in gan.presets:
        raise InvalidValue(f"{gan.name} has no preset {preset!r}.", f"Choose one of {', '.join(gan.presets)}.")
    config = from_dict(GanConfig, {**gan.presets[preset], **settings})
    plain = {field: getattr(GanConfig(), field) for field in gan.idle(config.architecture)}
    if wrong := [field for field in sorted(plain) if field in settings and getattr(config, field) != plain[field]]:
        where = "" if set(wrong) <= set(gan.unused) else " with architecture=paper"
        raise InvalidValue(f"{gan.name} does not use {', '.join(wrong)}{where}.", "Leave it out." if len(wrong) == 1 else "Leave them out.")
    return dataclasses.replace(config, **plain)


def changed(run: Run) -> dict[str, tuple[Any, Any]]:
    """Settings in which a GAN's training departs from its preset as that is now: name -> (the preset's value, the training's).

    Length, image size and arithmetic say how long and how quickly it was trained, not by which method, and are left out. A run without a
    preset that is known here, such as a classifier's, departs from none.
    """
    if run.kind != "gan" or run.preset not in entry(run.spec).presets:
        return {}
    usual = _usual(run.spec, run.preset)
    left_out = (*_NO_METHOD, *entry(run.spec).idle(run.config.get("architecture", "dcgan")))
    names = [name for name in run.config if name in usual and name not in left_out]
    return {name: (usual[name], run.config[name]) for name in names if run.config[name] != usual[name]}


@functools.cache  # a table of hundreds of runs asks again every two seconds
def _usual(name: str, preset: str) -> dict[str, Any]:
    return to_dict(gan_config(name, preset))
