"""How like real images generated ones are: distances between sets of features, each with the protocol it was measured by.

``kid``, ``frechet``, ``prdc`` and ``copying`` are pure functions of features (n, d) in float64; ``extractors`` makes features of images,
``pictures`` compares images pair by pair (only these two load torch); ``record`` keeps a number together with everything that decides
whether it may be compared with another.
"""

import numpy as np

from gan_aug.errors import InvalidValue


def check_features(real: np.ndarray, fake: np.ndarray, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features as float64.

    Raises
    ------
    InvalidValue
        If they are not two tables of finite numbers with the same columns and ``at_least`` rows each.
    """
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1] or real.shape[1] == 0:
        raise InvalidValue(f"Features of shape {real.shape} and {fake.shape} cannot be compared.", "Use one extractor for both sets.")
    if min(len(real), len(fake)) < at_least:
        raise InvalidValue(f"{len(real)} real and {len(fake)} generated images are too few.", f"Give at least {at_least} of each.")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise InvalidValue("A feature is not a finite number.", "Check the weights of the extractor.")
    return real, fake


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (n, m). What rounding leaves between equal rows is set to 0, so that duplicates are at no distance."""
    x_norm, y_norm = np.einsum("nd,nd->n", x, x)[:, None], np.einsum("nd,nd->n", y, y)
    squared = x_norm + y_norm - 2.0 * (x @ y.T)
    squared[squared < 1e-12 * (x_norm + y_norm)] = 0.0
    return squared
