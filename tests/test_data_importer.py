"""The import as a whole: what is stored, what is listed, and that nothing is left behind when it does not finish."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_images import photograph, save_photographs, save_table
from PIL import Image

from gan_aug import files
from gan_aug.data.dataset import list_datasets, open_dataset, rejected, unmatched
from gan_aug.data.groups import group_names
from gan_aug.data.importer import ImportStopped, import_dataset, inspect, map_in_order
from gan_aug.data.leaks import check
from gan_aug.errors import InvalidValue, UserError
from gan_aug.images import read_picture

ROOT = Path(__file__).parents[1]


def archive_folder(folder: Path, count: int, start: int = 0) -> Path:
    """A folder as the ISIC archive's downloader makes it: pictures and metadata.csv, every third malignant."""
    names = [f"ISIC_{number:07d}" for number in range(start, start + count)]
    save_photographs(folder, [f"{name}.jpg" for name in names], start)
    rows = [
        {
            "isic_id": name,
            "diagnosis_1": "Malignant" if number % 3 == 0 else "Benign",
            "diagnosis_3": "",
            "lesion_id": f"IL_{number // 2}",
            "copyright_license": "CC-0",
        }
        for number, name in enumerate(names)
    ]
    save_table(folder / "metadata.csv", rows)
    return folder


def test_pixels_table_and_report(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 9)
    record = import_dataset([folder], "derma", size=32)
    image_set = open_dataset("derma")
    table = image_set.table
    assert image_set.record == record and record.classes == ("benign", "malignant") and record.sources == ("derma",)
    picture = read_picture(folder / "ISIC_0000004.jpg", 32)
    line = table.set_index("image_id").loc["ISIC_0000004"]
    assert np.array_equal(image_set.images[list(table["image_id"]).index("ISIC_0000004")], picture.pixels)
    assert (line.byte_sha256, line.pixel_sha256) == (files.sha256_file(folder / "ISIC_0000004.jpg"), picture.pixel_sha256)
    assert (line.label, line.lesion_id, line.licence, line.source, line.file) == ("benign", "IL_2", "CC-0", "derma", "ISIC_0000004.jpg")
    assert Counter(table["label"]) == {"benign": 6, "malignant": 3}
    report = record.report
    assert (report.formats, report.n_rows, report.n_images, report.n_rejected) == (("isic-archive",), 9, 9, 0)


def test_what_is_left_out_is_counted_and_listed(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 6)
    (folder / "ISIC_0000001.jpg").unlink()
    (folder / "ISIC_0000002.jpg").write_bytes(b"<html>not found</html>")
    save_photographs(folder, ["unknown.png", "ISIC_0000003_segmentation.png"])
    report = import_dataset([folder], "derma", size=32).report
    assert (report.n_images, report.n_rows_without_image, report.n_images_without_row, report.n_rejected) == (4, 1, 1, 2)
    refused = rejected("derma").set_index("file")["reason"]
    assert "HTML" in refused["ISIC_0000002.jpg"] and "mask" in refused["ISIC_0000003_segmentation.png"]
    listed = unmatched("derma")
    assert listed.to_dict("records") == [
        {"source": "derma", "kind": "row without image", "image_id": "ISIC_0000001", "file": "", "detail": "benign"},
        {"source": "derma", "kind": "image without row", "image_id": "", "file": "unknown.png", "detail": ""},
    ]


def test_a_dry_run_counts_the_same_and_stores_nothing(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 6)
    (folder / "ISIC_0000001.jpg").unlink()
    (found,) = inspect([folder])
    assert (found.format, found.source, found.n_rows, found.n_files, found.n_usable) == ("isic-archive", "derma", 6, 5, 5)
    assert (found.n_rows_without_image, found.n_images_without_row, found.n_without_label, found.n_rejected) == (1, 0, 0, 0)
    assert found.row_labels == {"benign": 4, "malignant": 2} and found.image_labels == {"benign": 3, "malignant": 2}
    assert found.tables == (("metadata.csv", "ISIC archive metadata", 6),)
    assert list(workspace.iterdir()) == []


def test_the_number_of_processes_does_not_matter(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gan_aug.data.importer._POOL_FROM", 10)
    folder = archive_folder(tmp_path / "derma", 50)
    (folder / "ISIC_0000020.jpg").write_bytes(b"")
    one = import_dataset([folder], "one", size=32, workers=1)
    two = import_dataset([folder], "two", size=32, workers=2)
    assert one.fingerprint == two.fingerprint and one.n_images == 49
    assert np.array_equal(open_dataset("one").images, open_dataset("two").images)
    assert open_dataset("one").table.equals(open_dataset("two").table)


def test_several_paths_make_one_dataset_with_sources(workspace: Path, tmp_path: Path):
    first, second = archive_folder(tmp_path / "a" / "derma", 4), archive_folder(tmp_path / "b" / "derma", 4, start=50)
    record = import_dataset([first, second], "both", size=32)
    assert record.sources == ("derma", "derma (2)") and record.n_images == 8
    assert record.report.formats == ("isic-archive", "isic-archive")
    assert Counter(open_dataset("both").table["source"]) == {"derma": 4, "derma (2)": 4}


def test_the_same_picture_in_two_sources_is_stored_once_and_equal_names_are_told_apart(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path / "a", ["melanoma/x.png", "nevus/y.png"])
    save_photographs(tmp_path / "b", ["melanoma/x.png"])
    photograph(77).save(tmp_path / "b" / "melanoma" / "z.png")
    photograph(78).save(tmp_path / "a" / "nevus" / "z.png")
    record = import_dataset([tmp_path / "a", tmp_path / "b"], "both", size=32)
    assert open_dataset("both").table["image_id"].tolist() == ["x", "y", "z", "melanoma-z"]
    assert "same picture as x" in rejected("both")["reason"].item() and record.report.n_rejected == 1


def two_sources(folder: Path, first: dict[str, str], second: dict[str, str]) -> list[Path]:
    """Two folders of the same two pictures whose tables say different things of the first."""
    for name, said in (("a", first), ("b", second)):
        save_photographs(folder / name, ["x.png", "y.png"])
        rows = [{"image": "x", "label": 0} | said, {"image": "y", "label": 1} | dict.fromkeys(said, "")]
        save_table(folder / name / "mine.csv", rows)
    return [folder / "a", folder / "b"]


@pytest.mark.parametrize("reverse", [False, True])
def test_the_same_picture_in_two_sources_keeps_what_either_knows(workspace: Path, tmp_path: Path, reverse: bool):
    more = {"patient_id": "P1", "lesion_id": "L1", "diagnosis": "nv", "licence": "CC-BY-NC"}
    paths = two_sources(tmp_path, {"patient_id": "", "licence": "CC0-1.0"}, more)
    assert import_dataset(paths[:: -1 if reverse else 1], "both", size=32).n_images == 2
    row = open_dataset("both").table.set_index("image_id").loc["x"]
    assert (row.patient_id, row.lesion_id, row.diagnosis, row.licence) == ("P1", "L1", "nevus", "CC-BY-NC")


def test_the_same_picture_of_two_patients_is_stored_twice_and_links_them(workspace: Path, tmp_path: Path):
    record = import_dataset(two_sources(tmp_path, {"patient_id": "P1"}, {"patient_id": "Q7"}), "both", size=32)
    table = open_dataset("both").table.set_index("image_id")
    assert table["patient_id"].to_dict() == {"x": "P1", "y": "", "b-x": "Q7"}
    groups = dict(zip(table.index, group_names(table.reset_index(), []), strict=True))
    assert groups["x"] == groups["b-x"] != groups["y"]
    assert "1 images are stored more than once, because their rows name different patients or lesions." in record.report.notes


@pytest.mark.parametrize("name", ["non-melanoma", "not melanoma"])
def test_one_label_left_because_the_other_name_is_not_known_is_refused(workspace: Path, tmp_path: Path, name: str):
    save_photographs(tmp_path, ["melanoma/1.jpg", f"{name}/2.jpg"])
    for attempt in (inspect, lambda paths: import_dataset(paths, "half", size=32)):
        with pytest.raises(UserError, match="All images would be malignant; 1 others have no label") as caught:
            attempt([tmp_path])
        assert f"{name!r} is no known diagnosis" in caught.value.what and "--labels diagnosis" in caught.value.todo
    assert import_dataset([tmp_path], "whole", size=32, labels="diagnosis").classes == ("melanoma", name)
    save_photographs(tmp_path, ["nevus/3.jpg"], start=5)
    assert import_dataset([tmp_path], "three", size=32).report.n_without_label == 1


def test_a_file_name_that_is_not_utf8_does_not_end_the_import(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["nevus/a.png", "melanoma/b.png", "melanoma/c.png"])
    os.rename(tmp_path / "melanoma" / "b.png", os.fsencode(tmp_path / "melanoma") + b"/l\xe4sion.png")
    report = import_dataset([tmp_path], "odd", size=32).report
    assert (report.n_images, report.n_rejected) == (2, 1) and rejected("odd")["file"].item() == "melanoma/l\\xe4sion.png"


def test_one_picture_with_two_labels_is_kept_twice_and_shows_in_the_check(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["melanoma/x.png", "nevus/x.png", *(f"nevus/{number}.png" for number in range(20))])
    photograph(0).save(tmp_path / "nevus" / "x.png")
    import_dataset([tmp_path], "made", size=32)
    contradicting = [(pair.image_a, pair.image_b) for pair in check("made").pairs if pair.labels_differ]
    assert contradicting == [("x", "nevus-x")]


def test_multi_class_by_diagnosis(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["melanoma/1.jpg", "nevus/2.jpg", "akiec/3.jpg", "vasc/4.jpg"])
    record = import_dataset([tmp_path], "many", size=32, labels="diagnosis")
    assert record.classes == ("actinic keratosis or intraepithelial carcinoma", "melanoma", "nevus", "vascular lesion")
    assert open_dataset("many").labels.tolist() == [0, 1, 2, 3]


def test_class_numbers_mean_the_same_when_a_class_is_missing(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["melanoma/1.jpg", "melanoma/2.jpg"])
    assert import_dataset([tmp_path], "only", size=32).classes == ("benign", "malignant")
    assert open_dataset("only").labels.tolist() == [1, 1]


def test_own_classes_are_kept_and_said(workspace: Path, tmp_path: Path):
    save_photographs(tmp_path, ["Acne/1.jpg", "Rosacea/2.jpg"])
    record = import_dataset([tmp_path], "own", size=32)
    assert record.classes == ("Acne", "Rosacea") and "kept as classes" in record.report.notes[-1]


def test_conversions_are_recorded(workspace: Path, tmp_path: Path):
    folder = tmp_path / "nevus"
    save_photographs(folder, ["plain.png"])
    photograph(5).convert("L").save(folder / "grey.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(6).save(folder / "turned.jpg", exif=exif)
    notes = import_dataset([tmp_path], "noted", size=128).report.notes
    assert "1 images were converted from L to RGB." in notes
    assert "1 images were turned upright as their EXIF data say." in notes
    assert "3 images are smaller than 128 px and were enlarged." in notes


def test_a_stopped_import_leaves_nothing(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gan_aug.data.importer._POOL_FROM", 10)
    folder = archive_folder(tmp_path / "derma", 40)
    for workers in (1, 2):
        answers = iter([False, True])  # the wish comes after the first pictures
        with pytest.raises(ImportStopped):
            import_dataset([folder], "derma", size=32, workers=workers, should_stop=answers.__next__)
        assert list((workspace / "datasets").iterdir()) == [] and list_datasets() == []
    assert import_dataset([folder], "derma", size=32).n_images == 40


def test_a_taken_name_is_refused_and_the_old_dataset_stays(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 4)
    record = import_dataset([folder], "derma", size=32)
    with pytest.raises(InvalidValue, match="already"):
        import_dataset([folder], "derma", size=64)
    assert open_dataset("derma").record == record


def test_two_imports_of_one_name_at_once_leave_one_whole_dataset(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 6)

    def overtake(done: int, all: int, message: str) -> None:
        if done == all:
            import_dataset([folder], "derma", size=64)

    with pytest.raises(InvalidValue, match="already"):
        import_dataset([folder], "derma", size=32, on_progress=overtake)
    assert [(record.name, record.size) for record in list_datasets()] == [("derma", 64)]
    assert len(list((workspace / "datasets").iterdir())) == 1


def test_a_killed_import_leaves_no_half_dataset(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 8)
    script = tmp_path / "import_and_hang.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from gan_aug.data.importer import import_dataset\n"
        "def hang(*_): print('busy', flush=True); time.sleep(60)\n"
        "import_dataset([Path(sys.argv[1])], 'derma', size=32, on_progress=hang)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert process.stdout.readline() == "busy\n"
    process.kill()
    process.wait()
    assert list_datasets() == []
    assert import_dataset([folder], "derma", size=32).n_images == 8


def test_progress_counts_every_picture(workspace: Path, tmp_path: Path):
    calls: list[tuple[int, int, str]] = []
    import_dataset([archive_folder(tmp_path, 5)], "derma", size=32, on_progress=lambda *report: calls.append(report))
    assert [call[:2] for call in calls] == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(
    "arguments", [{"size": 100}, {"size": 0}, {"size": 2048}, {"workers": 0}, {"labels": "colour"}, {"name": "../up"}, {"paths": []}]
)
def test_impossible_options_are_refused(workspace: Path, tmp_path: Path, arguments: dict[str, object]):
    with pytest.raises(InvalidValue):
        import_dataset(**({"paths": [archive_folder(tmp_path, 2)], "name": "derma"} | arguments))


def test_a_table_without_pictures_or_with_broken_ones_only_is_refused(workspace: Path, tmp_path: Path):
    folder = archive_folder(tmp_path / "derma", 2)
    for path in folder.glob("*.jpg"):
        path.write_bytes(b"broken")
    with pytest.raises(UserError, match="None of the 2 pictures can be used"):
        import_dataset([folder], "derma")
    for path in folder.glob("*.jpg"):
        path.unlink()
    with pytest.raises(UserError, match="a label and a picture here"):
        import_dataset([folder], "derma")
    assert list_datasets() == []


def double_or_die(number: int) -> int:
    """Stands for a decoder that crashes on one picture."""
    if number == 137:
        os._exit(1)
    return 2 * number


def test_a_task_that_kills_its_process_costs_no_other():
    results = list(map_in_order(double_or_die, list(range(220)), workers=2))
    assert results[137] == "the process that read it died"
    assert results[:137] + results[138:] == [2 * number for number in range(220) if number != 137]


REAL = os.environ.get("GAN_AUG_TEST_DATA")
real = pytest.mark.skipif(not REAL, reason="GAN_AUG_TEST_DATA names no folder of real tables and images")


@real
@pytest.mark.parametrize(
    ("name", "images", "malignant", "without_image"),
    [("isic2017", 2294, 407, 0), ("isic_uda1", 557, 159, 0), ("ham10000", 9885, 1824, 130), ("siim2020", 2669, 38, 30457)],
)
def test_real_folders(workspace: Path, name: str, images: int, malignant: int, without_image: int):
    report = import_dataset([Path(REAL) / name], name, size=32).report
    assert (report.n_images, report.n_rows_without_image, report.n_images_without_row, report.n_rejected) == (images, without_image, 0, 0)
    assert (open_dataset(name).table["label"] == "malignant").sum() == malignant
    assert (unmatched(name)["kind"] == "row without image").sum() == without_image


@real
def test_real_originals(workspace: Path):
    report = import_dataset([Path(REAL) / "originals"], "originals").report
    assert (report.n_images, report.n_rejected, report.n_without_label, report.n_images_without_row) == (47, 5, 2, 0)
    refused = rejected("originals").set_index("file")["reason"]
    assert sum("mask" in reason for reason in refused) == 4 and "thumbnail" in refused["isicapi_ISIC_0000000_thumbnail_256.jpg"]
    assert set(unmatched("originals")["file"]) == {"isicapi_RCM_tile_with_exif.png", "isicapi_image_with_exif_including_orientation.jpg"}
    turned = read_picture(Path(REAL) / "originals" / "isicapi_image_with_exif_including_orientation.jpg", 64)
    assert turned.turned and (turned.width, turned.height) == (600, 450)
    deep = read_picture(Path(REAL) / "originals" / "isicapi_RCM_tile_with_exif.png", 64)
    assert deep.mode == "I;16" and deep.pixels.std() > 10
