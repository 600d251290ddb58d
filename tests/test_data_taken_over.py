"""Splits that come from elsewhere: of a run, or of a table; what belongs together stays together, and what is not known is not used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_images import arrays, save_dataset
from made_up import make_run

from gan_aug import files, runs
from gan_aug.data import leaks
from gan_aug.data.dataset import folder_of, open_dataset
from gan_aug.data.split import list_splits, load_split, make_split, thin_split
from gan_aug.data.taken_over import shipped_splits, take_over_split
from gan_aug.data.training_list import find_leaks, refuse_leak, training_list
from gan_aug.errors import InvalidValue, LeakError, NotFound


@pytest.fixture
def pictures() -> np.ndarray:
    return arrays(24, 64)


def table_file(path: Path, parts: dict[str, str]) -> str:
    pd.DataFrame({"image_id": list(parts), "part": list(parts.values())}).to_csv(path, index=False)
    return str(path)


def thirds(count: int) -> dict[str, str]:
    return {f"image{row:04d}": ("train", "val", "test")[row % 3] for row in range(count)}


def test_a_table_says_which_part_each_image_has(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    save_dataset("d", pictures)
    given = thirds(24)
    taken = take_over_split("d", table_file(tmp_path / "official.csv", given))
    assert dict(zip([f"image{row:04d}" for row in range(24)], taken.split.parts, strict=True)) == given
    assert (taken.unknown, taken.held_back) == ((), ())
    assert (taken.split.val, taken.split.test, taken.split.rule) == (0.3333, 0.3333, "like official.csv")
    assert load_split("d") == load_split("d", taken.split.id) == taken.split, "it is the dataset's split"
    assert leaks.check("d").violations == ()


def test_taken_over_twice_it_is_one_split(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    save_dataset("d", pictures)
    table = table_file(tmp_path / "official.csv", thirds(24))
    assert take_over_split("d", table).split == take_over_split("d", table).split
    assert len(list_splits("d")) == 1


def test_images_that_the_table_does_not_have_are_not_used(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    save_dataset("d", pictures)
    given = {**thirds(21), "image0000": "unused", "stranger": "train"}
    taken = take_over_split("d", table_file(tmp_path / "official.csv", given))
    assert taken.unknown == ("image0000", "image0021", "image0022", "image0023")
    assert {taken.split.parts[row] for row in (0, 21, 22, 23)} == {"unused"}


def test_what_belongs_together_is_not_separated(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    """A near-duplicate, a patient: an image of test that shares either with one of train is left out, and so is one of val."""
    pictures[2] = np.rot90(pictures[0])  # test and train
    patients = ["p" if row in (3, 4, 7) else "" for row in range(24)]  # train, val, val
    save_dataset("d", pictures, patient_id=patients)
    taken = take_over_split("d", table_file(tmp_path / "official.csv", thirds(24)))
    assert taken.held_back == ("image0002", "image0004", "image0007") and taken.unknown == ()
    assert [taken.split.parts[row] for row in (0, 2, 3, 4, 7)] == ["train", "unused", "train", "unused", "unused"]
    assert leaks.check("d").violations == ()


def test_a_runs_split_fits_the_same_images_under_another_name(phantom: str, pictures: np.ndarray) -> None:
    """Weights that have seen some of the images can be measured on the others, which a split of one's own would not allow."""
    split = load_split(phantom)
    run = make_run("donor", "dcgan", phantom)
    image_set = open_dataset(phantom)
    seen = training_list(image_set, split, split.rows("train"))
    some = [row for row in range(len(split.parts)) if row % 4]
    table = image_set.table.iloc[some]
    columns = {name: table[name].tolist() for name in ("label", "patient_id", "byte_sha256", "pixel_sha256")}
    save_dataset("mine", image_set.images[some], **columns)
    mine = open_dataset("mine")
    assert find_leaks(seen, mine, make_split("mine")), "a split of one's own tests on what the run has seen"
    taken = take_over_split("mine", run.id)
    assert taken.split.rule == f"like {split.id}" and load_split("mine", split.id) == taken.split
    assert {part: len(taken.split.rows(part)) for part in ("train", "val", "test")} == {
        part: sum(split.parts[row] == part for row in some) for part in ("train", "val", "test")
    }
    assert find_leaks(seen, mine, taken.split) == {}


def test_a_published_run_brings_its_split_with_it(phantom: str, workspace: Path) -> None:
    split = load_split(phantom)
    run = make_run("given", "dcgan", phantom)
    assert shipped_splits() == {}
    table = folder_of(phantom) / "splits" / f"{split.id}.parquet"
    files.write_bytes(runs.run_folder(run.id) / "split.parquet", table.read_bytes())
    table.unlink()
    table.with_suffix(".json").unlink()
    assert shipped_splits() == {split.id: ["given"]}
    assert take_over_split(phantom, "given").split.parts == split.parts


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"image_id": ["image0000"], "part": ["dev"]}, "'dev'"),
        ({"file": ["image0000"], "part": ["train"]}, "file, part"),
        ({"image_id": ["image0000"], "fold": ["train"]}, "image_id, fold"),
        ({"image_id": ["image0000", "image0000"], "part": ["train", "test"]}, "image0000"),
        ({"image_id": ["a", "b"], "part": ["train", "test"]}, "0 train, 0 val, 0 test"),
        ({"image_id": ["image0000", "image0001"], "part": ["train", "train"]}, "2 train, 0 val, 0 test"),
        ({"image_id": ["image0000", "image0001"], "part": ["test", ""]}, "nan"),
    ],
)
def test_tables_that_do_not_fit(workspace: Path, pictures: np.ndarray, tmp_path: Path, columns: dict[str, list[str]], says: str) -> None:
    save_dataset("d", pictures)
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidValue, match=says):
        take_over_split("d", str(tmp_path / "t.csv"))
    assert list_splits("d") == []


def test_what_is_no_table(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    save_dataset("d", pictures)
    with pytest.raises(NotFound, match=r"nothing\.csv"):
        take_over_split("d", str(tmp_path / "nothing.csv"))
    with pytest.raises(NotFound, match="nobody"):
        take_over_split("d", "nobody")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InvalidValue, match="cannot be read"):
        take_over_split("d", str(tmp_path / "broken.parquet"))


def test_a_refused_leak_names_the_way_out(phantom: str) -> None:
    split, image_set = load_split(phantom), open_dataset(phantom)
    with pytest.raises(LeakError) as refused:
        refuse_leak(training_list(image_set, split, split.rows("test")), image_set, split, "run x")
    assert f"data split {phantom} --like RUN" in refused.value.todo


def test_a_split_that_was_taken_over_can_be_thinned(workspace: Path, pictures: np.ndarray, tmp_path: Path) -> None:
    """Val and test stay; a split of the same shares, drawn anew, would have others."""
    save_dataset("d", pictures)
    whole = take_over_split("d", table_file(tmp_path / "official.csv", thirds(24))).split
    half, quarter = thin_split(whole, 0.5), thin_split(whole, 0.25)
    assert (half.rows("val"), half.rows("test")) == (whole.rows("val"), whole.rows("test"))
    assert set(quarter.rows("train")) < set(half.rows("train")) < set(whole.rows("train"))
    assert thin_split(whole, 0.5) == half and thin_split(whole, 1.0) == whole
    assert load_split("d") == load_split("d", "official.csv") == whole, "a thinned one is only meant where it is named"
    with pytest.raises(InvalidValue, match="of the train part, not 0"):
        thin_split(half, 0.25)
