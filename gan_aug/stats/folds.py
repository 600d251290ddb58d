"""Whether a difference that was measured once per fold of a cross-validation is more than chance."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gan_aug.errors import InvalidValue
from gan_aug.stats.agreement import z_of_level
from gan_aug.stats.inference import PairedTest


def corrected_resampled_t(differences: ArrayLike, n_train: float, n_test: float, level: float = 0.95) -> PairedTest:
    """Test of a mean difference over k folds or repeated splits (Nadeau and Bengio 2003).

    Training parts of different folds share images, so their differences are not independent and a plain t test rejects too often. The
    variance of the mean is taken as ``(1 / k + n_test / n_train)`` times that of the differences. ``z`` holds t, with k - 1 degrees of
    freedom. Not for several seeds on one and the same split: those share their test images wholly.

    Parameters
    ----------
    differences : array of shape (k,)
        One per fold, such as AUC(a) - AUC(b) on its test part; k of at least 2.
    n_train, n_test : float
        Images of the training and the test part of a fold, on average.

    Raises
    ------
    InvalidValue
        With fewer folds, values that are not finite, or folds that all differ by the same amount, which show no spread to test against.
    """
    d = np.asarray(differences, np.float64)
    z_of_level(level)
    if d.ndim != 1 or len(d) < 2 or not np.isfinite(d).all():
        raise InvalidValue("A test over folds needs a finite difference of at least 2 folds.", "Run more folds.")
    if not (n_train > 0 and n_test > 0):
        raise InvalidValue(f"{n_train} training and {n_test} test images are no fold.", "Give the sizes of the two parts.")
    k, mean = len(d), float(d.mean())
    method = f"corrected resampled t test over {k} folds (Nadeau and Bengio)"
    error = float(np.sqrt((1.0 / k + n_test / n_train) * d.var(ddof=1)))
    if error <= 1e-12:
        if abs(mean) < 1e-12:
            return PairedTest(0.0, 0.0, 0.0, 1.0, 0.0, level, f"{method}; no difference in any fold")
        raise InvalidValue(f"All {k} folds differ by {mean:+.4f} exactly, so there is no spread to test against.", "Run more folds.")
    t = mean / error
    half = float(special.stdtrit(k - 1, (1.0 + level) / 2.0)) * error
    return PairedTest(mean, mean - half, mean + half, float(2.0 * special.stdtr(k - 1, -abs(t))), t, level, method)
