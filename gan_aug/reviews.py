"""What readers have decided on a batch, as a table and as a folder to take away. No torch.

A reader's latest word on each image counts; the whole history stays in the database.
"""

import shutil
from pathlib import Path

import pandas as pd

from gan_aug import files, randomness, readings, store
from gan_aug.data.dataset import csv_text
from gan_aug.errors import CorruptFile, InvalidValue
from gan_aug.store import ReviewBatch, ReviewCase

COLUMNS = (
    "batch", "image", "case", "position",
    "origin", "checkpoint", "seed", "class", "truncation", "dataset", "real_image", "repeat_of", "file", "sha256",
    "reviewer", "decision", "reason", "confidence", "seconds", "created",
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
    cases = {case.image: case for case in store.cases(name)}
    numbers = {image: number for number, image in enumerate(cases, start=1)}
    positions: dict[str, dict[str, int]] = {}  # reviewer -> image -> place in that reviewer's order
    rows = []
    for review in store.reviews_of(name):
        case = cases[review.image]
        made, real = case.synthetic, case.real
        if review.reviewer not in positions:
            order = reading_order(batch, review.reviewer)
            positions[review.reviewer] = {shown.image: place for place, shown in enumerate(order, start=1)}
        rows.append(
            {
                "batch": name,
                "image": case.image,
                "case": numbers[case.image],
                "position": positions[review.reviewer][case.image],
                "origin": "synthetic" if made else "real",
                "checkpoint": made.checkpoint if made else None,
                "seed": made.seed if made else None,
                "class": made.class_name if made else None,
                "truncation": made.truncation if made else None,
                "dataset": real["dataset"] if real else None,
                "real_image": real["image_id"] if real else None,
                "repeat_of": case.repeat_of,
                "file": f"images/{case.path.name}",
                "sha256": case.sha256,
                "reviewer": review.reviewer,
                "decision": review.decision,
                "reason": review.reason,
                "confidence": review.confidence,
                "seconds": review.seconds,
                "created": review.created,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def export(name: str, out: Path) -> Path:
    """Write ``decisions.csv`` and the pictures of a batch into a new or empty folder; returns the table's path.

    A closed blind batch also gives ``reading.imrmc``, for programs that analyse reader studies.

    Raises
    ------
    UserError
        As :func:`decisions`; if ``out`` holds anything, or a picture is missing or is not the one that was judged.
    """
    table = decisions(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidValue(f"{out} is not an empty folder.", "Choose an empty or a new one.")
    for case in store.cases(name):
        if not case.path.exists() or files.sha256_file(case.path) != case.sha256:
            raise CorruptFile(f"{case.path} is missing, or is not the picture that was judged.", "Restore the workspace's reviews folder.")
        target = out / "images" / case.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case.path, target)
    if store.batch(name).mode == "blind":
        files.write_text(out / "reading.imrmc", readings.imrmc(name))
    files.write_text(out / "decisions.csv", as_csv(table))
    return out / "decisions.csv"


def as_csv(table: pd.DataFrame) -> str:
    """A table of decisions as CSV that a spreadsheet opens without running anything in it."""
    rows = [tuple("" if pd.isna(value) else str(value) for value in row) for row in table.astype(object).itertuples(index=False)]
    return csv_text(COLUMNS, rows)
