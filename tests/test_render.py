"""Pictures through ONNX Runtime, on generators so small that NumPy says what they must generate."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gan_aug import files, onnx_files, render
from gan_aug.errors import CorruptFile, InvalidValue, UserError
from gan_aug.records import Checkpoint

Z_DIM, SIDE = 6, 8


def weights(n_classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((Z_DIM + n_classes, 3 * SIDE * SIDE)).astype(np.float32)


def write_generator(folder: Path, n_classes: int = 0, seed: int = 0) -> Path:
    """A generator that is one linear layer and tanh, as ONNX with its record."""
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", Z_DIM])]
    nodes = []
    if n_classes:
        inputs.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", n_classes]))
        nodes.append(helper.make_node("Concat", ["z", "y"], ["zy"], axis=1))
    nodes += [
        helper.make_node("MatMul", ["zy" if n_classes else "z", "W"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["planes"]),
        helper.make_node("Tanh", ["planes"], ["image"]),
    ]
    tensors = [numpy_helper.from_array(weights(n_classes, seed), "W"), numpy_helper.from_array(np.array([-1, 3, SIDE, SIDE]), "shape")]
    output = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "linear", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path = folder / onnx_files.ONNX_NAME
    files.write_bytes(path, model.SerializeToString())
    files.write_json(onnx_files.record_of(path), {"sha256": files.sha256_file(path), "weights_sha256": "w"})
    return path


def expected(z: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The pictures of that generator, by NumPy."""
    inputs = z if y is None else np.concatenate([z, y], axis=1)
    planes = np.tanh(inputs @ weights(inputs.shape[1] - Z_DIM)).reshape(-1, 3, SIDE, SIDE)
    return np.rint((planes.transpose(0, 2, 3, 1) + 1) * 127.5).astype(np.uint8)


def some_z(n: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n, Z_DIM)).astype(np.float32)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_an_unconditional_generator(tmp_path):
    renderer = render.Renderer(write_generator(tmp_path))
    assert (renderer.z_dim, renderer.resolution, renderer.n_classes) == (Z_DIM, SIDE, 0)
    pictures = renderer.render(some_z(5))
    assert pictures.dtype == np.uint8
    assert close(pictures, expected(some_z(5)))
    assert np.ptp(pictures) > 200
    assert renderer.render(some_z(0)).shape == (0, SIDE, SIDE, 3)


def test_classes_as_numbers_and_as_mixtures(tmp_path):
    renderer = render.Renderer(write_generator(tmp_path, n_classes=3))
    z, y = some_z(4), np.array([0, 2, 1, 2])
    assert renderer.n_classes == 3
    assert close(renderer.render(z, y), expected(z, np.eye(3)[y]))
    mixture = np.array([[0.5, 0.5, 0], [0, 0.25, 0.75], [1, 0, 0], [0.2, 0.3, 0.5]])
    assert close(renderer.render(z, mixture), expected(z, mixture))
    np.testing.assert_array_equal(renderer.render(z, y), renderer.render(z, np.eye(3)[y]))


def test_a_picture_does_not_depend_on_its_batch(tmp_path):
    renderer = render.Renderer(write_generator(tmp_path, n_classes=2))
    z, y = some_z(33), np.arange(33) % 2
    together = renderer.render(z, y)
    alone = np.concatenate([renderer.render(z[row : row + 1], y[row : row + 1]) for row in range(33)])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(renderer.render(z[::-1], y[::-1]), together[::-1])
    np.testing.assert_array_equal(renderer.render(np.asfortranarray(z).astype(np.float64), y), together)


def test_threads_share_a_renderer(tmp_path):
    path = write_generator(tmp_path)
    rows = np.arange(40)
    reference = render.Renderer(path).render(some_z(40))
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda row: render.open_renderer(path).render(some_z(40)[row : row + 1])[0], rows))
    np.testing.assert_array_equal(np.stack(pictures), reference)


def test_wrong_shapes_are_refused(tmp_path):
    unconditional = render.Renderer(write_generator(tmp_path / "a"))
    conditional = render.Renderer(write_generator(tmp_path / "b", n_classes=2))
    z = some_z(2)
    for bad in (z[:, :-1], z[0], np.zeros((2, Z_DIM + 1))):
        with pytest.raises(InvalidValue, match="do not fit"):
            unconditional.render(bad)
    with pytest.raises(InvalidValue, match="knows no classes"):
        unconditional.render(z, np.array([0, 1]))
    with pytest.raises(InvalidValue, match="none was given"):
        conditional.render(z)
    for bad in ([0, 2], [0, -1], [0], [0.0, 1.0], np.zeros((2, 3)), np.zeros((1, 2)), np.eye(2, dtype=int)):
        with pytest.raises(InvalidValue, match="do not fit"):
            conditional.render(z, np.array(bad))


def test_at_most_two_sessions_are_kept(tmp_path):
    paths = [write_generator(tmp_path / str(number), seed=number) for number in range(3)]
    first, second = render.open_renderer(paths[0]), render.open_renderer(paths[1])
    assert render.open_renderer(paths[0]) is first
    render.open_renderer(paths[2])  # the second has not been used for longest
    assert render.open_renderer(paths[0]) is first
    assert render.open_renderer(paths[1]) is not second
    assert render._open.cache_info().currsize <= 2


def test_a_file_that_was_made_anew_is_loaded_anew(tmp_path):
    path = write_generator(tmp_path, seed=0)
    before = render.open_renderer(path).render(some_z(1))
    write_generator(tmp_path, seed=5)
    assert not close(render.open_renderer(path).render(some_z(1)), before)


def test_a_flipped_bit_is_refused(tmp_path):
    path = write_generator(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match="does not have the bytes"):
        render.open_renderer(path)


def checkpoint_in(folder: Path, weights_sha256: str = "w") -> Checkpoint:
    return Checkpoint("demo", 1, 0.1, str(folder), weights_sha256, {}, "")


def test_an_export_counts_when_whole_and_of_these_weights(tmp_path):
    assert onnx_files.exported(checkpoint_in(tmp_path)) is None
    path = write_generator(tmp_path)
    assert onnx_files.exported(checkpoint_in(tmp_path)) == path
    assert onnx_files.exported(checkpoint_in(tmp_path, "others")) is None
    path.unlink()
    assert onnx_files.exported(checkpoint_in(tmp_path)) is None
    write_generator(tmp_path)
    for torn in ("", "{", json.dumps({"sha256": "x"})):
        onnx_files.record_of(path).write_text(torn)
        assert onnx_files.exported(checkpoint_in(tmp_path)) is None


def test_what_the_exporting_child_says_reaches_the_user(workspace):
    with pytest.raises(UserError) as caught:
        render.ensure_onnx(Checkpoint("no-such-run", 1, 0.1, str(workspace), "w", {}, ""))
    assert "no-such-run@0.1 could not be exported. There is no run 'no-such-run'" in caught.value.what
    assert "gan-aug runs" in caught.value.todo


@pytest.mark.parametrize(
    ("script", "what", "todo"),
    [
        ("kill -9 $$", "gone@0.1 could not be exported. It ended with code -9.", "gan-aug export gone@0.1"),
        ("echo Traceback >&2; echo 'KeyError: 5' >&2; exit 1", "could not be exported. KeyError: 5", "gan-aug export gone@0.1"),
        ("echo remark >&2; echo 'Disk is full.' >&2; echo 'Make room.' >&2; exit 1", "could not be exported. Disk is full.", "Make room."),
        ("exit 0", "left no file", "gan-aug export gone@0.1"),
    ],
)
def test_ways_in_which_a_child_can_end(tmp_path, monkeypatch, script, what, todo):
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\n{script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(interpreter))
    with pytest.raises(UserError) as caught:
        render.ensure_onnx(Checkpoint("gone", 1, 0.1, str(tmp_path), "w", {}, ""))
    assert what in caught.value.what
    assert todo in caught.value.todo
