"""Splits that come from elsewhere: that of a run, whose models are then measured on just the images that they have not seen, or a table of
image ids and parts, as benchmarks publish them.

What belongs together by today's knowledge stays together here, too: an image that shares a patient, a lesion or a picture with one of an
earlier part (train, then val, then test) is left out.
"""

import dataclasses
from pathlib import Path

import pandas as pd

from gan_aug import runs
from gan_aug.data.dataset import folder_of, open_dataset
from gan_aug.data.groups import groups_of
from gan_aug.data.split import LIKE, UNUSED, list_splits, settle
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import PARTS, Run, Split

TABLES = (".csv", ".parquet")


@dataclasses.dataclass(frozen=True)
class TakenOver:
    """A split that was taken over, and the images of the dataset that are in no part of it."""

    split: Split
    unknown: tuple[str, ...]  # ids of images that the given split does not have, or leaves out
    held_back: tuple[str, ...]  # ids of images that belong together with one of an earlier part


def take_over_split(name: str, like: str) -> TakenOver:
    """Split a dataset as a run's training was, or as a table says.

    Parameters
    ----------
    name : str
        Name of the dataset, which may hold other images than the given split, fewer or more.
    like : str
        Id of a run, or path of a ``.csv`` or ``.parquet`` file with a column ``part`` (train, val or test; unused ones are left out) and
        one that says of which image, ``pixel_sha256`` or ``image_id``.

    Raises
    ------
    NotFound, InvalidValue
        If there is no such run, table or dataset, columns are missing, an image has two parts, or train, or both val and test, would be
        empty.
    """
    images = open_dataset(name)
    if Path(like).suffix in TABLES:
        table, origin = Path(like), Path(like).name
    else:
        run = runs.load_run(like)
        table, origin = _table_of(run), run.split_id
    key, part_of = _read_parts(table)
    ids = images.table["image_id"].tolist()
    given = [part_of.get(value, UNUSED) for value in images.table[key]]
    groups = groups_of(images)
    first: dict[str, str] = {}  # the earliest part of each group
    for part in PARTS:
        for group, mine in zip(groups, given, strict=True):
            if mine == part:
                first.setdefault(group, part)
    parts = [part if first.get(group) == part else UNUSED for group, part in zip(groups, given, strict=True)]
    counts = {part: parts.count(part) for part in PARTS}
    if not counts["train"] or not counts["val"] + counts["test"]:
        found = ", ".join(f"{count} {part}" for part, count in counts.items())
        raise InvalidValue(
            f"{like} does not split {name!r}: of its {len(ids):,} images it has {found}.",
            f"Give a split of the same images; they are looked up by {key}.",
        )
    used = sum(counts.values())
    shares = {"seed": 0, "val": round(counts["val"] / used, 4), "test": round(counts["test"] / used, 4), "rule": f"{LIKE}{origin}"}
    split = next((known for known in list_splits(name) if known.parts == tuple(parts) and known.groups == tuple(groups)), None)
    return TakenOver(
        split or settle(images, parts, groups, **shares),
        tuple(image for image, part in zip(ids, given, strict=True) if part == UNUSED),
        tuple(image for image, before, part in zip(ids, given, parts, strict=True) if before != part),
    )


def shipped_splits() -> dict[str, list[str]]:
    """The splits that runs bring with them, for whoever has the same images: a split's id, and the runs that were trained in it."""
    found: dict[str, list[str]] = {}
    for run in runs.list_runs():
        if _brought(run).exists():
            found.setdefault(run.split_id, []).append(run.id)
    return found


def _brought(run: Run) -> Path:
    return runs.run_folder(run.id) / "split.parquet"


def _table_of(run: Run) -> Path:
    """The split of a run: beside it where it was passed on, else with the dataset that it was trained on."""
    return _brought(run) if _brought(run).exists() else folder_of(run.dataset) / "splits" / f"{run.split_id}.parquet"


def _read_parts(path: Path) -> tuple[str, dict[str, str]]:
    """The column that names images, and the part of each."""
    try:
        table = pd.read_csv(path, dtype=str) if path.suffix == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise NotFound(f"There is no table {path}.", "Give a run, or a .csv or .parquet file with the columns image_id and part.") from None
    except (OSError, ValueError) as error:
        raise InvalidValue(f"{path} cannot be read as a table ({error}).", "Give a .csv or .parquet file.") from None
    key = next((column for column in ("pixel_sha256", "image_id") if column in table), None)
    if key is None or "part" not in table:
        raise InvalidValue(f"{path} has the columns {', '.join(table.columns)}.", "It needs image_id and part.")
    strange = sorted(set(table["part"]) - {*PARTS, UNUSED}, key=str)
    if strange:
        raise InvalidValue(f"{path} has the part {strange[0]!r}.", f"Parts are {', '.join(PARTS)} and {UNUSED}.")
    part_of = dict(zip(table[key], table["part"], strict=True))
    twice = table.groupby(key)["part"].nunique()
    if (twice > 1).any():
        raise InvalidValue(f"{path} puts {twice.idxmax()} into two parts.", "Each image has one part.")
    return key, part_of
