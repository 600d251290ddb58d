"""Frechet distance between Gaussians fitted to two sets of features.

With the canonical Inception weights this is the FID (Heusel et al. 2017, arXiv 1706.08500). Its bias falls only as 1 / n and depends on the
generator (Chong and Forsyth 2020, arXiv 1911.07023): compare values at equal n only, beside the distance of two real sets of that n.
"""

import numpy as np
from scipy import linalg

from gan_aug.errors import InvalidValue
from gan_aug.metrics import check_features
from gan_aug.stats import uniforms

IMAGES_PER_FEATURE = 3  # for the extrapolation; with two the intercept of a sharp spectrum spreads twice as far
_POINTS = 15  # of the line that is extrapolated


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """``|m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2)`` of the means and unbiased covariances of two sets, in float64.

    With no more images than features (the normal case here) the covariances are singular, and ``Tr (S1 S2)^(1/2)`` is taken as the sum of
    the singular values of A B^T, with A and B the centred features over sqrt(n - 1): exact, and without any d x d root. Else S1 = L L^T,
    and it is the sum of the square roots of the eigenvalues of the symmetric L^T S2 L. Neither can become complex.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d), (m, d)
        Features; n and m at least 2.

    Returns
    -------
    float
        0 for equal sets up to rounding, and then possibly just below 0; lower is better.
    """
    real, fake = check_features(real, fake, at_least=2)
    a, b = (_centred(features) for features in (real, fake))
    if min(len(a), len(b)) <= a.shape[1]:
        trace = np.sum(linalg.svdvals(a @ b.T))
    else:
        trace = _trace_of_root(a.T @ a, b.T @ b)
    difference = real.mean(axis=0) - fake.mean(axis=0)
    return float(difference @ difference + np.sum(a**2) + np.sum(b**2) - 2.0 * trace)


def least_for_infinity(dim: int) -> int:
    """Images that :func:`frechet_infinity` needs on either side, of ``dim`` features each."""
    return IMAGES_PER_FEATURE * dim


def frechet_infinity(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> float:
    """The Frechet distance that infinitely many images would have (Chong and Forsyth 2020, arXiv 1911.07023: FID-infinity).

    The bias of the distance of n images falls as 1 / n, so a line through the distances of subsets, over 1 / n, meets 1 / n = 0 at the
    value without it. Both sets are thinned together, which removes the bias of the real side too; the paper thins the generated set only.
    Sizes run in even steps from the number of features, below which the covariances are singular and the line bends, to all images.

    Parameters
    ----------
    real, fake : ndarray of shape (n, d), (m, d)
        Features; n and m at least 3 d.
    seed : int
        Decides the subsets.

    Returns
    -------
    float
        0 is expected for two samples of one distribution, and chance can put it below.

    Raises
    ------
    InvalidValue
        With fewer images.
    """
    real, fake = check_features(real, fake, at_least=2)
    most, least = min(len(real), len(fake)), real.shape[1]
    if most < least_for_infinity(least):
        raise InvalidValue(
            f"{most} images a side are too few to extrapolate a Frechet distance of {least} features.",
            f"Compare at least {least_for_infinity(least):,}, or look at KID, which is unbiased at any number.",
        )
    sizes = np.linspace(max(least, 2), most, _POINTS).round().astype(int)
    distances = [
        frechet_distance(*(features[_subset(len(features), size, seed, side)] for side, features in (("real", real), ("fake", fake))))
        for size in sizes
    ]
    return float(np.polyfit(1 / sizes, distances, 1)[1])


def _subset(n: int, size: int, seed: int, side: str) -> np.ndarray:
    """Positions of ``size`` of n images; another draw for every size."""
    return np.argsort(uniforms(n, seed, "infinity", side, int(size)), kind="stable")[:size]


def _centred(features: np.ndarray) -> np.ndarray:
    """A with A^T A the covariance."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _trace_of_root(s1: np.ndarray, s2: np.ndarray) -> float:
    """Tr (S1 S2)^(1/2) of covariance matrices (d, d)."""
    try:
        root = linalg.cholesky(s1, lower=True, check_finite=False)
    except linalg.LinAlgError:  # a feature that never changes makes the covariance singular
        values, vectors = linalg.eigh(s1)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        product = root.T @ s2 @ root
    else:
        # The lower half of L^T S2 L, from the routine that LAPACK has for it: a third of the time of two matrix products.
        product, _ = linalg.lapack.dsygst(s2, root, itype=2, lower=1)
    return float(np.sum(np.sqrt(np.maximum(linalg.eigvalsh(product, check_finite=False), 0.0))))
