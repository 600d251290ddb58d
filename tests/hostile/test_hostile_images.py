"""No file can stop an import, slip in disguised, or carry anything but pixels into a dataset."""

import os
from pathlib import Path

import numpy as np
import pytest
from hostile_files import ACCEPTED, REFUSED, SECRET, flipped_bits, saved
from made_images import photograph, save_photographs

from gan_aug.data.dataset import open_dataset, rejected
from gan_aug.data.importer import import_dataset
from gan_aug.images import ImageRejected, read_image, read_picture


@pytest.mark.parametrize("name", [name for name in REFUSED if Path(name).suffix not in (".svg", ".eps", ".dcm", ".gif")])
def test_a_hostile_file_is_rejected_with_its_reason(tmp_path: Path, name: str):
    content, reason = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageRejected) as caught:
        read_image(tmp_path / name, 64)
    assert reason in caught.value.reason and name in caught.value.what and len(caught.value.what) < 300


def test_an_import_lists_every_hostile_file_and_keeps_every_good_one(workspace: Path, tmp_path: Path):
    folder = tmp_path / "nevus"
    save_photographs(folder, [f"good{number}.jpg" for number in range(5)], start=100)
    for name, (content, _) in REFUSED.items():
        (folder / name).write_bytes(content)
    record = import_dataset([tmp_path], "mixed", size=32)
    assert open_dataset("mixed").table["image_id"].tolist() == [f"good{number}" for number in range(5)]
    reasons = rejected("mixed").set_index("file")["reason"]
    assert set(reasons.index) == {f"nevus/{name}" for name in REFUSED}
    assert all(reason in reasons[f"nevus/{name}"] for name, (_, reason) in REFUSED.items())
    assert record.report.n_rejected == len(REFUSED)


@pytest.mark.parametrize("name", ACCEPTED)
def test_only_pixels_come_in(workspace: Path, tmp_path: Path, name: str):
    (tmp_path / "nevus").mkdir()
    (tmp_path / "nevus" / name).write_bytes(ACCEPTED[name])
    import_dataset([tmp_path], "one", size=64)
    stored = open_dataset("one").images[0].astype(int)
    assert abs(stored - read_reference(tmp_path)).mean() < 4
    for path in (workspace / "datasets" / "one").rglob("*"):
        assert path.is_dir() or (SECRET not in path.read_bytes() and b"PK\x03\x04" not in path.read_bytes())


def read_reference(folder: Path) -> np.ndarray:
    photograph(1).save(folder / "reference.png")
    return read_image(folder / "reference.png", 64)[0].astype(int)


def test_a_pipe_does_not_hang_and_a_folder_is_no_picture(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("pipe.jpg", "folder.jpg"):
        with pytest.raises(ImageRejected, match="not a regular file"):
            read_image(tmp_path / name, 64)


def test_a_huge_file_is_not_read(tmp_path: Path):
    with (tmp_path / "huge.jpg").open("wb") as stream:
        stream.truncate(10**12)  # sparse: it has the size but takes no room
    with pytest.raises(ImageRejected, match="larger than 50 MB"):
        read_image(tmp_path / "huge.jpg", 64)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path):
    photograph(1).save(tmp_path / "locked.png")
    (tmp_path / "locked.png").chmod(0)
    with pytest.raises(ImageRejected, match="cannot be read"):
        read_image(tmp_path / "locked.png", 64)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_damaged_bytes_give_a_picture_or_a_reason_and_nothing_else(tmp_path: Path, format: str):
    content = saved(photograph(1), format)
    outcomes = {"picture": 0, "reason": 0}
    for seed in range(60):
        (tmp_path / "x.jpg").write_bytes(flipped_bits(content, seed))
        try:
            picture = read_picture(tmp_path / "x.jpg", 32)
            assert picture.pixels.shape == (32, 32, 3)
            outcomes["picture"] += 1
        except ImageRejected:
            outcomes["reason"] += 1
    assert sum(outcomes.values()) == 60 and outcomes["reason"] > 0


def test_names_made_to_escape_become_plain_ids(workspace: Path, tmp_path: Path):
    names = ["=cmd|calc.jpg", "<script>alert(1)<", "-rf.jpg", "x..hidden..", "a b\n c.jpg", "ünïcode.jpg", "x" * 200 + ".jpg"]
    folder = tmp_path / "nevus"
    save_photographs(folder, [name if name.endswith(".jpg") else f"{name}.jpg" for name in names])
    (folder / "=bad.png").write_bytes(b"")
    import_dataset([tmp_path], "named", size=32)
    ids = open_dataset("named").table["image_id"].tolist()
    assert len(set(ids)) == len(names)
    assert all(set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") and len(text) <= 90 for text in ids)
    assert not any(text.startswith((".", "-")) for text in ids)
