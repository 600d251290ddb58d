"""Directions of latent space: which way to move z so that a generator's pictures change most. No torch.

SeFa (Shen and Zhou 2021, arXiv 2007.06600) reads them off the weights of the layer that z enters by, without data or training. That layer
is found in the exported graph, and what belongs to it is taken along: everything affine from z on, until a second layer, a nonlinearity or
a fork. A BatchNorm behind the layer is therefore part of it, except where a shortcut passes it by; :class:`Directions` says which it was.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from gan_aug import files, images, latent, onnx_session, runs, store
from gan_aug.errors import CorruptFile, InvalidValue
from gan_aug.render import ensure_onnx, open_generator
from gan_aug.sample import class_numbers
from gan_aug.sample import provenance as sample_provenance

RECORD = "directions.json"

_LAYERS = {"Gemm", "MatMul", "Conv", "ConvTranspose"}
_AFFINE = _LAYERS | {"Add", "Sub", "Mul", "Div", "BatchNormalization", "Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}
_AFFINE |= {"Identity", "Cast", "Slice"}
_MAX_TOP = 64
_MAX_PICTURES = 2000  # of a strip: 400 MB at 256 px


@dataclasses.dataclass(frozen=True)
class Directions:
    """What SeFa finds in a generator."""

    checkpoint: str  # RUN@kimg
    vectors: np.ndarray  # (z_dim, z_dim) float32, one direction of unit length per row, the strongest first
    strengths: np.ndarray  # (z_dim,) float64: how far a unit step moves the layer's output
    layer: str  # which part of the generator it was read off, in words


def first_layer(model: onnx.ModelProto) -> tuple[np.ndarray, str]:
    """The matrix by which z enters a generator, (outputs, z_dim) float64, and what it comprises, in words.

    Raises
    ------
    InvalidValue
        If z does not enter by a linear layer or a convolution.
    """
    graph = model.graph
    constants = {"", *(item.name for item in graph.initializer)}
    for node in graph.node:  # in the order in which they are computed
        if constants.issuperset(node.input):
            constants.update(node.output)
    given = constants | {item.name for item in graph.input}
    tensor, passed, forked = "z", [], []
    while True:
        users = [node for node in graph.node if tensor in node.input]
        if len(users) != 1:
            forked = [node.op_type for node in users]
            break
        (node,) = users
        others = [name for name in node.input if name != tensor]
        once = list(node.input).count(tensor) == 1 and set(others) <= given
        if node.op_type not in _AFFINE or not once or (node.op_type in _LAYERS and set(passed) & _LAYERS):
            break
        if node.op_type != "Concat" and not set(others) <= constants:
            break  # a product with the class is not affine in z alone
        tensor = node.output[0]
        passed.append(node.op_type)
    layers = [kind for kind in passed if kind in _LAYERS]
    if not layers:
        raise InvalidValue(
            "z does not enter this generator by a linear layer or a convolution.", "Directions cannot be read off its weights."
        )
    kind = {"Gemm": "linear layer", "MatMul": "linear layer"}.get(layers[0], "convolution")
    if "BatchNormalization" in passed:
        words = f"first {kind} with the BatchNorm behind it"
    elif "BatchNormalization" in forked:
        words = f"first {kind}, without the BatchNorm behind it, which a shortcut passes by"
    else:
        words = f"first {kind}"
    return _jacobian(model, tensor), words


def _jacobian(model: onnx.ModelProto, tensor: str) -> np.ndarray:
    """d tensor / d z, (outputs, z_dim), of a tensor that is affine in z: what z = e_i adds to z = 0."""
    z_dim = next(item for item in model.graph.input if item.name == "z").type.tensor_type.shape.dim[1].dim_value
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.output[:]
    cut.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    session = onnx_session.open_model(cut.SerializeToString())
    feeds = {"z": np.concatenate([np.zeros((1, z_dim)), np.eye(z_dim)]).astype(np.float32)}
    for item in session.get_inputs():
        if item.name == "y":
            feeds["y"] = np.full((z_dim + 1, item.shape[1]), 1 / item.shape[1], np.float32)
    (found,) = session.run([tensor], feeds)
    rows = found.reshape(z_dim + 1, -1).astype(np.float64)
    return (rows[1:] - rows[0]).T


def find(reference: str) -> Directions:
    """SeFa's directions of the generator that ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg`` means.

    Raises
    ------
    UserError
        If there is no such snapshot, or its generator has no such layer.
    """
    _, checkpoint, _ = open_generator(reference)
    path = ensure_onnx(checkpoint)
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf raises an error of its own
        raise CorruptFile(f"{path} cannot be read ({error}).", "Delete it: it is made anew when next needed.") from error
    matrix, words = first_layer(model)
    vectors, strengths = latent.principal_directions(matrix)
    return Directions(checkpoint.id, vectors, strengths, words)


def frames(reference: str, direction: np.ndarray, seed: int, reach: float, steps: int, class_name: str | None = None) -> np.ndarray:
    """Pictures along a direction, (steps, R, R, 3) uint8: the seed itself in the middle, ``reach`` standard deviations of z either way.

    Raises
    ------
    UserError
        If there is no such snapshot or class, or the direction, reach or steps cannot be used (:func:`gan_aug.latent.along`).
    """
    run, _, renderer = open_generator(reference)
    path = latent.along(latent.z_of_seed(seed, renderer.z_dim), direction, reach, steps)
    return renderer.render(path, class_numbers(run, class_name, steps))


def provenance(
    reference: str, name: str, direction: np.ndarray, seed: int, reach: float, steps: int, class_name: str | None = None
) -> dict[str, Any]:
    """Where :func:`frames` come from, as it travels inside a file; the direction is there in full, for its name means nothing elsewhere."""
    run, checkpoint = runs.resolve(reference)
    origin = sample_provenance(run, checkpoint, seed, class_name)
    way = {"direction": name, "vector": [float(value) for value in direction], "reach": reach, "frames": steps}
    return origin | way | {"z": f"{origin['z']}; gan_aug.latent.along the direction"}


def strip(reference: str, direction: np.ndarray, seeds: list[int], reach: float, steps: int, class_name: str | None = None) -> np.ndarray:
    """Pictures along a direction, one row per seed: (len(seeds) * R, steps * R, 3) uint8, the seed itself in the middle."""
    return np.concatenate([images.strip(frames(reference, direction, seed, reach, steps, class_name)) for seed in seeds])


def write_strips(
    reference: str,
    out: Path,
    top: int = 8,
    seeds: tuple[int, ...] = (0, 1, 2),
    reach: float = 4.0,
    steps: int = 7,
    class_name: str | None = None,
    named: bool = False,
) -> list[dict[str, Any]]:
    """Write a strip for each of the strongest directions, or with ``named`` for each that somebody has named, and list them.

    Returns
    -------
    list of dict
        file, name, strength (None of named ones), vector of each; also in ``directions.json`` with where they come from.

    Raises
    ------
    UserError
        As :func:`find`; and if a number is out of range, nobody has named a direction, or ``out`` cannot be written.
    """
    if not 1 <= top <= _MAX_TOP:
        raise InvalidValue(f"The top {top} directions cannot be shown.", f"Ask for 1 to {_MAX_TOP}.")
    if not seeds:
        raise InvalidValue("There is no seed to start from.", "Name at least one seed.")
    if len(seeds) * steps > _MAX_PICTURES:
        raise InvalidValue(
            f"{len(seeds):,} seeds with {steps:,} steps each are too many for one strip.",
            f"Ask for at most {_MAX_PICTURES:,} pictures in all.",
        )
    run, checkpoint, _ = open_generator(reference)
    if named:
        chosen = [(direction.name, None, np.array(direction.vector, np.float32)) for direction in store.directions(run.id)]
        layer = None
        if not chosen:
            raise InvalidValue(f"Nobody has named a direction of {run.id}.", "Name one with --save NUMBER=NAME.")
    else:
        found = find(reference)
        layer = found.layer
        chosen = [
            (f"direction-{number + 1}", float(found.strengths[number]), found.vectors[number])
            for number in range(min(top, len(found.vectors)))
        ]
    lines = []
    with files.writing(out):
        for name, strength, vector in chosen:
            origin = {
                **runs.statement(),
                "checkpoint": checkpoint.id,
                "direction": name,
                "seeds": list(seeds),
                "reach": reach,
                "class": class_name,
            }
            content = images.png_bytes(strip(reference, vector, list(seeds), reach, steps, class_name), origin)
            files.write_bytes(out / f"{name}.png", content)
            lines.append({"file": f"{name}.png", "name": name, "strength": strength, "vector": [float(value) for value in vector]})
        record = {
            "checkpoint": checkpoint.id,
            "weights_sha256": checkpoint.weights_sha256,
            "method": "named" if named else f"SeFa (arXiv 2007.06600): {layer}",
            "seeds": list(seeds),
            "reach": reach,
            "class": class_name,
            "created": runs.now(),
            "directions": lines,
        }
        files.write_json(out / RECORD, record)
    return lines


def check_number(found: Directions, number: int) -> None:
    """Refuse a number that no direction has; the strongest has 1.

    Raises
    ------
    InvalidValue
    """
    if not 1 <= number <= len(found.vectors):
        raise InvalidValue(f"There is no direction {number}.", f"There are 1 to {len(found.vectors)}.")


def save(reference: str, number: int, name: str, by: str = "console") -> store.Direction:
    """Give the ``number``-th strongest direction (from 1) of a run a name, in the database.

    Raises
    ------
    UserError
        As :func:`find`; and if there is no such direction or the name cannot be one.
    """
    found = find(reference)
    check_number(found, number)
    return store.save_direction(found.checkpoint.partition("@")[0], name, found.vectors[number - 1].tolist(), by)
