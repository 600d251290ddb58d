"""Distances to the training images, through a network and in plain pixels."""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from gan_aug import images, randomness
from gan_aug.audit.records import SpaceAudit
from gan_aug.data import training_list
from gan_aug.data.dataset import ImageSet
from gan_aug.metrics import copying
from gan_aug.metrics.extractors import OnProgress, cached_features, open_extractor
from gan_aug.records import Split

BLOCK = 1024  # training images handled at a time

_PIXELS = 32  # side at which pixels are compared [px]
CELLS = 3  # of C_T
_CELL_IMAGES = 1000  # training images that the cells of C_T are fitted to


@dataclasses.dataclass(frozen=True)
class Space:
    """A way to turn images into numbers that can be subtracted."""

    name: str
    weights_sha256: str
    dim: int
    resize: str
    features: Callable[[np.ndarray], np.ndarray]  # (n, R, R, 3) uint8 -> (n, dim)

    def blocks(
        self, image_set: ImageSet, rows: np.ndarray, size: int, on_progress: OnProgress | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Features of some images, some at a time, each block with the place of its first: memory does not grow with their number."""
        for start in range(0, len(rows), BLOCK):
            yield start, self.features(np.asarray(image_set.at(size)[rows[start : start + BLOCK]]))
            if on_progress:
                on_progress(min(start + BLOCK, len(rows)), len(rows), f"distances by {self.name}")


@dataclasses.dataclass(frozen=True)
class Measured:
    """The distances of both sets in one space."""

    audit: SpaceAudit
    fake: copying.Nearest
    held_out: copying.Nearest
    authentic: tuple[np.ndarray, np.ndarray]


def through(extractor: str, held_out: tuple[ImageSet, Split] | None, on_progress: OnProgress | None) -> Space:
    """The space of an extractor, which is refused if it has seen what is ``held_out``; None where no real image is compared."""
    eyes = open_extractor(extractor)
    if held_out:
        training_list.refuse_leak(list(eyes.seen), *held_out, f"extractor {eyes.name}")
    features = functools.partial(cached_features, eyes, on_progress=on_progress)
    return Space(eyes.name, eyes.weights_sha256, eyes.dim, eyes.resize, features)


def in_pixels() -> Space:
    """The pixels of images, reduced so that shifts of one pixel do not matter."""
    return Space("pixels", "", 3 * _PIXELS**2, f"bicubic to {_PIXELS}, antialiased", _flat)


def _flat(pictures: np.ndarray) -> np.ndarray:
    return images.resize(pictures, _PIXELS).reshape(len(pictures), -1).astype(np.float32) / 255


def measure(
    space: Space,
    fakes: np.ndarray,
    real: np.ndarray,
    groups: np.ndarray,
    image_set: ImageSet,
    train: np.ndarray,
    size: int,
    seed: int,
    on_progress: OnProgress | None,
) -> Measured:
    """Distances of both sets, and of the training images nearest to them among themselves; ``groups`` are those of the real images."""

    blocks = functools.partial(space.blocks, image_set, train, size, on_progress)

    def in_turns(pictures: np.ndarray) -> np.ndarray:
        return np.stack(
            [space.features(np.ascontiguousarray(copying.turned(pictures, turn))).astype(np.float32) for turn in range(copying.TURNS)]
        )

    queries = [in_turns(fakes), in_turns(real)]
    fake, held_out = (copying.nearest(query, blocks) for query in queries)
    reached = np.unique(np.concatenate([fake.rows, held_out.rows]))
    own = copying.nearest(in_turns(np.asarray(image_set.at(size)[train[reached]])), blocks, k=1, own=reached)
    own_distance = dict(zip(reached.tolist(), own.nearest.tolist(), strict=True))
    authentic = tuple(copying.authentic(found, own_distance) for found in (fake, held_out))
    sample = np.sort(randomness.order(seed, 3, len(train))[:_CELL_IMAGES])
    as_nearest = [query[found.turns, np.arange(query.shape[1])] for query, found in zip(queries, (fake, held_out), strict=True)]
    places = cells(space.features(np.asarray(image_set.at(size)[train[sample]])), seed, *as_nearest)
    closer, chance = copying.closer_than_any(fake.relative, fake.rows, held_out.relative)
    audit = SpaceAudit(
        space=space.name,
        weights_sha256=space.weights_sha256,
        dim=space.dim,
        resize=space.resize,
        median_distance=(float(np.median(fake.nearest)), float(np.median(held_out.nearest))),
        least_distance=(float(fake.nearest.min()), float(held_out.nearest.min())),
        median_relative=(float(np.median(fake.relative)), float(np.median(held_out.relative))),
        auth_pct=(100 * float(authentic[0].mean()), 100 * float(authentic[1].mean())),
        rank_z=copying.rank_z(fake.nearest, held_out.nearest, groups),
        ct=copying.ct_score(fake.nearest, held_out.nearest, *places, groups),
        closer_than_any=closer,
        closer_chance=chance,
    )
    return Measured(audit, fake, held_out, authentic)


def cells(training: np.ndarray, seed: int, *sets: np.ndarray) -> list[np.ndarray]:
    """The cell of every row of each set: k-means with 3 cells on features of training images (n, d)."""
    from sklearn.cluster import KMeans

    means = KMeans(min(CELLS, len(training)), n_init=10, random_state=seed).fit(training.astype(np.float64))
    return [means.predict(rows.astype(np.float64)) for rows in sets]
