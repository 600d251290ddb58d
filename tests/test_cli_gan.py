"""The verbs about GANs at the console: what is refused before anything is written, and who speaks."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_gans import make_gan

from gan_aug import cli, sample, store
from gan_aug.export import export_onnx

Console = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints folder with an exported run called ``one``, and one called ``short`` that is 19 steps of 16 images long."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_CHECKPOINTS", str(folder))
        export_onnx(make_gan("dcgan", "one"))
        make_gan("dcgan", "short", total_kimg=0.3, batch_size=16)
    return folder


@pytest.fixture
def gan_aug(made: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    """Run the console in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(made))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return cli.main(list(arguments)), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("saves", "code", "message"),
    [
        (["1=darker", "2=darker"], 2, "--save gives the name darker to two directions"),
        (["1=near", "999=far"], 1, "There is no direction 999."),
        (["1=near", "0=far"], 1, "There is no direction 0."),
        (["1=near", "1=../x"], 1, "'../x' cannot be a name of a direction."),
    ],
)
def test_names_of_directions_are_checked_before_anything_is_written(
    gan_aug: Console, tmp_path: Path, saves: list[str], code: int, message: str
) -> None:
    options = [word for text in saves for word in ("--save", text)]
    found, out, err = gan_aug("directions", "one", "--top", "1", "--seeds", "0", "--steps", "3", *options, "--out", str(tmp_path / "out"))
    assert (found, out) == (code, "")
    assert message in err
    assert not (tmp_path / "out").exists()
    assert store.directions("one") == []


def test_a_name_used_before_is_replaced_and_the_help_says_so(gan_aug: Console, tmp_path: Path) -> None:
    common = ["directions", "one", "--top", "1", "--seeds", "0", "--steps", "3", "--out", str(tmp_path / "out")]
    assert gan_aug(*common, "--save", "1=darker", "--save", "1=again", "--save", "3=border")[0] == 0
    before = {direction.name: direction.vector for direction in store.directions("one")}
    assert list(before) == ["again", "border", "darker"]
    assert gan_aug(*common, "--save", "2=darker")[0] == 0
    after = {direction.name: direction.vector for direction in store.directions("one")}
    assert list(after) == list(before) and after["darker"] != before["darker"]
    assert "replaces one of that name" in " ".join(gan_aug("directions", "--help")[1].replace("│", " ").split())


def test_an_even_number_of_steps_is_refused(gan_aug: Console, tmp_path: Path) -> None:
    code, _, err = gan_aug("directions", "one", "--steps", "4", "--out", str(tmp_path / "out"))
    assert code == 1
    assert "Of 4 steps none is in the middle" in err and "Use an odd number, such as 5." in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["directions", "one", "--out", "{}"],
        ["walk", "one", "--seeds", "1,2", "--out", "{}/walk.webp"],
        ["project", "one", "{}/seed000000.png", "--out", "{}"],
        ["audit", "one", "--data", "phantom", "--out", "{}"],
    ],
)
def test_nothing_else_goes_among_samples(gan_aug: Console, tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "pictures"
    sample.sample_to_folder("one", [0], folder)
    code, _, err = gan_aug(*(word.format(folder) for word in command))
    assert code == 1
    assert f"{folder} holds sampled pictures" in err and "Choose another folder." in err
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.csv", "seed000000.png"]
    assert gan_aug("sample", "one", "--seeds", "1", "--out", str(folder))[0] == 0


def test_a_length_of_as_many_steps_says_why_it_is_not_longer(gan_aug: Console) -> None:
    code, _, err = gan_aug("train", "--resume", "short", "--kimg", "0.3001")
    assert code == 1
    assert "Run short has 19 steps of 16 images, and 0.3001 thousand images make no step more." in err
    assert "Give more than 0.304, or no length" in err
    assert "0.3 are not more" in gan_aug("train", "--resume", "short", "--kimg", "0.3")[2]


def test_a_setting_that_is_named_twice_is_refused(gan_aug: Console, phantom: str) -> None:
    code, out, err = gan_aug("train", "dcgan", "--data", phantom, "--set", "width=8", "--set", "width=9", "--dry-run")
    assert (code, out) == (1, "")
    assert "width is set twice" in err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--kimg", "3"], "--kimg"),
        (["--preset", "paper"], "--preset"),
        (["--preset", "small-data", "--kimg", "3", "--gan-set", "width=8"], "--preset and --kimg and --gan-set"),
    ],
)
def test_a_sweep_without_a_gan_takes_no_options_of_one(gan_aug: Console, phantom: str, options: list[str], named: str) -> None:
    common = ["study", "sweep", "--name", "w", "--data", phantom, "--folds", "2", *options, "--schemes"]
    code, out, err = gan_aug(*common, "none,standard")
    assert (code, out) == (2, "")
    assert f"{named} cannot be given where no scheme trains a GAN, as train(dcgan) does." in " ".join(err.split())
    code, _, err = gan_aug(*common, "none,synthetic:train(nogan)@1.0")
    assert code == 1 and "nogan" in err, "of such a scheme they are not refused"


@pytest.mark.parametrize("subject", ["one", "short"])
def test_an_empty_class_is_not_all_classes(gan_aug: Console, phantom: str, subject: str) -> None:
    common = ["evaluate", subject, "--data", phantom, "--extractor", "random-conv"]
    code, _, err = gan_aug(*common, "--class", "")
    assert code == 1
    assert "has no class ''" in err
    assert gan_aug(*common, "--select", "--class", "")[0] == 2


def test_of_several_processes_the_first_says_what_would_be_trained(gan_aug: Console, phantom: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    said = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        for options in (["--json"], []):
            code, out, _ = gan_aug("train", "dcgan", "--data", phantom, "--set", "width=4", "--dry-run", *options)
            assert code == 0
            said.append(out)
    assert json.loads(said[0])["gan"] == "dcgan"
    assert "parameters" in said[1]
    assert said[2:] == ["", ""]
