"""What readers have decided on a batch, as a table and as a folder to take away. No torch.

A reader's latest word on each image counts; the whole history stays in the database.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gan_aug import files, randomness, readings, store
from gan_aug.data.dataset import csv_text
from gan_aug.errors import CorruptFile, InvalidValue
from gan_aug.store import ReviewBatch, ReviewCase

COLUMNS = (
    "batch", "image", "case", "position",
    "origin", "checkpoint", "seed", "class", "truncation", "dataset", "real_image", "repeat_of", "file", "sha256",
    "reviewer", "decision", "reason", "confidence", "seconds", "created", "arrived",
)  # fmt: skip


_BETWEEN = 0.2  # share of a blind batch's pictures that a reader sees, at the least, between the two looks at a repeated one


def reading_order(batch: ReviewBatch, reviewer: str) -> list[ReviewCase]:
    """The pictures of a batch in the order in which ``reviewer`` sees them: the same each time, and in a blind batch for each another.

    In a blind batch the pictures that come twice lie in the first two fifths and their repeats in the last two, so that at least a fifth
    of all lies between.
    """
    cases = store.cases(batch.name)
    if batch.mode != "blind":
        return cases
    seed = randomness.key(batch.settings.get("seed", 0), batch.name, "reader", reviewer)

    def mixed(some: list[ReviewCase], purpose: int) -> list[ReviewCase]:
        return [some[place] for place in randomness.order(seed, purpose, len(some))]

    cases.sort(key=lambda case: case.image)  # the stored order is no part of it
    repeats = [case for case in cases if case.repeat_of]
    again = {case.repeat_of for case in repeats}
    twice = [case for case in cases if case.image in again]
    once = mixed([case for case in cases if case.image not in again and not case.repeat_of], 1)
    n = len(twice) + len(once)
    between = round(_BETWEEN * n)
    early = max(0, (n - between) // 2 - len(twice))
    first, middle, last = once[:early], once[early : early + between], once[early + between :]
    return mixed(twice + first, 2) + middle + mixed(last + repeats, 3)


def undecided(cases: list[ReviewCase], decided: set[str]) -> int:
    """How many images are still to be decided on, near-duplicates counting as one: who has decided on one of them has done with all."""
    groups = {(case.facts or {}).get("alike") or case.image for case in cases}
    return len(groups - {(case.facts or {}).get("alike") or case.image for case in cases if case.image in decided})


def decisions(name: str) -> pd.DataFrame:
    """One row per image and reader of the batch ``name``: what the picture is, and what is said of it now.

    Raises
    ------
    NotFound
        If there is no such batch.
    InvalidValue
        If it is a blind batch that is still open: the table would tell which images are real.
    """
    batch = store.batch(name)
    if batch.mode == "blind" and not batch.closed:
        raise InvalidValue(
            f"Batch {name!r} is blind and still open.",
            f"Close it on the Review page, or with 'gan-aug review close {name}'; no decision is taken afterwards.",
        )
    about = {case.image: (number, *_about(case)) for number, case in enumerate(store.cases(name), start=1)}
    positions: dict[str, dict[str, int]] = {}  # reviewer -> image -> place in that reviewer's order
    rows = []
    for review in store.reviews_of(name):
        if review.reviewer not in positions:
            order = reading_order(batch, review.reviewer)
            positions[review.reviewer] = {shown.image: place for place, shown in enumerate(order, start=1)}
        number, *what = about[review.image]
        said = (review.decision, review.reason, review.confidence, review.seconds, review.created, review.arrived)
        rows.append((name, review.image, number, positions[review.reviewer][review.image], *what, review.reviewer, *said))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)  # a column of numbers with gaps stays one of whole numbers


def _about(case: ReviewCase) -> tuple[Any, ...]:
    """The columns from ``origin`` to ``sha256``."""
    made, real = case.synthetic, case.real
    return (
        "synthetic" if made else "real",
        *((made.checkpoint, made.seed, made.class_name, made.truncation) if made else (None,) * 4),
        *((real["dataset"], real["image_id"]) if real else (None,) * 2),
        case.repeat_of,
        "images/" + case.file.rpartition("/")[2],
        case.sha256,
    )


class Exported(NamedTuple):
    """What :func:`export` has written."""

    table: Path
    decisions: int


def export(name: str, out: Path) -> Exported:
    """Write ``decisions.csv`` and the pictures of a batch into a new or empty folder.

    A closed blind batch also gives ``reading.imrmc``, for programs that analyse reader studies. If anything fails, nothing is left behind.

    Raises
    ------
    UserError
        As :func:`decisions`; if ``out`` holds anything or cannot be written, or a picture is missing or is not the one that was judged.
    """
    with files.writing(out):
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken:
        raise InvalidValue(f"{out} is not an empty folder.", "Choose an empty or a new one.")
    table = decisions(name)
    texts = {"decisions.csv": as_csv(table)}
    if store.batch(name).mode == "blind":
        texts["reading.imrmc"] = readings.imrmc(name)
    cases = store.cases(name)
    lost = [case.path for case in cases if not case.path.is_file() or files.sha256_file(case.path) != case.sha256]
    if lost:
        in_all = f" ({len(lost)} pictures in all)" if len(lost) > 1 else ""
        what = f"{lost[0]} is missing, or is not the picture that was judged{in_all}."
        raise CorruptFile(what, "Restore the workspace's reviews folder.")
    with files.writing(out), _filled(out, ("images", *texts)) as folder:
        (folder / "images").mkdir()
        for case in cases:
            shutil.copyfile(case.path, folder / "images" / case.path.name)
        for file, text in texts.items():
            files.write_text(folder / file, text)
    return Exported(out / "decisions.csv", len(table))


@contextlib.contextmanager
def _filled(out: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` when it is whole; if ``out`` exists that itself, from which ``names`` go again on failure."""
    if not out.exists():
        with files.new_folder(out) as folder:
            yield folder
        return
    try:
        yield out
    except BaseException:
        for path in (out / name for name in names):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def as_csv(table: pd.DataFrame) -> str:
    """A table of decisions as CSV that a spreadsheet opens without running anything in it."""
    rows = [tuple("" if _is_gap(value) else str(value) for value in row) for row in table.itertuples(index=False, name=None)]
    return csv_text(COLUMNS, rows)


def _is_gap(value: Any) -> bool:
    """Whether there is nothing to be written; pandas' own test takes seconds for a million cells."""
    return value is None or value != value  # NaN is the one value that differs from itself
