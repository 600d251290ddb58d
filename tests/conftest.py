"""Fixtures shared by all tests: a workspace of its own for each test, and a small phantom dataset."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the browser's files over the run, the longest first.

    At its end they would keep one process busy while the other has nothing left, and several at a time would fight for the processors.
    """
    files = list(dict.fromkeys(item.path for item in items))
    browser = sorted((file for file in files if file.parent.name == "browser"), key=lambda file: file.name != "test_loop.py")
    others = [file for file in files if file not in browser]
    place = {file: number / len(group) for group in (browser, others) for number, file in enumerate(group)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """One thread, so that floating-point sums have one order and parallel test processes do not fight for cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """AppTest leaves the app as ``__main__``, and processes that a later test spawns would then begin by running it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace; returns its home folder."""
    home = tmp_path / "workspace"
    home.mkdir()
    monkeypatch.setenv("GAN_AUG_HOME", str(home))
    monkeypatch.setenv("GAN_AUG_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    return home


@pytest.fixture(scope="session")
def phantom_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home folder in which the phantom dataset (160 images, 64 px) was made once, with its split."""
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    home = tmp_path_factory.mktemp("phantom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_HOME", str(home))
        make_phantom("phantom", images=160, size=64, seed=0)
        make_split("phantom")
    return home


@pytest.fixture
def phantom(workspace: Path, phantom_source: Path) -> str:
    """Name of a phantom dataset that lies, split, in this test's workspace."""
    shutil.copytree(phantom_source / "datasets", workspace / "datasets")
    return "phantom"


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linear network in the place of the EfficientNet, where only the way through a training, study or sweep is looked at."""
    import torch

    from gan_aug import classifier

    def build(config: classifier.ClassifierConfig, n_classes: int) -> torch.nn.Module:
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * config.resolution**2, n_classes))
        network.frozen = []
        return network

    monkeypatch.setattr(classifier, "build", build)
