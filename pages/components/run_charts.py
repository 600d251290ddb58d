"""The statistics of a GAN run as charts."""

import streamlit as st

from gan_aug import runs
from gan_aug.records import Run
from pages.components import shipped
from pages.components.live_chart import Line, Panel, live_charts
from pages.components.run_table import MOST

# Title, how to read it, its statistics under the names they get in the legend, and the range of y where it is known.
_PANELS = (
    (
        "Losses",
        "They need not fall, since two networks pull against each other. Watch for one that runs away.",
        {"D/loss": "discriminator", "G/loss": "generator"},
        None,
    ),
    (
        "Discriminator's ratings",
        "Real images should be rated above generated ones, but not by ever more.",
        {"D/real": "real", "D/fake": "generated"},
        None,
    ),
    (
        "Discriminator's accuracy",
        "Near 0.5 it cannot tell the two apart. Near 1 it has nothing left to teach.",
        {"D/accuracy": "accuracy"},
        (0, 1.02),
    ),
    (
        "Overfitting",
        "How surely the discriminator takes real images for real, from -1 to 1. Near 1 it may know them by heart, and adaptive DiffAugment "
        "distorts more of them.",
        {"D/real_sign": "real images", "D/augment": "share distorted"},
        (-1.02, 1.02),
    ),
    ("Distance estimate", "The critic's estimate of how far generated images are from real ones.", {"D/distance": "distance"}, None),
    ("Penalties", "Small and steady is healthy.", {"D/penalty": "gradient penalty", "D/r1": "R1 penalty", "D/r2": "R2 penalty"}, None),
    (
        "Class accuracy",
        "How often the discriminator names the class right.",
        {"D/class_accuracy": "real", "G/class_accuracy": "generated"},
        (0, 1.02),
    ),
    ("Class loss", "How far generated images are from looking like the class they were asked for.", {"G/class_loss": "generated"}, None),
    (
        "Variety of the generated images",
        "1 is what training images have: how much they differ, and how many of the others they cover (recall) or resemble (precision). If "
        "the first two fall back towards 0, the pictures become all alike.",
        {"diversity": "difference", "recall": "recall", "precision": "precision"},
        None,
    ),
    ("Speed", "Real images shown per second.", {"images_per_second": "images per second"}, None),
)
_NOT_CHARTED = {"step", "kimg"}


def statistics(run_id: str) -> list[dict[str, float]]:
    """The statistics of a run so far; only what was added since the last call is read from the disk."""
    kept = st.session_state.setdefault("statistics", {})
    place, old = kept.get(run_id, (runs.STATS_START, []))
    lines, place = runs.read_stats(run_id, place)
    # A resumed run goes on from its last snapshot, so its first new line can lie before lines that were read earlier.
    first = lines[0]["step"] if lines else float("inf")
    rows = [row for row in old if row["step"] < first] + lines
    kept.pop(run_id, None)
    kept[run_id] = place, rows
    while len(kept) > MOST:  # those of runs that were looked at long ago are read again when they are wanted
        del kept[next(iter(kept))]
    return rows


def run_charts(shown: list[Run]) -> None:
    """Draw the statistics of runs, of several in common charts, or say why there are none."""
    found = {run.id: rows for run in shown if (rows := statistics(run.id))}
    if len(found) == 1 and len(shown) == 1:
        live_charts(panels(found[shown[0].id]), revision=shown[0].id, key="run-charts")
    elif found:
        live_charts(overlaid(found), revision=" ".join(found), key="run-charts")
    elif shipped.is_shipped(shown[0]):
        st.info("This generator came with gan_aug, without the statistics of its training.", icon=":material/inventory_2:")
        st.page_link("pages/about.py", label="What its card says", icon=":material/description:")
    else:
        st.info(f"The first statistics appear after {shown[0].config['tick_kimg']:g} thousand images.", icon=":material/hourglass_empty:")


def panels(rows: list[dict[str, float]]) -> list[Panel]:
    """The charts for some lines of statistics. A statistic that no chart knows gets one of its own."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        Panel(title, title, note, tuple(_line(rows, name, label) for name, label in lines.items() if name in names), bounds)
        for title, note, lines, bounds in _PANELS + _own(names)
        if any(name in names for name in lines)
    ]


def overlaid(found: dict[str, list[dict[str, float]]]) -> list[Panel]:
    """One chart for each statistic, with a line for each run that has it."""
    names = list(dict.fromkeys(name for rows in found.values() for row in rows for name in row))
    return [
        Panel(name, _title(title, label, lines), note, tuple(_line(rows, name, run) for run, rows in found.items()), bounds)
        for title, note, lines, bounds in _PANELS + _own(names)
        for name, label in lines.items()
        if name in names
    ]


def _title(title: str, label: str, lines: dict[str, str]) -> str:
    return title if len(lines) == 1 else f"{title}: {label}"


def _own(names: list[str]) -> tuple[tuple[str, str, dict[str, str], None], ...]:
    """Charts for statistics that none is written for."""
    known = {name for _, _, lines, _ in _PANELS for name in lines}
    return tuple((name, "", {name: name}, None) for name in names if name not in known and name not in _NOT_CHARTED)


def _line(rows: list[dict[str, float]], name: str, label: str) -> Line:
    """One statistic over thousand images; ticks that lack it (such as a lazy penalty) are left out, so that the line has no holes."""
    found = [row for row in rows if name in row]
    return Line(label, [row["kimg"] for row in found], [row[name] for row in found])
