"""A training of a GAN that goes on beyond its length: a new run with a copy of all that the old one left, because records never change."""

import dataclasses
import shutil

from gan_aug import files, runs, workspace
from gan_aug.data import training_list
from gan_aug.errors import InvalidValue
from gan_aug.records import GanConfig, Run, from_dict, to_dict

# What a longer training takes over.
_TRAINED = (training_list.FILE, "stats.jsonl", "log.txt", "grids", "snapshots", "graph.onnx", "graph.json")


def longer(run_id: str, total_kimg: float) -> Run:
    """What a training of a GAN would be if it went on to a greater length: a new run, because records never change.

    On a CPU it ends with the weights that a training of that length from the start would have, for every draw belongs to a seed and a step.

    Raises
    ------
    InvalidValue
        If the length is not greater or makes no step more, the learning rates fell towards the old end, or no snapshot holds what a
        training goes on from.
    """
    run = runs.load_run(run_id)
    if run.kind != "gan":
        raise InvalidValue(f"Run {run_id} is a {run.kind}.", "Only the training of a GAN can be made longer.")
    old = from_dict(GanConfig, run.config)
    config = dataclasses.replace(old, total_kimg=float(total_kimg))
    if config.total_kimg > old.total_kimg and config.total_steps <= old.total_steps:
        raise InvalidValue(
            f"Run {run_id} has {old.total_steps} steps of {old.step_images} images, and {total_kimg} thousand images make no step more.",
            f"Give more than {old.total_steps * old.step_images / 1000}, or no length to go on to its end.",
        )
    if config.total_steps <= old.total_steps:
        raise InvalidValue(
            f"Run {run_id} is {old.total_kimg:g} thousand images long, and {total_kimg:g} are not more.",
            "Give more, or no length to go on to its end.",
        )
    if old.lr_decay:
        raise InvalidValue(
            f"The learning rates of run {run_id} fall to zero at {old.total_kimg:g} thousand images (lr_decay {old.lr_decay:g}).",
            f"Train a new run that is {total_kimg:g} thousand images long: gan-aug train {run.spec} --data {run.dataset} ...",
        )
    runs.refuse_untrainable(run_id, fresh=False)
    changed = {"id": runs.new_run_id(run.id.rpartition("-")[0] or run.id), "config": to_dict(config), "parent": run.id}
    return dataclasses.replace(run, **changed, created=runs.now(), code_version=runs.code_version())


def lengthen(run_id: str, total_kimg: float) -> Run:
    """Make the folder of :func:`longer`, with a copy of all that the training has left so far; the run itself stays as it is.

    Raises
    ------
    InvalidValue
        As :func:`longer`.
    Busy
        If the run is being trained.
    """
    run, old = longer(run_id, total_kimg), runs.run_folder(run_id)
    with runs.training_lock(run_id), files.new_folder(workspace.checkpoints() / run.id) as temporary:
        files.write_json(temporary / "run.json", to_dict(run))
        for path in (old / name for name in _TRAINED if (old / name).exists()):
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, temporary / path.name)
        at, message = runs.list_checkpoints(run_id)[-1], f"Goes on from {run_id}, to {total_kimg:g} thousand images."
        runs.append_log(temporary, message)
        runs.write_status(temporary, runs.RunStatus("stopped", at.step, at.kimg, float(total_kimg), 0.0, message, (), runs.now()))
    return run
