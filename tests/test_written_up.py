"""What is written up: the stored predictions of a study give its numbers, and pages show just these; so does the README of the presets."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gan_aug import stats
from gan_aug.records import to_dict

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
STUDIES = sorted(path.parent for path in DOCS.glob("study-*/**/study.json"))
SWEEPS = sorted(path.parent for path in DOCS.glob("study-*/**/sweep.json"))
PAGES = sorted(DOCS.glob("study-*.md"))


def script(path: Path) -> ModuleType:
    """A script outside the package, as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written_up() -> ModuleType:
    """docs/study.py, which keeps and draws them."""
    return script(DOCS / "study.py")


def rounded(value: Any) -> Any:
    """The same with nine digits of every number: sums may be added in another order on another machine."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def test_there_are_some() -> None:
    assert STUDIES and SWEEPS and PAGES


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: str(folder.relative_to(DOCS)))
def test_stored_predictions_give_the_numbers(folder: Path, written_up: ModuleType) -> None:
    kept = written_up.analysis_kept(folder).parts
    assert kept and rounded([to_dict(part) for part in written_up.measured(folder)]) == rounded([to_dict(part) for part in kept])


@pytest.mark.parametrize("folder", SWEEPS, ids=lambda folder: str(folder.relative_to(DOCS)))
def test_the_rows_of_a_sweep_are_those_of_its_studies(folder: Path, written_up: ModuleType) -> None:
    sweep, result = written_up.sweep_kept(folder)
    analyses = [written_up.analysis_kept(folder / str(number)) for number in range(1, len(sweep.points) + 1)]
    parts = [(analysis.part("test"), comparison) for analysis in analyses for comparison in analysis.part("test").comparisons]
    assert [row.difference for row in result.rows] == [comparison.difference for _, comparison in parts]
    assert [row.auc for row in result.rows] == [part.arm(comparison.scheme).auc.value for part, comparison in parts]
    assert [row.p_holm for row in result.rows] == pytest.approx(stats.holm([comparison.p for _, comparison in parts]))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_show_the_numbers(page: Path, written_up: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert written_up.TABLE.search(text) and written_up.with_tables(text, DOCS) == text


def test_the_readme_shows_the_presets_as_they_were_measured() -> None:
    assert script(ROOT / "benchmarks" / "small_data.py").summary() in (ROOT / "README.md").read_text(encoding="utf-8")
