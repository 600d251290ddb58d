"""Figures of a study: ROC and precision-recall curves with bands, differences to the base, reliability, net benefit."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from gan_aug.study import Calls, Comparison, Estimate, PartResult, p_text
from pages.components import palette
from pages.components.figure_parts import (
    Line,
    at_x,
    curve,
    error_bar,
    guide,
    interval,
    marker,
    names_beside,
    rows,
    square,
    statement,
)

__all__ = [
    "Line",
    "differences",
    "net_benefit",
    "operating",
    "precision_recall",
    "reliability",
    "roc",
    "roc_panel",
    "statement",
]

_ROC_AXES = ("False positive rate (1 − specificity)", "Sensitivity")


def roc(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """ROC curves with pointwise 95 % bands, and on each the operating point that was chosen on val."""
    figure = square(part, *_ROC_AXES)
    guide(figure, [0, 1], [0, 1])
    for line in lines:
        curve(figure, line, line.arm.roc)
        point = line.arm.at_specificity
        marker(figure, line, 1 - point.specificity, point.sensitivity, f"threshold chosen on val for {point.aim}")
    _leaders(figure, lines)
    return figure


def operating(part: PartResult, lines: Sequence[Line], calls: Mapping[str, Calls], aim: str) -> go.Figure:
    """ROC curves without bands, each with what its threshold for one aim on val achieves here, and the intervals of that."""
    figure = square(part, *_ROC_AXES)
    guide(figure, [0, 1], [0, 1])
    for line in lines:
        curve(figure, line, line.arm.roc, band=False)
    for line in lines:
        found = calls[line.label]
        colour, _, _ = palette.look(line.place)
        specificity = found.specificity
        across = Estimate(1 - specificity.value, 1 - specificity.high, 1 - specificity.low, specificity.method)
        figure.add_scatter(
            x=[across.value],
            y=[found.sensitivity.value],
            error_x=error_bar([across], colour) | {"thickness": 1.5},
            error_y=error_bar([found.sensitivity], colour) | {"thickness": 1.5},
            mode="markers",
            marker={"size": 1, "color": colour},
            hoverinfo="skip",
        )
        marker(figure, line, 1 - found.specificity.value, found.sensitivity.value, f"threshold chosen on val for {aim}")
    _leaders(
        figure,
        lines,
        {name: f"sensitivity {found.sensitivity.value:.2f}, specificity {found.specificity.value:.2f}" for name, found in calls.items()},
    )
    return figure


def roc_panel(part: PartResult, line: Line, base: Line) -> go.Figure:
    """The ROC curve of one arm with that of the base behind it, for arms that one figure cannot keep apart."""
    figure = square(part, *_ROC_AXES, height=400)
    guide(figure, [0, 1], [0, 1])
    if line is not base:
        curve(figure, base, base.arm.roc, band=False)
    curve(figure, line, line.arm.roc)
    _leaders(figure, [line] if line is base else [line, base])
    return figure


def precision_recall(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """Precision-recall curves; guessing scores the share of positive images."""
    figure = square(part, "Recall (sensitivity)", "Precision")
    guide(figure, [0, 1], [part.prevalence, part.prevalence])
    for line in lines:
        curve(figure, line, line.arm.pr)
    names_beside(figure, lines, lambda line: at_x(line.arm.pr, 0.9), [f"AP {line.arm.average_precision:.3f}" for line in lines])
    return figure


def reliability(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """Observed against predicted share of positive images, after recalibration on val."""
    figure = square(part, "Predicted probability", "Observed share")
    guide(figure, [0, 1], [0, 1])
    for line in lines:
        curve(figure, line, line.arm.reliability, markers=True)
    ends = {line.label: (line.arm.reliability.x[-1], line.arm.reliability.y[-1]) for line in lines}
    names_beside(figure, lines, lambda line: ends[line.label], [f"Brier {line.arm.brier:.3f}" for line in lines])
    return figure


def net_benefit(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """Decision curves after recalibration on val, between those of calling every image positive and calling none."""
    figure = square(part, "Probability from which a lesion is called positive", "Net benefit per image")
    guide(figure, part.treat_all.x, part.treat_all.y)
    guide(figure, part.treat_all.x, [0] * len(part.treat_all.x), dash="solid")
    for line in lines:
        curve(figure, line, line.arm.net_benefit)
    most = max(part.treat_all.x)
    lowest = min(min(line.arm.net_benefit.y) for line in lines)
    figure.update_xaxes(range=[0, most], tickformat=".0%")
    figure.update_yaxes(range=[max(-0.1, min(-0.03, lowest - 0.01)), part.prevalence * 1.08])
    notes = [f"{at_x(line.arm.net_benefit, 0.1)[1]:+.3f} at 10 %" for line in lines]
    names_beside(figure, lines, lambda line: at_x(line.arm.net_benefit, 0.8 * most), notes)
    half = next((place for place, y in enumerate(part.treat_all.y) if y < 0.5 * part.prevalence), 0)
    ends = (("call all positive ", "right", part.treat_all.x[half], part.treat_all.y[half]), ("call none positive", "left", 0.0, -0.012))
    for text, side, x, y in ends:
        figure.add_annotation(x=x, y=y, text=text, showarrow=False, xanchor=side, font={"size": 11, "color": palette.GREY})
    return figure


def differences(part: PartResult, base: str, lines: Sequence[Line]) -> go.Figure:
    """AUC of each arm minus that of the base, with its interval, against the line of no difference."""
    figure, texts = go.Figure(), []
    for line in lines:
        if line.comparison is None:
            continue
        comparison = line.comparison
        numbers = _numbers(comparison)
        found = Estimate(comparison.difference, comparison.low, comparison.high, comparison.method)
        interval(figure, line.place, found, -len(texts), f"{line.label}<br>{numbers} after Holm")
        texts.append(f"<b>{line.label}</b><br>{numbers}")
    figure.add_vline(x=0, line={"width": 1.5, "dash": "dot", "color": palette.GREY})
    rows(figure, texts, f"Difference in AUC to {base}", statement(part))
    figure.update_xaxes(tickformat="+.3~f")
    return figure


def _numbers(comparison: Comparison) -> str:
    return f"{comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f}), {p_text(comparison.p_holm)}"


def _leaders(figure: go.Figure, lines: Sequence[Line], notes: Mapping[str, str] | None = None) -> None:
    """Name each ROC curve in the empty corner below the curves, and tie the name to its curve by a thin line.

    ROC curves all end in one point, so names at their ends would not tell them apart. The better a curve, the higher its name and the
    further right the point it is tied to, which keeps the thin lines from crossing. ``notes`` stand below the names; else their AUC does.
    """
    ordered = sorted(lines, key=lambda line: line.arm.auc.value, reverse=True)
    for rank, line in enumerate(ordered):
        colour, _, _ = palette.look(line.place)
        x = 0.42 - 0.31 * rank / max(1, len(ordered) - 1)
        height = 0.07 + 0.095 * (len(ordered) - 1 - rank)
        auc = line.arm.auc
        note = notes[line.label] if notes else f"AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
        text = f"<b>{line.label}</b><br>{note}"
        tied = {"x": x, "y": at_x(line.arm.roc, x)[1], "ax": 0.5, "ay": height, "axref": "x", "ayref": "y"}
        figure.add_annotation(arrowhead=0, arrowwidth=1.2, arrowcolor=colour, text="", **tied)
        figure.add_annotation(x=0.51, y=height, xanchor="left", showarrow=False, align="left", font={"size": 11}, text=text)
