"""What the figures of a study are made of: an arm as it is drawn, axes, curves with bands, names beside curves, and what stands below.

Every arm has a colour, a dash and a marker of its own and is named beside its curve. Every figure says under it what it was measured on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gan_aug.study import ArmResult, Comparison, Curve, Estimate, PartResult
from pages.components import palette

HEIGHT = 470
MARGIN = 175  # for names to the right of a figure [px]
_BAND = 0.14  # opacity
_CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Line:
    """An arm as it is drawn."""

    label: str  # as short as it can be
    arm: ArmResult
    place: int  # decides the look, so that an arm looks alike in every figure
    comparison: Comparison | None  # with the base; None for the base itself, and for arms of another study
    study: str = ""  # that it is an arm of


def statement(part: PartResult) -> str:
    """What stands under every figure."""
    where = "external images" if part.part == "external" else f"{part.part} part"
    return f"{part.n} images of {part.dataset}'s {where}; not a clinical performance claim."


def saved_as(name: str) -> dict[str, Any]:
    """Settings of a figure: its camera button saves it as a drawing that can be enlarged, under that name."""
    return {"displaylogo": False, "toImageButtonOptions": {"format": "svg", "filename": name}}


def square(part: PartResult, x: str, y: str, height: int = HEIGHT) -> go.Figure:
    """Empty axes from 0 to 1."""
    figure = go.Figure()
    figure.update_layout(height=height, showlegend=False, margin={"l": 0, "r": 10, "t": 10, "b": 80})
    figure.update_xaxes(title=x, range=[-0.01, 1.01], zeroline=False)
    figure.update_yaxes(title=y, range=[-0.01, 1.02], zeroline=False)
    footnote(figure, statement(part))
    return figure


def footnote(figure: go.Figure, text: str) -> None:
    """What a figure was measured on, below its axis."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "bottom", "yshift": -78}
    figure.add_annotation(text=text, showarrow=False, font={"size": 11}, **place)


def guide(figure: go.Figure, x: Sequence[float], y: Sequence[float], dash: str = "dot") -> None:
    """A thin grey line to compare with, such as guessing."""
    line = {"color": palette.GREY, "width": 1, "dash": dash}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def curve(figure: go.Figure, line: Line, drawn: Curve, band: bool = True, markers: bool = False) -> None:
    """A curve with its band."""
    colour, dash, marker = palette.look(line.place)
    if band and drawn.band_x:
        figure.add_scatter(
            x=[*drawn.band_x, *reversed(drawn.band_x)],
            y=[*drawn.band_high, *reversed(drawn.band_low)],
            fill="toself",
            fillcolor=_transparent(colour),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=drawn.x,
        y=drawn.y,
        mode="lines+markers" if markers else "lines",
        name=line.label,
        line={"color": colour, "dash": dash, "width": 2.5},
        marker={"symbol": marker, "size": 9},
        hovertemplate=f"{line.label}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    )


def marker(figure: go.Figure, line: Line, x: float, y: float, what: str) -> None:
    """One point of an ROC curve."""
    colour, _, symbol = palette.look(line.place)
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 1.5, "color": "#ffffff"}},
        hovertemplate=f"{line.label}<br>{what}<br>sensitivity {y:.3f}, specificity {1 - x:.3f}<extra></extra>",
    )


def interval(figure: go.Figure, place: int, found: Estimate, y: float, hover: str) -> None:
    """A value with its interval, lying."""
    colour, _, symbol = palette.look(place)
    figure.add_scatter(
        x=[found.value],
        y=[y],
        error_x=error_bar([found], colour),
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 12},
        hovertemplate=f"{hover}<extra></extra>",
    )


def error_bar(found: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """Plotly's settings of the intervals of some values."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high - one.value for one in found],
        "arrayminus": [one.value - one.low for one in found],
        "thickness": 2.5,
        "width": 7,
        "color": colour,
    }


def dots(figure: go.Figure, place: int, x: Sequence[float], y: Sequence[float], hover: str) -> None:
    """Single classifiers: hollow, so that none hides the others."""
    colour, _, _ = palette.look(place)
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"color": _CLEAR, "symbol": "circle", "size": 8, "line": {"color": colour, "width": 1.5}},
        hovertemplate=f"{hover}<extra></extra>",
        showlegend=False,
    )


def rows(figure: go.Figure, texts: Sequence[str], x: str, note: str, room: int = 76) -> None:
    """Turn a figure into lines one below the other, at y = 0, -1, -2 ..., each of ``room`` pixels, with its words above it."""
    for row, text in enumerate(texts):
        place = {"xref": "paper", "x": 0, "y": -row, "yshift": 0.5 * room - 8, "xanchor": "left", "align": "left"}
        figure.add_annotation(text=text, showarrow=False, font={"size": 12}, **place)
    figure.update_layout(height=150 + room * len(texts), showlegend=False, margin={"l": 0, "r": 10, "t": 10, "b": 80})
    figure.update_xaxes(title=x, zeroline=False, nticks=8, tickangle=0)
    figure.update_yaxes(visible=False, range=[-len(texts) + 0.4, 0.7])
    footnote(figure, note)


def named_above(figure: go.Figure, height: int) -> None:
    """Name the traces one below the other above a figure, which would be ``height`` pixels high without them."""
    room = 22 * len(figure.data)
    figure.update_layout(
        height=height + room,
        showlegend=True,
        legend={"x": 0, "y": 1.01, "xanchor": "left", "yanchor": "bottom"},
        margin={"l": 0, "r": 10, "t": room + 10, "b": 80},
    )


def names_beside(figure: go.Figure, lines: Sequence[Line], at: Callable[[Line], tuple[float, float]], notes: Sequence[str] = ()) -> None:
    """Name every curve to the right of the figure, in the order in which they run, each tied to its curve by a thin line.

    Parameters
    ----------
    at : callable
        The point of a line's curve that its name is tied to, in data.
    notes : sequence of str
        A few words after each name.
    """
    low, high = figure.layout.yaxis.range
    words = dict(zip((line.label for line in lines), notes or [""] * len(lines), strict=True))
    ordered = sorted(lines, key=lambda line: at(line)[1], reverse=True)
    room = min(0.15, 1.0 / max(1, len(ordered)))
    figure.update_layout(margin={"r": MARGIN})
    for rank, line in enumerate(ordered):
        colour, _, _ = palette.look(line.place)
        x, y = at(line)
        height = 0.97 - room * rank
        edge = figure.layout.xaxis.range[1]
        figure.add_scatter(
            x=[x, edge],
            y=[y, low + (high - low) * height],
            mode="lines",
            line={"color": colour, "width": 1},
            opacity=0.7,
            hoverinfo="skip",
            showlegend=False,
        )
        place = {"xref": "paper", "yref": "paper", "x": 1, "y": height, "xanchor": "left", "yanchor": "middle", "xshift": 4}
        text = "<br>".join(filter(None, (f"<b>{_broken(line.label)}</b>", words[line.label])))
        figure.add_annotation(text=text, showarrow=False, align="left", font={"size": 11}, **place)


def _broken(label: str) -> str:
    """A label on two lines where it has words in brackets, so that it fits beside a figure."""
    return label.replace(" (", "<br>(", 1) if len(label) > 22 else label


def at_x(drawn: Curve, x: float) -> tuple[float, float]:
    """The point of a curve at ``x``, by straight lines between its points."""
    return x, float(np.interp(x, drawn.x, drawn.y))


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_BAND})"
