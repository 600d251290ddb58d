"""What ``train`` and ``classify`` share: a training in a slot of this machine, with its progress on the console."""

from collections.abc import Callable
from typing import Any

from gan_aug.cli.output import EXIT_DONE, EXIT_STOPPED, STOPPING, print_json, progress, remark, say, stop_wish


def train_here(kind: str, prepare: Callable[[], str], command: str, as_json: bool) -> int:
    """Train the run whose id ``prepare`` returns and show its progress; returns the exit code.

    Parameters
    ----------
    kind : str
        "gan" or "classifier".
    command : str
        What was typed, for those who wait for the slot.
    """
    from gan_aug import jobs, runs

    with jobs.slot(f"gan-aug {command}"):  # held before anything looks for a device, because it decides which GPU is seen
        if kind == "gan":
            from gan_aug.train_gan import train
        else:
            from gan_aug.train_classifier import train
        run = runs.load_run(prepare())
        if not as_json:
            say(run.id)
        with progress(run.spec) as report, stop_wish(STOPPING) as wished:
            saved = train(run.id, on_tick=lambda tick: report(tick["kimg"] / tick["total_kimg"], _tick_text(tick)), should_stop=wished)
    status = runs.status(run.id)
    if as_json:
        print_json({"run": run, "checkpoint": saved, "status": status})
    if "val/auc" in saved.metrics:
        remark(f"Best AUC on val: {saved.metrics['val/auc']:.3f}, at step {saved.step}.")
    for flag in status.flags:
        remark(flag)
    if status.state == "stopped":
        verb = "train" if kind == "gan" else "classify"
        remark(f"Stopped after {status.kimg:g} of {status.total_kimg:g} thousand images. Go on with: gan-aug {verb} --resume {run.id}")
        return EXIT_STOPPED
    if kind == "gan":
        remark(f"Finished. See pictures with: gan-aug sample {run.id} --seeds 0-63 --out FOLDER")
    return EXIT_DONE


def _tick_text(tick: dict[str, Any]) -> str:
    """What a tick says, on one line."""
    minutes, seconds = divmod(int(tick["seconds_left"]), 60)
    found = ", ".join(f"{name} {tick[name]:.2f}" for name in ("D/loss", "G/loss", "train/loss", "val/auc") if name in tick)
    return (
        f"{tick['kimg']:g} of {tick['total_kimg']:g} kimg, {tick['images_per_second']:.0f} images/s, {minutes}:{seconds:02d} left; {found}"
    )
