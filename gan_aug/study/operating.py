"""One operating point for all schemes: a threshold that each chose on val for the same aim, carried over to the images that are tested on.

The analysis of a study keeps two such points. Here any other aim is worked out from the stored predictions, and with it the images that two
schemes call differently.
"""

import dataclasses
from typing import Literal

import numpy as np
import pandas as pd

from gan_aug import stats
from gan_aug.errors import InvalidValue
from gan_aug.study.measure import Scores, flipped, read_scores
from gan_aug.study.results import Estimate, Flip


@dataclasses.dataclass(frozen=True)
class Aim:
    """What a threshold is chosen for."""

    what: Literal["specificity", "sensitivity"]
    level: float  # that val is to reach, above 0 and below 1

    def __post_init__(self) -> None:
        if self.what not in ("specificity", "sensitivity") or not 0 < self.level < 1:
            raise InvalidValue(f"A threshold cannot be chosen for {self.what} {self.level}.", "Use for example specificity 0.95.")

    @property
    def words(self) -> str:
        """Such as ``specificity 0.95``."""
        return f"{self.what} {self.level:g}"


@dataclasses.dataclass(frozen=True)
class Calls:
    """What a scheme says of the images of a part at its threshold."""

    scheme: str
    threshold: float | None  # None: on val nothing could be called positive
    found: int  # positive images that are called positive
    missed: int
    false_alarms: int
    cleared: int  # other images that are called negative
    sensitivity: Estimate
    specificity: Estimate


def carry_over(predictions: pd.DataFrame, part: str, schemes: tuple[str, ...], aim: Aim) -> tuple[Calls, ...]:
    """What each scheme's threshold for the aim, chosen on its own val scores, achieves on a part.

    Parameters
    ----------
    predictions : DataFrame
        As of :func:`gan_aug.study.predictions`.
    part : str
        test or external.

    Raises
    ------
    InvalidValue
        If there are no predictions of a scheme for the part or for val.
    """
    return tuple(_calls(scheme, read_scores(predictions, scheme, part), _threshold(predictions, scheme, aim)) for scheme in schemes)


def flips(predictions: pd.DataFrame, part: str, base: str, other: str, aim: Aim) -> tuple[Flip, ...]:
    """The images of a part that two schemes call differently, each at its own threshold; those whose score changes most come first.

    ``mended`` of a flip says that ``other`` is right and ``base`` wrong.
    """
    scores = (read_scores(predictions, scheme, part) for scheme in (base, other))
    return flipped(*scores, *(_threshold(predictions, scheme, aim) for scheme in (base, other)))


def _threshold(predictions: pd.DataFrame, scheme: str, aim: Aim) -> float:
    val = read_scores(predictions, scheme, "val")
    return stats.choose_threshold(val.labels, val.mean, part=val.part, **{aim.what: aim.level}).threshold


def _calls(scheme: str, scores: Scores, threshold: float) -> Calls:
    called, positive = scores.mean >= threshold, scores.labels == 1
    return Calls(
        scheme=scheme,
        threshold=float(threshold) if np.isfinite(threshold) else None,
        found=int((called & positive).sum()),
        missed=int((~called & positive).sum()),
        false_alarms=int((called & ~positive).sum()),
        cleared=int((~called & ~positive).sum()),
        sensitivity=_share(called[positive], scores.groups[positive]),
        specificity=_share(~called[~positive], scores.groups[~positive]),
    )


def _share(hits: np.ndarray, groups: np.ndarray) -> Estimate:
    found = stats.wilson_of_groups(hits, groups)
    return Estimate(float(found.value), float(found.low), float(found.high), found.method)
