"""Figures of a study: ROC and precision-recall curves with bands, differences to the base, reliability.

Every arm has a colour, a dash and a marker of its own and is named beside its curve. Every figure says under it what it was measured on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from gan_aug.study import ArmResult, Comparison, Curve, PartResult, p_text
from pages.components import palette

_HEIGHT = 470
_BAND = 0.14  # opacity


@dataclass(frozen=True)
class Line:
    """An arm as it is drawn."""

    label: str  # as short as it can be
    arm: ArmResult
    place: int  # decides the look, so that an arm looks alike in every figure
    comparison: Comparison | None  # with the base; None for the base itself, and for arms of another study


def statement(part: PartResult) -> str:
    """What stands under every figure."""
    where = "external images" if part.part == "external" else f"{part.part} part"
    return f"{part.n} images of {part.dataset}'s {where}; not a clinical performance claim."


def roc(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """ROC curves with pointwise 95 % bands, and on each the operating point that was chosen on val."""
    figure = _square(part, "False positive rate (1 − specificity)", "Sensitivity")
    _guess(figure, [0, 1], [0, 1])
    for line in lines:
        _curve(figure, line, line.arm.roc)
        point = line.arm.at_specificity
        _marker(figure, line, 1 - point.specificity, point.sensitivity, f"threshold chosen on val for {point.aim}")
    _leaders(figure, lines)
    return figure


def roc_panel(part: PartResult, line: Line, base: Line) -> go.Figure:
    """The ROC curve of one arm with that of the base behind it, for arms that one figure cannot keep apart."""
    figure = _square(part, "False positive rate (1 − specificity)", "Sensitivity", height=400)
    _guess(figure, [0, 1], [0, 1])
    if line is not base:
        _curve(figure, base, base.arm.roc, band=False)
    _curve(figure, line, line.arm.roc)
    _leaders(figure, [line] if line is base else [line, base])
    return figure


def precision_recall(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """Precision-recall curves; guessing scores the share of positive images."""
    figure = _square(part, "Recall (sensitivity)", "Precision")
    _guess(figure, [0, 1], [part.prevalence, part.prevalence])
    for line in lines:
        _curve(figure, line, line.arm.pr, note=f"AP {line.arm.average_precision:.3f}")
    _legend(figure, lines)
    return figure


def reliability(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """Observed against predicted share of positive images, after recalibration on val."""
    figure = _square(part, "Predicted probability", "Observed share")
    _guess(figure, [0, 1], [0, 1])
    for line in lines:
        _curve(figure, line, line.arm.reliability, note=f"Brier {line.arm.brier:.3f}", markers=True)
    _legend(figure, lines)
    return figure


def differences(part: PartResult, base: str, lines: Sequence[Line]) -> go.Figure:
    """AUC of each arm minus that of the base, with its interval, against the line of no difference."""
    figure = go.Figure()
    compared = [(line, line.comparison) for line in lines if line.comparison]
    for row, (line, comparison) in enumerate(compared):
        _difference(figure, line, comparison, -row)
    figure.add_vline(x=0, line={"width": 1.5, "dash": "dot", "color": palette.GREY})
    figure.update_layout(height=150 + 76 * len(compared), showlegend=False, margin={"l": 0, "r": 10, "t": 10, "b": 80})
    figure.update_xaxes(title=f"Difference in AUC to {base}", zeroline=False, tickformat="+.2f", nticks=8, tickangle=0)
    figure.update_yaxes(visible=False, range=[-len(compared) + 0.4, 0.7])
    _footnote(figure, part)
    return figure


def _difference(figure: go.Figure, line: Line, comparison: Comparison, y: float) -> None:
    colour, _, marker = palette.look(line.place)
    numbers = f"{comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f}), {p_text(comparison.p_holm)}"
    figure.add_scatter(
        x=[comparison.difference],
        y=[y],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [comparison.high - comparison.difference],
            "arrayminus": [comparison.difference - comparison.low],
            "thickness": 2.5,
            "width": 7,
            "color": colour,
        },
        mode="markers",
        marker={"color": colour, "symbol": marker, "size": 12},
        hovertemplate=f"{line.label}<br>{numbers} after Holm<extra></extra>",
    )
    text = f"<b>{line.label}</b><br>{numbers}"
    figure.add_annotation(xref="paper", x=0, y=y, yshift=30, text=text, showarrow=False, align="left", xanchor="left", font={"size": 12})


# --- pieces ------------------------------------------------------------------------------------------------------------------------------


def _square(part: PartResult, x: str, y: str, height: int = _HEIGHT) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(height=height, showlegend=False, margin={"l": 0, "r": 10, "t": 10, "b": 80})
    figure.update_xaxes(title=x, range=[-0.01, 1.01], zeroline=False)
    figure.update_yaxes(title=y, range=[-0.01, 1.02], zeroline=False)
    _footnote(figure, part)
    return figure


def _footnote(figure: go.Figure, part: PartResult) -> None:
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "bottom", "yshift": -78}
    figure.add_annotation(text=statement(part), showarrow=False, font={"size": 11}, **place)


def _legend(figure: go.Figure, lines: Sequence[Line]) -> None:
    """Names above the figure, where they cover no curve."""
    room = 22 * len(lines)
    figure.update_layout(showlegend=True, height=_HEIGHT + room, legend={"x": 0, "y": 1.01, "xanchor": "left", "yanchor": "bottom"})
    figure.update_layout(margin={"t": room + 10})


def _guess(figure: go.Figure, x: list[float], y: list[float]) -> None:
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": palette.GREY, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False)


def _curve(figure: go.Figure, line: Line, curve: Curve, band: bool = True, note: str = "", markers: bool = False) -> None:
    colour, dash, marker = palette.look(line.place)
    if band and curve.band_x:
        figure.add_scatter(
            x=[*curve.band_x, *reversed(curve.band_x)],
            y=[*curve.band_high, *reversed(curve.band_low)],
            fill="toself",
            fillcolor=_transparent(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=curve.x,
        y=curve.y,
        mode="lines+markers" if markers else "lines",
        name=f"{line.label}  {note}",
        line={"color": colour, "dash": dash, "width": 2.5},
        marker={"symbol": marker, "size": 9},
        hovertemplate=f"{line.label}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    )


def _marker(figure: go.Figure, line: Line, x: float, y: float, what: str) -> None:
    colour, _, marker = palette.look(line.place)
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"symbol": marker, "size": 12, "color": colour, "line": {"width": 1.5, "color": "#ffffff"}},
        hovertemplate=f"{line.label}<br>{what}<br>sensitivity {y:.3f}, specificity {1 - x:.3f}<extra></extra>",
    )


def _leaders(figure: go.Figure, lines: Sequence[Line]) -> None:
    """Name each ROC curve in the empty corner below the curves, and tie the name to its curve by a thin line.

    ROC curves all end in one point, so names at their ends would not tell them apart. The better a curve, the higher its name and the
    further right the point it is tied to, which keeps the thin lines from crossing.
    """
    ordered = sorted(lines, key=lambda line: line.arm.auc.value, reverse=True)
    for rank, line in enumerate(ordered):
        colour, _, _ = palette.look(line.place)
        x = 0.46 - 0.34 * rank / max(1, len(ordered) - 1)
        height = 0.07 + 0.095 * (len(ordered) - 1 - rank)
        auc = line.arm.auc
        text = f"<b>{line.label}</b><br>AUC {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})"
        figure.add_annotation(
            x=x,
            y=_at(line.arm.roc, x),
            ax=0.56,
            ay=height,
            axref="x",
            ayref="y",
            arrowhead=0,
            arrowwidth=1.2,
            arrowcolor=colour,
            text="",
        )
        figure.add_annotation(x=0.57, y=height, xanchor="left", showarrow=False, align="left", font={"size": 11}, text=text)


def _at(curve: Curve, x: float) -> float:
    """Height of a curve at ``x``, by straight lines between its points."""
    return float(np.interp(x, curve.x, curve.y))


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_BAND})"
