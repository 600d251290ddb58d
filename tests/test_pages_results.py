"""The pages Explore, Review and Compare, driven without a browser: empty, filled, and with something wrong."""

import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import make_batch, make_run, make_study
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import _as_on_the_server, click, open_page, texts  # noqa: F401 (the fixture applies here too)

from gan_aug import files, images, jobs, runs, store, study, workspace
from gan_aug.errors import UserError
from gan_aug.metrics.record import MetricRecord, append_records, evaluations, evaluations_file
from gan_aug.records import NOTICE
from pages.components import generation, generator_metrics, roc, study_tables

PAGES = ("explore", "review", "compare")
DCGAN, ACGAN = "dcgan-phantom-malignant-ab12", "acgan-phantom-cd34"


@pytest.fixture
def generators(phantom: str) -> str:
    """A workspace with an unconditional and a conditional generator of the phantom dataset."""
    make_run(DCGAN, "dcgan", phantom, "malignant", kimg=(1.0, 2.5, 4.0))
    make_run(ACGAN, "acgan", phantom)
    return phantom


def sent(app: AppTest, name: str) -> dict[str, Any]:
    """What a page hands to its component ``name`` in the browser."""
    (element,) = [element for element in app.get("bidi_component") if element.proto.component_name == name]
    return json.loads(element.proto.json)


# --- every page --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_an_empty_workspace_says_what_to_do(workspace: Path, name: str) -> None:
    app = open_page(name)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == name.capitalize()
    assert app.info
    assert NOTICE in [caption.value for caption in app.sidebar.caption]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_a_filled_workspace(generators: str, name: str) -> None:
    app = open_page(name)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("name", PAGES)
def test_a_page_whose_files_are_damaged_says_so_in_words(generators: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise UserError("The disk is gone.", "Plug it in.")

    for module, function in ((runs, "scan_runs"), (store, "batches"), (study, "scan_studies")):
        monkeypatch.setattr(module, function, broken)
    app = open_page(name)
    assert not app.exception
    assert "The disk is gone" in app.error[0].value
    assert "Plug it in" in app.error[0].value


@pytest.mark.parametrize(("name", "key"), [("explore", "run"), ("review", "batch"), ("compare", "study")])
def test_a_link_to_something_that_is_gone_says_so(generators: str, name: str, key: str) -> None:
    make_batch("here", 3)
    make_study("here", generators, ["none", "standard"])
    app = open_page(name, **{key: "gone"})
    assert not app.exception
    assert "gone" in app.warning[0].value


# --- explore -----------------------------------------------------------------------------------------------------------------------------


def test_a_walk_has_as_many_pictures_as_asked_for_and_each_says_where_it_comes_from(generators: str, tmp_path: Path) -> None:
    app = open_page("explore", run=DCGAN, at="2.5", seeds="5,9,12", frames="11")
    film = sent(app, "gan_aug_filmstrip")
    (row,) = film["rows"]
    assert len(row["frames"]) == len(film["captions"]) == 11
    assert row["resolution"] == 64
    assert "Phantom" in row["note"]
    assert film["captions"][0] == "seed 5"
    assert film["captions"][5] == "seed 9"
    assert film["captions"][6] == "20 % of the way from seed 9 to seed 12"
    path = tmp_path / row["frames"][4]["name"]
    path.write_bytes(base64.b64decode(row["frames"][4]["src"].removeprefix("data:image/png;base64,")))
    origin = images.read_provenance(path)
    assert origin["seeds"] == [5, 9, 12]
    assert origin["frame"] == 4
    assert origin["generators"][0]["checkpoint"] == f"{DCGAN}@2.5"
    assert origin["notice"] == NOTICE


def test_the_ends_of_a_walk_are_the_pictures_of_its_seeds(generators: str) -> None:
    walk = sent(open_page("explore", run=DCGAN, seeds="5,9"), "gan_aug_filmstrip")["rows"][0]["frames"]
    wall = sent(open_page("explore", run=DCGAN, mode="seeds"), "gan_aug_filmstrip")["rows"][0]["frames"]
    assert len(wall) == 60
    assert np.array_equal(pixels(walk[0]), pixels(wall[5]))
    assert np.array_equal(pixels(walk[-1]), pixels(wall[9]))
    assert not np.array_equal(pixels(walk[0]), pixels(walk[-1]))


def pixels(frame: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(frame["src"].partition(",")[2]))))


def test_the_class_axis_offers_only_generators_that_know_classes(generators: str) -> None:
    app = open_page("explore", mode="class", seed="4")
    film = sent(app, "gan_aug_filmstrip")
    (offered,) = app.selectbox(key="run").options
    assert ACGAN in offered
    assert film["captions"][0] == "benign"
    assert film["captions"][-1] == "malignant"


def test_without_such_a_generator_the_class_axis_says_what_to_train(phantom: str) -> None:
    make_run(DCGAN, "dcgan", phantom, "malignant")
    app = open_page("explore", mode="class")
    assert not app.exception
    assert "learned several classes" in app.info[0].value


def test_side_by_side_shows_one_row_per_generator_and_one_column_per_seed(generators: str) -> None:
    film = sent(open_page("explore", mode="same", list="3,7,12"), "gan_aug_filmstrip")
    assert [len(row["frames"]) for row in film["rows"]] == [3, 3]
    assert film["marks"] == ["3", "7", "12"]


def test_side_by_side_shows_the_snapshots_of_one_training(generators: str) -> None:
    film = sent(open_page("explore", mode="same", rows="training", run=DCGAN, list="1"), "gan_aug_filmstrip")
    assert [row["label"] for row in film["rows"]] == [f"DC-GAN, {kimg} thousand images" for kimg in ("1", "2.5", "4")]


@pytest.mark.parametrize("text", ["x", "5", "9-3", "0-400"])
def test_seeds_that_make_no_walk_are_refused_in_words(generators: str, text: str) -> None:
    app = open_page("explore", seeds=text)
    assert not app.exception
    assert len(app.error) == 1


def test_browsing_seeds_goes_on_by_sixty(generators: str) -> None:
    app = click(open_page("explore", mode="seeds", run=DCGAN), "Next 60")
    assert sent(app, "gan_aug_filmstrip")["marks"][0] == "60"
    app = click(app, "Previous 60")
    assert sent(app, "gan_aug_filmstrip")["marks"][0] == "0"


def test_a_snapshot_that_cannot_be_prepared_is_explained(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise UserError("It could not be exported.", "Use an earlier snapshot.")

    monkeypatch.setattr(generation, "ensure_onnx", fail)
    make_run(DCGAN, "dcgan", phantom, "malignant", exported=False)
    app = open_page("explore")
    assert not app.exception
    assert "earlier snapshot" in app.error[0].value


def test_downloads_are_a_moving_picture_and_a_strip(generators: str) -> None:
    run, checkpoint = runs.resolve(DCGAN)
    generated = generation.walk(run, checkpoint, (1, 2), 8, None)
    assert Image.open(io.BytesIO(generation.animation(generated, ".webp"))).n_frames == 8
    assert Image.open(io.BytesIO(generation.animation(generated, ".gif"))).n_frames == 8
    assert Image.open(io.BytesIO(generation.animation(generated, ".png"))).size == (8 * 64, 64)


# --- compare -----------------------------------------------------------------------------------------------------------------------------

SCHEMES = ["none", "standard", f"standard+synthetic:{DCGAN}@1.0"]


def test_a_finished_study_shows_its_verdict_its_figures_and_its_numbers(generators: str) -> None:
    make_study("s", generators, SCHEMES)
    analysis = study.load_analysis("s")
    app = open_page("compare")
    assert not app.exception
    assert analysis.verdict.split()[0] in app.info[0].value
    assert "Phantom" in texts(app)
    table = next(frame.value for frame in app.dataframe if "AUC (95 % interval)" in frame.value)
    part = analysis.part("test")
    assert table["Scheme"].tolist() == ["none", "standard", "standard+synthetic ×1 (DC-GAN ab12)"]
    assert table["AUC (95 % interval)"][0].startswith(f"{part.arm('none').auc.value:.3f}")
    assert table["Difference to standard"][1] == ""
    assert len(app.get("plotly_chart")) == 4
    assert len(open_page("compare", study="s", layout="apart").get("plotly_chart")) == 3 + 2


def test_what_was_noted_when_a_study_was_planned_stands_beside_its_verdict(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_study("s", phantom, ["none", "standard"])
    planned, note = study.load_plan, "What the initial weights theirs.pth were trained on is not known here."
    monkeypatch.setattr(study, "load_plan", lambda name: dataclasses.replace(planned(name), notes=(note,)))
    assert note in texts(open_page("compare")).replace("\\", "")


def test_a_study_whose_base_did_not_learn_gives_no_verdict(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard"], strength=0)
    app = open_page("compare")
    assert "did not learn" in app.warning[0].value


def test_only_chosen_schemes_are_shown(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard", "weighted"])
    app = open_page("compare", schemes="weighted")
    table = next(frame.value for frame in app.dataframe if "AUC (95 % interval)" in frame.value)
    assert table["Scheme"].tolist() == ["weighted"]


def test_a_study_on_other_test_images_is_not_overlaid(phantom: str) -> None:
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    make_phantom("another", images=120, size=64, seed=9)
    make_split("another")
    make_study("s", phantom, ["none", "standard"])
    make_study("like", phantom, ["standard", "weighted"])
    make_study("unlike", "another", ["none", "standard"])
    app = open_page("compare", study="s", also="like")
    table = next(frame.value for frame in app.dataframe if "AUC (95 % interval)" in frame.value)
    assert table["Scheme"].tolist() == ["none", "standard", "like: standard", "like: weighted"]
    assert table["Difference to standard"].tolist()[2:] == ["", ""]  # paired tests exist within a study only
    app = open_page("compare", study="s", also="unlike")
    assert "another" in app.error[0].value
    table = next(frame.value for frame in app.dataframe if "AUC (95 % interval)" in frame.value)
    assert table["Scheme"].tolist() == ["none", "standard"]


def test_an_unfinished_study_says_how_far_it_is_and_can_go_on(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard"], finish=False)
    app = open_page("compare")
    assert not app.exception
    assert app.dataframe[0].value["State"].tolist() == ["done", "new", "done", "new"]
    app = click(app, "Go on with this study")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["name"]) == ("study", "s")
    assert "Go on with this study" not in [button.label for button in app.button]


def test_the_form_plans_a_study_and_queues_it(phantom: str) -> None:
    app = open_page("compare", view="new")
    app.text_input[0].set_value("mine")
    app = click(app, "Plan and run")
    assert not app.error
    assert study.load_study("mine").schemes == ("none", "standard")
    (job,) = jobs.list_jobs()
    assert (job.kind, job.arguments["name"]) == ("study", "mine")
    assert "classifiers trained" in texts(app) or app.dataframe


def test_a_plan_that_is_refused_is_explained_and_queues_nothing(phantom: str) -> None:
    app = open_page("compare", view="new")
    app.text_input[0].set_value("no/name")
    app = click(app, "Plan and run")
    assert "no/name" in app.error[0].value.replace("\\", "")
    assert jobs.list_jobs() == []


def test_what_differs_between_arms_leaves_out_what_does_not(generators: str) -> None:
    plan = make_study("s", generators, SCHEMES, finish=False)
    table = study_tables.arm_differences(plan, SCHEMES).set_index("Property")
    assert table.loc["classic augmentation"].tolist() == ["no", "yes", "yes"]
    assert table.loc["generator: GAN"].tolist() == ["none", "none", "dcgan"]
    assert "real training images" not in table.index


def test_scheme_labels_are_full_where_short_ones_would_look_alike(generators: str) -> None:
    one, other = f"synthetic:{DCGAN}@1@0.5", f"synthetic:{DCGAN}@4@0.5"
    assert study_tables.scheme_labels([one]) == {one: "synthetic ×0.5 (DC-GAN ab12)"}
    assert study_tables.scheme_labels([one, other]) == {one: one, other: other}


def test_every_figure_says_what_it_was_measured_on_and_arms_differ_in_more_than_colour(phantom: str) -> None:
    make_study("s", phantom, ["none", "standard", "weighted"])
    part = study.load_analysis("s").part("test")
    lines = [roc.Line(arm.scheme, arm, place, part.comparison(arm.scheme)) for place, arm in enumerate(part.arms)]
    figures = [
        roc.roc(part, lines), roc.roc_panel(part, lines[0], lines[1]), roc.precision_recall(part, lines), roc.reliability(part, lines),
        roc.differences(part, "standard", lines),
    ]  # fmt: skip
    for figure in figures:
        assert f"{part.n} images of phantom's test part; not a clinical performance claim." in [
            note.text for note in figure.layout.annotations
        ]
    curves = [trace for trace in figures[0].data if trace.mode == "lines" and trace.name]
    assert len({trace.line.dash for trace in curves}) == len({trace.line.color for trace in curves}) == 3
    named = " ".join(note.text for note in figures[0].layout.annotations)
    assert all(f"<b>{line.label}</b>" in named for line in lines)


# --- generators side by side -------------------------------------------------------------------------------------------------------------


def measured(subject: str, value: float, metric: str = "kid", **changes: Any) -> MetricRecord:
    record = MetricRecord(
        metric=metric, value=value, ci=(value - 0.01, value + 0.01), subject=subject, extractor="random-conv:0", weights_sha256="a" * 64,
        dim=64, n_real=100, n_fake=100, real_set_fingerprint="r" * 64, fake_set_fingerprint="f" * 64, resize="none", image_size=64,
        codec="none", dataset="phantom", part="val", class_name="malignant", seed=0, floor_real_real=0.002, floor_n=100, notes=(),
        versions={}, created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    return dataclasses.replace(record, **changes)


def test_generators_measured_alike_stand_in_one_table_with_the_floor(generators: str) -> None:
    append_records(
        evaluations_file(DCGAN), [measured(f"{DCGAN}@4", 0.5), measured(f"{DCGAN}@4", 0.05), measured(f"{DCGAN}@4", 0.8, "recall")]
    )
    append_records(evaluations_file(ACGAN), [measured(f"{ACGAN}@2", 0.07)])
    app = open_page("compare", view="generators")
    assert not app.exception
    (frame,) = app.dataframe
    assert sorted(frame.value["Generator"][:2]) == [f"{ACGAN}@2", f"{DCGAN}@4"]
    assert frame.value["Generator"][2] == "real against real (floor)"
    kid = frame.value.set_index("Generator")["KID ↓"]
    assert kid[f"{DCGAN}@4"].startswith("0.0500 ")  # the newest of two
    assert kid["real against real (floor)"] == "0.0020"
    assert not app.warning


def test_of_many_snapshots_of_a_run_one_stands_beside_the_others_and_all_are_within_reach(generators: str) -> None:
    for at, value in ((1, 0.5), (2.5, 0.04), (4, 0.06)):
        append_records(evaluations_file(DCGAN), [measured(f"{DCGAN}@{at}", value), measured(f"{DCGAN}@{at}", 0.9, "recall")])
        append_records(evaluations_file(DCGAN), [measured(f"{DCGAN}@{at}", 0.8, "precision")])
    append_records(evaluations_file(ACGAN), [measured(f"{ACGAN}@2", 0.07)])
    used = runs.resolve(DCGAN)[1].id
    app = open_page("compare", view="generators", runs=[DCGAN, ACGAN])
    assert not app.exception
    assert len(app.dataframe) == 1, "nothing is drawn that is folded"
    app.session_state["as-training-went-on-1"] = True
    app.run()
    assert not app.exception
    beside, all_of_them = (frame.value["Generator"].tolist() for frame in app.dataframe)
    app.session_state["how-they-were-trained"] = True
    shown = app.run().dataframe[-1].value.set_index("Property")
    assert shown.loc["class"].tolist() == ["malignant", "all"] and shown.loc["GAN"].tolist() == ["dcgan", "acgan"]
    floor = "real against real (floor)"
    assert beside == [used, f"{ACGAN}@2", floor]
    assert all_of_them == [f"{ACGAN}@2", f"{DCGAN}@1", f"{DCGAN}@2.5", f"{DCGAN}@4", floor]
    *_, over_training = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    named = {trace["name"]: trace for trace in over_training["data"]}
    assert list(named) == ["DC-GAN ab12", "AC-GAN cd34"] and named["DC-GAN ab12"]["y"] == [0.5, 0.04, 0.06]
    append_records(evaluations_file(DCGAN), [measured(f"{DCGAN}@1", 0.5, n_fake=50)])
    group = next(group for group in generator_metrics.by_protocol(evaluations(DCGAN)) if group[0].n_fake == 50)
    assert [shown.subject for shown in generator_metrics.one_each(group, {name: runs.load_run(name) for name in (ACGAN, DCGAN)})] == [
        f"{DCGAN}@1"
    ]


def test_generators_measured_otherwise_are_not_ranked(generators: str) -> None:
    append_records(evaluations_file(DCGAN), [measured(f"{DCGAN}@4", 0.05)])
    append_records(evaluations_file(ACGAN), [measured(f"{ACGAN}@2", 0.07, n_fake=50)])
    app = open_page("compare", view="generators")
    assert len(app.dataframe) == 2
    assert "number of generated images" in app.warning[0].value
    groups = generator_metrics.by_protocol([measured("a", 1.0), measured("b", 2.0), measured("c", 3.0, weights_sha256="b" * 64)])
    assert [[record.subject for record in group] for group in groups] == [["a", "b"], ["c"]]


def test_the_class_that_was_measured_is_called_by_its_name(generators: str) -> None:
    append_records(evaluations_file(DCGAN), [measured(f"{DCGAN}@4", 0.5, class_name="_in *situ*_")])
    app = open_page("compare", view="generators")
    assert not app.exception
    assert "100 real images of phantom, \\_in \\*situ\\*\\_." in texts(app)


def test_generators_that_were_not_measured_are_named_with_the_command(generators: str) -> None:
    app = open_page("compare", view="generators")
    assert not app.exception
    assert any(f"gan-aug evaluate {DCGAN}" in code.value for code in app.code)


def test_before_anything_is_trained_pages_show_what_came_with_gan_aug(phantom: str) -> None:
    make_run("small-lesions", "dcgan", phantom)
    shipped = workspace.checkpoints() / "pretrained" / "small-lesions"
    shipped.parent.mkdir(exist_ok=True)
    (workspace.checkpoints() / "small-lesions").rename(shipped)
    files.write_bytes(shipped / "pictures.png", images.png_bytes(np.zeros((8, 8, 3), np.uint8)))
    app = open_page("overview")
    assert not app.exception
    said = texts(app).replace("\\", "")
    assert "which comes with gan_aug" in said and "1 came with gan_aug" in said
    assert app.image[0].proto.imgs[0].alt == "Lesions generated by small-lesions"
    app = open_page("train", run="small-lesions")
    assert not app.exception and "without the statistics of its training" in texts(app)
    assert [image.proto.imgs[0].alt for image in app.image] == ["Lesions generated by small-lesions"]
    make_run("mine", "dcgan", phantom)
    assert "The first statistics appear" in texts(open_page("train", run="mine"))
    said = texts(open_page("overview")).replace("\\", "")
    assert "which comes with gan_aug" not in said and "0 trained, 0 in training. 1 came with gan_aug." in said
