"""How sure an AUC is, and whether two differ: DeLong, the patient bootstrap, Holm."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gan_aug.errors import InvalidValue
from gan_aug.randomness import key
from gan_aug.stats.agreement import Interval, clopper_pearson, z_of_level
from gan_aug.stats.roc import auc, labelled, midranks


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """A difference ``a - b`` measured on the same images, with its interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float
    z: float | None  # None where the test has no z
    level: float
    method: str


def uniforms(count: int, seed: int, *purpose: int | str) -> np.ndarray:
    """``count`` numbers, uniform in [0, 1), that are a function of the seed and the purpose alone, in every version of NumPy.

    Returns
    -------
    ndarray of shape (count,), float64
    """
    bits = np.random.Philox(key=key(seed, *purpose)).random_raw(count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53  # 53 bits, all that a float64 holds


def delong_ci(labels: ArrayLike, scores: ArrayLike, level: float = 0.95) -> Interval:
    """AUC with its DeLong interval; the classifier counts as fixed, so the spread over training seeds is not in it.

    DeLong et al. 1988 in the form of Sun and Xu 2014 (midranks). An interval that would leave [0, 1] is made on the logit scale. At an
    AUC of exactly 0 or 1 the variance estimate is 0, and the interval is Clopper and Pearson's for min(positives, negatives) independent
    pairs, all of them ordered the same way. ``method`` says which of these it is.

    Raises
    ------
    InvalidValue
        With fewer than 2 images of a class, a missing class, or scores that are not finite.
    """
    y, s = labelled(labels, scores, at_least=2)
    z = z_of_level(level)
    of_positives, of_negatives = _placements(y, s)
    value, error = float(of_positives.mean()), _standard_error(of_positives, of_negatives)
    if value in (0.0, 1.0):
        pairs = int(min(y.sum(), (1 - y).sum()))
        exact = clopper_pearson(round(value * pairs), pairs, level)
        method = f"Clopper-Pearson over {pairs} independent pairs (the AUC is exactly {value:g})"
        return Interval(value, exact.low, exact.high, level, method)
    if error == 0.0:
        return Interval(value, value, value, level, "none (all scores are equal)")
    low, high = value - z * error, value + z * error
    if low >= 0.0 and high <= 1.0:
        return Interval(value, low, high, level, "DeLong")
    centre, half = special.logit(value), z * error / (value * (1.0 - value))
    return Interval(value, float(special.expit(centre - half)), float(special.expit(centre + half)), level, "DeLong on the logit scale")


def delong_paired(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, level: float = 0.95) -> PairedTest:
    """Test of AUC(a) - AUC(b), two classifiers on the same images (DeLong et al. 1988; Sun and Xu 2014).

    Identical curves give z 0 and p 1. Where the estimated variance is 0 although the areas differ (a perfect order against a constant
    one), p and interval are Hoeffding's (1963) bounds for a two-sample U-statistic, which hold at any sample size; ``method`` says so.
    """
    y, a = labelled(labels, scores_a, at_least=2)
    _, b = labelled(labels, scores_b, at_least=2)
    z_level = z_of_level(level)
    (positives_a, negatives_a), (positives_b, negatives_b) = _placements(y, a), _placements(y, b)
    difference = float(positives_a.mean() - positives_b.mean())
    error = _standard_error(positives_a - positives_b, negatives_a - negatives_b)
    if error > 1e-12:
        z, half, method = difference / error, z_level * error, "DeLong, paired"
        p = float(2.0 * special.ndtr(-abs(z)))
    elif abs(difference) < 1e-12:
        difference, z, half, p, method = 0.0, 0.0, 0.0, 1.0, "DeLong, paired (no difference and no variance)"
    else:
        pairs = int(min(y.sum(), (1 - y).sum()))
        z, half, method = None, float(np.sqrt(2.0 * np.log(2.0 / (1.0 - level)) / pairs)), "Hoeffding bound (DeLong's variance is 0)"
        p = float(min(1.0, 2.0 * np.exp(-pairs * difference**2 / 2.0)))
    return PairedTest(difference, max(-1.0, difference - half), min(1.0, difference + half), p, z, level, method)


def bootstrap_auc(
    labels: ArrayLike, scores: ArrayLike, groups: Sequence | None = None, *, seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """AUC with a percentile interval from resampling whole ``groups`` (patients) with replacement; without groups, single images.

    This is the interval to use when a patient has several images, which DeLong's takes for independent.
    """
    y, s = labelled(labels, scores, at_least=2)
    draws, method = _bootstrap(y, s[None], groups, seed, replicates)
    low, high = percentiles(draws[0], level)
    return Interval(auc(y, s), low, high, level, method)


def bootstrap_paired(
    labels: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    groups: Sequence | None = None,
    *,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
) -> PairedTest:
    """Test of AUC(a) - AUC(b) by resampling whole ``groups``; both classifiers see the same draws.

    p is twice the smaller tail of the resampled differences about 0 (each tail counted with one replicate added), so it cannot be below
    2 / (replicates + 1).
    """
    y, a = labelled(labels, scores_a, at_least=2)
    _, b = labelled(labels, scores_b, at_least=2)
    draws, method = _bootstrap(y, np.stack([a, b]), groups, seed, replicates)
    differences = draws[0] - draws[1]
    tails = min(np.sum(differences <= 0.0), np.sum(differences >= 0.0))
    p = float(min(1.0, 2.0 * (tails + 1) / (len(differences) + 1)))
    low, high = percentiles(differences, level)
    return PairedTest(auc(y, a) - auc(y, b), low, high, p, None, level, method)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p values adjusted for having looked at all of them (Holm 1979), in the order given; they bound the family-wise error."""
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not np.all((p >= 0.0) & (p <= 1.0)):
        raise InvalidValue("Holm's correction needs a list of p values from 0 to 1.", "Leave out comparisons that could not be made.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def percentiles(draws: np.ndarray, level: float) -> tuple[float, float]:
    """The central ``level`` of resampled values."""
    z_of_level(level)
    low, high = np.quantile(draws, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)


def _placements(y: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each positive image the share of negatives below it (m,), for each negative one the share of positives above it (n,).

    The mean of either is the AUC; DeLong's variance is that of two independent means.
    """
    positive, negative = s[y == 1], s[y == 0]
    ranks = midranks(s)
    of_positives = (ranks[y == 1] - midranks(positive)) / len(negative)
    of_negatives = 1.0 - (ranks[y == 0] - midranks(negative)) / len(positive)
    return of_positives, of_negatives


def _standard_error(of_positives: np.ndarray, of_negatives: np.ndarray) -> float:
    return float(np.sqrt(of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives)))


def _bootstrap(y: np.ndarray, scores: np.ndarray, groups: Sequence | None, seed: int, replicates: int) -> tuple[np.ndarray, str]:
    """Resampled AUCs (k, b) of k classifiers, and the method in words. Draw ``i`` is a function of ``(seed, i)``.

    A draw without both classes has no AUC; it is left out and counted in the words.
    """
    if replicates < 100:
        raise InvalidValue(f"{replicates} resamplings are too few for an interval.", "Use at least 100.")
    names = np.arange(len(y)) if groups is None else np.asarray(groups)
    if names.shape != y.shape:
        raise InvalidValue(f"{len(names)} groups and {len(y)} images do not belong together.", "Name the group of every image.")
    unique, place = np.unique(names, return_inverse=True)
    sorters = [_TieBlocks(y, row) for row in scores]
    draws = []
    for replicate in range(replicates):
        picks = (uniforms(len(unique), seed, "bootstrap", replicate) * len(unique)).astype(np.int64)
        weight = np.bincount(picks, minlength=len(unique))[place].astype(np.float64)
        if 0.0 < weight @ y < weight.sum():
            draws.append([sorter.auc(weight) for sorter in sorters])
    if len(draws) < replicates / 2:
        raise InvalidValue(
            f"Only {len(draws)} of {replicates} resamplings held both classes.",
            "A class has too few patients for an interval; use more data.",
        )
    left_out = f", {replicates - len(draws)} without both classes left out" if len(draws) < replicates else ""
    unit = "images" if groups is None else "patients or groups"
    return np.array(draws).T, f"bootstrap of {len(unique)} {unit}, {replicates} resamplings{left_out}"


class _TieBlocks:
    """Scores sorted once, so that the AUC under new image weights costs one pass."""

    def __init__(self, y: np.ndarray, s: np.ndarray):
        self.order = np.argsort(s, kind="stable")
        ordered = s[self.order]
        self.starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self.y = y[self.order]

    def auc(self, weight: np.ndarray) -> float:
        weight = weight[self.order]
        positive = np.add.reduceat(weight * self.y, self.starts)
        negative = np.add.reduceat(weight * (1 - self.y), self.starts)
        below = np.cumsum(negative) - negative / 2.0
        return float(positive @ below / (positive.sum() * negative.sum()))
