"""The floors of the house: imports only go down, the web process stays light, and a bare GPU machine can train.

Imports are read from the source with ``ast``, those inside functions included, so a rule cannot be walked around by importing late.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gan_aug import catalog

ROOT = Path(__file__).resolve().parent.parent

FLOORS = (
    {"records", "fields", "errors", "files", "workspace", "latent", "images", "randomness", "native_memory"},
    {"onnx_session", "onnx_files", "runs", "lengthening", "checkpoint", "store", "migrations", "data", "catalog", "device", "backbones"},
    {
        "gans",
        "classifier",
        "schemes",
        "metrics",
        "stats",
        "render",
        "sampled_folder",
        "reviews",
        "readings",
        "training",
        "nearest",
        "projections",
    },
    {
        "train_gan",
        "train_classifier",
        "sample",
        "evaluate",
        "subjects",
        "audit",
        "directions",
        "nearest_making",
        "project",
        "resemblance",
        "batches",
        "study",
        "report",
        "export",
        "publish",
    },
    {"jobs", "work", "doctor"},
    {"cli", "__main__"},
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

# What pages show is computed elsewhere. These hold models or fit them; with torch in the web process a page was several times slower.
HEAVY = {"torch", "torchvision", "efficientnet_pytorch", "pytorch_fid", "sklearn"}
LIGHT = (FLOORS[0] | FLOORS[1]) - {"checkpoint", "device"} | {"schemes", "stats", "render", "reviews", "readings"}
LIGHT |= {"sample", "sampled_folder", "directions", "study", "report", "nearest", "projections"}

# A training machine need not have these.
OFFICE = {"sqlalchemy", "alembic", "typer", "streamlit"}


def source_files(root: Path) -> dict[str, Path]:
    """Dotted module names of the gan_aug package below ``root``, with their files."""
    modules = {}
    for path in sorted((root / "gan_aug").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imports_of(path: Path, modules: dict[str, Path], name: str = "") -> set[str]:
    """Every module that the file imports, anywhere in it; ``from package import module`` counts as the module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names}
    return found


def part_of(module: str) -> str:
    """``gan_aug.data.split`` belongs to ``data``; the package's own file belongs to no floor."""
    return module.split(".")[1] if "." in module else ""


def upward_imports(root: Path) -> list[str]:
    """Imports that climb from one floor to a higher one, as sentences."""
    modules = source_files(root)
    return [
        f"{name} (floor {FLOOR[part_of(name)]}) imports {target} (floor {FLOOR[part_of(target)]})"
        for name, path in modules.items()
        if part_of(name)
        for target in sorted(imports_of(path, modules, name))
        if target.startswith("gan_aug.") and FLOOR[part_of(target)] > FLOOR[part_of(name)]
    ]


def reachable(starts: list[str], modules: dict[str, Path]) -> dict[str, str]:
    """Everything that can be imported from ``starts`` over any number of gan_aug modules, each with the module that imports it."""
    reached = dict.fromkeys(starts, "the start")
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        for target in imports_of(modules[name], modules, name) if name in modules else ():
            if target not in reached:
                reached[target] = name
                waiting.append(target)
    return reached


def forbidden(starts: list[str], packages: set[str], modules: dict[str, Path]) -> list[str]:
    """Imports of ``packages`` that are reachable from ``starts``, as sentences."""
    return sorted(f"{origin} imports {name}" for name, origin in reachable(starts, modules).items() if name.split(".")[0] in packages)


def modules_below(parts: set[str]) -> list[str]:
    return [name for name in source_files(ROOT) if part_of(name) in parts]


def page_files() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]


def test_every_module_has_a_floor() -> None:
    found = {part_of(name) for name in source_files(ROOT)} - {""}
    assert found == set(FLOOR), "give a new module its floor in FLOORS, and strike out one that is gone"


def test_imports_only_go_down() -> None:
    assert upward_imports(ROOT) == []


def test_an_import_that_climbs_is_found(tmp_path: Path) -> None:
    package = tmp_path / "gan_aug"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "data" / "__init__.py").write_text("")
    (package / "jobs.py").write_text("")
    (package / "records.py").write_text("")
    (package / "data" / "split.py").write_text("from gan_aug import records\n\ndef late():\n    from ..jobs import submit\n")
    assert upward_imports(tmp_path) == ["gan_aug.data.split (floor 1) imports gan_aug.jobs (floor 4)"]


def test_streamlit_stays_in_the_pages() -> None:
    modules = source_files(ROOT)
    users = [
        name for name, path in modules.items() if any(target.split(".")[0] == "streamlit" for target in imports_of(path, modules, name))
    ]
    assert users == []


def test_what_pages_use_reaches_neither_torch_nor_sklearn() -> None:
    assert forbidden(modules_below(LIGHT), HEAVY, source_files(ROOT)) == []


def test_training_reaches_no_database_console_or_pages() -> None:
    assert forbidden(modules_below({"train_gan", "train_classifier"}), OFFICE, source_files(ROOT)) == []


def test_the_training_loop_imports_no_gan() -> None:
    modules = source_files(ROOT)
    named = {f"gan_aug.gans.{name}" for name in catalog.ENTRIES}
    assert named <= set(modules)
    loop = set().union(*(imports_of(modules[name], modules, name) for name in modules_below({"train_gan"})))
    assert "gan_aug.gans" in loop and loop.isdisjoint(named)


IMPORT_EACH = """
import importlib, sys
unwanted = set(sys.argv[1].split(","))
for name in sys.argv[2].split(","):
    importlib.import_module(name)
    loaded = sorted(unwanted & set(sys.modules))
    if loaded:
        sys.exit(f"importing {name} loads {', '.join(loaded)}")
"""


def import_each(names: list[str], unwanted: set[str]) -> subprocess.CompletedProcess[str]:
    """Import ``names`` one after the other in a fresh interpreter, which fails at the first that loads an unwanted package."""
    return subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, ",".join(sorted(unwanted)), ",".join(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def page_imports() -> list[str]:
    """What app.py and the pages import, except their own components, which need a running page."""
    modules = source_files(ROOT)
    found = set().union(*(imports_of(path, modules) for path in page_files()))
    return sorted(name for name in found if name.split(".")[0] not in ("pages", "app"))


def test_imports_as_they_happen() -> None:
    # Alembic runs the files of migrations; they cannot be imported without it.
    names = [name for name in modules_below(LIGHT | {"jobs", "doctor"}) if not name.startswith("gan_aug.migrations.")]
    light = import_each(names, HEAVY)
    assert light.returncode == 0, light.stderr
    training = import_each(["gan_aug.train_gan", "gan_aug.train_classifier"], OFFICE)
    assert training.returncode == 0, training.stderr


def test_pages_import_nothing_heavy() -> None:
    names = page_imports()
    assert "streamlit" in names
    assert any(name.startswith("gan_aug.") for name in names)
    pages = import_each(names, HEAVY)
    assert pages.returncode == 0, pages.stderr


def test_an_unwanted_import_is_found() -> None:
    result = import_each(["json", "sqlite3"], {"sqlite3"})
    assert result.returncode == 1
    assert "importing sqlite3 loads sqlite3" in result.stderr


@pytest.mark.parametrize("path", page_files(), ids=lambda path: path.name)
def test_no_page_starts_a_training_itself(path: Path) -> None:
    """Pages submit jobs. They import no module that trains, not even through one they use."""
    modules = source_files(ROOT)
    starts = [name for name in imports_of(path, modules) if name.startswith("gan_aug.") and part_of(name) != "jobs"]
    reached = set(reachable(starts, modules))
    assert reached.isdisjoint({"gan_aug.train_gan", "gan_aug.train_classifier", "gan_aug.checkpoint"})
