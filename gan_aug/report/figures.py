"""The figures of a study's report, as Plotly figures. No torch; every number comes from the stored analysis."""

import html
import re
import textwrap
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from gan_aug.study import ArmResult, Curve, PartResult

# Okabe and Ito's colours, which stay apart for colour-blind eyes, without the yellow that is lost on white; and a dash for each.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

_LONG_NAME = re.compile(r"[A-Za-z0-9._-]{21,}")

_WIDTH, _PLOT = 680, 400  # width of a figure, which fits A4, and height of its plot [px]


def short_name(scheme: str) -> str:
    """A scheme without the middle of long run names, for tables and legends; the whole name stands in the report's table of arms."""
    return _LONG_NAME.sub(lambda name: f"{name[0].partition('-')[0][:12]}…{name[0][-4:]}", scheme)


def roc_figure(part: PartResult, base: str) -> go.Figure:
    """The ROC curves of all arms on one part, each with its 95 % band."""
    figure = empty_figure(f"ROC, {part.dataset} ({part.part})", "1 − specificity", "Sensitivity", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (0, 1), "chance", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        name = f"{html.escape(short_name(arm.scheme))} (AUC {arm.auc.value:.3f})"
        _add_curve(figure, arm.roc, name, colour, dash)
    return figure


def pr_figure(part: PartResult, base: str) -> go.Figure:
    """The precision-recall curves of all arms on one part, each with its 95 % band; guessing is the line at the prevalence."""
    figure = empty_figure(f"Precision and recall, {part.dataset} ({part.part})", "Recall (sensitivity)", "Precision", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (part.prevalence,) * 2, f"guessing ({part.prevalence:.0%})", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        name = f"{html.escape(short_name(arm.scheme))} (AP {arm.average_precision:.3f})"
        _add_curve(figure, arm.pr, name, colour, dash)
    return figure


def reliability_figure(part: PartResult, base: str) -> go.Figure:
    """Predicted probability against observed frequency, after recalibration on val."""
    title = f"Reliability after recalibration on val, {part.dataset} ({part.part})"
    figure = empty_figure(title, "Predicted probability", "Observed frequency", 1 + len(part.arms))
    figure.add_trace(_line((0, 1), (0, 1), "perfect", "#999999", "dot", width=1))
    for arm, colour, dash in _styled(part, base):
        trace = _line(arm.reliability.x, arm.reliability.y, html.escape(short_name(arm.scheme)), colour, dash)
        figure.add_trace(trace.update(mode="lines+markers"))
    return figure


def net_benefit_figure(part: PartResult, base: str) -> go.Figure:
    """Decision curves after recalibration on val, between those of calling every image positive and none."""
    title = f"Net benefit after recalibration on val, {part.dataset} ({part.part})"
    figure = empty_figure(title, "Probability from which a lesion is called positive", "Net benefit per image", 2 + len(part.arms))
    figure.add_trace(_line(part.treat_all.x, part.treat_all.y, "call every image positive", "#999999", "dot", width=1.5))
    figure.add_trace(_line(part.treat_all.x, (0,) * len(part.treat_all.x), "call none", "#999999", "solid", width=1))
    styled = _styled(part, base)
    for arm, colour, dash in styled:
        figure.add_trace(_line(arm.net_benefit.x, arm.net_benefit.y, html.escape(short_name(arm.scheme)), colour, dash))
    lowest = min(min(arm.net_benefit.y, default=0) for arm, _, _ in styled)
    figure.update_xaxes(range=[0, max(part.treat_all.x, default=0.5)], tickformat=".0%")
    return figure.update_yaxes(range=[max(-0.1, min(-0.02, lowest - 0.01)), part.prevalence * 1.05])


def auc_figure(part: PartResult, base: str) -> go.Figure:
    """The AUC of every arm with its 95 % interval, and the single classifiers as dots."""
    figure = empty_figure(f"AUC with 95 % interval, {part.dataset} ({part.part})", "AUC", "", 0)
    styled = _styled(part, base)
    for place, (arm, colour, _) in enumerate(styled):
        error = {"type": "data", "array": [arm.auc.high - arm.auc.value], "arrayminus": [arm.auc.value - arm.auc.low], "width": 8}
        marker = {"color": colour, "size": 11, "symbol": "diamond"}
        figure.add_trace(go.Scatter(x=[arm.auc.value], y=[place], error_x=error, mode="markers", marker=marker, showlegend=False))
        dots = {"color": "rgba(0,0,0,0)", "size": 8, "symbol": "circle", "line": {"color": colour, "width": 1.5}}
        seeds = [place + 0.22] * len(arm.seed_aucs)
        figure.add_trace(go.Scatter(x=arm.seed_aucs, y=seeds, mode="markers", marker=dots, showlegend=False))
    figure.add_vline(x=0.5, line={"color": "#999999", "dash": "dot", "width": 1})
    labels = ["<br>".join(map(html.escape, textwrap.wrap(short_name(arm.scheme), 24))) for arm, _, _ in styled]
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


def empty_figure(title: str, x: str, y: str, lines: int) -> go.Figure:
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


FIGURES: tuple[Callable[[PartResult, str], go.Figure], ...] = (roc_figure, auc_figure, pr_figure, reliability_figure, net_benefit_figure)


def figures_html(part: PartResult, base: str) -> list[str]:
    """The figures of a part as HTML, without the library; results that were analysed without decision curves show none."""
    made = [draw(part, base) for draw in FIGURES if draw is not net_benefit_figure or part.treat_all.x]
    options = {"full_html": False, "include_plotlyjs": False, "config": {"displayModeBar": False}}
    return [figure.to_html(div_id=f"{part.part}-{number}", **options) for number, figure in enumerate(made)]
