"""What the training of a GAN and of a classifier share: one process at a time, numbers per tick, and an end that is always written down."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from gan_aug import checkpoint, runs
from gan_aug.errors import Diverged
from gan_aug.records import Run

OnTick = Callable[[dict[str, Any]], None]
OnNotice = Callable[[str], None]
ShouldStop = Callable[[], bool]


@contextlib.contextmanager
def recorded(run_id: str) -> Iterator[None]:
    """Hold a run while it trains; what ends the training early is written into its status and log, and goes on.

    Raises
    ------
    Busy
        If another process trains it already.
    InvalidValue
        If it was published: from weights alone no training goes on, and one from the start would take their place.
    """
    runs.refuse_untrainable(run_id, fresh=True)
    before = runs.status(run_id)
    with runs.training_lock(run_id):
        try:
            yield
        except BaseException as error:
            folder = runs.run_folder(run_id)
            if before.state == "finished" and dataclasses.replace(runs.status(run_id), state="finished") == before:
                raise  # nothing was begun, so the run is as finished as it was
            reason = getattr(error, "what", None) or f"{type(error).__name__}: {error}"
            state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            runs.write_status(folder, dataclasses.replace(runs.status(run_id), state=state, message=reason, updated=runs.now()))
            runs.append_log(folder, reason)
            raise


def newest_good(run: Run, total_kimg: float, on_notice: OnNotice | None = None) -> checkpoint.Snapshot | None:
    """The snapshot to go on from, with the statistics cut back to it and the status set to running: from here on a kill shows as lost.

    Raises
    ------
    CorruptFile, InvalidValue
        As :func:`gan_aug.checkpoint.newest_good`.
    """
    folder = runs.run_folder(run.id)
    snapshot, notices = checkpoint.newest_good(run)
    step, kimg = (snapshot.step, snapshot.kimg) if snapshot else (0, 0.0)
    runs.truncate_stats(folder, step)
    for notice in notices:
        runs.append_log(folder, notice)
        if on_notice:
            on_notice(notice)
    runs.write_status(folder, runs.RunStatus("running", step, kimg, total_kimg, 0.0, "Starting.", (), runs.now()))
    return snapshot


def write_tick(
    run_id: str, step: int, kimg: float, total_kimg: float, speed: float, numbers: dict[str, float], flags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Append a line of statistics, renew the status, and return the line. ``speed`` is in images per second, ``flags`` in sentences."""
    folder = runs.run_folder(run_id)
    line = {"step": step, "kimg": round(kimg, 3), "images_per_second": round(speed, 1)}
    line |= {name: round(value, 6) for name, value in numbers.items()}
    runs.append_stats(folder, line)
    runs.write_status(folder, runs.RunStatus("running", step, kimg, total_kimg, speed, "Training.", flags, runs.now()))
    return line


def write_end(run_id: str, finished: bool) -> None:
    """Write how a training ended that was neither killed nor broken."""
    folder, state = runs.run_folder(run_id), "finished" if finished else "stopped"
    message = "Finished." if finished else "Stopped; it can be resumed."
    runs.write_status(folder, dataclasses.replace(runs.status(run_id), state=state, message=message, updated=runs.now()))
    runs.append_log(folder, message)


class Tick:
    """Sums of statistics since the last tick, kept on the device: reading one would make the device wait for the host at every step."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], Tensor] = {}  # steps that have the same statistics are summed together
        self.counts: dict[tuple[str, ...], int] = {}
        self.started, self.images = time.monotonic(), 0

    def add(self, stats: dict[str, Tensor]) -> None:
        """Take in the statistics of a step: 0-d tensors, which may be overwritten afterwards. All of them cost a GPU two launches."""
        names, values = tuple(stats), torch.stack([value.float() for value in stats.values()])
        self.sums[names] = self.sums[names] + values if names in self.sums else values
        self.counts[names] = self.counts.get(names, 0) + 1

    def means(self) -> dict[str, float]:
        """The mean of each statistic.

        Raises
        ------
        Diverged
            If one is infinite or not a number.
        """
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for names, totals in self.sums.items():
            for name, total in zip(names, totals.tolist(), strict=True):
                sums[name] = sums.get(name, 0.0) + total
                counts[name] = counts.get(name, 0) + self.counts[names]
        means = {name: total / counts[name] for name, total in sums.items()}
        broken = [name for name, value in means.items() if not math.isfinite(value)]
        if broken:
            raise Diverged(
                f"{', '.join(broken)} became infinite or not a number.",
                "The last good snapshot is kept. Start a new run with smaller learning rates or precision fp32.",
            )
        return means

    def images_per_second(self) -> float:
        return self.images / max(time.monotonic() - self.started, 1e-9)
