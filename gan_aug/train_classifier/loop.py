"""Training a classifier on the images of one scheme: one loop.

It is that of :mod:`gan_aug.train_gan` in small: two seams (``on_tick``, ``should_stop``), draws keyed by (seed, step), snapshots from which
a stopped or killed training goes on exactly. The weights with the best AUC on val are kept. The test part is not opened here.
"""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gan_aug import backbones, checkpoint, classifier, device, randomness, runs, schemes, stats
from gan_aug.data.dataset import ImageSet, open_dataset
from gan_aug.data.split import load_split
from gan_aug.data.training_list import training_list
from gan_aug.errors import Diverged, InvalidValue
from gan_aug.records import Checkpoint, ClassifierConfig, Run, Scheme, SeenImage, from_dict, to_dict
from gan_aug.schemes import TrainingSet
from gan_aug.train_classifier.gather import gather, order
from gan_aug.training import OnNotice, OnTick, ShouldStop, Tick, newest_good, recorded, write_end, write_tick

# --- before ------------------------------------------------------------------------------------------------------------------------------


def prepare(
    data: str,
    scheme: str,
    config: ClassifierConfig,
    seed: int = 0,
    split_id: str | None = None,
    parent: str | None = None,
    device_name: str = "auto",
) -> Run:
    """Make the folder of a new classifier's training; :func:`train` then fills it.

    The run's scheme is the one that was typed with every snapshot pinned, so that it means the same when it is resumed. Its training list
    holds the train images and whatever its generators and initial weights have seen.

    Raises
    ------
    LeakError
        If a generator, curated set or initial weights have seen images of val or test.
    UserError
        If anything does not exist or fit.
    """
    backbones.check_backbone(config)
    randomness.check_seed(seed)
    image_set, split = open_dataset(data), load_split(data, split_id)
    classes = image_set.record.classes
    parsed = schemes.parse_scheme(scheme)
    generators = schemes.find_generators(parsed, classes)
    schemes.check_resolution(generators, config)
    seen = schemes.seen_images(generators, schemes.curated_images(parsed, classes), backbones.initial_weights(config))
    schemes.refuse_leaks(seen, image_set, split)
    image_set.at(config.resolution)
    rows = split.rows("train")
    order(parsed, generators, image_set, rows, seed)
    run = Run(
        id=runs.new_run_id(config.backbone.replace("efficientnet", "classifier"), config.resolution, data, f"s{seed}"),
        kind="classifier",
        spec=config.backbone,
        config=to_dict(config),
        dataset=data,
        dataset_fingerprint=image_set.record.fingerprint,
        split_id=split.id,
        split_fingerprint=split.fingerprint,
        classes=classes,
        class_name=None,
        n_images=len(rows) if parsed.real else 0,
        seed=seed,
        code_version=runs.code_version(),
        device=str(device.pick(device_name)),
        created=runs.now(),
        scheme=schemes.spell(schemes.freeze(parsed, generators)),
        parent=parent,
        phantom=image_set.record.phantom,
    )
    own = training_list(image_set, split, rows) if parsed.real else []
    runs.create_run(run, _union([*seen.values(), own]))  # the last counts: older lists know no patients
    return run


def _union(lists: list[list[SeenImage]]) -> list[SeenImage]:
    """Several training lists as one, each image once."""
    return list({(image.dataset, image.image_id): image for one in lists for image in one}.values())


# --- parts of a step ---------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Training:
    """Everything that a step needs, and what changes while a classifier is trained."""

    run: Run
    config: ClassifierConfig
    scheme: Scheme
    data: TrainingSet
    model: classifier.Classifier
    optimiser: torch.optim.Optimizer
    class_weights: Tensor  # (n_classes,)
    device: torch.device
    precision: Literal["fp32", "bf16"]
    step: int = 0

    @property
    def kimg(self) -> float:
        return self.step * self.config.batch_size / 1000

    def snapshot(self, metrics: dict[str, float]) -> checkpoint.Snapshot:
        weights, optimisers = {"classifier": self.model.state_dict()}, {"classifier": self.optimiser.state_dict()}
        return checkpoint.Snapshot(self.step, self.kimg, weights, optimisers, "classifier", metrics)

    def restore(self, snapshot: checkpoint.Snapshot) -> None:
        self.model.load_state_dict(snapshot.weights["classifier"])
        self.optimiser.load_state_dict(snapshot.optimisers["classifier"])
        self.step = snapshot.step


def build_training(run: Run, image_set: ImageSet) -> Training:
    """Network, optimiser and images of a run, at its keyed random start or its initial weights."""
    config = from_dict(ClassifierConfig, run.config)
    scheme = schemes.parse_scheme(run.scheme)
    on = device.pick(run.device)
    # Measured: on a CPU bf16 does not make an EfficientNet faster, whatever the processor can do.
    precision = "fp32" if config.precision == "auto" and on.type == "cpu" else device.resolve_precision(config.precision, on)
    data = gather(run, image_set, scheme, config)
    torch.manual_seed(randomness.key(run.seed, "init"))
    model = classifier.build(config, len(run.classes))
    weights = backbones.initial_weights(config)
    if weights:
        classifier.load_weights(model, Path(weights.file))
    classifier.freeze(model, config.frozen_blocks)
    model.to(on, memory_format=torch.channels_last if config.channels_last else torch.contiguous_format)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return Training(
        run=run,
        config=config,
        scheme=scheme,
        data=data,
        model=model.train(),
        optimiser=torch.optim.AdamW(trained, config.lr, weight_decay=config.weight_decay, fused=on.type == "cuda"),
        class_weights=torch.tensor(data.class_weights() if scheme.balance == "weighted" else [1.0] * data.n_classes, device=on).float(),
        device=on,
        precision=precision,
    )


def learning_rate(config: ClassifierConfig, step: int) -> float:
    """The rate of a step: a linear rise over the first ``warmup`` share of the steps, then a cosine down to 0."""
    rise = round(config.warmup * config.steps)
    if step < rise:
        return config.lr * (step + 1) / rise
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / (config.steps - rise)))


def train_step(state: Training) -> dict[str, Tensor]:
    """One update; returns its statistics."""
    seed, config = state.run.seed, state.config
    torch.manual_seed(randomness.key(seed, "step", state.step))  # dropout and stochastic depth
    positions = state.data.batch(seed, state.step, config.batch_size)
    x = classifier.to_tensor(state.data.images(positions), state.device)
    y = torch.from_numpy(state.data.labels[positions]).to(state.device)
    if state.scheme.classic:
        x = classifier.augment(x, torch.Generator().manual_seed(randomness.key(seed, "augment", state.step)))
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(config, state.step)
    with device.autocast(state.precision, state.device):
        logits = state.model(x).float()
    loss = (F.cross_entropy(logits, y, reduction="none") * state.class_weights[y]).mean()
    state.optimiser.zero_grad()
    loss.backward()
    state.optimiser.step()
    state.step += 1
    return {"train/loss": loss.detach(), "train/accuracy": (logits.argmax(1) == y).float().mean()}


def evaluate(state: Training, image_set: ImageSet, rows: np.ndarray) -> dict[str, float]:
    """AUC (each class against the others, averaged) and mean log loss on the val part, which is never resampled."""
    p = classifier.probabilities(state.model, image_set.at(state.config.resolution), rows, state.device)
    y = image_set.labels[rows]
    if not np.isfinite(p).all():
        raise Diverged(
            "The classifier's outputs on val became infinite or not a number.", "Start again with a smaller lr or precision=fp32."
        )
    areas = [stats.auc((y == label).astype(np.int64), p[:, label]) for label in range(p.shape[1])]
    return {"val/auc": float(np.mean(areas)), "val/loss": float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1)).mean())}


# --- the loop ----------------------------------------------------------------------------------------------------------------------------


def train(
    run_id: str, *, on_tick: OnTick | None = None, should_stop: ShouldStop | None = None, on_notice: OnNotice | None = None
) -> Checkpoint:
    """Train a prepared run to its end, going on from its newest good snapshot where there is one.

    Parameters
    ----------
    run_id : str
    on_tick : callable, optional
        Given a dict with step, total_steps, kimg, total_kimg, images_per_second, seconds_left and statistics at every evaluation.
    should_stop : callable, optional
        Asked after every step; when it returns True a snapshot is written and the training returns.
    on_notice : callable, optional
        Told of damaged snapshots and of the one that is used in their place. The log has it too.

    Returns
    -------
    Checkpoint
        The snapshot with the best AUC on val so far.

    Raises
    ------
    Diverged
        If a statistic is no longer finite; the last good snapshot is kept.
    UserError
        If the run is being trained elsewhere, its settings were edited, its snapshots are all damaged, its data are gone, or the disk is
        full.
    """
    with recorded(run_id):
        return _train(runs.load_run(run_id), on_tick or (lambda tick: None), should_stop or (lambda: False), on_notice)


def _train(run: Run, on_tick: OnTick, should_stop: ShouldStop, on_notice: OnNotice | None) -> Checkpoint:
    # Set up.
    image_set = open_dataset(run.dataset)
    if image_set.record.fingerprint != run.dataset_fingerprint:
        raise InvalidValue(f"Dataset {run.dataset} is not the one that run {run.id} was started on.", "Bring it back, or start a new run.")
    val_rows = np.array(load_split(run.dataset, run.split_id).rows("val"), np.int64)
    state = build_training(run, image_set)
    config = state.config
    total_kimg = config.steps * config.batch_size / 1000

    # Resume.
    snapshot = newest_good(run, total_kimg, on_notice)
    if snapshot:
        state.restore(snapshot)
    _log_start(state)

    # Train.
    saved = runs.list_checkpoints(run.id)[-1] if snapshot else None
    best = _find_best(run.id, state.step)
    tick, ended, stopped = Tick(), _has_ended(state, best), False
    while not ended and not stopped:
        tick.add(train_step(state))
        tick.images += config.batch_size
        stopped = should_stop()

        # Now and then: evaluate, report, save. A stop in between is no evaluation, or the best weights would depend on when it came.
        regular = state.step % config.evaluate_every == 0 or state.step == config.steps
        if regular or stopped:
            found = tick.means() | {"train/lr": learning_rate(config, state.step - 1)}  # waits for a GPU: only now are the images done
            speed = tick.images_per_second()
            found |= evaluate(state, image_set, val_rows) if regular else {}
            line = write_tick(run.id, state.step, state.kimg, total_kimg, speed, found)
            left = (config.steps - state.step) * config.batch_size / speed
            on_tick({**line, "total_steps": config.steps, "total_kimg": total_kimg, "seconds_left": left})
            saved = checkpoint.save_snapshot(run, state.snapshot(found))
            best = _keep_best(run.id, state.step)
            ended = _has_ended(state, best)
            tick = Tick()

    if ended:
        checkpoint.thin(run.id, keep=1)
        runs.append_log(runs.run_folder(run.id), f"Best AUC on val: {best.metrics['val/auc']:.4f}, at step {best.step}.")
    write_end(run.id, finished=ended)
    return best or saved


def _log_start(state: Training) -> None:
    """Say in the run's log what is trained, on what, from what."""
    run, data = state.run, state.data
    weights = backbones.initial_weights(state.config)
    counts = np.bincount(data.labels, minlength=data.n_classes)
    images_text = ", ".join(f"{count} {name}" for name, count in zip(run.classes, counts, strict=True))
    for line in (
        f"{'Resuming' if state.step else 'Starting'} at step {state.step} of {state.config.steps} on {device.describe(state.device)}, "
        f"{state.precision}.",
        f"Scheme {run.scheme}: {len(data.rows)} real and {len(data.synthetic)} synthetic images ({images_text}).",
        f"{run.spec} starts from {weights or backbones.SCRATCH}.",
    ):
        runs.append_log(runs.run_folder(run.id), line)


def _has_ended(state: Training, best: Checkpoint | None) -> bool:
    """Whether all steps are done, or ``patience`` evaluations brought no better AUC."""
    if state.step >= state.config.steps:
        return True
    patience = state.config.patience
    return bool(patience and best) and (state.step - best.step) // state.config.evaluate_every >= patience


def _find_best(run_id: str, step: int) -> Checkpoint | None:
    """The snapshot with the best AUC on val up to ``step``, the earlier of equals."""
    evaluated = [made for made in runs.list_checkpoints(run_id) if made.step <= step and "val/auc" in made.metrics]
    return max(evaluated, key=lambda made: (made.metrics["val/auc"], -made.step), default=None)


def _keep_best(run_id: str, step: int) -> Checkpoint | None:
    """Note which snapshot is the best so far, and delete those that are neither the best nor one of the newest two."""
    best = _find_best(run_id, step)
    if best:
        runs.choose_best(run_id, best.step, f"AUC {best.metrics['val/auc']:.4f} on val")
    for old in runs.list_checkpoints(run_id)[:-2]:
        if best is None or old.step != best.step:
            (Path(old.folder) / "meta.json").unlink()  # without it the folder is no snapshot, should the deletion be cut short
            shutil.rmtree(old.folder)
    return best
