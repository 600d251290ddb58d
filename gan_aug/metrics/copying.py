"""Whether generated images repeat training images: nearest neighbours, AuthPct and C_T, each beside the same of held-out real images.

A distance alone says nothing: real photographs too have near neighbours among others. So every number here is measured twice, for generated
images and for real ones that the generator has not seen, against the same training images. NumPy only.

Generators are trained with flips and turns, so an image is compared in all 8, and its distance to a training image is the least of them.
Training images come in blocks, and no more than one block is held at a time: memory does not grow with their number.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from gan_aug.errors import InvalidValue
from gan_aug.metrics import squared_distances

TURNS = 8
NEIGHBOURS = 11  # of each image that are kept: the nearest, and ten that say how near is usual there
FEWEST_IN_CELL = 20  # generated and held-out images, for the normal approximation

Blocks = Callable[[], Iterator[tuple[int, np.ndarray]]]  # start position and features (b, d) of each block of training images, in order

_QUERIES = 128  # images compared with a block at a time, in all their turns


def turned(pictures: np.ndarray, turn: int) -> np.ndarray:
    """One of the 8 flips and turns of pictures (N, R, R, 3): transposed (4), upside down (2), mirrored (1). Turn 0 is the pictures."""
    out = pictures.transpose(0, 2, 1, 3) if turn & 4 else pictures
    return out[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest training images of some images."""

    neighbours: np.ndarray  # (q, k) positions of the nearest training images, the nearest first; -1 where there are fewer
    neighbour_turns: np.ndarray  # (q, k) the turn of the image in which it is nearest to each
    distances: np.ndarray  # (q, k) Euclidean, ascending; infinite where there are fewer training images

    @property
    def rows(self) -> np.ndarray:
        """Position of the nearest training image, (q,)."""
        return self.neighbours[:, 0]

    @property
    def turns(self) -> np.ndarray:
        """The turn of the image in which it is nearest, (q,)."""
        return self.neighbour_turns[:, 0]

    @property
    def nearest(self) -> np.ndarray:
        """Distance to the nearest training image, (q,)."""
        return self.distances[:, 0]

    @property
    def relative(self) -> np.ndarray:
        """That distance over the mean distance to the next ten, (q,), 0 to 1; 1 where both are 0.

        A copy is far nearer to one training image than to any other; a blurred image is near to all of them, which is no copying (after
        Carlini et al. 2023, arXiv 2301.13188, section 4).
        """
        others = np.where(np.isfinite(self.distances[:, 1:]), self.distances[:, 1:], 0).sum(axis=1)
        others /= np.maximum(np.isfinite(self.distances[:, 1:]).sum(axis=1), 1)
        return np.divide(self.nearest, others, out=np.ones(len(others)), where=others > 0)


def nearest(queries: np.ndarray, blocks: Blocks, k: int = NEIGHBOURS, own: np.ndarray | None = None) -> Nearest:
    """The k nearest training images of each query.

    Parameters
    ----------
    queries : ndarray of shape (turns, q, d)
        Features of each query in each turn.
    blocks : callable
        Gives the features of the training images.
    k : int
        At least 1.
    own : ndarray of shape (q,), optional
        Position of each query among the training images, where it is one: left out, in every turn.

    Raises
    ------
    InvalidValue
        Without training images, or where a feature is not finite.
    """
    n_turns, n, d = queries.shape
    _check_finite(queries)
    best, rows, turns = np.full((n, k), np.inf), np.full((n, k), -1, np.int64), np.zeros((n, k), np.int64)
    for start, features in blocks():
        _check_finite(features)
        features = features.astype(np.float64)
        for first in range(0, n, _QUERIES):
            part = slice(first, first + _QUERIES)
            some = queries[:, part].reshape(-1, d).astype(np.float64)
            squared = squared_distances(some, features).reshape(n_turns, -1, len(features))
            least = squared.min(axis=0)
            if own is not None:
                inside = np.flatnonzero((own[part] >= start) & (own[part] < start + len(features)))
                least[inside, own[part][inside] - start] = np.inf
            merged = np.concatenate([best[part], least], axis=1)
            places = np.broadcast_to(start + np.arange(len(features)), least.shape)
            kept = np.argpartition(merged, k - 1, axis=1)[:, :k]
            kept = np.take_along_axis(kept, np.argsort(np.take_along_axis(merged, kept, axis=1), axis=1), axis=1)
            best[part] = np.take_along_axis(merged, kept, axis=1)
            rows[part] = np.take_along_axis(np.concatenate([rows[part], places], axis=1), kept, axis=1)
            turns[part] = np.take_along_axis(np.concatenate([turns[part], squared.argmin(axis=0)], axis=1), kept, axis=1)
    rows[np.isinf(best)] = -1
    if n and rows[:, 0].min() < 0:
        raise InvalidValue("There are no training images to compare with.", "Name the dataset that the generator was trained on.")
    return Nearest(rows, turns, np.sqrt(best))


def _check_finite(features: np.ndarray) -> None:
    if not np.isfinite(features).all():
        raise InvalidValue("A feature is not a finite number.", "Check the weights of the extractor.")


def authentic(found: Nearest, own_distance: dict[int, float]) -> np.ndarray:
    """Which images are farther from their nearest training image than that one is from its own nearest neighbour among the others, (q,).

    The mean, in per cent, is AuthPct (Alaa et al. 2022, arXiv 2102.08921, section 4). It is not 100 for unseen real images
    either: read it beside theirs.

    Parameters
    ----------
    found : Nearest
    own_distance : dict
        Position of a training image -> distance to the nearest other training image, for all of ``found.rows``.
    """
    return found.nearest > np.array([own_distance[row] for row in found.rows.tolist()])


def rank_z(fake: np.ndarray, held_out: np.ndarray, groups: np.ndarray) -> float:
    """Mann-Whitney's U of two sets of distances as a z-score: far below 0 if generated images lie nearer than held-out ones.

    ``z = (U - (n m / 2 - 1/2)) / sqrt(n m (n + m + 1) / 12)`` with U the pairs in which the generated image is farther, ties counting half
    (Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675, section 3). That takes the m held-out images for independent. Images of one
    patient or lesion are not, so their share of the variance, 1/m beside 1/n, is stretched by how much further the sums of the groups'
    ranks scatter than those of single images would (Kish's design effect; 1 where each image is of another).

    Parameters
    ----------
    fake, held_out : ndarray of shape (n,), (m,)
        Distances to the nearest training image.
    groups : ndarray of shape (m,), int
        Number of the patient or lesion that each held-out image is of.
    """
    n, m = len(fake), len(held_out)
    ordered = np.sort(held_out)
    u = (np.searchsorted(ordered, fake, "left") + np.searchsorted(ordered, fake, "right")).sum() / 2
    stretched = (_design_effect(held_out, groups) / m + 1 / n) / (1 / m + 1 / n)
    return float((u - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12 * stretched))


def _design_effect(values: np.ndarray, groups: np.ndarray) -> float:
    """How many times the variance of the mean rank is what it would be if images of one group were independent; at least 1."""
    ranks = np.unique(values, return_inverse=True)[1].astype(np.float64)
    ranks -= ranks.mean()
    alone = (ranks**2).sum()
    return max(1.0, float((np.bincount(groups, ranks) ** 2).sum() / alone)) if alone > 0 else 1.0


def ct_score(
    fake: np.ndarray, held_out: np.ndarray, fake_cells: np.ndarray, held_out_cells: np.ndarray, groups: np.ndarray
) -> float | None:
    """C_T of Meehan et al. 2020 (section 3.2): :func:`rank_z` in each cell of the space, averaged with the share of held-out images in it.

    Below -3 a generator copies; far above 0 it generates what lies far from the data. A test over all images at once would let
    copying in one region be made up for by poor images in another.

    Parameters
    ----------
    fake, held_out : ndarray of shape (n,), (m,)
        Distances to the nearest training image.
    fake_cells, held_out_cells : ndarray of shape (n,), (m,), int
    groups : ndarray of shape (m,), int
        Number of the patient or lesion that each held-out image is of.

    Returns
    -------
    float or None
        None if no cell holds 20 images of each kind.
    """
    total, weights = 0.0, 0
    for cell in np.unique(held_out_cells):
        in_fake, in_held_out = fake_cells == cell, held_out_cells == cell
        if min(in_fake.sum(), in_held_out.sum()) >= FEWEST_IN_CELL:
            total += in_held_out.sum() * rank_z(fake[in_fake], held_out[in_held_out], groups[in_held_out])
            weights += in_held_out.sum()
    return float(total / weights) if weights else None


def closer_than_any(fake: np.ndarray, fake_rows: np.ndarray, held_out: np.ndarray) -> tuple[int, float]:
    """To how many training images generated ones are nearer than every held-out one is to any, and the chance of so many without copying.

    C_T compares whole distributions and does not see one copy in ten; this looks at the nearest end alone. If all n + m images are alike,
    the k nearest are all generated with probability n (n - 1) ... / ((n + m) (n + m - 1) ...), k factors each. Each training image counts
    once: a generator that makes one picture over and over, as all do at first, brings no more evidence than that picture, so the chance
    is at most the one returned.

    Parameters
    ----------
    fake, held_out : ndarray of shape (n,), (m,)
        Distances to the nearest training image, or such distances over what is usual there.
    fake_rows : ndarray of shape (n,)
        Which training image that is.
    """
    n, m = len(fake), len(held_out)
    count = len(np.unique(fake_rows[fake < held_out.min()]))
    place = np.arange(count)
    return count, float(np.prod((n - place) / (n + m - place)))
