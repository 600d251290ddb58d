"""A snapshot's generator as ONNX, so that pages and the console generate without torch.

The file is made by ``torch.export``: the older tracing exporter gives the same pictures but announces its own removal on every call and
cannot follow a class mixture into a normalised layer. It is deterministic: the same weights and versions give the same bytes.

ONNX Runtime optimises a graph when it opens it. The exporter is kept from doing so, and every weight stays in the file under its own name,
which is how other snapshots of the run are exported without torch (:mod:`gan_aug.onnx_files`).
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from gan_aug import catalog, gans, runs
from gan_aug.checkpoint import load_sampled
from gan_aug.errors import UserError
from gan_aug.images import to_uint8
from gan_aug.latent import z_of_seeds
from gan_aug.onnx_files import exported, fill, write_generator, write_graph
from gan_aug.records import Checkpoint, GanConfig, from_dict
from gan_aug.render import check_is_gan, open_renderer

_OPSET = 18  # the opset that both the oldest and the newest supported torch write natively


def load_generator(checkpoint: Checkpoint) -> tuple[nn.Module, GanConfig, int]:
    """The network that a snapshot samples from, in evaluation mode on the CPU.

    Returns
    -------
    G : Module
        Called as ``G(z)``, or ``G(z, y)`` with class numbers (N,) or mixtures (N, n_classes).
    config : GanConfig
    n_classes : int
        0 for an unconditional GAN.

    Raises
    ------
    InvalidValue
        If the run is not a GAN.
    CorruptFile
        If the weights do not have the bytes that were saved.
    """
    run = runs.load_run(checkpoint.run_id)
    check_is_gan(run)
    config = from_dict(GanConfig, run.config)
    n_classes = len(run.classes) if catalog.entry(run.spec).conditional else 0
    G, _ = gans.spec(run.spec).build(config, n_classes)
    G.load_state_dict(load_sampled(checkpoint))
    return G.eval().requires_grad_(False), config, n_classes


def to_onnx(G: nn.Module, z_dim: int, n_classes: int) -> onnx.ModelProto:
    """G as an ONNX graph with inputs ``z`` (N, z_dim) and, with classes, ``y`` (N, n_classes), output ``image`` (N, 3, R, R) in [-1, 1].

    N is free. ``y`` holds class mixtures, float32 rows summing to 1, so that the way from one class to another can be generated.
    """
    arguments = [torch.zeros(2, z_dim)]  # two rows: torch.export takes a size of one for a constant
    if n_classes:
        arguments.append(torch.full((2, n_classes), 1 / n_classes))
    return as_graph(G, arguments, ["z", "y"][: len(arguments)], "image", optimize=False)


def as_graph(network: nn.Module, arguments: list[Tensor], inputs: list[str], output: str, optimize: bool = True) -> onnx.ModelProto:
    """A network as an ONNX graph whose inputs and output have the given names; the number of rows is free, every other size is that of
    ``arguments``, which have two rows each. Optimised, layers are merged, and weights with them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own deprecations, which no user of gan_aug can mend
        program = torch.onnx.export(
            network,
            tuple(arguments),
            dynamo=True,
            input_names=inputs,
            output_names=[output],
            dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in arguments),
            opset_version=_OPSET,
            optimize=optimize,
            verbose=False,
        )
    model = program.model_proto
    _forget_origin(model)
    return model


def _forget_origin(model: onnx.ModelProto) -> None:
    """Strip what the exporter notes about the source code: paths of this machine have no place in a file that is shared."""
    graph = model.graph
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def export_onnx(checkpoint: Checkpoint) -> Path:
    """The ``generator.onnx`` of a snapshot, made if it is not there yet.

    Raises
    ------
    InvalidValue
        If the run is not a GAN.
    CorruptFile
        If the weights do not have the bytes that were saved.
    UserError
        If the folder cannot be written.
    """
    path = exported(checkpoint) or fill(checkpoint)
    if path is not None:
        return path
    G, config, n_classes = load_generator(checkpoint)
    model = to_onnx(G, config.z_dim, n_classes)
    weights = {name: value.numpy() for name, value in G.state_dict().items() if value.is_floating_point()}
    write_graph(checkpoint, model, weights, torch.__version__)
    return write_generator(checkpoint, model, torch.__version__)


@torch.inference_mode()
def largest_difference(checkpoint: Checkpoint, seeds: list[int]) -> int:
    """How far torch's pictures are from those of ``generator.onnx``, as the largest difference of any pixel value, 0 to 255.

    Of conditional generators every class of every seed.
    """
    G, config, n_classes = load_generator(checkpoint)
    z = np.repeat(z_of_seeds(seeds, config.z_dim), max(1, n_classes), axis=0)
    y = np.tile(np.arange(n_classes), len(seeds)) if n_classes else None
    generated = open_renderer(export_onnx(checkpoint)).render(z, y)
    expected = G(torch.from_numpy(z), None if y is None else torch.from_numpy(y)).permute(0, 2, 3, 1).numpy()
    return int(np.abs(generated.astype(int) - to_uint8(expected).astype(int)).max())


if __name__ == "__main__":  # the child process of gan_aug.render
    try:
        export_onnx(runs.resolve(sys.argv[1])[1])
    except UserError as error:
        sys.exit(str(error))
