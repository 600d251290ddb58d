"""The report of a study: one file that needs no other, safe to open, with the numbers of the analysis; and the CSV tables."""

import base64
import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_metrics import example
from test_study import make_gan, save_curated, seen_in

from gan_aug import report, runs, study
from gan_aug.data.dataset import open_dataset
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import make_folds
from gan_aug.errors import NotFound, UserError
from gan_aug.metrics import record
from gan_aug.records import NOTICE, ClassifierConfig, Prediction, from_dict

HOSTILE = '<script>alert("x")</script> & {{ 7 * 7 }}'


def finish(name: str, schemes: dict[str, float], question: str | None = None, **options: object) -> study.Analysis:
    """A study whose predictions are made up: each scheme tells the classes apart by that many standard deviations."""
    planned = study.plan(name, "phantom", tuple(schemes), (0, 1), ClassifierConfig(resolution=64), question=question, **options)
    exams = [study.val_exam(name)]
    for run_id in ("run-0", "run-1"):
        if not runs.is_there(run_id):
            make_gan(run_id, [])
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
    assert all(load.startswith("data:image/jpeg;base64,") for load in page.loads)
    assert not {"link", "iframe", "object", "embed"} & set(page.tags)


def test_the_library_is_inlined_once(phantom: str, tmp_path: Path) -> None:
    finish("s", {"none": 2.5})
    text = report.write_html("s", tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("plotly.js v") == 1
    assert 3_000_000 < len(text) < 8_000_000


def test_what_a_user_typed_is_shown_as_text(page: Outline) -> None:
    assert HOSTILE in page.text
    assert page.tags.count("script") == 1 + 5, "the library and one per figure, none from the question"


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
        "Would other trainings say the same?",
        "Net benefit",
        "Cases that flip",
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
    shutil.copytree(study.study_folder("second"), study.study_folder("second").with_name("a copy"))
    shutil.copytree(study.study_folder("second"), study.study_folder("copy"))
    (study.study_folder("first") / "study.json").write_text("{")
    text = report.write_html("second", tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Other studies have read it too: first." in text, "one whose plan is damaged has read it all the same, a copy has not"


def written(name: str, folder: Path) -> str:
    """The text of a study's report."""
    page = Outline(report.write_html(name, folder / "r.html", real_images=False).read_text(encoding="utf-8"))
    return re.sub(r"\s+", " ", page.text)


def make_log_old(name: str) -> None:
    """Leave in a study's log what older versions wrote."""
    lines = [{key: line[key] for key in ("time", "plan_sha256", "split_fingerprint")} for line in study.test_accesses(name)]
    path = study.study_folder(name) / "test_access.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_studies_of_thinned_splits_read_one_test_part(phantom: str, tmp_path: Path) -> None:
    finish("whole", {"none": 2.0})
    finish("half", {"none": 2.0}, fraction=0.5)
    assert "Other studies have read it too: whole." in written("half", tmp_path)
    for name in ("whole", "half"):
        make_log_old(name)
    assert "Other studies have read it too: whole." in written("half", tmp_path)
    finish("fold", {"none": 2.0}, split_id=make_folds("phantom", 2)[0].id)
    assert "No other study in this workspace has read it." in written("fold", tmp_path)


def test_points_of_one_sweep_read_one_test_part_by_design(phantom: str, tmp_path: Path) -> None:
    config = ClassifierConfig(resolution=64)
    sweep = study.plan_sweep("w", "phantom", ("none",), (0, 1), config, fractions=(0.5, 1.0))
    for point in sweep.points:
        finish(point.study, {"none": 2.0}, split_id=point.split_id)
    said = written("w-1", tmp_path)
    assert "the other points of the sweep w are tested on the same images; w-2 has read them too." in said
    assert "No study outside that sweep has read it." in said and "Other studies" not in said
    finish("alone", {"none": 2.0}, split_id=sweep.points[1].split_id, question="Again?")
    assert "Other studies have read it too: alone." in written("w-1", tmp_path)


def test_an_external_set_that_was_looked_at_is_no_untouched_one(phantom: str, tmp_path: Path) -> None:
    make_phantom("outside", images=60, size=64, seed=5)
    make_gan("G", seen_in("train"))
    finish("s", {"none": 2.0, "synthetic:G@1.0": 2.0}, external="outside")
    assert "This set was not used for any choice; its comparisons are secondary." in written("s", tmp_path)
    finish("t", {"none": 2.0}, external="outside")
    said = written("t", tmp_path)
    assert "not used for any choice" not in said and "Other studies have read this set too: s." in said
    make_log_old("s")
    assert "Other studies have read this set too: s." in written("t", tmp_path)
    shutil.rmtree(study.study_folder("t"))
    record.append_records(runs.run_folder("G") / "evaluations.jsonl", [example(subject="G@1.5", dataset="outside")])
    said = written("s", tmp_path)
    assert "not used for any choice" not in said and "Its comparisons are secondary. G was measured on outside (KID" in said


def test_pictures_of_a_curated_set_have_generators(phantom: str, tmp_path: Path) -> None:
    make_gan("G", seen_in("train"))
    save_curated("G@1.5")
    finish("s", {"none": 2.0, "curated:good": 2.0})
    said = written("s", tmp_path)
    assert "curated set good@1, of G@1.5 (sha256" in said and "Audit of G@1.5 none: whether it repeats images" in said
    assert "No generator had been trained on an image of the validation or test part" in said


def test_a_study_can_be_reported_without_its_dataset_and_generators(phantom: str, tmp_path: Path) -> None:
    make_gan("G", seen_in("train"))
    finish("s", {"none": 1.0, "standard+synthetic:G@1.0": 2.0})
    shutil.rmtree(open_dataset("phantom").folder)
    shutil.rmtree(runs.run_folder("G"))
    settled = study.load_plan("s")
    text = report.write_html("s", tmp_path / "r.html").read_text(encoding="utf-8")
    assert f"{settled.study.split_id}, which is no longer in this workspace" in text
    assert "<code>G@1.5</code>" in text and "none: whether it repeats images" in text


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
    names = ["results", "seeds", "roc", "pr", "reliability", "net_benefit", "sources", "predictions"]
    assert [path.name for path in paths] == [*(f"{name}.csv" for name in names), "study.json"]
    tables = {path.name: list(csv.DictReader(path.open(encoding="utf-8"))) for path in paths[:-1]}
    none, standard = tables["results.csv"]
    comparison = analysis.part("test").comparison("none")
    assert float(none["auc"]) == analysis.part("test").arm("none").auc.value
    assert float(none["difference"]) == comparison.difference and float(none["p_holm"]) == comparison.p_holm
    assert standard["difference"] == ""
    assert float(none["difference_over_seeds"]) == comparison.over_seeds.value
    assert int(none["lost_positive"]) == comparison.flips.lost_positive
    benefit = analysis.part("test").arm("standard").net_benefit.y[9]
    assert [float(row["net_benefit"]) for row in tables["net_benefit.csv"] if (row["scheme"], row["threshold"]) == ("standard", "0.1")] == [
        benefit
    ]
    assert len(tables["seeds.csv"]) == 4
    assert len(tables["predictions.csv"]) == len(study.predictions("s"))


def test_json_holds_plan_analysis_and_readings(phantom: str, tmp_path: Path) -> None:
    analysis = finish("s", {"none": 2.0, "standard": 3.0})
    read = json.loads(report.write_json("s", tmp_path / "s.json").read_text(encoding="utf-8"))
    assert from_dict(study.Analysis, read["analysis"]) == analysis
    assert from_dict(study.Plan, read["plan"]).sha256 == read["plan_sha256"] == study.load_plan("s").sha256
    assert len(read["test_accesses"]) == 1


def test_flipped_cases_are_shown_only_where_real_images_may_be(phantom: str, tmp_path: Path) -> None:
    analysis = finish("s", {"none": 1.0, "standard": 3.0})
    cases = analysis.part("test").comparison("none").flips.cases
    shown = Outline(report.write_html("s", tmp_path / "a.html").read_text(encoding="utf-8"))
    hidden = Outline(report.write_html("s", tmp_path / "b.html", real_images=False).read_text(encoding="utf-8"))
    assert len(cases) > 0 and shown.tags.count("img") == len(cases)
    assert "(phantoms)" in shown.text and "this report embeds none" in hidden.text
    assert "img" not in hidden.tags and hidden.loads == []
    for page in (shown, hidden):
        assert all(case.image_id in page.text for case in cases)
    first = Image.open(io.BytesIO(base64.b64decode(shown.loads[0].partition(",")[2])))
    image_set = open_dataset("phantom")
    row = image_set.table["image_id"].tolist().index(cases[0].image_id)
    assert np.abs(np.asarray(first, int) - image_set.images[row]).mean() < 6, "that very image, but for JPEG"


def test_what_is_known_of_the_generators_is_shown(phantom: str, tmp_path: Path) -> None:
    make_gan("G", seen_in("train"))
    finish("s", {"standard": 2.0, "synthetic:G@1.0": 2.0})
    text = report.write_html("s", tmp_path / "a.html").read_text(encoding="utf-8")
    assert "No measure of their quality is stored." in text and "none: whether it repeats images" in text
    measured = [example(subject="G@1.5", value=0.0321), example(subject="G@0.5", value=0.777)]
    record.append_records(runs.run_folder("G") / "evaluations.jsonl", measured)
    line = {
        "subject": "G@1.5",
        "verdict": "copies",
        "reasons": ["3 are copies."],
        "n_fake": 9,
        "n_held_out": 8,
        "n_train": 7,
        "created": "2026",
    }
    record.append_lines(runs.run_folder("G") / "audits.jsonl", [line])
    text = report.write_html("s", tmp_path / "a.html").read_text(encoding="utf-8")
    assert "0.0321" in text and "0.777" not in text, "of the snapshot that generates, and of no other"
    assert "<strong>copies</strong>. 3 are copies." in text


def test_sources_have_a_table_of_their_own(phantom: str, tmp_path: Path) -> None:
    path = open_dataset("phantom").folder / "table.parquet"
    table = pd.read_parquet(path)
    table["source"] = ["north" if number % 2 else "south" for number in range(len(table))]
    table.to_parquet(path, index=False)
    finish("s", {"none": 2.0})
    text = report.write_html("s", tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h3>By source</h3>" in text and "<td>north</td>" in text
    rows = list(csv.DictReader((report.write_csv("s", tmp_path)[6]).open(encoding="utf-8")))
    assert [row["source"] for row in rows] == ["north", "south"]


def test_a_cell_is_never_a_formula() -> None:
    text = report.tables._csv([{"name": "=1+1", "other": "-x", "number": -0.5, "empty": ""}])
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
