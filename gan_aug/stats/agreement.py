"""Intervals of proportions, and agreement of readers."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import special

from gan_aug.errors import InvalidValue


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float
    level: float  # nominal coverage, such as 0.95
    method: str  # how the interval was made, in words


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A proportion with Wilson's (1927) score interval, whose coverage is near nominal on average."""
    _check_counts(successes, n)
    return _score_interval(successes / n, n, level)


def _score_interval(share: float, n: float, level: float) -> Interval:
    z = z_of_level(level)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Interval(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)), level, "Wilson")


def wilson_of_groups(hits: Sequence[bool], groups: Sequence, level: float = 0.95) -> Interval:
    """The share of hits with Wilson's interval for as many independent images as the groups (patients) are worth.

    Images of one patient are alike, so n of them tell less than n of as many patients. The number that they are worth is n over the design
    effect (Kish 1965): the variance of a share over groups, by the linearised ratio, over that of n independent images; never more than n.
    Where all hit or none does there is no variance to see, and each group counts once.

    Raises
    ------
    InvalidValue
        If there are no images, or not as many groups.
    """
    hit, names = np.asarray(hits, np.float64), np.asarray(groups)
    if hit.shape != names.shape:
        raise InvalidValue(f"{len(names)} groups and {len(hit)} images do not belong together.", "Name the group of every image.")
    _check_counts(int(hit.sum()), len(hit))
    unique, place = np.unique(names, return_inverse=True)
    n, share = len(hit), float(hit.mean())
    if len(unique) == n:
        return wilson(int(hit.sum()), n, level)
    worth = float(len(unique))
    if 0.0 < share < 1.0 and len(unique) > 1:
        residuals = np.bincount(place, weights=hit - share)
        variance = len(unique) / (len(unique) - 1) * float(residuals @ residuals) / n**2
        worth = n / max(1.0, variance / (share * (1.0 - share) / n))
    return dataclasses.replace(_score_interval(share, worth, level), method=f"Wilson, {len(unique)} groups worth {worth:.0f} images")


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A proportion with the exact interval of Clopper and Pearson (1934), which never covers less than it says."""
    _check_counts(successes, n)
    z_of_level(level)
    tail = (1.0 - level) / 2.0
    low = float(special.betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 1.0 - tail)) if successes < n else 1.0
    return Interval(successes / n, low, high, level, "Clopper-Pearson")


def cohen_kappa(first: Sequence, second: Sequence) -> float:
    """Agreement of two readers beyond chance (Cohen 1960): 1 is complete, 0 is chance.

    Raises
    ------
    InvalidValue
        If the lists differ in length or are empty, or both readers gave one and the same answer throughout, where kappa is 0 / 0.
    """
    if len(first) != len(second) or len(first) == 0:
        raise InvalidValue(
            f"{len(first)} and {len(second)} answers cannot be paired.", "Compare two readers on the cases that both have judged."
        )
    answers, coded = np.unique(np.concatenate([np.asarray(first), np.asarray(second)]), return_inverse=True)
    one_hot = np.eye(len(answers))[coded.reshape(2, -1)]  # (2, n, answers)
    agreed = float(np.mean(np.sum(one_hot[0] * one_hot[1], axis=1)))
    by_chance = float(one_hot[0].mean(axis=0) @ one_hot[1].mean(axis=0))
    if by_chance == 1.0:
        raise InvalidValue(
            "Both readers gave the same answer to every case, so kappa is not defined.", "Report their agreement in percent instead."
        )
    return (agreed - by_chance) / (1.0 - by_chance)


def z_of_level(level: float) -> float:
    """The normal quantile of a two-sided interval, such as 1.96 for 0.95."""
    if not 0.0 < level < 1.0:
        raise InvalidValue(f"A confidence level cannot be {level!r}.", "Use a number between 0 and 1, such as 0.95.")
    return float(special.ndtri((1.0 + level) / 2.0))


def _check_counts(successes: int, n: int) -> None:
    if not (n >= 1 and 0 <= successes <= n):
        raise InvalidValue(f"{successes} out of {n} is not a proportion.", "Give counts with 0 <= successes <= n and n of at least 1.")
