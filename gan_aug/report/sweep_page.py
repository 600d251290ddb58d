"""The page of a sweep: what its studies say together."""

import html
from pathlib import Path

import plotly.graph_objects as go
import plotly.offline

from gan_aug import __version__, runs, study
from gan_aug.records import NOTICE
from gan_aug.report.figures import COLOURS, empty_figure, short_name
from gan_aug.report.page import environment, write_page
from gan_aug.study import Sweep, SweepResult

_TITLES = {
    "fraction": "On {data}, do other schemes than “{base}” help where images are few?",
    "fold": "On {data}, do other schemes than “{base}” help, over {n} folds?",
    "source": "Do other schemes than “{base}” help on a source of {data} that was not trained on?",
}


def write_sweep_html(name: str, path: Path) -> Path:
    """Write the report of a sweep whose studies are finished, as one HTML file that needs no other.

    Raises
    ------
    UserError
        If the sweep does not exist, one of its studies is not finished, or the file cannot be written.
    """
    sweep = study.load_sweep(name)
    result = study.analyse_sweep(sweep)
    text = (
        environment()
        .get_template("sweep.html.j2")
        .render(
            sweep=sweep,
            result=result,
            title=_TITLES[sweep.kind].format(data=sweep.dataset, base=sweep.base, n=len(sweep.points)),
            figure=sweep_figure(sweep, result).to_html(
                full_html=False, include_plotlyjs=False, config={"displayModeBar": False}, div_id="sweep"
            ),
            study_of={point.label: point.study for point in sweep.points},
            trained={point.label: study.trained_for(sweep, point) for point in sweep.points},
            phantom=study.is_phantom(sweep),
            plotly_js=plotly.offline.get_plotlyjs(),
            notice=NOTICE,
            version=__version__,
            written=runs.now(),
        )
    )
    return write_page(path, text)


def sweep_figure(sweep: Sweep, result: SweepResult) -> go.Figure:
    """The difference of every scheme from the base at every split, with its interval; side by side where schemes share a split."""
    schemes = [scheme for scheme in sweep.schemes if scheme != sweep.base]
    figure = empty_figure("Difference in AUC from the base", "", "", len(schemes))
    labels = [point.label for point in sweep.points]
    for place, scheme in enumerate(schemes):
        rows = [row for row in result.rows if row.scheme == scheme]
        shift = (place - (len(schemes) - 1) / 2) * min(0.16, 0.6 / len(schemes))
        colour = COLOURS[1 + place % (len(COLOURS) - 1)]
        figure.add_trace(
            go.Scatter(
                x=[labels.index(row.point) + shift for row in rows],
                y=[row.difference for row in rows],
                error_y={
                    "type": "data",
                    "array": [r.high - r.difference for r in rows],
                    "arrayminus": [r.difference - r.low for r in rows],
                },
                mode="markers",
                name=html.escape(short_name(scheme)),
                marker={
                    "color": colour,
                    "size": 10,
                    "symbol": [("diamond" if row.learned else "diamond-open") for row in rows],
                },
            )
        )
    figure.add_hline(y=0, line={"color": "#999999", "dash": "dot", "width": 1})
    shares = [point.label.removesuffix(" of the training images").removesuffix(" training images") for point in sweep.points]
    ticks = [f"{html.escape(share)}<br>{point.n_train:,} images" for share, point in zip(shares, sweep.points, strict=True)]
    figure.update_xaxes(range=[-0.5, len(labels) - 0.5], tickvals=list(range(len(labels))), ticktext=ticks, showgrid=False)
    figure.update_yaxes(range=None, autorange=True, tickformat="+.3~f")
    return figure.update_layout(showlegend=True)
