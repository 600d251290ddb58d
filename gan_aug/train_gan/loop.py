"""Training a GAN: one loop for all of them, which knows none of them.

The outside has two seams: ``on_tick`` is told the numbers of every tick, and ``should_stop`` is asked after every step. Every draw is a
function of (seed, step), so a training that was stopped or killed and resumed ends, on a CPU, with the very weights of one that was not.
"""

import contextlib

import numpy as np
import torch
from torch import Tensor

from gan_aug import catalog, checkpoint, device, files, gans, images, randomness, runs
from gan_aug.errors import Diverged, InvalidValue
from gan_aug.gans.augment import diff_augment
from gan_aug.gans.blocks import r1_penalty
from gan_aug.records import Checkpoint, GanConfig, Run, from_dict
from gan_aug.train_gan import health
from gan_aug.train_gan.ranks import Ranks, joined
from gan_aug.train_gan.state import GRID_SIDE, Training, TrainingImages, build_training, grid_classes, sample_pictures
from gan_aug.training import OnNotice, OnTick, ShouldStop, Tick, newest_good, recorded, write_end, write_tick

FULL_SNAPSHOTS = 2  # older ones keep only the weights that are sampled


def train_step(state: Training, data: TrainingImages, precision: str) -> dict[str, Tensor]:
    """One update of G after ``d_steps`` updates of D; returns their statistics, which the next step may overwrite."""
    config, d_steps = state.config, state.config.d_steps
    torch.manual_seed(randomness.key(state.run.seed, "step", state.step, *state.ranks.key()))
    state.set_learning_rates()
    data.load(state.step)
    if state.averaged:
        state.averaged.set_weight(config.step_images, (state.step + 1) * config.step_images)
    penalised = tuple(update % config.r1_every == 0 for update in range(state.step * d_steps, (state.step + 1) * d_steps))

    def compute() -> dict[str, Tensor]:
        return _update(state, data, precision, penalised)

    stats = state.graphs.run(penalised, compute) if state.graphs else compute()
    state.step += 1
    return stats


def _update(state: Training, data: TrainingImages, precision: str, penalised: tuple[bool, ...]) -> dict[str, Tensor]:
    """What a step computes, all on the device, once what it reads from the host is in place. R1 and R2 are due in the turns ``penalised``.

    With one D step, G learns from the fakes that D has just seen, which saves generating them twice; with several, it draws a z of its own.
    """
    config, on = state.config, data.device
    spec = gans.spec(state.run.spec)
    conditional = catalog.entry(spec.name).conditional
    ranks = state.ranks
    stats: dict[str, Tensor] = {}

    def augment(images: Tensor) -> Tensor:
        return diff_augment(images, config.augment, state.adaptive.share if state.adaptive else None)

    def generate(y: Tensor | None) -> Tensor:
        z = torch.randn(ranks.share(config.batch_size), config.z_dim, device=on)
        with device.autocast(precision, on):
            return state.G(z, y).float()

    state.D.requires_grad_(True)
    for turn in range(config.d_steps):
        real, labels = data.batch(turn)
        y = labels if conditional else None
        with torch.set_grad_enabled(config.d_steps == 1):
            fake = generate(y)
        real = augment(real)
        with device.autocast(precision, on):
            shown = augment(fake.detach())
            loss, d_stats = spec.d_loss(state.D, real, shown, y, config)
            stats |= {"D/loss": loss.detach(), **d_stats}
            for name, gamma, side in (("D/r1", config.r1_gamma, real), ("D/r2", config.r2_gamma, shown)):
                if gamma and penalised[turn]:
                    penalty = r1_penalty(state.D, side)
                    loss = loss + config.r1_every * gamma / 2 * penalty
                    stats[name] = penalty.detach()
        state.d_optimiser.zero_grad()
        loss.backward()
        ranks.average_gradients(state.D)
        state.d_optimiser.step()
        if state.adaptive:
            state.adaptive.update(ranks.average(stats["D/real_sign"]), config.batch_size)
            stats["D/augment"] = state.adaptive.share.clone()

    state.D.requires_grad_(False)  # its weights' gradients are not needed here, and cost a tenth of the step
    if config.d_steps > 1:
        fake = generate(y)
    with device.autocast(precision, on):
        loss, g_stats = spec.g_loss(state.D, real, augment(fake), y, config)
    state.g_optimiser.zero_grad()
    loss.backward()
    ranks.average_gradients(state.G)
    state.g_optimiser.step()
    ranks.average_buffers((state.G, state.D))

    if state.averaged:
        state.averaged.update(state.G)
    return stats | {"G/loss": loss.detach(), **g_stats}


def train(
    run_id: str, *, on_tick: OnTick | None = None, should_stop: ShouldStop | None = None, on_notice: OnNotice | None = None
) -> Checkpoint:
    """Train a prepared run to its end, going on from its newest good snapshot where there is one.

    Where ``torchrun`` started several processes, each calls this and takes its share; ``on_tick`` is called on rank 0 only, and a stop that
    any rank wishes stops all.

    Parameters
    ----------
    run_id : str
    on_tick : callable, optional
        Given a dict with step, kimg, total_kimg, images_per_second, seconds_left and the mean statistics of every tick.
    should_stop : callable, optional
        Asked after every step; when it returns True a snapshot is written and the training returns.
    on_notice : callable, optional
        Told, on rank 0, of damaged snapshots and of the one that is used in their place. The log has it too.

    Returns
    -------
    Checkpoint
        The last snapshot.

    Raises
    ------
    Diverged
        If a statistic or a weight is no longer finite; the last good snapshot is kept.
    UserError
        If the run is being trained elsewhere, its settings were edited, its snapshots are all damaged, its data are gone, the disk or the
        memory is full, or another process of it failed.
    """
    with joined() as ranks, recorded(run_id) if ranks.main else contextlib.nullcontext():
        run = runs.load_run(run_id)
        with health.memory_explained(from_dict(GanConfig, run.config)), device.own_stream(device.pick(run.device)):
            return _train(run, ranks, on_tick or (lambda tick: None), should_stop or (lambda: False), on_notice)


def _train(run: Run, ranks: Ranks, on_tick: OnTick, should_stop: ShouldStop, on_notice: OnNotice | None) -> Checkpoint:
    # Set up.
    folder, on = runs.run_folder(run.id), device.pick(run.device)
    if ranks.world > 1 and on.index is not None:
        raise InvalidValue(f"{ranks.world} processes cannot all train on {on}.", "Start the run with --device cuda: each takes a GPU.")
    ranks.share(from_dict(GanConfig, run.config).batch_size)  # what cannot be shared out is refused before anything is computed
    state = build_training(run, on, ranks)
    config = state.config
    precision = device.resolve_precision(config.precision, on)
    data = TrainingImages(run, config, on, ranks)
    step_images, total_steps = config.step_images, config.total_steps
    tick_steps = max(1, round(config.tick_kimg * 1000 / step_images))
    snapshot_steps = tick_steps * max(1, round(config.snapshot_kimg / config.tick_kimg))

    # Resume.
    snapshot = ranks.from_main(lambda: newest_good(run, config.total_kimg, on_notice))
    if snapshot:
        state.restore(snapshot)
    if ranks.main:
        verb, together = "Resuming" if snapshot else "Starting", f", {ranks.world} processes" if ranks.world > 1 else ""
        runs.append_log(folder, f"{verb} at step {state.step} of {total_steps} on {device.describe(on)}, {precision}{together}.")

    # Watch.
    classes = grid_classes(run)
    some, others, some_classes = data.two_sets(health.COVERING)
    reference = health.Reference(data.examples(classes), some, others)
    watch = health.Watch(folder, runs.read_stats(run.id)[0])
    variety_steps = tick_steps * health.VARIETY_TICKS

    def report(numbers: dict[str, float], speed: float, pictures: np.ndarray | None) -> None:
        if pictures is not None:
            numbers["diversity"] = reference.diversity(pictures, classes)
        flags = watch.add({"kimg": state.kimg, **numbers})
        line = write_tick(run.id, state.step, state.kimg, config.total_kimg, speed, numbers, flags)
        on_tick({**line, "total_kimg": config.total_kimg, "seconds_left": (total_steps - state.step) * step_images / speed})

    def save(metrics: dict[str, float], pictures: np.ndarray) -> Checkpoint:
        saved = checkpoint.save_snapshot(run, state.snapshot(metrics))
        checkpoint.thin(run.id, FULL_SNAPSHOTS)
        origin = runs.statement() | {"run": run.id, "checkpoint": saved.id, "step": state.step}
        files.write_bytes(folder / "grids" / f"step-{state.step:08d}.png", images.png_bytes(images.grid(pictures, GRID_SIDE), origin))
        return saved

    # Train.
    saved = runs.list_checkpoints(run.id)[-1] if snapshot else None
    tick, stopped = Tick(), False
    while state.step < total_steps and not stopped:
        tick.add(train_step(state, data, precision))
        tick.images += step_images
        stopped = ranks.stop(should_stop())

        # Once per tick: report, and now and then save; rank 0 does it, and the others wait for it at their next meeting.
        ended = state.step == total_steps or stopped
        if state.step % tick_steps == 0 or ended:
            means = ranks.average_numbers(tick.means())  # waits for a GPU: only now are the tick's images done
            speed = tick.images_per_second()
            due = state.step % snapshot_steps == 0 or ended
            if due:
                ranks.require_equal(state.networks.values(), state.step)
            if ranks.main:
                pictures = _generate(state, on, classes) if due or state.step % variety_steps == 0 else None
                if due and reference.covered is not None:
                    means |= reference.covering(sample_pictures(state, on, len(some), None if classes is None else some_classes))
                report(means, speed, pictures)
                if due:
                    saved = save(means, pictures)
            tick = Tick()

    if ranks.main:
        write_end(run.id, finished=state.step == total_steps)
    return ranks.from_main(lambda: saved)


def _generate(state: Training, on: torch.device, classes: np.ndarray | None) -> np.ndarray:
    """The pictures of the 64 fixed seeds.

    Raises
    ------
    Diverged
        If a weight is infinite or not a number: pictures would show it too late, and a snapshot must not hold it.
    """
    if not state.weights_are_finite():
        raise Diverged(
            "A weight became infinite or not a number.", "The last good snapshot is kept. Start a new run with smaller learning rates."
        )
    return sample_pictures(state, on, GRID_SIDE**2, classes)
