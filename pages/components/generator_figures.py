"""Figures of generators side by side, with what two sets of real images score."""

from collections.abc import Sequence

import plotly.graph_objects as go

from gan_aug.metrics.record import MetricRecord
from gan_aug.study import Estimate
from pages.components import palette
from pages.components.figure_parts import footnote, interval, rows


def kid(group: Sequence[MetricRecord], note: str) -> go.Figure:
    """KID of every generator with its interval; the dotted line is the floor, that of two sets of real images."""
    figure, texts = go.Figure(), []
    for place, record in enumerate(record for record in group if record.metric == "kid"):
        low, high = record.ci or (record.value, record.value)
        words = f"{record.value:.4g} ({low:.4g} to {high:.4g})" if record.ci else f"{record.value:.4g}"
        interval(figure, place, Estimate(record.value, low, high, ""), -len(texts), f"{record.subject}<br>{words}")
        texts.append(f"<b>{record.subject}</b><br>{words}")
    rows(figure, texts, "KID: lower is closer to real", note)
    floors = {record.floor_real_real for record in group if record.metric == "kid"} - {None}
    for floor in floors:
        line = {"width": 1.5, "dash": "dot", "color": palette.GREY}
        figure.add_vline(
            x=floor, line=line, annotation_text="real against real", annotation_font_size=11, annotation_position="bottom right"
        )
    return figure


def precision_recall(group: Sequence[MetricRecord], note: str) -> go.Figure:
    """How many generated images look real, against how much of what is real is painted."""
    figure = go.Figure()
    values = {(record.subject, record.metric): record for record in group}
    subjects = list(dict.fromkeys(record.subject for record in group if record.metric == "kid")) or list(
        dict.fromkeys(record.subject for record in group)
    )
    for place, subject in enumerate(subjects):
        both = [values.get((subject, metric)) for metric in ("recall", "precision")]
        if None in both:
            continue
        colour, _, symbol = palette.look(place)
        _point(figure, both[0].value, both[1].value, subject, {"color": colour, "symbol": symbol, "size": 13})
    floor = [next((record.floor_real_real for record in group if record.metric == metric), None) for metric in ("recall", "precision")]
    if None not in floor:
        _point(figure, *floor, "real against real", {"color": palette.GREY, "symbol": "star-open", "size": 13})
    figure.update_layout(height=380, showlegend=False, margin={"l": 0, "r": 10, "t": 10, "b": 80})
    figure.update_xaxes(title="Recall: share of real images that are painted", range=[-0.03, 1.03], zeroline=False)
    figure.update_yaxes(title="Precision: share of paintings that look real", range=[-0.03, 1.08], zeroline=False)
    footnote(figure, note)
    return figure


def _point(figure: go.Figure, x: float, y: float, name: str, marker: dict[str, object]) -> None:
    side = "left" if x > 0.5 else "right"
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers+text",
        text=[name],
        textposition=f"top {side}",
        textfont={"size": 11},
        marker=marker,
        hovertemplate=f"{name}<br>recall %{{x:.3f}}, precision %{{y:.3f}}<extra></extra>",
    )
