"""Datasets on disk: writing, opening, other sizes, lists, and what happens when a file is damaged."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_images import arrays, save_dataset, save_photographs

from gan_aug import cli
from gan_aug.data import dataset, importer
from gan_aug.data.dataset import DatasetWriter, FileCheck, check_files, csv_text, list_datasets, open_dataset, scan_datasets
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


# --- what was imported is what is there ---------------------------------------------------------------------------------------------------


def change_table(folder: Path, column: str, text: str | None) -> None:
    """Change one cell of a dataset's table, that of its second row."""
    table = pd.read_parquet(folder / "table.parquet")
    table.loc[1, column] = text
    table.to_parquet(folder / "table.parquet", index=False)


def overwrite(path: Path, at: int, count: int) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + count] = bytes(255 - value for value in content[at : at + count])
    path.write_bytes(content)


def make_older(name: str) -> Path:
    """Take the digests out of a dataset's record, as datasets of older versions have none; returns its folder."""
    folder = dataset.folder_of(name)
    record = json.loads((folder / "dataset.json").read_text())
    del record["digests"]
    (folder / "dataset.json").write_text(json.dumps(record))
    return folder


def import_folders(tmp_path: Path) -> None:
    """Import six photographs of two classes as the dataset ``photos``."""
    save_photographs(tmp_path / "photos", [f"{label}/{number}.png" for label in ("benign", "malignant") for number in range(3)])
    importer.import_dataset([tmp_path / "photos"], "photos", size=32, workers=1)


def test_a_record_holds_the_digests_of_what_was_written(workspace: Path):
    record = save_dataset("made", arrays(4))
    content = (workspace / "datasets" / "made" / "images.npy").read_bytes()
    assert record.digests.images == hashlib.sha256(content).hexdigest()
    assert open_dataset("made").record.digests == record.digests


@pytest.mark.parametrize("content", [b"", b"PAR1", None, "cut off", "header overwritten"])
def test_a_table_that_cannot_be_read_is_named(workspace: Path, content: bytes | str | None, capsys: pytest.CaptureFixture[str]):
    save_dataset("made", arrays(4))
    path = workspace / "datasets" / "made" / "table.parquet"
    whole = path.read_bytes()
    texts = {"cut off": whole[:-200], "header overwritten": b"XXXX" + whole[4:-4] + b"XXXX"}
    path.unlink() if content is None else path.write_bytes(texts.get(content, content))
    with pytest.raises(CorruptFile) as caught:
        _ = open_dataset("made").table
    assert caught.value.what.startswith("table.parquet of dataset 'made' cannot be read (")
    assert caught.value.todo == f"Bring {path} back from a backup, or import the pictures again under another name."
    assert cli.main(["data", "show", "made"]) == 1
    assert "table.parquet of dataset 'made' cannot be read (" in capsys.readouterr().err


def test_a_table_without_a_column_is_named(workspace: Path):
    save_dataset("made", arrays(4))
    path = workspace / "datasets" / "made" / "table.parquet"
    pd.read_parquet(path).drop(columns="label").to_parquet(path, index=False)
    with pytest.raises(CorruptFile, match="The table of dataset 'made' has no column label"):
        _ = open_dataset("made").labels


@pytest.mark.parametrize(
    ("column", "text"),
    [("label", "malignant"), ("patient_id", "p9"), ("lesion_id", "l9"), ("pixel_sha256", "0" * 64), ("image_id", "other"), ("label", None)],
)
def test_a_table_that_was_changed_is_refused_each_time(workspace: Path, column: str, text: str | None):
    save_dataset("made", arrays(4))
    assert open_dataset("made").labels.tolist() == [1, 0, 0, 0]
    folder = workspace / "datasets" / "made"
    change_table(folder, column, text)
    for _ in range(2):
        with pytest.raises(CorruptFile) as caught:
            _ = open_dataset("made").labels
        assert caught.value.what.startswith("The table of dataset 'made' is not as it was imported: what it says of the images")
        assert caught.value.todo == f"Bring {folder / 'table.parquet'} back from a backup, or import the pictures again under another name."


def test_a_table_whose_rows_changed_places_is_refused(workspace: Path):
    save_dataset("made", arrays(4))
    path = workspace / "datasets" / "made" / "table.parquet"
    pd.read_parquet(path)[::-1].to_parquet(path, index=False)
    with pytest.raises(CorruptFile, match="not as it was imported"):
        _ = open_dataset("made").table


def test_a_table_that_was_encoded_anew_is_the_same_table(workspace: Path):
    save_dataset("made", arrays(4))
    path = workspace / "datasets" / "made" / "table.parquet"
    pd.read_parquet(path).to_parquet(path, compression="gzip")
    assert open_dataset("made").labels.tolist() == [1, 0, 0, 0]


def test_a_table_is_compared_once_for_as_long_as_it_stays_as_it_is(workspace: Path, monkeypatch: pytest.MonkeyPatch):
    save_dataset("made", arrays(4))
    compared, original = [], dataset._digest
    monkeypatch.setattr(dataset, "_digest", lambda table, columns: compared.append(columns) or original(table, columns))
    for _ in range(3):
        _ = open_dataset("made").table
    assert len(compared) == 1
    (workspace / "datasets" / "made" / "table.parquet").touch()
    _ = open_dataset("made").table
    assert len(compared) == 2


def test_an_older_import_is_compared_with_its_fingerprint(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    import_folders(tmp_path)
    folder = make_older("photos")
    assert open_dataset("photos").record.digests is None
    assert open_dataset("photos").labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert check_files("photos") == FileCheck(table=True, images=False, derived=())
    assert cli.main(["data", "check", "photos"]) == 0
    out = capsys.readouterr().out
    assert "table.parquet has the bytes, labels, patients and lesions that were imported; the rest was not checked" in out
    assert "images.npy was not checked: this dataset is older and has no digest of it" in out
    change_table(folder, "label", "malignant")
    with pytest.raises(CorruptFile, match="The table of dataset 'photos' is not as it was imported"):
        _ = open_dataset("photos").labels


def test_check_says_what_it_compared(workspace: Path, phantom: str, capsys: pytest.CaptureFixture[str]):
    open_dataset(phantom).at(32)
    (workspace / "datasets" / phantom / "images-64.npy").write_bytes(b"read by nothing")
    assert cli.main(["data", "check", phantom]) == 0
    out = capsys.readouterr().out
    for line in ("table.parquet is as it was imported", "images.npy is as it was imported", "images-32.npy is what images.npy gives"):
        assert line in out
    assert "images-64" not in out
    assert cli.main(["data", "check", phantom, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == {"table": True, "images": True, "derived": [32]}


def test_check_says_what_an_older_phantom_has_no_digest_of(phantom: str, capsys: pytest.CaptureFixture[str]):
    make_older(phantom)
    assert cli.main(["data", "check", phantom]) == 0
    out = capsys.readouterr().out
    for file in ("table.parquet", "images.npy"):
        assert f"{file} was not checked: this dataset is older and has no digest of it" in out


def test_check_finds_images_that_were_overwritten(phantom: str, capsys: pytest.CaptureFixture[str]):
    path = open_dataset(phantom).folder / "images.npy"
    overwrite(path, 900_000, 50_000)
    assert open_dataset(phantom).images.shape == (160, 64, 64, 3), "the file is not read to its end each time"
    assert cli.main(["data", "check", phantom]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "images.npy of dataset 'phantom' is not as it was imported" in err
    assert f"Bring {path} back from a backup, or import the pictures again under another name." in err


@pytest.mark.parametrize("column", ["source", "licence"])
def test_check_finds_a_source_or_licence_that_changed(workspace: Path, column: str):
    save_dataset("made", arrays(4))
    change_table(workspace / "datasets" / "made", column, "another")
    with pytest.raises(CorruptFile, match="not as it was imported: a source or a licence has changed"):
        check_files("made")


def test_check_finds_a_derived_size_that_was_damaged(workspace: Path):
    save_dataset("made", arrays(5, 64))
    open_dataset("made").at(32)
    path = workspace / "datasets" / "made" / "images-32.npy"
    assert check_files("made").derived == (32,)
    overwrite(path, 10_000, 1)
    with pytest.raises(CorruptFile) as caught:
        check_files("made")
    assert caught.value.what == "images-32.npy of dataset 'made' is not what images.npy gives at 32 px."
    assert caught.value.todo == f"Remove {path}: it is made again from images.npy when it is needed."


def test_a_derived_size_that_was_cut_off_is_to_be_made_again(workspace: Path):
    save_dataset("made", arrays(5, 64))
    small = np.array(open_dataset("made").at(32))
    path = workspace / "datasets" / "made" / "images-32.npy"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CorruptFile) as caught:
        open_dataset("made").at(32)
    assert caught.value.todo == f"Remove {path}: it is made again from images.npy when it is needed."
    path.unlink()
    assert np.array_equal(open_dataset("made").at(32), small)


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
