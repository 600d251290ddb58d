"""Keeps what a study that is written up in docs/ rests on, and makes the write-up's tables and figures from that.

    python docs/study.py keep NAME FOLDER    from the workspace: predictions.parquet and study.json (plan and numbers) of a study;
                                             of a sweep sweep.json, and a folder for the study of each of its splits
    python docs/study.py draw PAGE.md        from those alone: the tables of the page, and the figures of its folders (FOLDER/*.webp)

What is filled in stands between the lines ``<!-- table FOLDER WHAT -->`` and ``<!-- end -->``. WHAT is ``verdict``, or the table wanted:
``test`` or ``external`` of a study, ``sweep`` of a sweep.
"""

import io
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from gan_aug import files, report, study
from gan_aug.records import from_dict, to_dict
from gan_aug.report.figures import short_name
from gan_aug.study import Analysis, PartResult, Sweep, SweepResult, words
from gan_aug.study.measure import measure_part

PREDICTIONS, NUMBERS, SWEEP = "predictions.parquet", "study.json", "sweep.json"
TABLE = re.compile(r"(?P<start><!-- table (?P<folder>[\w/-]+) (?P<what>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL)


def keep(name: str, folder: Path) -> None:
    """Copy the predictions of a finished study, and write its plan and numbers beside them; of a sweep, those of each of its splits."""
    if name in [sweep.name for sweep in study.list_sweeps()]:
        sweep = study.load_sweep(name)
        for number, point in enumerate(sweep.points, start=1):
            keep(point.study, folder / str(number))
        files.write_json(folder / SWEEP, {"sweep": to_dict(sweep), "result": to_dict(study.load_sweep_result(sweep))})
        return
    folder.mkdir(parents=True, exist_ok=True)
    files.write_bytes(folder / PREDICTIONS, study.predictions(name).to_parquet(index=False, compression="zstd"))
    report.write_json(name, folder / NUMBERS)


def analysis_kept(folder: Path) -> Analysis:
    """The numbers of a kept study."""
    return from_dict(Analysis, files.read_json(folder / NUMBERS)["analysis"])


def sweep_kept(folder: Path) -> tuple[Sweep, SweepResult]:
    """The plan and the numbers of a kept sweep."""
    found = files.read_json(folder / SWEEP)
    return from_dict(Sweep, found["sweep"]), from_dict(SweepResult, found["result"])


def measured(folder: Path) -> tuple[PartResult, ...]:
    """The numbers of a kept study, worked out anew from its predictions."""
    predictions, kept = pd.read_parquet(folder / PREDICTIONS), analysis_kept(folder)
    return tuple(
        measure_part(predictions, part.part, part.dataset, tuple(arm.scheme for arm in part.arms), kept.base) for part in kept.parts
    )


def table(part: PartResult, base: str) -> str:
    """The arms of a part as a table in Markdown."""
    heads = ("scheme", "AUC (95 %)", "SD of seeds", f"difference from `{base}` (95 %)", "p (Holm)", "over new trainings, too (95 %)", "AP")
    lines = [f"| {' | '.join(heads)} | sensitivity at specificity |", "|---" * (len(heads) + 1) + "|"]
    for arm in part.arms:
        compared = part.comparison(arm.scheme)
        difference, p, over = "base" if arm.scheme == base else "", "", ""
        if compared:
            difference, p = _signed(compared.difference, compared.low, compared.high), words.p_text(compared.p_holm).removeprefix("p ")
            over = _signed(*(getattr(compared.over_seeds, field) for field in ("value", "low", "high"))) if compared.over_seeds else "-"
        cells = [
            f"`{short_name(arm.scheme)}`",
            f"{arm.auc.value:.3f} ({arm.auc.low:.3f} to {arm.auc.high:.3f})",
            "-" if arm.seed_sd is None else f"{arm.seed_sd:.3f}",
            difference,
            p.removeprefix("= "),
            over,
            f"{arm.average_precision:.3f}",
            f"{arm.at_specificity.sensitivity:.3f} at {arm.at_specificity.specificity:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sweep_table(sweep: Sweep, result: SweepResult) -> str:
    """The rows of a sweep as a table in Markdown."""
    heads = ("training images", "scheme", f"AUC of `{result.base}`", "AUC", "difference (95 %)", "p (Holm)")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in result.rows:
        p = words.p_text(row.p_holm).removeprefix("p ").removeprefix("= ")
        cells = (
            f"{row.n_train:,}",
            f"`{row.scheme}`",
            f"{row.base_auc:.3f}",
            f"{row.auc:.3f}",
            _signed(row.difference, row.low, row.high),
            p,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _signed(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def with_tables(text: str, folder: Path) -> str:
    """A page's text with the tables as the studies kept beside it give them."""

    def filled(found: re.Match[str]) -> str:
        kept, what = folder / found["folder"], found["what"]
        if (kept / SWEEP).exists():
            sweep, result = sweep_kept(kept)
            made = f"> {result.verdict}\n" if what == "verdict" else sweep_table(sweep, result)
        else:
            analysis = analysis_kept(kept)
            made = f"> {analysis.verdict}\n" if what == "verdict" else table(analysis.part(what), analysis.base)
        return found["start"] + made + found["end"]

    return TABLE.sub(filled, text)


def figures(folder: Path) -> dict[str, go.Figure]:
    """The figures of a kept study or sweep, by the name of their file."""
    if (folder / SWEEP).exists():
        return {"sweep": report.sweep_figure(*sweep_kept(folder))}
    analysis = analysis_kept(folder)
    makers = (report.roc_figure, report.pr_figure, report.auc_figure, report.reliability_figure, report.net_benefit_figure)
    return {
        f"{make.__name__.removesuffix('_figure').replace('_', '-')}-{part.part}": make(part, analysis.base)
        for part in analysis.parts
        for make in makers
    }


def draw(page: Path) -> None:
    """Write the tables of a page, and the figures of the folders that it names."""
    from playwright.sync_api import sync_playwright
    from served import FLAGS, chromium_program

    text = with_tables(page.read_text(), page.parent)
    files.write_text(page, text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_program(), args=list(FLAGS))
        tab = browser.new_page(device_scale_factor=2)
        for folder in dict.fromkeys(page.parent / found["folder"] for found in TABLE.finditer(text)):
            for name, figure in figures(folder).items():
                if f"{folder.relative_to(page.parent)}/{name}.webp" in text:
                    _picture(tab, figure, folder / f"{name}.webp")
        browser.close()


def _picture(tab: object, figure: go.Figure, path: Path) -> None:
    tab.set_content(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False, "staticPlot": True}))
    Image.open(io.BytesIO(tab.locator(".js-plotly-plot").screenshot())).convert("RGB").save(path, quality=80, method=6)


def main() -> int:
    match sys.argv[1:]:
        case ["keep", name, folder]:
            keep(name, Path(folder))
        case ["draw", page]:
            draw(Path(page))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
