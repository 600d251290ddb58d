"""Figures of what a single number hides: the spread over seeds, and the learning curves over ratio, data and folds."""

import itertools
from collections.abc import Sequence

import plotly.graph_objects as go

from gan_aug.study import Estimate, Ladder, PartResult
from pages.components import palette
from pages.components.figure_parts import HEIGHT, Line, dots, error_bar, footnote, interval, named_above, rows, statement


def seeds(part: PartResult, lines: Sequence[Line]) -> go.Figure:
    """The AUC of every single classifier, and below them that of their mean score with its interval."""
    figure, texts = go.Figure(), []
    for row, line in enumerate(lines):
        arm = line.arm
        spread = f"seeds {arm.seed_mean:.3f} ± {arm.seed_sd:.3f}" if arm.seed_sd is not None else "one seed"
        numbers = f"{arm.auc.value:.3f} ({arm.auc.low:.3f} to {arm.auc.high:.3f}); {spread}"
        interval(figure, line.place, arm.auc, -row - 0.16, f"{line.label}<br>mean score of all seeds<br>{numbers}")
        dots(figure, line.place, arm.seed_aucs, [-row + 0.04] * len(arm.seed_aucs), f"{line.label}<br>one seed: %{{x:.3f}}")
        texts.append(f"<b>{line.label}</b><br>{numbers}")
    figure.add_vline(x=0.5, line={"width": 1, "dash": "dot", "color": palette.GREY})
    rows(figure, texts, "AUC (hollow: one seed each; filled: their mean score)", statement(part), room=92)
    return figure


def seed_differences(part: PartResult, base: str, lines: Sequence[Line]) -> go.Figure:
    """The difference of each seed, and their mean with an interval for new patients and new trainings."""
    figure, texts = go.Figure(), []
    for line in lines:
        found = line.comparison
        if found is None:
            continue
        row = len(texts)
        higher = sum(difference > 0 for difference in found.seed_differences)
        words = f"higher with {higher} of {len(found.seed_differences)} seeds"
        if found.over_seeds is not None:
            mean = found.over_seeds
            words = f"{mean.value:+.3f} ({mean.low:+.3f} to {mean.high:+.3f}); {words}"
            interval(
                figure, line.place, mean, -row - 0.16, f"{line.label}<br>mean over seeds, for new patients and new trainings<br>{words}"
            )
        dots(
            figure,
            line.place,
            found.seed_differences,
            [-row + 0.04] * len(found.seed_differences),
            f"{line.label}<br>one seed: %{{x:+.3f}}",
        )
        texts.append(f"<b>{line.label}</b><br>{words}")
    figure.add_vline(x=0, line={"width": 1.5, "dash": "dot", "color": palette.GREY})
    rows(figure, texts, f"Difference in AUC to {base}, seed by seed", statement(part), room=92)
    figure.update_xaxes(tickformat="+.3~f")
    return figure


def ratios(part: PartResult, found: Sequence[Ladder], names: Sequence[str]) -> go.Figure:
    """AUC over the number of synthetic images per real one; single classifiers as dots."""
    series = [
        Series(name, [dose.ratio for dose in ladder.doses], [part.arm(dose.scheme).auc for dose in ladder.doses], place)
        for place, (ladder, name) in enumerate(zip(found, names, strict=True))
    ]
    figure = progress(series, "Synthetic images per real training image of the class", "AUC", statement(part))
    for place, ladder in enumerate(found):
        for dose in ladder.doses:
            aucs = part.arm(dose.scheme).seed_aucs
            dots(figure, place, [dose.ratio] * len(aucs), aucs, f"{dose.scheme}<br>one seed: %{{y:.3f}}")
    return figure


class Series:
    """Values with intervals along an axis, drawn as one line."""

    def __init__(self, name: str, x: Sequence[float], found: Sequence[Estimate], place: int, hollow: Sequence[bool] = ()):
        self.name, self.x, self.found, self.place = name, list(x), list(found), place
        self.hollow = list(hollow) or [False] * len(self.x)  # values that no verdict is based on


def progress(series: Sequence[Series], x: str, y: str, note: str, zero: bool = False, joined: bool = True) -> go.Figure:
    """Values with intervals, side by side where they share an x, named above the figure; ``joined`` by lines where x has an order."""
    figure = go.Figure()
    every = sorted({value for one in series for value in one.x})
    step = min((after - before for before, after in itertools.pairwise(every)), default=1.0)
    for rank, one in enumerate(series):
        colour, dash, symbol = palette.look(one.place)
        shift = (rank - (len(series) - 1) / 2) * min(0.12, 0.5 / len(series)) * step
        figure.add_scatter(
            x=[value + shift for value in one.x],
            y=[found.value for found in one.found],
            error_y=error_bar(one.found, colour),
            mode="lines+markers" if joined else "markers",
            name=one.name,
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": [f"{symbol}-open" if hollow else symbol for hollow in one.hollow], "size": 11},
            hovertemplate=f"{one.name}<br>%{{y:.3f}}<extra></extra>",
        )
    if zero:
        figure.add_hline(y=0, line={"width": 1.5, "dash": "dot", "color": palette.GREY})
    named_above(figure, HEIGHT - 60)
    figure.update_xaxes(title=x, zeroline=False)
    figure.update_yaxes(title=y, zeroline=False)
    footnote(figure, note)
    return figure
