"""Recognition of layouts, the label rule, and which file belongs to which row."""

import json
import os
import unicodedata
from pathlib import Path

import pytest
from made_images import save_photographs, save_table

from gan_aug.data import formats, labels, layouts
from gan_aug.data.formats import IMAGE_WITHOUT_ROW, ROW_WITHOUT_IMAGE, WITHOUT_LABEL, Source, recognise
from gan_aug.errors import InvalidValue, NotFound, UserError

IDS = ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003", "ISIC_0000004"]


def said(source: Source) -> dict[str, tuple[str, str]]:
    """Label and diagnosis of every matched file."""
    return {Path(file).stem: (record.label, record.diagnosis) for record, file in source.matches}


def one_hot(image: str, diagnosis: str) -> dict[str, object]:
    return {"image": image} | {name: float(name == diagnosis) for name in ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")}


def archive(image: str, first: str, third: str, **more: str) -> dict[str, object]:
    row = {"isic_id": image, "attribution": "Anonymous", "copyright_license": "CC-0", "diagnosis_1": first, "diagnosis_3": third}
    return row | {"lesion_id": "", "patient_id": ""} | more


def kaggle(image: str, patient: str, diagnosis: str, target: int) -> dict[str, object]:
    word = "malignant" if target else "benign"
    return {"image_name": image, "patient_id": patient, "sex": "", "diagnosis": diagnosis, "benign_malignant": word, "target": target}


def challenge(image: str, melanoma: float, keratosis: float) -> dict[str, object]:
    return {"image_id": image, "melanoma": melanoma, "seborrheic_keratosis": keratosis}


def ham(image: str, lesion: str, dx: str) -> dict[str, object]:
    return {"lesion_id": lesion, "image_id": image, "dx": dx, "dx_type": "histo"}


def aidl(image: str, key: str, diagnosis: str, target: int) -> dict[str, object]:
    return {"ID": key, "dcm_name": image, "benign_malignant": "", "diagnosis": diagnosis, "target": target}


# name -> (file, rows, label and diagnosis of each image, patient/lesion of each)
TABLES = {
    "isic2017": (
        "ISIC-2017_Part3_GroundTruth.csv",
        [challenge(IDS[0], 1.0, 0.0), challenge(IDS[1], 0.0, 1.0), challenge(IDS[2], 0.0, 0.0), challenge(IDS[3], 1.0, 0.0)],
        [("malignant", "melanoma"), ("benign", "seborrheic keratosis"), ("benign", "nevus"), ("malignant", "melanoma")],
        ["", "", "", ""],
    ),
    "ham10000": (
        "HAM10000_metadata.csv",
        [ham(IDS[0], "HAM_0", "mel"), ham(IDS[1], "HAM_0", "akiec"), ham(IDS[2], "HAM_1", "bkl"), ham(IDS[3], "HAM_2", "vasc")],
        [
            ("malignant", "melanoma"),
            ("malignant", "actinic keratosis or intraepithelial carcinoma"),
            ("benign", "benign keratosis"),
            ("benign", "vascular lesion"),
        ],
        ["HAM_0", "HAM_0", "HAM_1", "HAM_2"],
    ),
    "isic2019": (
        "ISIC_2019_Training_GroundTruth.csv",
        [one_hot(IDS[0], "MEL"), one_hot(IDS[1], "SCC"), one_hot(IDS[2], "NV"), one_hot(IDS[3], "BCC")],
        [("malignant", "melanoma"), ("malignant", "squamous cell carcinoma"), ("benign", "nevus"), ("malignant", "basal cell carcinoma")],
        ["", "", "", ""],
    ),
    "siim2020": (
        "train.csv",
        [
            kaggle(IDS[0], "IP_1", "melanoma", 1),
            kaggle(IDS[1], "IP_1", "unknown", 0),
            kaggle(IDS[2], "IP_2", "nevus", 0),
            kaggle(IDS[3], "IP_3", "unknown", 0),
        ],
        [("malignant", "melanoma"), ("benign", ""), ("benign", "nevus"), ("benign", "")],
        ["IP_1", "IP_1", "IP_2", "IP_3"],
    ),
    "isic2020": (
        "ISIC_2020_Training_GroundTruth_v2.csv",
        [kaggle(image, "IP_1", "nevus", 0) | {"lesion_id": f"IL_{n}"} for n, image in enumerate(IDS)],
        [("benign", "nevus")] * 4,
        ["IP_1/IL_0", "IP_1/IL_1", "IP_1/IL_2", "IP_1/IL_3"],
    ),
    "aidl21": (
        "isic_archive_aidl_train_data.csv",
        [
            aidl(IDS[0], "IP_7", "nevus", 0),
            aidl(IDS[1], "IP_7", "melanoma", 1),
            aidl(IDS[2], "5c9547bcdb6d7c19d0bc43d8", "nevus", 0),
            aidl(IDS[3], "558d64f3bae47801cf735668", "lentigo NOS", 0),
        ],
        [("benign", "nevus"), ("malignant", "melanoma"), ("benign", "nevus"), ("benign", "lentigo")],
        ["IP_7", "IP_7", "", ""],
    ),
    "isic-archive": (
        "metadata.csv",
        [
            archive(IDS[0], "Malignant", "Melanoma, NOS", patient_id="IP_9"),
            archive(IDS[1], "Benign", "Nevus", lesion_id="IL_9"),
            archive(IDS[2], "Malignant", "Squamous cell carcinoma in situ"),
            archive(IDS[3], "Benign", ""),
        ],
        [("malignant", "melanoma"), ("benign", "nevus"), ("malignant", "squamous cell carcinoma"), ("benign", "")],
        ["IP_9", "IL_9", "", ""],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_genuine_table_is_recognised_with_its_labels_and_groups(tmp_path: Path, name: str):
    file, rows, expected, groups = TABLES[name]
    save_photographs(tmp_path, [f"images/{image}.jpg" for image in IDS])
    save_table(tmp_path / file, rows)
    source = recognise(tmp_path)
    assert source.format == name and source.n_rows == source.n_files == 4
    assert list(said(source).values()) == expected
    assert ["/".join(filter(None, (record.patient_id, record.lesion_id))) for record, _ in source.matches] == groups
    assert source.unmatched == () and source.rejected == () and source.notes == ()


@pytest.mark.parametrize("name", TABLES)
def test_each_genuine_table_is_recognised_alone_and_by_name(tmp_path: Path, name: str):
    file, rows, _, _ = TABLES[name]
    save_table(tmp_path / file, rows)
    for source in (recognise(tmp_path / file), recognise(tmp_path, format=name)):
        assert (source.format, source.n_rows, source.n_files, source.count(ROW_WITHOUT_IMAGE)) == (name, 4, 0, 4)


def test_a_table_without_labels_is_recognised_and_completes_its_partner(tmp_path: Path):
    more = [
        {"image": i, "age_approx": 50, "anatom_site_general": "torso", "lesion_id": f"L{n // 2}", "sex": "male"} for n, i in enumerate(IDS)
    ]
    save_table(tmp_path / "ISIC_2019_Training_Metadata.csv", more)
    alone = recognise(tmp_path)
    assert (alone.format, alone.n_rows, alone.row_labels) == ("isic2019-metadata", 4, {})
    truth, rows, expected, _ = TABLES["isic2019"]
    save_table(tmp_path / truth, rows)
    save_photographs(tmp_path, [f"{image}.jpg" for image in IDS])
    for path in (tmp_path, tmp_path / truth):  # the folder, or just the table
        source = recognise(path)
        assert source.format == "isic2019" and list(said(source).values()) == expected
        assert [record.lesion_id for record, _ in source.matches] == ["L0", "L0", "L1", "L1"]


def test_a_single_table_ignores_the_other_tables_beside_it(tmp_path: Path):
    save_table(tmp_path / "metadata.csv", TABLES["isic-archive"][1])
    save_table(tmp_path / "train.csv", TABLES["siim2020"][1])
    assert recognise(tmp_path / "train.csv").format == "siim2020"
    assert recognise(tmp_path).format == "isic-archive+siim2020"


def test_indeterminate_and_unknown_diagnoses_are_listed_not_guessed(tmp_path: Path):
    save_table(tmp_path / "truth.csv", [one_hot(i, d) for i, d in zip(IDS, ("AK", "UNK", "MEL", "none"), strict=True)])
    save_photographs(tmp_path, [f"{image}.jpg" for image in IDS])
    source = recognise(tmp_path)
    assert list(said(source)) == [IDS[2]]
    reasons = {item.image: (item.kind, item.detail) for item in source.unmatched}
    assert reasons[IDS[0]] == (WITHOUT_LABEL, "actinic keratosis is indeterminate")
    assert reasons[IDS[1]] == reasons[IDS[3]] == (WITHOUT_LABEL, "the table states no diagnosis")


def test_by_diagnosis_the_label_is_the_diagnosis(tmp_path: Path):
    save_table(tmp_path / "train.csv", TABLES["siim2020"][1])
    save_photographs(tmp_path, [f"{image}.jpg" for image in IDS])
    source = recognise(tmp_path, by_diagnosis=True)
    assert {image: label for image, (label, _) in said(source).items()} == {IDS[0]: "melanoma", IDS[2]: "nevus"}
    assert source.count(WITHOUT_LABEL) == 2


def test_files_of_the_archive_s_api(tmp_path: Path):
    old = {
        "_id": "x",
        "name": IDS[0],
        "meta": {"clinical": {"benign_malignant": "malignant", "diagnosis": "melanoma"}, "acquisition": {"pixelsX": 9}},
    }
    new = {
        "isic_id": IDS[1],
        "copyright_license": "CC-0",
        "metadata": {"clinical": {"diagnosis_1": "Benign", "diagnosis_3": "Nevus", "patient_id": "IP_4"}},
    }
    for content in (old, new):
        (tmp_path / f"{content.get('name') or content.get('isic_id')}.json").write_text(json.dumps(content))
    (tmp_path / "package.json").write_text('{"name": "x", "version": "1"}')
    save_photographs(tmp_path, [f"{image}.jpg" for image in IDS[:2]])
    source = recognise(tmp_path)
    assert source.format == "isic-api" and source.n_rows == 2
    assert said(source) == {IDS[0]: ("malignant", "melanoma"), IDS[1]: ("benign", "nevus")}
    assert [(record.patient_id, record.licence) for record, _ in source.matches] == [("", ""), ("IP_4", "CC-0")]


def test_one_folder_per_class_by_diagnosis(tmp_path: Path):
    save_photographs(tmp_path, ["train/melanoma/1.jpg", "train/nevus/1.jpg", "test/melanoma/2.jpg", "ak/1.jpg", "loose.jpg"])
    source = recognise(tmp_path)
    assert source.format == "folder" and source.n_rows == 4
    assert {file: record.label for record, file in source.matches} == {
        "test/melanoma/2.jpg": "malignant",
        "train/melanoma/1.jpg": "malignant",
        "train/nevus/1.jpg": "benign",
    }
    assert {(item.kind, item.file) for item in source.unmatched} == {(WITHOUT_LABEL, "ak/1.jpg"), (IMAGE_WITHOUT_ROW, "loose.jpg")}


def test_classes_of_the_user_s_own_are_kept_all_or_none(tmp_path: Path):
    save_photographs(tmp_path, ["Acne/1.jpg", "Rosacea/2.jpg"])
    assert recognise(tmp_path).row_labels == {"Acne": 1, "Rosacea": 1}
    save_photographs(tmp_path, ["melanoma/3.jpg"])
    mixed = recognise(tmp_path)
    assert mixed.row_labels == {"malignant": 1} and mixed.count(WITHOUT_LABEL) == 2
    assert "'Acne' is no known diagnosis" in [item.detail for item in mixed.unmatched]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("0", "1"), ("benign", "malignant")),
        (("Benign", "MALIGNANT"), ("benign", "malignant")),
        (("nv", "bcc"), ("benign", "malignant")),
        (("a", "b"), ("a", "b")),
    ],
)
def test_any_table_by_the_names_of_its_columns(tmp_path: Path, values: tuple[str, str], expected: tuple[str, str]):
    save_photographs(tmp_path, ["x.png", "y.png"])
    save_table(
        tmp_path / "mine.csv",
        [{"Photo": "x.png", "Finding": values[0], "patient_id": "p"}, {"Photo": "sub/y", "Finding": values[1], "patient_id": "p"}],
    )
    source = recognise(tmp_path, image_column="photo", label_column="Finding")
    assert source.format == "csv" and tuple(record.label for record, _ in source.matches) == expected
    assert {record.patient_id for record, _ in source.matches} == {"p"}


def test_a_table_with_telling_column_names_needs_none_to_be_named(tmp_path: Path):
    save_photographs(tmp_path, ["x.png"])
    save_table(tmp_path / "mine.csv", [{"filename": "x.png", "label": "malignant", "diagnosis": "mel", "licence": "CC0"}])
    (record, _), *_ = recognise(tmp_path).matches
    assert (record.label, record.diagnosis, record.licence) == ("malignant", "melanoma", "CC0")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_a_byte_order_mark_and_spaces(tmp_path: Path, delimiter: str):
    save_photographs(tmp_path, ["x.png"])
    (tmp_path / "mine.csv").write_text(f" Image {delimiter}label\n x.png {delimiter} malignant \n", encoding="utf-8-sig")
    assert said(recognise(tmp_path)) == {"x": ("malignant", "")}


def test_masks_thumbnails_and_other_files_are_told_apart(tmp_path: Path):
    save_table(tmp_path / "metadata.csv", [archive(IDS[0], "Benign", "Nevus")])
    names = [f"{IDS[0]}{end}" for end in (".jpg", "_segmentation.png", "_superpixels.png", "_thumbnail_256.jpg")]
    save_photographs(tmp_path, names)
    (tmp_path / "clip.gif").write_bytes(b"GIF89a")
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / ".hidden.jpg").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "a.jpg").write_bytes(b"x")
    source = recognise(tmp_path)
    reasons = dict(source.rejected)
    assert [file for _, file in source.matches] == [f"{IDS[0]}.jpg"]
    assert set(reasons) == {*names[1:], "clip.gif"}
    assert "mask" in reasons[names[1]] and "thumbnail" in reasons[names[3]] and "GIF" in reasons["clip.gif"]
    assert source.n_files == 5 and source.notes == ("1 other files were not looked at.",)


def test_every_picture_file_is_accounted_for(tmp_path: Path):
    save_photographs(tmp_path, [f"{image}.jpg" for image in IDS] + ["extra.jpg", f"{IDS[0]}_mask.png"])
    save_table(tmp_path / "truth.csv", [one_hot(i, d) for i, d in zip([*IDS[:3], "ISIC_9"], ("MEL", "AK", "NV", "NV"), strict=True)])
    source = recognise(tmp_path)
    with_file = [item for item in source.unmatched if item.file]
    assert len(source.matches) + len(source.rejected) + len(with_file) == source.n_files == 6
    assert source.count(ROW_WITHOUT_IMAGE) == 1 and source.count(IMAGE_WITHOUT_ROW) == 2 and source.count(WITHOUT_LABEL) == 1


def test_a_row_that_names_a_path_finds_the_file_of_that_folder(tmp_path: Path):
    save_photographs(tmp_path, ["a/1.jpg", "b/1.jpg"])
    save_table(tmp_path / "mine.csv", [{"path": "C:\\data\\a\\1.jpg", "label": 0}, {"path": "/content/b/1.jpg", "label": 1}])
    assert {file: record.label for record, file in recognise(tmp_path).matches} == {"a/1.jpg": "benign", "b/1.jpg": "malignant"}


def test_a_row_that_could_mean_two_files_takes_neither_unless_they_are_copies(tmp_path: Path):
    save_photographs(tmp_path, ["a/1.jpg", "b/1.jpg"])
    save_table(tmp_path / "mine.csv", [{"image": "1", "label": 0}])
    source = recognise(tmp_path)
    assert source.matches == () and source.count(IMAGE_WITHOUT_ROW) == 2
    (tmp_path / "b" / "1.jpg").write_bytes((tmp_path / "a" / "1.jpg").read_bytes())
    source = recognise(tmp_path)
    assert [file for _, file in source.matches] == ["a/1.jpg"]
    assert [(item.file, item.detail) for item in source.unmatched] == [("b/1.jpg", "a copy of a/1.jpg")]


def test_repeated_rows_are_merged_and_contradictions_left_out(tmp_path: Path):
    save_photographs(tmp_path, ["x.jpg", "y.jpg"])
    rows = [
        {"image": "x", "label": "benign", "lesion_id": ""},
        {"image": "X.jpg", "label": "benign", "lesion_id": "L1"},
        {"image": "y", "label": "benign", "lesion_id": ""},
        {"image": "y", "label": "malignant", "lesion_id": ""},
        {"image": "y", "label": "malignant", "lesion_id": ""},
        {"image": "", "label": "malignant", "lesion_id": ""},
        {"image": "", "label": "benign", "lesion_id": ""},
    ]
    save_table(tmp_path / "mine.csv", rows)
    source = recognise(tmp_path)
    assert [(record.lesion_id, file) for record, file in source.matches] == [("L1", "x.jpg")]
    assert [(item.kind, item.detail) for item in source.unmatched if item.file == "y.jpg"] == [
        (WITHOUT_LABEL, "its rows disagree: benign and malignant")
    ]
    assert source.count(ROW_WITHOUT_IMAGE) == 2
    assert source.notes == ("3 rows name an image that another row names too; they were merged.",)


def test_accents_written_in_two_ways_are_one_name(tmp_path: Path):
    save_photographs(tmp_path, [unicodedata.normalize("NFD", "läsion") + ".jpg"])
    save_table(tmp_path / "mine.csv", [{"image": unicodedata.normalize("NFC", "läsion"), "label": 1}])
    assert len(recognise(tmp_path).matches) == 1


def test_links_to_folders_are_not_followed(tmp_path: Path):
    save_photographs(tmp_path / "outside" / "melanoma", ["1.jpg"])
    save_photographs(tmp_path / "inside" / "nevus", ["2.jpg"])
    os.symlink(tmp_path / "outside" / "melanoma", tmp_path / "inside" / "melanoma")
    assert [file for _, file in recognise(tmp_path / "inside").matches] == ["nevus/2.jpg"]


def test_nothing_recognisable_says_what_was_seen_and_what_to_do(tmp_path: Path):
    save_photographs(tmp_path, ["a.jpg"])
    save_table(tmp_path / "submission.csv", [{"picture": "a", "score": 0.5}])
    with pytest.raises(UserError) as caught:
        recognise(tmp_path)
    assert "submission.csv (columns picture, score)" in caught.value.what and "--image-column" in caught.value.todo


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"format": "isic1999"}, InvalidValue), ({"format": "ham10000"}, UserError), ({"label_column": "absent"}, UserError)],
)
def test_a_wrong_format_or_column_is_refused(tmp_path: Path, arguments: dict[str, str], error: type[UserError]):
    save_table(tmp_path / "train.csv", TABLES["siim2020"][1])
    with pytest.raises(error):
        recognise(tmp_path, **arguments)


def test_paths_that_are_no_source(tmp_path: Path):
    with pytest.raises(NotFound):
        recognise(tmp_path / "absent")
    (tmp_path / "images.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="neither a folder nor a CSV"):
        recognise(tmp_path / "images.zip")


def test_a_column_of_ids_is_not_taken_for_labels(tmp_path: Path):
    save_table(tmp_path / "mine.csv", [{"image": f"x{n}", "label": f"value {n}"} for n in range(200)])
    with pytest.raises(UserError, match="200 different values"):
        recognise(tmp_path)


def test_the_diagnosis_table_is_consistent():
    spellings = [text for entry in labels.DIAGNOSES for text in (entry.name, *entry.spellings)]
    assert len(spellings) == len(set(spellings)) and all(text == text.lower() for text in spellings)
    assert {entry.verdict for entry in labels.DIAGNOSES} == {"benign", "malignant", "indeterminate"}
    assert len(set(layouts.FORMATS)) == len(layouts.FORMATS)


REAL = os.environ.get("GAN_AUG_TEST_DATA")
real = pytest.mark.skipif(not REAL, reason="GAN_AUG_TEST_DATA names no folder of real tables and images")


@real
@pytest.mark.parametrize(
    ("name", "format", "rows", "row_labels"),
    [
        ("ISIC_2019_Training_GroundTruth.csv", "isic2019", 25331, {"benign": 15991, "malignant": 8473}),
        ("ISIC_2019_Training_Metadata.csv", "isic2019-metadata", 25331, {}),
        ("ISIC_2020_Training_GroundTruth_v2.csv", "isic2020", 33126, {"benign": 32542, "malignant": 584}),
        ("isic_archive_ham10000_metadata_with_licence.csv", "isic-archive", 11720, {"benign": 9415, "malignant": 2156}),
        ("isic_archive_aidl_train_data.csv", "aidl21", 16045, {"benign": 12037, "malignant": 4008}),
        ("isic_archive_aidl_test_data.csv", "aidl21", 6877, {"benign": 5159, "malignant": 1718}),
    ],
)
def test_real_tables(name: str, format: str, rows: int, row_labels: dict[str, int]):
    source = recognise(Path(REAL) / "tables" / name)
    assert (source.format, source.n_rows, source.row_labels) == (format, rows, row_labels)


@real
@pytest.mark.parametrize(
    ("name", "format", "images", "without_image"),
    [
        ("isic2017", "isic2017", 2294, 0),
        ("isic_uda1", "isic-archive", 557, 0),
        ("ham10000", "ham10000", 9885, 130),
        ("siim2020", "siim2020", 2669, 30457),
    ],
)
def test_real_folders(name: str, format: str, images: int, without_image: int):
    source = recognise(Path(REAL) / name)
    assert (source.format, len(source.matches), source.count(formats.ROW_WITHOUT_IMAGE)) == (format, images, without_image)
