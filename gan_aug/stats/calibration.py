"""Probabilities: how well they are calibrated, recalibration on val, and what acting on them is worth."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gan_aug.errors import InvalidValue
from gan_aug.stats.roc import OperatingPoint, labelled, sensitivity_at_specificity, specificity_at_sensitivity


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Predicted probability against observed frequency, in bins of equal width that hold at least one image."""

    predicted: np.ndarray  # (b,) mean probability in the bin
    observed: np.ndarray  # (b,) share of positives in the bin
    count: np.ndarray  # (b,)


@dataclasses.dataclass(frozen=True)
class Recalibration:
    """A monotone map of probabilities, ``sigmoid(slope * logit(p) + intercept)``, and the part of the split that it was fitted on."""

    slope: float
    intercept: float
    part: str

    def __call__(self, probabilities: ArrayLike) -> np.ndarray:
        """Recalibrated probabilities, same shape."""
        return special.expit(self.slope * _logit(np.asarray(probabilities, np.float64)) + self.intercept)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference between probability and label; 0 is best."""
    y, p = labelled(labels, probabilities, probability=True)
    return float(np.mean((p - y) ** 2))


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> Reliability:
    """The points of a reliability diagram, in ``bins`` bins of equal width."""
    y, p = labelled(labels, probabilities, probability=True)
    if bins < 1:
        raise InvalidValue(f"{bins} bins cannot hold anything.", "Use at least 1.")
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = count > 0
    predicted, observed = (np.bincount(place, weights=values, minlength=bins)[filled] / count[filled] for values in (p, y))
    return Reliability(predicted, observed, count[filled])


def reliability_by_rank(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> Reliability:
    """The points of a reliability diagram whose bins hold equally many images, by rising probability; equal ones stay in one bin.

    Bins of equal width hold few images where probabilities are rare, and their points say little.
    """
    y, p = labelled(labels, probabilities, probability=True)
    if bins < 1:
        raise InvalidValue(f"{bins} bins cannot hold anything.", "Use at least 1.")
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    first = np.cumsum(count) - count  # images below each value
    bin_of_value = np.minimum((first * bins) // len(p), bins - 1)
    _, bin_of_image = np.unique(bin_of_value[place], return_inverse=True)
    size = np.bincount(bin_of_image)
    predicted, observed = (np.bincount(bin_of_image, weights=weights) / size for weights in (p, y))
    return Reliability(predicted, observed, size)


def ece(labels: ArrayLike, probabilities: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error: the mean distance of the reliability points from the diagonal, weighted by count."""
    points = reliability(labels, probabilities, bins)
    return float(np.sum(points.count * np.abs(points.predicted - points.observed)) / points.count.sum())


def fit_platt(labels: ArrayLike, probabilities: ArrayLike, *, part: str) -> Recalibration:
    """Slope and intercept on the logit scale by maximum likelihood, with Platt's (1999) softened targets, which keep both finite.

    Parameters
    ----------
    part : str
        The part of the split that the numbers come from; ``test`` is refused.
    """
    return _fit_logistic(labels, probabilities, part, with_intercept=True)


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike, *, part: str) -> Recalibration:
    """Temperature scaling (Guo et al. 2017): the slope 1 / T alone, fitted like :func:`fit_platt`."""
    return _fit_logistic(labels, probabilities, part, with_intercept=False)


def choose_threshold(
    labels: ArrayLike, scores: ArrayLike, *, part: str, specificity: float | None = None, sensitivity: float | None = None
) -> OperatingPoint:
    """The threshold that reaches a specificity with the highest sensitivity, or a sensitivity with the highest specificity.

    The point is an achieved one; nothing is interpolated. What the threshold achieves elsewhere: :func:`gan_aug.stats.at_threshold`.

    Parameters
    ----------
    part : str
        The part of the split that the scores come from; ``test`` is refused.

    Raises
    ------
    InvalidValue
        For ``test``, or unless exactly one aim is given.
    """
    _check_part(part, "A threshold cannot be chosen on", "Choose it on val")
    if (specificity is None) == (sensitivity is None):
        raise InvalidValue("It is not clear what the threshold is for.", "Give a specificity or a sensitivity.")
    if specificity is not None:
        return sensitivity_at_specificity(labels, scores, specificity)
    return specificity_at_sensitivity(labels, scores, sensitivity)


def net_benefit(labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike) -> np.ndarray:
    """Net benefit per image of acting at each probability threshold (Vickers and Elkin 2006); probabilities all 1 give "treat all".

    Returns
    -------
    ndarray of shape (len(thresholds),)
    """
    y, p = labelled(labels, probabilities, probability=True)
    cuts = np.asarray(thresholds, np.float64)
    if not np.all((cuts >= 0.0) & (cuts < 1.0)):
        raise InvalidValue("A decision threshold is out of range.", "Use probabilities from 0 to below 1.")
    called = p >= cuts[:, None]
    harm = cuts / (1.0 - cuts)
    return (called * y).mean(axis=1) - (called * (1 - y)).mean(axis=1) * harm


def _logit(p: np.ndarray) -> np.ndarray:
    # A float32 sigmoid saturates to exactly 0 or 1, whose logit would be infinite.
    return special.logit(np.clip(p, 1e-7, 1.0 - 1e-7))


def _check_part(part: str, refusal: str, todo: str) -> None:
    if part not in ("train", "val"):
        raise InvalidValue(f"{refusal} {part!r}.", f"{todo}; test is only measured.")


def _fit_logistic(labels: ArrayLike, probabilities: ArrayLike, part: str, with_intercept: bool) -> Recalibration:
    """Newton's method with step halving on the (convex) logistic loss."""
    _check_part(part, "A recalibration cannot be fitted on", "Fit it on val")
    y, p = labelled(labels, probabilities, probability=True)
    positives = int(y.sum())
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (len(y) - positives + 2))
    columns = [_logit(p), np.ones(len(y))] if with_intercept else [_logit(p)]
    x = np.stack(columns, axis=1)

    def loss(beta: np.ndarray) -> float:
        return float(np.sum(np.logaddexp(0.0, x @ beta) - target * (x @ beta)))

    beta = np.zeros(x.shape[1])
    for _ in range(100):
        q = special.expit(x @ beta)
        gradient = x.T @ (q - target)
        if np.abs(gradient).max() <= 1e-9 * len(y):
            break
        # The ridge only matters where all scores are equal and the slope is undetermined.
        hessian = (x * (q * (1.0 - q))[:, None]).T @ x + 1e-9 * np.eye(x.shape[1])
        step = np.linalg.solve(hessian, gradient)
        while loss(beta - step) > loss(beta) and np.abs(step).max() > 1e-12:
            step /= 2.0
        beta = beta - step
    return Recalibration(float(beta[0]), float(beta[1]) if with_intercept else 0.0, part)
