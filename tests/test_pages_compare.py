"""The page Compare in depth: what it shows of studies, sweeps and generators, that a link restores it, what it says when things fail."""

import dataclasses
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import make_run, make_study, make_sweep
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)

from gan_aug import files, images, jobs, runs, study, workspace
from gan_aug.data.dataset import open_dataset
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import make_split
from gan_aug.errors import UserError
from gan_aug.metrics.record import append_lines
from gan_aug.records import ClassifierConfig
from gan_aug.study import Aim
from pages.components import figure_parts, generator_audit, roc, spread, study_results, study_tables

SCHEMES = ["none", "standard", "weighted"]
DCGAN, ACGAN = "dcgan-phantom-malignant-ab12", "acgan-phantom-cd34"


def table_with(app: AppTest, column: str) -> Any:
    """The table that has a column of that name."""
    (found,) = [frame.value for frame in app.dataframe if column in frame.value]
    return found


def address_of(app: AppTest, key: str) -> list[str]:
    """What the page's address holds under a key."""
    found = app.query_params[key]
    return [found] if isinstance(found, str) else list(found)


def charts(app: AppTest) -> list[dict[str, Any]]:
    """The figures on the page, as Plotly's JSON."""
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


VIEWS = {
    "results": "No study",
    "sweeps": "No sweep",
    "generators": "no trained generator",
    "new": "needs a dataset",
    "plan": "needs a dataset",
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_an_empty_workspace_says_what_to_do(workspace: Path, view: str) -> None:
    app = open_page("compare", view=view)
    assert not app.exception and not app.error
    assert VIEWS[view] in app.info[0].value
    assert app.button or app.get("page_link")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_whose_files_are_damaged_says_so_in_words(phantom: str, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise UserError("The disk is gone.", "Plug it in.")

    broken_ones = [(runs, "scan_runs"), *((study, name) for name in ("list_studies", "scan_studies", "list_sweeps", "scan_sweeps"))]
    for module, function in broken_ones:
        monkeypatch.setattr(module, function, broken)
    app = open_page("compare", view=view)
    assert not app.exception
    assert "The disk is gone" in app.error[0].value and "Plug it in" in app.error[0].value


@pytest.mark.parametrize(("view", "kind"), [("results", "study"), ("sweeps", "sweep")])
def test_a_damaged_plan_is_named_above_the_others(phantom: str, view: str, kind: str) -> None:
    for name in ("fine", "torn"):
        make_study(name, phantom, ["none", "standard"]) if kind == "study" else make_sweep(name, phantom, ["none", "standard"], done=0)
    path = workspace.home() / ("studies" if kind == "study" else "sweeps") / "torn" / f"{kind}.json"
    path.write_text("{")
    app = open_page("compare", view=view)
    assert not app.exception and not app.error
    assert app.warning[0].value.replace("\\", "").startswith(f"{path} cannot be read")
    assert app.selectbox(key=kind).options == ["fine"]
    path.unlink()
    assert not [warning for warning in open_page("compare", view=view).warning if "torn" in warning.value]


@pytest.mark.parametrize(("view", "key"), [("results", "study"), ("sweeps", "sweep"), ("generators", "runs")])
def test_a_link_to_something_that_is_gone_says_so(phantom: str, view: str, key: str) -> None:
    make_study("here", phantom, ["none", "standard"], seeds=(0, 1, 2))
    make_sweep("here", phantom, ["none", "standard"], seeds=(0, 1, 2))
    make_run(DCGAN, "dcgan", phantom, "malignant")
    app = open_page("compare", view=view, **{key: "gone"})
    assert not app.exception
    assert "gone" in app.warning[0].value


def test_an_address_that_names_too_many_or_one_twice_shows_what_can_be_shown(phantom: str) -> None:
    schemes = ["none", "standard", "weighted", "oversample", *(f"synthetic:{DCGAN}@{ratio}" for ratio in (0.25, 0.5, 1.0, 2.0))]
    for number in range(7):
        make_run(f"dcgan-phantom-malignant-{number:04d}", "dcgan", phantom, "malignant")
    make_run(DCGAN, "dcgan", phantom, "malignant")
    for name in ("s", "t", "u", "v"):
        make_study(name, phantom, schemes if name == "s" else ["none", "standard"])
    runs_there = [run.id for run in runs.list_runs("gan")][:7]
    app = open_page("compare", view="generators", runs=runs_there)
    assert not app.exception and not app.error
    assert "names 7 of these; the first 6 are shown" in app.warning[0].value
    assert address_of(app, "runs") == runs_there[:6]
    app = open_page("compare", study="s", schemes=schemes[:7])
    assert not app.exception and not app.error
    assert address_of(app, "schemes") == schemes[:6]
    app = open_page("compare", study="s", schemes="none", also=["t", "u", "v"])
    assert not app.exception and not app.error
    assert address_of(app, "also") == ["t", "u"]
    app = open_page("compare", study="s", schemes=["none", "none"], also=["t", "t"])
    assert not app.exception and not app.error
    assert (address_of(app, "schemes"), address_of(app, "also")) == (["none"], ["t"])
    assert table_with(app, "AUC (95 % interval)")["Scheme"].tolist() == ["none", "t: none", "t: standard"]


# --- one operating point -----------------------------------------------------------------------------------------------------------------


def test_one_operating_point_is_carried_over_to_all_schemes(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    app = open_page("compare", study="s", show="point", aim="sensitivity", level="0.9")
    assert not app.exception and not app.error
    shown = table_with(app, "False alarms")
    expected = study.carry_over(study.predictions("s"), "test", tuple(SCHEMES), Aim("sensitivity", 0.9))
    for row, found in zip(shown.to_dict("records"), expected, strict=True):
        assert row["Scheme"] == found.scheme
        assert row["Threshold"] == f"{found.threshold:.3f}"
        assert row["Malignant found"] == f"{found.found} of {found.found + found.missed}"
        assert row["False alarms"] == f"{found.false_alarms} of {found.false_alarms + found.cleared}"
        assert row["Sensitivity (95 % interval)"].startswith(f"{found.sensitivity.value:.3f} ({found.sensitivity.low:.3f}")
    assert "chosen on val" in texts(app)
    usual = table_with(open_page("compare", study="s", show="point"), "False alarms")
    assert usual.to_dict("records") != shown.to_dict("records")


def test_every_case_that_flips_is_shown_as_a_picture(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    flips = study.find_flips(study.predictions("s"), "test", "standard", "weighted", Aim("specificity", 0.8))
    address = {"study": "s", "show": "point", "level": "0.8", "a": "standard", "b": "weighted"}
    app = open_page("compare", **address)
    pictures = app.image[0].proto.imgs
    assert [picture.alt.partition(",")[0] for picture in pictures] == [f"Image {case.image_id}" for case in flips[:24]]
    assert all(picture.url.endswith(".png") for picture in pictures), "a JPEG would alter pixels"
    wanted = {"found": (True, 1), "missed": (False, 1), "cleared": (True, 0), "alarm": (False, 0)}
    for kind, (mended, label) in wanted.items():
        app = open_page("compare", **address, flips=kind)
        assert not app.exception
        cases = [case for case in flips if (case.mended, case.label) == (mended, label)]
        shown = app.image[0].proto.imgs if app.image else []
        assert [picture.alt.partition(",")[0] for picture in shown] == [f"Image {case.image_id}" for case in cases]
        if cases:
            assert set(table_with(app, "Truth")["Right"]) == {"B" if mended else "A"}
            assert set(table_with(app, "Truth")["Truth"]) == {"malignant" if label else "not malignant"}
        else:
            assert "no such case" in texts(app)


def test_many_cases_come_page_by_page_and_the_page_stands_in_the_address(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.components.operating_point.PER_PAGE", 2)
    make_study("s", phantom, SCHEMES, strength=0.5)
    flips = study.find_flips(study.predictions("s"), "test", "standard", "none", Aim("specificity", 0.8))
    assert len(flips) > 4
    names = [f"Image {case.image_id}" for case in flips]
    for number, expected in (("2", names[2:4]), ("1", names[:2]), ("99", names[:2])):
        app = open_page("compare", study="s", show="point", level="0.8", b="none", cases=number)
        assert not app.exception
        assert [picture.alt.partition(",")[0] for picture in app.image[0].proto.imgs] == expected


def test_another_list_of_cases_begins_at_its_first_page(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.components.operating_point.PER_PAGE", 2)
    make_study("s", phantom, SCHEMES, strength=0.5)
    app = open_page("compare", study="s", show="point", level="0.8", b="none", cases="2")
    app.selectbox(key="b").set_value("weighted").run()
    assert not app.exception
    flips = study.find_flips(study.predictions("s"), "test", "standard", "weighted", Aim("specificity", 0.8))
    assert len(flips) > 2
    assert [picture.alt.partition(",")[0] for picture in app.image[0].proto.imgs] == [f"Image {case.image_id}" for case in flips[:2]]


def test_schemes_that_flip_are_two_different_ones(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    app = open_page("compare", study="s", show="point", a="weighted", b="weighted")
    assert not app.exception
    assert app.selectbox(key="a").value == "weighted"
    assert app.selectbox(key="b").value != "weighted"
    assert address_of(app, "b") == [app.selectbox(key="b").value]


def test_pictures_of_a_dataset_that_is_gone_are_missed_in_words(phantom: str, workspace: Path) -> None:
    make_study("s", phantom, SCHEMES)
    (workspace / "datasets" / phantom / "dataset.json").unlink()
    app = open_page("compare", study="s", show="point")
    assert not app.exception and not app.error
    assert any(phantom in info.value and "images cannot be shown" in info.value for info in app.info)
    assert app.get("download_button"), "what can be taken away still can"


def test_a_class_is_called_by_its_name_and_not_by_what_markdown_makes_of_it(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_study("s", phantom, SCHEMES)
    plan, analysis = study.load_plan("s"), study.load_analysis("s")
    named = dataclasses.replace(plan, study=dataclasses.replace(plan.study, positive="_in *situ*_"))
    monkeypatch.setattr(study, "load_plan", lambda name: named)
    monkeypatch.setattr(study, "load_analysis", lambda record: dataclasses.replace(analysis, positive="_in *situ*_"))
    app = open_page("compare", study="s")
    assert not app.exception and not app.error
    assert "are \\_in \\*situ\\*\\_, so that" in texts(app)
    app = open_page("compare", study="s", show="point", level="0.8", b="weighted")
    assert not app.exception and not app.error
    assert all("\\_in \\*situ\\*\\_" in str(caption) for caption in app.image[0].captions)


# --- seeds, ratios, settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "warned"), [((0,), True), ((0, 1), True), ((0, 1, 2), False)])
def test_fewer_than_three_seeds_are_a_warning(phantom: str, seeds: tuple[int, ...], warned: bool) -> None:
    make_study("s", phantom, ["none", "standard"], seeds=seeds)
    app = open_page("compare", study="s", show="spread")
    assert not app.exception
    assert any("luck of a start" in warning.value for warning in app.warning) is warned


def test_ratios_of_one_generator_are_a_curve(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    names = ["standard", *(f"standard+synthetic:{DCGAN}@{ratio}" for ratio in (1.0, 0.25, 0.5))]
    make_study("s", phantom, names, seeds=(0, 1, 2))
    app = open_page("compare", study="s", show="spread")
    curve = charts(app)[-1]
    part = study.load_analysis("s").part("test")
    assert curve["data"][0]["x"] == [0.0, 0.25, 0.5, 1.0]
    assert curve["data"][0]["y"] == [part.arm(name).auc.value for name in (names[0], names[2], names[3], names[1])]
    assert curve["data"][1]["y"] == list(part.arm(names[0]).seed_aucs)
    assert "differ in their ratio alone" not in texts(app)
    make_study("plain", phantom, ["none", "standard"])
    app = open_page("compare", study="plain", show="spread")
    assert "differ in their ratio alone" in texts(app) and len(charts(app)) == 2


def test_settings_that_differ_are_shown_and_the_others_on_wish(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    make_study("other", phantom, ["standard"], seeds=(5,))
    app = open_page("compare", study="s", show="settings", also="other")
    assert not app.exception
    between, of_studies = (frame.value.set_index("Property") for frame in app.dataframe)
    assert between.loc["balancing"].tolist() == ["none", "none", "weighted"]
    assert of_studies.loc["seeds"].tolist() == ["0, 1", "5"]
    assert "dataset" not in of_studies.index and "real training images" not in between.index
    app = open_page("compare", study="s", show="settings", also="other", same="true")
    between, of_studies = (frame.value.set_index("Property") for frame in app.dataframe)
    assert of_studies.loc["dataset"].tolist() == [phantom, phantom]
    assert "real training images" in between.index


def test_what_is_chosen_stands_in_the_address_and_nothing_too(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    app = open_page("compare", study="s")
    assert address_of(app, "schemes") == SCHEMES
    app.multiselect(key="schemes").set_value(["standard"]).run()
    assert address_of(app, "schemes") == ["standard"]
    app.multiselect(key="schemes").set_value([]).run()
    assert not app.exception and "at least one scheme" in texts(app)
    again = open_page("compare", study="s", schemes=address_of(app, "schemes"))
    assert again.multiselect(key="schemes").value == []


def test_another_study_brings_its_own_schemes_without_a_warning(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard"], seeds=(0, 1, 2))
    make_study("t", phantom, ["standard", "oversample"], seeds=(0, 1, 2))
    app = open_page("compare", study="s", schemes=["none", "gone"])
    assert "gone" in app.warning[0].value and "none" not in app.warning[0].value
    app.selectbox(key="study").set_value("t").run()
    assert app.multiselect(key="schemes").value == ["standard", "oversample"]
    assert not any("There is no" in warning.value for warning in app.warning)


def test_a_study_without_results_is_not_laid_over_another(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard"])
    make_study("later", phantom, ["none", "standard"], finish=False)
    app = open_page("compare", study="s", also="later")
    assert not app.exception and not app.error
    assert "has no results yet" in texts(app)
    assert table_with(app, "AUC (95 % interval)")["Scheme"].tolist() == ["none", "standard"]


def test_no_more_schemes_are_drawn_than_can_be_told_apart(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard", "weighted", "oversample"], seeds=(0, 1, 2))
    make_study("t", phantom, ["standard", "oversample", "weighted"], seeds=(0, 1, 2))
    app = open_page("compare", study="s", also="t")
    assert not app.exception
    assert table_with(app, "Brier")["Scheme"].tolist()[4:] == ["t: standard", "t: oversample"]
    assert "Of t, 1 scheme is left out" in app.warning[0].value
    named = [trace for trace in charts(app)[0]["data"] if trace.get("name")]
    assert len({(trace["line"]["color"], trace["line"]["dash"]) for trace in named}) == len(named) == 6


def test_settings_of_a_generator_differ_only_between_generators(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    make_run(ACGAN, "acgan", phantom)
    names = ["standard", f"standard+synthetic:{DCGAN}@1.0", f"standard+synthetic:{ACGAN}@1.0"]
    plan = make_study("s", phantom, names, finish=False)
    one = study_tables.arm_differences(plan, names[:2]).set_index("Property")
    assert one.loc["generator: GAN"].tolist() == ["none", "dcgan"]
    assert "generator: width" not in one.index and "generator: aux_g" not in one.index
    both = study_tables.arm_differences(plan, names).set_index("Property")
    assert both.loc["generator: class"].tolist() == ["–", "malignant", "all"]
    assert not {"generator: width", "generator: aux_g"} & set(both.index), "a DC-GAN does not read aux_g"
    assert study_tables.arm_differences(plan, names, everything=True).set_index("Property").loc["generator: width"].tolist()[0] == "–"


def test_a_curated_arm_names_the_generators_of_its_pictures(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    plan = make_study("s", phantom, ["standard", "none"], finish=False)
    arms = (plan.arm("standard"), dataclasses.replace(plan.arm("none"), curated_from=(f"{DCGAN}@1",)))
    table = study_tables.arm_differences(dataclasses.replace(plan, arms=arms), ["standard", "none"]).set_index("Property")
    assert table.loc["generator"].tolist() == ["none", f"{DCGAN}@1"]
    assert table.loc["generator: GAN"].tolist() == ["none", "dcgan"]


def test_no_verdict_stands_in_the_table_where_the_base_did_not_learn(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard"], strength=0)
    assert table_with(open_page("compare", study="s"), "Says")["Says"].tolist() == ["withheld", ""]
    make_study("t", phantom, ["none", "standard"])
    says = table_with(open_page("compare", study="t"), "Says")["Says"].tolist()
    assert says == [study_tables.OUTCOMES[study.load_analysis("t").part("test").comparison("none").outcome], ""]


@pytest.mark.parametrize("content", ["{}", "not json"])
@pytest.mark.parametrize("show", ["curves", "point", "spread", "settings"])
def test_results_that_cannot_be_read_are_explained(phantom: str, show: str, content: str) -> None:
    make_study("s", phantom, ["none", "standard"])
    files.write_text(study.study_folder("s") / "analysis.json", content)
    app = open_page("compare", study="s", show=show)
    assert not app.exception
    assert len(app.error) == 1 and "Traceback" not in texts(app)


def test_every_figure_says_what_it_was_measured_on(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    part = study.load_analysis("s").part("test")
    lines = [figure_parts.Line(arm.scheme, arm, place, part.comparison(arm.scheme), "s") for place, arm in enumerate(part.arms)]
    calls = dict(zip(SCHEMES, study.carry_over(study.predictions("s"), "test", tuple(SCHEMES), Aim("specificity", 0.9)), strict=True))
    figures = [
        roc.operating(part, lines, calls, "specificity 0.9"), roc.net_benefit(part, lines), spread.seeds(part, lines),
        spread.seed_differences(part, "standard", lines),
    ]  # fmt: skip
    for figure in figures:
        words = " ".join(note.text for note in figure.layout.annotations)
        assert figure_parts.statement(part) in words
        assert all(f"<b>{line.label}</b>" in words for line in lines if line.comparison or figure is not figures[-1])
    dots = [trace for trace in figures[2].data if trace.marker.color == "rgba(0,0,0,0)"]
    assert [list(trace.x) for trace in dots] == [list(arm.seed_aucs) for arm in part.arms]


# --- to take away ------------------------------------------------------------------------------------------------------------------------


def test_report_tables_and_numbers_can_be_taken_away(phantom: str) -> None:
    make_study("s", phantom, SCHEMES)
    app = open_page("compare", study="s")
    assert [button.proto.label for button in app.get("download_button")] == [
        "Report (HTML)", "Numbers and predictions (CSV)", "Plan and numbers (JSON)",
    ]  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(study_results._tables("s"))) as packed:
        assert {"results.csv", "predictions.csv", "net_benefit.csv", "study.json"} <= set(packed.namelist())
    assert json.loads(study_results._json("s"))["analysis"]["study"] == "s"
    page, without = (study_results._report("s", photographs).decode() for photographs in (True, False))
    assert study.load_analysis("s").verdict.split(":")[0] in page
    assert "data:image/jpeg" in page and "data:image/jpeg" not in without


# --- sweeps ------------------------------------------------------------------------------------------------------------------------------


def test_without_a_sweep_the_page_says_what_one_is(phantom: str) -> None:
    app = open_page("compare", view="sweeps")
    assert not app.exception and "No sweep" in app.info[0].value
    app = click(app, "Plan a sweep")
    assert app.subheader[0].value == "New sweep"


def test_a_finished_sweep_shows_its_verdict_its_curves_and_its_numbers(phantom: str) -> None:
    sweep = make_sweep("w", phantom, ["standard", "oversample", "weighted"], seeds=(0, 1, 2))
    result = study.load_sweep_result(sweep)
    app = open_page("compare", view="sweeps", sweep="w")
    assert not app.exception and not app.error and not app.warning
    assert result.verdict.split(":")[0] in app.info[0].value.replace("\\", "")
    shown = table_with(app, "AUC of the base")
    assert shown["AUC"].tolist() == [f"{row.auc:.3f}" for row in result.rows]
    assert shown["Scheme"].tolist() == ["oversample", "weighted"] * 2
    aucs, differences = charts(app)
    firsts = [study.load_analysis(point.study).part("test").arm("standard").auc.value for point in sweep.points]
    assert aucs["data"][0]["y"] == firsts
    assert differences["data"][1]["y"] == [row.difference for row in result.rows if row.scheme == "weighted"]
    assert [trace["line"]["dash"] for trace in aucs["data"]] == ["solid", "dash", "dot"]
    links = [link.proto.label.replace("\\", "") for link in app.get("page_link")]
    assert [label for label in links if label.startswith("Study: ")] == [f"Study: {point.label}" for point in sweep.points]


def test_a_sweep_that_is_not_done_says_how_far_it_is_and_goes_on(phantom: str) -> None:
    make_sweep("w", phantom, ["standard", "oversample"], done=1)
    app = open_page("compare", view="sweeps")
    assert not app.exception
    shown = table_with(app, "State")
    assert shown["State"].tolist() == ["done", "new"]
    assert shown["Classifiers"].tolist() == ["4 of 4 done", "0 of 4 done"]
    app = click(app, "Go on with this sweep")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments) == ("sweep", {"name": "w"})
    assert "Go on with this sweep" not in [button.label for button in app.button]


def test_folds_bring_their_test_over_folds(phantom: str) -> None:
    sweep = make_sweep("w", phantom, ["standard", "oversample"], folds=3)
    (fold,) = study.load_sweep_result(sweep).folds
    app = open_page("compare", view="sweeps", sweep="w")
    assert not app.exception
    assert any(fold.method.split()[0] in text.value and "over the folds" in text.value for text in app.markdown)
    assert any("Only 2 seeds" in warning.value for warning in app.warning)
    assert {trace["mode"] for chart in charts(app) for trace in chart["data"]} == {"markers"}, "folds have no order"


def test_the_form_plans_a_sweep_and_queues_it(phantom: str) -> None:
    app = open_page("compare", view="plan")
    assert not app.exception
    assert "3 splits, each with 1 generator and 6 classifiers: 21 trainings" in texts(app)
    app.text_input[0].set_value("mine")
    app.multiselect(key="sweep_schemes").set_value(["standard", "oversample"])
    app = click(app, "Plan and run")
    assert not app.error
    sweep = study.load_sweep("mine")
    assert (sweep.kind, sweep.schemes, sweep.base, len(sweep.points)) == ("fraction", ("standard", "oversample"), "standard", 3)
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["name"]) == ("sweep", "mine")
    assert address_of(app, "sweep") == ["mine"]


@pytest.mark.parametrize(("view", "prefix"), [("new", "study"), ("plan", "sweep")])
def test_of_several_splits_one_is_chosen(phantom: str, view: str, prefix: str) -> None:
    app = open_page("compare", view=view)
    assert "Split" not in [widget.label for widget in app.selectbox], "there is nothing to choose"
    other = make_split(phantom, seed=1)
    app = open_page("compare", view=view)
    app.selectbox(key=f"study_split-{phantom}").set_value(other.id)
    app.multiselect(key=f"{prefix}_schemes").set_value(["standard", "oversample"])
    app = click(app, "Plan and run")
    assert not app.error, app.error
    planned = study.list_studies()[0].split_id if prefix == "study" else study.list_sweeps()[0].points[-1].split_id
    assert planned == other.id


def test_the_form_plans_folds_with_a_generator_of_their_own(phantom: str) -> None:
    app = open_page("compare", view="plan")
    app.segmented_control(key=f"sweep_kind-{phantom}").set_value("fold").run()
    app.number_input[0].set_value(2)
    app = click(app, "Plan and run")
    assert not app.error, app.error
    (sweep,) = study.list_sweeps()
    assert sweep.kind == "fold" and len(sweep.points) == 2
    assert sweep.recipes == (study.Recipe("train(dcgan)", "dcgan", "malignant"),)
    assert sweep.gan_settings == {"total_kimg": 100.0}


def test_the_form_plans_a_sweep_with_an_external_test_set(phantom: str) -> None:
    make_phantom("another", 60, 32, seed=5)
    app = open_page("compare", view="plan")
    app.selectbox(key="sweep_data").set_value(phantom).run()
    app.multiselect(key="sweep_schemes").set_value(["standard", "oversample"])
    app.selectbox(key=f"external-{phantom}").set_value("another")
    app = click(app, "Plan and run")
    assert not app.error, app.error
    (sweep,) = study.list_sweeps()
    assert sweep.external == "another"


def test_a_finished_sweep_and_study_are_shown_without_their_dataset(phantom: str) -> None:
    make_sweep("s", phantom, ["none", "standard"], seeds=(0, 1, 2))
    make_study("alone", phantom, SCHEMES)
    shutil.rmtree(open_dataset(phantom).folder)
    app = open_page("compare", view="sweeps", sweep="s")
    assert not app.exception and not app.error
    assert "Phantom images" in texts(app) and len(app.get("plotly_chart")) == 2
    app = open_page("compare", study="alone", show="point", level="0.8")
    assert not app.exception and not app.error
    assert "The images cannot be shown." in texts(app)


def test_a_sweep_and_a_study_go_on_when_runs_of_theirs_were_deleted(phantom: str) -> None:
    sweep = make_sweep("s", phantom, ["none", "synthetic:train(dcgan)@1.0"], done=0)
    run = make_run(DCGAN, "dcgan", phantom, "malignant")
    point, recipe = sweep.points[-1], sweep.recipes[0]
    assert study.load_sweep("s").points[-1].split_id == run.split_id
    study.note_run(sweep, point, recipe, run.id)
    planned = study.plan("half", phantom, ["none"], (0, 1), ClassifierConfig(resolution=64, steps=10))
    study.write_cell(study.find_cell(planned, "none", 0), run.id)
    shutil.rmtree(runs.run_folder(run.id))
    app = open_page("compare", view="sweeps", sweep="s")
    assert not app.error
    assert table_with(app, "Generators")["Generators"].tolist() == ["0 of 1 trained", "0 of 1 trained, 1 deleted"]
    assert "Go on with this sweep" in [button.label for button in app.button]
    app = open_page("compare", study="half")
    assert not app.error
    shown = table_with(app, "Where it is")
    assert shown["State"].tolist() == ["new", "new"] and f"{run.id} was deleted" in shown["Where it is"][0]
    assert "Go on with this study" in [button.label for button in app.button]


def test_a_sweep_that_is_refused_is_explained_and_queues_nothing(phantom: str) -> None:
    app = open_page("compare", view="plan")
    app.text_input[0].set_value("no/name")
    app = click(app, "Plan and run")
    assert "no/name" in app.error[0].value.replace("\\", "")
    assert jobs.list_jobs() == [] and study.list_sweeps() == []


@pytest.mark.parametrize(("view", "prefix"), [("new", "study"), ("plan", "sweep")])
def test_the_chosen_base_stays_as_long_as_it_is_among_the_schemes(phantom: str, view: str, prefix: str) -> None:
    app = open_page("compare", view=view)
    schemes, base = f"{prefix}_schemes", f"{prefix}_base"
    app.multiselect(key=schemes).set_value(["none", "standard"]).run()
    assert app.selectbox(key=base).value == "standard"
    app.selectbox(key=base).set_value("none").run()
    for chosen, expected in ((["none", "standard", "weighted"], "none"), (["standard", "weighted"], "standard"), ([], None)):
        app.multiselect(key=schemes).set_value(chosen).run()
        assert not app.exception and app.selectbox(key=base).value == expected
    app.multiselect(key=schemes).set_value(["weighted"]).run()
    assert app.selectbox(key=base).value == "weighted"


@pytest.mark.parametrize(("view", "prefix"), [("new", "study"), ("plan", "sweep")])
def test_a_typed_name_outlasts_another_dataset_and_an_offered_one_follows_it(phantom: str, view: str, prefix: str) -> None:
    make_phantom("another", 60, 64, seed=5)
    app = open_page("compare", view=view)
    assert app.text_input(key=f"{prefix}_name").value == f"another-{prefix}-1"
    app.selectbox(key=f"{prefix}_data").set_value(phantom).run()
    assert app.text_input(key=f"{prefix}_name").value == f"phantom-{prefix}-1"
    app.text_input(key=f"{prefix}_name").set_value("mine").run()
    app.selectbox(key=f"{prefix}_data").set_value("another").run()
    assert not app.exception and app.text_input(key=f"{prefix}_name").value == "mine"


def test_several_ratios_are_offered_where_a_study_is_planned(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    app = open_page("compare", view="new")
    offered = app.multiselect(key="study_schemes").options
    assert sum("as many as real" in option for option in offered) == 2
    app.pills(key="ratios").set_value([0.5, 1.0, 2.0]).run()
    assert not app.exception
    offered = app.multiselect(key="study_schemes").options
    assert [option for option in offered if option.startswith("standard + synthetic") and "real" in option] == [
        f"standard + synthetic, {words} (DC-GAN ab12, malignant)"
        for words in ("0.5 times as many as real", "as many as real", "2 times as many as real")
    ]


# --- generators --------------------------------------------------------------------------------------------------------------------------


def audited(subject: str, sheet: str, **changes: Any) -> dict[str, Any]:
    """An audit as its file holds it, as far as pages look at it."""
    space = {"space": "pixels", "auth_pct": [31.0, 78.0], "ct": -8.9}
    found = {"subject": subject, "verdict": "copies", "identical": 3, "n_fake": 100, "near_duplicates": [12, 1], "spaces": [space]}
    return found | {"n_train": 87, "n_held_out": 60, "sheet": sheet, "pairs": [{}] * 8, "reasons": ["Three are copies."]} | changes


def test_audits_stand_beside_the_numbers(phantom: str, tmp_path: Path) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    make_run(ACGAN, "acgan", phantom)
    app = open_page("compare", view="generators")
    assert "None of them has been audited yet" in texts(app)
    sheet = tmp_path / "sheet.png"
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(sheet)
    path = runs.run_folder(DCGAN) / "audits.jsonl"
    append_lines(path, [audited(f"{DCGAN}@1", str(sheet), verdict="no sign of copying"), audited(f"{DCGAN}@2", str(sheet))])
    append_lines(path, [audited(f"{DCGAN}@1", str(sheet), verdict="too few images to say")])
    app = open_page("compare", view="generators")
    assert not app.exception
    shown = table_with(app, "AuthPct")
    assert shown["Verdict"].tolist() == ["too few images to say", "copies"]
    assert shown["Near-duplicates"].tolist() == ["12 / 1"] * 2 and shown["AuthPct"][1] == "31 % / 78 %"
    assert f"{DCGAN}@2" in app.error[0].value.replace("\\", "") and "no new patients" in app.error[0].value
    assert not app.image and ACGAN in texts(app).replace("\\", "")
    app = open_page("compare", view="generators", pairs="true")
    assert len(app.image) == 2 and "8 closest pairs" in app.image[0].proto.imgs[0].alt
    sheet.unlink()
    assert "audit again" in texts(open_page("compare", view="generators", pairs="true"))


def test_an_audit_without_enough_images_has_no_test(phantom: str) -> None:
    space = {"space": "derm", "auth_pct": [70.0, 72.0], "ct": None}
    shown = generator_audit.table([audited("a@1", "", spaces=[space])])
    assert shown["C_T"].tolist() == ["too few images"] and shown["Seen through"].tolist() == ["derm"]


@pytest.mark.parametrize(("label", "kind"), [("Measure", "evaluate"), ("Choose the best snapshot", "select_best"), ("Audit", "audit")])
def test_a_generator_is_measured_or_audited_from_the_page(phantom: str, label: str, kind: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    app = click(open_page("compare", view="generators"), label)
    assert not app.exception
    (job,) = jobs.list_jobs()
    assert job.kind == kind
    subject = "run_id" if kind == "select_best" else "reference"
    assert {key: job.arguments[key] for key in (subject, "data", "extractor", "n")} == {
        subject: DCGAN, "data": phantom, "extractor": "derm", "n": 1000,
    }  # fmt: skip


def test_generators_are_chosen_by_the_address(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    make_run(ACGAN, "acgan", phantom)
    app = open_page("compare", view="generators", runs=[ACGAN])
    assert app.multiselect(key="runs").value == [ACGAN]
    assert DCGAN not in texts(app).replace("\\", "")


def test_no_picture_is_altered_on_its_way(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    encode = images.png_bytes
    monkeypatch.setattr(images, "png_bytes", lambda pixels: sent.append(encode(pixels)) or sent[-1])
    make_study("s", phantom, SCHEMES)
    app = open_page("compare", study="s", show="point")
    image_set = open_dataset(phantom)
    row_of = {name: row for row, name in enumerate(image_set.table["image_id"])}
    names = [picture.alt.partition(",")[0].removeprefix("Image ") for picture in app.image[0].proto.imgs]
    assert names
    for name, content in zip(names, sent, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), image_set.images[row_of[name]])
