"""The training images of a run: the rows of its scheme, and synthetic images generated or read."""

import io

import numpy as np

from gan_aug import files, images, sample, schemes, workspace
from gan_aug.data.dataset import ImageSet
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue
from gan_aug.records import ClassifierConfig, Run, Scheme
from gan_aug.schemes import Generator, Order, TrainingSet


def gather(run: Run, image_set: ImageSet, scheme: Scheme, config: ClassifierConfig) -> TrainingSet:
    """The training images of a run, with the synthetic ones generated.

    Raises
    ------
    UserError
        If a class would be empty, or an image cannot be had.
    """
    classes = image_set.record.classes
    rows = load_split(run.dataset, run.split_id).rows("train")
    generators = schemes.find_generators(scheme, classes)
    digests = {generator.checkpoint: generator.weights_sha256 for generator in generators}
    return schemes.training_set(
        image_set.at(config.resolution),
        image_set.labels,
        rows,
        scheme,
        classes,
        order(scheme, generators, image_set, rows, run.seed),
        lambda order: _generate(order, digests[order.checkpoint], config.resolution),
        _read_curated(scheme, classes, config.resolution),
    )


def order(scheme: Scheme, generators: tuple[Generator, ...], image_set: ImageSet, rows: list[int], seed: int) -> list[Order]:
    """The synthetic images that a scheme wants beside the train images ``rows``; see :func:`gan_aug.schemes.order_images`."""
    classes, labels = image_set.record.classes, image_set.labels[rows]
    counts = {name: int((labels == position).sum()) for position, name in enumerate(classes)}
    return schemes.order_images(scheme, generators, classes, counts, seed)


def _generate(order: Order, weights_sha256: str, size: int) -> np.ndarray:
    """The images of an order, (count, size, size, 3) uint8, kept so that a resumed cell need not generate them again."""
    name = files.sha256_bytes(f"{weights_sha256}/{order.class_name}/{order.first_seed}/{order.count}/{size}".encode())[:24]
    path = workspace.home() / "cache" / "synthetic" / f"{name}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r", allow_pickle=False)
    seeds = list(range(order.first_seed, order.first_seed + order.count))
    generated, _ = sample.sample(order.checkpoint, seeds, order.class_name)
    generated = images.resize(generated, size) if generated.shape[1] != size else generated
    content = io.BytesIO()
    np.save(content, generated)
    files.write_bytes(path, content.getvalue())
    return generated


def _read_curated(scheme: Scheme, classes: tuple[str, ...], size: int) -> tuple[np.ndarray, list[str]] | None:
    """The pictures of a scheme's curated set, (n, size, size, 3) uint8, and their classes."""
    found = schemes.curated_images(scheme, classes)
    if not found:
        return None
    pictures = []
    for picture in found:
        schemes.check_bytes(picture)
        read = images.read_picture(picture.path, size)
        if read.width < size:
            raise InvalidValue(
                f"The curated set {scheme.curated!r} holds images of {read.width} px, and the classifier looks at {size} px.",
                f"Set resolution={read.width}: enlarged images are soft, and softness would tell the classes apart.",
            )
        pictures.append(read.pixels)
    return np.stack(pictures), [picture.class_name for picture in found]
