"""Sweeps over fractions, folds and sources, with a GAN trained anew in each; and how many steps a study needs."""

import dataclasses
import html
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_study import TINY, make_gan, seen_in

from gan_aug import cli, jobs, report, runs, stats, study, workspace
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import list_splits, load_split, make_split, usual_splits
from gan_aug.errors import CorruptFile, InvalidValue, LeakError, NotFound, UserError
from gan_aug.records import ClassifierConfig, Prediction, Study
from gan_aug.study import together
from gan_aug.study.sweep import scheme_at

SCHEMES = ("standard", "standard+synthetic:train(dcgan)@1.0")
QUICK_GAN = {"width": 4, "z_dim": 8, "batch_size": 4, "total_kimg": 0.008}


def plan(**options: object) -> study.Sweep:
    given = {"name": "w", "data": "phantom", "schemes": SCHEMES, "seeds": (0, 1), "config": TINY, "gan_settings": QUICK_GAN, **options}
    return study.plan_sweep(**given)


def finish(planned: Study, strengths: dict[str, float]) -> None:
    """Made-up predictions of a study: each scheme tells the classes apart by that many standard deviations."""
    if not runs.is_there("r"):
        make_gan("r", [])
    exams = [study.val_exam(planned.name)]
    for stage in ("val", "all"):
        for cell in study.cells(planned):
            found: list[Prediction] = []
            for exam in exams:
                noise = np.random.default_rng([cell.seed, len(exam.rows)]).normal(size=len(exam.rows))
                score = 1 / (1 + np.exp(-(strengths[cell.scheme] * exam.labels + noise)))
                found += exam.predictions(cell.study, cell.scheme, cell.seed, np.stack([1 - score, score], axis=1))
            study.write_cell(cell, "r", found)
        if stage == "val":
            exams += study.open_test(planned.name)
    study.analyse(planned)


def train_recipes(sweep: study.Sweep) -> None:
    """A made-up run for every recipe at every point, which has seen exactly that point's training images."""
    for number, point in enumerate(sweep.points, 1):
        split = load_split(sweep.dataset, point.split_id)
        seen = training_list.training_list(open_dataset(sweep.dataset), split, split.rows("train"))
        for recipe in sweep.recipes:
            run_id = make_gan(f"{recipe.gan}-{number}", seen, spec=recipe.gan, class_name=recipe.class_name, split=point.split_id)
            done = runs.RunStatus("finished", 1, 1.0, 1.0, 0.0, "Done.", (), "")
            runs.write_status(runs.run_folder(run_id), done)
            study.note_run(sweep, point, recipe, run_id)


def test_a_plan_names_its_splits_and_recipes(phantom: str) -> None:
    sweep = plan(fractions=(1.0, 0.25, 0.5))
    assert [point.label for point in sweep.points] == ["1/4 of the training images", "1/2 of the training images", "all training images"]
    assert [point.study for point in sweep.points] == ["w-1", "w-2", "w-3"]
    whole = load_split("phantom")
    assert sweep.points[2].split_id == whole.id and sweep.points[0].n_train == pytest.approx(len(whole.rows("train")) / 4, abs=6)
    assert {point.n_test for point in sweep.points} == {len(whole.rows("test"))}
    assert sweep.recipes == (study.Recipe("train(dcgan)", "dcgan", "malignant"),)
    assert plan(fractions=(1.0, 0.25, 0.5)) == sweep == study.load_sweep("w")
    with pytest.raises(InvalidValue, match="with other seeds"):
        plan(fractions=(1.0, 0.25, 0.5), seeds=(0,))
    assert len(plan(name="f", folds=3).points) == 3


def test_of_several_splits_one_is_named(phantom: str) -> None:
    other = make_split("phantom", seed=1)
    with pytest.raises(UserError, match="2 splits"):
        plan(fractions=(0.5, 1.0))
    half, whole = plan(fractions=(0.5, 1.0), split_id=other.id).points
    assert whole.split_id == other.id
    thinned = load_split("phantom", half.split_id)
    assert (thinned.seed, thinned.fraction, thinned.rows("test")) == (1, 0.5, other.rows("test"))
    assert [split.seed for split in usual_splits("phantom")] == [0, 1], "a thinned one is not asked for"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "which splits are swept"),
        ({"folds": 3, "split_id": "abc"}, "Leave the split out"),
        ({"sources": True, "split_id": "abc"}, "Leave the split out"),
        ({"fractions": (0.5,), "split_id": "abc"}, "'abc'"),
        ({"folds": 3, "fractions": (0.5,)}, "which splits are swept"),
        ({"folds": 3, "schemes": ("standard", "synthetic:train(nogan)@1.0")}, "nogan"),
        ({"folds": 3, "schemes": ("standard", "synthetic:train(dcgan:moles)@1.0")}, "moles"),
        ({"folds": 3, "schemes": ("standard", "synthetic:train(acgan:malignant)@1.0")}, "all classes together"),
        ({"folds": 3, "schemes": ("standard", "synthetic:train(dcgan)")}, "how many"),
        ({"folds": 3, "schemes": ("standard", "standard")}, "each of them once"),
        ({"folds": 3, "base": "none"}, "not one of the schemes"),
        ({"folds": 3, "name": "../x"}, "cannot be a name"),
        ({"folds": 3, "gan_settings": {"widht": 4}}, "widht"),
        ({"fractions": (0.5, 0.5)}, "twice"),
        ({"sources": True}, "cannot be held out"),
        ({"fractions": (0.001,)}, "at least 2 of each class"),
    ],
)
def test_sweeps_that_cannot_work_are_refused(phantom: str, options: dict, says: str) -> None:
    with pytest.raises(UserError) as error:
        plan(**options)
    assert says in str(error.value)
    with pytest.raises(NotFound):
        study.load_sweep("w")


@pytest.mark.parametrize("content", ["", "{}", '{"name": "bad", "novel": 1}'])
def test_a_damaged_plan_is_named_and_does_not_hide_the_other_sweeps(phantom: str, content: str) -> None:
    good, bad = plan(folds=2), plan(name="bad", folds=3)
    path = study.result_file(bad).with_name("sweep.json")
    path.write_text(content)
    with pytest.raises(CorruptFile) as error:
        study.load_sweep(bad.name)
    assert error.value.what.startswith(f"{path} cannot be read")
    assert study.list_sweeps() == [good]
    assert study.scan_sweeps()[1] == {bad.name: f"{error.value.what} {error.value.todo}"}


def test_a_gan_of_one_fold_is_refused_by_the_next(phantom: str) -> None:
    sweep = plan(folds=2)
    with pytest.raises(InvalidValue, match="not trained yet"):
        study.plan_point(sweep, sweep.points[0])
    train_recipes(sweep)
    first, second = (study.plan_point(sweep, point) for point in sweep.points)
    assert first.schemes[1] == "standard+synthetic:dcgan-1@1.0" and second.schemes[1] == "standard+synthetic:dcgan-2@1.0"
    with pytest.raises(InvalidValue, match="not trained on the split"):
        study.note_run(sweep, sweep.points[1], sweep.recipes[0], "dcgan-1")
    with pytest.raises(LeakError, match="dcgan-1"):
        study.plan("mixed", "phantom", ("standard", first.schemes[1]), (0,), TINY, split_id=sweep.points[1].split_id)
    outside = plan(name="x", folds=2, schemes=("standard", "standard+synthetic:G@1.0"))
    make_gan("G", seen_in("train"))
    with pytest.raises(LeakError, match="G"):
        for point in outside.points:
            study.plan_point(outside, point)


def test_at_a_fraction_only_a_gan_of_that_fraction_counts_as_retrained(phantom: str) -> None:
    """A GAN of all training images stays possible, as the arm of a named run; it is not what the recipe becomes."""
    make_gan("G", seen_in("train"), split=load_split("phantom").id)
    sweep = plan(fractions=(0.5,), schemes=(*SCHEMES, "standard+synthetic:G@1.0"))
    with pytest.raises(InvalidValue, match="not trained on the split"):
        study.note_run(sweep, sweep.points[0], sweep.recipes[0], "G")
    train_recipes(sweep)
    planned = study.plan_point(sweep, sweep.points[0])
    assert planned.schemes[1:] == ("standard+synthetic:dcgan-1@1.0", "standard+synthetic:G@1.0")
    assert any("G was trained on" in note for note in study.load_plan(planned.name).notes)


def test_fractions_are_gathered_with_one_correction(phantom: str) -> None:
    sweep = plan(fractions=(0.5, 1.0))
    train_recipes(sweep)
    for point, strengths in zip(sweep.points, ((1.5, 4.0), (2.5, 2.5)), strict=True):
        finish(study.plan_point(sweep, point), {scheme_at(sweep, point, s): value for s, value in zip(SCHEMES, strengths, strict=True)})
    result = study.analyse_sweep(sweep)
    assert [row.scheme for row in result.rows] == [SCHEMES[1]] * 2 and result.folds == ()
    alone = [study.load_analysis(point.study).part("test").comparisons[0] for point in sweep.points]
    assert [row.p for row in result.rows] == [comparison.p for comparison in alone]
    assert [row.p_holm for row in result.rows] == pytest.approx(stats.holm([comparison.p for comparison in alone]).tolist())
    assert all(row.difference == pytest.approx(row.auc - row.base_auc) for row in result.rows)
    stored = json.loads(study.sweep.result_file(sweep).read_text())
    assert stored["verdict"] == result.verdict
    gains = [row.point for row in result.rows if row.outcome == "gain"]
    assert ("Evidence of a gain" in result.verdict) == bool(gains)


def test_folds_are_tested_as_folds(phantom: str, tmp_path: Path) -> None:
    sweep = plan(folds=3)
    train_recipes(sweep)
    for point, strength in zip(sweep.points, (2.2, 2.6, 3.0), strict=True):
        finish(
            study.plan_point(sweep, point), {scheme_at(sweep, point, s): value for s, value in zip(SCHEMES, (1.5, strength), strict=True)}
        )
    result = study.analyse_sweep(sweep)
    (test,) = result.folds
    n_train, n_test = (np.mean([getattr(point, size) for point in sweep.points]) for size in ("n_train", "n_test"))
    expected = stats.corrected_resampled_t([row.difference for row in result.rows], n_train, n_test)
    assert (test.difference, test.low, test.p) == pytest.approx((expected.difference, expected.low, expected.p))
    assert "over 3 folds" in result.verdict
    text = report.write_sweep_html("w", tmp_path / "w.html").read_text(encoding="utf-8")
    assert "<h2>Over the folds</h2>" in text and "phantoms" in text
    assert result.verdict.split(" (AUC")[0] in html.unescape(text)
    for point in sweep.points:
        assert f"<code>{point.split_id}</code>" in text and f"train(dcgan): <code>dcgan-{point.study[-1]}</code>" in text
    (drawn,) = report.sweep_figure(sweep, result).data
    assert list(drawn.y) == [row.difference for row in result.rows]
    assert [row.low for row in result.rows] == pytest.approx(np.subtract(drawn.y, drawn.error_y.arrayminus))
    with pytest.raises(UserError, match="cannot be written"):
        report.write_sweep_html("w", tmp_path / "w.html" / "below.html")


def test_a_verdict_is_withheld_where_the_base_did_not_learn() -> None:
    row = together.SweepRow("1/16", 10, "none", 0.5, 0.9, 0.4, 0.3, 0.5, 0.001, 0.002, learned=False)
    assert row.outcome == "withheld"
    learned = dataclasses.replace(row, learned=True, point="1")
    assert learned.outcome == "gain" and dataclasses.replace(learned, difference=-0.4).outcome == "loss"
    sweep = study.Sweep("w", "fraction", "d", ("standard", "none"), "standard", (0,), {}, (), "small-data", {}, None, (), "")
    text = together._point_verdict(sweep, (row, learned))
    assert "Evidence of a gain over “standard”: “none” at 1 (+0.400)." in text and "did not learn: 1/16." in text
    assert "of one training an arm" in text and "“none” at 1." in text
    doubtful = together._point_verdict(sweep, (dataclasses.replace(learned, p_over_seeds=0.4),))
    assert "of these very trainings; for new ones the interval holds 0: “none” at 1." in doubtful
    assert "very trainings" not in together._point_verdict(sweep, (dataclasses.replace(learned, p_over_seeds=0.01),))
    single = together._point_verdict(sweep, (dataclasses.replace(learned, p_over_seeds=0.01, over_seeds=-0.1),))
    assert "Only the mean of the seeds' predictions gains; single classifiers on average do not: “none” at 1." in single
    assert "Only the mean" not in together._point_verdict(sweep, (dataclasses.replace(learned, p_over_seeds=0.01, over_seeds=0.1),))
    assert "No evidence of a gain" in together._point_verdict(sweep, (dataclasses.replace(learned, p_holm=0.2),))
    assert together._point_verdict(sweep, (row,)) == "No verdict where the base did not learn: 1/16."
    fold = together.FoldTest("none", 0.1, 0.05, 0.15, 0.001, 0.002, "t")
    assert "evidence of a gain" in together._fold_verdict(sweep, (fold,), True)
    assert together._fold_verdict(sweep, (fold,), False).startswith("No verdict")


def test_the_verdict_of_a_sweep_says_what_else_a_gain_may_be_of() -> None:
    names = ("none", "standard", "standard+synthetic:train(dcgan)@1.0")
    sweep = study.Sweep("w", "fraction", "d", names, "none", (0,), {}, (), "small-data", {}, None, (), "")
    arm = together.SweepRow("1/16", 10, names[2], 0.7, 0.8, 0.1, 0.05, 0.15, 0.001, 0.002, learned=True)
    text = together._point_verdict(sweep, (arm, dataclasses.replace(arm, scheme="standard", difference=0.12)))
    assert f"“{names[2]}” differs from the base “none” in classic augmentation, not only in synthetic images." in text
    assert f"Without synthetic images at least as much is gained at 1/16 as by “{names[2]}” (+0.100): “standard” (+0.120)." in text
    folds = [together.FoldTest(name, value, 0.05, 0.15, 0.001, 0.002, "t") for name, value in ((names[2], 0.1), ("standard", 0.12))]
    over_folds = together._fold_verdict(sweep, tuple(folds), True)
    assert "differs from the base “none”" in over_folds and "at least as much is gained as by" in over_folds
    plain = together._point_verdict(dataclasses.replace(sweep, base="standard"), (arm, dataclasses.replace(arm, scheme="none", p_holm=0.5)))
    assert "differs" not in plain and "Without" not in plain


def test_a_generator_that_is_not_trained_anew_is_named_in_the_verdict(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    sweep = plan(fractions=(0.25, 1.0), schemes=(*SCHEMES, "standard+synthetic:G@1.0"))
    train_recipes(sweep)
    for point in sweep.points:
        finish(study.plan_point(sweep, point), {scheme_at(sweep, point, scheme): 2.0 for scheme in sweep.schemes})
    text, more = study.analyse_sweep(sweep).verdict, sweep.points[1].n_train - sweep.points[0].n_train
    assert "G was not trained anew at each point, and has seen real images that no arm of real images alone was trained on" in text
    assert f"trained on: {more} at 1/4 of the training images. A gain" in text and "dcgan-1" not in text


def test_sources_are_held_out_in_turn(phantom: str) -> None:
    path = open_dataset("phantom").folder / "table.parquet"
    table = pd.read_parquet(path)
    table["source"] = np.where(table["patient_id"].map(lambda name: sum(map(ord, name)) % 2 == 0), "north", "south")
    table.to_parquet(path, index=False)
    sweep = plan(sources=True, schemes=("standard", "oversample"))
    assert [point.label for point in sweep.points] == ["source north", "source south"]
    for point in sweep.points:
        split = load_split("phantom", point.split_id)
        assert set(table["source"].iloc[split.rows("test")]) == {point.label.removeprefix("source ")}
        assert len(set(table["source"].iloc[split.rows("train") + split.rows("val")])) == 1
        assert study.plan_point(sweep, point).split_id == point.split_id


@pytest.mark.usefixtures("small_network")
def test_a_sweep_trains_its_gans_and_goes_on_where_it_was(phantom: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = ["study", "sweep", "--data", "phantom", "--schemes", ",".join(SCHEMES), "--fractions", "1/2,1", "--seeds", "0", "--name", "w"]
    options += ["--steps", "2", "--size", "32", "--set", "batch_size=8", "--kimg", "0.008"]
    options += [text for key in ("width", "z_dim", "batch_size") for text in ("--gan-set", f"{key}={QUICK_GAN[key]}")]
    assert cli.main([*options, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["point"] for row in result["rows"]] == ["1/2 of the training images", "all training images"]
    gans = runs.list_runs("gan")
    splits = {split.id: split for split in list_splits("phantom")}
    assert len(gans) == 2 and {splits[gan.split_id].fraction for gan in gans} == {0.5, 1.0}
    for gan in gans:
        held = {open_dataset("phantom").table["image_id"].iloc[row] for row in splits[gan.split_id].rows("train")}
        assert {image.image_id for image in training_list.read(runs.run_folder(gan.id))} <= held
    trained = len(runs.list_runs("classifier"))
    assert cli.main(["study", "sweep", "--name", "w", "--html", str(tmp_path / "w.html")]) == 0
    assert "1/2 of the training images" in (tmp_path / "w.html").read_text(encoding="utf-8")
    out = capsys.readouterr().out
    assert result["verdict"] in out and "1/2 of the training images" in out
    assert (len(runs.list_runs("classifier")), len(runs.list_runs("gan"))) == (trained, 2), "nothing is trained twice"


@pytest.mark.usefixtures("small_network")
def test_a_sweep_is_a_job_that_goes_on_where_it_was_stopped(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    assert study.list_sweeps() == []
    quick = ClassifierConfig(resolution=32, steps=2, batch_size=8)
    sweep = plan(fractions=(0.5, 1.0), seeds=(0,), config=quick)
    assert study.list_sweeps() == [sweep]
    with pytest.raises(NotFound, match="no results yet"):
        study.load_sweep_result(sweep)
    enough = iter([False] * 3 + [True] * 1000)
    with monkeypatch.context() as patch:
        patch.setattr(jobs.Progress, "should_stop", lambda progress: next(enough))
        stopped = jobs.run_job(jobs.submit("sweep", {"name": "w"}).id)
    assert stopped.status in ("cancelled", "lost"), stopped.error
    gans = {run.id for run in runs.list_runs("gan")}
    assert len(gans) == 1
    job = jobs.run_job(jobs.resume(stopped.id).id)
    assert job.status == "done", job.error
    assert len(runs.list_runs("gan")) == 2 and gans < {run.id for run in runs.list_runs("gan")}
    assert "1/2 of the training images" in Path(job.result["report"]).read_text(encoding="utf-8")
    assert [row.point for row in study.load_sweep_result(sweep).rows] == [point.label for point in sweep.points]


@pytest.mark.usefixtures("small_network")
def test_a_sweep_goes_on_without_the_gans_of_points_that_are_done(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The GAN of a point that is done, and one of a point whose study is not planned yet, were deleted to free some space."""
    monkeypatch.setenv("GAN_AUG_SLOTS", "cpu")
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    sweep = plan(fractions=(0.5, 1.0), seeds=(0,), config=ClassifierConfig(resolution=32, steps=2, batch_size=8))
    train_recipes(sweep)
    first = study.plan_point(sweep, sweep.points[0])
    finish(first, {scheme_at(sweep, sweep.points[0], scheme): 2.0 for scheme in SCHEMES})
    report.write_html(first.name, study.study_folder(first.name) / "report.html")
    told = study.load_analysis(first.name)
    for run_id in ("dcgan-1", "dcgan-2"):
        shutil.rmtree(runs.run_folder(run_id))
    job = jobs.run_job(jobs.submit("sweep", {"name": "w"}).id)
    assert job.status == "done", job.error
    assert study.load_analysis(first.name) == told, "what is done is left as it is"
    assert study.trained_for(sweep, sweep.points[0]) == {"train(dcgan)": "dcgan-1"}
    (again,) = study.trained_for(sweep, sweep.points[1]).values()
    assert again != "dcgan-2" and runs.status(again).state == "finished"


def test_a_finished_sweep_can_be_reported_without_its_dataset(phantom: str, tmp_path: Path) -> None:
    sweep = plan(fractions=(0.5, 1.0), schemes=("none", "standard"))
    assert study.is_phantom(sweep)
    for point in sweep.points:
        finish(study.plan_point(sweep, point), {"none": 1.0, "standard": 2.0})
    shutil.rmtree(open_dataset("phantom").folder)
    assert study.is_phantom(sweep)
    text = report.write_sweep_html("w", tmp_path / "w.html").read_text(encoding="utf-8")
    assert "phantoms" in text
    assert not study.is_phantom(dataclasses.replace(sweep, points=())), "of a dataset that is gone nobody knows"


@pytest.mark.parametrize("content", ["{", "[]", '{"dcgan": 1}'])
def test_damaged_notes_of_a_point_are_named(phantom: str, content: str) -> None:
    sweep = plan(folds=2)
    path = workspace.home() / "sweeps" / sweep.name / "point-1.json"
    path.write_text(content)
    with pytest.raises(CorruptFile) as error:
        study.trained_for(sweep, sweep.points[0])
    assert error.value.what == f"{path} is damaged."


def test_a_damaged_result_is_named(phantom: str) -> None:
    sweep = plan(folds=2)
    study.result_file(sweep).write_text("{}")
    with pytest.raises(CorruptFile) as error:
        study.load_sweep_result(sweep)
    assert str(study.result_file(sweep)) in error.value.what and "gan-aug study sweep --name w" in error.value.todo


# --- how many steps ----------------------------------------------------------------------------------------------------------------------


def test_the_shortest_length_that_is_as_good_is_proposed() -> None:
    assert study.lengths(800) == (100, 200, 400, 800)
    found = study.propose_steps({100: (0.7, 0.72), 200: (0.80, 0.81), 400: (0.805, 0.812), 800: (0.80, 0.81)})
    assert (found.steps, found.converged) == (200, True)
    growing = study.propose_steps({100: (0.6,), 200: (0.7,), 400: (0.8,)})
    assert (growing.steps, growing.converged) == (400, False) and "longer" in growing.words
    with pytest.raises(InvalidValue, match="better than chance"):
        study.propose_steps({100: (0.5,), 200: (0.45,)})
    for bad in ({100: (0.7,)}, {100: (0.7,), 200: ()}):
        with pytest.raises(InvalidValue, match="two lengths"):
            study.propose_steps(bad)
    with pytest.raises(InvalidValue, match="at least 8"):
        study.lengths(7)


@pytest.mark.usefixtures("small_network")
def test_steps_are_found_on_val_alone(phantom: str, capsys: pytest.CaptureFixture) -> None:
    options = ["study", "steps", "--data", "phantom", "--longest", "8", "--size", "32", "--set", "batch_size=8", "--json"]
    code = cli.main(options)
    out = capsys.readouterr()
    lengths = sorted(run.config["steps"] for run in runs.list_runs("classifier"))
    assert lengths == [1, 2, 4, 8]
    if code:
        assert "better than chance" in out.err  # eight steps may teach nothing, and then it says so
    else:
        assert json.loads(out.out)["steps"] in lengths
    assert not (open_dataset("phantom").folder / "test_access.jsonl").exists() and study.list_studies() == []
