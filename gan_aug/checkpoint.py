"""Snapshots of a training: weights as safetensors, optimisers apart, and meta.json last of all as the commit point."""

import contextlib
import dataclasses
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from gan_aug import files, runs
from gan_aug.errors import CorruptFile, InvalidValue, UserError
from gan_aug.records import Checkpoint, Run

Weights = dict[str, torch.Tensor]

_SET_ASIDE = "damaged-meta.json"
_MAY_DIFFER = ("total_kimg",)  # a training that was made longer has snapshots of the shorter one


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The full state of a training after ``step`` steps."""

    step: int
    kimg: float
    weights: dict[str, Weights]  # network name (G, D, G_ema, classifier) -> its state dict
    optimisers: dict[str, Any]  # name -> state dict; empty in a thinned snapshot
    sampled: str  # name of the network that is sampled or predicts
    metrics: dict[str, float]


def save_snapshot(run: Run, snapshot: Snapshot) -> Checkpoint:
    """Write a snapshot; it exists once its meta.json does, and a crash before that leaves the earlier ones as they were.

    Raises
    ------
    UserError
        If the disk is full or cannot be written.
    """
    folder = runs.snapshot_folder(runs.run_folder(run.id), snapshot.step)
    shutil.rmtree(folder, ignore_errors=True)  # left by a crash, or by the steps after the snapshot that a resume went back to
    folder.mkdir(parents=True)
    names = []
    try:
        for name, weights in snapshot.weights.items():
            names.append(f"{name}.safetensors")
            _write(folder / names[-1], functools.partial(save_weights, weights))
        if snapshot.optimisers:
            names.append(runs.OPTIMISERS_NAME)
            _write(folder / names[-1], functools.partial(torch.save, snapshot.optimisers))
        meta = {
            "format": runs.META_FORMAT,
            "run": run.id,
            "step": snapshot.step,
            "kimg": snapshot.kimg,
            "sampled": f"{snapshot.sampled}.safetensors",
            "config": run.config,
            "seed": run.seed,
            "split_fingerprint": run.split_fingerprint,
            "files": {name: {"sha256": files.sha256_file(folder / name), "bytes": (folder / name).stat().st_size} for name in names},
            "metrics": snapshot.metrics,
            "torch": torch.__version__,
            "created": runs.now(),
        }
        files.write_json(folder / "meta.json", meta)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:  # how torch and safetensors report a full disk
        shutil.rmtree(folder, ignore_errors=True)
        free = shutil.disk_usage(folder.parent).free / 2**20
        raise UserError(
            f"The snapshot of step {snapshot.step} could not be written to {folder}: {error}.",
            f"Make room ({free:.0f} MiB are free) and resume; the snapshot before it is whole.",
        ) from error
    return next(checkpoint for checkpoint in runs.list_checkpoints(run.id) if checkpoint.step == snapshot.step)


def save_weights(weights: Weights, path: Path) -> None:
    """Write a safetensors file that other users of the machine may read, as all others of a run; safetensors makes a private one."""
    safetensors.torch.save_file({key: tensor.detach().cpu().contiguous() for key, tensor in weights.items()}, path)
    path.chmod(0o644)


def _write(path: Path, save: Callable[[Path], None]) -> None:
    """Save to a temporary name, flush to the disk, rename."""
    temporary = path.with_name(f".{path.name}.tmp")
    save(temporary)
    with temporary.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def load_weights(path: Path) -> Weights:
    """Read a safetensors file.

    Raises
    ------
    CorruptFile
        If it is not one.
    """
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CorruptFile(f"{path} cannot be read: {error}.", "Use another snapshot of the run.") from error


def load_snapshot(checkpoint: Checkpoint) -> Snapshot:
    """Read a snapshot back, after checking its digests.

    Raises
    ------
    CorruptFile
        If a file is missing or does not have the bytes that were saved.
    """
    runs.verify(checkpoint)
    folder = Path(checkpoint.folder)
    meta = runs.read_meta(folder)
    weights = {Path(name).stem: load_weights(folder / name) for name in meta["files"] if name.endswith(".safetensors")}
    saved = runs.OPTIMISERS_NAME in meta["files"]
    optimisers = torch.load(folder / runs.OPTIMISERS_NAME, map_location="cpu", weights_only=True) if saved else {}
    return Snapshot(meta["step"], meta["kimg"], weights, optimisers, Path(meta["sampled"]).stem, meta["metrics"])


def load_sampled(checkpoint: Checkpoint) -> Weights:
    """The weights of the network that is sampled (the averaged G) or predicts, after checking their digest."""
    sampled = runs.sampled_file(checkpoint)
    runs.verify(checkpoint, sampled.name)
    return load_weights(sampled)


def newest_good(run: Run) -> tuple[Snapshot | None, list[str]]:
    """The newest snapshot from which a training can go on, None for a run without any, and a notice for each that is damaged.

    Newer ones, which are damaged, are set aside: they would count among the newest, of which all files are kept.

    Raises
    ------
    CorruptFile
        If there are snapshots, and all that a training could go on from are damaged.
    InvalidValue
        If the run's settings are not those that the snapshot was trained with.
    """
    checkpoints, notices = runs.scan_checkpoints(run.id)
    damaged: list[Path] = []
    for checkpoint in reversed(checkpoints):
        try:
            snapshot = load_snapshot(checkpoint)
        except CorruptFile as error:
            notices.append(error.what)
            damaged.append(Path(checkpoint.folder))
            continue
        if snapshot.optimisers:
            _refuse_other_settings(run, checkpoint)
            for folder in damaged:
                (folder / "meta.json").rename(folder / _SET_ASIDE)
            return snapshot, ([*notices, f"The training goes on from step {snapshot.step}."] if notices else [])
    if notices:
        raise CorruptFile(
            f"Run {run.id} has no snapshot that its training could go on from: {' '.join(notices)}",
            "Bring its files back, or train a new run.",
        )
    return None, []


def _refuse_other_settings(run: Run, checkpoint: Checkpoint) -> None:
    """Refuse a run whose run.json was edited after it had begun: its snapshot belongs to other settings.

    Raises
    ------
    InvalidValue
        Which names what differs, as it was and as it is.
    """
    meta = runs.read_meta(Path(checkpoint.folder))
    then = {**meta.get("config", {}), **{name: meta[name] for name in ("seed", "split_fingerprint") if name in meta}}
    now = {**run.config, "seed": run.seed, "split_fingerprint": run.split_fingerprint}
    differ = [name for name in then if name in now and name not in _MAY_DIFFER and then[name] != now[name]]
    if differ:
        told = ", ".join(f"{name} {then[name]} (now {now[name]})" for name in differ)
        raise InvalidValue(
            f"Snapshot {checkpoint.id} was trained with other settings than run.json has: {told}.",
            "Put them back in run.json, or start a new run with the new ones.",
        )


def thin(run_id: str, keep: int = 2) -> None:
    """Of all but the newest ``keep`` snapshots keep only the weights that are sampled, which is what Explore and evaluation need.

    The new meta.json, which names fewer files, comes first; a crash in between leaves files that nothing refers to.
    """
    for checkpoint in runs.list_checkpoints(run_id)[:-keep]:
        folder = Path(checkpoint.folder)
        meta = runs.read_meta(folder)
        dropped = [name for name in meta["files"] if name != meta["sampled"]]
        if dropped:
            meta["files"] = {meta["sampled"]: meta["files"][meta["sampled"]]}
            files.write_json(folder / "meta.json", meta)
            for name in dropped:
                with contextlib.suppress(FileNotFoundError):
                    (folder / name).unlink()
