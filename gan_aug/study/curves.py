"""ROC and precision-recall curves for drawing, with pointwise bands from resampling whole groups."""

import numpy as np

from gan_aug import stats
from gan_aug.study.results import Curve

LEVEL = 0.95  # of the bands
_GRID = np.linspace(0, 1, 101)  # x at which a band is given
_RESAMPLINGS = 500
_MAX_POINTS = 300  # of a stored curve


def roc_and_pr(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> tuple[Curve, Curve]:
    """Both curves of a classifier; draw ``i`` of the bands is a function of ``i`` alone.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        0 or 1, both there.
    scores : ndarray of shape (n,)
    groups : ndarray of shape (n,)
        Patient, lesion or the like; they are resampled whole.
    """
    order = np.argsort(-scores, kind="stable")
    y = labels[order].astype(np.float64)
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one step of a curve
    names, place = np.unique(groups, return_inverse=True)
    place = place[order]

    def steps(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted numbers of true and false positives, from nothing called positive to everything."""
        return np.append(0, np.cumsum(weight * y)[last]), np.append(0, np.cumsum(weight * (1 - y))[last])

    tprs, precisions = [], []
    for draw in range(_RESAMPLINGS):
        picks = (stats.uniforms(len(names), 0, draw) * len(names)).astype(np.int64)
        true, false = steps(np.bincount(picks, minlength=len(names))[place])
        if true[-1] and false[-1]:
            tprs.append(np.interp(_GRID, false / false[-1], true / true[-1]))
            precisions.append(_precision(_GRID, true, false))
    true, false = steps(np.ones(len(y)))
    kept = _thin(len(true))
    recall = true / true[-1]
    roc = Curve(_plain((false / false[-1])[kept]), _plain(recall[kept]), *_band(tprs))
    pr = Curve(_plain(recall[kept]), _plain(_precision(recall, true, false)[kept]), *_band(precisions))
    return roc, pr


def _precision(recalls: np.ndarray, true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Precision at the first threshold that calls something positive and reaches each recall."""
    called = np.argmax(true + false > 0)  # a resampling may hold none of the images with the highest scores
    first = np.maximum(called, np.searchsorted(true / true[-1], recalls - 1e-12))
    return true[first] / (true[first] + false[first])


def _band(draws: list[np.ndarray]) -> tuple[tuple[float, ...], ...]:
    if not draws:
        return ()
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return _plain(_GRID), _plain(low), _plain(high)


def _thin(n: int) -> np.ndarray:
    """At most _MAX_POINTS positions below n, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, _MAX_POINTS)).round().astype(np.int64))


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
