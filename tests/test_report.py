"""The report of a study: one file that needs no other, safe to open, with the numbers of the analysis; and the CSV tables."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gan_aug import report, study
from gan_aug.errors import NotFound, UserError
from gan_aug.records import NOTICE, ClassifierConfig, Prediction

HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }}'


def finish(name: str, schemes: dict[str, float], question: str | None = None) -> study.Analysis:
    """A study whose predictions are made up: each scheme tells the classes apart by that many standard deviations."""
    planned = study.plan(name, "phantom", tuple(schemes), (0, 1), ClassifierConfig(resolution=64), question=question)
    exams = [study.val_exam(name)]
    for cell in study.cells(planned):
        study.write_cell(cell, f"run-{cell.seed}", answers(exams, cell, schemes[cell.scheme]))
    exams += study.open_test(name)
    for cell in study.cells(planned):
        study.write_cell(cell, f"run-{cell.seed}", answers(exams, cell, schemes[cell.scheme]))
    return study.analyse(planned)


def answers(exams: list[study.Exam], cell: study.Cell, strength: float) -> list[Prediction]:
    found = []
    for exam in exams:
        noise = np.random.default_rng(cell.seed).normal(size=len(exam.rows))
        score = 1 / (1 + np.exp(-(strength * exam.labels + noise)))
        found += exam.predictions(cell.study, cell.scheme, cell.seed, np.stack([1 - score, score], axis=1))
    return found


class Outline(HTMLParser):
    """The tags of a page, the text outside scripts, and everything it would load from elsewhere."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.loads: list[str] = []
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("script", "style"):
            self._inside.append(tag)
        self.loads += [value or "" for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text += data


@pytest.fixture
def page(phantom: str, tmp_path: Path) -> Outline:
    finish("s", {"none": 2.5, "standard": 3.0}, HOSTILE)
    return Outline(report.write_html("s", tmp_path / "out" / "report.html").read_text(encoding="utf-8"))


def test_the_report_loads_nothing_from_elsewhere(page: Outline) -> None:
    assert page.loads == []
    assert not {"img", "link", "iframe", "object", "embed"} & set(page.tags)


def test_the_library_is_inlined_once(phantom: str, tmp_path: Path) -> None:
    finish("s", {"none": 2.5})
    text = report.write_html("s", tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("plotly.js v") == 1
    assert 3_000_000 < len(text) < 8_000_000


def test_what_a_user_typed_is_shown_as_text(page: Outline) -> None:
    assert HOSTILE in page.text
    assert page.tags.count("script") == 1 + 4, "the library and one per figure, none from the question"


def test_the_report_says_what_a_reader_needs(page: Outline) -> None:
    settled, analysis = study.load_plan("s"), study.load_analysis("s")
    words = re.sub(r"\s+", " ", page.text)
    for text in (
        NOTICE,
        analysis.verdict,
        *analysis.findings,
        *analysis.cautions,
        settled.dataset_fingerprint,
        settled.study.split_fingerprint,
        settled.sha256,
        "Methods",
        "trained from scratch",
        "The test part was read once",
        "This report embeds no real images.",
        "No other study in this workspace has read it.",
    ):
        assert text in words, text
    for arm in analysis.part("test").arms:
        assert f"{arm.auc.value:.3f} ({arm.auc.low:.3f}–{arm.auc.high:.3f})" in words


def test_a_withheld_verdict_is_marked(phantom: str, tmp_path: Path) -> None:
    analysis = finish("s", {"none": 0.0, "standard": 0.0})
    text = report.write_html("s", tmp_path / "r.html", real_images=False).read_text(encoding="utf-8")
    assert not analysis.learned
    assert '<p class="verdict withheld">No verdict' in text
    assert "Real images were to be left out; this report embeds none." in text


def test_other_studies_on_the_same_test_part_are_named(phantom: str, tmp_path: Path) -> None:
    finish("first", {"none": 2.0})
    finish("second", {"standard": 2.0})
    text = report.write_html("second", tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Other studies have read it too: first." in text


def test_figures_hold_every_arm_in_its_own_colour_and_dash(phantom: str) -> None:
    part = finish("s", {"none": 2.0, "standard": 3.0, "weighted": 2.5}).part("test")
    for figure in (report.roc_figure(part, "standard"), report.pr_figure(part, "standard"), report.reliability_figure(part, "standard")):
        lines = [trace for trace in figure.data if trace.showlegend is not False][1:]
        assert [line.name.split(" ")[0] for line in lines] == ["standard", "none", "weighted"], "the base comes first"
        assert len({(line.line.color, line.line.dash) for line in lines}) == 3
        assert lines[0].line.color == "#000000" and lines[0].line.dash == "solid"
    curve = part.arm("none").roc
    drawn = next(trace for trace in report.roc_figure(part, "standard").data if trace.name and trace.name.startswith("none"))
    assert tuple(drawn.x) == curve.x and tuple(drawn.y) == curve.y


def test_tables_hold_the_numbers_of_the_analysis(phantom: str, tmp_path: Path) -> None:
    analysis = finish("s", {"none": 2.0, "standard": 3.0})
    paths = report.write_csv("s", tmp_path / "tables")
    assert [path.name for path in paths] == ["results.csv", "seeds.csv", "roc.csv", "predictions.csv"]
    tables = {path.name: list(csv.DictReader(path.open(encoding="utf-8"))) for path in paths}
    none, standard = tables["results.csv"]
    comparison = analysis.part("test").comparison("none")
    assert float(none["auc"]) == analysis.part("test").arm("none").auc.value
    assert float(none["difference"]) == comparison.difference and float(none["p_holm"]) == comparison.p_holm
    assert standard["difference"] == ""
    assert len(tables["seeds.csv"]) == 4
    assert len(tables["predictions.csv"]) == len(study.predictions("s"))


def test_a_cell_is_never_a_formula() -> None:
    text = report._csv([{"name": "=1+1", "other": "-x", "number": -0.5, "empty": ""}])
    assert text.splitlines() == ["name,other,number,empty", "'=1+1,'-x,-0.5,"]


def test_a_study_without_results_has_no_report(phantom: str, tmp_path: Path) -> None:
    study.plan("s", "phantom", ("none",), (0,), ClassifierConfig())
    with pytest.raises(UserError, match="not done"):
        report.write_html("s", tmp_path / "r.html")
    with pytest.raises(NotFound):
        report.write_csv("nothing", tmp_path)
    assert list(tmp_path.glob("*.html")) == []


def test_a_folder_that_cannot_be_written_is_named(phantom: str, tmp_path: Path) -> None:
    finish("s", {"none": 2.0})
    (tmp_path / "file").write_text("")
    for write in (report.write_html, report.write_csv):
        with pytest.raises(UserError, match="cannot be written"):
            write("s", tmp_path / "file" / "below")
