"""A study as one HTML file that needs no other, and as CSV tables. No torch; every number comes from the stored analysis."""

import csv
import html
import io
import textwrap
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
import plotly.offline

from gan_aug import __version__, files, runs, study
from gan_aug.data.split import load_split
from gan_aug.errors import NotFound, UserError
from gan_aug.records import NOTICE, ClassifierConfig, from_dict
from gan_aug.study import Analysis, ArmResult, Curve, PartResult, Plan
from gan_aug.study.words import findings

# Okabe and Ito's colours, which stay apart for colour-blind eyes, without the yellow that is lost on white; and a dash for each.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet run a cell

_WIDTH, _PLOT = 680, 400  # width of a figure, which fits A4, and height of its plot [px]


def write_html(name: str, path: Path, real_images: bool = True) -> Path:
    """Write the report of a finished study; it is analysed first if that was not done yet.

    Parameters
    ----------
    name : str
        Of the study.
    path : Path
        File to write.
    real_images : bool, default True
        Whether real images may be shown. This version shows none in any case, and the report says so.

    Raises
    ------
    UserError
        If the study does not exist, is not finished, or the file cannot be written.
    """
    settled, analysis = study.load_plan(name), _analysis(name)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "signed": _signed, "percent": _percent, "p": _p, "count": _count}
    text = environment.get_template("report.html.j2").render(
        settled=settled,
        study=settled.study,
        analysis=analysis,
        config=from_dict(ClassifierConfig, settled.study.config),
        split=load_split(settled.study.dataset, settled.study.split_id),
        cells=study.cells(name),
        accesses=study.test_accesses(name),
        other_studies=_others_on_this_test(settled),
        findings=[findings(part, analysis.base, analysis.learned) for part in analysis.parts],
        figures=[_figures(part, analysis.base) for part in analysis.parts],
        plotly_js=plotly.offline.get_plotlyjs(),
        real_images=real_images,
        notice=NOTICE,
        version=__version__,
        written=runs.now(),
    )
    try:
        files.write_text(path, text)
    except OSError as error:
        raise UserError(f"The report cannot be written to {path}: {error.strerror}.", "Choose another file.") from error
    return path


def _analysis(name: str) -> Analysis:
    try:
        return study.load_analysis(name)
    except NotFound:
        return study.analyse(name)


def _others_on_this_test(settled: Plan) -> list[str]:
    """Other studies that have read the same test part; each one makes a chance finding likelier."""
    mine = settled.study
    return [
        other.name
        for other in study.list_studies()
        if other.name != mine.name and other.split_fingerprint == mine.split_fingerprint and study.test_accesses(other)
    ]


# --- figures -----------------------------------------------------------------------------------------------------------------------------


def roc_figure(part: PartResult, base: str) -> go.Figure:
    """The ROC curves of all arms on one part, each with its 95 % band."""
    figure = _figure(f"ROC, {part.dataset} ({part.part})", "1 − specificity", "Sensitivity", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (0, 1), "chance", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        name = f"{html.escape(arm.scheme)} (AUC {arm.auc.value:.3f})"
        _add_curve(figure, arm.roc, name, colour, dash)
    return figure


def pr_figure(part: PartResult, base: str) -> go.Figure:
    """The precision-recall curves of all arms on one part, each with its 95 % band; guessing is the line at the prevalence."""
    figure = _figure(f"Precision and recall, {part.dataset} ({part.part})", "Recall (sensitivity)", "Precision", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (part.prevalence,) * 2, f"guessing ({part.prevalence:.0%})", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        name = f"{html.escape(arm.scheme)} (AP {arm.average_precision:.3f})"
        _add_curve(figure, arm.pr, name, colour, dash)
    return figure


def reliability_figure(part: PartResult, base: str) -> go.Figure:
    """Predicted probability against observed frequency, after recalibration on val."""
    title = f"Reliability after recalibration on val, {part.dataset} ({part.part})"
    figure = _figure(title, "Predicted probability", "Observed frequency", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (0, 1), "perfect", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        trace = _line(arm.reliability.x, arm.reliability.y, html.escape(arm.scheme), colour, dash)
        figure.add_trace(trace.update(mode="lines+markers"))
    return figure


def auc_figure(part: PartResult, base: str) -> go.Figure:
    """The AUC of every arm with its 95 % interval, and the single classifiers as dots."""
    figure = _figure(f"AUC with 95 % interval, {part.dataset} ({part.part})", "AUC", "", 0)
    styled = _styled(part, base)
    for place, (arm, colour, _) in enumerate(styled):
        error = {"type": "data", "array": [arm.auc.high - arm.auc.value], "arrayminus": [arm.auc.value - arm.auc.low], "width": 8}
        marker = {"color": colour, "size": 11, "symbol": "diamond"}
        figure.add_trace(go.Scatter(x=[arm.auc.value], y=[place], error_x=error, mode="markers", marker=marker, showlegend=False))
        dots = {"color": "rgba(0,0,0,0)", "size": 8, "symbol": "circle", "line": {"color": colour, "width": 1.5}}
        seeds = [place + 0.22] * len(arm.seed_aucs)
        figure.add_trace(go.Scatter(x=arm.seed_aucs, y=seeds, mode="markers", marker=dots, showlegend=False))
    figure.add_vline(x=0.5, line={"color": "#999999", "dash": "dot", "width": 1})
    labels = ["<br>".join(map(html.escape, textwrap.wrap(arm.scheme, 24))) for arm, _, _ in styled]
    places, ends = list(range(len(labels))), [len(labels) - 0.5, -0.5]
    figure.update_yaxes(tickvals=places, ticktext=labels, range=ends, showgrid=False, automargin=True)
    low = min(min(arm.auc.low, *arm.seed_aucs) for arm in part.arms)
    high = max(max(arm.auc.high, *arm.seed_aucs) for arm in part.arms)
    figure.update_xaxes(range=[min(0.45, low - 0.02), min(1.02, high + 0.03)])
    return figure.update_layout(height=105 + 60 * len(labels))


def _styled(part: PartResult, base: str) -> list[tuple[ArmResult, str, str]]:
    """The arms with a colour and a dash each; the base comes first, in solid black."""
    ordered = sorted(part.arms, key=lambda arm: arm.scheme != base)
    return [(arm, COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]) for place, arm in enumerate(ordered)]


def _figure(title: str, x: str, y: str, lines: int) -> go.Figure:
    """An empty figure with room for ``lines`` entries of a legend below it; names of schemes are too long to stand inside."""
    axis = {"range": [-0.01, 1.01], "gridcolor": "#e5e5e5", "linecolor": "#444444", "zeroline": False, "ticks": "outside"}
    return go.Figure(
        layout={
            "title": {"text": html.escape(title), "font": {"size": 15}, "x": 0.0, "xanchor": "left"},
            "xaxis": {"title": {"text": x, "standoff": 8}, **axis},
            "yaxis": {"title": {"text": y, "standoff": 8}, **axis},
            "width": _WIDTH,
            "height": _PLOT + 95 + 27 * lines,
            "margin": {"l": 60, "r": 15, "t": 40, "b": 55 + 27 * lines},
            "template": "none",
            "plot_bgcolor": "white",
            "font": {"family": "system-ui, sans-serif", "size": 13},
            "legend": {"x": 0, "y": -0.15, "xanchor": "left", "yanchor": "top"},
        }
    )


def _line(x: Any, y: Any, name: str, colour: str, dash: str, width: float = 2.2) -> go.Scatter:
    return go.Scatter(x=x, y=y, name=name, mode="lines", line={"color": colour, "dash": dash, "width": width})


def _add_curve(figure: go.Figure, curve: Curve, name: str, colour: str, dash: str) -> None:
    """A line and, below it, its band; both answer to one entry of the legend."""
    if curve.band_x:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        figure.add_trace(
            go.Scatter(
                x=curve.band_x + curve.band_x[::-1],
                y=curve.band_high + curve.band_low[::-1],
                fill="toself",
                fillcolor=f"rgba({red},{green},{blue},0.10)",
                line={"width": 0},
                hoverinfo="skip",
                legendgroup=name,
                showlegend=False,
            )
        )
    figure.add_trace(_line(curve.x, curve.y, name, colour, dash).update(legendgroup=name))


def _figures(part: PartResult, base: str) -> list[str]:
    """The figures of a part as HTML, without the library."""
    made = (roc_figure(part, base), auc_figure(part, base), pr_figure(part, base), reliability_figure(part, base))
    options = {"full_html": False, "include_plotlyjs": False, "config": {"displayModeBar": False}}
    return [figure.to_html(div_id=f"{part.part}-{number}", **options) for number, figure in enumerate(made)]


# --- words -------------------------------------------------------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _p(value: float) -> str:
    return study.p_text(value).removeprefix("p ").removeprefix("= ")


def _count(n: int, what: str) -> str:
    """``1 image``, ``1,200 images``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u00a0%"


# --- tables ------------------------------------------------------------------------------------------------------------------------------


def write_csv(name: str, folder: Path) -> list[Path]:
    """Write a finished study as tables: results.csv, seeds.csv, roc.csv and predictions.csv.

    Raises
    ------
    UserError
        If the study does not exist, is not finished, or a file cannot be written.
    """
    analysis = _analysis(name)
    tables = {
        "results.csv": [_result_row(part, arm) for part in analysis.parts for arm in part.arms],
        "seeds.csv": [
            {"part": part.part, "scheme": arm.scheme, "seed": seed, "auc": value}
            for part in analysis.parts
            for arm in part.arms
            for seed, value in zip(analysis.seeds, arm.seed_aucs, strict=True)
        ],
        "roc.csv": [
            {"part": part.part, "scheme": arm.scheme, "fpr": fpr, "tpr": tpr}
            for part in analysis.parts
            for arm in part.arms
            for fpr, tpr in zip(arm.roc.x, arm.roc.y, strict=True)
        ],
        "predictions.csv": study.predictions(name).to_dict("records"),
    }
    try:
        for file, rows in tables.items():
            files.write_text(folder / file, _csv(rows))
    except OSError as error:
        raise UserError(f"The tables cannot be written to {folder}: {error.strerror}.", "Choose another folder.") from error
    return [folder / file for file in tables]


def _result_row(part: PartResult, arm: ArmResult) -> dict[str, Any]:
    comparison = part.comparison(arm.scheme)
    row = {"part": part.part, "dataset": part.dataset, "images": part.n, "positive": part.n_positive, "scheme": arm.scheme}
    row |= {"auc": arm.auc.value, "auc_low": arm.auc.low, "auc_high": arm.auc.high, "auc_method": arm.auc.method}
    row |= {"seed_mean": arm.seed_mean, "seed_sd": arm.seed_sd}
    for key, field in (("difference",) * 2, ("difference_low", "low"), ("difference_high", "high"), ("p",) * 2, ("p_holm",) * 2):
        row[key] = getattr(comparison, field) if comparison else None
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
