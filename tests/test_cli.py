"""The console: what it prints where, its exit codes, and that every mistake gives two plain lines."""

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from made_up import make_blind_batch, make_run, make_study
from tiny_gans import make_gan

from gan_aug import __version__, cli, jobs, runs, store
from gan_aug.cli.output import text_of
from gan_aug.data.dataset import folder_of
from gan_aug.data.split import list_splits, make_split
from gan_aug.export import export_onnx
from gan_aug.jobs.slots import SLOT_VARIABLE
from gan_aug.records import Review, SyntheticImage
from gan_aug.workspace import checkpoints, studies

TINY = ["--kimg", "0.064", "--batch", "16", "--set", "width=4", "--set", "z_dim=8"]
NO_SECONDS = ["--set", "tick_kimg=0.016", "--set", "snapshot_kimg=0.016"]


@pytest.fixture
def gan_aug(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the console in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(list(arguments))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def gan_aug_json(gan_aug) -> Callable[..., object]:
    """Run the console with --json and read what it printed; nothing else may be on standard output."""

    def run(*arguments: str) -> object:
        code, out, err = gan_aug(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.fixture(scope="session")
def tiny_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints folder with a GAN run called ``tiny``, exported once: making an ONNX file takes seconds."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_CHECKPOINTS", str(folder))
        export_onnx(make_gan("dcgan", "tiny"))
    return folder


@pytest.fixture
def tiny(workspace: Path, tiny_source: Path) -> str:
    """Id of a GAN run in this test's checkpoints folder."""
    shutil.copytree(tiny_source, checkpoints(), dirs_exist_ok=True)
    return "tiny"


def all_commands() -> Iterator[tuple[list[str], object]]:
    """Every command with the words that call it."""

    def walk(words: list[str], command: object) -> Iterator[tuple[list[str], object]]:
        yield words, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk([*words, name], child)

    yield from walk([], typer.main.get_command(cli.app))


COMMANDS = list(all_commands())


# --- help --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) or "gan-aug" for words, _ in COMMANDS])
def test_every_command_explains_itself(words: list[str], command, gan_aug) -> None:
    code, out, err = gan_aug(*words, "--help")
    assert (code, err) == (0, "")
    assert command.help and command.help.rstrip().endswith((".", ").")), "its help is a sentence"
    undocumented = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
    assert undocumented == [], "every option and argument has a help text"
    assert max(map(len, out.splitlines())) <= 140


def test_version(gan_aug) -> None:
    assert gan_aug("--version") == (0, f"{__version__}\n", "")


def test_every_verb_but_the_endless_one_speaks_json() -> None:
    leaves = [(words, command) for words, command in COMMANDS if not getattr(command, "commands", {})]
    silent = [" ".join(words) for words, command in leaves if "json" not in {parameter.name for parameter in command.params}]
    assert silent == ["worker"]


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    code = "import sys, gan_aug.cli; print(sorted({'torch', 'numpy', 'pandas', 'sqlalchemy', 'streamlit', 'plotly'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- mistakes ----------------------------------------------------------------------------------------------------------------------------

LONG = 300 * "a"  # more than the name of a file may have
MISTAKES = [
    # Wrong use: exit 2.
    (["trian"], 2, "Did you mean 'train'"),
    (["train", "--dta", "phantom"], 2, "--data"),
    (["train"], 2, "Missing GAN"),
    (["train", "--resume", "x", "--data", "phantom"], 2, "takes no other"),
    (["train", "--resume", "x", "--seed", "1"], 2, "takes no other"),
    (["train", "dcgan", "--data", "phantom", "--size", "big"], 2, "--size"),
    (["train", "dcgan", "--data", "phantom", "--size", "64", "--set", "resolution=128"], 2, "--size and --set resolution"),
    (["train", "dcgan", "--data", "phantom", "--kimg", "1", "--set", "total_kimg=2"], 2, "--kimg and --set total_kimg"),
    (["train", "dcgan", "--data", "phantom", "--batch", "8", "--set", "batch_size=8"], 2, "--batch and --set batch_size"),
    (["data", "import", "."], 2, "--name"),
    (["data"], 2, ""),
    (["sample", "x", "--seeds", "1"], 2, "--out"),
    (["walk", "x", "--seeds", "1,2", "--through-classes", "--out", "a.webp"], 2, "one seed"),
    (["runs", "--kind", "cat"], 2, "gan or classifier"),
    (["evaluate", "x"], 2, "--data"),
    (["evaluate", "x", "--data", "phantom", "--extractor", "random-conv", "--select", "--part", "test"], 2, "--select"),
    (["classify", "--data", "phantom"], 2, "--scheme"),
    (["classify", "--resume", "x", "--steps", "3"], 2, "takes no other"),
    (["classify", "--data", "phantom", "--scheme", "none", "--steps", "3", "--set", "steps=4"], 2, "--steps and --set steps"),
    (["classify", "--data", "phantom", "--scheme", "none", "--backbone", "x", "--set", "backbone=y"], 2, "--backbone and --set backbone"),
    (["study", "run", "--data", "phantom"], 2, "--schemes"),
    (["study", "run", "--name", "there", "--steps", "9", "--seeds", "0"], 2, "--seeds and --steps cannot change"),
    (["study", "run", "--name", "there", "--split", "x"], 2, "--split cannot change"),
    (["study", "sweep", "--name", "there", "--fractions", "1/2"], 2, "--fractions cannot change"),
    (
        ["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--kimg", "1", "--gan-set", "total_kimg=2"],
        2,
        "--gan-set",
    ),
    (["study", "steps", "--data", "phantom", "--longest", "80", "--set", "steps=9"], 2, "--longest"),
    (["review", "create", "b"], 2, "--from"),
    (["review", "create", "b", "--from", "tiny", "--data", "phantom"], 2, "--data can only be given with --blind"),
    (["review", "create", "b", "--from", "tiny", "--part", "val", "--margin", "0.2"], 2, "--part and --margin can only"),
    (["review", "create", "b", "--from", "tiny", "--blind", "--data", "phantom", "--extractor", "derm"], 2, "--extractor"),
    (["jobs", "list", "--limit", "0"], 2, "--limit"),
    # What was named does not exist or does not fit: exit 1.
    (["data", "import", "no-such-folder", "--name", "x"], 1, "no-such-folder"),
    (["data", "import", "no-such-folder", "--dry-run"], 1, "no-such-folder"),
    (["data", "import", LONG, "--name", "x"], 1, "Choose a shorter name."),
    (["data", "import", ".", "--name", "../x"], 1, "../x"),
    (["data", "import", ".", "--name", "x", "--size", "33"], 1, "33"),
    (["data", "import", ".", "--name", "x", "--format", "zip"], 1, "zip"),
    (["data", "demo"], 1, "phantom"),
    (["data", "demo", "--name", "x", "--images", "3"], 1, "3"),
    (["data", "demo", "--name", "x.tmp"], 1, "not ending in '.tmp'"),
    (["data", "show", "nothing"], 1, "nothing"),
    (["data", "split", "nothing"], 1, "nothing"),
    (["data", "split", "phantom", "--val", "0.9"], 1, "0.9"),
    (["data", "split", "phantom", "--fraction", "0"], 1, "0"),
    (["data", "check", "nothing"], 1, "nothing"),
    (["train", "biggan", "--data", "phantom"], 1, "biggan"),
    (["train", "dcgan", "--data", "nothing"], 1, "nothing"),
    (["train", "dcgan", "--data", "phantom", "--class", "cat"], 1, "cat"),
    (["train", "dcgan", "--data", "phantom", "--size", "96"], 1, "96"),
    (["train", "dcgan", "--data", "phantom", "--size", "128"], 1, "128"),
    (["train", "dcgan", "--data", "phantom", "--size", "256"], 1, "Train at 64 px, or import the images again with --size 256."),
    (
        ["train", "dcgan", "--data", "phantom", "--set", "snapshot_kimg=0.5"],
        1,
        "Set tick_kimg to 0.5 or less too, or snapshot_kimg to 1 or more.",
    ),
    (["train", "dcgan", "--data", "phantom", "--preset", "best"], 1, "best"),
    (["train", "dcgan", "--data", "phantom", "--set", "wings=2"], 1, "wings"),
    (["train", "dcgan", "--data", "phantom", "--set", "width"], 1, "width"),
    (["train", "dcgan", "--data", "phantom", "--set", "width=wide"], 1, "wide"),
    (["train", "dcgan", "--data", "phantom", "--set", "g_lr=nan"], 1, "g_lr"),
    (["train", "dcgan", "--data", "phantom", "--seed=-1"], 1, "-1"),
    (["train", "dcgan", "--data", "phantom", "--split", "abc"], 1, "abc"),
    (["train", "dcgan", "--data", "phantom", "--device", "abacus"], 1, "abacus"),
    (["train", "--resume", "no-such-run"], 1, "no-such-run"),
    (["train", "--resume", "no-such-run", "--kimg", "9"], 1, "no-such-run"),
    (["train", "--resume", "tiny", "--kimg", "1000"], 1, "goes on from"),
    (["classify", "--resume", "no-such-run"], 1, "no-such-run"),
    (["classify", "--resume", "tiny"], 1, "gan-aug train --resume tiny"),
    (["show", "no-such-run"], 1, "no-such-run"),
    (["show", "../../etc"], 1, "../../etc"),
    (["sample", "no-such-run", "--seeds", "0-3", "--out", "x"], 1, "no-such-run"),
    (["sample", "tiny", "--seeds", "3-x", "--out", "x"], 1, "3-x"),
    (["sample", "tiny", "--seeds", "9-3", "--out", "x"], 1, "9-3"),
    (["sample", "tiny", "--seeds", "18446744073709551616", "--out", "x"], 1, "from 0 to 18446744073709551615"),
    (["sample", "tiny", "--seeds", "1", "--out", LONG], 1, "File name too long"),
    (["sample", "tiny@99", "--seeds", "1", "--out", "x"], 1, "@99"),
    (["sample", "tiny@best", "--seeds", "1", "--out", "x"], 1, "Choose one with: gan-aug evaluate tiny --data demo --select"),
    (["sample", "tiny", "--seeds", "1", "--class", "cat", "--out", "x"], 1, "cat"),
    (["walk", "tiny", "--seeds", "1", "--out", "x.webp"], 1, "two seeds"),
    (["walk", "tiny", "--seeds", "1,2,3", "--frames", "2", "--out", "x.webp"], 1, "2 frames"),
    (["walk", "tiny", "--seeds", "1", "--through-classes", "--out", "x.webp"], 1, "tiny"),
    (["directions", "x", "--out", "d", "--save", "darker"], 2, "--save 1=darker"),
    (["directions", "no-such-run", "--out", "d"], 1, "no-such-run"),
    (["directions", "tiny", "--top", "0", "--out", "d"], 1, "top 0"),
    (["directions", "tiny", "--steps", "100000000", "--out", "d"], 1, "100,000,000 steps"),
    (["directions", "tiny", "--seeds", "0-99999", "--out", "d"], 1, "100,000 seeds"),
    (["directions", "tiny", "--named", "--out", "d"], 1, "Nobody has named"),
    (["directions", "tiny", "--named", "--top", "3", "--out", "d"], 2, "--top cannot be given with --named"),
    (["project", "no-such-run", "a.png", "--out", "p"], 1, "no-such-run"),
    (["project", "tiny", "no-such-file.png", "--out", "p"], 1, "no-such-file.png"),
    (["project", "tiny", "a.png", "--seed", "-3", "--out", "p"], 1, "a whole number from 0 to 2147483647"),
    (["evaluate", "tiny", "--data", "nothing", "--extractor", "random-conv"], 1, "nothing"),
    (["evaluate", "tiny", "--data", "phantom", "--extractor", "eyes"], 1, "eyes"),
    (["evaluate", "tiny", "--data", "phantom"], 1, "derm"),
    (["evaluate", LONG, "--data", "phantom"], 1, "Choose a shorter name."),
    (["evaluate", "tiny", "--data", "phantom", "--extractor", "random-conv", "--part", "lost"], 1, "lost"),
    (["audit", "tiny", "--data", "nothing"], 1, "nothing"),
    (["audit", "tiny", "--data", "phantom"], 1, "holds none of the"),
    (["audit", "no-such-run", "--data", "phantom"], 1, "no-such-run"),
    (["audit", LONG, "--data", "phantom"], 1, "Choose a shorter name."),
    (["legacy-metrics", "tiny", "--data", "phantom", "--extractor", "random-conv"], 2, "--matched"),
    (["legacy-metrics", "tiny", "--data", "nothing"], 1, "nothing"),
    (["legacy-metrics", "no-such-run", "--data", "phantom"], 1, "no-such-run"),
    (["legacy-metrics", LONG, "--data", "phantom"], 1, "Choose a shorter name."),
    (["classify", "--data", "nothing", "--scheme", "none"], 1, "nothing"),
    (["classify", "--data", "phantom", "--scheme", "magic"], 1, "magic"),
    (["classify", "--data", "phantom", "--scheme", "none", "--backbone", "resnet"], 1, "resnet"),
    (["classify", "--data", "phantom", "--scheme", "none", "--set", "wings=2"], 1, "wings"),
    (["classify", "--data", "phantom", "--scheme", "none", "--split", "abc"], 1, "abc"),
    (["study", "run", "--data", "phantom", "--schemes", "none,magic"], 1, "magic"),
    (["study", "run", "--data", "phantom", "--schemes", "none", "--seeds", "a"], 1, "'a'"),
    (["study", "run", "--data", "phantom", "--schemes", "none", "--seeds", "1,1"], 1, "seed"),
    (["study", "run", "--data", "nothing", "--schemes", "none"], 1, "nothing"),
    (["study", "run", "--data", "phantom", "--schemes", "synthetic:no-such-run@1.0"], 1, "no-such-run"),
    (["study", "run", "--data", "phantom", "--schemes", "none,standard", "--external", "nothing"], 1, "nothing"),
    (["study", "run", "--name", "no-such-study"], 1, "no-such-study"),
    (["study", "sweep", "--name", "no-such-sweep"], 1, "no-such-sweep"),
    (["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--fractions", "1/x"], 1, "1/x"),
    (["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--fractions", "1e400"], 1, "above 0 and at most 1"),
    (["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--fractions", "1e30000000"], 1, "above 0 and at most 1"),
    (["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--fractions", "1/2", "--split", "abc"], 1, "abc"),
    (["study", "sweep", "--name", "w", "--data", "phantom", "--schemes", "none", "--folds", "3", "--split", "abc"], 1, "Leave the split"),
    (["study", "steps", "--data", "phantom", "--longest", "7"], 1, "7 steps"),
    (["study", "report", "no-such-study"], 1, "no-such-study"),
    (["review", "create", "b", "--from", "no-such-run"], 1, "no-such-run"),
    (["review", "create", "b", "--from", "tiny", "--n", "0"], 1, "0"),
    (["review", "create", "b", "--from", "tiny", "--blind"], 1, "blind"),
    (["review", "export", "no-such-batch", "--out", "x"], 1, "no-such-batch"),
    (["review", "close", "no-such-batch"], 1, "no-such-batch"),
    (["review", "result", "no-such-batch"], 1, "no-such-batch"),
    (["jobs", "log", "no-such-job"], 1, "no-such-job"),
    (["jobs", "cancel", "no-such-job"], 1, "no-such-job"),
    (["jobs", "resume", "no-such-job"], 1, "no-such-job"),
    (["run-job", "no-such-job"], 1, "no-such-job"),
    (["export", "no-such-run"], 1, "no-such-run"),
    (["publish", "no-such-run", "--name", "x"], 1, "no-such-run"),
    (["publish", "tiny", "--name", "tiny"], 1, "There already is a run 'tiny', in "),
    (["card", "no-such-run"], 1, "no-such-run"),
    (["backup"], 1, "no database"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), MISTAKES, ids=[" ".join(arguments) for arguments, _, _ in MISTAKES])
def test_a_mistake_gives_two_plain_lines(
    arguments: list[str], code: int, named: str, phantom: str, tiny: str, gan_aug, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = gan_aug(*arguments)
    assert found == code, err
    if arguments == ["data"]:  # a bare group shows its help
        return
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2 and all(line.strip() for line in lines), err
    assert named in err
    assert "Traceback" not in err and "inside gan_aug" not in err
    if code == 2:
        assert lines[1].startswith("Run 'gan-aug") and lines[1].endswith("--help' to see what it takes.")


def test_every_verb_has_a_mistake_that_is_tested() -> None:
    tested = {tuple(arguments[: len(words)]) for arguments, _, _ in MISTAKES for words, _ in COMMANDS if arguments[: len(words)] == words}
    leaves = {tuple(words) for words, command in COMMANDS if not getattr(command, "commands", {})}
    takes_nothing = {("gans",), ("worker",), ("reindex",), ("doctor",), ("data", "list"), ("study", "list"), ("review", "list")}
    assert leaves - tested == takes_nothing


def test_a_split_of_another_state_of_the_dataset_is_refused(phantom: str, gan_aug) -> None:
    make_split(phantom, seed=1)
    code, out, err = gan_aug("train", "dcgan", "--data", phantom, *TINY)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2 and "2 splits" in err


def test_a_dataset_too_small_for_any_gan_is_to_be_imported_again(workspace: Path, gan_aug) -> None:
    assert gan_aug("data", "demo", "--images", "40", "--size", "32", "--name", "small")[0] == 0
    assert gan_aug("train", "dcgan", "--data", "small", "--size", "64") == (
        1,
        "",
        "Dataset small holds images of 32 px, and 64 px were asked for.\n"
        "Import the images again with --size 64; GANs are trained at 64, 128, 256 px.\n",
    )


@pytest.mark.parametrize("verb", ["train", "classify"])
def test_a_run_of_an_unknown_kind_is_damaged(tiny: str, verb: str, gan_aug) -> None:
    path = checkpoints() / tiny / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kind": "toaster"}))
    code, out, err = gan_aug(verb, "--resume", tiny)
    assert (code, out) == (1, "") and len(err.splitlines()) == 2
    assert err.startswith(f"{path} cannot be read (kind cannot be 'toaster').\nUpdate gan_aug if a newer version wrote it; ")


def test_a_damaged_snapshot_and_line_of_statistics_leave_every_verb_working(
    phantom: str, tmp_path: Path, gan_aug, gan_aug_json, caplog
) -> None:
    run_id = gan_aug("train", "dcgan", "--data", phantom, *TINY, *NO_SECONDS)[1].strip()
    folder = runs.run_folder(run_id)
    last, before = (runs.snapshot_folder(folder, step) / "meta.json" for step in (4, 3))
    last.write_text('{"format": 1}')
    before.write_text(json.dumps({**json.loads(before.read_text()), "step": "x"}))
    stats = folder / "stats.jsonl"
    lines = stats.read_text().splitlines()
    stats.write_text("\n".join([lines[0], '{"a": 1}', "broken{", lines[3], ""]))
    damaged = f"{stats} is damaged in line 2, 3; the statistics there are left out."

    shown = gan_aug_json("show", run_id)
    assert shown["notices"] == [f"{before} is damaged.", f"{last} is damaged."]
    assert [saved["step"] for saved in shown["checkpoints"]] == [1, 2] and shown["last_stats"]["step"] == 4
    assert caplog.messages == [damaged]
    assert gan_aug_json("sample", run_id, "--seeds", "0", "--out", str(tmp_path / "pictures"))["images"] == 1
    assert gan_aug_json("reindex") == {"runs": 1} and store.indexed_runs()[0]["n_snapshots"] == 2
    # The snapshots that are left were thinned to what is sampled.
    code, _, err = gan_aug("train", "--resume", run_id)
    assert code == 1 and "at most weights to sample with" in err and "inside gan_aug" not in err


def test_a_training_goes_on_though_its_statistics_are_damaged(phantom: str, gan_aug, gan_aug_json) -> None:
    from gan_aug import train_gan

    run = train_gan.prepare("dcgan", phantom, settings={"width": 4, "z_dim": 8, "batch_size": 16, "total_kimg": 0.064})
    train_gan.train(run.id, should_stop=lambda: True)
    folder = runs.run_folder(run.id)
    stats = folder / "stats.jsonl"
    stats.write_text("broken{\n" + stats.read_text())
    assert gan_aug_json("train", "--resume", run.id)["status"]["state"] == "finished"
    assert [line["step"] for line in runs.read_stats(run.id)[0]] == [1, 4]
    assert (folder / "damaged-stats.txt").read_text() == "broken{\n"
    assert f"{stats} is damaged in line 1; the statistics there are left out." in (folder / "log.txt").read_text()


def test_a_fault_of_our_own_is_told_as_one(gan_aug, monkeypatch, workspace) -> None:
    def broken() -> None:
        raise RuntimeError("a bolt\nis loose")

    monkeypatch.setattr("gan_aug.store.reindex", broken)
    code, out, err = gan_aug("reindex")
    assert (code, out) == (1, "")
    assert err == "Something went wrong inside gan_aug: RuntimeError: a bolt is loose\nRun again with --debug and report what it shows.\n"
    with pytest.raises(RuntimeError, match="a bolt"):
        gan_aug("reindex", "--debug")


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/w"),
         ["/w cannot be used: Permission denied.", "Choose another folder, or make it readable and writable."]),
        (OSError(errno.EROFS, "Read-only file system", "/w/.a.json.x1.tmp"),
         ["/w cannot be used: Read-only file system.", "Choose another folder, or make it readable and writable."]),
        (OSError(errno.ENOSPC, "No space left on device"),
         ["A file cannot be used: No space left on device.", "Make room, or choose another folder."]),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/w/.a.tmp", None, "/w/a"),
         ["/w/a cannot be used: Is a directory.", "Choose another folder, or move away what is in its place."]),
        (OSError(errno.EIO, "Input/output error", "/w"),
         ["/w cannot be used: Input/output error.", "Look whether its disk is there and healthy, or choose another folder."]),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "/w"),
         ["/w cannot be used: Too many levels of symbolic links.", "Choose another folder, or move away what is in its place."]),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_used_is_named(error: OSError, lines: list[str], gan_aug, monkeypatch, workspace) -> None:
    def refused() -> None:
        raise error

    monkeypatch.setattr("gan_aug.store.reindex", refused)
    code, out, err = gan_aug("reindex")
    assert (code, out, err.splitlines()) == (1, "", lines)
    assert "Traceback" in gan_aug("reindex", "--debug")[2]


@pytest.mark.parametrize("variable", ["GAN_AUG_HOME", "GAN_AUG_CHECKPOINTS"])
@pytest.mark.parametrize("missing", ["/proc/nowhere", "/proc/nowhere/deep"])
def test_a_place_that_cannot_be_made_is_named(variable: str, missing: str, gan_aug, monkeypatch, workspace) -> None:
    """A folder below /proc, which the system calls missing; another file that is missing is a fault of our own."""
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", missing)

    def refused() -> None:
        raise error

    monkeypatch.setattr("gan_aug.store.reindex", refused)
    monkeypatch.setenv(variable, "/proc/nowhere/deep")
    code, out, err = gan_aug("reindex")
    assert (code, out) == (1, "")
    assert err == f"{missing} cannot be used: No such file or directory.\nPoint {variable} at a folder that is there or can be made.\n"
    error.filename = "/proc/nowhere/deep/file"
    assert gan_aug("reindex")[2].startswith("Something went wrong inside gan_aug: FileNotFoundError")


def test_an_error_of_the_system_that_nobody_can_mend_is_a_fault_of_our_own(gan_aug, monkeypatch, workspace) -> None:
    def refused() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("gan_aug.store.reindex", refused)
    code, _, err = gan_aug("reindex")
    assert code == 1 and err.startswith("Something went wrong inside gan_aug: OSError")


@pytest.mark.parametrize("arguments", [["data", "demo", "--images", "40"], ["data", "list"], ["review", "list"], ["jobs"]])
def test_a_workspace_that_is_a_file_is_named(arguments: list[str], gan_aug, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("GAN_AUG_HOME", str(tmp_path / "home"))
    code, out, err = gan_aug(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(str(tmp_path / "home")) and len(err.splitlines()) == 2 and "inside gan_aug" not in err


def test_debug_adds_the_traceback_of_a_mistake(gan_aug, workspace) -> None:
    code, _, err = gan_aug("data", "show", "nothing", "--debug")
    assert code == 1
    assert "Traceback" in err
    assert err.splitlines()[-2].startswith("There is no dataset called 'nothing'")


# --- images ------------------------------------------------------------------------------------------------------------------------------


def test_data_verbs(workspace: Path, gan_aug, gan_aug_json) -> None:
    assert gan_aug("data", "list")[1].startswith("There are no datasets yet.")
    made = gan_aug_json("data", "demo", "--images", "120")
    assert made["dataset"]["phantom"] is True
    assert sum(made["classes"].values()) == 120
    assert gan_aug_json("data", "demo", "--if-none")["name"] == "phantom"
    assert [record["name"] for record in gan_aug_json("data", "list")] == ["phantom"]
    assert gan_aug_json("data", "show", "phantom")["splits"] == [split.id for split in list_splits("phantom")]
    half = gan_aug_json("data", "split", "phantom", "--fraction", "0.5")
    assert half == gan_aug_json("data", "split", "phantom", "--fraction", "0.5"), "the same arguments, the same split"
    assert sum(sum(classes.values()) for classes in half["sizes"].values()) == 120
    report = gan_aug_json("data", "check", "phantom")
    assert report["violations"] == [] and half["split"] in report["sizes"]
    for verb, word in (("list", "phantom"), ("show phantom", "malignant"), ("split phantom", "train"), ("check phantom", "No split")):
        code, out, err = gan_aug("data", *verb.split())
        assert (code, err) == (0, "") and word in out


def test_import_of_a_folder_per_class(workspace: Path, tmp_path: Path, phantom_source: Path, gan_aug, gan_aug_json) -> None:
    import numpy as np
    from PIL import Image

    pictures = np.load(phantom_source / "datasets" / "phantom" / "images.npy", mmap_mode="r")
    for row in range(12):
        folder = tmp_path / "photos" / ("benign" if row % 2 else "malignant")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures[row]).save(folder / f"{row}.png")
    (tmp_path / "photos" / "benign" / "broken.png").write_bytes(b"no picture")
    recognised = gan_aug_json("data", "import", str(tmp_path / "photos"), "--dry-run")
    assert recognised[0]["format"] == "folder"
    assert gan_aug_json("data", "list") == []
    assert "picture files" in gan_aug("data", "import", str(tmp_path / "photos"), "--dry-run")[1]
    made = gan_aug_json("data", "import", str(tmp_path / "photos"), "--name", "mine", "--size", "64")
    assert made["classes"] == {"benign": 6, "malignant": 6}
    assert made["dataset"]["report"]["n_rejected"] == 1
    assert "rejected.csv" in gan_aug("data", "show", "mine")[1]


# --- GANs --------------------------------------------------------------------------------------------------------------------------------


def test_gans_lists_them_all(gan_aug, gan_aug_json) -> None:
    from gan_aug.catalog import ENTRIES

    assert [entry["name"] for entry in gan_aug_json("gans")] == list(ENTRIES)
    text = gan_aug("gans")[1]
    assert all(entry.arxiv in text for entry in ENTRIES.values())


def test_dry_run_trains_nothing(phantom: str, gan_aug, gan_aug_json) -> None:
    plan = gan_aug_json("train", "acgan", "--data", phantom, "--set", "width=8", "--dry-run")
    assert plan["config"]["width"] == 8
    assert set(plan["images"]) == {"benign", "malignant"} and all(plan["images"].values())
    assert set(plan["parameters"]) == {"G", "D"} and plan["device"] in ("cpu", "cuda")
    only = gan_aug_json("train", "dcgan", "--data", phantom, "--class", "malignant", "--dry-run")
    assert only["images"] == {"malignant": plan["images"]["malignant"]}
    assert "parameters" in gan_aug("train", "dcgan", "--data", phantom, "--dry-run")[1]
    assert runs.list_runs() == []


def test_train_then_look(phantom: str, tmp_path: Path, gan_aug, gan_aug_json) -> None:
    code, out, _ = gan_aug("train", "acgan", "--data", phantom, *TINY)
    assert code == 0
    run_id = out.strip()
    assert out == f"{run_id}\n", "standard output is the run id and nothing else"
    assert runs.status(run_id).state == "finished"
    assert gan_aug_json("runs", "--kind", "gan")[0]["run"]["id"] == run_id
    assert run_id in gan_aug("runs")[1]
    shown = gan_aug_json("show", run_id)
    assert shown["checkpoints"][-1]["kimg"] == 0.064 and shown["run"]["config"]["width"] == 4
    out = gan_aug("show", run_id)[1]
    assert f"{run_id}@0.064" in out
    assert shown["changed"] == {"z_dim": 8, "width": 4}
    assert "small-data z_dim=8 width=4" in out

    made = gan_aug_json("sample", run_id, "--seeds", "0-2,1", "--class", "malignant", "--out", str(tmp_path / "pictures"))
    with Path(made["manifest"]).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["seed"] for row in rows] == ["0", "1", "2"]
    assert made["images"] == 3
    assert all((tmp_path / "pictures" / row["file"]).exists() for row in rows)
    walked = gan_aug_json(
        "walk", run_id, "--seeds", "1,2", "--frames", "3", "--class", "benign", "--same-z", run_id, "--out", str(tmp_path / "w.webp")
    )
    assert walked["runs"] == [run_id, run_id] and (tmp_path / "w.webp").stat().st_size > 0
    code, out, _ = gan_aug("walk", run_id, "--seeds", "1", "--through-classes", "--frames", "3", "--out", str(tmp_path / "c.png"))
    assert code == 0 and "3 frames" in out and (tmp_path / "c.png").exists()

    measured = gan_aug_json("evaluate", run_id, "--data", phantom, "--extractor", "random-conv", "--n", "12")
    assert {record["metric"] for record in measured} >= {"kid", "frechet", "precision", "recall"}
    best = gan_aug_json("evaluate", run_id, "--data", phantom, "--extractor", "random-conv", "--n", "12", "--select")["best"]
    assert runs.resolve(f"{run_id}@best")[1].step == best["step"] == gan_aug_json("show", run_id)["best"]["step"]
    assert f"step {best['step']}: KID" in gan_aug("show", run_id)[1]
    assert "KID" in gan_aug("evaluate", run_id, "--data", phantom, "--extractor", "random-conv", "--n", "12")[1]


def test_publish_says_how_to_measure_what_can_be_measured(tiny: str, gan_aug, monkeypatch) -> None:
    monkeypatch.setattr("gan_aug.publish.publish", lambda reference, name, out: out / name)
    code, out, err = gan_aug("publish", "run", "--name", tiny)
    assert (code, out) == (0, f"{checkpoints() / 'pretrained' / 'tiny'}\n")
    assert err.splitlines() == [
        "Measure it with 'gan-aug evaluate tiny --data demo' and 'gan-aug audit tiny --data demo'.",
        "Write its card with: gan-aug card tiny",
    ]
    path = checkpoints() / tiny / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "kind": "classifier"}))
    assert gan_aug("publish", "run", "--name", tiny)[2] == "Write its card with: gan-aug card tiny\n"


def test_ctrl_c_leaves_a_snapshot_and_resume_goes_on(phantom: str, gan_aug, gan_aug_json) -> None:
    command = [sys.executable, "-m", "gan_aug", "train", "dcgan", "--data", phantom, "--batch", "16", "--kimg", "400"]
    small = ["--set", "width=4", "--set", "z_dim=8", *NO_SECONDS]
    process = subprocess.Popen(
        [*command, *small], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    run_id = process.stdout.readline().strip()
    deadline = time.monotonic() + 60
    while not runs.read_stats(run_id)[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1].endswith(f"Go on with: gan-aug train --resume {run_id}")
    stopped = runs.status(run_id)
    assert stopped.state == "stopped" and runs.list_checkpoints(run_id)[-1].step == stopped.step


def test_a_classifier_can_be_stopped_before_it_was_ever_measured(phantom: str, gan_aug_json) -> None:
    command = [sys.executable, "-m", "gan_aug", "classify", "--data", phantom, "--scheme", "none", "--steps", "4000"]
    small = ["--set", "batch_size=2", "--set", "evaluate_every=4000"]
    process = subprocess.Popen(
        [*command, *small], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    run_id = process.stdout.readline().strip()
    log = runs.run_folder(run_id) / "log.txt"
    while not log.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130, err
    assert err.splitlines()[-1].endswith(f"Go on with: gan-aug classify --resume {run_id}")
    assert runs.list_checkpoints(run_id)[-1].step == runs.status(run_id).step


def test_resume(phantom: str, gan_aug_json) -> None:
    from gan_aug import train_gan

    run = train_gan.prepare("dcgan", phantom, settings={"width": 4, "z_dim": 8, "batch_size": 16, "total_kimg": 0.064})
    train_gan.train(run.id, should_stop=lambda: True)
    assert runs.status(run.id).state == "stopped"
    assert gan_aug_json("train", "--resume", run.id)["status"]["state"] == "finished"
    longer = gan_aug_json("train", "--resume", run.id, "--kimg", "0.096")
    assert (longer["run"]["parent"], longer["status"]["kimg"], longer["checkpoint"]["step"]) == (run.id, 0.096, 6)


def test_a_busy_machine_says_with_what(phantom: str, gan_aug) -> None:
    with jobs.slot("a long training"):
        ours = os.environ.pop(SLOT_VARIABLE)  # as seen by a process that did not inherit the slot
        try:
            code, out, err = gan_aug("train", "dcgan", "--data", phantom, *TINY)
        finally:
            os.environ[SLOT_VARIABLE] = ours
    assert (code, out) == (1, "")
    assert "a long training" in err and len(err.splitlines()) == 2
    assert runs.list_runs() == [], "no run folder is left behind"


# --- classifiers and studies -------------------------------------------------------------------------------------------------------------


def test_a_study_from_plan_to_report(phantom: str, tmp_path: Path, gan_aug, gan_aug_json) -> None:
    options = ["--data", phantom, "--schemes", "none,standard", "--seeds", "0", "--steps", "2", "--size", "32", "--set", "batch_size=8"]
    finished = gan_aug_json("study", "run", *options)
    name = finished["analysis"]["study"]
    assert re.fullmatch(r"phantom-[0-9a-f]{6}", name)
    assert {arm["scheme"] for arm in finished["analysis"]["parts"][0]["arms"]} == {"none", "standard"}
    assert finished["analysis"]["phantom"] is True and Path(finished["report"]).exists()
    trained = len(runs.list_runs("classifier"))
    code, out, _ = gan_aug("study", "run", *options)
    assert code == 0 and finished["analysis"]["verdict"] in out
    assert len(runs.list_runs("classifier")) == trained, "the same plan is the same study, and nothing is trained twice"
    assert gan_aug_json("study", "list")[0]["study"]["name"] == name
    code, out, err = gan_aug("study", "report", name, "--html", str(tmp_path / "r.html"), "--csv", str(tmp_path / "t"), "--no-real-images")
    assert code == 0 and "AUC" in out and "r.html" in err
    assert "<html" in (tmp_path / "r.html").read_text() and (tmp_path / "t" / "predictions.csv").exists()


def test_results_that_were_kept_are_shown_without_the_dataset(phantom: str, gan_aug) -> None:
    make_study("s", phantom, ["none", "standard"])
    code, told, _ = gan_aug("study", "report", "s")
    assert code == 0
    shutil.rmtree(folder_of(phantom))
    code, out, err = gan_aug("study", "report", "s")
    assert (code, out) == (0, told) and "no dataset called 'phantom'" in err and "The results are those of" in err


def test_damaged_folders_are_told_beside_the_list(phantom: str, gan_aug, gan_aug_json) -> None:
    make_run("good", "dcgan", phantom)
    make_run("bad", "dcgan", phantom)
    make_run("lost", "dcgan", phantom)
    make_study("fine", phantom, ["none"])
    make_study("torn", phantom, ["none"])
    record, status = checkpoints() / "bad" / "run.json", checkpoints() / "lost" / "status.json"
    plan = studies() / "torn" / "study.json"
    for path in (record, status, plan):
        path.write_text("{")
    code, out, err = gan_aug("runs")
    assert code == 0 and "good" in out and "bad" not in out and "lost" not in out
    assert [line.partition(" cannot be read")[0] for line in err.splitlines()] == [str(record), str(status)]
    assert [found["run"]["id"] for found in gan_aug_json("runs", "--kind", "gan")] == ["good"]
    code, _, err = gan_aug("reindex")
    assert code == 0 and str(record) in err and str(status) in err
    assert [row["run_id"] for row in store.indexed_runs()] == ["good"]
    code, out, err = gan_aug("study", "list")
    assert code == 0 and "fine" in out and "torn" not in out
    assert err.startswith(f"{plan} cannot be read") and f"delete the folder {plan.parent}" in err
    assert [found["study"]["name"] for found in gan_aug_json("study", "list")] == ["fine"]
    code, _, err = gan_aug("show", "bad")
    assert code == 1 and err.startswith(f"{record} cannot be read")


def test_a_plan_is_never_changed(phantom: str, gan_aug) -> None:
    from gan_aug import study
    from gan_aug.records import ClassifierConfig

    study.plan("fixed", phantom, ["none"], [0], ClassifierConfig(steps=2, resolution=32))
    code, _, err = gan_aug(
        "study", "run", "--name", "fixed", "--data", phantom, "--schemes", "standard", "--seeds", "0", "--steps", "2", "--size", "32"
    )
    assert code == 1 and len(err.splitlines()) == 2 and "another plan" in err


def test_classify(phantom: str, gan_aug) -> None:
    code, out, err = gan_aug(
        "classify", "--data", phantom, "--scheme", "oversample", "--steps", "2", "--size", "32", "--set", "batch_size=8"
    )
    assert code == 0
    assert runs.load_run(out.strip()).scheme == "oversample"
    assert "Best AUC on val" in err


def test_classify_goes_on(phantom: str, gan_aug_json) -> None:
    from gan_aug import train_classifier
    from gan_aug.records import ClassifierConfig

    run = train_classifier.prepare(phantom, "none", ClassifierConfig(steps=3, resolution=32, batch_size=8))
    train_classifier.train(run.id, should_stop=lambda: True)
    assert runs.status(run.id).state == "stopped"
    assert gan_aug_json("classify", "--resume", run.id)["status"]["state"] == "finished"


# --- reviews and upkeep ------------------------------------------------------------------------------------------------------------------


def test_review_batch_and_its_export(tiny: str, tmp_path: Path, gan_aug, gan_aug_json) -> None:
    assert gan_aug("review", "list")[1].startswith("There are no batches yet.")
    assert gan_aug_json("review", "create", "first", "--from", tiny, "--n", "4") == {"batch": "first", "cases": 4}
    case = store.cases("first")[0]
    assert case.synthetic == SyntheticImage("tiny@3.2", case.synthetic.seed, None, 1.0)
    decision = Review("0" * 31 + "1", "first", "=Ann", case.image, "accept", None, None, 1.5, "2026-01-01T00:00:00Z")
    store.add_reviews([decision])
    assert gan_aug_json("review", "list")[0]["n_reviewers"] == 1
    assert gan_aug_json("review", "export", "first", "--out", str(tmp_path / "out"))["decisions"] == 1
    with (tmp_path / "out" / "decisions.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert (row["decision"], row["checkpoint"], row["origin"]) == ("accept", "tiny@3.2", "synthetic")
    assert row["reviewer"] == "'=Ann", "a spreadsheet must not run it"
    assert (tmp_path / "out" / row["file"]).exists()
    code, _, err = gan_aug("review", "export", "first", "--out", str(tmp_path / "out"))
    assert code == 1 and "not an empty folder" in err


def test_a_blind_batch_is_not_given_away(phantom: str, tmp_path: Path, gan_aug) -> None:
    case = store.ReviewCase("a", "reviews/b/a.png", "0" * 64, real={"dataset": phantom, "image_id": "x"})
    store.create_batch("blind", "blind", [case], "test")
    code, _, err = gan_aug("review", "export", "blind", "--out", str(tmp_path / "out"))
    assert code == 1 and "still open" in err and "gan-aug review close blind" in err and not (tmp_path / "out").exists()


def test_a_blind_batch_is_closed_told_of_and_exported(phantom: str, tmp_path: Path, gan_aug, gan_aug_json) -> None:
    cases = make_blind_batch("blind", n=20, repeats=2)
    assert gan_aug("review", "result", "blind")[0] == 1
    for number, case in enumerate(cases.values()):
        moment = f"2026-01-01T10:00:{number:02d}Z"
        decision, sure = ("synthetic", 5) if case.synthetic else ("real", 1)
        store.add_reviews([Review(str(uuid.uuid4()), "blind", "ann", case.image, decision, None, sure, 1.5, moment)])
    assert gan_aug_json("review", "close", "blind")["closed"]
    code, out, err = gan_aug("review", "result", "blind")
    assert code == 0
    assert out.startswith("10 real and 10 synthetic images, 2 of them shown twice.\nBetter than chance. ann decided on 20 of 20")
    assert "phantoms" in err
    assert gan_aug_json("review", "result", "blind")["readers"][0]["reading"]["auc"]["value"] == 1.0
    assert gan_aug_json("review", "export", "blind", "--out", str(tmp_path / "out"))["decisions"] == 22
    assert "BEGIN DATA:" in (tmp_path / "out" / "reading.imrmc").read_text()


def test_jobs_and_upkeep(tiny: str, gan_aug, gan_aug_json, monkeypatch) -> None:
    monkeypatch.setenv("GAN_AUG_AUTOSTART", "0")
    assert gan_aug("jobs")[1].startswith("There are no jobs.")
    job = jobs.submit("sleep", {"seconds": 0.01})
    assert gan_aug_json("jobs", "list")[0]["id"] == job.id and gan_aug_json("jobs")[0]["status"] == "queued"
    assert job.id in gan_aug("jobs")[1]
    assert gan_aug_json("jobs", "cancel", job.id)["status"] == "cancelled"
    assert gan_aug_json("jobs", "resume", job.id)["status"] == "queued"
    assert gan_aug_json("run-job", job.id)["status"] == "done"
    assert gan_aug_json("jobs", "log", job.id)["job"]["progress"] == 1.0
    assert gan_aug("jobs", "log", job.id)[0] == 0
    assert gan_aug_json("reindex") == {"runs": 1}
    assert Path(gan_aug_json("backup")["file"]).exists()


def test_worker(gan_aug, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(jobs, "worker", lambda once: asked.append(once))
    assert gan_aug("worker")[0] == gan_aug("worker", "--once")[0] == 0
    assert asked == [False, True]


def test_doctor(workspace: Path, gan_aug, gan_aug_json) -> None:
    checks = gan_aug_json("doctor")
    assert {"python", "database"} <= {check["name"] for check in checks}
    assert "python" in gan_aug("doctor")[1]


def test_doctor_tells_of_a_workspace_that_is_a_file(gan_aug, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("GAN_AUG_HOME", str(tmp_path / "home"))
    code, out, err = gan_aug("doctor", "--json")
    assert (code, err) == (1, "")
    states = {check["name"]: check["state"] for check in json.loads(out)}
    assert states["workspace"] == states["database"] == "fail" and "space for the workspace" not in states


# --- output ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), ("", "-"), (True, "yes"), (1234567, "1,234,567"), (0.123456, "0.1235"), ((), "-"), ((1, "a"), "1, a")]
)
def test_values_as_people_read_them(value: object, text: str) -> None:
    assert text_of(value) == text


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    from gan_aug.cli.output import print_json

    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": Path("x"), "d": SyntheticImage("r@1", 1, None)})
    assert json.loads(capsys.readouterr().out) == {
        "a": None, "b": [None, 1.5], "c": "x", "d": {"checkpoint": "r@1", "seed": 1, "class_name": None, "truncation": 1.0},
    }  # fmt: skip
