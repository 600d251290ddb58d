"""The graph that the snapshots of a run share: filled with weights it is what torch would have exported, and nothing else counts."""

import shutil
from pathlib import Path

import onnx
import pytest
import safetensors.torch
from tiny_gans import add_snapshot, make_gan

from gan_aug import catalog, export, files, onnx_files, runs
from gan_aug.errors import CorruptFile, UserError
from gan_aug.records import Checkpoint

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints" / "pretrained"


@pytest.fixture(autouse=True)
def _checkpoints(workspace: Path) -> None:
    """Runs of its own for every test."""


def graph_of(checkpoint: Checkpoint) -> Path:
    return runs.run_folder(checkpoint.run_id) / onnx_files.GRAPH_NAME


def forget(*paths: Path) -> None:
    for path in paths:
        path.unlink()
        onnx_files.record_of(path).unlink()


@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_a_filled_graph_is_what_torch_exports(name: str, architecture: str) -> None:
    export.export_onnx(make_gan(name, "run", architecture=architecture))
    later = add_snapshot("run", 6.4, seed=1)
    filled = onnx_files.fill(later)
    assert filled == onnx_files.exported(later)
    content, record = filled.read_bytes(), files.read_json(onnx_files.record_of(filled))
    assert export.largest_difference(later, [0, 1, 2]) <= 1

    forget(filled, graph_of(later))
    assert export.export_onnx(later).read_bytes() == content
    assert files.read_json(onnx_files.record_of(filled)) == record


def test_weights_in_half_precision_are_widened() -> None:
    export.export_onnx(make_gan("dcgan", "run"))
    assert onnx_files.fill(add_snapshot("run", 6.4, seed=1, half=True)) is not None
    assert export.largest_difference(runs.resolve("run@6.4")[1], [0, 1, 2]) <= 1


def test_a_folder_that_cannot_be_written_has_its_file_in_the_cache(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an installation that belongs to another user; the shipped generators bring no ``generator.onnx`` along."""
    checkpoint = make_gan("dcgan", "run")
    within = runs.run_folder("run")
    before = sorted(path for path in within.rglob("*"))
    monkeypatch.setattr(onnx_files.os, "access", lambda path, mode: not Path(path).is_relative_to(within))
    path = export.export_onnx(checkpoint)
    assert path == onnx_files.exported(checkpoint) == workspace / "cache" / "generators" / checkpoint.weights_sha256 / "generator.onnx"
    assert export.largest_difference(checkpoint, [0, 1, 2]) <= 1
    assert sorted(path for path in within.rglob("*")) == before


def test_the_graph_holds_no_weights() -> None:
    checkpoint = make_gan("sngan", "run", width=32)
    path = export.export_onnx(checkpoint)
    assert graph_of(checkpoint).stat().st_size < 20_000 < path.stat().st_size / 20


def test_without_a_graph_nothing_is_filled() -> None:
    checkpoint = make_gan("dcgan", "run")
    assert onnx_files.fill(checkpoint) is None
    assert onnx_files.exported(checkpoint) is None


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        damage,
        lambda graph: onnx_files.record_of(graph).unlink(),
        lambda graph: onnx_files.record_of(graph).write_text("{"),
        lambda graph: onnx_files.record_of(graph).write_text("[]"),
    ],
    ids=["flipped bit", "no record", "torn record", "no record's content"],
)
def test_a_graph_that_is_not_whole_does_not_count_and_is_made_anew(spoil) -> None:
    first = make_gan("dcgan", "run")
    export.export_onnx(first)
    whole = graph_of(first).read_bytes()
    spoil(graph_of(first))
    later = add_snapshot("run", 6.4, seed=1)
    assert onnx_files.fill(later) is None
    export.export_onnx(later)
    assert graph_of(first).read_bytes() == whole
    assert onnx_files.fill(add_snapshot("run", 9.6, seed=2)) is not None


def test_a_graph_of_another_network_is_not_filled() -> None:
    wide, narrow = make_gan("dcgan", "wide", width=8), make_gan("dcgan", "narrow")
    export.export_onnx(wide)
    for suffix in (".onnx", ".json"):
        graph_of(narrow).with_suffix(suffix).write_bytes(graph_of(wide).with_suffix(suffix).read_bytes())
    assert onnx_files.fill(narrow) is None
    export.export_onnx(narrow)
    assert export.largest_difference(narrow, [0, 1]) <= 1


def test_damaged_weights_are_not_filled_in() -> None:
    export.export_onnx(make_gan("dcgan", "run"))
    later = add_snapshot("run", 6.4, seed=1)
    damage(Path(later.folder) / "G_ema.safetensors")
    with pytest.raises(CorruptFile, match=r"G_ema\.safetensors"):
        onnx_files.fill(later)
    assert onnx_files.exported(later) is None


def test_a_place_that_cannot_be_written_is_named() -> None:
    export.export_onnx(make_gan("dcgan", "run"))
    later = add_snapshot("run", 6.4, seed=1)
    (Path(later.folder) / onnx_files.ONNX_NAME).mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        onnx_files.fill(later)
    assert onnx_files.exported(later) is None


def test_a_graph_from_which_a_weight_is_missing_is_not_kept() -> None:
    """An exporter that merges a weight into another one leaves a graph that is right for these weights alone."""
    checkpoint = make_gan("dcgan", "run")
    path = export.export_onnx(checkpoint)
    weights = {name: value.numpy() for name, value in safetensors.torch.load_file(Path(checkpoint.folder) / "G_ema.safetensors").items()}
    weights = {name: value for name, value in weights.items() if value.dtype.kind == "f"}
    forget(graph_of(checkpoint))
    for other in ({**weights, "merged": weights["layers.0.weight"]}, {**weights, "layers.0.weight": 2 * weights["layers.0.weight"]}):
        onnx_files.write_graph(checkpoint, onnx.load(path), other, "2.14.1")
        assert not graph_of(checkpoint).exists()
    onnx_files.write_graph(checkpoint, onnx.load(path), weights, "2.14.1")
    assert graph_of(checkpoint).exists()


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SHIPPED.glob("*/training_list.parquet") if path.parent.name != "derm"))
def test_a_shipped_generator_brings_its_graph_along(workspace: Path, name: str) -> None:
    copied = workspace.parent / "checkpoints" / "pretrained" / name
    shutil.copytree(SHIPPED / name, copied, ignore=shutil.ignore_patterns("generator.*"))
    checkpoint = runs.resolve(name)[1]
    assert onnx_files.fill(checkpoint) is not None
    assert export.largest_difference(checkpoint, [0, 1, 2]) <= 1
