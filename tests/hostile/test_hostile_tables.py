"""No table can make the importer open a file that it names, hang, or misread it in silence."""

from pathlib import Path

import pytest
from made_images import photograph, save_photographs, save_table

from gan_aug.data import tables
from gan_aug.data.dataset import open_dataset, rejected, unmatched
from gan_aug.data.formats import recognise
from gan_aug.data.importer import import_dataset
from gan_aug.errors import UserError


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no header"),
        (b"\n\n\n", "no header"),
        ("image,label\nx,1\n".encode("utf-16"), "NUL"),
        (b"image,label\nx\0,1\n", "NUL"),
        (b"image,label," + b"x" * 2_000_000, "longer than"),
        (b"image,label\n" + b"y" * 3_000_000 + b",1\n", "longer than"),
        (b"image,label,label\nx,1,0\n", "same name"),
        (b"image,label\nx,1\ny,1,2,3\n", "line 3"),
        (b'image,label\n"x,1\n', "end of data"),
    ],
)
def test_a_file_that_is_no_table_is_named_with_its_reason(tmp_path: Path, content: bytes, reason: str):
    (tmp_path / "bad.csv").write_bytes(content)
    photograph(1).save(tmp_path / "x.png")
    with pytest.raises(UserError) as caught:
        recognise(tmp_path)
    assert "bad.csv" in caught.value.what and reason in caught.value.what and len(caught.value.what) < 500


def test_a_bad_table_beside_a_good_one_is_only_noted(tmp_path: Path):
    save_photographs(tmp_path, ["x.png"])
    save_table(tmp_path / "good.csv", [{"image": "x", "label": 1}])
    (tmp_path / "bad.csv").write_bytes(b"\0\0\0")
    source = recognise(tmp_path)
    assert len(source.matches) == 1 and "bad.csv" in source.notes[0]


def test_a_table_over_the_size_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 100)
    save_table(tmp_path / "big.csv", [{"image": f"x{n}", "label": 1} for n in range(50)])
    with pytest.raises(UserError, match="larger than"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..\\..\\secret.jpg", "C:\\secret.jpg", "\\\\host\\share\\secret.jpg", "file:///secret.jpg"]
)
def test_a_row_cannot_name_a_file_outside(tmp_path: Path, name: str):
    save_photographs(tmp_path, ["secret.jpg", "inside/x.jpg"])
    save_table(tmp_path / "inside" / "table.csv", [{"image": name, "label": 1}, {"image": "x", "label": 0}])
    source = recognise(tmp_path / "inside")
    assert [file for _, file in source.matches] == ["x.jpg"]
    assert [item.image for item in source.unmatched] == [name]


def test_invalid_text_is_marked_and_matches_nothing(tmp_path: Path):
    save_photographs(tmp_path, ["x.jpg"])
    (tmp_path / "table.csv").write_bytes(b"image,label\nx,1\nl\xe4sion,0\n")
    source = recognise(tmp_path)
    assert len(source.matches) == 1 and source.unmatched[0].image == "l\ufffdsion"


def test_cells_that_a_spreadsheet_would_run_are_defused_in_our_lists(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["x.jpg", "=1+1.jpg"])
    (tmp_path / "@bad.jpg").write_bytes(b"")
    rows = [{"image": name, "label": 1} for name in ("x", "=cmd|' /C calc'!A0", "+1", "@bad")]
    save_table(tmp_path / "table.csv", rows)
    import_dataset([tmp_path], "made", size=32)
    assert unmatched("made")["image_id"].tolist() == ["'=cmd|' /C calc'!A0", "'+1", ""]
    assert unmatched("made")["file"].tolist() == ["", "", "'=1+1.jpg"]
    assert rejected("made")["file"].tolist() == ["'@bad.jpg"]


def test_scripts_in_cells_stay_text(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["x.jpg"])
    cell = "<script>alert(1)</script>"
    save_table(tmp_path / "table.csv", [{"image": "x", "label": 1, "patient_id": cell, "licence": cell}])
    import_dataset([tmp_path], "made", size=32)
    assert open_dataset("made").table[["patient_id", "licence"]].iloc[0].tolist() == [cell, cell]


@pytest.mark.parametrize("label", ["x" * 100, "two\nlines"])
def test_a_class_name_that_cannot_be_one_is_refused(tmp_path: Path, label: str):
    save_photographs(tmp_path, ["x.jpg"])
    save_table(tmp_path / "table.csv", [{"image": "x", "label": label}])
    with pytest.raises(UserError, match="name of a class"):
        recognise(tmp_path)


def test_json_that_is_deep_huge_or_something_else_is_not_a_row(tmp_path: Path):
    save_photographs(tmp_path, ["nevus/x.jpg"])
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "text.json").write_bytes(b"\xff\xfe not json")
    (tmp_path / "huge.json").write_text(
        '{"name": "x", "meta": {"clinical": {"benign_malignant": "malignant", "note": "' + "y" * 1_100_000 + '"}}}'
    )
    (tmp_path / "odd.json").write_text('{"name": ["x"], "meta": {"clinical": {"benign_malignant": "malignant"}}}')
    assert recognise(tmp_path).format == "folder"
