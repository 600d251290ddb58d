"""The external test set of a study: another dataset, less the images that anything in the study has seen.

Public collections overlap, so leaving out is the rule here. An overlap with a study's own val or test, which a split keeps apart by
construction, is refused instead.
"""

import dataclasses

import numpy as np

from gan_aug.data.dataset import ImageSet
from gan_aug.data.split import list_splits, make_split
from gan_aug.data.training_list import find_leaks, training_list
from gan_aug.errors import InvalidValue
from gan_aug.records import ClassifierConfig, SeenImage, Split


def groups(image_set: ImageSet) -> tuple[str, ...]:
    """Group of every image; any split of the dataset knows them."""
    return _any_split(image_set).groups


def _any_split(image_set: ImageSet) -> Split:
    name = image_set.record.name
    return next(iter(list_splits(name)), None) or make_split(name)


def leaks(outside: ImageSet, image_set: ImageSet, split: Split, seen: dict[str, list[SeenImage]]) -> tuple[str, ...]:
    """Ids of the external images that were trained or chosen on, or that are relatives of such images.

    Parameters
    ----------
    outside : ImageSet
        The external dataset.
    image_set, split : ImageSet, Split
        The study's data; its train and val images count as seen.
    seen : dict
        What generators and initial weights have seen, by run id.
    """
    own = training_list(image_set, split, sorted(split.rows("train") + split.rows("val")))
    everything = [image for images in seen.values() for image in images] + own
    any_split = _any_split(outside)
    all_held_out = dataclasses.replace(any_split, parts=("test",) * len(any_split.parts))
    return tuple(find_leaks(everything, outside, all_held_out))


def rows(outside: ImageSet, left_out: tuple[str, ...]) -> list[int]:
    """Table rows of the external images that are used."""
    return np.flatnonzero(~outside.table["image_id"].isin(left_out).to_numpy()).tolist()


def check(outside: ImageSet, image_set: ImageSet, positive: str, counts: dict[str, int], config: ClassifierConfig) -> None:
    """Refuse an external set that cannot be used.

    Raises
    ------
    InvalidValue
        If it is the study's own dataset, has other classes, is too small in pixels, or has too few images left.
    """
    name = outside.record.name
    if outside.record.fingerprint == image_set.record.fingerprint:
        raise InvalidValue(f"The external set {name} is the study's own dataset.", "Name another dataset, or leave it out.")
    if set(outside.record.classes) - set(image_set.record.classes) or positive not in outside.record.classes:
        raise InvalidValue(
            f"The external set {name} has the classes {', '.join(outside.record.classes)}, not {', '.join(image_set.record.classes)}.",
            "Import it with the same kind of labels.",
        )
    if outside.record.size < config.resolution:
        raise InvalidValue(
            f"The external set {name} holds images of {outside.record.size} px, and the classifier looks at {config.resolution} px.",
            "Import it again with a larger --size.",
        )
    others = sum(counts.values()) - counts[positive]
    if min(counts[positive], others) < 2:
        raise InvalidValue(
            f"After leaving out what was seen, the external set {name} has {counts[positive]} {positive} images and {others} others.",
            "It needs at least 2 of each: use another dataset.",
        )
