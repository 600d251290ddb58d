"""Training a GAN: one loop for all of them, which knows none of them.

The outside has two seams: ``on_tick`` is told the numbers of every tick, and ``should_stop`` is asked after every step. Every draw is a
function of (seed, step), so a training that was stopped or killed and resumed ends, on a CPU, with the very weights of one that was not.
"""

import copy
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_aug import catalog, checkpoint, device, files, gans, images, latent, randomness, runs
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.data.training_list import training_list
from gan_aug.errors import Diverged, InvalidValue, NotFound
from gan_aug.gans.augment import diff_augment, dihedral
from gan_aug.gans.blocks import r1_penalty
from gan_aug.records import Checkpoint, GanConfig, Run, from_dict, to_dict

OnTick = Callable[[dict[str, Any]], None]

GRID_SIDE = 8
FULL_SNAPSHOTS = 2  # older ones keep only the weights that are sampled


# --- before ------------------------------------------------------------------------------------------------------------------------------


def plan(
    gan: str,
    data: str,
    *,
    class_name: str | None = None,
    preset: str = "small-data",
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    split_id: str | None = None,
    parent: str | None = None,
    device_name: str = "auto",
) -> tuple[Run, np.ndarray]:
    """Settle what a training would be, without touching the disk beyond making the default split.

    Returns
    -------
    Run, and the table rows of its training images (int64, ascending)

    Raises
    ------
    UserError
        If the GAN, preset, dataset, split, class or a setting does not exist or does not fit.
    """
    entry = catalog.entry(gan)
    config = catalog.gan_config(gan, preset, **(settings or {}))
    image_set = open_dataset(data)
    record = image_set.record
    if config.resolution > record.size:
        raise InvalidValue(
            f"Dataset {data} holds images of {record.size} px, and {config.resolution} px were asked for.",
            f"Train at {record.size} px or less, or import the images again with --size {config.resolution}.",
        )
    if class_name is not None and class_name not in record.classes:
        raise NotFound(f"Dataset {data} has no class {class_name!r}.", f"Its classes are {', '.join(record.classes)}.")
    if entry.conditional and class_name is not None:
        raise InvalidValue(f"{entry.name} learns all classes together.", "Leave the class out; it is chosen when sampling.")
    if entry.conditional and len(record.classes) < 2:
        raise InvalidValue(f"{entry.name} needs at least two classes, and {data} has one.", "Use another GAN, or another dataset.")
    if seed < 0:
        raise InvalidValue(f"Seed {seed} is negative.", "Use a whole number, 0 or above.")

    split = load_split(data, split_id)
    rows = np.array(split.rows("train"), dtype=np.int64)
    if class_name is not None:
        rows = rows[image_set.labels[rows] == record.classes.index(class_name)]
    if len(rows) < 2:
        raise InvalidValue(f"The train part of {data} has {len(rows)} images of that class.", "Import more images, or leave the class out.")
    run = Run(
        id=runs.new_run_id(entry.name, config.resolution, data, class_name or "all", f"s{seed}"),
        kind="gan",
        spec=entry.name,
        config=to_dict(config),
        dataset=data,
        dataset_fingerprint=record.fingerprint,
        split_id=split.id,
        split_fingerprint=split.fingerprint,
        classes=record.classes,
        class_name=class_name,
        n_images=len(rows),
        seed=seed,
        code_version=runs.code_version(),
        device=device_name if device_name != "auto" else str(device.pick("auto")),
        created=runs.now(),
        preset=preset,
        parent=parent,
        phantom=record.phantom,
    )
    device.pick(run.device)
    return run, rows


def prepare(gan: str, data: str, **options: Any) -> Run:
    """Make the folder of a new training (options as :func:`plan`); :func:`train` then fills it."""
    run, rows = plan(gan, data, **options)
    image_set = open_dataset(data)
    runs.create_run(run, training_list(image_set, load_split(data, run.split_id), rows))
    return run


def parameter_counts(run: Run) -> dict[str, int]:
    """Numbers of trainable parameters of G and D, counted without allocating them."""
    with torch.device("meta"):
        networks = gans.spec(run.spec).build(from_dict(GanConfig, run.config), _n_classes(run))
    return {name: sum(p.numel() for p in network.parameters()) for name, network in zip("GD", networks, strict=True)}


def _n_classes(run: Run) -> int:
    return len(run.classes) if catalog.entry(run.spec).conditional else 0


# --- parts of a step ---------------------------------------------------------------------------------------------------------------------


class TrainingImages:
    """The training images as uint8, resident on the device where they fit, given out as batches in a keyed order."""

    def __init__(self, run: Run, config: GanConfig, on: torch.device):
        image_set = open_dataset(run.dataset)
        if image_set.record.fingerprint != run.dataset_fingerprint:
            raise InvalidValue(
                f"Dataset {run.dataset} is not the one that run {run.id} was started on.",
                "Start a new run, or bring the dataset back that it was started on.",
            )
        split = load_split(run.dataset, run.split_id)
        rows = np.array(split.rows("train"), dtype=np.int64)
        labels = image_set.labels[rows]
        if run.class_name is not None:
            mine = labels == run.classes.index(run.class_name)
            rows, labels = rows[mine], labels[mine]
        self.images = torch.from_numpy(np.ascontiguousarray(image_set.at(config.resolution)[rows]))
        self.labels = torch.from_numpy(labels)
        self.device = on
        if on.type == "cuda" and self.images.nbytes < torch.cuda.mem_get_info(on)[0] / 2:
            self.images, self.labels = self.images.to(on), self.labels.to(on)
        self.seed, self.config = run.seed, config

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Batch ``number`` of the endless sequence of epochs: images (N, 3, R, R) in [-1, 1] and class numbers (N,)."""
        rows = torch.from_numpy(randomness.batch_rows(self.seed, number, self.config.batch_size, len(self.images))).to(self.images.device)
        pixels = self.images[rows].to(self.device).permute(0, 3, 1, 2)
        if self.config.dihedral:
            pixels = dihedral(pixels)
        return device.to_float(pixels), self.labels[rows].to(self.device)


class AveragedG:
    """Exponential moving average of G, buffers included (without BatchNorm's statistics an average cannot be used for sampling).

    ``half_life`` is in images; the ramp-up keeps it below a share of the images seen, so that the random start is soon forgotten.
    """

    def __init__(self, G: nn.Module, config: GanConfig):
        self.network = copy.deepcopy(G).eval().requires_grad_(False)
        self.half_life, self.rampup = config.ema_kimg * 1000, config.ema_rampup

    @torch.no_grad()
    def update(self, G: nn.Module, batch_size: int, images_seen: float) -> None:
        half_life = max(1e-8, min(self.half_life, images_seen * self.rampup) if self.rampup else self.half_life)
        weight = 1 - 0.5 ** (batch_size / half_life)
        for mine, theirs in zip(self.network.state_dict().values(), G.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, weight)
            else:
                mine.copy_(theirs)


class Tick:
    """Sums of statistics since the last tick, kept on the device: reading one would make the device wait for the host at every step."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.started, self.images = time.monotonic(), 0

    def add(self, stats: dict[str, Tensor]) -> None:
        for name, value in stats.items():
            self.sums[name] = self.sums[name] + value.float() if name in self.sums else value.float()
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """The mean of each statistic.

        Raises
        ------
        Diverged
            If one is infinite or not a number.
        """
        means = {name: (total / self.counts[name]).item() for name, total in self.sums.items()}
        broken = [name for name, value in means.items() if not math.isfinite(value)]
        if broken:
            raise Diverged(
                f"{', '.join(broken)} became infinite or not a number.",
                "The last good snapshot is kept. Start a new run with smaller learning rates or precision fp32.",
            )
        return means

    def images_per_second(self) -> float:
        return self.images / max(time.monotonic() - self.started, 1e-9)


@dataclasses.dataclass
class Training:
    """Everything that changes while a GAN is trained."""

    run: Run
    config: GanConfig
    G: nn.Module
    D: nn.Module
    averaged: AveragedG | None
    g_optimiser: torch.optim.Optimizer
    d_optimiser: torch.optim.Optimizer
    step: int = 0

    @property
    def kimg(self) -> float:
        return self.step * self.config.d_steps * self.config.batch_size / 1000

    @property
    def sampler(self) -> nn.Module:
        """The network that is sampled: the average where there is one."""
        return self.averaged.network if self.averaged else self.G

    def snapshot(self, metrics: dict[str, float]) -> checkpoint.Snapshot:
        networks = {"G": self.G, "D": self.D} | ({"G_ema": self.averaged.network} if self.averaged else {})
        return checkpoint.Snapshot(
            step=self.step,
            kimg=self.kimg,
            weights={name: network.state_dict() for name, network in networks.items()},
            optimisers={"G": self.g_optimiser.state_dict(), "D": self.d_optimiser.state_dict()},
            sampled="G_ema" if self.averaged else "G",
            metrics=metrics,
        )

    def restore(self, snapshot: checkpoint.Snapshot) -> None:
        self.G.load_state_dict(snapshot.weights["G"])
        self.D.load_state_dict(snapshot.weights["D"])
        if self.averaged:
            self.averaged.network.load_state_dict(snapshot.weights["G_ema"])
        self.g_optimiser.load_state_dict(snapshot.optimisers["G"])
        self.d_optimiser.load_state_dict(snapshot.optimisers["D"])
        self.step = snapshot.step

    def weights_are_finite(self) -> bool:
        return all(bool(torch.isfinite(p).all()) for network in (self.G, self.D) for p in network.parameters())


def build_training(run: Run, on: torch.device) -> Training:
    """Networks and optimisers of a run, at their keyed random start."""
    config = from_dict(GanConfig, run.config)
    torch.manual_seed(randomness.key(run.seed, "init"))
    G, D = gans.spec(run.spec).build(config, _n_classes(run))
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    G, D = G.to(on, memory_format=layout), D.to(on, memory_format=layout)
    betas = (config.beta1, config.beta2)
    return Training(
        run=run,
        config=config,
        G=G,
        D=D,
        averaged=AveragedG(G, config) if config.ema_kimg else None,
        g_optimiser=torch.optim.Adam(G.parameters(), config.g_lr, betas, fused=on.type == "cuda"),
        d_optimiser=torch.optim.Adam(D.parameters(), config.d_lr, betas, fused=on.type == "cuda"),
    )


def train_step(state: Training, data: TrainingImages, precision: str) -> dict[str, Tensor]:
    """One update of G after ``d_steps`` updates of D; returns their statistics.

    With one D step, G learns from the fakes that D has just seen, which saves painting them twice; with several, it draws a z of its own.
    """
    config, on = state.config, data.device
    spec = gans.spec(state.run.spec)
    conditional = catalog.entry(spec.name).conditional
    torch.manual_seed(randomness.key(state.run.seed, "step", state.step))
    stats: dict[str, Tensor] = {}

    def paint(y: Tensor | None) -> Tensor:
        z = torch.randn(config.batch_size, config.z_dim, device=on)
        with device.autocast(precision, on):
            return state.G(z, y).float()

    state.D.requires_grad_(True)
    for turn in range(config.d_steps):
        update = state.step * config.d_steps + turn
        real, labels = data.batch(update)
        y = labels if conditional else None
        with torch.set_grad_enabled(config.d_steps == 1):
            fake = paint(y)
        real = diff_augment(real, config.augment)
        with device.autocast(precision, on):
            loss, d_stats = spec.d_loss(state.D, real, diff_augment(fake.detach(), config.augment), y, config)
            stats |= {"D/loss": loss.detach(), **d_stats}
            if config.r1_gamma and update % config.r1_every == 0:
                penalty = r1_penalty(state.D, real)
                loss = loss + config.r1_every * config.r1_gamma / 2 * penalty
                stats["D/r1"] = penalty.detach()
        state.d_optimiser.zero_grad()
        loss.backward()
        state.d_optimiser.step()

    state.D.requires_grad_(False)  # its weights' gradients are not needed here, and cost a tenth of the step
    if config.d_steps > 1:
        fake = paint(y)
    with device.autocast(precision, on):
        loss, g_stats = spec.g_loss(state.D, real, diff_augment(fake, config.augment), y, config)
    state.g_optimiser.zero_grad()
    loss.backward()
    state.g_optimiser.step()

    state.step += 1
    if state.averaged:
        state.averaged.update(state.G, config.batch_size * config.d_steps, state.kimg * 1000)
    return stats | {"G/loss": loss.detach(), **g_stats}


@torch.no_grad()
def sample_grid(state: Training, on: torch.device) -> np.ndarray:
    """The pictures of seeds 0 to 63 as one image, (8R, 8R, 3) uint8; the classes of a conditional GAN take turns by row."""
    seeds = list(range(GRID_SIDE**2))
    z = torch.from_numpy(latent.z_of_seeds(seeds, state.config.z_dim)).to(on)
    classes = _n_classes(state.run)
    y = torch.tensor([seed // GRID_SIDE % classes for seed in seeds], device=on) if classes else None
    network = state.sampler
    was_training = network.training
    fakes = network.eval()(z, y).float().cpu().permute(0, 2, 3, 1).numpy()
    network.train(was_training)
    return images.grid(images.to_uint8(fakes), GRID_SIDE)


# --- the loop ----------------------------------------------------------------------------------------------------------------------------


def train(run_id: str, *, on_tick: OnTick | None = None, should_stop: Callable[[], bool] | None = None) -> Checkpoint:
    """Train a prepared run to its end, going on from its newest good snapshot where there is one.

    Parameters
    ----------
    run_id : str
    on_tick : callable, optional
        Given a dict with step, kimg, total_kimg, images_per_second, seconds_left and the mean statistics of every tick.
    should_stop : callable, optional
        Asked after every step; when it returns True a snapshot is written and the training returns.

    Returns
    -------
    Checkpoint
        The last snapshot.

    Raises
    ------
    Diverged
        If a statistic or a weight is no longer finite; the last good snapshot is kept.
    UserError
        If the run is being trained elsewhere, its data are gone, or the disk is full.
    """
    with runs.training_lock(run_id):
        run, folder = runs.load_run(run_id), runs.run_folder(run_id)
        try:
            return _train(run, on_tick or (lambda tick: None), should_stop or (lambda: False))
        except BaseException as error:
            reason = getattr(error, "what", None) or f"{type(error).__name__}: {error}"
            state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            runs.write_status(folder, dataclasses.replace(runs.status(run_id), state=state, message=reason, updated=runs.now()))
            runs.append_log(folder, reason)
            raise


def _train(run: Run, on_tick: OnTick, should_stop: Callable[[], bool]) -> Checkpoint:
    # Set up.
    folder, on = runs.run_folder(run.id), device.pick(run.device)
    state = build_training(run, on)
    config = state.config
    precision = device.resolve_precision(config.precision, on)
    data = TrainingImages(run, config, on)
    step_images = config.batch_size * config.d_steps
    total_steps = math.ceil(config.total_kimg * 1000 / step_images)
    tick_steps = max(1, round(config.tick_kimg * 1000 / step_images))
    snapshot_steps = tick_steps * max(1, round(config.snapshot_kimg / config.tick_kimg))

    # Resume.
    snapshot, notices = checkpoint.newest_good(run.id)
    if snapshot:
        state.restore(snapshot)
    runs.truncate_stats(folder, state.step)
    for notice in notices:
        runs.append_log(folder, notice)
    runs.append_log(
        folder, f"{'Resuming' if state.step else 'Starting'} at step {state.step} of {total_steps} on {device.describe(on)}, {precision}."
    )

    def report(tick: Tick, run_state: runs.State, message: str) -> dict[str, float]:
        means, speed = tick.means(), tick.images_per_second()
        line = {"step": state.step, "kimg": round(state.kimg, 3), "images_per_second": round(speed, 1)}
        line |= {name: round(value, 6) for name, value in means.items()}
        runs.append_stats(folder, line)
        status = runs.RunStatus(run_state, state.step, state.kimg, config.total_kimg, speed, message, (), runs.now())
        runs.write_status(folder, status)
        left = (total_steps - state.step) * step_images / max(speed, 1e-9)
        on_tick({**line, "total_kimg": config.total_kimg, "seconds_left": left})
        return means

    def save(metrics: dict[str, float]) -> Checkpoint:
        if not state.weights_are_finite():
            raise Diverged(
                "A weight became infinite or not a number.", "The last good snapshot is kept. Start a new run with smaller rates."
            )
        saved = checkpoint.save_snapshot(run, state.snapshot(metrics))
        checkpoint.thin(run.id, FULL_SNAPSHOTS)
        files.write_bytes(folder / "grids" / f"step-{state.step:08d}.png", images.png_bytes(sample_grid(state, on), None))
        return saved

    # Train.
    saved = runs.list_checkpoints(run.id)[-1] if snapshot else None
    tick = Tick()
    stopped = False
    while state.step < total_steps and not stopped:
        tick.add(train_step(state, data, precision))
        tick.images += step_images
        stopped = should_stop()

        # Once per tick: report, and now and then save.
        done = state.step == total_steps
        if state.step % tick_steps == 0 or done or stopped:
            message = "Finished." if done else "Stopped; it can be resumed." if stopped else "Training."
            means = report(tick, "running", message)
            if state.step % snapshot_steps == 0 or done or stopped:
                saved = save(means)
            tick = Tick()

    final = dataclasses.replace(runs.status(run.id), state="finished" if state.step >= total_steps else "stopped", updated=runs.now())
    runs.write_status(folder, final)
    runs.append_log(folder, final.message)
    return saved
