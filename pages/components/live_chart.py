"""Charts of a run that are updated in place: the drawing keeps its zoom, and never goes blank, while a fragment refreshes it.

``st.plotly_chart`` takes a changed figure for a new element and rebuilds it at every refresh; this element hands new data to Plotly.react
in the browser instead. Smoothing is done there too, without asking the server.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from streamlit.components.v2 import component

from gan_aug import files
from gan_aug.errors import UserError
from pages.components import palette

MAX_POINTS = 600  # of one line; more makes refreshes slow and shows nothing more on a screen

_HTML = """
<div class="live-charts">
  <div class="live-bar"><label>Smoothing <input type="range" min="0" max="0.98" step="0.02"></label><output></output></div>
  <p class="live-message" role="status"></p>
  <div class="live-grid"></div>
</div>
"""


def _source(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


_element = component("gan_aug_live_charts", html=_HTML, css=_source("live_chart.css"), js=_source("live_chart.js"), isolate_styles=False)


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a chart; ``x`` ascending."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One chart: some lines over a common x."""

    id: str
    title: str
    note: str  # how to read it, one short sentence
    lines: tuple[Line, ...]
    range: tuple[float, float] | None = None  # of y


def live_charts(panels: Sequence[Panel], *, revision: str, key: str, x_title: str = "thousand images shown") -> None:
    """Draw ``panels`` side by side, or update them if they are already drawn.

    Parameters
    ----------
    revision : str
        While it stays the same, zoom and hidden lines are kept; the run's id serves.
    """
    data = {"library_url": library_url(), "revision": revision, "panels": [_payload(panel, x_title) for panel in panels]}
    _element(key=key, data=data)


def library_url() -> str:
    """Address of plotly.min.js, taken from the installed plotly wheel into the served folder beside app.py when it is not there yet.

    The name carries the version, so that neither the folder nor a browser keeps an old one. Nothing else is ever put into that folder:
    whoever reaches the app's port can read it.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    name = f"plotly-{plotly.__version__}.min.js"
    target = Path(__file__).parents[2] / "static" / name
    if not target.exists():
        try:
            files.write_bytes(target, (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes())
        except OSError as error:
            what = f"The charts cannot be drawn: {target} cannot be written ({error.strerror})."
            raise UserError(what, "Let the app write that folder, and reload the page.") from None
    return f"{st.get_option('server.baseUrlPath').rstrip('/')}/app/static/{name}"


def thin(x: Sequence[float], y: Sequence[float | None], most: int = MAX_POINTS) -> tuple[list[float], list[float | None]]:
    """At most ``most`` points of a line that look like all of them: the lowest and the highest of each stretch, so that spikes survive.

    Values are rounded to four digits; what is not finite becomes a gap.
    """
    points = [(a, None if b is None or not math.isfinite(b) else float(f"{b:.4g}")) for a, b in zip(x, y, strict=True)]
    if len(points) > most:
        buckets = most // 2
        edges = [round(i * len(points) / buckets) for i in range(buckets + 1)]
        points = [point for low, high in itertools.pairwise(edges) for point in _extremes(points[low:high])]
    return [float(f"{a:.6g}") for a, _ in points], [b for _, b in points]


def _extremes(stretch: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Lowest and highest point of a stretch, in their order; a stretch without a finite value keeps its first point, a gap."""
    finite = [i for i, (_, value) in enumerate(stretch) if value is not None]
    if not finite:
        return stretch[:1]
    low, high = min(finite, key=lambda i: stretch[i][1]), max(finite, key=lambda i: stretch[i][1])
    return [stretch[i] for i in sorted({low, high})]


def _payload(panel: Panel, x_title: str) -> dict[str, Any]:
    lines = []
    for position, line in enumerate(panel.lines):
        colour, dash, _ = palette.look(position)
        x, y = thin(line.x, line.y)
        lines.append({"name": line.name, "x": x, "y": y, "colour": colour, "dash": dash})
    latest = [f"{line['name']} {line['y'][-1]}" for line in lines if line["y"] and line["y"][-1] is not None]
    return {
        "id": panel.id,
        "title": panel.title,
        "note": panel.note,
        "lines": lines,
        "range": list(panel.range) if panel.range else None,
        "x_title": x_title,
        "spoken": f"Latest: {', '.join(latest)}." if latest else "No values yet.",
    }
