"""What ``train`` and ``classify`` share: a training in a slot of this machine, with its progress on the console."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from gan_aug.cli.output import EXIT_DONE, EXIT_STOPPED, STOPPING, UsageError, print_json, progress, remark, say, stop_wish


def train_here(kind: str, prepare: Callable[[], str], command: str, as_json: bool) -> int:
    """Train the run whose id ``prepare`` returns and show its progress; returns the exit code.

    Of several processes that ``torchrun`` started, the first prepares the run and speaks.

    Parameters
    ----------
    kind : str
        "gan" or "classifier".
    command : str
        What was typed, for those who wait for the slot.
    """
    from gan_aug import runs

    if kind != "gan" and _together() > 1:
        raise UsageError("torchrun can start several processes for a GAN only.")
    with _place(f"gan-aug {command}"):  # held before anything looks for a device, because it decides which GPU is seen
        if kind == "gan":
            from gan_aug.train_gan import train
        else:
            from gan_aug.train_classifier import train
        from gan_aug.train_gan.ranks import joined

        with joined() as ranks:
            run = runs.load_run(ranks.from_main(prepare))
            if ranks.main:
                runs.refuse_untrainable(run.id, fresh=True)  # before its id is told: whoever reads that takes it for a start
            if ranks.main and not as_json:
                say(run.id)
            with progress(run.spec) as report, stop_wish(STOPPING if ranks.main else "") as wished:
                saved = train(
                    run.id,
                    on_tick=lambda tick: report(tick["kimg"] / tick["total_kimg"], _tick_text(tick)),
                    should_stop=wished,
                    on_notice=remark,
                )
            status = ranks.from_main(lambda: runs.status(run.id))
    if not ranks.main:
        return EXIT_STOPPED if status.state == "stopped" else EXIT_DONE
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


def _together() -> int:
    """Number of processes that a launcher started for this training."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def _place(what: str) -> Iterator[None]:
    """Hold this process's slot. Several on one machine hold one each where there are as many; else the first holds one for all."""
    from gan_aug import jobs
    from gan_aug.jobs.slots import device_slots

    first, here = os.environ.get("LOCAL_RANK", "0") == "0", int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    with jobs.slot(what) if first or len(device_slots()) >= here else contextlib.nullcontext():
        yield


def _tick_text(tick: dict[str, Any]) -> str:
    """What a tick says, on one line."""
    minutes, seconds = divmod(int(tick["seconds_left"]), 60)
    found = ", ".join(f"{name} {tick[name]:.2f}" for name in ("D/loss", "G/loss", "train/loss", "val/auc") if name in tick)
    return (
        f"{tick['kimg']:g} of {tick['total_kimg']:g} kimg, {tick['images_per_second']:.0f} images/s, {minutes}:{seconds:02d} left; {found}"
    )
