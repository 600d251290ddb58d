"""What the documents say is there: the tree, the verbs and their options, the variables, the GANs, the requirements."""

import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer.main
from test_layers import FLOOR, imports_of, page_files, source_files

from gan_aug import catalog, cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


DOCS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


def section(title: str) -> str:
    """The text of a section of the README."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def tree() -> dict[str, str]:
    """Paths in the README's tree, with what is said of them."""
    lines = [line for line in section("The tree").splitlines() if line.startswith("    ")]
    return {path: line[37:] for line in lines for path in line[4:37].split()}


def commands() -> dict[str, object]:
    """Every command that does something, by the words that call it."""

    def walk(words: tuple[str, ...], command: object) -> dict[str, object]:
        children = getattr(command, "commands", {})
        if not children:
            return {} if command.hidden else {" ".join(words): command}
        return {key: value for name, child in children.items() for key, value in walk((*words, name), child).items()}

    return walk((), typer.main.get_command(cli.app))


COMMANDS = commands()


# --- the tree ----------------------------------------------------------------------------------------------------------------------------


def test_the_tree_names_what_is_there() -> None:
    assert [path for path in tree() if not (ROOT / path).exists()] == []
    assert all(tree().values()), "each with a phrase"


def test_the_tree_names_every_part_of_the_core() -> None:
    there = {path.name + ("/" if path.is_dir() else "") for path in (ROOT / "gan_aug").glob("[!.]*")} - {"__pycache__/", "__init__.py"}
    assert {path.removeprefix("gan_aug/") for path in tree() if path.startswith("gan_aug/")} - {""} == there


def test_the_tree_tells_each_floor() -> None:
    told = {Path(path).stem: phrase[0] for path, phrase in tree().items() if path.startswith("gan_aug/") and path != "gan_aug/"}
    assert told == {**{name: str(floor) for name, floor in FLOOR.items()}, "templates": str(FLOOR["report"])}


# --- the console -------------------------------------------------------------------------------------------------------------------------


def test_the_table_has_every_verb() -> None:
    rows = [line.split("|")[1] for line in section("The console").splitlines() if re.match(r"\| `[a-z]", line)]
    assert {verb for row in rows for verb in re.findall("`([^`]+)`", row)} == set(COMMANDS)


def examples() -> list[str]:
    """Every call of gan-aug that the README, the documents or a help text show."""
    lines = (README + "".join(DOCS.values())).replace("\\\n", " ").splitlines() + (cli.app.info.epilog or "").splitlines()
    lines += [line for command in COMMANDS.values() for line in (command.epilog or "").splitlines()]
    return [line.strip().removeprefix("$ ") for line in lines if re.match(r"\s*(\$ )?gan-aug [a-z]", line)]


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_an_example_can_be_typed(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    verb = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    assert verb in COMMANDS
    # Raises if an option does not exist, one that is needed is missing, or a value is of another type; nothing is run.
    COMMANDS[verb].make_context(verb, words[len(verb.split()) :])


def hints() -> set[str]:
    """Every "gan-aug ..." in the messages and texts of the core and the pages."""
    files = [path for top in ("gan_aug", "pages") for path in (ROOT / top).rglob("*.py")]
    return {hint for path in files for hint in re.findall(r"\bgan-aug ([a-z][^\"'`\n;,.)]*)", path.read_text(encoding="utf-8"))}


def test_hints_name_verbs_and_options_that_exist() -> None:
    verbs = {**COMMANDS, "export": typer.main.get_command(cli.app).commands["export"], "jobs": None}
    for hint in hints():
        words = hint.split()
        verb = " ".join(words[:2]) if " ".join(words[:2]) in verbs else words[0]
        assert verb in verbs, hint
        options = {option for parameter in getattr(verbs[verb], "params", []) for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, hint


def test_every_verb_with_options_shows_an_example() -> None:
    quiet = {verb for verb, command in COMMANDS.items() if len(command.params) > 3 and "Examples:" not in (command.epilog or "")}
    assert quiet == {"data demo"}


# --- the rest ----------------------------------------------------------------------------------------------------------------------------


def test_variables_are_read_somewhere() -> None:
    told = set(re.findall(r"GAN_AUG_[A-Z_]+", README))
    files = [*(ROOT / "gan_aug").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    read = set(re.findall(r"\"(GAN_AUG_[A-Z_]+)\"", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    assert told <= read


def test_every_variable_that_a_user_may_set_is_told() -> None:
    files = [*(ROOT / "gan_aug").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]
    read = set(re.findall(r"\"(GAN_AUG_[A-Z_]+)\"", "\n".join(path.read_text(encoding="utf-8") for path in files)))
    told = set(re.findall(r"^\| `(GAN_AUG_[A-Z_]+)`", section("The console"), re.MULTILINE))
    assert told == {name for name in read if not name.startswith("GAN_AUG_JOB_")}, "what a job inherits is no setting"


def test_the_gans_are_named() -> None:
    assert all(entry.title.split(" (")[0] in README for entry in catalog.ENTRIES.values())
    assert all(f"`{preset}`" in README for preset in catalog.PRESETS)


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"(?:`|^    )make ([a-z]+)", README, re.MULTILINE))
    assert {"app", "test", "lint"} <= told
    assert all(f"\n{target}:" in makefile for target in told)


def test_linked_files_exist() -> None:
    for path, text in {ROOT / "README.md": README, **DOCS}.items():
        targets = re.findall(r"\]\(([^)#]+)\)", text)
        assert [target for target in targets if not target.startswith("http") and not (path.parent / target).exists()] == [], path


def test_every_import_is_a_pinned_requirement() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    modules = source_files(ROOT)
    files = [*modules.values(), *page_files()]
    imported = {name.split(".")[0] for path in files for name in imports_of(path, modules)}
    ours = {"gan_aug", "pages", ""} | set(sys.stdlib_module_names)
    distributions = metadata.packages_distributions()
    needed = {distributions[name][0].lower().replace("_", "-") for name in imported - ours}
    assert needed <= set(pins)


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
