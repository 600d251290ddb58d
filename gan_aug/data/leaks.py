"""The leak check of a dataset: which images show the same picture, and whether a split separates what belongs together."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable

import pandas as pd

from gan_aug.data.dataset import open_dataset
from gan_aug.data.groups import equal_links, group_names, large_groups, near_duplicates
from gan_aug.data.split import UNUSED, list_splits
from gan_aug.records import PARTS, Split


@dataclasses.dataclass(frozen=True)
class DuplicatePair:
    """Two images of one dataset that show the same picture."""

    image_a: str
    image_b: str
    kind: str  # identical bytes | identical pixels | near-duplicate
    similarity: float  # 1 for identical ones
    related: bool  # whether the table already says so, by patient or lesion
    labels_differ: bool


@dataclasses.dataclass(frozen=True)
class LeakReport:
    """What could leak between the parts of a dataset's splits, and whether anything does."""

    dataset: str
    n_images: int
    n_groups: int
    largest_group: int  # images
    n_with_patient: int  # images whose patient is known
    n_with_lesion: int
    pairs: tuple[DuplicatePair, ...]
    large_groups: tuple[tuple[str, ...], ...]  # near-duplicate groups that a split refuses, as image ids
    sizes: dict[str, dict[str, dict[str, int]]]  # split id -> part -> class -> images
    violations: tuple[str, ...]  # sentences; empty if no split separates what belongs together


def check(name: str) -> LeakReport:
    """Find duplicates in a dataset, and look for splits that separate what belongs together."""
    images = open_dataset(name)
    table = images.table
    near = near_duplicates(images)
    groups = group_names(table, near)
    splits = list_splits(name)
    violations = []
    for split in splits:
        parts_of: dict[str, set[str]] = defaultdict(set)
        for group, part in zip(groups, split.parts, strict=True):
            if part in PARTS:
                parts_of[group].add(part)
        for group, parts in parts_of.items():
            if len(parts) > 1:
                violations.append(f"Split {split.id} has images of group {group} in {' and '.join(sorted(parts))}.")
    return LeakReport(
        dataset=name,
        n_images=len(table),
        n_groups=len(set(groups)),
        largest_group=max(Counter(groups).values()),
        n_with_patient=int((table["patient_id"] != "").sum()),
        n_with_lesion=int((table["lesion_id"] != "").sum()),
        pairs=tuple(_duplicate_pairs(table, near)),
        large_groups=tuple(map(tuple, large_groups(images, near))),
        sizes={split.id: _sizes(split, table["label"]) for split in splits},
        violations=tuple(violations),
    )


def _duplicate_pairs(table: pd.DataFrame, near: list[tuple[int, int, float]]) -> list[DuplicatePair]:
    """Identical and near-identical pairs; of several equal images each is paired with the first."""
    kinds: dict[tuple[int, int], tuple[str, float]] = {(i, j): ("near-duplicate", value) for i, j, value in near}
    for column, kind in (("pixel_sha256", "identical pixels"), ("byte_sha256", "identical bytes")):
        kinds.update({(i, j): (kind, 1.0) for i, j in equal_links(table[column]) if i != j})
    columns = {column: table[column].tolist() for column in ("image_id", "label", "patient_id", "lesion_id")}

    def same(column: str, i: int, j: int) -> bool:
        return columns[column][i] == columns[column][j] != ""

    return [
        DuplicatePair(
            columns["image_id"][i],
            columns["image_id"][j],
            kind,
            value,
            same("patient_id", i, j) or same("lesion_id", i, j),
            not same("label", i, j),
        )
        for (i, j), (kind, value) in sorted(kinds.items())
    ]


def _sizes(split: Split, labels: Iterable[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for part, label in zip(split.parts, labels, strict=True):
        counts[part][label] += 1
    return {part: dict(sorted(counts[part].items())) for part in (*PARTS, UNUSED) if part in counts}
