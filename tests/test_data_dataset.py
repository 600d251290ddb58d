"""Datasets on disk: writing, opening, other sizes, lists, and what happens when a file is damaged."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_images import arrays, save_dataset

from gan_aug import cli
from gan_aug.data import dataset
from gan_aug.data.dataset import DatasetWriter, csv_text, list_datasets, open_dataset, scan_datasets
from gan_aug.errors import CorruptFile, InvalidValue, NotFound


def test_what_was_written_is_read_back(workspace: Path):
    images = arrays(12)
    record = save_dataset("made", images, patient_id=[f"p{row // 2}" for row in range(12)])
    image_set = open_dataset("made")
    assert image_set.record == record and record.n_images == 12 and record.sources == ("made",)
    assert np.array_equal(image_set.images, images) and isinstance(image_set.images, np.memmap)
    assert tuple(image_set.table.columns) == dataset.COLUMNS
    assert image_set.table["patient_id"].tolist()[:3] == ["p0", "p0", "p1"]
    assert image_set.labels.dtype == np.int64 and image_set.labels.tolist() == [1, 0, 0, 0] * 3


def test_an_image_file_grows_row_by_row_and_ends_as_a_plain_npy(workspace: Path, tmp_path: Path):
    writer = DatasetWriter(tmp_path, 32)
    images = arrays(3)
    for image in images:
        writer.append(image, **dict.fromkeys(dataset.COLUMNS, "x"))
    writer.finish("n", ("x",), {}, dataset.ImportReport((), 0, 3, 0, 0, 0, 0))
    assert np.array_equal(np.load(tmp_path / "images.npy"), images)


def test_the_header_of_an_image_file_keeps_its_length_while_it_grows():
    lengths = set()
    for count in (0, 9, 400_000, 10**9):
        stream = io.BytesIO()
        dataset._write_header(stream, count, 128)
        lengths.add(stream.tell())
    assert len(lengths) == 1


def test_the_fingerprint_depends_on_bytes_labels_groups_and_options_but_not_on_order():
    table = {"byte_sha256": ["a", "b"], "label": ["x", "y"], "patient_id": ["", "p"], "lesion_id": ["l", ""]}
    frame = pd.DataFrame(table)
    known = dataset.fingerprint(frame, {"size": 64})
    assert dataset.fingerprint(frame[::-1], {"size": 64}) == known
    assert dataset.fingerprint(frame, {"size": 128}) != known
    for column in table:
        assert dataset.fingerprint(frame.assign(**{column: ["a", "new"]}), {"size": 64}) != known


def test_a_smaller_size_is_derived_once_and_kept(workspace: Path):
    save_dataset("made", arrays(5, 64))
    image_set = open_dataset("made")
    small = image_set.at(32)
    assert small.shape == (5, 32, 32, 3)
    assert abs(small.astype(int).mean((1, 2)) - image_set.images.astype(int).mean((1, 2))).max() < 1.5
    kept = image_set.folder / "images-32.npy"
    stamp = kept.stat().st_mtime_ns
    assert np.array_equal(open_dataset("made").at(32), small) and kept.stat().st_mtime_ns == stamp
    assert np.array_equal(image_set.at(64), image_set.images)
    assert not list(image_set.folder.glob(".*"))


def test_one_picture_is_that_of_all_and_derives_no_other(workspace: Path):
    save_dataset("made", arrays(5, 64))
    image_set = open_dataset("made")
    one = image_set.picture(3, 32)
    assert not list(image_set.folder.glob("images-*"))
    assert np.array_equal(one, image_set.at(32)[3])
    assert np.array_equal(image_set.picture(3, 64), image_set.images[3])
    with pytest.raises(InvalidValue, match="64 px and cannot give 128"):
        image_set.picture(3, 128)


def test_a_larger_size_is_refused(workspace: Path):
    save_dataset("made", arrays(2))
    with pytest.raises(InvalidValue, match="32 px and cannot give 64"):
        open_dataset("made").at(64)


def test_an_unknown_dataset_names_the_known_ones(workspace: Path):
    with pytest.raises(NotFound) as caught:
        open_dataset("nothing")
    assert "data demo" in caught.value.todo
    save_dataset("b", arrays(2))
    save_dataset("a", arrays(2))
    with pytest.raises(NotFound) as caught:
        open_dataset("c")
    assert "a, b" in caught.value.todo
    assert [record.name for record in list_datasets()] == ["a", "b"]


def test_a_half_made_dataset_is_none(workspace: Path):
    (workspace / "datasets" / "half").mkdir(parents=True)
    (workspace / "datasets" / ".other.x.tmp").mkdir()
    assert list_datasets() == []


@pytest.mark.parametrize("name", ["../outside", "", "a/b", ".hidden", "x" * 101])
def test_a_name_that_is_no_name_is_refused(workspace: Path, name: str):
    with pytest.raises(InvalidValue):
        open_dataset(name)


@pytest.mark.parametrize("name", ["images.npy", "dataset.json"])
def test_a_cut_off_file_is_named(workspace: Path, name: str):
    save_dataset("made", arrays(4))
    path = workspace / "datasets" / "made" / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFile, match=name):
        open_dataset("made").images.sum()


def test_a_damaged_dataset_does_not_hide_the_others(workspace: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("bad", "good"):
        save_dataset(name, arrays(4))
    (workspace / "datasets" / "bad" / "dataset.json").write_text("{}")
    found, damaged = scan_datasets()
    assert ([record.name for record in found], list(damaged)) == (["good"], ["bad"])
    assert [record.name for record in list_datasets()] == ["good"]
    assert cli.main(["data", "list"]) == 0
    out, err = capsys.readouterr()
    assert "good" in out and "bad" not in out and err.startswith("dataset.json of dataset 'bad' cannot be read")
    with pytest.raises(CorruptFile, match="'bad'"):
        open_dataset("bad")


def test_an_array_of_objects_is_not_unpickled(workspace: Path):
    save_dataset("made", arrays(4))
    np.save(workspace / "datasets" / "made" / "images.npy", np.array([{"a": 1}] * 4, object), allow_pickle=True)
    with pytest.raises(CorruptFile):
        _ = open_dataset("made").images


def test_cells_that_a_spreadsheet_would_run_are_defused():
    text = csv_text(("file", "reason"), [("=cmd|' /C calc'!A0", "x"), ("-1+2", "@SUM(A1)"), ("plain, with comma", '"quoted"')])
    lines = text.splitlines()
    assert lines[1].startswith("'=cmd") and lines[2] == "'-1+2,'@SUM(A1)"
    assert lines[3] == '"plain, with comma","""quoted"""'
