"""Curves, areas and operating points of one classifier on one set of images."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from gan_aug.errors import InvalidValue


@dataclasses.dataclass(frozen=True)
class RocCurve:
    """Achieved operating points from (0, 0) to (1, 1), one per distinct score, none dropped; "positive" means score >= threshold."""

    fpr: np.ndarray  # (k,), ascending: 1 - specificity
    tpr: np.ndarray  # (k,), ascending: sensitivity
    thresholds: np.ndarray  # (k,), descending; the first is +inf (nothing is called positive)


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """What one threshold achieves."""

    sensitivity: float
    specificity: float
    threshold: float  # +inf if nothing is called positive


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The ROC curve with all its thresholds."""
    y, s = labelled(labels, scores)
    thresholds, true_positives, false_positives = _counts(y, s)
    return RocCurve(
        fpr=np.append(0.0, false_positives / (1 - y).sum()),
        tpr=np.append(0.0, true_positives / y.sum()),
        thresholds=np.append(np.inf, thresholds),
    )


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting one half. 0.5 is chance."""
    y, s = labelled(labels, scores)
    positives = int(y.sum())
    return float((midranks(s)[y == 1].sum() / positives - (positives + 1) / 2) / (len(y) - positives))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision, the sum of precision times the step in recall. Chance level is the prevalence, so state it beside the number."""
    y, s = labelled(labels, scores)
    _, true_positives, false_positives = _counts(y, s)
    return float(np.sum(np.diff(true_positives, prepend=0) * true_positives / (true_positives + false_positives)) / y.sum())


def partial_auc(labels: ArrayLike, scores: ArrayLike, min_tpr: float = 0.8) -> float:
    """Area under the ROC curve and above ``min_tpr``, as ISIC 2024 defines it: from 0 to 1 - min_tpr; chance is half the square of that."""
    _check_share(min_tpr, "min_tpr")
    curve = roc_curve(labels, scores)
    # Seen from the (1, 1) corner, the wanted area is an ordinary area over missed positives from 0 to 1 - min_tpr.
    missed, specificity = 1.0 - curve.tpr[::-1], 1.0 - curve.fpr[::-1]
    stop = 1.0 - min_tpr
    inside = missed <= stop
    # Right of the last point inside, the curve is the straight line to the next point.
    x = np.append(missed[inside], stop)
    at_stop = specificity[inside][-1]
    if not inside.all():
        x0, x1 = missed[inside][-1], missed[~inside][0]
        at_stop += (specificity[~inside][0] - at_stop) * (stop - x0) / (x1 - x0)
    return float(np.trapezoid(np.append(specificity[inside], at_stop), x))


def sensitivity_at_specificity(labels: ArrayLike, scores: ArrayLike, specificity: float = 0.95) -> OperatingPoint:
    """The achieved point of highest sensitivity whose specificity is at least ``specificity``; nothing is interpolated."""
    _check_share(specificity, "specificity")
    curve = roc_curve(labels, scores)
    allowed = np.flatnonzero(1.0 - curve.fpr >= specificity - 1e-12)
    return _point(curve, allowed[np.argmax(curve.tpr[allowed])])


def specificity_at_sensitivity(labels: ArrayLike, scores: ArrayLike, sensitivity: float = 0.95) -> OperatingPoint:
    """The achieved point of highest specificity whose sensitivity is at least ``sensitivity``; nothing is interpolated."""
    _check_share(sensitivity, "sensitivity")
    curve = roc_curve(labels, scores)
    allowed = np.flatnonzero(curve.tpr >= sensitivity - 1e-12)
    best = allowed[curve.fpr[allowed] == curve.fpr[allowed].min()]
    return _point(curve, best[-1])


def at_threshold(labels: ArrayLike, scores: ArrayLike, threshold: float) -> OperatingPoint:
    """What a threshold that was chosen elsewhere (on val) achieves here."""
    y, s = labelled(labels, scores)
    called = s >= threshold
    return OperatingPoint(float(called[y == 1].mean()), float(1.0 - called[y == 0].mean()), float(threshold))


def labelled(labels: ArrayLike, scores: ArrayLike, *, at_least: int = 1, probability: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Check labels and scores: one finite score per label, both classes there.

    Parameters
    ----------
    at_least : int
        Images that each class must have.
    probability : bool
        Whether scores must lie in [0, 1].

    Returns
    -------
    labels (n,) int64 of 0 and 1, scores (n,) float64
    """
    y, s = np.asarray(labels), np.asarray(scores, np.float64)
    if y.ndim != 1 or y.shape != s.shape:
        raise InvalidValue(f"{y.shape} labels and {s.shape} scores do not belong together.", "Give one score per image, as two flat lists.")
    if not np.isin(y, (0, 1)).all():
        raise InvalidValue("A label is neither 0 nor 1.", "Mark the positive class by 1 and all others by 0.")
    if not np.isfinite(s).all():
        raise InvalidValue(
            f"{int((~np.isfinite(s)).sum())} of {len(s)} scores are not finite numbers.", "Look for the training that diverged."
        )
    if probability and (s.min(initial=0.0) < 0.0 or s.max(initial=0.0) > 1.0):
        raise InvalidValue("A probability lies outside 0 to 1.", "Give probabilities of the positive class, not logits.")
    positives = int(y.sum())
    if min(positives, len(y) - positives) < at_least:
        raise InvalidValue(
            f"There are {positives} positive and {len(y) - positives} negative images; each class needs at least {at_least}.",
            "Use a larger set of images in which both classes occur.",
        )
    return y.astype(np.int64), s


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks of n values, from 1; equal values share the mean of their ranks. Shape (n,)."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[place]


def _counts(y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores, descending, and how many positives and negatives score at least as much."""
    thresholds, place = np.unique(-s, return_inverse=True)
    positives, negatives = (np.cumsum(np.bincount(place, weights=mark)) for mark in (y, 1 - y))
    return -thresholds, positives, negatives


def _point(curve: RocCurve, place: int) -> OperatingPoint:
    return OperatingPoint(float(curve.tpr[place]), float(1.0 - curve.fpr[place]), float(curve.thresholds[place]))


def _check_share(value: float, name: str) -> None:
    if not 0.0 <= value <= 1.0:
        raise InvalidValue(f"{name} cannot be {value!r}.", "It must be from 0 to 1.")
