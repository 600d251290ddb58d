"""Kernel Inception distance: unbiased at any number of images, and so the headline for small sets. It can be negative; keep the sign.

Photographs of one patient or lesion are more alike than two draws are. Where real images are such groups, pairs of one group are left out
and whole groups are resampled, as an image's pair with itself is left out where they are not.
"""

import numpy as np

from gan_aug.errors import InvalidValue
from gan_aug.metrics import check_features
from gan_aug.stats import Interval, percentiles, uniforms

_BLOCK = 1024  # rows of a kernel matrix held at a time


Groups = np.ndarray | None  # (n,): a number or name of what each image is of, such as the patient; None: each is of another


def kid(real: np.ndarray, fake: np.ndarray, real_groups: Groups = None, fake_groups: Groups = None) -> float:
    """Squared maximum mean discrepancy with the kernel (x . y / d + 1) ** 3, unbiased, over all pairs (Binkowski et al. 2018, 1801.01401).

    The usual average over random subsets estimates the same quantity with more noise.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d), (m, d)
        Features.
    real_groups, fake_groups : ndarray of shape (n,), (m,), optional
        What each image is of; at least 2 different ones.

    Returns
    -------
    float
        0 is expected for two samples of one distribution; lower is better.

    Raises
    ------
    InvalidValue
        If the features cannot be compared, or all images of a set are of one group.
    """
    real, fake = check_features(real, fake, at_least=2)
    groups = _numbered(real_groups, len(real)), _numbered(fake_groups, len(fake))
    return float(_distances(real, fake, *groups, *(np.ones((1, group.max() + 1)) for group in groups))[0])


def kid_interval(
    real: np.ndarray,
    fake: np.ndarray,
    real_groups: Groups = None,
    fake_groups: Groups = None,
    *,
    seed: int = 0,
    replicates: int = 500,
    level: float = 0.95,
) -> Interval:
    """:func:`kid` with a percentile interval from resampling the groups of both sets with replacement.

    Pairs of a group with itself are left out of every resampled set too, else each would look more alike than it is; a resampling of one
    group alone says nothing and is left out. Draw ``i`` is a function of ``(seed, i)``. Where the two distributions are equal the
    interval is too wide rather than too narrow.
    """
    if replicates < 100:
        raise InvalidValue(f"{replicates} resamplings are too few for an interval.", "Use at least 100.")
    real, fake = check_features(real, fake, at_least=2)
    groups = _numbered(real_groups, len(real)), _numbered(fake_groups, len(fake))
    weights = [
        np.stack([np.ones(n), *(_multiplicities(n, seed, side, replicate) for replicate in range(replicates))])
        for side, n in (("real", groups[0].max() + 1), ("fake", groups[1].max() + 1))
    ]
    value, *found = _distances(real, fake, *groups, *weights)
    draws = np.array(found)
    low, high = percentiles(draws[~np.isnan(draws)], level)
    return Interval(float(value), low, high, level, f"bootstrap of the images of both sets, {replicates} resamplings")


def _numbered(groups: Groups, n: int) -> np.ndarray:
    """The group of each of n images as numbers from 0 on, (n,)."""
    if groups is None:
        return np.arange(n)
    numbers = np.unique(groups, return_inverse=True)[1]
    if len(numbers) != n or numbers.max() < 1:
        raise InvalidValue(
            f"{n} images are of {numbers.max() + 1} patients or lesions.", "Compare images of at least two, and say of each whose it is."
        )
    return numbers


def _multiplicities(n: int, seed: int, side: str, replicate: int) -> np.ndarray:
    """How often each of n groups occurs in one resampling."""
    return np.bincount((uniforms(n, seed, "kid", side, replicate) * n).astype(np.int64), minlength=n).astype(np.float64)


def _distances(
    real: np.ndarray, fake: np.ndarray, real_groups: np.ndarray, fake_groups: np.ndarray, real_weights: np.ndarray, fake_weights: np.ndarray
) -> np.ndarray:
    """The distance under each row of weights of the groups, (b, g) and (b, h): shape (b,)."""
    within = _mean_kernel(real, real_groups, real_weights) + _mean_kernel(fake, fake_groups, fake_weights)
    real_weights, fake_weights = real_weights[:, real_groups], fake_weights[:, fake_groups]
    between = _weighted_sum(real, fake, real_weights, fake_weights) / (real_weights.sum(axis=1) * fake_weights.sum(axis=1))
    return within - 2.0 * between


def _mean_kernel(x: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the kernel over pairs of images of different groups, shape (b,); NaN where only one group has a weight."""
    sizes, of_image, squares = np.bincount(groups), weights[:, groups], weights**2
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    own = np.array([_kernel_of_products(x[rows] @ x[rows].T, x.shape[1]).sum() for rows in members])
    pairs = of_image.sum(axis=1) ** 2 - squares @ sizes.astype(np.float64) ** 2
    total = _weighted_sum(x, x, of_image, of_image) - squares @ own
    return np.divide(total, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


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
