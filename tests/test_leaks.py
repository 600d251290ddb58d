"""The leak traps, one test (or two) for each: every test tries to leak, and is refused, or finds the leak reported where it cannot be.

trap                                                        test
GAN trained on images of a classifier's val or test         test_gan_trained_on_val_or_test_images
one lesion or patient on both sides                         test_one_patient_on_both_sides, test_unknown_patients_are_reported
duplicates across collections and years                     test_duplicates_across_years
snapshot, truncation or ratio chosen on test                test_snapshot_chosen_on_test and the two after it,
                                                            test_plan_changed_after_a_look_at_test
threshold or calibration tuned on test                      test_threshold_or_calibration_tuned_on_test
test images as reference of a generator metric              test_metric_reference_is_test
synthetic images in val or test                             test_synthetic_images_in_val_or_test
GAN that memorised its training patients                    test_memorised_patients_are_reported,
                                                            test_curated_pictures_are_no_way_around_an_audit
statistics of all images in what is fitted                  test_nothing_is_fitted_on_held_out_pixels
unequal compute                                             test_unequal_compute
class balance as confounder                                 test_class_balance_as_confounder
artefacts that tell the source                              test_artefacts_of_a_source
one GAN outside the folds                                   test_gan_trained_outside_the_folds
extractor or initial weights that have seen held-out images test_extractor_or_initial_weights_that_have_seen_test
"""

import dataclasses
import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import photograph, save_dataset
from test_metrics import example
from test_study import TINY, make_classifier, make_gan, save_curated, seen_in

from gan_aug import classifier, evaluate, files, images, runs, sample, schemes, stats, study, train_classifier
from gan_aug.data import split as splits
from gan_aug.data import training_list
from gan_aug.data.dataset import open_dataset, rejected
from gan_aug.data.importer import import_dataset
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import load_split, make_split
from gan_aug.errors import InvalidValue, LeakError, UserError
from gan_aug.metrics import record
from gan_aug.records import Split, Study
from gan_aug.study import history, words
from gan_aug.study.measure import Scores, measure_part
from gan_aug.train_classifier import loop


def plan(*names: str, data: str = "phantom", **options: object) -> Study:
    return study.plan("s", data, names or ("none",), (0,), options.pop("config", TINY), **options)


def refused(*names: str, data: str = "phantom", **options: object) -> str:
    """The words with which a plan is refused as a leak; nothing of it may be left."""
    with pytest.raises(LeakError) as error:
        plan(*names, data=data, **options)
    assert not study.study_folder("s").exists()
    return str(error.value)


# --- GAN trained on images of a classifier's val or test ---------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["val", "test"])
def test_gan_trained_on_val_or_test_images(phantom: str, part: str) -> None:
    leaked = seen_in(part)[0]
    make_gan("G", [*seen_in("train"), leaked])
    assert leaked.image_id in refused("none", "synthetic:G@1.0")
    with pytest.raises(LeakError):
        train_classifier.prepare("phantom", "balance:G", TINY)
    shutil.rmtree(runs.run_folder("G"))
    make_gan("G", seen_in("train"))
    (runs.run_folder("G") / training_list.FILE).unlink()
    with pytest.raises(UserError, match="no training list"):
        plan("synthetic:G@1.0")


# --- one lesion or patient on both sides -------------------------------------------------------------------------------------------------


def test_one_patient_on_both_sides(phantom: str) -> None:
    """A split made by hand whose own fingerprint is in order: single images of train patients are moved to test."""
    image_set, fair = open_dataset("phantom"), load_split("phantom")
    parts = list(fair.parts)
    sizes = {group: fair.groups.count(group) for group in fair.groups}
    moved = [row for row in fair.rows("train") if sizes[fair.groups[row]] > 1][:1]
    for row in moved:
        parts[row] = "test"
    digest = splits._fingerprint(image_set.table["pixel_sha256"], list(fair.groups), image_set.table["label"].tolist(), parts)
    unfair = dataclasses.replace(fair, id=digest[:12], parts=tuple(parts), fingerprint=digest, seed=99)
    splits._write(image_set, unfair)
    assert fair.groups[moved[0]] in refused("none", split_id=unfair.id)
    # Calling every image its own group does not help: what belongs together is worked out again.
    alone = [str(number) for number in range(len(parts))]
    digest = splits._fingerprint(image_set.table["pixel_sha256"], alone, image_set.table["label"].tolist(), parts)
    splits._write(image_set, dataclasses.replace(unfair, id=digest[:12], groups=tuple(alone), fingerprint=digest))
    assert "has images of group" in refused("none", split_id=digest[:12])
    assert plan("none", split_id=fair.id)


def test_unknown_patients_are_reported(workspace: Path) -> None:
    pictures = np.stack([np.asarray(photograph(seed, 32, 32)) for seed in range(60)])
    save_dataset("anonymous", pictures)
    plan("none", data="anonymous")
    (note,) = study.load_plan("s").notes
    assert "patient is known for 0" in note and "near-duplicates" in note


# --- duplicates across collections and years ---------------------------------------------------------------------------------------------


def test_duplicates_across_years(workspace: Path, tmp_path: Path) -> None:
    """The photographs of one year come again the next, renamed, saved at another quality, mirrored and without patients."""
    for year, count in (("2019", 40), ("2020", 50)):
        for number in range(count):
            path = tmp_path / year / ("benign" if number % 2 else "malignant") / f"{year}-{number * 7 + int(year)}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = photograph(number)
            picture = picture.transpose(0) if year == "2020" else picture
            picture.save(path, quality=92 if year == "2019" else 80)
    import_dataset([tmp_path / "2019", tmp_path / "2020"], "both", size=64)
    split, table = make_split("both"), open_dataset("both").table
    parts = table.assign(part=split.parts, number=[(int(name.split("-")[1]) - int(name[:4])) // 7 for name in table["image_id"]])
    assert len(parts) == 90
    together = parts.groupby("number")["part"].nunique()
    assert (together == 1).all(), "no photograph has its twin in another part"

    # A GAN of the first year is refused by a study on the second, whose test part holds twins of its images.
    import_dataset([tmp_path / "2019"], "earlier", size=64)
    import_dataset([tmp_path / "2020"], "later", size=64)
    earlier = open_dataset("earlier")
    everything = training_list.training_list(earlier, make_split("earlier"), np.arange(len(earlier.table)))
    make_gan("G", everything, data="earlier")
    assert "near-duplicate" in refused("synthetic:G@1.0", data="later")


# --- snapshot, truncation or ratio chosen on test ----------------------------------------------------------------------------------------


def test_snapshot_chosen_on_test(phantom: str) -> None:
    """The choice looks at val and takes no other part; who measures on test all the same is logged, and the study says so."""
    assert "part" not in inspect.signature(evaluate.select_best).parameters
    make_gan("G", seen_in("train"), split=load_split("phantom").id)
    line = {"time": "2020-01-01T00:00:00+00:00", "by": "evaluate", "subject": "G@1.5", "split": load_split("phantom").id}
    record.append_lines(open_dataset("phantom").folder / "test_access.jsonl", [line])
    plan("none", "synthetic:G@1.0")
    settled = study.load_plan("s")
    assert [reading["subject"] for reading in history.readings(settled)] == ["G@1.5"]
    assert any("G had been measured against the test part" in text for text in history.cautions(settled))


@pytest.mark.parametrize("logged", ["with a digest", "by an older version"])
def test_snapshot_chosen_on_the_test_part_of_a_whole_split(phantom: str, logged: str) -> None:
    """A thinned split has an id of its own and the test part of the whole one."""
    image_set, whole = open_dataset("phantom"), load_split("phantom")
    make_gan("G", seen_in("train"))
    line = {"time": "2020-01-01T00:00:00+00:00", "by": "evaluate", "subject": "G@1.5", "split": whole.id}
    line |= {"test_digest": splits.digest_of_test(image_set, whole)} if logged == "with a digest" else {}
    record.append_lines(image_set.folder / "test_access.jsonl", [line])
    plan("none", "synthetic:G@1.0", fraction=0.5)
    settled = study.load_plan("s")
    assert settled.study.split_id != whole.id
    assert [reading["subject"] for reading in history.readings(settled)] == ["G@1.5"]
    assert any("G had been measured against the test part" in text for text in history.cautions(settled))
    fold, other = splits.make_folds("phantom", 2)
    assert splits.digest_of_test(image_set, fold) != splits.digest_of_test(image_set, other)


def test_snapshot_chosen_on_the_external_set(phantom: str) -> None:
    make_phantom("outside", images=60, size=64, seed=5)
    make_gan("G", seen_in("train"))
    make_gan("H", seen_in("train"), class_name="benign")
    plan("none", "synthetic:G&H@1.0", external="outside")
    settled = study.load_plan("s")
    assert history.external_choices(settled) == ()
    record.append_records(runs.run_folder("G") / "evaluations.jsonl", [example(subject="G@1.5", dataset="outside", created="2020-01-02")])
    record.append_records(runs.run_folder("H") / "evaluations.jsonl", [example(subject="H@1.5", dataset="phantom")])
    (said,) = history.external_choices(settled)
    assert said.startswith("G was measured on outside (KID; first on 2020-01-02)") and said in history.cautions(settled)
    runs.choose_best("G", 94, "KID 0.01 through derm on val of outside, 60 images a side; the lowest of 2 snapshots.")
    (said,) = history.external_choices(settled)
    assert said.startswith("A snapshot of G was chosen on outside")
    shutil.rmtree(runs.run_folder("H"))
    assert "Whether H was measured on outside can no longer be looked at: its run was deleted." in history.external_choices(settled)


def generate(reference: str, seeds: list[int], class_name: str | None = None, truncation: float = 1.0) -> tuple[np.ndarray, list]:
    return np.stack([np.random.default_rng(seed).integers(0, 255, (64, 64, 3)).astype(np.uint8) for seed in seeds]), []


def test_plan_changed_after_a_look_at_test(phantom: str) -> None:
    planned = plan("none")
    with pytest.raises(InvalidValue, match="not trained yet"):
        study.open_test("s")
    answer(planned)
    path = study.study_folder("s") / "study.json"
    settled = files.read_json(path)
    files.write_json(path, settled | {"arms": [{**settled["arms"][0], "frozen": "standard"}]})
    with pytest.raises(InvalidValue, match="changed after its test part had been read"):
        study.analyse("s")
    with pytest.raises(InvalidValue, match="another plan"):
        study.plan("s", "phantom", ("none", "standard"), (0,), TINY)


def answer(planned: Study) -> None:
    """Made-up predictions for every cell, with the test part opened as it has to be."""
    make_gan("r", [])
    exams = [study.val_exam(planned.name)]
    for stage in ("val", "all"):
        for cell in study.cells(planned):
            found = []
            for exam in exams:
                score = np.random.default_rng(cell.seed).random(len(exam.rows))
                found += exam.predictions(planned.name, cell.scheme, cell.seed, np.stack([1 - score, score], axis=1))
            study.write_cell(cell, "r", found)
        if stage == "val":
            exams += study.open_test(planned.name)


# --- threshold or calibration tuned on test ----------------------------------------------------------------------------------------------


def test_threshold_or_calibration_tuned_on_test(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, p = [0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3]
    for part in ("test", "external"):
        for fit in (stats.fit_platt, stats.fit_temperature):
            with pytest.raises(InvalidValue, match="cannot be fitted on"):
                fit(labels, p, part=part)
        with pytest.raises(InvalidValue, match="cannot be chosen on"):
            stats.choose_threshold(labels, p, part=part, specificity=0.95)
    # A study that mistook its test scores for val is stopped by the part that the scores carry.
    from test_study import made_up

    from gan_aug.study import measure

    read = measure.read_scores
    monkeypatch.setattr(measure, "read_scores", lambda predictions, scheme, part: read(predictions, scheme, "test"))
    with pytest.raises(InvalidValue, match="'test'"):
        measure_part(made_up({"none": 1.0}), "test", "d", ("none",), "none")
    assert "part" in Scores.__dataclass_fields__


# --- test images as reference of a generator metric --------------------------------------------------------------------------------------


def test_metric_reference_is_test(phantom: str, workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fakes"
    for seed in range(12):
        files.write_bytes(folder / f"{seed}.png", images.png_bytes(generate("", [seed])[0][0], None))
    log = open_dataset("phantom").folder / "test_access.jsonl"
    (usual, *_) = evaluate.evaluate(str(folder), "phantom", extractor="random-conv", n=8)
    assert usual.part == "val" and not log.exists(), "val unless test is named"
    (final, *_) = evaluate.evaluate(str(folder), "phantom", part="test", extractor="random-conv", n=8)
    assert final.part == "test" and len(log.read_text().splitlines()) == 1
    assert any("part of the split" in reason for reason in record.differences(usual, final)), "the two are not ranked together"


# --- synthetic images in val or test -----------------------------------------------------------------------------------------------------


def test_synthetic_images_in_val_or_test(phantom: str, workspace: Path, tmp_path: Path) -> None:
    """A folder in which generated pictures lie between photographs: the import leaves them out and lists them."""
    run = runs.load_run(make_gan("G", seen_in("train")))
    made = sample.provenance(run, runs.list_checkpoints("G")[0], 3, "malignant")
    for label in ("benign", "malignant"):
        for number in range(12):
            path = tmp_path / "mixed" / label / f"{label}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(number + 50 * (label == "benign"), 64, 64).save(path)
    generated = np.asarray(photograph(999, 64, 64))
    sheet = images.png_bytes(generated, {**made, "digitalSourceType": images.PARTLY_SYNTHETIC})
    for name, content in (("looks-real.png", images.png_bytes(generated, made)), ("sheet.png", sheet)):
        files.write_bytes(tmp_path / "mixed" / "malignant" / name, content)
    import_dataset([tmp_path / "mixed"], "mixed", size=64)
    assert len(open_dataset("mixed").table) == 24
    lines = rejected("mixed").to_dict("records")
    assert [Path(line["file"]).name for line in lines] == ["looks-real.png", "sheet.png"]
    assert all("trained model made it" in line["reason"] for line in lines)
    # What is judged are rows of a stored dataset; a training set is the only thing that takes generated pictures.
    assert {"synthetic", "curated"}.isdisjoint(inspect.signature(study.make_exam).parameters)
    assert "generate" in inspect.signature(schemes.training_set).parameters


# --- GAN that memorised its training patients --------------------------------------------------------------------------------------------


def test_memorised_patients_are_reported(phantom: str) -> None:
    make_gan("G", seen_in("train"))
    plan("none", "synthetic:G@1.0")
    settled = study.load_plan("s")
    assert any("G@1.5" in text and "no audit" in text for text in history.cautions(settled))
    line = {"subject": "G@1.5", "verdict": "copies", "created": ""}
    record.append_lines(runs.run_folder("G") / "audits.jsonl", [line])
    assert any("G@1.5 repeats images" in text for text in history.cautions(settled))
    record.append_lines(runs.run_folder("G") / "audits.jsonl", [line | {"verdict": "no sign of copying"}])
    assert history.cautions(settled) == ()


def test_curated_pictures_are_no_way_around_an_audit(phantom: str) -> None:
    """People accept pictures, which says nothing of patients that the generator repeats, or of how it was chosen."""
    make_gan("G", seen_in("train"))
    save_curated("G@1.5")
    line = {"time": "2020-01-01T00:00:00+00:00", "by": "evaluate", "subject": "G@1.5", "split": load_split("phantom").id}
    record.append_lines(open_dataset("phantom").folder / "test_access.jsonl", [line])
    record.append_lines(runs.run_folder("G") / "audits.jsonl", [{"subject": "G@1.5", "verdict": "copies", "created": ""}])
    plan("none", "curated:good")
    settled = study.load_plan("s")
    assert history.generators(settled) == ("G@1.5",)
    assert any("G had been measured against the test part" in text for text in history.cautions(settled))
    assert any("G@1.5 repeats images" in text for text in history.cautions(settled))


# --- statistics of all images in what is fitted ------------------------------------------------------------------------------------------


def test_nothing_is_fitted_on_held_out_pixels(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pixel of val and test is replaced by noise: the trained weights, classifier and GAN, are the same to the last bit."""
    from gan_aug import train_gan

    def network(config: object, n_classes: int) -> torch.nn.Module:
        made = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * config.resolution**2, n_classes))
        made.frozen = []
        return made

    monkeypatch.setattr(classifier, "build", network)

    def trained() -> list[str]:
        run = train_classifier.prepare("phantom", "standard", dataclasses.replace(TINY, resolution=64))
        train_classifier.train(run.id)
        gan = train_gan.prepare("dcgan", "phantom", settings={"width": 4, "z_dim": 8, "batch_size": 4, "total_kimg": 0.008})
        train_gan.train(gan.id)
        return [runs.resolve(f"{made.id}@last")[1].weights_sha256 for made in (run, gan)]

    before = trained()
    split = load_split("phantom")
    stored = np.load(open_dataset("phantom").folder / "images.npy")
    held_out = split.rows("val") + split.rows("test")
    stored[held_out] = np.random.default_rng(0).integers(0, 256, stored[held_out].shape, dtype=np.uint8)
    np.save(open_dataset("phantom").folder / "images.npy", stored)
    assert trained() == before
    stored[split.rows("train")] = 255 - stored[split.rows("train")]
    np.save(open_dataset("phantom").folder / "images.npy", stored)
    assert all(new != old for new, old in zip(trained(), before, strict=True)), "the train images do matter"


# --- unequal compute ---------------------------------------------------------------------------------------------------------------------


def test_unequal_compute(phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm with eleven times as many images gets no more steps than the base, and no arm can have a budget of its own."""
    monkeypatch.setattr(sample, "sample", generate)
    make_gan("G", seen_in("train"))
    config = dataclasses.replace(TINY, steps=3)
    steps = []

    def step(state: loop.Training) -> dict:
        steps.append((state.run.scheme, len(state.data)))
        state.step += 1
        return {"train/loss": torch.tensor(1.0)}

    monkeypatch.setattr(loop, "train_step", step)
    plan("none", "synthetic:G@10", config=config)
    for cell in study.cells("s"):
        train_classifier.run_cell("s", cell.scheme, cell.seed)
    counts = {scheme: sum(name == scheme for name, _ in steps) for scheme, _ in steps}
    assert list(counts.values()) == [3, 3] and len({size for _, size in steps}) == 2
    assert not {"steps", "config"} & {field.name for field in dataclasses.fields(study.Arm)}


# --- class balance as confounder ---------------------------------------------------------------------------------------------------------


def test_class_balance_as_confounder() -> None:
    from test_study import made_up

    names = ("standard", "standard+balance:G")
    part = measure_part(made_up(dict.fromkeys(names, 1.0), n=500), "test", "d", names, "standard")
    assert any("effect of balance alone" in text for text in words.cautions((part,), 5, False))


# --- artefacts that tell the source ------------------------------------------------------------------------------------------------------


def test_artefacts_of_a_source() -> None:
    """A classifier that knows nothing but the source: excellent over all, worthless within each, and the report shows both."""
    from test_study import made_up

    predictions = made_up({"none": 0.0}, n=600, seeds=(0,))
    test = predictions.drop_duplicates("image_id").set_index("image_id")["label"]
    rng = np.random.default_rng(0)
    sources = {image: "hospital" if (rng.random() < 0.9) == bool(label) else "atlas" for image, label in test.items()}
    noise = rng.random(len(predictions)) * 0.1
    predictions["score"] = predictions["image_id"].map(lambda image: 0.8 if sources[image] == "hospital" else 0.1) + noise
    arm = measure_part(predictions, "test", "d", ("none",), "none", sources).arm("none")
    assert arm.auc.value > 0.85
    assert all(source.auc.low < 0.5 < source.auc.high for source in arm.by_source)


# --- one GAN outside the folds -----------------------------------------------------------------------------------------------------------


def test_gan_trained_outside_the_folds(phantom: str) -> None:
    """A GAN of one split is refused by every other split of the same data, whose test images it was trained on."""
    make_gan("G", seen_in("train"))
    other: Split = make_split("phantom", seed=1)
    assert "G" in refused("synthetic:G@1.0", split_id=other.id)


# --- extractor or initial weights that have seen held-out images -------------------------------------------------------------------------


def test_extractor_or_initial_weights_that_have_seen_test(phantom: str, tmp_path: Path) -> None:
    make_classifier("C", [*seen_in("train"), seen_in("test")[0]])
    assert "C" in refused("none", config=dataclasses.replace(TINY, weights="C@last"))
    folder = tmp_path / "fakes"
    for seed in range(12):
        files.write_bytes(folder / f"{seed}.png", images.png_bytes(generate("", [seed])[0][0], None))
    with pytest.raises(LeakError, match="extractor classifier:C"):
        evaluate.evaluate(str(folder), "phantom", extractor="classifier:C", n=8)
