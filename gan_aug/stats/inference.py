"""How sure an AUC is, and whether two differ: DeLong paired and unpaired, the patient bootstrap, Holm."""

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
        return _hoeffding(difference, 2.0 / pairs, level, "Hoeffding bound (DeLong's variance is 0)")
    return PairedTest(difference, max(-1.0, difference - half), min(1.0, difference + half), p, z, level, method)


def delong_unpaired(labels_a: ArrayLike, scores_a: ArrayLike, labels_b: ArrayLike, scores_b: ArrayLike, level: float = 0.95) -> PairedTest:
    """Test of AUC(a) - AUC(b), measured on *different* images, such as a test part and an external set.

    DeLong's variances of the two areas add up; the ratio is compared with Student's t with Welch and Satterthwaite's degrees of freedom,
    as R's pROC does. ``z`` holds that t. Where both variances are 0, p and interval are Hoeffding's bounds; ``method`` says so.
    """
    y_a, a = labelled(labels_a, scores_a, at_least=2)
    y_b, b = labelled(labels_b, scores_b, at_least=2)
    z_of_level(level)
    placed = [_placements(y_a, a), _placements(y_b, b)]
    difference = float(placed[0][0].mean() - placed[1][0].mean())
    first, second = (_standard_error(*of_both) ** 2 for of_both in placed)
    error = float(np.sqrt(first + second))
    if error <= 1e-12:
        if abs(difference) < 1e-12:
            return PairedTest(0.0, 0.0, 0.0, 1.0, 0.0, level, "DeLong, unpaired (no difference and no variance)")
        spread = sum(0.5 / min(y.sum(), (1 - y).sum()) for y in (y_a, y_b))
        return _hoeffding(difference, spread, level, "Hoeffding bound (both of DeLong's variances are 0)")
    freedom = (first + second) ** 2 / (first**2 / (len(y_a) - 1) + second**2 / (len(y_b) - 1))
    t = difference / error
    half = float(special.stdtrit(freedom, (1.0 + level) / 2.0)) * error
    p = float(2.0 * special.stdtr(freedom, -abs(t)))
    return PairedTest(difference, max(-1.0, difference - half), min(1.0, difference + half), p, t, level, "DeLong, unpaired")


def _hoeffding(difference: float, spread: float, level: float, method: str) -> PairedTest:
    """A test that holds at any sample size: P(|error| >= t) <= 2 exp(-t^2 / spread), for U-statistics of independent images (1963)."""
    half = float(np.sqrt(spread * np.log(2.0 / (1.0 - level))))
    p = float(min(1.0, 2.0 * np.exp(-(difference**2) / spread)))
    return PairedTest(difference, max(-1.0, difference - half), min(1.0, difference + half), p, None, level, method)


def over_images_and_seeds(
    labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, groups: Sequence | None = None, level: float = 0.95
) -> PairedTest:
    """The mean over training seeds of AUC(a) - AUC(b), for new patients *and* new trainings.

    The variance is that of Obuchowski (1997), DeLong's for images in groups (patients), of the mean over these seeds, plus that of the
    mean over seeds; their interaction is counted twice, which errs on the wide side. Student's t with Satterthwaite's degrees of freedom,
    of which few seeds leave few. ``z`` holds that t.

    Parameters
    ----------
    labels : array of shape (n,)
    scores_a, scores_b : array of shape (seeds, n)
        At least 2 seeds, the same of both.
    groups : sequence of length n, optional
        Patient of each image; without it every image is its own.

    Raises
    ------
    InvalidValue
        With fewer seeds, or fewer than 2 groups of a class.
    """
    first, second = np.asarray(scores_a, np.float64), np.asarray(scores_b, np.float64)
    if first.ndim != 2 or first.shape != second.shape or len(first) < 2:
        raise InvalidValue(
            f"Scores of {first.shape} and {second.shape} hold no spread over seeds.", "Train both with the same 2 or more seeds."
        )
    placed, each = [], []
    for a, b in zip(first, second, strict=True):
        y, _ = labelled(labels, a, at_least=2)
        (positives_a, negatives_a), (positives_b, negatives_b) = _placements(y, a), _placements(y, labelled(labels, b)[1])
        placed.append((positives_a - positives_b, negatives_a - negatives_b))
        each.append(float(placed[-1][0].mean()))
    of_positives, of_negatives = (np.mean(part, axis=0) for part in zip(*placed, strict=True))
    of_images = _clustered_error(y, of_positives, of_negatives, groups) ** 2
    of_seeds = float(np.var(each, ddof=1)) / len(each)
    difference, error = float(np.mean(each)), float(np.sqrt(of_images + of_seeds))
    method = f"Obuchowski's variance over images and the variance over {len(each)} seeds"
    if error <= 1e-12:
        if abs(difference) < 1e-12:
            return PairedTest(0.0, 0.0, 0.0, 1.0, 0.0, level, f"{method} (no difference and no variance)")
        raise InvalidValue("All seeds differ by the same amount and without variance.", "Use more test images.")
    t = difference / error
    if of_seeds > 1e-3 * of_images:
        freedom = (of_images + of_seeds) ** 2 / (of_seeds**2 / (len(each) - 1))
        half, p = float(special.stdtrit(freedom, (1.0 + level) / 2.0)) * error, float(2.0 * special.stdtr(freedom, -abs(t)))
    else:  # above a million degrees of freedom Student's t is the normal distribution, which is computed more exactly
        half, p = z_of_level(level) * error, float(2.0 * special.ndtr(-abs(t)))
    return PairedTest(difference, max(-1.0, difference - half), min(1.0, difference + half), p, t, level, method)


def bootstrap_auc(
    labels: ArrayLike, scores: ArrayLike, groups: Sequence | None = None, *, seed: int = 0, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """AUC with a percentile interval from resampling whole ``groups`` (patients) with replacement; without groups, single images.

    This is the interval to use when a patient has several images, which DeLong's takes for independent. At an AUC of exactly 0 or 1 every
    resampling gives the same, and the interval is Clopper and Pearson's for as many independent pairs as there are patients for;
    ``method`` says so.
    """
    y, s = labelled(labels, scores, at_least=2)
    draws, method = _bootstrap(y, s[None], groups, seed, replicates)
    value = auc(y, s)
    if value in (0.0, 1.0):
        pairs = _independent_pairs(y, groups)
        exact = clopper_pearson(round(value * pairs), pairs, level)
        method = f"Clopper-Pearson over {pairs} independent pairs of patients or groups (the AUC is exactly {value:g})"
        return Interval(value, exact.low, exact.high, level, method)
    low, high = percentiles(draws[0], level)
    return Interval(value, low, high, level, method)


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
    2 / (replicates + 1). Where every resampling gives one and the same difference (a perfect order against a constant one), p and
    interval are Hoeffding's bounds for as many independent pairs as there are patients for; ``method`` says so.
    """
    y, a = labelled(labels, scores_a, at_least=2)
    _, b = labelled(labels, scores_b, at_least=2)
    draws, method = _bootstrap(y, np.stack([a, b]), groups, seed, replicates)
    differences, difference = draws[0] - draws[1], auc(y, a) - auc(y, b)
    if np.ptp(differences) < 1e-12 and abs(difference) > 1e-12:
        pairs = _independent_pairs(y, groups)
        return _hoeffding(difference, 2.0 / pairs, level, f"Hoeffding bound over {pairs} pairs (all resamplings gave the same)")
    tails = min(np.sum(differences <= 0.0), np.sum(differences >= 0.0))
    p = float(min(1.0, 2.0 * (tails + 1) / (len(differences) + 1)))
    low, high = percentiles(differences, level)
    return PairedTest(difference, low, high, p, None, level, method)


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


def _clustered_error(y: np.ndarray, of_positives: np.ndarray, of_negatives: np.ndarray, groups: Sequence | None) -> float:
    """Obuchowski's (1997) standard error of a mean of placements whose images come in groups; DeLong's where each group has one image."""
    place = np.arange(len(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    n_groups, m, n = place.max() + 1, len(of_positives), len(of_negatives)
    centre = of_positives.mean()
    # Per group, the sum over its images of each kind of how far they lie from the mean.
    positive = np.bincount(place[y == 1], weights=of_positives - centre, minlength=n_groups)
    negative = np.bincount(place[y == 0], weights=of_negatives - centre, minlength=n_groups)
    with_positive, with_negative = (len(np.unique(place[y == label])) for label in (1, 0))
    if min(with_positive, with_negative) < 2:
        raise InvalidValue("A class has images of one patient only, which show no spread over patients.", "Use more patients.")
    variance = with_positive / (with_positive - 1) * np.sum(positive**2) / m**2
    variance += with_negative / (with_negative - 1) * np.sum(negative**2) / n**2
    variance += 2.0 * n_groups / (n_groups - 1) * np.sum(positive * negative) / (m * n)
    return float(np.sqrt(max(variance, 0.0)))


def _independent_pairs(y: np.ndarray, groups: Sequence | None) -> int:
    """How many pairs of a positive and a negative image there are at most, no group in two of them or twice in one."""
    names = np.arange(len(y)) if groups is None else np.asarray(groups)
    positive, negative = set(names[y == 1].tolist()), set(names[y == 0].tolist())
    return max(1, min(len(positive), len(negative), len(positive | negative) // 2))


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
