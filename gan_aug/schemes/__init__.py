"""Augmentation schemes: what the training images of one arm of a study are made of. No torch.

A scheme is typed as words joined by ``+``:

    none                      real images as they are; stands alone
    standard                  classic augmentation: flips, turns, crops, mild colour
    oversample                real images, each class drawn equally often
    weighted                  real images, with a loss in which every class counts the same
    synthetic:RUN@1.0         real images and, for each class that RUN generates, that many times as many generated ones
    synthetic-only:RUN        generated images in the place of the real ones, as many of each class
    curated:SET               real images and those of a curated set
    balance:RUN               real images and as many generated ones as make all classes equally large
    ten-percent:RUN           the same as synthetic:RUN@0.1

``standard``, and ``oversample`` or ``weighted``, can stand before a source: ``standard+oversample``, ``standard+synthetic:RUN@1.0``.
RUN may name a snapshot (``RUN@best``, ``RUN@last``, ``RUN@40``); the last ``@number`` of ``synthetic`` and ``synthetic-only`` is always the
ratio. SET may name a version (``SET@2``). Runs that generate one class each are joined by ``&``: ``synthetic-only:BENIGN&MALIGNANT``.
``balance`` and ``ten-percent`` are the two arms of the AIDL21 project.
"""

from gan_aug.schemes.parse import MAX_RATIO, has_images, parse_scheme, spell, without_images
from gan_aug.schemes.sources import (
    CuratedImage,
    Generator,
    check_bytes,
    check_resolution,
    curated_images,
    digest_of_curated,
    find_generators,
    freeze,
    refuse_leaks,
    seen_images,
)
from gan_aug.schemes.training_set import Order, TrainingSet, order_images, training_set

__all__ = [
    "MAX_RATIO",
    "CuratedImage",
    "Generator",
    "Order",
    "TrainingSet",
    "check_bytes",
    "check_resolution",
    "curated_images",
    "digest_of_curated",
    "find_generators",
    "freeze",
    "has_images",
    "order_images",
    "parse_scheme",
    "refuse_leaks",
    "seen_images",
    "spell",
    "training_set",
    "without_images",
]
