"""What readers have decided on a batch, as a table and as a folder to take away. No torch.

A reader's latest word on each image counts; the whole history stays in the database.
"""

import shutil
from pathlib import Path

import pandas as pd

from gan_aug import files, store
from gan_aug.data.dataset import csv_text
from gan_aug.errors import CorruptFile, InvalidValue

COLUMNS = (
    "batch", "image", "origin", "checkpoint", "seed", "class", "truncation", "dataset", "real_image", "repeat_of", "file", "sha256",
    "reviewer", "decision", "reason", "confidence", "seconds", "created",
)  # fmt: skip


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
            f"Batch {name!r} is blind and still open.", "Close it on the Review page first; no decision is taken afterwards."
        )
    cases = {case.image: case for case in store.cases(name)}
    rows = []
    for review in store.reviews_of(name):
        case = cases[review.image]
        made, real = case.synthetic, case.real
        rows.append(
            {
                "batch": name,
                "image": case.image,
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
    rows = [tuple("" if pd.isna(value) else str(value) for value in row) for row in table.astype(object).itertuples(index=False)]
    files.write_text(out / "decisions.csv", csv_text(COLUMNS, rows))
    return out / "decisions.csv"
