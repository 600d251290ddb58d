"""Synthetic images by seed, in folders and as walks: each picture the same whatever it is asked for with, each file with its origin."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_gans import make_gan

from gan_aug import files, images, onnx_files, runs, sample, sampled_folder
from gan_aug.errors import Busy, InvalidValue, NotFound, UserError
from gan_aug.export import export_onnx
from gan_aug.records import SyntheticImage
from gan_aug.subjects import open_subject

SIDE = 64


@pytest.fixture(scope="module", autouse=True)
def _checkpoints(tmp_path_factory):
    """Four small GANs, exported: two that share z_dim and class, one with another z_dim, one that knows two classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_CHECKPOINTS", str(tmp_path_factory.mktemp("checkpoints")))
        export_onnx(make_gan("dcgan", "one", class_name="malignant", upsampling="transposed"))
        export_onnx(make_gan("wgan_gp", "two", class_name="malignant", width=5))
        export_onnx(make_gan("sngan", "wide", z_dim=12))
        export_onnx(make_gan("acgan", "both"))
        yield


def manifest(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


# --- arrays ------------------------------------------------------------------------------------------------------------------------------


def test_a_seed_is_a_picture():
    pictures, names = sample.sample("one", [5, 3, 5])
    assert pictures.shape == (3, SIDE, SIDE, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert (pictures[0] != pictures[1]).any()
    np.testing.assert_array_equal(sample.sample("one@3.2", list(range(20)))[0][[5, 3, 5]], pictures)
    assert names == [SyntheticImage("one@3.2", seed, "malignant", 1.0) for seed in (5, 3, 5)]


def test_truncation_draws_pictures_together():
    spread = [sample.sample("one", list(range(6)), truncation=factor)[0].astype(float).std(axis=0).mean() for factor in (1.0, 0.5, 0.0)]
    assert spread[0] > spread[1] > spread[2] == 0
    with pytest.raises(InvalidValue, match="out of range"):
        sample.sample("one", [0], truncation=3.0)


def test_a_conditional_gan_generates_the_class_it_is_asked_for():
    benign, names = sample.sample("both", [1, 2], "benign")
    malignant, _ = sample.sample("both", [1, 2], "malignant")
    assert (benign != malignant).any()
    assert [name.class_name for name in names] == ["benign", "benign"]


@pytest.mark.parametrize(
    ("reference", "class_name", "message"),
    [
        ("both", None, "none was named"),
        ("both", "naevus", "knows no class 'naevus'"),
        ("one", "benign", "trained on malignant only"),
        ("wide", "malignant", "trained without labels"),
    ],
)
def test_a_class_that_cannot_be_generated(reference, class_name, message):
    with pytest.raises(InvalidValue, match=message):
        sample.sample(reference, [0], class_name)


def test_a_snapshot_that_is_not_there():
    with pytest.raises(NotFound, match="no snapshot @7"):
        sample.sample("one@7", [0])


def test_a_damaged_export_is_made_anew():
    checkpoint = make_gan("dcgan", "scratched")
    path = export_onnx(checkpoint)
    before, _ = sample.sample("scratched", [4])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    path.write_bytes(content)
    np.testing.assert_array_equal(sample.sample("scratched", [4])[0], before)


def test_the_first_picture_needs_no_torch_in_this_process():
    make_gan("acgan", "fresh")
    script = (
        "import sys; from gan_aug import sample; pictures, _ = sample.sample('fresh', [0], 'benign'); "
        "assert 'torch' not in sys.modules; print(pictures.shape)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "(1, 64, 64, 3)", "")
    assert onnx_files.exported(runs.resolve("fresh")[1]) is not None


# --- folders -----------------------------------------------------------------------------------------------------------------------------


def test_a_folder_of_pictures(tmp_path):
    steps = []
    path = sample.sample_to_folder("one", [17, 3], tmp_path / "out", truncation=0.8, on_progress=lambda *step: steps.append(step[:2]))
    assert path == tmp_path / "out" / "manifest.csv"
    assert sorted(item.name for item in path.parent.iterdir()) == ["manifest.csv", "seed000003.png", "seed000017.png"]
    rows = manifest(path.parent)
    assert list(rows) == ["seed000003.png", "seed000017.png"]
    row = rows["seed000017.png"]
    assert tuple(row) == sampled_folder.MANIFEST_COLUMNS
    assert (row["checkpoint"], row["seed"], row["class"], row["truncation"]) == ("one@3.2", "17", "malignant", "0.8")
    assert row["sha256"] == files.sha256_file(path.parent / "seed000017.png")
    picture = np.asarray(Image.open(path.parent / "seed000017.png"))
    np.testing.assert_array_equal(picture, sample.sample("one", [17], truncation=0.8)[0][0])
    assert steps[-1] == (2, 2)


def test_a_picture_says_where_it_is_from(tmp_path):
    sample.sample_to_folder("both", [9], tmp_path, "malignant")
    said = images.read_provenance(tmp_path / "seed000009-malignant.png")
    run, checkpoint = runs.resolve("both")
    assert said["notice"].startswith("Research tool. Synthetic images. Not for diagnosis")
    assert said["digitalSourceType"] == "trainedAlgorithmicMedia"
    assert said["label"] == "generated with label: malignant (class-conditional; not histologically confirmed)"
    assert (said["generator"], said["run"], said["checkpoint"], said["seed"], said["truncation"]) == ("acgan", "both", "both@3.2", 9, 1.0)
    assert said["checkpoint_sha256"] == checkpoint.weights_sha256
    assert said["config_sha256"] == files.sha256_bytes(json.dumps(run.config, sort_keys=True).encode())
    assert said["dataset_fingerprint"] == run.dataset_fingerprint
    assert said["phantom"] is True
    assert {"z", "date", "code_version", "trained_by_code_version", "split_fingerprint"} <= set(said)


def test_a_folder_is_added_to_and_repaired(tmp_path):
    sample.sample_to_folder("both", [0, 1], tmp_path, "benign")
    kept = (tmp_path / "seed000000-benign.png").stat().st_mtime_ns
    pixels = np.asarray(Image.open(tmp_path / "seed000001-benign.png"))
    (tmp_path / "seed000001-benign.png").write_bytes(b"torn")
    sample.sample_to_folder("both", [0, 1, 2], tmp_path, "benign")
    sample.sample_to_folder("both", [2], tmp_path, "malignant")
    expected = ["seed000000-benign.png", "seed000001-benign.png", "seed000002-benign.png", "seed000002-malignant.png"]
    assert list(manifest(tmp_path)) == expected
    assert (tmp_path / "seed000000-benign.png").stat().st_mtime_ns == kept
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "seed000001-benign.png")), pixels)
    for name, row in manifest(tmp_path).items():
        assert row["sha256"] == files.sha256_file(tmp_path / name)


def test_more_pictures_than_are_generated_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "_CHUNK", 3)
    steps = []
    sample.sample_to_folder("one", list(range(7)), tmp_path, on_progress=lambda *step: steps.append(step[:2]))
    assert steps == [(3, 7), (6, 7), (7, 7)]
    pictures = np.stack([np.asarray(Image.open(tmp_path / f"seed{seed:06d}.png")) for seed in range(7)])
    np.testing.assert_array_equal(pictures, sample.sample("one", list(range(7)))[0])


def test_an_interrupted_call_can_be_repeated(tmp_path, monkeypatch):
    written = []

    def interrupted(path: Path, content: bytes) -> None:
        if path.suffix == ".png" and len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        path.write_bytes(content)

    with monkeypatch.context() as patch:
        patch.setattr(sample.files, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sample.sample_to_folder("one", [0, 1, 2, 3], tmp_path)
    assert list(manifest(tmp_path)) == [path.name for path in written if path.suffix == ".png"]
    sample.sample_to_folder("one", [0, 1, 2, 3], tmp_path)
    assert list(manifest(tmp_path)) == [f"seed00000{seed}.png" for seed in range(4)]


KILLED = """
import os, signal, sys
from gan_aug import sample
sample._CHUNK = 2
replace = os.replace
def killed(temporary, path):
    if path.name == "seed000003.png":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(temporary, path)
os.replace = killed
sample.sample_to_folder("one", [0, 1, 2, 3, 4], sample.Path(sys.argv[1]))
"""


def test_a_killed_call_can_be_repeated_and_its_pictures_stay_those_of_their_generator(tmp_path):
    child = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parent.parent)
    assert child.returncode == -signal.SIGKILL
    assert list(manifest(tmp_path)) == ["seed000000.png", "seed000001.png"], "listed as they come"
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.png")}
    assert sorted(path.name for path in kept) == ["seed000000.png", "seed000001.png", "seed000002.png"]
    with pytest.raises(InvalidValue, match=r"seed000002\.png is there already, generated otherwise \(one@3\.2, malignant, 1\.0\)"):
        sample.sample_to_folder("two", [2], tmp_path)
    sample.sample_to_folder("two", [9], tmp_path)
    assert manifest(tmp_path)["seed000002.png"]["checkpoint"] == "one@3.2", "listed, whatever else is asked for"
    sample.sample_to_folder("one", [0, 1, 2, 3, 4], tmp_path)
    rows = manifest(tmp_path)
    assert {name: row["seed"] for name, row in rows.items()} == {f"seed{seed:06d}.png": str(seed) for seed in (0, 1, 2, 3, 4, 9)}
    assert all(row["sha256"] == files.sha256_file(tmp_path / name) for name, row in rows.items())
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["manifest.csv", *rows], "nothing of the killed call is left"


def test_a_call_that_was_killed_before_its_first_picture_can_be_repeated(tmp_path):
    (tmp_path / ".manifest.csv.ab12cd34.tmp").write_text("file,chec")
    (tmp_path / sampled_folder._LOCK).touch()
    sample.sample_to_folder("one", [0], tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["manifest.csv", "seed000000.png"]


def test_a_line_that_a_power_cut_tore_off_is_written_again(tmp_path):
    sample.sample_to_folder("both", [0, 1], tmp_path, "benign")
    whole = (tmp_path / "manifest.csv").read_bytes()
    for missing in (1, 5, 70, 90):
        (tmp_path / "manifest.csv").write_bytes(whole[:-missing])
        sample.sample_to_folder("both", [0], tmp_path, "benign")
        assert (tmp_path / "manifest.csv").read_bytes() == whole


@pytest.mark.parametrize("how", ["foreign", "torn", "changed", "renamed", "walk", "direction"])
def test_an_unlisted_picture_that_is_not_what_its_name_says_is_named(tmp_path, how):
    """Who measures the folder would take it for one of the generator's."""
    sample.sample_to_folder("one", [0, 1], tmp_path)
    path = tmp_path / "seed000007.png"
    content = (tmp_path / "seed000001.png").read_bytes()
    said = sample.provenance(*runs.resolve("one"), 7, "malignant")
    picture = np.full((SIDE, SIDE, 3), 9, np.uint8)
    path.write_bytes(
        {
            "foreign": images.png_bytes(picture),
            "torn": images.png_bytes(picture, said)[:-20],
            "changed": images.png_bytes(picture, said)[:-40] + b"x" + images.png_bytes(picture, said)[-39:],
            "renamed": content,
            "walk": images.png_bytes(picture, sample.walk_provenance(["one"], [7, 8], 4)),
            "direction": images.png_bytes(picture, said | {"z": said["z"] + "; gan_aug.latent.along the direction"}),
        }[how]
    )
    with pytest.raises(InvalidValue, match=r"seed000007\.png is not listed in manifest\.csv") as caught:
        sample.sample_to_folder("one", [2], tmp_path)
    assert "Move it elsewhere" in caught.value.todo
    assert not (tmp_path / "seed000002.png").exists()
    path.write_bytes(images.png_bytes(picture, said))
    sample.sample_to_folder("one", [2], tmp_path)
    assert list(manifest(tmp_path)) == [f"seed{seed:06d}.png" for seed in (0, 1, 2, 7)]


def test_two_calls_do_not_fill_one_folder_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "_CHUNK", 2)
    told = []

    def another(done: int, total: int, what: str) -> None:
        with pytest.raises(Busy, match="is being filled by another process") as caught:
            sample.sample_to_folder("one", [5, 6], tmp_path)
        told.append(caught.value.todo)
        assert open_subject(str(tmp_path)).files == tuple(sorted(tmp_path.glob("*.png"))), "the lock is no picture"

    sample.sample_to_folder("one", [0, 1, 2], tmp_path, on_progress=another)
    assert told == ["Wait for it to end, or stop it first."] * 2
    sample.sample_to_folder("one", [5, 6], tmp_path)
    names = [f"seed{seed:06d}.png" for seed in (0, 1, 2, 5, 6)]
    assert list(manifest(tmp_path)) == names
    assert sorted(item.name for item in tmp_path.iterdir()) == ["manifest.csv", *names]


def test_a_lock_that_its_holder_took_away_keeps_nobody_out(tmp_path, monkeypatch):
    """Of three calls at one moment: the first ends and takes its lock away, this one gets that lock, and the third makes a new one."""
    lock, hold = tmp_path / sampled_folder._LOCK, files.hold

    @contextlib.contextmanager
    def too_late(path: Path, what: str):
        monkeypatch.setattr(sample.files, "hold", hold)
        with hold(path, what):
            lock.unlink()
            third.enter_context(hold(lock, "The third is at work"))
            yield

    with contextlib.ExitStack() as third:
        monkeypatch.setattr(sample.files, "hold", too_late)
        with pytest.raises(Busy, match="is being filled"):
            sample.sample_to_folder("one", [0], tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [sampled_folder._LOCK]
    sample.sample_to_folder("one", [0], tmp_path)
    assert not lock.exists()


def test_other_peoples_folders_are_left_alone(tmp_path):
    (tmp_path / "patient.txt").write_text("mine")
    with pytest.raises(InvalidValue, match="not an empty folder"):
        sample.sample_to_folder("one", [0], tmp_path)
    (tmp_path / "manifest.csv").write_text("file,age\nx.png,3\n")
    with pytest.raises(InvalidValue, match="not an empty folder"):
        sample.sample_to_folder("one", [0], tmp_path)
    with pytest.raises(InvalidValue, match="not an empty folder"):
        sample.sample_to_folder("one", [0], tmp_path / "patient.txt")
    with pytest.raises(UserError, match="cannot be written"):
        sample.sample_to_folder("one", [0], tmp_path / "patient.txt" / "below")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["manifest.csv", "patient.txt"]


def test_pictures_of_another_origin_are_not_overwritten(tmp_path):
    sample.sample_to_folder("one", [0], tmp_path)
    before = (tmp_path / "seed000000.png").read_bytes()
    with pytest.raises(InvalidValue, match=r"generated otherwise \(one@3\.2, malignant, 1\.0\)"):
        sample.sample_to_folder("two", [0], tmp_path)
    with pytest.raises(InvalidValue, match=r"generated otherwise \(one@3\.2, malignant, 1\.0\)"):
        sample.sample_to_folder("one", [0], tmp_path, truncation=0.5)
    assert (tmp_path / "seed000000.png").read_bytes() == before


def test_nothing_is_written_for_a_wrong_wish(tmp_path):
    with pytest.raises(InvalidValue):
        sample.sample_to_folder("both", [0], tmp_path / "out")
    with pytest.raises(InvalidValue):
        sample.sample_to_folder("one", [0], tmp_path / "out", truncation=9)
    assert not (tmp_path / "out").exists()


def test_class_names_are_harmless_in_files_and_spreadsheets(tmp_path):
    export_onnx(make_gan("acgan", "formula", classes=("=cmd|'/c calc'!A0", "../a/b")))
    sample.sample_to_folder("formula", [0], tmp_path, "=cmd|'/c calc'!A0")
    sample.sample_to_folder("formula", [0], tmp_path, "../a/b")
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "manifest.csv",
        "seed000000-_a_b.8e7e11e4.png",
        "seed000000-_cmd_c_calc_A0.3594b490.png",
    ]
    assert manifest(tmp_path)["seed000000-_cmd_c_calc_A0.3594b490.png"]["class"] == "'=cmd|'/c calc'!A0"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("malignant", "seed000007-malignant.png"),
        ("a_b", "seed000007-a_b.png"),
        ("a__b", "seed000007-a__b.png"),
        ("non-melanoma", "seed000007-non-melanoma.png"),
        ("良性", "seed000007-良性.png"),
        ("सौम्य", "seed000007-सौम्य.png"),
        ("n\u00e9vus", "seed000007-n\u00e9vus.png"),
        ("ne\u0301vus", "seed000007-n\u00e9vus.a9251487.png"),
        ("a b", "seed000007-a_b.c8687a08.png"),
        ("a/b", "seed000007-a_b.c14cddc0.png"),
        ("a b" * 60, "seed000007-" + "a_b" * 15 + ".c2850f9d.png"),
        ("性" * 200, "seed000007-" + "性" * 45 + ".2232d612.png"),
    ],
)
def test_a_picture_is_called_by_its_class(label, name):
    assert sampled_folder.file_name("acgan", 7, label) == name
    assert sampled_folder.file_name("dcgan", 7, label) == "seed000007.png"


@pytest.mark.parametrize("classes", [("良性", "悪性"), ("a b", "a_b")])
def test_classes_of_any_script_share_a_folder(tmp_path, classes):
    run_id = f"script{len(classes[0])}"
    export_onnx(make_gan("acgan", run_id, classes=classes))
    for label in (*classes, classes[0]):
        sample.sample_to_folder(run_id, [0], tmp_path, label)
    rows = manifest(tmp_path)
    assert sorted(row["class"] for row in rows.values()) == sorted(classes)
    (tmp_path / "manifest.csv").write_text(",".join(sampled_folder.MANIFEST_COLUMNS) + "\n")
    sample.sample_to_folder(run_id, [1], tmp_path, classes[1])
    assert manifest(tmp_path).items() >= rows.items(), "found again by what they say of themselves"


# --- what else lies there ----------------------------------------------------------------------------------------------------------------


def test_a_folder_of_samples_is_measured_by_its_manifest(tmp_path):
    out = tmp_path / "pictures"
    sample.sample_to_folder("one", [0, 1], out)
    sampled = (out / "seed000000.png", out / "seed000001.png")
    assert open_subject(str(out)).files == open_subject(str(tmp_path)).files == sampled
    for foreign in (out / "projection.png", out / "below" / "photograph.jpg", out / "seed000009.png"):
        foreign.parent.mkdir(exist_ok=True)
        Image.new("RGB", (SIDE, SIDE)).save(foreign)
        for subject in (out, tmp_path):
            with pytest.raises(InvalidValue) as caught:
                open_subject(str(subject))
            assert caught.value.what == f"{foreign} is not listed in {out / 'manifest.csv'}: it may be no picture of the generator."
            assert caught.value.todo.startswith("Move it elsewhere")
        foreign.unlink()
    (out / "seed000001.png").unlink()
    assert open_subject(str(out)).files == sampled[:1]


def test_pictures_beside_a_folder_of_samples_or_another_manifest_are_measured(tmp_path):
    sample.sample_to_folder("one", [0], tmp_path / "sampled")
    (tmp_path / "sampled" / "seed000000.png").rename(tmp_path / "beside.png")
    (tmp_path / "manifest.csv").write_text("file,age\nx.png,3\n")
    assert open_subject(str(tmp_path)).files == (tmp_path / "beside.png",)


def test_nothing_else_is_written_among_samples(tmp_path):
    sampled_folder.refuse(tmp_path / "new", "a walk")
    sampled_folder.refuse(tmp_path, "a walk")
    sample.sample_to_folder("one", [0], tmp_path)
    with pytest.raises(InvalidValue) as caught:
        sampled_folder.refuse(tmp_path, "a walk")
    assert caught.value.what == f"{tmp_path} holds sampled pictures, and a walk would be taken for one of them."
    assert caught.value.todo == "Choose another folder."


# --- walks -------------------------------------------------------------------------------------------------------------------------------


def test_a_walk_passes_through_its_seeds():
    frames = sample.walk(["one"], [3, 7, 12], 9)
    assert frames.shape == (1, 9, SIDE, SIDE, 3)
    corners, _ = sample.sample("one", [3, 7, 12])
    assert np.abs(frames[0, [0, 4, 8]].astype(int) - corners).max() <= 1
    jumps = np.abs(np.diff(frames[0].astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert jumps.max() < np.abs(corners[0].astype(int) - corners[1]).mean()


def test_the_same_z_through_several_generators():
    frames = sample.walk(["one", "two"], [1, 2], 4, "malignant")
    np.testing.assert_array_equal(frames[0], sample.walk(["one"], [1, 2], 4)[0])
    np.testing.assert_array_equal(frames[1], sample.walk(["two"], [1, 2], 4)[0])
    assert (frames[0] != frames[1]).any()


def test_a_class_is_given_to_the_generators_that_take_one():
    export_onnx(make_gan("dcgan", "unlabelled"))
    frames = sample.walk(["unlabelled", "both"], [1, 2], 4, "malignant")
    np.testing.assert_array_equal(frames[0], sample.walk(["unlabelled"], [1, 2], 4)[0])
    np.testing.assert_array_equal(frames[1], sample.walk(["both"], [1, 2], 4, "malignant")[0])
    said = sample.walk_provenance(["unlabelled", "both"], [1, 2], 4, "malignant")["generators"]
    assert [generator["class"] for generator in said] == [None, "malignant"]
    assert "all classes" in said[0]["label"]
    with pytest.raises(InvalidValue, match="both generates the class it is asked for, and none was named"):
        sample.walk(["unlabelled", "both"], [1, 2], 4)
    with pytest.raises(InvalidValue, match="unlabelled was trained without labels"):
        sample.walk(["unlabelled", "two"], [1, 2], 4, "malignant")


def test_generators_that_cannot_share_a_walk():
    with pytest.raises(InvalidValue, match=r"one@3\.2 has z of 8, 64 px; wide@3\.2 has z of 12, 64 px"):
        sample.walk(["one", "wide"], [1, 2], 4)
    with pytest.raises(InvalidValue, match="at least two seeds"):
        sample.walk(["one"], [1], 4)
    with pytest.raises(InvalidValue, match="too many"):
        sample.walk(["one"], [1, 2], 10**9)
    with pytest.raises(InvalidValue, match="not to generate benign") as caught:
        sample.walk(["one", "both"], [1, 2], 4, "benign")
    assert "Ask for malignant" in caught.value.todo
    assert len(sample.walk(["one", "both"], [1, 2], 4, "malignant")) == 2


def test_a_walk_from_class_to_class():
    frames = sample.class_walk("both", 5, 3)
    assert frames.shape == (3, SIDE, SIDE, 3)
    np.testing.assert_array_equal(frames[0], sample.sample("both", [5], "benign")[0][0])
    np.testing.assert_array_equal(frames[2], sample.sample("both", [5], "malignant")[0][0])
    renderer = sample.open_generator("both")[2]
    half = renderer.render(sample.latent.z_of_seeds([5], 8), np.array([[0.5, 0.5]]))
    np.testing.assert_array_equal(frames[1], half[0])
    with pytest.raises(InvalidValue, match="no classes to walk between"):
        sample.class_walk("one", 5, 3)
    with pytest.raises(InvalidValue, match="too many"):
        sample.class_walk("both", 5, 10**9)
    with pytest.raises(InvalidValue, match="cannot visit 2 classes"):
        sample.class_walk("both", 5, 1)


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png", ".PNG"])
def test_walks_as_files(tmp_path, suffix):
    frames = sample.walk(["one", "two"], [1, 2], 5)
    origin = sample.walk_provenance(["one", "two"], [1, 2], 5)
    out = tmp_path / f"walk{suffix}"
    sample.write_walk(frames, out, origin)
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == (1 if out.suffix.lower() == ".png" else 5)
        assert picture.size == ((5 * SIDE, 2 * SIDE) if out.suffix.lower() == ".png" else (2 * SIDE, SIDE))
        if out.suffix.lower() == ".png":
            pixels = np.asarray(picture)
            np.testing.assert_array_equal(pixels[SIDE:, SIDE : 2 * SIDE], frames[1, 1])
    assert images.read_provenance(out) == origin
    assert [generator["run"] for generator in origin["generators"]] == ["one", "two"]
    assert origin["seeds"] == [1, 2]


def test_one_generator_and_one_class_walk_as_files(tmp_path):
    sample.write_walk(sample.class_walk("both", 5, 4), tmp_path / "class.png", sample.walk_provenance(["both"], [5], 4))
    with Image.open(tmp_path / "class.png") as picture:
        assert picture.size == (4 * SIDE, SIDE)
    said = images.read_provenance(tmp_path / "class.png")
    assert said["generators"][0]["class"] == "benign to malignant"


def test_walk_files_that_cannot_be_written(tmp_path):
    frames = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    with pytest.raises(InvalidValue) as caught:
        sample.write_walk(frames, tmp_path / "walk.jpg", {})
    assert ".webp, .gif, .png, .mp4" in caught.value.todo
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        sample.write_walk(frames, tmp_path / "file" / "walk.png", {})


def test_a_video_needs_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="needs the program ffmpeg") as caught:
        sample.write_walk(np.zeros((2, SIDE, SIDE, 3), np.uint8), tmp_path / "walk.mp4", {})
    assert "Install ffmpeg" in caught.value.todo


def program(folder: Path, text: str) -> None:
    path = folder / "ffmpeg"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def test_what_ffmpeg_is_given(tmp_path, monkeypatch):
    """A stand-in that keeps what it is given: the size it is told fits the pixels that it gets."""
    program(
        tmp_path,
        "import json, pathlib, sys\nframes = sys.stdin.buffer.read()\n"
        "pathlib.Path(sys.argv[-1]).write_text(json.dumps([sys.argv[1:], len(frames), frames[:6].hex()]))\n",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    frames = np.full((3, SIDE, SIDE, 3), 7, np.uint8)
    frames[:, 0, 0] = (1, 2, 3)
    sample.write_walk(np.stack([frames, frames]), tmp_path / "walk.mp4", {"run": "one"}, ms=100)
    arguments, length, start = json.loads((tmp_path / "walk.mp4").read_text())
    width, height = map(int, arguments[arguments.index("-s") + 1].split("x"))
    assert (width, height) == (8 * SIDE, 4 * SIDE)
    assert length == 3 * width * height * 3
    assert start == "010203010203"
    assert arguments[arguments.index("-r") + 1] == "10"
    assert json.loads(arguments[arguments.index("-metadata") + 1].removeprefix("comment=")) == {"run": "one"}


def test_what_ffmpeg_complains_about_reaches_the_user(tmp_path, monkeypatch):
    program(tmp_path, "import sys\nsys.stdin.buffer.read()\nprint('noise\\nUnknown encoder', file=sys.stderr)\nsys.exit(1)\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"could not write the video \(Unknown encoder\)"):
        sample.write_walk(np.zeros((2, SIDE, SIDE, 3), np.uint8), tmp_path / "walk.mp4", {})
    assert os.listdir(tmp_path) == ["ffmpeg"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg on the PATH")
def test_a_real_video(tmp_path):
    sample.write_walk(sample.walk(["one"], [1, 2], 6), tmp_path / "walk.mp4", sample.walk_provenance(["one"], [1, 2], 6))
    assert (tmp_path / "walk.mp4").read_bytes()[4:8] == b"ftyp"
