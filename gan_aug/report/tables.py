"""A study as tables and as JSON, for other programs."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from gan_aug import files, study
from gan_aug.errors import CorruptFile, NotFound
from gan_aug.records import to_dict
from gan_aug.study import Analysis, ArmResult, PartResult

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet run a cell


def analysis_of(name: str) -> Analysis:
    """The kept analysis of a finished study; it is analysed first if that was not done yet, or its file is damaged."""
    try:
        return study.load_analysis(name)
    except (NotFound, CorruptFile):
        return study.analyse(name)


def write_json(name: str, path: Path) -> Path:
    """Write a finished study as one JSON file: its plan, its analysis, and when the test part was read.

    Raises
    ------
    UserError
        If the study does not exist, is not finished, or the file cannot be written.
    """
    settled, analysis = study.load_plan(name), analysis_of(name)
    values = {"plan": to_dict(settled), "plan_sha256": settled.sha256, "analysis": to_dict(analysis)}
    values["test_accesses"] = study.test_accesses(name)
    with files.writing(path):
        files.write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")
    return path


def write_csv(name: str, folder: Path) -> list[Path]:
    """Write a finished study as tables: one for each kind of number, the predictions, and study.json with all of it but those.

    Raises
    ------
    UserError
        If the study does not exist, is not finished, or a file cannot be written.
    """
    analysis = analysis_of(name)
    tables = {
        "results.csv": [_result_row(part, arm) for part in analysis.parts for arm in part.arms],
        "seeds.csv": [
            {"part": part.part, "scheme": arm.scheme, "seed": seed, "auc": value}
            for part in analysis.parts
            for arm in part.arms
            for seed, value in zip(analysis.seeds, arm.seed_aucs, strict=True)
        ],
        "roc.csv": _curve_rows(analysis, "roc", "fpr", "tpr"),
        "pr.csv": _curve_rows(analysis, "pr", "recall", "precision"),
        "reliability.csv": _curve_rows(analysis, "reliability", "predicted", "observed"),
        "net_benefit.csv": _curve_rows(analysis, "net_benefit", "threshold", "net_benefit"),
        "sources.csv": _source_rows(analysis),
        "predictions.csv": study.predictions(name).to_dict("records"),
    }
    with files.writing(folder):
        for file, rows in tables.items():
            files.write_text(folder / file, _csv(rows))
        write_json(name, folder / "study.json")
    return [folder / file for file in (*tables, "study.json")]


def _curve_rows(analysis: Analysis, curve: str, x: str, y: str) -> list[dict[str, Any]]:
    """The points of one kind of curve of every arm; at least one row, so that the columns are named."""
    rows = [
        {"part": part.part, "scheme": arm.scheme, x: first, y: second}
        for part in analysis.parts
        for arm in part.arms
        for first, second in zip(getattr(arm, curve).x, getattr(arm, curve).y, strict=True)
    ]
    return rows or [dict.fromkeys(("part", "scheme", x, y))]


def _source_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Every arm on each source by itself."""
    columns = ("part", "scheme", "source", "images", "positive", "auc", "auc_low", "auc_high")
    rows = []
    for part in analysis.parts:
        for arm in part.arms:
            for found in arm.by_source:
                area = (found.auc.value, found.auc.low, found.auc.high) if found.auc else (None, None, None)
                values = (part.part, arm.scheme, found.source, found.n, found.n_positive, *area)
                rows.append(dict(zip(columns, values, strict=True)))
    return rows or [dict.fromkeys(columns)]


def _result_row(part: PartResult, arm: ArmResult) -> dict[str, Any]:
    comparison = part.comparison(arm.scheme)
    row = {"part": part.part, "dataset": part.dataset, "images": part.n, "positive": part.n_positive, "scheme": arm.scheme}
    row |= {"auc": arm.auc.value, "auc_low": arm.auc.low, "auc_high": arm.auc.high, "auc_method": arm.auc.method}
    row |= {"seed_mean": arm.seed_mean, "seed_sd": arm.seed_sd}
    for key, field in (("difference",) * 2, ("difference_low", "low"), ("difference_high", "high"), ("p",) * 2, ("p_holm",) * 2):
        row[key] = getattr(comparison, field) if comparison else None
    over = comparison.over_seeds if comparison else None
    row |= {"difference_over_seeds": over.value if over else None, "over_seeds_low": over.low if over else None}
    row |= {"over_seeds_high": over.high if over else None, "p_over_seeds": comparison.p_over_seeds if comparison else None}
    flips = comparison.flips if comparison else None
    for key in ("mended_positive", "lost_positive", "mended_negative", "lost_negative"):
        row[key] = getattr(flips, key) if flips else None
    row |= {"average_precision": arm.average_precision, "partial_auc_80": arm.partial_auc, "brier": arm.brier, "ece": arm.ece}
    for key, point in (("at_95_specificity", arm.at_specificity), ("at_95_sensitivity", arm.at_sensitivity)):
        row |= {f"{key}_threshold": point.threshold, f"{key}_sensitivity": point.sensitivity, f"{key}_specificity": point.specificity}
    return row


def _csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return stream.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
