"""Splits: what belongs together stays together, on every machine, whatever is asked for."""

import json
import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_images import arrays, save_dataset

from gan_aug.data import split as splits
from gan_aug.data.dataset import open_dataset
from gan_aug.data.leaks import check
from gan_aug.data.split import list_splits, load_split, make_split
from gan_aug.errors import CorruptFile, InvalidValue, NotFound, UserError
from gan_aug.records import PARTS, Split


def parts_of_groups(split: Split) -> dict[str, set[str]]:
    found = defaultdict(set)
    for group, part in zip(split.groups, split.parts, strict=True):
        found[group].add(part)
    return found


def shares(split: Split, labels: list[str]) -> dict[tuple[str, str], float]:
    totals = Counter(labels)
    counts = Counter(zip(split.parts, labels, strict=True))
    return {key: count / totals[key[1]] for key, count in counts.items()}


def test_no_group_is_separated_and_patients_and_lesions_are_whole(phantom: str):
    split = load_split(phantom)
    assert all(len(parts) == 1 for parts in parts_of_groups(split).values())
    table = open_dataset(phantom).table.assign(part=split.parts)
    assert (table.groupby("patient_id")["part"].nunique() == 1).all()
    assert (table.groupby("lesion_id")["part"].nunique() == 1).all()


def test_every_class_has_its_share_in_every_part(workspace: Path):
    patients = [f"p{int(math.sqrt(row * 7))}" for row in range(400)]  # from 1 to 16 images a patient
    save_dataset("made", arrays(400), patient_id=patients)
    split = make_split("made", val=0.2, test=0.1)
    for (part, _), share in shares(split, open_dataset("made").table["label"].tolist()).items():
        assert share == pytest.approx({"train": 0.7, "val": 0.2, "test": 0.1}[part], abs=0.03)


def test_links_of_every_kind_join_and_names_come_from_the_image_ids(workspace: Path):
    images = arrays(14)
    images[9] = np.rot90(images[8])  # a near-duplicate
    images[11] = images[10]  # equal pixels
    columns = {
        "patient_id": ["p", "p", "", "", *[""] * 10],
        "lesion_id": ["", "l", "l", "", *[""] * 10],
        "byte_sha256": [*[f"b{row}" for row in range(12)], "same", "same"],
    }
    save_dataset("made", images, **columns)
    groups = make_split("made").groups
    assert groups[0] == groups[1] == groups[2] == "image0000"
    assert groups[8] == groups[9] == "image0008"
    assert groups[10] == groups[11] == "image0010"
    assert groups[12] == groups[13] == "image0012"
    assert len(set(groups)) == 9


def test_the_order_of_the_table_does_not_matter(workspace: Path):
    images = arrays(40)
    save_dataset("one", images)
    order = np.random.default_rng(1).permutation(40)
    columns = {
        "image_id": [f"image{row:04d}" for row in order],
        "label": ["malignant" if row % 4 == 0 else "benign" for row in order],
        "source": ["one"] * 40,
    }
    save_dataset("two", images[order], **columns)
    one, two = make_split("one"), make_split("two")
    assert one.fingerprint == two.fingerprint
    assert [one.parts[row] for row in order] == list(two.parts)


def test_a_known_split(workspace: Path):
    """The same seed gives the same split on every machine and in every version; studies are compared by it."""
    save_dataset("made", arrays(16), patient_id=["p", "p", *[""] * 14])
    split = make_split("made", seed=7, val=0.25, test=0.25)
    assert " ".join(split.parts) == "train train val test train train train test test val train val val train test train"


def test_another_seed_gives_another_split_and_the_same_arguments_the_same(phantom: str):
    first = load_split(phantom)
    other = make_split(phantom, seed=1)
    assert other.parts != first.parts and other.groups == first.groups and other.id != first.id
    assert make_split(phantom, seed=1) == other
    assert list_splits(phantom) == [first, other]


def test_fractions_are_nested_and_leave_val_and_test_alone(workspace: Path):
    save_dataset("made", arrays(400), patient_id=[f"p{row // 3}" for row in range(400)])
    labels = np.array(open_dataset("made").table["label"].tolist())
    whole = make_split("made")
    before = set(whole.rows("train"))
    for fraction in (1 / 2, 1 / 4, 1 / 16):
        part = make_split("made", fraction=fraction)
        kept = set(part.rows("train"))
        assert kept < before and part.rows("val") == whole.rows("val") and part.rows("test") == whole.rows("test")
        assert len(kept) == pytest.approx(fraction * len(whole.rows("train")), abs=4)
        assert (labels[sorted(kept)] == "malignant").mean() == pytest.approx(0.25, abs=0.1)
        assert all(len(parts) == 1 for parts in parts_of_groups(part).values())
        assert Counter(part.parts)[splits.UNUSED] == len(whole.rows("train")) - len(kept)
        before = kept


def test_one_huge_patient_goes_where_it_does_least_harm(workspace: Path):
    save_dataset("made", arrays(100), patient_id=["huge"] * 60 + [""] * 40)
    split = make_split("made")
    assert set(split.parts[:60]) == {"train"}
    assert Counter(split.parts) == {"train": 70, "val": 15, "test": 15}


def test_a_part_that_was_not_asked_for_stays_empty(workspace: Path):
    save_dataset("made", arrays(40))
    split = make_split("made", val=0.25, test=0)
    assert set(split.parts) == {"train", "val"} and len(split.rows("val")) == pytest.approx(10, abs=1)


def test_a_large_group_of_look_alikes_is_shown_and_refused(workspace: Path):
    images = arrays(60)
    for row in range(10, 20):
        images[row] = np.rot90(images[5], row)
    save_dataset("made", images)
    with pytest.raises(UserError) as caught:
        make_split("made")
    assert "11 images" in caught.value.what and "image0005" in caught.value.what
    assert check("made").large_groups[0] == ("image0005", *(f"image{row:04d}" for row in range(10, 20)))
    assert list_splits("made") == []


def test_a_patient_with_many_lesions_is_no_reason_to_refuse(workspace: Path):
    save_dataset("made", arrays(60), patient_id=["many"] * 20 + [""] * 40)
    assert len(make_split("made").rows("train")) == 42


@pytest.mark.parametrize(
    "arguments",
    [{"val": -0.1}, {"val": 0.6, "test": 0.4}, {"val": math.nan}, {"fraction": 0}, {"fraction": 1.1}, {"fraction": math.nan}, {"seed": -1}],
)
def test_impossible_shares_are_refused(phantom: str, arguments: dict[str, float]):
    with pytest.raises(InvalidValue):
        make_split(phantom, **arguments)


def test_too_few_groups_for_a_part_are_refused(workspace: Path):
    save_dataset("made", arrays(8), patient_id=["p"] * 4 + ["q"] * 4)
    with pytest.raises(InvalidValue, match="too few groups"):
        make_split("made")


def test_loading_without_a_name(workspace: Path):
    save_dataset("made", arrays(40))
    first = load_split("made")  # makes the default one
    assert (first.seed, first.val, first.test, first.fraction) == (0, 0.15, 0.15, 1.0)
    assert load_split("made") == first
    second = make_split("made", seed=5)
    with pytest.raises(UserError) as caught:
        load_split("made")
    assert first.id in caught.value.todo and second.id in caught.value.todo
    assert load_split("made", second.id) == second
    with pytest.raises(NotFound) as caught:
        load_split("made", "absent")
    assert first.id in caught.value.todo


def test_a_split_that_was_changed_by_hand_is_refused(phantom: str, workspace: Path):
    split = load_split(phantom)
    path = workspace / "datasets" / phantom / "splits" / f"{split.id}.parquet"
    table = pd.read_parquet(path)
    row = split.rows("test")[0]
    table.loc[row, "part"] = "train"
    table.to_parquet(path)
    with pytest.raises(CorruptFile, match="fingerprint"):
        load_split(phantom, split.id)


def change_label(folder: Path) -> None:
    """Turn the first label of a dataset's table into the other one."""
    table = pd.read_parquet(folder / "table.parquet")
    table.loc[0, "label"] = {"benign": "malignant", "malignant": "benign"}[table.loc[0, "label"]]
    table.to_parquet(folder / "table.parquet", index=False)


def test_a_split_is_not_blamed_for_a_table_that_changed(phantom: str):
    split, folder = load_split(phantom), open_dataset(phantom).folder
    change_label(folder)
    for _ in range(2):
        with pytest.raises(CorruptFile) as caught:
            load_split(phantom, split.id)
        assert caught.value.what.startswith("The table of dataset 'phantom' is not as it was imported")
        assert "Remove" not in caught.value.todo
    for ending in ("json", "parquet"):
        (folder / "splits" / f"{split.id}.{ending}").unlink()
    with pytest.raises(CorruptFile, match="The table of dataset 'phantom' is not as it was imported"):
        make_split(phantom)


def test_a_split_of_an_older_dataset_says_that_the_table_may_be_at_fault(phantom: str):
    split, folder = load_split(phantom), open_dataset(phantom).folder
    record = json.loads((folder / "dataset.json").read_text())
    del record["digests"]
    (folder / "dataset.json").write_text(json.dumps(record))
    assert load_split(phantom, split.id) == split
    change_label(folder)
    with pytest.raises(CorruptFile) as caught:
        load_split(phantom, split.id)
    assert caught.value.todo.startswith(f"Compare {folder / 'table.parquet'} with a backup: this dataset is older than the digest")
    assert f"If the table is right: remove {split.id}.json and {split.id}.parquet from" in caught.value.todo


@pytest.mark.parametrize("ending", ["json", "parquet"])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_a_split_that_cannot_be_read_is_named_each_time(phantom: str, ending: str, content: bytes | None):
    split = load_split(phantom)
    path = open_dataset(phantom).folder / "splits" / f"{split.id}.{ending}"
    if content is None and ending == "json":
        content = json.dumps(json.loads(path.read_text()) | {"novel": 1}).encode()
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(CorruptFile) as caught:
            list_splits(phantom)
        assert str(path) in caught.value.what and f"Remove {split.id}.json and {split.id}.parquet" in caught.value.todo


def test_splits_are_read_once_for_as_long_as_they_stay_as_they_are(phantom: str, monkeypatch: pytest.MonkeyPatch):
    first, second = load_split(phantom), make_split(phantom, seed=1)
    folder, read = open_dataset(phantom).folder, []
    original = splits._read_and_check
    monkeypatch.setattr(splits, "_read_and_check", lambda images, path: read.append(path.stem) or original(images, path))
    for _ in range(3):
        assert {split.id: split for split in list_splits(phantom)} == {first.id: first, second.id: second}
    assert read == [second.id], "the first was read when it was loaded"
    assert load_split(phantom, second.id) is load_split(phantom, second.id)
    for path in (folder / "splits" / f"{second.id}.json", folder / "splits" / f"{second.id}.parquet"):
        path.touch()
        assert second in list_splits(phantom)
    assert read == [second.id] * 3
    for path, change in ((folder / "dataset.json", {"fingerprint": "e" * 64}), (folder / "table.parquet", None)):
        read.clear()
        path.write_text(json.dumps(json.loads(path.read_text()) | change)) if change else path.touch()
        list_splits(phantom)
        assert sorted(read) == sorted([first.id, second.id]), path.name


def test_a_split_made_anew_in_the_place_of_another_is_seen(phantom: str):
    split = load_split(phantom)
    path = open_dataset(phantom).folder / "splits" / f"{split.id}.json"
    path.write_text(path.read_text().replace('"rule": ""', '"rule": "x"'))
    assert load_split(phantom, split.id).rule == "x"


def test_few_splits_are_kept_in_memory(phantom: str, monkeypatch: pytest.MonkeyPatch):
    made = [load_split(phantom), *(make_split(phantom, seed=seed) for seed in (1, 2))]
    rows = len(made[0].parts)
    monkeypatch.setattr(splits, "_kept", {})
    monkeypatch.setattr(splits, "_KEPT_ROWS", 2 * rows)
    assert {split.id for split in list_splits(phantom)} == {split.id for split in made}
    kept = list(splits._kept.values())
    assert len(kept) == 2 and kept[0].groups is kept[1].groups
    monkeypatch.setattr(splits, "_KEPT_ROWS", 0)
    assert len(list_splits(phantom)) == 3 and len(splits._kept) == 1


def test_the_record_is_readable_and_small(phantom: str, workspace: Path):
    split = load_split(phantom)
    stored = json.loads((workspace / "datasets" / phantom / "splits" / f"{split.id}.json").read_text())
    assert stored["fingerprint"] == split.fingerprint and stored["id"] == split.fingerprint[:12]
    assert stored["parts"] == [] and stored["val"] == 0.15
    assert set(split.parts) == set(PARTS)


def test_check_reports_pairs_groups_and_sizes(workspace: Path):
    images = arrays(40)
    images[1] = np.rot90(images[0])
    images[3] = images[2]
    save_dataset("made", images, patient_id=["p", "p", *[""] * 38])
    split = make_split("made")
    report = check("made")
    kinds = {(pair.image_a, pair.image_b): pair for pair in report.pairs}
    assert set(kinds) == {("image0000", "image0001"), ("image0002", "image0003")}
    near, same = kinds["image0000", "image0001"], kinds["image0002", "image0003"]
    assert (near.kind, near.related, near.labels_differ) == ("near-duplicate", True, True)
    assert (same.kind, same.related, same.labels_differ, same.similarity) == ("identical bytes", False, False, 1.0)
    assert (report.n_images, report.n_groups, report.largest_group, report.n_with_patient, report.n_with_lesion) == (40, 38, 2, 2, 0)
    assert sum(sum(classes.values()) for classes in report.sizes[split.id].values()) == 40
    assert report.violations == ()


def test_check_finds_a_group_that_an_old_split_separates(workspace: Path):
    """Duplicates found by a later version may lie in different parts of a split that was made before."""
    save_dataset("made", arrays(40))
    split = make_split("made")
    train, test = split.rows("train")[0], split.rows("test")[0]
    path = workspace / "datasets" / "made" / "near_duplicates.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"pairs": [[*sorted((train, test)), 0.95]]}))
    violations = check("made").violations
    assert len(violations) == 1 and split.id in violations[0] and "test and train" in violations[0]


# Folds and sources


def test_every_group_is_tested_in_exactly_one_fold(phantom: str):
    folds = splits.make_folds(phantom, 4)
    tested = np.array([[part == "test" for part in split.parts] for split in folds])
    assert (tested.sum(axis=0) == 1).all()
    assert [split.rule for split in folds] == ["fold 1 of 4", "fold 2 of 4", "fold 3 of 4", "fold 4 of 4"]
    labels = np.array(open_dataset(phantom).table["label"])
    for split in folds:
        assert all(len(parts) == 1 for parts in parts_of_groups(split).values())
        assert len(split.rows("val")) == pytest.approx(0.15 * len(labels), abs=10)
        assert (labels[split.rows("test")] == "malignant").mean() == pytest.approx((labels == "malignant").mean(), abs=0.1)
    assert splits.make_folds(phantom, 4) == folds, "made once"
    assert check(phantom).violations == ()
    assert load_split(phantom).rule == "", "folds are only meant where they are named"
    assert load_split(phantom, folds[2].id) == folds[2] and "fold 3 of 4" in splits.describe(folds[2])
    with pytest.raises(InvalidValue, match="1 folds"):
        splits.make_folds(phantom, 1)


def test_a_thinned_fold_is_not_taken_for_the_whole_one(phantom: str):
    folds = splits.make_folds(phantom, 4)
    thin = splits.thin_split(folds[0], 0.25)
    os.utime(open_dataset(phantom).folder / "splits" / f"{thin.id}.json", (0, 0))  # copied files may look older than they are
    assert splits.list_splits(phantom)[0] == thin
    assert splits.make_folds(phantom, 4) == folds


def test_a_source_is_held_out_whole_with_whoever_shares_its_patients(workspace: Path):
    sources = ["north"] * 20 + ["south"] * 60
    patients = [f"p{row // 2}" for row in range(80)]
    patients[30] = "p3"  # a patient of the north who was photographed in the south as well
    save_dataset("made", arrays(80), source=sources, patient_id=patients)
    split = splits.hold_out_source("made", "north")
    assert split.rows("test") == list(range(20)) and split.rule == "source north"
    assert split.parts[30] == splits.UNUSED and "test" not in split.parts[20:]
    assert set(np.array(split.parts)[32:]) == {"train", "val"}
    assert splits.hold_out_source("made", "north") == split
    for source in ("west", ""):
        with pytest.raises(InvalidValue, match="cannot be held out"):
            splits.hold_out_source("made", source)
