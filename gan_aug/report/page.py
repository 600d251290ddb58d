"""The page of a study: one HTML file that needs no other and prints well."""

import base64
import re
from pathlib import Path
from typing import Any

import jinja2
import plotly.offline

from gan_aug import __version__, files, images, runs, study
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import NotFound
from gan_aug.metrics.record import MetricRecord, evaluations
from gan_aug.records import NOTICE, ClassifierConfig, Split, Study, from_dict
from gan_aug.report.figures import figures_html, short_name
from gan_aug.report.tables import analysis_of
from gan_aug.study import Plan, history
from gan_aug.study.words import findings

NET_BENEFIT_SHOWN = (0.05, 0.1, 0.2, 0.3)  # probability thresholds in the table

_CASE_PX = 96  # side of a shown image


def write_html(name: str, path: Path, real_images: bool = True) -> Path:
    """Write the report of a finished study; it is analysed first if that was not done yet.

    Parameters
    ----------
    name : str
        Of the study.
    path : Path
        File to write.
    real_images : bool, default True
        Whether the real images that schemes call differently are shown, small. They are photographs of patients: without them the report
        names the images only.

    Raises
    ------
    UserError
        If the study does not exist, is not finished, or the file cannot be written.
    """
    settled, analysis = study.load_plan(name), analysis_of(name)
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            settled=settled,
            study=settled.study,
            analysis=analysis,
            config=from_dict(ClassifierConfig, settled.study.config),
            split=_split(settled.study),
            cells=study.cells(name),
            accesses=study.test_accesses(name),
            sweep=history.sweep_of(settled),
            other_studies=history.others_on_test(settled),
            others_on_external=history.others_on_external(settled) if settled.study.external else [],
            external_choices=history.external_choices(settled),
            readings=history.readings(settled),
            metrics=_generator_metrics(settled),
            audits={checkpoint: history.last_audit(checkpoint) for checkpoint in history.generators(settled)},
            pictures=_pictures(settled, analysis) if real_images else {},
            net_benefit_shown=NET_BENEFIT_SHOWN,
            findings=[findings(part, analysis.base, analysis.learned) for part in analysis.parts],
            figures=[figures_html(part, analysis.base) for part in analysis.parts],
            plotly_js=plotly.offline.get_plotlyjs(),
            real_images=real_images,
            notice=NOTICE,
            version=__version__,
            written=runs.now(),
        )
    )
    return write_page(path, text)


def _split(planned: Study) -> Split | None:
    """The split of a study; None if the dataset is gone, or the split."""
    try:
        return load_split(planned.dataset, planned.split_id)
    except NotFound:
        return None


def write_page(path: Path, text: str) -> Path:
    """Write a report and return where it is.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    with files.writing(path):
        files.write_text(path, text)
    return path


def environment() -> jinja2.Environment:
    """The templates, with everything that they print escaped, and the ways in which they print numbers."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": _number,
        "signed": _signed,
        "percent": _percent,
        "p": _p,
        "count": _count,
        "pieces": _pieces,
        "at": _at,
    }
    return made


def _generator_metrics(settled: Plan) -> list[MetricRecord]:
    """What was measured of the snapshots that generate for the study, each number at its newest."""
    found: dict[tuple[Any, ...], MetricRecord] = {}
    for checkpoint in history.generators(settled):
        try:
            records = evaluations(checkpoint.partition("@")[0])
        except NotFound:  # the run is gone; the study is not
            records = []
        for record in records:
            if record.subject == checkpoint:
                found[record.subject, record.extractor, record.part, record.n_real, record.class_name, record.metric] = record
    return list(found.values())


def _pictures(settled: Plan, analysis: study.Analysis) -> dict[tuple[str, str], str]:
    """The images that schemes call differently, as data URIs, by part and image id; an image that is gone is left out."""
    found = {}
    for part in analysis.parts:
        wanted = {case.image_id for c in part.comparisons if c.flips for case in c.flips.cases}
        try:
            image_set = open_dataset(part.dataset)
        except NotFound:
            continue
        rows = {name: row for row, name in enumerate(image_set.table["image_id"]) if name in wanted}
        for name, row in rows.items():
            found[part.part, name] = _data_uri(image_set, row)
    return found


def _data_uri(image_set: ImageSet, row: int) -> str:
    pixels = image_set.images[row : row + 1]
    small = images.resize(pixels, _CASE_PX) if pixels.shape[1] > _CASE_PX else pixels
    return f"data:image/jpeg;base64,{base64.b64encode(images.jpeg_bytes(small[0])).decode()}"


# --- words -------------------------------------------------------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _p(value: float) -> str:
    return study.p_text(value).removeprefix("p ").removeprefix("= ")


def _count(n: int, what: str) -> str:
    """``1 image``, ``1,200 images``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u00a0%"


def _at(curve: study.Curve, x: float) -> str:
    """A curve's value at one of its x."""
    return _signed(curve.y[min(range(len(curve.x)), key=lambda place: abs(curve.x[place] - x))])


def _pieces(scheme: str) -> list[str]:
    """A scheme in short, in the pieces between which a line may break."""
    return re.split(r"(?<=[+:&@])", short_name(scheme))
