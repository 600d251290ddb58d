"""Pictures from an exported generator, through ONNX Runtime: the process that shows them needs no torch.

A snapshot's ``generator.onnx`` is a derived file (:mod:`gan_aug.onnx_files`). Only the first one of a run needs torch, and
:mod:`gan_aug.export` makes it in a process of its own.
"""

import functools
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gan_aug import files, native_memory, onnx_session, runs
from gan_aug.errors import CorruptFile, InvalidValue, UserError
from gan_aug.images import to_uint8
from gan_aug.onnx_files import exported, fill, record_of
from gan_aug.records import Checkpoint, Run
from gan_aug.workspace import processors

_MAX_THREADS = 8
_MAX_SESSIONS = 2  # generators kept open, each with its weights in memory
_EXPORT_SECONDS = 600  # after which a child process that exports is given up
_opening, _exporting = threading.Lock(), threading.Lock()


def check_is_gan(run: Run) -> None:
    """Raise InvalidValue if the run is not a GAN's."""
    if run.kind != "gan":
        raise InvalidValue(f"Run {run.id} is a {run.kind} and cannot be sampled.", "See the GANs with: gan-aug runs --kind gan")


class Renderer:
    """A generator, ready to generate. Threads may share it.

    A picture depends on its z and class alone: every image is an ONNX Runtime call of its own on one thread, so neither the batch it is
    asked for in nor the number of processors can change a byte. Several images are generated side by side by several threads.

    Parameters
    ----------
    path : Path
        A ``generator.onnx`` with its record beside it.

    Attributes
    ----------
    z_dim : int
    resolution : int
        Side of the images [px].
    n_classes : int
        0 for an unconditional generator.

    Raises
    ------
    CorruptFile
        If the file does not have the bytes that were exported.
    """

    def __init__(self, path: Path):
        digest = files.read_json(record_of(path))["sha256"]
        self._session = onnx_session.open_file(path, digest, "Delete it: it is made anew when next needed.")
        shapes = {node.name: node.shape for node in [*self._session.get_inputs(), *self._session.get_outputs()]}
        self.z_dim: int = shapes["z"][1]
        self.resolution: int = shapes["image"][3]
        self.n_classes: int = shapes["y"][1] if "y" in shapes else 0

    def render(self, z: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """Generate one image per latent vector.

        Parameters
        ----------
        z : ndarray of shape (N, z_dim), float
        y : ndarray, optional
            For a conditional generator: class numbers (N,), int, or class mixtures (N, n_classes), float, rows summing to 1.

        Returns
        -------
        ndarray of shape (N, resolution, resolution, 3), uint8

        Raises
        ------
        InvalidValue
            If z or y does not fit this generator.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise InvalidValue(f"Latent vectors of shape {z.shape} do not fit this generator.", f"It takes shape (N, {self.z_dim}).")
        feeds = {"z": np.ascontiguousarray(z, np.float32)}
        mixture = self._mixture(y, len(z))
        if mixture is not None:
            feeds["y"] = mixture
        images = np.empty((len(z), self.resolution, self.resolution, 3), np.uint8)

        def generate(row: int) -> None:
            (image,) = self._session.run(["image"], {name: values[row : row + 1] for name, values in feeds.items()})
            images[row] = to_uint8(image[0].transpose(1, 2, 0))

        with ThreadPoolExecutor(max(1, min(len(z), processors(), _MAX_THREADS))) as pool:
            list(pool.map(generate, range(len(z))))  # the list raises what a thread raised
        native_memory.give_back()
        return images

    def _mixture(self, y: np.ndarray | None, n: int) -> np.ndarray | None:
        """y as class mixtures (n, n_classes), float32, or None for an unconditional generator."""
        if self.n_classes == 0:
            if y is not None:
                raise InvalidValue("This generator knows no classes.", "Leave the class out.")
            return None
        if y is None:
            raise InvalidValue("This generator has to be told a class, and none was given.", "Give a class.")
        if y.shape == (n,) and np.issubdtype(y.dtype, np.integer) and (n == 0 or 0 <= y.min() <= y.max() < self.n_classes):
            return np.eye(self.n_classes, dtype=np.float32)[y]
        if y.shape == (n, self.n_classes) and np.issubdtype(y.dtype, np.floating):
            return np.ascontiguousarray(y, np.float32)
        raise InvalidValue(
            f"Classes of shape {y.shape} ({y.dtype}) do not fit {n} images of {self.n_classes} classes.",
            f"Give {n} class numbers below {self.n_classes}, or {n} rows of {self.n_classes} shares.",
        )


def open_renderer(path: Path) -> Renderer:
    """The renderer of a ``generator.onnx``; the last two that were used stay open.

    Raises
    ------
    CorruptFile
        If the file does not have the bytes that were exported.
    """
    status = path.stat()
    with _opening:  # so that two threads that ask for one generator do not both load it
        return _open(path.resolve(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(_MAX_SESSIONS)
def _open(path: Path, modified: int, size: int) -> Renderer:
    """A new renderer; time and size are part of the key, so that a file that was made anew is loaded anew."""
    return Renderer(path)


def ensure_onnx(checkpoint: Checkpoint) -> Path:
    """The ``generator.onnx`` of a snapshot, made if it is missing: in a moment if its run has a graph; the first one of a run is made by a
    child process with torch, which takes some seconds.

    Raises
    ------
    UserError
        If it cannot be made; the message may be the child's.
    """
    path = exported(checkpoint)
    if path is not None:
        return path
    with _exporting:  # a page is run again at every click, and one export at a time is enough
        path = exported(checkpoint) or fill(checkpoint)
        if path is None:
            _export_in_child(checkpoint)
            path = exported(checkpoint)
    if path is None:
        raise CorruptFile(f"The export of {checkpoint.id} left no file in {checkpoint.folder}.", f"Try: gan-aug export {checkpoint.id}")
    return path


def _export_in_child(checkpoint: Checkpoint) -> None:
    package_parent = str(Path(__file__).resolve().parent.parent)
    search_path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    by_hand = f"Try by hand: gan-aug export {checkpoint.id}"
    try:
        child = subprocess.run(
            [sys.executable, "-m", "gan_aug.export", checkpoint.id],  # not the console, which a training machine need not have
            env={**os.environ, "PYTHONPATH": search_path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_EXPORT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"The export of {checkpoint.id} did not end within {_EXPORT_SECONDS} s.", by_hand) from None
    if child.returncode != 0:
        lines = child.stderr.strip().splitlines() or [f"It ended with code {child.returncode}."]
        told = len(lines) >= 2 and "Traceback" not in child.stderr  # a UserError: what happened, what to do
        what, todo = lines[-2:] if told else (lines[-1], by_hand)
        raise UserError(f"{checkpoint.id} could not be exported. {what}", todo)


def open_generator(reference: str) -> tuple[Run, Checkpoint, Renderer]:
    """The run, snapshot and renderer that ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg`` means.

    Raises
    ------
    UserError
        If there is no such snapshot, it is not of a GAN, or it cannot be exported.
    """
    run, checkpoint = runs.resolve(reference)
    check_is_gan(run)
    path = ensure_onnx(checkpoint)
    try:
        return run, checkpoint, open_renderer(path)
    except CorruptFile:  # a damaged derived file is made anew from the weights, whose digests are checked in turn
        path.unlink(missing_ok=True)
        return run, checkpoint, open_renderer(ensure_onnx(checkpoint))
