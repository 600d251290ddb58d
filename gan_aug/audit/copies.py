"""Training images among the generated ones: identical pixels, verified near-duplicates, and the closest pairs as pictures."""

import dataclasses
import hashlib

import numpy as np

from gan_aug import images
from gan_aug.audit.records import Pair
from gan_aug.audit.spaces import BLOCK
from gan_aug.data import duplicates
from gan_aug.data.dataset import ImageSet
from gan_aug.data.duplicates import Pictures
from gan_aug.metrics import copying

# Similarity from which one near-duplicate accuses a generator. Among two million pairs of generated and training images chance alone came
# to 0.73; of copies that were blurred by 1.5 px at 64 px, 97 % and more have this (docs/experiments.md, 2026-12-01).
SURE = 0.80

_SIDE = 32  # of the images whose likeness is judged is a multiple of this [px]
_PAIRS = 24  # on the sheet


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a set of images has in common with the training images."""

    identical: np.ndarray  # (n,) bool
    similarity: np.ndarray  # (n,) float, to the most similar training image that is a verified near-duplicate; 0 where none is
    match: np.ndarray  # (n,) int, position of that image among the training images; -1 where none is

    @property
    def near(self) -> np.ndarray:
        """Which are near-duplicates, identical ones included; (n,) bool."""
        return self.identical | (self.similarity > 0)

    @property
    def sure(self) -> np.ndarray:
        """Which are so similar that chance does not explain it, identical ones included; (n,) bool."""
        return self.identical | (self.similarity >= SURE)


def digests_of(image_set: ImageSet, train: np.ndarray, size: int) -> set[bytes]:
    """Digests of the training images' pixels at ``size``."""
    found = set()
    for start in range(0, len(train), BLOCK):
        found.update(hashlib.sha256(image.tobytes()).digest() for image in np.asarray(image_set.at(size)[train[start : start + BLOCK]]))
    return found


def seen_among(pictures: np.ndarray, found: list[copying.Nearest], digests: set[bytes], image_set: ImageSet, train: np.ndarray) -> Seen:
    """Which pictures are training images. Near-duplicates are proposed by hashes and by nearness, and verified on pixels."""
    turns = [np.ascontiguousarray(copying.turned(pictures, turn)) for turn in range(copying.TURNS)]
    identical = np.array(
        [any(hashlib.sha256(turn[place].tobytes()).digest() in digests for turn in turns) for place in range(len(pictures))]
    )
    some = pictures if pictures.shape[1] % _SIDE == 0 else images.resize(pictures, _SIDE)
    ours = Pictures(some, list(range(len(some))), [duplicates.phash(picture) for picture in some])
    theirs = Pictures(image_set.images, train.tolist(), image_set.table["phash"].to_numpy()[train].tolist())
    matches = duplicates.find_matches(ours, theirs)
    for nearest in found:
        matches += duplicates.verify_pairs(ours, theirs, list(enumerate(nearest.rows.tolist())))
    similarity, match = np.zeros(len(pictures)), np.full(len(pictures), -1)
    for place, position, value in matches:
        if value > similarity[place]:
            similarity[place], match[place] = value, position
    return Seen(identical, similarity, match)


def closest(
    names: list[str], fakes: np.ndarray, found: copying.Nearest, seen: Seen, image_set: ImageSet, train: np.ndarray, size: int
) -> tuple[tuple[Pair, ...], np.ndarray]:
    """The pairs that look most like copies, and a sheet of them: generated beside closest real, four pairs a row.

    Of a near-duplicate the closest is the image that it duplicates, of others the nearest one.
    """
    order = np.lexsort((found.relative, -seen.similarity, ~seen.identical))[:_PAIRS]
    pairs, rows = [], []
    for place in order.tolist():
        near = seen.match[place] >= 0 and not seen.identical[place]
        row = int(train[seen.match[place] if near else found.rows[place]])
        real = np.asarray(image_set.at(size)[row])
        # The generated image is turned to the photograph, so that the eye need not.
        fake = copying.turned(fakes[place : place + 1], _turn(fakes[place], real) if near else int(found.turns[place]))[0]
        likeness = [images.resize(np.ascontiguousarray(some)[None], _SIDE)[0] for some in (fake, real)]
        pairs.append(
            Pair(
                fake=names[place],
                real=str(image_set.table["image_id"].iat[row]),
                relative=float(found.relative[place]),
                similarity=float(seen.similarity[place]) or duplicates.similarity(*likeness),
                identical=bool(seen.identical[place]),
            )
        )
        gap = np.full((size, max(4, size // 8), 3), 255, np.uint8)
        rows.append(np.pad(np.concatenate([fake, real, gap], axis=1), ((0, gap.shape[1]), (0, 0), (0, 0)), constant_values=255))
    return tuple(pairs), _tiled(rows)


def _turn(fake: np.ndarray, real: np.ndarray) -> int:
    """The flip or turn of ``fake`` that differs least from ``real``, pixel by pixel."""
    return min(range(copying.TURNS), key=lambda turn: int(np.square(copying.turned(fake[None], turn)[0].astype(int) - real).sum()))


def _tiled(tiles: list[np.ndarray], columns: int = 4) -> np.ndarray:
    """Tiles of one shape (H, W, 3) in rows."""
    blank = np.full_like(tiles[0], 255)
    tiles = tiles + [blank] * (-len(tiles) % columns)
    return np.concatenate([np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, len(tiles), columns)])
