"""Frechet distance between Gaussians fitted to two sets of features.

With the canonical Inception weights this is the FID (Heusel et al. 2017, arXiv 1706.08500). Its bias falls only as 1 / n and depends on the
generator (Chong and Forsyth 2020, arXiv 1911.07023): compare values at equal n only, beside the distance of two real sets of that n.
"""

import numpy as np
from scipy import linalg

from gan_aug.metrics import check_features


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


def _centred(features: np.ndarray) -> np.ndarray:
    """A with A^T A the covariance."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _trace_of_root(s1: np.ndarray, s2: np.ndarray) -> float:
    """Tr (S1 S2)^(1/2) of covariance matrices (d, d)."""
    try:
        root = linalg.cholesky(s1, lower=True)
    except linalg.LinAlgError:  # a feature that never changes makes the covariance singular
        values, vectors = linalg.eigh(s1)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return float(np.sum(np.sqrt(np.maximum(linalg.eigvalsh(root.T @ s2 @ root), 0.0))))
