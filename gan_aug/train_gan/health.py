"""Watching a GAN's training: what goes wrong is said in words while something can still be done about it.

It reads statistics that the training has computed anyway, and now and then the pictures of fixed seeds: how much 64 differ from each other,
and with every snapshot how well 256 cover the training images. It takes nothing from the training's random draws and touches no weight, so
a training ends with the same weights whether it is watched or not. What is told is a function of the lines of statistics alone: a
resumed training tells what an uninterrupted one would.
"""

import contextlib
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from gan_aug import runs
from gan_aug.errors import UserError
from gan_aug.metrics.prdc import prdc
from gan_aug.records import GanConfig

VARIETY_SIDE = 16  # pictures are compared at this size [px]: shapes and colours, not noise
VARIETY_TICKS = 5  # ticks between two measurements; there is one with every snapshot, too
COVERING = 256  # pictures, and as many training images, whose precision and recall are measured with every snapshot
NEIGHBOURS = 5  # the k of those two

WARM_UP = 5.0  # thousand images; before, G generates nearly the same grey for every seed and D cannot but win
COLLAPSED = 0.2  # share of the real images' variety
# Recall as a share of what other training images have. In six healthy trainings it was 0.68 or more, in two whose recall through derm was
# 0.16 at most it was 0.08 to 0.57, and in three that had collapsed 0.13 at most (docs/experiments.md, 2026-11-30).
NARROW, NARROW_SNAPSHOTS = 0.5, 3  # and for how many snapshots in a row
FALLEN, FALLEN_SNAPSHOTS = 0.6, 2  # share of the highest so far while precision is no lower than it was then
STRONG, STRONG_TICKS = 0.98, 5  # D's accuracy, and for how many ticks in a row
# An accuracy of one half alone is no trouble: G's pictures may be good. It is one where they vary too little, which D should see, and where
# D rates real and generated images alike on average. In ten healthy trainings of 40 to 400 kimg the ratings stayed 0.01 apart or more.
WEAK, WEAK_TICKS = 0.03, 10  # distance of D's accuracy from one half, and for how many ticks in a row
WEAK_DIVERSITY = 0.85  # share of the real images' variety
BLIND = 0.005  # difference of D's mean ratings (logits) of real and generated images, over those ticks
RUNAWAY, RUNAWAY_TICKS, HISTORY_TICKS = 10.0, 3, 10  # times the usual size of a loss; ticks in a row; ticks needed to know the usual

Lines = list[dict[str, float]]


def variety(pictures: np.ndarray, classes: np.ndarray | None = None) -> float:
    """How different the pictures are: the mean distance over all pairs.

    Parameters
    ----------
    pictures : ndarray of shape (N, R, R, 3), uint8, R a multiple of 16
    classes : ndarray of shape (N,), optional
        Only pairs of one class are compared: pictures that differ by their class alone are a collapse, too.

    Returns
    -------
    float
        Root mean square difference of two pictures at 16 x 16 px, in shares of the range of pixel values; 0 without a pair.
    """
    n, small = len(pictures), _small(pictures)
    squares = (small**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * small @ small.T, 0) / small.shape[1])
    pairs = np.triu(np.ones((n, n), dtype=bool), 1)
    if classes is not None:
        pairs &= classes[:, None] == classes[None, :]
    return float(distances[pairs].mean()) if pairs.any() else 0.0


def _small(pictures: np.ndarray) -> np.ndarray:
    """The pictures at 16 x 16 px, as rows of numbers from 0 to 1: (N, 768) float64."""
    n, side, _, _ = pictures.shape
    block = side // VARIETY_SIDE
    return pictures.reshape(n, VARIETY_SIDE, block, VARIETY_SIDE, block, 3).mean(axis=(2, 4)).reshape(n, -1) / 255


class Reference:
    """Training images, to which the pictures that G generates are compared.

    Parameters
    ----------
    examples : tuple of ndarray (N, R, R, 3) uint8 and ndarray (N,) or None
        Images, and their classes where G is told classes.
    some, others : ndarray of shape (M, R, R, 3), uint8
        Two sets without an image in common; from fewer than ``NEIGHBOURS + 2`` each nothing can be told.
    """

    def __init__(self, examples: tuple[np.ndarray, np.ndarray | None], some: np.ndarray, others: np.ndarray):
        self.variety = max(variety(*examples), 1e-6)
        self.covered = _small(some) if len(some) >= NEIGHBOURS + 2 else None
        if self.covered is not None:
            self.usual = prdc(self.covered, _small(others), NEIGHBOURS)

    def diversity(self, pictures: np.ndarray, classes: np.ndarray | None) -> float:
        """:func:`variety` of the pictures, as a share of that of the training images."""
        return variety(pictures, classes) / self.variety

    def covering(self, pictures: np.ndarray) -> dict[str, float]:
        """Precision and recall of as many pictures as there are images in a set, as shares of those of the other set; see :func:`prdc`."""
        found = prdc(self.covered, _small(pictures), NEIGHBOURS)
        return {
            "precision": found.precision / max(self.usual.precision, 1e-6),
            "recall": found.recall / max(self.usual.recall, 1e-6),
        }


def look(lines: Lines) -> dict[str, str]:
    """What is wrong at the last of some lines of statistics: kind of trouble -> what is seen and what to try. Empty while all is well."""
    lines = [line for line in lines if line["kimg"] > WARM_UP]
    if not lines:
        return {}
    found = {
        "collapse": _collapse(lines) or _narrow(lines),
        "strong D": _strong(lines),
        "weak D": _weak(lines),
        "divergence": _divergence(lines),
    }
    return {kind: sentence for kind, sentence in found.items() if sentence}


def _collapse(lines: Lines) -> str | None:
    measured = [line["diversity"] for line in lines if "diversity" in line]
    if len(measured) < 2 or max(measured[-2:]) >= COLLAPSED:
        return None
    return (
        f"Mode collapse: the generated images differ from each other by {measured[-1]:.0%} of what the training images do. "
        "Go back to an earlier snapshot, or start a new run with a larger r1_gamma, smaller learning rates or another GAN."
    )


def _narrow(lines: Lines) -> str | None:
    measured = [(line["precision"], line["recall"]) for line in lines if "recall" in line]
    if not measured:
        return None
    precision, recall = measured[-1]
    todo = "Take the best snapshot (gan-aug evaluate --select), or start a new run with a larger r1_gamma or another GAN."
    latest = measured[-NARROW_SNAPSHOTS:]
    if len(latest) == NARROW_SNAPSHOTS and max(recall for _, recall in latest) < NARROW:
        return (
            f"Mode collapse: the generated images cover {recall:.0%} of what as many other training images cover (recall; precision "
            f"{precision:.0%}), and no more than half of it for {NARROW_SNAPSHOTS} snapshots. {todo}"
        )
    highest = max(measured[:-FALLEN_SNAPSHOTS], key=lambda pair: pair[1], default=None)
    if highest and all(r < FALLEN * highest[1] and p >= highest[0] for p, r in measured[-FALLEN_SNAPSHOTS:]):
        return (
            f"Mode collapse: recall fell to {recall:.0%} of what as many other training images have, from {highest[1]:.0%}, while "
            f"precision rose from {highest[0]:.0%} to {precision:.0%}: the generated images become good and alike. {todo}"
        )
    return None


def _strong(lines: Lines) -> str | None:
    # A critic that estimates a distance is meant to be ahead: its gradient does not vanish.
    accuracy = [line["D/accuracy"] for line in lines[-STRONG_TICKS:] if "D/accuracy" in line and "D/distance" not in line]
    if len(accuracy) < STRONG_TICKS or min(accuracy) < STRONG:
        return None
    return (
        f"The discriminator wins: it was right about {min(accuracy):.0%} of the images or more in {STRONG_TICKS} ticks in a row, so the "
        "generator learns little. Start a new run with a smaller d_lr, a larger r1_gamma, or DiffAugment (augment=translation,cutout)."
    )


def _weak(lines: Lines) -> str | None:
    latest = [line for line in lines[-WEAK_TICKS:] if "D/accuracy" in line]
    if len(latest) < WEAK_TICKS or any(abs(line["D/accuracy"] - 0.5) >= WEAK for line in latest):
        return None

    gaps = [line["D/real"] - line["D/fake"] for line in latest if "D/distance" not in line]  # a critic's ratings have no scale
    if gaps and abs(statistics.mean(gaps)) < BLIND:
        return (
            f"The discriminator is blind: for {WEAK_TICKS} ticks it has rated real and generated images alike, so the generator has "
            "nothing to follow: how its pictures change from here on is chance. Take the best snapshot (gan-aug evaluate --select), or "
            "start a new run with half the learning rates, less DiffAugment or another GAN."
        )
    diversity = next((line["diversity"] for line in reversed(lines) if "diversity" in line), 1.0)
    if diversity < WEAK_DIVERSITY:
        return (
            f"The discriminator guesses: for {WEAK_TICKS} ticks it has told real from generated images no better than chance, although "
            f"those differ from each other by {diversity:.0%} of what the training images do. If the pictures do not look real, start a "
            "new run with a larger d_lr, a smaller r1_gamma or less DiffAugment."
        )
    return None


def _divergence(lines: Lines) -> str | None:
    for name in ("D/loss", "G/loss"):
        # The level of a critic's ratings means nothing and may drift; its own loss is a difference of ratings.
        sizes = [abs(line[name]) for line in lines if name in line and not (name == "G/loss" and "D/distance" in line)]
        earlier, latest = sizes[:-RUNAWAY_TICKS], sizes[-RUNAWAY_TICKS:]
        if len(earlier) < HISTORY_TICKS:
            continue
        usual = statistics.median(earlier)
        # A loss that was near 0 may go back to what it is at equilibrium, 1 to 2, and be well.
        if min(latest) > RUNAWAY * max(usual, 1.0):
            return (
                f"Divergence: {name} has run away, to {latest[-1]:.3g} from {usual:.3g} before. "
                "Go back to an earlier snapshot, and start a new run with smaller learning rates or precision fp32."
            )
    return None


class Watch:
    """The lines of a training so far. What they tell is written into the run's log when it begins, and returned as long as it lasts."""

    def __init__(self, folder: Path, lines: Lines):
        self.folder, self.lines, self.known = folder, lines, set(look(lines))

    def add(self, line: dict[str, float]) -> tuple[str, ...]:
        """Take in the numbers of a tick, ``kimg`` among them; returns what is wrong now, in sentences."""
        self.lines.append(line)
        found = look(self.lines)
        for kind in found.keys() - self.known:
            runs.append_log(self.folder, found[kind])
        self.known = set(found)
        return tuple(found.values())


@contextlib.contextmanager
def memory_explained(config: GanConfig) -> Iterator[None]:
    """Turn the exceptions of a full memory into one that names the settings which need less.

    Raises
    ------
    UserError
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError, and a CPU's is a plain one
        full = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not full and not any(words in str(error) for words in ("not enough memory", "can't allocate memory")):
            raise
        where = "the GPU" if isinstance(error, torch.OutOfMemoryError) else "this machine"
        size = f"batch_size {config.batch_size}, width {config.width}, {config.resolution} px"
        smaller = f"a smaller batch (--batch {max(2, config.batch_size // 2)})"
        raise UserError(
            f"The memory of {where} is full ({size}).",
            f"Start a new run with {smaller}, a smaller width (--set width={max(1, config.width // 2)}) or smaller images (--size), "
            "or close other programs.",
        ) from error
