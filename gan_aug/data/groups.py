"""What belongs together: images that share a patient, a lesion, identical bytes or pixels, or are verified near-duplicates.

A group is a connected component of such images. Its name is that of one of its images, so it is the same on every machine.
"""

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from gan_aug import files
from gan_aug.data import duplicates
from gan_aug.data.dataset import ImageSet
from gan_aug.errors import UserError

_LARGE_SHARE = 0.01  # a near-duplicate group above this share of the images is refused ...
_LARGE_MIN = 8  # ... unless it is this small


def groups_of(images: ImageSet) -> list[str]:
    """Group name of every image of a dataset.

    Raises
    ------
    UserError
        If a group of near-duplicates is too large to be believed; the message names its first images.
    """
    pairs = near_duplicates(images)
    _refuse_large(images, pairs)
    return group_names(images.table, pairs)


def near_duplicates(images: ImageSet) -> list[tuple[int, int, float]]:
    """Verified near-duplicate pairs (row, row, similarity); found once and kept beside the images."""
    path = images.folder / "near_duplicates.json"
    method = [duplicates.VERSION, duplicates.THRESHOLD, duplicates.MAX_DISTANCE]
    if path.exists():
        stored = files.read_json(path)
        if stored["method"] == method:
            return [(i, j, value) for i, j, value in stored["pairs"]]
    pairs = duplicates.find_near_duplicates(images.images, images.table["phash"].tolist())
    files.write_json(path, {"method": method, "pairs": pairs})
    return pairs


def _components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """The smallest row of each row's connected component (union-find)."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for i, j in links:
        a, b = root(i), root(j)
        parent[max(a, b)] = min(a, b)
    return [root(row) for row in range(count)]


def equal_links(values: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Links between rows with the same known value."""
    first: dict[str, int] = {}
    for row, value in enumerate(values):
        if value:
            yield first.setdefault(value, row), row


def group_names(table: pd.DataFrame, pairs: list[tuple[int, int, float]]) -> list[str]:
    """Group name of every image: the first image id, in the order of the alphabet, of its connected component."""
    links = [(i, j) for i, j, _ in pairs]
    for column in ("patient_id", "lesion_id", "byte_sha256", "pixel_sha256"):
        links += equal_links(table[column])
    roots = _components(len(table), links)
    names: dict[int, str] = {}
    for root, image_id in zip(roots, table["image_id"], strict=True):
        names[root] = min(names.get(root, image_id), image_id)
    return [names[root] for root in roots]


def large_groups(images: ImageSet, pairs: list[tuple[int, int, float]]) -> list[list[str]]:
    """Components of near-duplicate links alone that hold more than 1 % of the images, as image ids."""
    members: dict[int, list[str]] = defaultdict(list)
    for root, image_id in zip(_components(images.record.n_images, ((i, j) for i, j, _ in pairs)), images.table["image_id"], strict=True):
        members[root].append(image_id)
    limit = max(_LARGE_MIN, _LARGE_SHARE * images.record.n_images)
    return sorted((group for group in members.values() if len(group) > limit), key=len, reverse=True)


def _refuse_large(images: ImageSet, pairs: list[tuple[int, int, float]]) -> None:
    for group in large_groups(images, pairs):
        raise UserError(
            f"{len(group)} images of dataset {images.record.name!r} look like one picture: {', '.join(group[:5])} ...",
            "Such a group is usually a logo, a blank or a copied file. Look at them, take them out of the folder, and import it again.",
        )
