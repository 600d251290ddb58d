"""The training images of a scheme: real rows of a stored dataset, then synthetic images, and the order in which they are shown."""

import dataclasses
from collections.abc import Callable

import numpy as np

from gan_aug import randomness
from gan_aug.errors import InvalidValue
from gan_aug.records import Scheme
from gan_aug.schemes.sources import Generator


@dataclasses.dataclass(frozen=True)
class Order:
    """Synthetic images of one class to be generated: those of the seeds ``first_seed``, ``first_seed + 1``, ..."""

    checkpoint: str
    class_name: str
    first_seed: int
    count: int


def order_images(
    scheme: Scheme, generators: tuple[Generator, ...], classes: tuple[str, ...], counts: dict[str, int], seed: int
) -> list[Order]:
    """How many images of which class each generator has to generate.

    Parameters
    ----------
    counts : dict
        Real training images of each class; ratios are relative to them.
    seed : int
        Of the classifier, below 10**9. Each has images of its own, none of them among the small seeds that people look at.

    Raises
    ------
    InvalidValue
        If nothing would be generated, or a scheme without real images would have none of a class.
    """
    if not generators:
        return []
    orders = []
    for generator in generators:
        for name in generator.classes:
            wanted = max(counts.values()) - counts[name] if scheme.balance == "synthetic" else round(scheme.ratio * counts[name])
            first = (seed + 1) * 10**9 + classes.index(name) * 10**7
            if wanted > 0:
                orders.append(Order(generator.checkpoint, name, first, wanted))
    if not orders:
        there = ", ".join(f"{counts[name]} {name}" for name in classes)
        raise InvalidValue(f"The scheme {scheme.name!r} adds no image to {there}.", "Use a run of a rarer class, or a larger ratio.")
    missing = sorted(set(classes) - {order.class_name for order in orders})
    if not scheme.real and missing:
        raise InvalidValue(
            f"The scheme {scheme.name!r} uses no real images, and nothing generates {missing[0]} ones.",
            "Join one run for each class: synthetic-only:RUN1&RUN2.",
        )
    return orders


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """Real rows of a stored dataset followed by synthetic images. A position counts through both."""

    stored: np.ndarray  # (N, R, R, 3) uint8, all images of the dataset
    rows: np.ndarray  # (n_real,) int64, those that are used
    synthetic: np.ndarray  # (n_synthetic, R, R, 3) uint8
    labels: np.ndarray  # (n_real + n_synthetic,) int64
    n_classes: int
    equal_draws: bool  # whether batches hold each class equally often

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, seed: int, step: int, batch_size: int) -> np.ndarray:
        """Positions of the images of a step, shape (batch_size,), int64; a function of (seed, step) alone."""
        if not self.equal_draws:
            return randomness.batch_rows(seed, step, batch_size, len(self))
        # Classes take turns through all batches, and each is visited in an order of its own.
        members = [np.flatnonzero(self.labels == label) for label in range(self.n_classes)]
        drawn = []
        for place in range(step * batch_size, (step + 1) * batch_size):
            turn, label = divmod(place, self.n_classes)
            drawn.append(members[label][randomness.batch_rows(randomness.key(seed, "class", label), turn, 1, len(members[label]))])
        return np.concatenate(drawn)

    def images(self, positions: np.ndarray) -> np.ndarray:
        """The images at ``positions``, uint8 (len(positions), R, R, 3)."""
        batch = np.empty((len(positions), *self.stored.shape[1:]), np.uint8)
        real = positions < len(self.rows)
        batch[real] = self.stored[self.rows[positions[real]]]
        batch[~real] = self.synthetic[positions[~real] - len(self.rows)]
        return batch

    def class_weights(self) -> np.ndarray:
        """Weights of the loss under which every class counts the same, float64 (n_classes,); their mean over the images is 1."""
        return len(self) / (self.n_classes * np.bincount(self.labels, minlength=self.n_classes))


def training_set(
    stored: np.ndarray,
    labels: np.ndarray,
    train_rows: list[int],
    scheme: Scheme,
    classes: tuple[str, ...],
    orders: list[Order],
    generate: Callable[[Order], np.ndarray],
    curated: tuple[np.ndarray, list[str]] | None = None,
) -> TrainingSet:
    """Gather the training images of a scheme.

    Parameters
    ----------
    stored, labels : ndarray
        All images (N, R, R, 3) of the dataset, uint8, and their labels (N,), positions in ``classes``.
    train_rows : list of int
        Rows of the train part.
    generate : callable
        Renders an order as uint8 (count, R, R, 3).
    curated : (ndarray (n, R, R, 3) uint8, list of n class names), optional

    Raises
    ------
    InvalidValue
        If a class has no training image.
    """
    rows = np.array(train_rows if scheme.real else [], np.int64)
    pictures = [generate(order) for order in orders]
    names = [order.class_name for order in orders for _ in range(order.count)]
    if curated:
        pictures.append(curated[0])
        names += curated[1]
    synthetic = np.concatenate(pictures) if pictures else np.empty((0, *stored.shape[1:]), np.uint8)
    number = {name: position for position, name in enumerate(classes)}
    all_labels = np.concatenate([labels[rows], np.array([number[name] for name in names], np.int64)])
    for name, position in number.items():
        if position not in all_labels:
            raise InvalidValue(f"The scheme {scheme.name!r} has no training image of class {name!r}.", "Use data that hold every class.")
    return TrainingSet(stored, rows, synthetic, all_labels, len(classes), scheme.balance == "oversample")
