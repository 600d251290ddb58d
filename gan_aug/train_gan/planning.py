"""What a training would be, settled and checked before anything is computed."""

from typing import Any

import numpy as np
import torch

from gan_aug import catalog, device, gans, randomness, runs
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.data.training_list import training_list
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import RESOLUTIONS, GanConfig, Run, from_dict, to_dict
from gan_aug.train_gan import ranks
from gan_aug.train_gan.state import n_classes, training_rows


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
    ranks.launched().share(config.batch_size)
    image_set = open_dataset(data)
    record = image_set.record
    randomness.check_seed(seed)
    if config.resolution > record.size:
        raise InvalidValue(
            f"Dataset {data} holds images of {record.size} px, and {config.resolution} px were asked for.",
            _what_fits(record.size, config.resolution),
        )
    if config.snapshot_kimg < config.tick_kimg:
        raise InvalidValue(
            f"A snapshot every {config.snapshot_kimg:g} thousand images was asked for (snapshot_kimg), but one is written only where "
            f"statistics are, every {config.tick_kimg:g} (tick_kimg).",
            f"Set tick_kimg to {config.snapshot_kimg:g} or less too, or snapshot_kimg to {config.tick_kimg:g} or more.",
        )
    if class_name is not None and class_name not in record.classes:
        raise NotFound(f"Dataset {data} has no class {class_name!r}.", f"Its classes are {', '.join(record.classes)}.")
    if entry.conditional and class_name is not None:
        raise InvalidValue(f"{entry.name} learns all classes together.", "Leave the class out; it is chosen when sampling.")
    if entry.conditional and len(record.classes) < 2:
        raise InvalidValue(f"{entry.name} needs at least two classes, and {data} has one.", "Use another GAN, or another dataset.")

    split = load_split(data, split_id)
    rows = training_rows(image_set, split, class_name)
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


def _what_fits(size: int, wanted: int) -> str:
    """What to do about images of ``size`` px, which are smaller than ``wanted``."""
    smaller = [str(resolution) for resolution in RESOLUTIONS if resolution <= size]
    if smaller:
        return f"Train at {' or '.join(smaller)} px, or import the images again with --size {wanted}."
    return f"Import the images again with --size {wanted}; GANs are trained at {', '.join(map(str, RESOLUTIONS))} px."


def prepare(gan: str, data: str, **options: Any) -> Run:
    """Make the folder of a new training (options as :func:`plan`); :func:`train` then fills it."""
    run, rows = plan(gan, data, **options)
    image_set = open_dataset(data)
    runs.create_run(run, training_list(image_set, load_split(data, run.split_id), rows))
    return run


def parameter_counts(run: Run) -> dict[str, int]:
    """Numbers of trainable parameters of G and D, counted without allocating them."""
    with torch.device("meta"):
        networks = gans.spec(run.spec).build(from_dict(GanConfig, run.config), n_classes(run))
    return {name: sum(p.numel() for p in network.parameters()) for name, network in zip("GD", networks, strict=True)}
