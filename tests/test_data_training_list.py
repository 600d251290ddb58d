"""Training lists: weights that have met val or test are refused, and the images are named."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_images import arrays, save_dataset

from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.data.training_list import count_outside, find_leaks, read, refuse_leak, training_list, write
from gan_aug.errors import CorruptFile, LeakError, NotFound
from gan_aug.records import SeenImage, Split


@pytest.fixture
def study(workspace: Path) -> tuple[ImageSet, Split]:
    """A dataset of 60 images of 30 patients, 64 px, and its split."""
    save_dataset("mine", arrays(60, 64), patient_id=[f"p{row // 2}" for row in range(60)])
    return open_dataset("mine"), load_split("mine")


def stranger(**values: str) -> SeenImage:
    """A seen image of a dataset that is not here and shares nothing, but for ``values``."""
    blank = SeenImage("elsewhere", "x", "x", "0" * 64, "1" * 64, "0123456789abcdef")
    return dataclasses.replace(blank, **values)


def test_a_list_names_its_images_and_comes_back_from_disk(study, tmp_path: Path):
    image_set, split = study
    seen = training_list(image_set, split, split.rows("train"))
    assert len(seen) == len(split.rows("train"))
    row = split.rows("train")[3]
    line = image_set.table.iloc[row]
    expected = SeenImage("mine", line.image_id, split.groups[row], line.byte_sha256, line.pixel_sha256, line.phash)
    assert dataclasses.replace(seen[3], patient_sha256="") == expected, "no lesion is known"
    assert write(tmp_path, seen).name == "training_list.parquet"
    assert read(tmp_path) == seen
    write(tmp_path, [])
    assert read(tmp_path) == []


def test_seen_images_outside_some_rows_are_counted(study):
    """An image is inside by its name, its bytes or its pixels."""
    image_set, split = study
    rows = split.rows("train")
    seen = training_list(image_set, split, rows)
    assert count_outside(seen, image_set, rows) == 0 and count_outside(seen, image_set, rows[5:]) == 5
    first = seen[0]
    inside = [stranger(byte_sha256=first.byte_sha256), stranger(pixel_sha256=first.pixel_sha256)]
    inside.append(stranger(dataset="mine", image_id=first.image_id))
    assert count_outside([*inside, stranger(), stranger(image_id=first.image_id)], image_set, rows) == 2


def test_a_list_names_no_patient_and_an_older_one_is_still_read(study, tmp_path: Path):
    image_set, split = study
    seen = training_list(image_set, split, [0, 1, 2])
    assert seen[0].patient_sha256 == seen[1].patient_sha256 != seen[2].patient_sha256
    path = write(tmp_path, seen)
    table = pd.read_parquet(path)
    assert not table.isin(["p0", "p1"]).any(axis=None) and table["patient_sha256"].str.len().eq(64).all()
    table.drop(columns=["patient_sha256", "lesion_sha256"]).to_parquet(path, index=False)
    assert read(tmp_path) == [dataclasses.replace(image, patient_sha256="") for image in seen]


def test_a_missing_or_damaged_list_is_an_error_not_an_empty_list(tmp_path: Path):
    with pytest.raises(NotFound):
        read(tmp_path)
    (tmp_path / "training_list.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(CorruptFile):
        read(tmp_path)


def test_training_on_the_train_part_is_allowed(study):
    image_set, split = study
    refuse_leak(training_list(image_set, split, split.rows("train")), image_set, split, "GAN dcgan-1")


@pytest.mark.parametrize("part", ["val", "test"])
def test_training_on_a_held_out_image_is_refused_with_number_and_names(study, part: str):
    image_set, split = study
    rows = split.rows(part)
    with pytest.raises(LeakError) as caught:
        refuse_leak(training_list(image_set, split, rows), image_set, split, "GAN dcgan-1")
    message = caught.value.what
    assert "GAN dcgan-1" in message and f"{len(rows)} images" in message and split.id in message
    assert image_set.table["image_id"].iat[rows[0]] in message
    assert len(message) < 400  # the first few stand for all


def test_each_way_of_meeting_is_found(study):
    image_set, split = study
    row = split.rows("test")[0]
    line = image_set.table.iloc[row]
    image, other = (
        image_set.table["image_id"].iat[r] for r in (row, next(r for r in split.rows("test")[1:] if split.groups[r] == split.groups[row]))
    )
    assert find_leaks([stranger(dataset="mine", image_id=line.image_id)], image_set, split) == {image: "image"}
    assert find_leaks([stranger(byte_sha256=line.byte_sha256)], image_set, split) == {image: "bytes", other: "group"}
    assert find_leaks([stranger(pixel_sha256=line.pixel_sha256)], image_set, split) == {image: "pixels", other: "group"}
    assert find_leaks([stranger(dataset="mine", group=split.groups[row])], image_set, split) == {image: "group", other: "group"}
    assert find_leaks([stranger(phash=line.phash)], image_set, split) == {image: "near-duplicate"}
    assert find_leaks([stranger()], image_set, split) == {}


def test_ids_and_groups_of_another_dataset_mean_nothing(study):
    image_set, split = study
    row = split.rows("test")[0]
    assert find_leaks([stranger(image_id=image_set.table["image_id"].iat[row], group=split.groups[row])], image_set, split) == {}


@pytest.mark.parametrize(
    ("column", "theirs", "ours", "how"),
    [
        ("patient_id", "IP_7279968", "IP_7279968", "the same patient"),
        ("lesion_id", "HAM_0000118", "HAM_0000118", "the same lesion"),
        ("lesion_id", "IL_7972535", "IL_7972535", "the same lesion"),
        ("patient_id", "IP_7279968", "IP_3075186", None),
        ("patient_id", "3", "3", None),  # of two clinics
        ("patient_id", "", "", None),
    ],
)
def test_other_images_of_a_patient_or_lesion_are_found_where_ids_hold_everywhere(
    workspace: Path, column: str, theirs: str, ours: str, how: str | None
):
    save_dataset("other", arrays(1, 64, start=500), **{column: [theirs]})
    seen = training_list(open_dataset("other"), load_split_of_two(open_dataset("other")), [0])
    shutil.rmtree(workspace / "datasets" / "other")
    save_dataset("mine", arrays(60, 64), **{column: [ours] * 2 + [""] * 58})
    image_set = open_dataset("mine")
    held_out = dataclasses.replace(load_split("mine"), parts=("test",) * 60)
    assert find_leaks(seen, image_set, held_out) == ({"image0000": how, "image0001": how} if how else {})


def test_another_image_of_a_patient_is_found_whatever_became_of_the_groups(study):
    image_set, split = study
    row = split.rows("test")[0]
    seen = [dataclasses.replace(image, image_id="x", group="x") for image in training_list(image_set, split, [row])]
    seen = [dataclasses.replace(image, byte_sha256="0" * 64, pixel_sha256="1" * 64, phash="0123456789abcdef") for image in seen]
    met = find_leaks(seen, image_set, split)
    assert set(met.values()) == {"the same patient"} and len(met) == 2
    with pytest.raises(LeakError, match="2 by the same patient"):
        refuse_leak(seen, image_set, split, "GAN dcgan-1")


def test_without_pixels_two_bits_of_the_hash_are_the_limit(study):
    image_set, split = study
    row = split.rows("val")[0]
    value = int(image_set.table["phash"].iat[row], 16)
    image = image_set.table["image_id"].iat[row]
    assert find_leaks([stranger(phash=f"{value ^ 0b11:016x}")], image_set, split) == {image: "near-duplicate"}
    assert find_leaks([stranger(phash=f"{value ^ 0b111:016x}")], image_set, split) == {}


def test_with_pixels_a_copy_is_found_and_a_like_hash_is_not(study):
    image_set, split = study
    test_row, val_row = split.rows("test")[0], split.rows("val")[0]
    other = arrays(2, 64, start=500)
    other[0] = np.rot90(image_set.images[test_row])
    hashes = image_set.table["phash"]
    save_dataset("other", other, phash=[hashes.iat[test_row], hashes.iat[val_row]])  # the second hash lies
    theirs = open_dataset("other")
    seen = training_list(theirs, load_split_of_two(theirs), [0, 1])
    assert find_leaks(seen, image_set, split) == {image_set.table["image_id"].iat[test_row]: "near-duplicate"}


def test_a_dataset_that_is_gone_or_other_than_it_was_falls_back_to_the_hashes(study, workspace: Path):
    image_set, split = study
    row = split.rows("test")[0]
    copy = np.rot90(image_set.images[row])[None]
    save_dataset("other", copy)
    theirs = open_dataset("other")
    seen = training_list(theirs, load_split_of_two(theirs), [0])
    image = image_set.table["image_id"].iat[row]
    shutil.rmtree(workspace / "datasets" / "other")
    assert find_leaks(seen, image_set, split) == {image: "near-duplicate"}
    save_dataset("other", arrays(1, 64, start=700))  # another dataset of that name
    assert find_leaks(seen, image_set, split) == {image: "near-duplicate"}


def load_split_of_two(image_set: ImageSet) -> Split:
    """A split record for datasets that are too small to be split."""
    count = image_set.record.n_images
    return Split("0" * 12, image_set.record.name, image_set.record.fingerprint, 0, 0, 0, 1, ("train",) * count, ("g",) * count, "0" * 64)
