"""The nouns: what the parts of gan_aug hand to each other. Frozen dataclasses, standard library only.

Every record can be written as JSON with :func:`to_dict` and read back with :func:`from_dict`, which names a key that does not belong; see
:mod:`gan_aug.fields`.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal

from gan_aug.errors import InvalidValue
from gan_aug.fields import check_types, from_dict, parse_settings, require, spelled, to_dict

__all__ = [
    "NOTICE",
    "PARTS",
    "RESOLUTIONS",
    "Checkpoint",
    "ClassifierConfig",
    "Dataset",
    "GanConfig",
    "GanSpec",
    "ImportReport",
    "Job",
    "Prediction",
    "Review",
    "Run",
    "Scheme",
    "SeenImage",
    "Split",
    "Study",
    "SyntheticImage",
    "from_dict",
    "parse_settings",
    "spelled",
    "to_dict",
]

NOTICE = "Research tool. Synthetic images. Not for diagnosis, treatment or patient communication."

PARTS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class ImportReport:
    """What an import found, took and left."""

    formats: tuple[str, ...]  # one recognised layout per source path
    n_rows: int  # rows of the label tables
    n_images: int  # images stored
    n_rows_without_image: int
    n_images_without_row: int
    n_without_label: int  # a row and an image, but no usable benign/malignant label or diagnosis
    n_rejected: int  # files that could not be read as a picture of a lesion; see rejected.csv
    notes: tuple[str, ...] = ()  # plain sentences for the user


@dataclasses.dataclass(frozen=True)
class Digests:
    """What an import wrote, as sha256 digests by which a later change is noticed; see :mod:`gan_aug.data.dataset`."""

    images: str  # of the file images.npy
    rows: str  # over the columns of the table that say what each image is, in table order
    origins: str  # over the other ones: source and licence


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Images stored once as uint8, with a table of what is known about each."""

    name: str
    classes: tuple[str, ...]  # label names; a label's integer is its position
    n_images: int
    size: int  # side of the stored square images [px]
    sources: tuple[str, ...]
    fingerprint: str  # sha256 over the sorted (source-byte hash, label, group ids) of every image and the import options
    created: str  # ISO 8601, UTC
    report: ImportReport
    phantom: bool = False  # drawn by rule; never evidence for anything medical
    digests: Digests | None = None  # of the files; datasets of older versions have none


@dataclasses.dataclass(frozen=True)
class Split:
    """Which part of a study each image belongs to; made once, by group, and never changed."""

    id: str  # first 12 digits of the fingerprint
    dataset: str
    dataset_fingerprint: str
    seed: int
    val: float  # share of the images meant for val
    test: float
    fraction: float  # share of the train groups that is kept (low-data studies); the others belong to no part
    parts: tuple[str, ...]  # per image, in table order: train | val | test | unused
    groups: tuple[str, ...]  # per image: images of one group (patient, lesion, duplicates) are never separated
    fingerprint: str  # sha256 over sorted lines of image hash, group, label, part
    rule: str = ""  # how test was chosen where it was not drawn by share: "fold 2 of 5", "source NAME"

    def rows(self, part: str) -> list[int]:
        """Table rows of the images of ``part``, ascending."""
        return [row for row, name in enumerate(self.parts) if name == part]


@dataclasses.dataclass(frozen=True)
class SeenImage:
    """One line of a training list: an image that some weights have been trained on."""

    dataset: str
    image_id: str
    group: str
    byte_sha256: str
    pixel_sha256: str
    phash: str  # perceptual hash, 16 hexadecimal digits, the same for the 8 flips and turns
    patient_sha256: str = ""  # see data.training_list; empty where unknown, and in older lists
    lesion_sha256: str = ""


RESOLUTIONS = (64, 128, 256)  # at which GANs are trained [px]


@dataclasses.dataclass(frozen=True)
class GanConfig:
    """Everything that decides how a GAN is trained, besides its name, its data and its seed.

    Raises
    ------
    InvalidValue
        On construction, when a value is of the wrong type, out of range or contradicts another.
    """

    resolution: int = 64  # side of the images [px]: 64, 128 or 256
    z_dim: int = 128  # components of z
    width: int = 64  # channels of the layer nearest the image; the others are multiples
    architecture: Literal["dcgan", "paper"] = "dcgan"  # DCGAN-sized networks, or those of the GAN's own paper
    upsampling: Literal["transposed", "resize"] = "transposed"  # what doubles the side in a DCGAN-sized G; r3gan has its own way
    d_norm: Literal["batch", "layer", "none"] = "batch"  # normalisation in the DCGAN-sized D of dcgan and acgan; the others fix theirs
    batch_size: int = 32  # images per step
    g_lr: float = 2e-4  # Adam learning rate of G
    d_lr: float = 2e-4  # Adam learning rate of D
    lr_decay: float = 0.0  # both rates fall linearly to zero over this share of the training, the last; 0: they stay as they are
    beta1: float = 0.5  # Adam decay of the gradient mean
    beta2: float = 0.999  # Adam decay of the gradient square
    d_steps: int = 1  # D updates per G update
    real_label: float = 1.0  # target of real images in the logistic loss; below 1 is one-sided label smoothing
    gp_weight: float = 10.0  # lambda of the WGAN gradient penalty
    r1_gamma: float = 0.0  # weight of the R1 penalty; 0 switches it off
    r2_gamma: float = 0.0  # weight of the R2 penalty, which is R1 on fakes; 0 switches it off
    r1_every: int = 16  # R1 and R2 are applied every so many D updates, scaled up by as much
    aux_d: float = 1.0  # weight of the class loss in D (conditional GANs)
    aux_g: float = 1.0  # weight of the class loss in G
    aux_fake: float = 1.0  # weight, within D's class loss, of the loss on fakes
    augment: tuple[str, ...] = ()  # DiffAugment policies: translation, cutout, color
    augment_target: float = 0.0  # DiffAugment touches as many images as keep the mean sign of D's logits of real ones here; 0: all
    dihedral: bool = False  # flips and quarter turns of the real images; dermoscopy has no up
    ema_kimg: float = 0.0  # half-life of the averaged G [thousands of images]; 0 switches averaging off
    ema_rampup: float = 0.05  # the half-life is at most this share of the images seen so far
    total_kimg: float = 100.0  # length of the training [thousands of real images shown to D]
    tick_kimg: float = 1.0  # a line of statistics every so many thousand images
    snapshot_kimg: float = 10.0  # a snapshot every so many thousand images
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 where the processor computes in it
    channels_last: bool = True  # memory layout

    def __post_init__(self) -> None:
        check_types(self)
        require(self.resolution in RESOLUTIONS, "resolution", self.resolution, "64, 128 or 256")
        for name in ("z_dim", "width", "d_steps", "r1_every"):
            require(1 <= getattr(self, name) <= 4096, name, getattr(self, name), "a whole number from 1 to 4096")
        # One image has no batch statistics, and BatchNorm would return its bias.
        require(2 <= self.batch_size <= 4096, "batch_size", self.batch_size, "a whole number from 2 to 4096")
        for name in ("g_lr", "d_lr"):
            require(0 < getattr(self, name) <= 1, name, getattr(self, name), "above 0 and at most 1")
        for name in ("beta1", "beta2"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "at least 0 and below 1")
        require(0.5 < self.real_label <= 1, "real_label", self.real_label, "above 0.5 and at most 1")
        for name in ("gp_weight", "r1_gamma", "r2_gamma", "aux_d", "aux_g", "aux_fake", "ema_kimg", "ema_rampup"):
            require(0 <= getattr(self, name) <= 1e6, name, getattr(self, name), "a finite number, 0 or above")
        for name in ("total_kimg", "tick_kimg", "snapshot_kimg"):
            require(0 < getattr(self, name) <= 1e6, name, getattr(self, name), "above 0 and at most 1,000,000")
        require(0 <= self.lr_decay <= 1, "lr_decay", self.lr_decay, "from 0 to 1")
        require(0 <= self.augment_target < 1, "augment_target", self.augment_target, "at least 0 and below 1")
        if self.augment_target and not self.augment:
            raise InvalidValue(
                "augment_target is set, and augment names nothing to apply.", "Name policies in augment, or leave augment_target at 0."
            )
        for policy in self.augment:
            require(policy in ("translation", "cutout", "color"), "augment", policy, "translation, cutout or color")

    @property
    def step_images(self) -> int:
        """Real images that D is shown in one step of G."""
        return self.d_steps * self.batch_size

    @property
    def total_steps(self) -> int:
        """Steps of G in the whole training."""
        return math.ceil(round(self.total_kimg * 1000, 6) / self.step_images)  # 32.112 thousand are 32,112.000000000004 in floats


@dataclasses.dataclass(frozen=True)
class GanSpec:
    """A GAN as the training loop sees it. ``gan_aug.gans`` holds one file per GAN, each ending in its SPEC.

    ``build(config, n_classes)`` returns ``(G, D)``: ``G(z, y)`` makes images (N, 3, R, R) in [-1, 1] from latent vectors (N, z_dim) and
    class numbers (N,) or class mixtures (N, n_classes), ignored by unconditional GANs; ``D(images)`` returns logits (N,), conditional GANs
    a pair of them and class logits (N, n_classes). ``d_loss`` and ``g_loss`` take ``(D, real, fake, y, config)``, with real and fake
    already augmented, and return the loss to minimise and a dict of detached 0-d tensors.
    """

    name: str
    build: Callable[..., Any]
    d_loss: Callable[..., Any]
    g_loss: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One training, in one folder below the checkpoints folder."""

    id: str
    kind: str  # gan | classifier
    spec: str  # name of the GAN, or of the classifier's backbone
    config: dict[str, Any]  # to_dict of the GanConfig or ClassifierConfig
    dataset: str
    dataset_fingerprint: str
    split_id: str
    split_fingerprint: str
    classes: tuple[str, ...]  # label names of the data it was trained on; y is a position in it
    class_name: str | None  # the one class an unconditional GAN was trained on, or None for all
    n_images: int  # training images
    seed: int
    code_version: str
    device: str
    created: str  # ISO 8601, UTC
    preset: str | None = None
    scheme: str | None = None  # a classifier's augmentation scheme
    parent: str | None = None  # the run this one was cloned from, or the study it is a cell of
    phantom: bool = False  # trained on the phantom dataset


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A snapshot of a run, with everything needed to go on from it."""

    run_id: str
    step: int  # optimiser steps of G (or of the classifier)
    kimg: float  # thousands of real images shown
    folder: str
    weights_sha256: str  # of the weights that are sampled: the averaged G, or the classifier
    metrics: dict[str, float]
    created: str

    @property
    def id(self) -> str:
        """``RUN@kimg``, as it is typed."""
        return f"{self.run_id}@{self.kimg:g}"


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """How a classifier is trained, besides its data, scheme and seed. All arms of a study share one."""

    backbone: str = "efficientnet-b0"
    resolution: int = 64  # side of the images [px]
    batch_size: int = 32  # images per step
    steps: int = 1000  # optimiser steps
    lr: float = 1e-3  # peak AdamW learning rate; for a start from given weights 1e-4 is usual
    weight_decay: float = 1e-4
    warmup: float = 0.05  # share of the steps over which the learning rate rises; it then falls to 0 along a cosine
    dropout: float = 0.2
    frozen_blocks: int = 0  # first blocks that are not trained; needs initial weights
    weights: str | None = None  # file with initial weights, or None for training from scratch
    evaluate_every: int = 100  # steps between evaluations on val; the weights with the best val AUC are kept
    patience: int = 0  # evaluations without a better val AUC after which training stops; 0 never stops
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        require(32 <= self.resolution <= 1024, "resolution", self.resolution, "from 32 to 1024")
        require(2 <= self.batch_size <= 4096, "batch_size", self.batch_size, "a whole number from 2 to 4096")
        require(1 <= self.steps <= 10_000_000, "steps", self.steps, "a whole number from 1 to 10,000,000")
        require(self.evaluate_every >= 1, "evaluate_every", self.evaluate_every, "a whole number, 1 or above")
        require(0 < self.lr <= 1, "lr", self.lr, "above 0 and at most 1")
        require(0 <= self.weight_decay <= 1, "weight_decay", self.weight_decay, "from 0 to 1")
        require(0 <= self.warmup < 1, "warmup", self.warmup, "at least 0 and below 1")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "at least 0 and below 1")
        for name in ("frozen_blocks", "patience"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "a whole number, 0 or above")
        if self.frozen_blocks and self.weights is None:
            raise InvalidValue(
                f"frozen_blocks is {self.frozen_blocks}, but the network starts from random weights.",
                "Give initial weights, or train all blocks: frozen random features would only lose information.",
            )


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One arm of a study: what the classifier's training images are made of.

    Written as users type it: ``none``, ``standard``, ``oversample``, ``weighted``, ``synthetic:RUN@1.0``,
    ``standard+synthetic:RUN@1.0``, ``curated:SET``, ``standard+curated:SET``, ``synthetic-only:RUN``.
    """

    name: str  # as typed
    classic: bool  # classic augmentation (flips, turns, crops, colour)
    balance: str | None = None  # oversample | weighted | None
    checkpoint: str | None = None  # RUN or RUN@which for generated images
    ratio: float = 0.0  # synthetic images added, relative to the real training images of the class
    curated: str | None = None  # name of a curated set
    real: bool = True  # whether real images are used at all


@dataclasses.dataclass(frozen=True)
class Study:
    """A question, and everything fixed beforehand to answer it."""

    name: str
    question: str
    dataset: str
    split_id: str
    split_fingerprint: str
    positive: str  # the class whose probability is the score
    schemes: tuple[str, ...]  # as typed; the first is the base of every comparison unless `base` says otherwise
    base: str
    seeds: tuple[int, ...]
    config: dict[str, Any]  # to_dict of the ClassifierConfig
    fraction: float
    external: str | None  # name of an external test dataset
    primary_metric: str
    created: str


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One score of one classifier for one image: the raw material of every curve."""

    study: str
    scheme: str
    seed: int
    part: str  # val | test | external
    image_id: str
    group: str
    label: int  # 1 if the image is of the positive class
    score: float  # probability of the positive class


@dataclasses.dataclass(frozen=True)
class SyntheticImage:
    """The four values that name a synthetic image; rendering them again gives the same picture."""

    checkpoint: str  # RUN@kimg
    seed: int
    class_name: str | None
    truncation: float = 1.0


@dataclasses.dataclass(frozen=True)
class Review:
    """One decision of one reviewer about one image. Append-only: a change of mind, or an undo, is a new row."""

    id: str  # UUID made by the client, so that a retry cannot store it twice
    batch: str
    reviewer: str
    image: str  # opaque id of the image within the batch
    decision: str | None  # accept | reject | unsure, real | synthetic in blind mode, or None for an undo
    reason: str | None
    confidence: int | None  # 1 to 5, blind mode
    seconds: float  # time the case was looked at
    created: str


@dataclasses.dataclass(frozen=True)
class Job:
    """Work that outlives the page that asked for it."""

    id: str
    kind: str
    arguments: dict[str, Any]
    status: str  # queued | running | done | failed | cancelled | lost
    progress: float  # 0 to 1
    message: str  # what it is doing, or how it ended
    created: str
    started: str | None
    finished: str | None
    heartbeat: str | None
    error: str | None  # traceback of a failure
    cancel_wish: bool
    attempts: int
    result: dict[str, Any] | None  # what the work returned, such as {"run_id": ...}
