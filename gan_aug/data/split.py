"""Splits: every image is train, val or test, whole groups at a time, once and for all.

A group holds images of one patient or lesion, and duplicates; see :mod:`gan_aug.data.groups`. Groups go to the parts in an order drawn from
hashes of the seed and the group's name, so the same seed gives the same split on every machine.

    workspace/datasets/NAME/
        near_duplicates.json    verified pairs, found once; see groups.py
        splits/ID.parquet       image_id, pixel_sha256, part, group of every image
        splits/ID.json          the rest of the record; written last, so a split that has it is whole
"""

import dataclasses
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gan_aug import files
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.groups import groups_of
from gan_aug.errors import CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.randomness import check_seed
from gan_aug.records import PARTS, Split, to_dict

UNUSED = "unused"  # the part of train groups that a fraction below 1 leaves out
_KEPT_ROWS = 1_000_000  # images of all splits that are kept in memory together; at most 75 bytes each
LIKE = "like "  # begins the rule of a split that was taken over: the id it had, or the name of its table, follows


def make_split(name: str, seed: int = 0, val: float = 0.15, test: float = 0.15, fraction: float = 1.0) -> Split:
    """Split a dataset, or return the split that was made with the same arguments.

    Parameters
    ----------
    name : str
        Name of the dataset.
    seed : int
        Same seed, same split, on every machine.
    val, test : float
        Shares of the images, each from 0 and together below 1.
    fraction : float
        Share of the train images that is kept, above 0 and at most 1. Smaller fractions lie inside larger ones; val and test stay.

    Raises
    ------
    InvalidValue
        If a share is out of range, or a part that was asked for would be empty.
    UserError
        If a group of near-duplicates is too large to be believed; the message names its first images.
    """
    check_shares(seed, val, test, fraction)
    images = open_dataset(name)
    for known in list_splits(name):
        if (known.seed, known.val, known.test, known.fraction, known.rule) == (seed, val, test, fraction, ""):
            return known
    groups = groups_of(images)
    labels = images.table["label"].tolist()
    parts = _assign(groups, labels, seed, {"train": 1 - val - test, "val": val, "test": test})
    if fraction < 1:
        parts = _thin(parts, groups, labels, seed, fraction)
    for part, share in (("train", 1 - val - test), ("val", val), ("test", test)):
        if share > 0 and part not in parts:
            raise InvalidValue(
                f"Dataset {name!r} has too few groups ({len(set(groups))}) for a {part} part of {share:.0%}.",
                "Ask for a larger share, or import more patients.",
            )
    return settle(images, parts, groups, seed=seed, val=val, test=test, fraction=fraction)


def thin_split(split: Split, fraction: float) -> Split:
    """The same val and test, and a share of the train images; smaller shares lie inside larger ones. Made once, like :func:`make_split`.

    Raises
    ------
    InvalidValue
        If the fraction is not above 0 and at most that of ``split``.
    """
    if fraction == split.fraction:
        return split
    if split.fraction < 1:
        raise InvalidValue(
            f"Split {split.id} keeps {split.fraction:g} of the train part, not {fraction:g}.",
            "Name the whole split, or leave out the fraction.",
        )
    if not split.rule:
        return make_split(split.dataset, split.seed, split.val, split.test, fraction)
    check_shares(split.seed, split.val, split.test, fraction)
    images = open_dataset(split.dataset)
    parts = _thin(list(split.parts), list(split.groups), images.table["label"].tolist(), split.seed, fraction)
    for known in list_splits(split.dataset):
        if (known.fraction, known.parts, known.groups) == (fraction, tuple(parts), split.groups):
            return known
    shares = {"seed": split.seed, "val": split.val, "test": split.test, "fraction": fraction, "rule": split.rule}
    return settle(images, parts, list(split.groups), **shares)


def make_folds(name: str, folds: int, seed: int = 0, val: float = 0.15) -> list[Split]:
    """Splits for a grouped cross-validation: every group is in the test part of exactly one of them. Made once, like :func:`make_split`.

    Parameters
    ----------
    folds : int
        From 2 to 20.
    val : float
        Share of the images that is val in each fold; it comes from what is not test.

    Raises
    ------
    InvalidValue, UserError
        As :func:`make_split`.
    """
    if not 2 <= folds <= 20:
        raise InvalidValue(f"{folds} folds cannot be made.", "Use from 2 to 20.")
    check_shares(seed, val, 1 / folds, 1.0)
    images = open_dataset(name)
    groups, labels = groups_of(images), images.table["label"].tolist()
    places = [f"fold {number} of {folds}" for number in range(1, folds + 1)]
    place_of = _assign(groups, labels, seed, dict.fromkeys(places, 1 / folds))
    return [
        _make_ruled(images, groups, [("test" if mine == place else None) for mine in place_of], seed, val, 1 / folds, place)
        for place in places
    ]


def hold_out_source(name: str, source: str, seed: int = 0, val: float = 0.15) -> Split:
    """A split whose test part is one source, such as a clinic or a collection, of which nothing is in train or val.

    Images of other sources that share a group (patient, duplicates) with one of that source are in no part.

    Raises
    ------
    InvalidValue
        If the dataset has no such source, or no other.
    """
    images = open_dataset(name)
    sources = images.table["source"].tolist()
    known = sorted(set(sources))
    if source not in known or len(known) < 2:
        raise InvalidValue(
            f"Source {source!r} of dataset {name!r} cannot be held out.",
            f"It has: {', '.join(map(repr, known))}; there must be another one to train on.",
        )
    groups = groups_of(images)
    touched = {group for group, mine in zip(groups, sources, strict=True) if mine == source}
    fixed = ["test" if mine == source else UNUSED if group in touched else None for group, mine in zip(groups, sources, strict=True)]
    share = fixed.count("test") / len(fixed)
    check_shares(seed, val, share, 1.0)
    return _make_ruled(images, groups, fixed, seed, val, share, f"source {source}")


def _make_ruled(images: ImageSet, groups: list[str], fixed: list[str | None], seed: int, val: float, test: float, rule: str) -> Split:
    """The split in which some images have a fixed part and whole groups of the others are train or val; that of the same arguments."""
    for known in list_splits(images.record.name):
        if (known.seed, known.val, known.fraction, known.rule) == (seed, val, 1.0, rule):  # a thinned one has the same rule
            return known
    labels = images.table["label"].tolist()
    free = [row for row, part in enumerate(fixed) if part is None]
    shares = {"train": 1 - val / (1 - test), "val": val / (1 - test)}
    drawn = _assign([groups[row] for row in free], [labels[row] for row in free], seed, shares)
    parts = list(fixed)
    for row, part in zip(free, drawn, strict=True):
        parts[row] = part
    return settle(images, parts, groups, seed=seed, val=val, test=test, rule=rule)


def settle(
    images: ImageSet, parts: list[str], groups: list[str], *, seed: int, val: float, test: float, fraction: float = 1.0, rule: str = ""
) -> Split:
    """Write down which part every image has, once and for all; see :class:`gan_aug.records.Split`."""
    digest = _fingerprint(images.table["pixel_sha256"], groups, images.table["label"].tolist(), parts)
    record = images.record
    split = Split(digest[:12], record.name, record.fingerprint, seed, val, test, fraction, tuple(parts), tuple(groups), digest, rule)
    _write(images, split)
    return split


def check_shares(seed: int, val: float, test: float, fraction: float) -> None:
    """Refuse what :func:`make_split` cannot take.

    Raises
    ------
    InvalidValue
    """
    check_seed(seed)
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise InvalidValue(f"val {val:g} and test {test:g} cannot be shares.", "Use numbers of 0 or above that add up to less than 1.")
    if not 0 < fraction <= 1:
        raise InvalidValue(f"Fraction {fraction:g} is out of range.", "Use a number above 0 and at most 1.")


def _assign(groups: list[str], labels: list[str], seed: int, shares: dict[str, float]) -> list[str]:
    """Part of every image, with every class near its share in every part.

    Largest groups first, in an order drawn from the seed; each goes where it fills the parts most evenly: the part with the least
    sum over classes of the growth of (have - want)^2 / want. Rare classes weigh more, because they want less.
    """
    contents: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        contents[group][label] += 1
    totals = Counter(labels)
    want = {part: {label: share * total for label, total in totals.items()} for part, share in shares.items() if share > 0}
    have = {part: Counter[str]() for part in want}

    def cost(part: str, group: Counter[str]) -> float:
        wanted, there = want[part], have[part]
        return sum((2 * (there[label] - wanted[label]) + count) * count / wanted[label] for label, count in sorted(group.items()))

    chosen: dict[str, str] = {}
    for group in sorted(contents, key=lambda name: (-contents[name].total(), _draw("split", seed, name))):
        part = min(want, key=lambda part: cost(part, contents[group]))  # ties go to train, then val
        chosen[group] = part
        have[part].update(contents[group])
    return [chosen[group] for group in groups]


def _thin(parts: list[str], groups: list[str], labels: list[str], seed: int, fraction: float) -> list[str]:
    """Keep a share of the train groups, class by class in a fixed order, so that smaller shares lie inside larger ones."""
    totals = Counter(labels)
    sizes: Counter[str] = Counter()
    rarest: dict[str, str] = {}  # a mixed group counts for its rarest class
    for part, group, label in zip(parts, groups, labels, strict=True):
        if part == "train":
            sizes[group] += 1
            rarest[group] = min(rarest.get(group, label), label, key=lambda name: (totals[name], name))
    kept: set[str] = set()
    for label in sorted(totals):
        order = sorted((group for group in sizes if rarest[group] == label), key=lambda name: _draw("fraction", seed, name))
        room = fraction * sum(sizes[group] for group in order)
        taken = 0
        for group in order:
            if taken and taken + sizes[group] / 2 > room:  # the first group of a class is always kept
                break
            kept.add(group)
            taken += sizes[group]
    return [UNUSED if part == "train" and group not in kept else part for part, group in zip(parts, groups, strict=True)]


def _draw(purpose: str, seed: int, name: str) -> str:
    """A place in an order that depends on nothing but these three."""
    return files.sha256_bytes(f"{purpose}\t{seed}\t{name}".encode())


def _fingerprint(pixels: Iterable[str], groups: list[str], labels: list[str], parts: list[str]) -> str:
    """SHA-256 over the sorted lines of pixel hash, group, label and part."""
    lines = sorted(f"{line}\n" for line in map("\t".join, zip(pixels, groups, labels, parts, strict=True)))
    return files.sha256_bytes("".join(lines).encode())


def _write(images: ImageSet, split: Split) -> None:
    folder = images.folder / "splits"
    table = pd.DataFrame(
        {"image_id": images.table["image_id"], "pixel_sha256": images.table["pixel_sha256"], "part": split.parts, "group": split.groups}
    )
    files.write_bytes(folder / f"{split.id}.parquet", table.to_parquet(index=False))
    values = to_dict(dataclasses.replace(split, parts=(), groups=()))
    files.write_json(folder / f"{split.id}.json", values)


_kept: dict[tuple[Any, ...], Split] = {}  # by file, dataset and what tells that one of them changed; the last used at the end
_keeping = threading.Lock()


def _read(images: ImageSet, path: Path) -> Split:
    """A split, read and checked once for as long as its files and the dataset stay as they are: pages ask for every split at each run."""
    tables = (path.with_suffix(".parquet"), images.folder / "table.parquet")
    key = (path, images.record.fingerprint, *map(_stamp, (path, *tables)))
    with _keeping:
        split = _kept.pop(key, None)
        if split is not None:
            _kept[key] = split  # the last that was used
            return split
    split = _read_and_check(images, path)
    with _keeping:
        for old in [old for old in _kept if old[0] == path]:
            del _kept[old]
        groups = next((kept.groups for kept in _kept.values() if kept.groups == split.groups), split.groups)
        _kept[key] = split = dataclasses.replace(split, groups=groups)  # splits of one dataset mostly have the same ones
        while len(_kept) > 1 and sum(len(kept.parts) for kept in _kept.values()) > _KEPT_ROWS:
            del _kept[next(iter(_kept))]
    return split


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells that a file was written anew."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def _read_and_check(images: ImageSet, path: Path) -> Split:
    """Read a split and make sure that it is the one that was written, for these images.

    Raises
    ------
    CorruptFile
        If one of its files cannot be read, or does not match the split's fingerprint; or if the dataset's table is not as it was imported.
    """
    todo = f"Remove {path.name} and {path.stem}.parquet from {path.parent}, and make the split again."
    split = files.read_record(Split, path, todo)
    try:
        table = pd.read_parquet(path.with_suffix(".parquet"), columns=["image_id", "pixel_sha256", "part", "group"])
    except (OSError, ValueError, LookupError) as error:
        raise CorruptFile(f"{path.with_suffix('.parquet')} cannot be read ({error}).", todo) from None
    names = {part: part for part in (*PARTS, UNUSED)}  # one text for all images of a part
    parts = tuple(names.get(part, part) for part in table["part"])
    split = dataclasses.replace(split, parts=parts, groups=tuple(table["group"]))
    # The labels come from the dataset's table, which refuses to be read where it is what changed.
    digest = _fingerprint(table["pixel_sha256"], list(split.groups), images.table["label"].tolist(), list(split.parts))
    if digest != split.fingerprint or table["image_id"].tolist() != images.table["image_id"].tolist():
        if images.record.digests is None:
            todo = (
                f"Compare {images.folder / 'table.parquet'} with a backup: this dataset is older than the digest of its table, which may be"
                f" what changed. If the table is right: {todo[0].lower()}{todo[1:]}"
            )
        raise CorruptFile(f"Split {split.id} of dataset {images.record.name!r} does not match its fingerprint.", todo)
    return split


def list_splits(name: str) -> list[Split]:
    """Every split of a dataset, oldest first."""
    images = open_dataset(name)
    paths = sorted((images.folder / "splits").glob("[!.]*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [_read(images, path) for path in paths]


def usual_splits(name: str) -> list[Split]:
    """The splits of a dataset from which one has to be named, oldest first: whole ones where there are any.

    Thinned splits, folds and held-out sources, which studies make in numbers, are only meant where they are named.
    """
    usual = [split for split in list_splits(name) if not split.rule or split.rule.startswith(LIKE)]
    return [split for split in usual if split.fraction == 1.0] or usual


def load_split(name: str, split_id: str | None = None) -> Split:
    """A split of a dataset: the named one, or else the only one (made with the default arguments if there is none).

    See :func:`usual_splits` for those that count then. One that was taken over from elsewhere is also found by the id that it had there.

    Raises
    ------
    NotFound
        If there is none of that id.
    UserError
        If there are several and none was named.
    """
    splits = list_splits(name) if split_id is not None else usual_splits(name)
    if split_id is None and not splits:
        return make_split(name)
    if split_id is None and len(splits) > 1:
        raise UserError(f"Dataset {name!r} has {len(splits)} splits.", f"Name one of them: {'; '.join(map(describe, splits))}.")
    for split in splits:
        if split_id in (None, split.id) or (split.rule == f"{LIKE}{split_id}" and split.fraction == 1.0):
            return split
    known = "; ".join(map(describe, splits))
    raise NotFound(
        f"Dataset {name!r} has no split {split_id!r}.", f"It has: {known}." if known else f"Make one with `gan-aug data split {name}`."
    )


def describe(split: Split) -> str:
    """A split in a few words."""
    share = f", {split.fraction:g} of train" if split.fraction < 1 else ""
    test = split.rule or f"{split.test:g}"
    return f"{split.id} (seed {split.seed}, val {split.val:g}, test {test}{share})"


def digest_of_test(images: ImageSet, split: Split) -> str:
    """Which images a split's test part holds, as one digest: splits that differ in train alone, such as thinned ones, have the same."""
    pixels = images.table["pixel_sha256"].iloc[split.rows("test")]
    return files.sha256_bytes("".join(f"{value}\n" for value in sorted(pixels)).encode())
