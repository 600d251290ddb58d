"""Pictures of a generator for the filmstrip: made by ONNX Runtime, kept for the next look, and carrying where they come from."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from gan_aug import directions, files, images, sample
from gan_aug.directions import Directions
from gan_aug.onnx_files import exported
from gan_aug.records import Checkpoint, Run, SyntheticImage
from gan_aug.render import ensure_onnx
from pages.components import generators
from pages.components.filmstrip import Frame, Row
from pages.components.pictures import data_uri

# Some megabytes an entry at most. All sessions share the very objects, which nobody changes: copies were most of the server's memory.
_kept = st.cache_resource(max_entries=16, show_spinner=False)


@dataclass(frozen=True)
class Generated:
    """Pictures of one generator."""

    images: np.ndarray  # (N, R, R, 3) uint8
    row: Row  # the same, for the filmstrip
    origin: dict[str, Any]  # provenance of the whole
    run: Run
    names: tuple[SyntheticImage | None, ...]  # what each picture is as a synthetic image; None of one that lies between seeds

    @property
    def digest(self) -> str:
        """Tells these pictures from all others."""
        return f"{self.row.frames[0].name} {files.sha256_bytes(self.images.tobytes())}"


def prepare(checkpoints: Sequence[Checkpoint]) -> None:
    """See to it that the snapshots can make pictures, which takes some seconds for the first one of a run.

    It is done here and not as a job, because a job would wait behind others, and looking at a training is what the page is for.
    """
    missing = [checkpoint for checkpoint in checkpoints if exported(checkpoint) is None]
    for number, checkpoint in enumerate(missing, start=1):
        which = f" ({number} of {len(missing)})" if len(missing) > 1 else ""
        with st.spinner(f"Preparing {checkpoint.id} for viewing{which}. The first snapshot of a run takes some seconds.", show_time=True):
            ensure_onnx(checkpoint)


@_kept
def walk(run: Run, checkpoint: Checkpoint, seeds: tuple[int, ...], frames: int, class_name: str | None) -> Generated:
    """The way from seed to seed."""
    generated = sample.walk([checkpoint.id], list(seeds), frames, class_name)[0]
    origin = sample.walk_provenance([checkpoint.id], list(seeds), frames, class_name)
    at = _stops(len(seeds), frames)
    names = [SyntheticImage(checkpoint.id, seeds[at[n]], class_name or run.class_name) if n in at else None for n in range(frames)]
    return _generated(run, generated, origin, lambda n: {**origin, "frame": n}, f"walk-{'-'.join(map(str, seeds))}", names)


@_kept
def class_walk(run: Run, checkpoint: Checkpoint, seed: int, frames: int) -> Generated:
    """One z from class to class."""
    generated = sample.class_walk(checkpoint.id, seed, frames)
    origin = sample.walk_provenance([checkpoint.id], [seed], frames)
    at = _stops(len(run.classes), frames)
    names = [SyntheticImage(checkpoint.id, seed, run.classes[at[n]]) if n in at else None for n in range(frames)]
    return _generated(run, generated, origin, lambda n: {**origin, "frame": n}, f"classes-{seed}", names)


@_kept
def found_directions(checkpoint: Checkpoint) -> Directions:
    """SeFa's directions of a snapshot."""
    return directions.find(checkpoint.id)


@_kept
def along(
    run: Run, checkpoint: Checkpoint, seed: int, name: str, vector: tuple[float, ...], reach: float, frames: int, class_name: str | None
) -> Generated:
    """From one side of a seed to the other, in a direction."""
    way = (np.array(vector, np.float32), seed, reach, frames, class_name)
    origin = directions.provenance(checkpoint.id, name, *way)
    here = SyntheticImage(checkpoint.id, seed, class_name or run.class_name)
    names = [here if 2 * n == frames - 1 else None for n in range(frames)]
    return _generated(run, directions.frames(checkpoint.id, *way), origin, lambda n: {**origin, "frame": n}, f"seed{seed}-{name}", names)


@_kept
def seeds(run: Run, checkpoint: Checkpoint, numbers: tuple[int, ...], class_name: str | None, truncation: float = 1.0) -> Generated:
    """One picture per seed."""
    generated, names = sample.sample(checkpoint.id, list(numbers), class_name, truncation)
    origins = [sample.provenance(run, checkpoint, number, class_name, truncation) for number in numbers]
    whole = {**origins[0], "seed": list(numbers)}
    return _generated(run, generated, whole, origins.__getitem__, f"seeds-{numbers[0]}", names)


@st.cache_resource(max_entries=256, show_spinner=False)
def plane_point(run: Run, checkpoint: Checkpoint, x: float, y: float, class_name: str | None) -> Generated:
    """The picture of a point on the plane of seeds."""
    generated = sample.plane(checkpoint.id, x, y, class_name)[None]
    origin = sample.plane_provenance(checkpoint.id, x, y, class_name)
    seed = int(x) + 1000 * int(y) if float(x).is_integer() and float(y).is_integer() else None
    name = None if seed is None else SyntheticImage(checkpoint.id, seed, class_name or run.class_name)
    return _generated(run, generated, origin, lambda n: origin, f"plane-{x:g}-{y:g}", [name])


@st.cache_resource(max_entries=256, show_spinner=False)
def seed_picture(run: Run, checkpoint: Checkpoint, seed: int, class_name: str | None) -> Generated:
    """The picture of one seed, kept apart from whole walks and walls."""
    return seeds.__wrapped__(run, checkpoint, (seed,), class_name)


def _stops(stops: int, frames: int) -> dict[int, int]:
    """Which frames of a way over ``stops`` stops, in even steps, are a stop, and which one."""
    positions = np.linspace(0, stops - 1, frames)
    return {n: round(position) for n, position in enumerate(positions) if abs(position - round(position)) < 1e-9}


def _generated(
    run: Run,
    generated: np.ndarray,
    origin: dict[str, Any],
    origin_of: Callable[[int], dict[str, Any]],
    name: str,
    names: Sequence[SyntheticImage | None],
) -> Generated:
    """``origin_of(n)`` is the provenance of picture ``n``."""
    checkpoint = origin.get("checkpoint") or origin["generators"][0]["checkpoint"]
    frames = tuple(
        Frame(data_uri(images.png_bytes(image, origin_of(n))), f"{checkpoint}-{name}-{n + 1:03d}.png") for n, image in enumerate(generated)
    )
    generated.flags.writeable = False  # it is shared
    note = "Phantom: drawn, not skin" if run.phantom else "Synthetic"
    row = Row(generators.title(run, checkpoint), note, generated.shape[1], frames)
    return Generated(generated, row, origin, run, tuple(names))


def relabelled(generated: Generated, label: str) -> Generated:
    """The same pictures under another name, where several rows are of one generator."""
    return dataclasses.replace(generated, row=dataclasses.replace(generated.row, label=label))


def animation(generated: Generated, suffix: str) -> bytes:
    """The pictures as one file with provenance: ``.webp`` or ``.gif`` moves, ``.png`` is a strip."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / f"walk{suffix}"
        sample.write_walk(generated.images, out, generated.origin)
        return out.read_bytes()
