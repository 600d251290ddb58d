"""Precision, recall, density and coverage of a generated set, by nearest neighbours among features."""

import dataclasses

import numpy as np

from gan_aug.errors import InvalidValue
from gan_aug.metrics import check_features, squared_distances

_BLOCK = 1024  # rows of a distance matrix held at a time


@dataclasses.dataclass(frozen=True)
class Prdc:
    """Each is best high; none reaches 1 for two samples of one distribution, so show the value of two real sets beside it."""

    precision: float  # share of fakes that lie in the neighbourhood of a real image: realism
    recall: float  # share of real images that lie in the neighbourhood of a fake: variety
    density: float  # mean number of real neighbourhoods around a fake, over k; expected 1, and can exceed it
    coverage: float  # share of real images that have a fake in their neighbourhood


def prdc(real: np.ndarray, fake: np.ndarray, k: int = 5) -> Prdc:
    """Kynkaanniemi et al. 2019 (arXiv 1904.06991) and Naeem et al. 2020 (arXiv 2002.09797).

    An image's neighbourhood is the open ball that reaches to its k-th nearest neighbour in its own set, itself not counted.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d), (m, d)
        Features; n and m at least k + 2.

    Raises
    ------
    InvalidValue
        With fewer images, or k below 1.
    """
    if k < 1:
        raise InvalidValue(f"k cannot be {k}.", "Use a whole number, 1 or above.")
    real, fake = check_features(real, fake, at_least=k + 2)
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    balls_around_fake = np.zeros(len(fake))  # number of real neighbourhoods that hold each fake
    recalled = np.empty(len(real), bool)
    covered = np.empty(len(real), bool)
    for start in range(0, len(real), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance = squared_distances(real[rows], fake)
        balls_around_fake += np.sum(distance < real_radius[rows, None], axis=0)
        recalled[rows] = np.any(distance < fake_radius, axis=1)
        covered[rows] = distance.min(axis=1) < real_radius[rows]
    return Prdc(
        precision=float(np.mean(balls_around_fake > 0)),
        recall=float(recalled.mean()),
        density=float(balls_around_fake.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each image to its k-th nearest neighbour in its own set, shape (n,)."""
    blocks = (squared_distances(x[start : start + _BLOCK], x) for start in range(0, len(x), _BLOCK))
    # Each image is its own nearest, at distance 0, so the k-th other one stands at place k.
    return np.concatenate([np.partition(block, k, axis=1)[:, k] for block in blocks])
