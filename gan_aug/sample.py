"""Synthetic images by seed: arrays, folders of PNG files, walks and animations. No torch in this process.

A picture is named by checkpoint, seed, class and truncation, whatever else was asked for with it.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug import catalog, files, images, latent, runs, sampled_folder
from gan_aug.errors import InvalidValue, UserError
from gan_aug.records import Checkpoint, Run, SyntheticImage
from gan_aug.render import Renderer, open_generator

OnProgress = Callable[[int, int, str], None]  # images done, images in all, what is being done

WALK_SUFFIXES = (".webp", ".gif", ".png", ".mp4")

_CHUNK = 64  # images generated before they are written, which bounds the memory
_MAX_FRAMES = 2000  # two and a half minutes of film


# --- provenance --------------------------------------------------------------------------------------------------------------------------


def provenance(run: Run, checkpoint: Checkpoint, seed: int, class_name: str | None = None, truncation: float = 1.0) -> dict[str, Any]:
    """Where one synthetic image comes from and how to generate it again, as it travels inside the file."""
    recipe = {"seed": seed, "truncation": truncation, "z": sampled_folder.Z_OF_ONE}
    return {**runs.statement(), **_origin(run, checkpoint, class_name), **recipe}


def walk_provenance(references: list[str], seeds: list[int], frames: int, class_name: str | None = None) -> dict[str, Any]:
    """Where the frames of :func:`walk` come from; with a single seed, those of :func:`class_walk`."""
    through_classes = len(seeds) == 1
    origins = []
    for reference in references:
        run, checkpoint = runs.resolve(reference)
        origins.append(_origin(run, checkpoint, " to ".join(run.classes) if through_classes else class_name))
    path = "classes mixed in even steps" if through_classes else "gan_aug.latent.walk between the seeds"
    recipe = {"seeds": seeds, "frames": frames, "z": f"{latent.Z_RECIPE}; {path}"}
    return {**runs.statement(), "generators": origins, **recipe}


def _origin(run: Run, checkpoint: Checkpoint, class_name: str | None) -> dict[str, Any]:
    """What is known of a generator, and what its label does and does not mean."""
    if catalog.entry(run.spec).conditional:
        label = f"generated with label: {class_name} (class-conditional; not histologically confirmed)"
    else:
        class_name = run.class_name
        label = f"generated after images labelled: {class_name or 'all classes'} (not histologically confirmed)"
    return {
        "generator": run.spec,
        "run": run.id,
        "checkpoint": checkpoint.id,
        "checkpoint_sha256": checkpoint.weights_sha256,
        "config_sha256": files.sha256_bytes(json.dumps(run.config, sort_keys=True).encode()),
        "trained_by_code_version": run.code_version,
        "dataset": run.dataset,
        "dataset_fingerprint": run.dataset_fingerprint,
        "split_fingerprint": run.split_fingerprint,
        "phantom": run.phantom,
        "class": class_name,
        "label": label,
    }


# --- single images -----------------------------------------------------------------------------------------------------------------------


def class_numbers(run: Run, class_name: str | None, n: int) -> np.ndarray | None:
    """The y of ``n`` images of one class: (n,) int64, or None if the run's generator is unconditional.

    Raises
    ------
    InvalidValue
        If the run cannot generate that class, or generates several and none was named.
    """
    if not catalog.entry(run.spec).conditional:
        if class_name not in (None, run.class_name):
            trained = f"on {run.class_name} only" if run.class_name else "without labels"
            possible = f"Ask for {run.class_name}" if run.class_name else "Leave the class out"
            raise InvalidValue(f"{run.id} was trained {trained}, not to generate {class_name}.", f"{possible}, or use an acgan run.")
        return None
    if class_name not in run.classes:
        problem = "generates the class it is asked for, and none was named" if class_name is None else f"knows no class {class_name!r}"
        raise InvalidValue(f"{run.id} {problem}.", f"Name one of {', '.join(run.classes)}.")
    return np.full(n, run.classes.index(class_name), np.int64)


def sample(
    reference: str, seeds: list[int], class_name: str | None = None, truncation: float = 1.0
) -> tuple[np.ndarray, list[SyntheticImage]]:
    """Generate the images of some seeds.

    Parameters
    ----------
    reference : str
        ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg``.
    seeds : list of int
    class_name : str, optional
        Needed for a conditional GAN.
    truncation : float, default 1
        Factor on z, 0 to 2; below 1 trades variety for typicality.

    Returns
    -------
    ndarray of shape (len(seeds), R, R, 3), uint8
    list of SyntheticImage
        The name of each image.

    Raises
    ------
    UserError
        If the snapshot or class does not exist, or a seed or the truncation is out of range.
    """
    run, checkpoint, renderer = open_generator(reference)
    generated = _generate(renderer, seeds, class_numbers(run, class_name, len(seeds)), truncation)
    return generated, [SyntheticImage(checkpoint.id, seed, class_name or run.class_name, truncation) for seed in seeds]


def _generate(renderer: Renderer, seeds: list[int], y: np.ndarray | None, truncation: float) -> np.ndarray:
    return renderer.render(latent.truncate(latent.z_of_seeds(seeds, renderer.z_dim), truncation), y)


def sample_to_folder(
    reference: str,
    seeds: list[int],
    out: Path,
    class_name: str | None = None,
    truncation: float = 1.0,
    on_progress: OnProgress | None = None,
) -> Path:
    """Generate the images of some seeds as PNG files with their provenance inside, and list them in ``manifest.csv``.

    A folder that this function filled before is added to, and whole pictures in it are kept, so a call that was interrupted or killed can
    be repeated. Pictures that a killed call has left unlisted are listed, by what they say of themselves.

    Returns
    -------
    Path
        The manifest: file, checkpoint, seed, class, truncation and sha256 of each picture, sorted by file.

    Raises
    ------
    UserError
        As :func:`sample`; and if ``out`` holds anything else, or pictures of the same names but other origin, or cannot be written.
    Busy
        If another process is sampling into ``out``.
    """
    run, checkpoint, renderer = open_generator(reference)
    _generate(renderer, [], class_numbers(run, class_name, 0), truncation)  # raises what is wrong before anything is written
    sampled_folder.read_manifest(out)  # as does this
    label = class_name or run.class_name
    wanted = {sampled_folder.file_name(run.spec, seed, label): seed for seed in seeds}
    common = {"checkpoint": checkpoint.id, "class": label or "", "truncation": str(float(truncation))}
    with files.writing(out), sampled_folder.alone(out):
        rows = sampled_folder.read_manifest(out)
        rows |= sampled_folder.unlisted(out, rows)
        for name in wanted.keys() & rows.keys():
            if common.items() - rows[name].items():
                there = ", ".join(rows[name][column] for column in ("checkpoint", "class", "truncation"))
                raise InvalidValue(f"{out / name} is there already, generated otherwise ({there}).", "Choose an empty or a new folder.")
        missing = [name for name in wanted if name not in rows or not sampled_folder.is_whole(out / name, rows[name]["sha256"])]
        done = len(wanted) - len(missing)
        sampled_folder.write_manifest(out, rows)  # marks the folder as ours before the first picture
        try:
            for start in range(0, len(missing), _CHUNK):
                names = missing[start : start + _CHUNK]
                generated = _generate(renderer, [wanted[name] for name in names], class_numbers(run, class_name, len(names)), truncation)
                for name, image in zip(names, generated, strict=True):
                    content = images.png_bytes(image, provenance(run, checkpoint, wanted[name], label, truncation))
                    files.write_bytes(out / name, content)
                    rows[name] = {"file": name, "seed": str(wanted[name]), "sha256": files.sha256_bytes(content), **common}
                sampled_folder.add_to_manifest(out, [rows[name] for name in names])
                done += len(names)
                if on_progress:
                    on_progress(done, len(wanted), f"generating with {checkpoint.id}")
        finally:
            sampled_folder.write_manifest(out, rows)
    return out / sampled_folder.MANIFEST


# --- walks -------------------------------------------------------------------------------------------------------------------------------


def walk(references: list[str], seeds: list[int], frames: int, class_name: str | None = None) -> np.ndarray:
    """The way from seed to seed, generated from the same latent vectors by one or several generators.

    Beside a conditional generator, which is told the class, one that was trained without labels generates as ever.

    Returns
    -------
    ndarray of shape (len(references), frames, R, R, 3), uint8

    Raises
    ------
    UserError
        As :func:`sample`; and if there are fewer than two seeds, fewer frames than seeds, or generators that differ in z_dim or resolution.
    """
    _check_frames(frames)
    opened = [open_generator(reference) for reference in references]
    shapes = {checkpoint.id: f"z of {renderer.z_dim}, {renderer.resolution} px" for _, checkpoint, renderer in opened}
    if len(set(shapes.values())) > 1:
        listed = "; ".join(f"{name} has {shape}" for name, shape in shapes.items())
        raise InvalidValue(f"These generators cannot be shown on one walk: {listed}.", "Choose runs of the same z_dim and resolution.")
    conditional = {run.id for run, _, _ in opened if catalog.entry(run.spec).conditional}
    z = latent.walk(seeds, frames, opened[0][2].z_dim)
    rows = []
    for run, _, renderer in opened:
        untold = conditional and run.id not in conditional and run.class_name is None
        rows.append(renderer.render(z, class_numbers(run, None if untold else class_name, frames)))
    return np.stack(rows)


def _check_frames(frames: int) -> None:
    if frames > _MAX_FRAMES:
        raise InvalidValue(f"{frames} frames are too many for one walk.", f"Ask for at most {_MAX_FRAMES}.")


def class_walk(reference: str, seed: int, frames: int) -> np.ndarray:
    """One z from class to class, in the order of the dataset's classes, by mixing neighbouring classes linearly.

    Returns
    -------
    ndarray of shape (frames, R, R, 3), uint8

    Raises
    ------
    UserError
        As :func:`sample`; and if the GAN is unconditional, or there are fewer frames than classes.
    """
    _check_frames(frames)
    run, _, renderer = open_generator(reference)
    n_classes = renderer.n_classes
    if n_classes < 2:
        raise InvalidValue(f"{run.id} knows no classes to walk between.", "Name a run of acgan.")
    if frames < n_classes:
        raise InvalidValue(f"{frames} frames cannot visit {n_classes} classes.", f"Ask for at least {n_classes} frames.")
    position = np.linspace(0, n_classes - 1, frames)
    mixture = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n_classes)))
    return renderer.render(np.repeat(latent.z_of_seeds([seed], renderer.z_dim), frames, axis=0), mixture)


def plane(reference: str, x: float, y: float, class_name: str | None = None) -> np.ndarray:
    """The picture of a point on the plane of seeds (:func:`gan_aug.latent.plane`), (R, R, 3) uint8; at whole numbers, that of a seed.

    Raises
    ------
    UserError
        As :func:`sample`.
    """
    run, _, renderer = open_generator(reference)
    z = latent.plane(x, y, renderer.z_dim)
    return renderer.render(z[None], class_numbers(run, class_name, 1))[0]


def plane_provenance(reference: str, x: float, y: float, class_name: str | None = None) -> dict[str, Any]:
    """Where the picture of :func:`plane` comes from."""
    run, checkpoint = runs.resolve(reference)
    recipe = {"x": x, "y": y, "z": f"{latent.Z_RECIPE}; gan_aug.latent.plane at (x, y), corners seed = x + 1000 y"}
    return {**runs.statement(), **_origin(run, checkpoint, class_name), **recipe}


def write_walk(frames: np.ndarray, out: Path, origin: dict[str, Any], ms: int = 80) -> None:
    """Write a walk as an animation (.webp, .gif, .mp4) or as a strip (.png), with its provenance inside.

    Parameters
    ----------
    frames : ndarray of shape (N, R, R, 3) or (generators, N, R, R, 3), uint8
        Several generators stand side by side in an animation, and one below the other in a strip.
    out : Path
    origin : dict
        See :func:`walk_provenance`.
    ms : int, default 80
        Time that each frame is shown [ms].

    Raises
    ------
    UserError
        If the file name ends in something else, there is no ``ffmpeg`` for an .mp4, or the place cannot be written.
    """
    rows = frames[None] if frames.ndim == 4 else frames
    side_by_side = np.concatenate(list(rows), axis=2)  # (N, R, generators * R, 3)
    kind = out.suffix.lower()
    if kind == ".webp":
        content = images.webp_animation(side_by_side, ms, origin)
    elif kind == ".gif":
        content = images.gif_animation(side_by_side, ms, origin)
    elif kind == ".png":
        content = images.png_bytes(np.concatenate([images.strip(row) for row in rows]), origin)
    elif kind == ".mp4":
        content = _mp4_bytes(side_by_side, ms, origin)
    else:
        raise InvalidValue(f"{out.name} is no file name for a walk.", f"Let it end in one of {', '.join(WALK_SUFFIXES)}.")
    with files.writing(out):
        files.write_bytes(out, content)


def _mp4_bytes(frames: np.ndarray, ms: int, origin: dict[str, Any]) -> bytes:
    """Frames (N, H, W, 3) as an MP4 video, made by the ``ffmpeg`` of this machine."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError("An .mp4 needs the program ffmpeg, and it is not on the PATH.", "Install ffmpeg, or write .webp or .gif.")
    # Players expect colour at half the resolution (4:2:0). Enlarged by an even factor, no pixel of the lesion loses its colour to that.
    factor = max(2, 256 // frames.shape[1])
    frames = frames.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width = frames.shape[1:3]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "walk.mp4"
        source = f"-v error -f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {1000 / ms:g} -i -".split()
        quality = ["-pix_fmt", "yuv420p", "-crf", "10", "-q:v", "2"]  # nearly lossless; some encoders know -crf, others -q:v
        result = [*quality, "-movflags", "+faststart", "-metadata", f"comment={json.dumps(origin)}", str(target)]
        child = subprocess.run([program, *source, *result], input=frames.tobytes(), capture_output=True)
        if child.returncode != 0:
            last = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise UserError(f"ffmpeg could not write the video ({last or child.returncode}).", "Write .webp or .gif instead.")
        return target.read_bytes()
