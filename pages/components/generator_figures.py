"""Figures of generators side by side, with what two sets of real images score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from gan_aug.metrics.record import MetricRecord
from gan_aug.study import Estimate
from pages.components import palette
from pages.components.figure_parts import footnote, interval, named_above, rows
from pages.components.spread import Series, progress

_FLOOR = {"width": 1.5, "dash": "dot", "color": palette.GREY}


@dataclass(frozen=True)
class Shown:
    """The snapshot by which a generator stands beside others."""

    run: str  # short name of the run
    subject: str  # RUN@kimg
    place: int  # decides the look, so that a generator looks alike in every figure

    @property
    def run_id(self) -> str:
        """The whole id of the run."""
        return self.subject.partition("@")[0]

    @property
    def name(self) -> str:
        """The snapshot as it is named in figures."""
        return f"{self.run}@{self.subject.partition('@')[2]}"


def kid(records: Mapping[Shown, MetricRecord], note: str) -> go.Figure:
    """KID of each generator with its interval; the dotted line is the floor, that of two sets of real images."""
    figure, texts = go.Figure(), []
    for row, (shown, record) in enumerate(records.items()):
        found, floor = _estimate(record), record.floor_real_real
        interval(figure, shown.place, found, -row, f"{shown.name}<br>{record.value_text}")
        texts.append(f"<b>{shown.name}</b><br>{record.value_text}")
        if floor is not None:  # a piece for each row, so that it runs through nobody's name
            figure.add_shape(type="line", x0=floor, x1=floor, y0=-row - 0.3, y1=-row + 0.12, line=_FLOOR)
    rows(figure, texts, "KID: lower is closer to real; dotted: real images against real ones", note)
    return figure


def over_training(snapshots: Mapping[Shown, Sequence[MetricRecord]], note: str) -> go.Figure:
    """KID of all snapshots of each generator, which come in their order, over the images that were shown to it."""
    series = [
        Series(shown.run, list(map(kimg, records)), list(map(_estimate, records)), shown.place) for shown, records in snapshots.items()
    ]
    figure = progress(series, "Thousand images shown", "KID", note)
    for floor in {record.floor_real_real for records in snapshots.values() for record in records} - {None}:
        figure.add_hline(y=floor, line=_FLOOR)
    return figure


def kimg(record: MetricRecord) -> float:
    """How many thousand images the snapshot had seen."""
    return float(record.subject.partition("@")[2])


def _estimate(record: MetricRecord) -> Estimate:
    low, high = record.ci or (record.value, record.value)
    return Estimate(record.value, low, high, "")


def precision_recall(records: Mapping[Shown, tuple[MetricRecord, MetricRecord]], note: str) -> go.Figure:
    """Recall and precision of each generator: the share of real images near generated ones, and of generated images near real ones."""
    figure = go.Figure()
    for shown, (recall, precision) in records.items():
        colour, _, symbol = palette.look(shown.place)
        _point(figure, recall.value, precision.value, shown.name, {"color": colour, "symbol": symbol, "size": 13})
    floor = [record.floor_real_real for record in next(iter(records.values()))]
    if None not in floor:
        _point(figure, *floor, "real against real", {"color": palette.GREY, "symbol": "star-open", "size": 13})
    named_above(figure, 380)
    figure.update_xaxes(title="Recall: share of real images near generated ones", **_shares([trace.x[0] for trace in figure.data]))
    figure.update_yaxes(title="Precision: share of generated images near real ones", **_shares([trace.y[0] for trace in figure.data]))
    figure.update_layout(xaxis_zeroline=False, yaxis_zeroline=False)
    footnote(figure, note)
    return figure


def _shares(values: Sequence[float]) -> dict[str, object]:
    """An axis of shares up to 1, from about the tenth below the lowest; no marker is cut at either end, and no number stands above 1."""
    lowest = max(0.0, math.floor(10 * min(values) - 0.5) / 10)
    step = next(step for step in (0.05, 0.1, 0.2) if 1 - lowest <= 6 * step or step == 0.2)
    return {"range": [lowest - 0.03, 1.03], "tick0": 0, "dtick": step}


def _point(figure: go.Figure, x: float, y: float, name: str, marker: dict[str, object]) -> None:
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        name=name,
        marker=marker,
        hovertemplate=f"{name}<br>recall %{{x:.3f}}, precision %{{y:.3f}}<extra></extra>",
    )
