"""Folders and tables as they also come: rows without their file, numbered classes, licences that differ, odd names and odd files."""

import json
import os
from pathlib import Path

import pytest
from made_images import save_photographs, save_table

from gan_aug.data import labels
from gan_aug.data.formats import IMAGE_WITHOUT_ROW, ROW_WITHOUT_IMAGE, WITHOUT_LABEL, Source, recognise
from gan_aug.data.licences import is_free, stricter
from gan_aug.data.tables import TableRejected, read_header


def labels_of(source: Source) -> dict[str, str]:
    """Label of every matched file."""
    return {file: record.label for record, file in source.matches}


def challenge(image: str, melanoma: float = 0.0) -> dict[str, object]:
    return {"image_id": image, "melanoma": melanoma, "seborrheic_keratosis": 0.0}


def archive(image: str, third: str = "Nevus", licence: str = "") -> dict[str, object]:
    return {"isic_id": image, "diagnosis_1": "Benign", "diagnosis_3": third, "copyright_license": licence}


HAM = ["lesion_id,image_id,dx,dx_type", "HAM_0,ISIC_1,mel,histo", "HAM_1,ISIC_2,nv,histo"]


def save_ham(path: Path, delimiter: str = "\t") -> None:
    path.write_text("\n".join(HAM).replace(",", delimiter) + "\n")


def test_a_row_without_its_file_does_not_take_another_row_s(tmp_path: Path):
    save_photographs(tmp_path, ["patientB/img1.png", "patientC/img2.png"])
    rows = [("patientA/img1.png", "malignant", "A"), ("patientB/img1.png", "benign", "B"), ("patientC/img2.png", "benign", "C")]
    save_table(tmp_path / "mine.csv", [dict(zip(("path", "label", "patient_id"), row, strict=True)) for row in rows])
    source = recognise(tmp_path)
    assert [(file, record.label, record.patient_id) for record, file in source.matches] == [
        ("patientB/img1.png", "benign", "B"),
        ("patientC/img2.png", "benign", "C"),
    ]
    assert [(item.kind, item.image, item.detail) for item in source.unmatched] == [
        (ROW_WITHOUT_IMAGE, "patientA/img1.png", "patientB/img1.png is another row's")
    ]


def test_a_file_that_two_rows_may_mean_alike_is_nobody_s(tmp_path: Path):
    save_photographs(tmp_path, ["moved/img1.png", "moved/img2.png"])
    save_table(tmp_path / "mine.csv", [{"path": f"{name}.png", "label": 0} for name in ("A/img1", "B/img1", "A/img2")])
    source = recognise(tmp_path)
    assert labels_of(source) == {"moved/img2.png": "benign"}
    assert source.count(ROW_WITHOUT_IMAGE) == 2 and "2 rows may mean moved/img1.png" in [item.detail for item in source.unmatched]
    assert [item.file for item in source.unmatched if item.kind == IMAGE_WITHOUT_ROW] == ["moved/img1.png"]


def test_rows_that_name_one_file_with_and_without_its_folder_are_one(tmp_path: Path):
    save_photographs(tmp_path, ["images/ISIC_1.jpg", "images/ISIC_2.jpg"])
    save_table(tmp_path / "metadata.csv", [archive(f"ISIC_{number}", licence="CC-BY-NC") | {"patient_id": "IP_1"} for number in (1, 2)])
    save_table(tmp_path / "mine.csv", [{"file": f"images/ISIC_{number}.jpg", "label": number - 1} for number in (1, 2)])
    source = recognise(tmp_path)
    assert [(file, record.patient_id, record.licence) for record, file in source.matches] == [("images/ISIC_1.jpg", "IP_1", "CC-BY-NC")]
    assert [(item.kind, item.detail) for item in source.unmatched] == [(WITHOUT_LABEL, "its rows disagree: malignant and benign")]
    assert source.n_rows == 2 and "2 rows name an image that another row names too" in source.notes[0]


def test_a_row_s_licence_holds_before_its_collection_s(tmp_path: Path):
    save_photographs(tmp_path, ["ISIC_1.jpg", "ISIC_2.jpg"])
    save_table(tmp_path / "ISIC-2017_Part3_GroundTruth.csv", [challenge("ISIC_1"), challenge("ISIC_2")])
    save_table(tmp_path / "metadata.csv", [archive("ISIC_1", licence="CC-BY-NC"), archive("ISIC_2", licence="nan")])
    assert [record.licence for record, _ in recognise(tmp_path).matches] == ["CC-BY-NC", "CC0-1.0"]


@pytest.mark.parametrize("order", [("CC-0", "CC-BY-NC"), ("CC-BY-NC", "CC-0")])
def test_of_two_licences_the_stricter_holds_whichever_comes_first(tmp_path: Path, order: tuple[str, str]):
    save_photographs(tmp_path, ["ISIC_1.jpg"])
    for number, licence in enumerate(order):
        save_table(tmp_path / f"{number}.csv", [archive("ISIC_1", licence=licence)])
    ((record, _),) = recognise(tmp_path).matches
    assert record.licence == "CC-BY-NC"


def test_licences_are_joined_once_and_never_look_free():
    both = stricter("CC-BY-NC", "CC-BY")
    assert both == stricter(both, "CC-BY") == stricter(both, "CC0-1.0") == "CC-BY-NC and CC-BY" and not is_free(both)
    assert (stricter("CC-0", "CC0-1.0"), stricter("", "CC-0"), stricter("", "")) == ("CC-0", "CC-0", "")


def test_numbers_beyond_0_and_1_are_classes(tmp_path: Path):
    save_photographs(tmp_path / "table", [f"{number}.png" for number in range(4)])
    save_table(tmp_path / "table" / "mine.csv", [{"image": f"{number}.png", "label": number} for number in range(4)])
    assert labels_of(recognise(tmp_path / "table")) == {f"{number}.png": str(number) for number in range(4)}
    save_photographs(tmp_path / "folders", [f"{number}/{number}.png" for number in range(3)])
    assert labels_of(recognise(tmp_path / "folders")) == {f"{number}/{number}.png": str(number) for number in range(3)}


def test_numbered_classes_with_a_column_of_names_can_be_read_by_diagnosis(tmp_path: Path):
    save_photographs(tmp_path, [f"{number}.png" for number in range(3)])
    rows = [{"image": number, "label": number, "diagnosis": name} for number, name in enumerate(("nv", "mel", "bcc"))]
    save_table(tmp_path / "mine.csv", rows)
    assert list(labels_of(recognise(tmp_path)).values()) == ["0", "1", "2"]
    assert list(labels_of(recognise(tmp_path, by_diagnosis=True)).values()) == ["nevus", "melanoma", "basal cell carcinoma"]


def test_0_and_1_alone_state_benign_and_malignant(tmp_path: Path):
    save_photographs(tmp_path, ["0/a.png", "1/b.png"])
    assert labels_of(recognise(tmp_path)) == {"0/a.png": "benign", "1/b.png": "malignant"}
    assert labels.judged(["0", "1.0", "", "unknown"]) == ["0", "1.0", "", "unknown"]
    assert labels.judged(["0", "1", "melanoma"]) == ["", "", "melanoma"]


def test_a_numbered_target_of_a_known_layout_is_not_taken_for_malignant(tmp_path: Path):
    save_photographs(tmp_path, [f"ISIC_{number}.jpg" for number in range(3)])
    rows = [{"image_name": f"ISIC_{n}", "patient_id": "IP_1", "diagnosis": "nevus", "target": n} for n in range(3)]
    save_table(tmp_path / "train.csv", rows)
    source = recognise(tmp_path)
    assert source.matches == () and [item.detail for item in source.unmatched] == [f"'{n}' is no known diagnosis" for n in range(3)]
    assert set(labels_of(recognise(tmp_path, by_diagnosis=True)).values()) == {"nevus"}


@pytest.mark.parametrize("name", ["HAM10000_metadata.tab", "HAM10000_metadata", "HAM10000_metadata.txt"])
@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_ham10000_as_dataverse_gives_it(tmp_path: Path, name: str, delimiter: str):
    save_photographs(tmp_path, ["HAM10000_images_part_1/ISIC_1.jpg", "HAM10000_images_part_2/ISIC_2.jpg"])
    save_ham(tmp_path / name, delimiter)
    (tmp_path / "LICENSE").write_text("Creative Commons, with a comma\n")
    for path in (tmp_path, tmp_path / name):
        source = recognise(path)
        assert source.format == "ham10000" and list(labels_of(source).values()) == ["malignant", "benign"]
        assert source.notes == ("1 other files were not looked at.",)


@pytest.mark.parametrize("blank", ["NA", "nan", "None", " unknown", "?", "n/a"])
def test_an_id_that_says_unknown_is_none(tmp_path: Path, blank: str):
    save_photographs(tmp_path, ["x.png", "y.png"])
    rows = [{"image": image, "label": 0, "patient_id": blank, "lesion_id": lesion} for image, lesion in (("x", "L1"), ("y", blank))]
    save_table(tmp_path / "mine.csv", rows)
    assert [(record.patient_id, record.lesion_id) for record, _ in recognise(tmp_path).matches] == [("", "L1"), ("", "")]


def test_a_table_without_labels_completes_class_folders(tmp_path: Path):
    save_photographs(tmp_path, ["melanoma/ISIC_1.jpg", "nevus/ISIC_2.JPG", "nevus/ISIC_3.jpg"])
    more = [
        {"image": image, "age_approx": 50, "anatom_site_general": "", "lesion_id": lesion, "sex": ""}
        for image, lesion in (("ISIC_1", "L1"), ("nevus/ISIC_2.jpg", "L2"), ("elsewhere/ISIC_3.jpg", "L3"))
    ]
    save_table(tmp_path / "ISIC_2019_Training_Metadata.csv", more)
    source = recognise(tmp_path)
    assert source.format == "folder" and [record.lesion_id for record, _ in source.matches] == ["L1", "L2", ""]


def test_names_that_are_not_utf8_are_listed(tmp_path: Path):
    save_photographs(tmp_path, ["nevus/a.png", "melanoma/b.png"])
    os.rename(tmp_path / "melanoma" / "b.png", os.fsencode(tmp_path / "melanoma") + b"/l\xe4sion.png")
    save_photographs(tmp_path, ["melanoma/c.png"])
    (tmp_path / os.fsdecode(b"\xfc.csv")).write_text("a,b\n")
    source = recognise(tmp_path)
    assert labels_of(source) == {"melanoma/c.png": "malignant", "nevus/a.png": "benign"} and source.n_files == 3
    assert source.rejected == (("melanoma/l\\xe4sion.png", "its name is not UTF-8 text; rename it"),)
    assert source.notes == ("Not used: \\xfc.csv (its name is not UTF-8 text; rename it).",)


def test_a_broken_link_beside_the_real_file_does_no_harm(tmp_path: Path):
    save_photographs(tmp_path, ["b/x.png", "b/y.png"])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "a" / "z.png")
    save_table(tmp_path / "mine.csv", [{"image": image, "label": 0} for image in "xyz"])
    source = recognise(tmp_path)
    assert list(labels_of(source)) == ["b/x.png", "b/y.png"]
    assert [file for file, reason in source.rejected if "broken link" in reason] == ["a/x.png", "a/z.png"] and source.unmatched == ()


def test_pipes_are_no_tables(tmp_path: Path):
    save_photographs(tmp_path, ["nevus/a.png", "melanoma/b.png"])
    for name in ("x.csv", "x.json", "x.tab", "x"):
        os.mkfifo(tmp_path / name)
    source = recognise(tmp_path)
    assert len(source.matches) == 2
    assert source.notes == ("Not used: x.csv (it is no ordinary file).", "2 other files were not looked at.")


def test_a_header_with_an_endless_cell_is_refused(tmp_path: Path):
    (tmp_path / "mine.csv").write_text("a" * 200_000 + ",label\n")
    with pytest.raises(TableRejected, match="field larger"):
        read_header(tmp_path / "mine.csv")


def test_half_a_character_in_json_can_be_written_down(tmp_path: Path):
    (tmp_path / "x.json").write_text(json.dumps({"isic_id": "ISIC_\ud800", "metadata": {"clinical": {"diagnosis_1": "Benign"}}}))
    assert [item.image for item in recognise(tmp_path).unmatched] == ["ISIC_?"]


def test_by_diagnosis_rows_that_disagree_are_left_out(tmp_path: Path):
    save_photographs(tmp_path, ["ISIC_1.jpg", "ISIC_2.jpg"])
    save_table(tmp_path / "a.csv", [archive("ISIC_1"), archive("ISIC_2")])
    save_table(tmp_path / "b.csv", [archive("ISIC_1", "Dermatofibroma"), archive("ISIC_2")])
    assert set(labels_of(recognise(tmp_path)).values()) == {"benign"}
    source = recognise(tmp_path, by_diagnosis=True)
    assert labels_of(source) == {"ISIC_2.jpg": "nevus"}
    assert [(item.kind, item.detail) for item in source.unmatched] == [(WITHOUT_LABEL, "its rows disagree: nevus and dermatofibroma")]
