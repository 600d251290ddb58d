"""Generators as ONNX: the same pictures as torch, for every GAN; whole, quiet, repeatable and without a trace of this machine."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tiny_gans import make_gan

from gan_aug import catalog, export, files, images, latent, onnx_files, render, runs
from gan_aug.errors import CorruptFile, InvalidValue, UserError


@pytest.fixture(scope="module", autouse=True)
def _checkpoints(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_AUG_CHECKPOINTS", str(tmp_path_factory.mktemp("checkpoints")))
        yield


@pytest.fixture(scope="module")
def exported(_checkpoints):
    """An acgan of three classes, exported."""
    checkpoint = make_gan("acgan", "three-classes", classes=("a", "b", "c"))
    export.export_onnx(checkpoint)
    return checkpoint


@pytest.mark.parametrize("architecture", ["dcgan", "paper"])
@pytest.mark.parametrize("name", catalog.ENTRIES)
def test_onnx_generates_what_torch_generates(name, architecture):
    checkpoint = make_gan(name, f"{name}-{architecture}", architecture=architecture)
    assert export.largest_difference(checkpoint, list(range(6))) <= 1
    renderer = render.open_renderer(onnx_files.exported(checkpoint))
    y = np.arange(6) % 2 if catalog.entry(name).conditional else None
    pictures = renderer.render(latent.z_of_seeds(list(range(6)), renderer.z_dim), y)
    assert pictures.shape == (6, 64, 64, 3)
    assert pictures.std() > 20, "pictures near one grey would agree whatever the network"
    assert len({picture.tobytes() for picture in pictures}) == 6


def test_a_wrong_export_is_noticed():
    """The comparison itself: another network's file is more than 1/255 away."""
    checkpoint, other = make_gan("dcgan", "right"), make_gan("dcgan", "wrong", width=5)
    record = files.read_json(onnx_files.record_of(export.export_onnx(other)))
    path = Path(checkpoint.folder) / onnx_files.ONNX_NAME
    files.write_bytes(path, onnx_files.exported(other).read_bytes())
    files.write_json(onnx_files.record_of(path), {**record, "weights_sha256": checkpoint.weights_sha256})
    assert export.largest_difference(checkpoint, [0, 1]) > 1


def test_class_mixtures_are_those_of_torch(exported):
    G, config, n_classes = export.load_generator(exported)
    assert n_classes == 3
    z = latent.z_of_seeds([1, 2, 3], config.z_dim)
    mixture = np.array([[0.5, 0.5, 0], [0.1, 0.2, 0.7], [0, 0, 1]], np.float32)
    generated = render.open_renderer(onnx_files.exported(exported)).render(z, mixture)
    expected = images.to_uint8(G(torch.from_numpy(z), torch.from_numpy(mixture)).permute(0, 2, 3, 1).numpy())
    assert np.abs(generated.astype(int) - expected.astype(int)).max() <= 1
    one_class = render.open_renderer(onnx_files.exported(exported)).render(z, np.array([2, 2, 2]))
    assert (one_class[2] == generated[2]).all()
    assert (one_class[0] != generated[0]).any()


def test_the_file_says_what_it_is(exported):
    model = onnx.load(onnx_files.exported(exported))
    onnx.checker.check_model(model)
    values = (*model.graph.input, *model.graph.output)
    shapes = {value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim] for value in values}
    assert shapes == {"z": ["N", 8], "y": ["N", 3], "image": ["N", 3, 64, 64]}
    notes = {item.key: item.value for item in model.metadata_props}
    assert notes["checkpoint"] == "three-classes@3.2"
    assert notes["weights_sha256"] == exported.weights_sha256
    assert "Not for diagnosis" in notes["notice"]


def test_the_file_holds_no_path_of_this_machine(exported):
    content = onnx_files.exported(exported).read_bytes()
    for trace in (str(Path.cwd()), str(Path.home()), "site-packages", "gan_aug/", ".py"):
        assert trace.encode() not in content


def test_the_same_weights_give_the_same_bytes(exported):
    path = onnx_files.exported(exported)
    before = path.read_bytes()
    path.unlink()
    assert export.export_onnx(exported).read_bytes() == before


def test_exporting_is_silent(exported, capfd):
    G, config, n_classes = export.load_generator(exported)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export.to_onnx(G, config.z_dim, n_classes)
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")


def test_an_export_is_kept_until_the_weights_differ(exported):
    path = export.export_onnx(exported)
    written = path.stat().st_mtime_ns
    assert export.export_onnx(exported).stat().st_mtime_ns == written
    record = onnx_files.record_of(path)
    files.write_json(record, {**files.read_json(record), "weights_sha256": "others"})
    assert export.export_onnx(exported).stat().st_mtime_ns > written
    assert files.read_json(record)["weights_sha256"] == exported.weights_sha256


def test_damaged_weights_are_not_exported():
    checkpoint = make_gan("dcgan", "damaged")
    path = Path(checkpoint.folder) / "G_ema.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=r"G_ema\.safetensors"):
        export.export_onnx(checkpoint)
    assert not (path.parent / onnx_files.ONNX_NAME).exists()


def test_a_classifier_is_refused():
    checkpoint = make_gan("dcgan", "no-gan")
    run = dataclasses.replace(runs.load_run("no-gan"), kind="classifier")
    files.write_json(runs.run_folder("no-gan") / "run.json", dataclasses.asdict(run))
    with pytest.raises(InvalidValue, match="is a classifier and cannot be sampled"):
        export.export_onnx(checkpoint)


def test_a_place_that_cannot_be_written_is_named():
    checkpoint = make_gan("dcgan", "blocked")
    (Path(checkpoint.folder) / onnx_files.ONNX_NAME).mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        export.export_onnx(checkpoint)
    assert onnx_files.exported(checkpoint) is None
