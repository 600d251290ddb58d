"""Reader studies: how well people tell synthetic pictures from real ones, and how far they agree with themselves and with each other.

An answer is a confidence from 1 (surely real) to 5 (surely synthetic); 3 is "cannot tell". Truth is 1 for synthetic and 0 for real. What is
measured against chance is the *balanced* accuracy, the mean of sensitivity and specificity: whatever the mix of the pictures and whatever a
reader's leaning to one answer, guessing gives one half.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from gan_aug.errors import InvalidValue
from gan_aug.stats.agreement import Interval, clopper_pearson, cohen_kappa, wilson
from gan_aug.stats.inference import delong_ci, percentiles, uniforms
from gan_aug.stats.roc import RocCurve, roc_curve

LEVELS = 5
EQUIVALENCE_LEVEL = 0.90  # two one-sided tests at 5 % each are one 90 % interval (Schuirmann 1987)

_REPLICATES = 2000


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one reader achieved. Parts that the answers do not give are None."""

    n: int  # answers
    n_unsure: int  # of them "cannot tell"; they count in the curve alone
    correct: int
    decided: int
    accuracy: Interval | None  # correct of decided, exact
    by_guessing: float | None  # the accuracy that the same answers would have, dealt out at random
    p: float | None  # Fisher's exact test that answer and truth have nothing to do with each other
    sensitivity: Interval | None  # synthetic pictures called synthetic, of those decided; exact
    specificity: Interval | None  # real pictures called real, of those decided; exact
    balanced: Interval | None  # mean of the two, 95 %
    equivalence: Interval | None  # the same, 90 %
    curve: RocCurve | None
    auc: Interval | None

    def verdict(self, margin: float) -> str:
        """``better`` or ``worse`` than chance, ``chance`` (equivalent to it), ``near`` (not chance, yet within the margin) or ``open``."""
        return chance_verdict(self.balanced, self.equivalence, margin)


def chance_verdict(interval: Interval | None, equivalence: Interval | None, margin: float) -> str:
    """What a 95 % and a 90 % interval of a balanced accuracy say about chance; see :meth:`Reading.verdict`."""
    if interval is None or equivalence is None:
        return "open"
    differs = interval.low > 0.5 or interval.high < 0.5
    within = equivalence.low >= 0.5 - margin and equivalence.high <= 0.5 + margin
    if within:
        return "near" if differs else "chance"
    return ("better" if interval.low > 0.5 else "worse") if differs else "open"


def reading(truth: ArrayLike, confidence: ArrayLike) -> Reading:
    """Measure one reader.

    Parameters
    ----------
    truth : array of n of 0 (real) and 1 (synthetic)
    confidence : array of n of 1 to 5

    Raises
    ------
    InvalidValue
        If the lists do not belong together or hold anything else.
    """
    y, c = _checked(truth, confidence)
    sure = c != 3
    called = c > 3
    correct, decided = int((called == (y == 1))[sure].sum()), int(sure.sum())
    of_synthetic, of_real = (int((sure & (y == kind)).sum()) for kind in (1, 0))
    hits, calm = int((sure & called & (y == 1)).sum()), int((sure & ~called & (y == 0)).sum())
    both = of_synthetic and of_real
    share, leaning = (of_synthetic / decided, float(called[sure].mean())) if decided else (0.0, 0.0)
    kinds = min(int(y.sum()), int((1 - y).sum()))
    return Reading(
        n=len(y),
        n_unsure=len(y) - decided,
        correct=correct,
        decided=decided,
        accuracy=clopper_pearson(correct, decided) if decided else None,
        by_guessing=share * leaning + (1 - share) * (1 - leaning) if decided else None,
        p=fisher_exact(hits, of_synthetic - hits, of_real - calm, calm) if both else None,
        sensitivity=clopper_pearson(hits, of_synthetic) if of_synthetic else None,
        specificity=clopper_pearson(calm, of_real) if of_real else None,
        balanced=balanced_accuracy(hits, of_synthetic, calm, of_real) if both else None,
        equivalence=balanced_accuracy(hits, of_synthetic, calm, of_real, EQUIVALENCE_LEVEL) if both else None,
        curve=roc_curve(y, c) if kinds else None,
        auc=delong_ci(y, c) if kinds >= 2 else None,
    )


def balanced_accuracy(hits: int, positives: int, rejections: int, negatives: int, level: float = 0.95) -> Interval:
    """The mean of sensitivity and specificity with Newcombe's (1998) hybrid score interval, made of the two Wilson intervals."""
    sensitivity, specificity = wilson(hits, positives, level), wilson(rejections, negatives, level)
    value = (sensitivity.value + specificity.value) / 2
    below = np.hypot(sensitivity.value - sensitivity.low, specificity.value - specificity.low) / 2
    above = np.hypot(sensitivity.high - sensitivity.value, specificity.high - specificity.value) / 2
    return Interval(value, max(0.0, float(value - below)), min(1.0, float(value + above)), level, "Newcombe")


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Fisher's exact test of the table [[a, b], [c, d]], two-sided: the probability of all tables with these margins that are as rare."""

    def log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
        return special.gammaln(n + 1) - special.gammaln(np.asarray(k) + 1) - special.gammaln(n - np.asarray(k) + 1)

    row, other, column = a + b, c + d, a + c
    possible = np.arange(max(0, column - other), min(row, column) + 1)
    chances = np.exp(log_choose(row, possible) + log_choose(other, column - possible) - log_choose(row + other, column))
    return float(min(1.0, chances[chances <= chances[possible == a] * (1 + 1e-7)].sum()))


def cases_needed(margin: float) -> int:
    """How many decided pictures a reader who guesses needs before the 90 % interval can lie within one half plus or minus ``margin``.

    For as many real as synthetic pictures, and exactly one half of each right: the least that any reader needs.
    """
    half = 2  # of one kind decided
    while balanced_accuracy(half // 2, half, half // 2, half, EQUIVALENCE_LEVEL).high > 0.5 + margin:
        half += 2
    return 2 * half


# --- several readers ---------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class AverageReading:
    """The mean over readers, for new readers and new pictures: both are drawn again in the bootstrap."""

    n_readers: int
    auc: Interval
    balanced: Interval | None  # 95 %
    equivalence: Interval | None  # 90 %


def average_reading(truth: ArrayLike, confidence: ArrayLike, seed: int = 0, replicates: int = _REPLICATES) -> AverageReading:
    """The mean AUC and the mean balanced accuracy of several readers of the same pictures.

    Readers and, within each kind, pictures are drawn with replacement, and percentiles are taken. With few readers the interval is too
    narrow rather than too wide: say how many there were.

    Parameters
    ----------
    truth : array of shape (n,) of 0 and 1
    confidence : array of shape (readers, n) of 1 to 5; 0 where a reader gave no answer

    Raises
    ------
    InvalidValue
        With fewer than two readers, or a reader who has not answered pictures of both kinds.
    """
    y = np.asarray(truth)
    c = np.asarray(confidence, np.int64)
    if c.ndim != 2 or len(c) < 2 or c.shape[1] != len(y):
        raise InvalidValue(f"Answers of shape {c.shape} cannot be averaged over readers.", "Give two readers or more of the same pictures.")
    if any(not (c[:, y == kind] > 0).any(axis=1).all() for kind in (0, 1)):
        raise InvalidValue("A reader has answered no picture of one kind.", "Leave that reader out.")
    chosen = np.floor(uniforms(replicates * len(c), seed, "readers") * len(c)).astype(int).reshape(replicates, len(c))
    weights = np.zeros((replicates + 1, len(y)))
    weights[0] = 1  # the readers' own pictures
    for kind in (0, 1):
        weights[1:, y == kind] = _draws(int((y == kind).sum()), replicates, seed, f"cases {kind}")
    marks = (c[:, :, None] == np.arange(1, LEVELS + 1)).astype(float)  # (readers, n, levels)
    counts = [np.einsum("bn,rnl->brl", weights[:, y == kind], marks[:, y == kind]) for kind in (0, 1)]

    def mean(statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], level: float, name: str) -> Interval | None:
        values = statistic(*counts)  # (1 + replicates, readers)
        drawn = _mean(np.take_along_axis(values[1:], chosen, axis=1))
        if np.isnan(values[0]).all():
            return None
        low, high = percentiles(drawn[~np.isnan(drawn)], level)
        return Interval(float(_mean(values[:1])[0]), low, high, level, f"bootstrap over readers and pictures, {name}")

    return AverageReading(
        len(c),
        mean(_areas, 0.95, "AUC"),
        mean(_balances, 0.95, "balanced accuracy"),
        mean(_balances, EQUIVALENCE_LEVEL, "balanced accuracy"),
    )


def _areas(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """AUC of counts per level, (..., levels) and (..., levels) to (...)."""
    below = np.cumsum(real, axis=-1) - real
    pairs = real.sum(-1) * synthetic.sum(-1)
    return _ratio((synthetic * (below + real / 2)).sum(-1), pairs)


def _balances(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Balanced accuracy of counts per level; NaN where a kind was never decided on."""
    sensitivity = _ratio(synthetic[..., 3:].sum(-1), synthetic.sum(-1) - synthetic[..., 2])
    specificity = _ratio(real[..., :2].sum(-1), real.sum(-1) - real[..., 2])
    return (sensitivity + specificity) / 2


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over the last axis of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0.0).sum(-1), there.sum(-1).astype(float))


# --- agreement ---------------------------------------------------------------------------------------------------------------------------


def kappa_of_two(first: Sequence, second: Sequence, level: float = 0.95, seed: int = 0) -> Interval | None:
    """Cohen's kappa of paired answers, with the bootstrap interval over the pairs; None where it is 0 / 0 or there are no pairs.

    Replicates in which kappa is 0 / 0 are left out; where that is more than one in five, the interval is from -1 to 1, which is to say
    that the pairs are too few or too much alike.
    """
    if len(first) == 0:
        return None
    try:
        value = cohen_kappa(first, second)
    except InvalidValue:
        if len(first) != len(second):
            raise
        return None
    answers, coded = np.unique(np.concatenate([np.asarray(first), np.asarray(second)]), return_inverse=True)
    a, b = coded.reshape(2, -1)
    k = len(answers)
    tables = (_draws(len(a), _REPLICATES, seed, "pairs") @ np.eye(k * k)[a * k + b]).reshape(-1, k, k) / len(a)
    agreed = np.trace(tables, axis1=1, axis2=2)
    by_chance = np.einsum("bi,bi->b", tables.sum(axis=2), tables.sum(axis=1))
    drawn = _ratio(agreed - by_chance, np.where(by_chance > 1 - 1e-12, 0.0, 1 - by_chance))
    return _interval(value, drawn, level, "Cohen's kappa, bootstrap")


def fleiss_kappa(answers: Sequence[Sequence], level: float = 0.95, seed: int = 0) -> Interval | None:
    """Agreement of several readers beyond chance (Fleiss 1971), with the bootstrap interval over the cases; None where it is 0 / 0.

    Parameters
    ----------
    answers : sequence of readers, each a sequence of n answers to the same cases

    Raises
    ------
    InvalidValue
        With fewer than two readers, or lists of different length.
    """
    if len(answers) < 2 or len({len(row) for row in answers}) > 1:
        raise InvalidValue("These answers cannot be compared.", "Give two readers or more, with answers to the same cases.")
    if len(answers[0]) == 0:
        return None
    kinds, coded = np.unique(np.asarray(answers), return_inverse=True)
    counts = np.eye(len(kinds))[coded.reshape(len(answers), -1)].sum(axis=0)  # (n, kinds)
    readers = len(answers)
    agreed = (counts * (counts - 1)).sum(axis=1) / (readers * (readers - 1))  # of each case

    def of(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        by_chance = ((weights @ counts / (total * readers)[:, None]) ** 2).sum(axis=1)
        return _ratio(weights @ agreed / total - by_chance, np.where(by_chance > 1 - 1e-12, 0.0, 1 - by_chance))

    value = of(np.ones((1, len(counts))))[0]
    if np.isnan(value):
        return None
    return _interval(float(value), of(_draws(len(counts), _REPLICATES, seed, "cases")), level, "Fleiss' kappa, bootstrap")


def _interval(value: float, drawn: np.ndarray, level: float, method: str) -> Interval:
    kept = drawn[~np.isnan(drawn)]
    if len(kept) < 0.8 * len(drawn):
        return Interval(value, -1.0, 1.0, level, f"{method} (too few or too uniform answers for an interval)")
    low, high = percentiles(kept, level)
    return Interval(value, low, high, level, method)


def _draws(n: int, replicates: int, seed: int, purpose: str) -> np.ndarray:
    """How often each of n items is drawn in each bootstrap replicate, (replicates, n)."""
    rows = np.floor(uniforms(replicates * n, seed, "reader study", purpose) * n).astype(int).reshape(replicates, n)
    return np.stack([np.bincount(row, minlength=n) for row in rows]).astype(float)


def _checked(truth: ArrayLike, confidence: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y, c = np.asarray(truth), np.asarray(confidence)
    if y.ndim != 1 or y.shape != c.shape or not len(y):
        raise InvalidValue(f"{y.shape} truths and {c.shape} answers do not belong together.", "Give one answer for each picture.")
    if not (np.isin(y, (0, 1)).all() and np.isin(c, range(1, LEVELS + 1)).all()):
        raise InvalidValue("A truth is not 0 or 1, or a confidence not 1 to 5.", "Leave pictures without an answer out.")
    return y.astype(np.int64), c.astype(np.int64)
