"""Kernel Inception distance: unbiased at any number of images, and so the headline for small sets. It can be negative; keep the sign."""

import numpy as np

from gan_aug.errors import InvalidValue
from gan_aug.metrics import check_features
from gan_aug.stats import Interval, percentiles, uniforms

_BLOCK = 1024  # rows of a kernel matrix held at a time


def kid(real: np.ndarray, fake: np.ndarray) -> float:
    """Squared maximum mean discrepancy with the kernel (x . y / d + 1) ** 3, unbiased, over all pairs (Binkowski et al. 2018, 1801.01401).

    The usual average over random subsets estimates the same quantity with more noise.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d), (m, d)
        Features; n and m at least 2.

    Returns
    -------
    float
        0 is expected for two samples of one distribution; lower is better.
    """
    real, fake = check_features(real, fake, at_least=2)
    return float(_distances(real, fake, np.ones((1, len(real))), np.ones((1, len(fake))))[0])


def kid_interval(real: np.ndarray, fake: np.ndarray, *, seed: int = 0, replicates: int = 500, level: float = 0.95) -> Interval:
    """:func:`kid` with a percentile interval from resampling the images of both sets with replacement.

    Pairs of an image with itself are left out of every resampled set too, else each would look more alike than it is. Draw ``i`` is a
    function of ``(seed, i)``. Where the two distributions are equal the interval is too wide rather than too narrow.
    """
    if replicates < 100:
        raise InvalidValue(f"{replicates} resamplings are too few for an interval.", "Use at least 100.")
    real, fake = check_features(real, fake, at_least=2)
    weights = [
        np.stack([np.ones(n), *(_multiplicities(n, seed, side, replicate) for replicate in range(replicates))])
        for side, n in (("real", len(real)), ("fake", len(fake)))
    ]
    value, *draws = _distances(real, fake, *weights)
    low, high = percentiles(np.array(draws), level)
    return Interval(float(value), low, high, level, f"bootstrap of the images of both sets, {replicates} resamplings")


def _multiplicities(n: int, seed: int, side: str, replicate: int) -> np.ndarray:
    """How often each of n images occurs in one resampling."""
    return np.bincount((uniforms(n, seed, "kid", side, replicate) * n).astype(np.int64), minlength=n).astype(np.float64)


def _distances(real: np.ndarray, fake: np.ndarray, real_weights: np.ndarray, fake_weights: np.ndarray) -> np.ndarray:
    """The distance under each row of image weights, (b, n) and (b, m): shape (b,)."""
    within = _mean_kernel(real, real_weights) + _mean_kernel(fake, fake_weights)
    between = _weighted_sum(real, fake, real_weights, fake_weights) / (real_weights.sum(axis=1) * fake_weights.sum(axis=1))
    return within - 2.0 * between


def _mean_kernel(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the kernel over pairs of different images, shape (b,)."""
    own = _kernel_of_products(np.einsum("nd,nd->n", x, x), x.shape[1])
    squares = weights**2
    return (_weighted_sum(x, x, weights, weights) - squares @ own) / (weights.sum(axis=1) ** 2 - squares.sum(axis=1))


def _weighted_sum(x: np.ndarray, y: np.ndarray, x_weights: np.ndarray, y_weights: np.ndarray) -> np.ndarray:
    """Sum over i, j of x_weights[i] y_weights[j] k(x_i, y_j), shape (b,), a block of rows at a time."""
    total = np.zeros(len(x_weights))
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, start + _BLOCK)
        kernel = _kernel_of_products(x[rows] @ y.T, x.shape[1])
        total += np.einsum("bm,bm->b", x_weights[:, rows] @ kernel, y_weights)
    return total


def _kernel_of_products(products: np.ndarray, d: int) -> np.ndarray:
    return (products / d + 1.0) ** 3
