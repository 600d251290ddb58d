"""How many steps a classifier needs, found on val before a study is planned, so that no arm is stopped while it still learns."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from gan_aug.errors import InvalidValue

TOLERANCE = 0.005  # AUC on val that is given away for a shorter training


@dataclasses.dataclass(frozen=True)
class Length:
    """Trainings of one length, each with a learning rate that falls to 0 over just that length."""

    steps: int
    aucs: tuple[float, ...]  # best on val of each seed

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.aucs))


@dataclasses.dataclass(frozen=True)
class Proposal:
    """The number of steps to plan a study with."""

    steps: int
    converged: bool  # whether a longer training was tried and was no better
    lengths: tuple[Length, ...]
    words: str


def lengths(longest: int) -> tuple[int, ...]:
    """The lengths that are tried: the longest, and its half, quarter and eighth."""
    if longest < 8:
        raise InvalidValue(f"{longest} steps cannot be divided into shorter trainings.", "Try at least 8.")
    return tuple(longest // part for part in (8, 4, 2, 1))


def propose_steps(aucs: Mapping[int, tuple[float, ...]], tolerance: float = TOLERANCE) -> Proposal:
    """The shortest length whose mean AUC on val lies within ``tolerance`` of the best of all lengths.

    Trainings of different lengths are compared, and not one training at different times, because the learning rate falls over the whole
    length: a training that is cut at its middle is no finished one of half the length.

    Parameters
    ----------
    aucs : mapping
        Steps -> best AUC on val of each seed; at least two lengths.

    Raises
    ------
    InvalidValue
        With fewer lengths, or none above chance.
    """
    tried = tuple(Length(steps, tuple(aucs[steps])) for steps in sorted(aucs))
    if len(tried) < 2 or any(not length.aucs for length in tried):
        raise InvalidValue("A proposal needs trainings of at least two lengths.", "Train them first.")
    best = max(length.mean for length in tried)
    if best <= 0.5:
        raise InvalidValue(f"No training was better than chance on val: the best mean AUC is {best:.3f}.", "Use more data or another lr.")
    chosen = next(length for length in tried if length.mean >= best - tolerance)
    converged = chosen is not tried[-1]
    words = f"{chosen.steps} steps: AUC {chosen.mean:.3f} on val, and longer trainings reach {best:.3f} at most."
    if not converged:
        words = f"{chosen.steps} steps or more: the longest training was still the best (AUC {best:.3f} on val). Try longer ones."
    return Proposal(chosen.steps, converged, tried, words)
