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

_SIDE = 32  # of the images whose likeness is judged is a multiple of this [px]
_PAIRS = 24  # on the sheet


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a set of images has in common with the training images."""

    identical: np.ndarray  # (n,) bool
    near: np.ndarray  # (n,) bool, identical ones included


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
    near = identical.copy()
    near[[place for place, _, _ in duplicates.find_matches(ours, theirs)]] = True
    for nearest in found:
        near[[place for place, _, _ in duplicates.verify_pairs(ours, theirs, list(enumerate(nearest.rows.tolist())))]] = True
    return Seen(identical, near)


def closest(
    names: list[str], fakes: np.ndarray, found: copying.Nearest, seen: Seen, image_set: ImageSet, train: np.ndarray, size: int
) -> tuple[tuple[Pair, ...], np.ndarray]:
    """The pairs that look most like copies, and a sheet of them: generated beside nearest real, four pairs a row."""
    order = np.lexsort((found.relative, ~seen.near, ~seen.identical))[:_PAIRS]
    pairs, rows = [], []
    for place in order.tolist():
        row = int(train[found.rows[place]])
        real = np.asarray(image_set.at(size)[row])
        # The generated image is turned to the photograph, so that the eye need not.
        fake = copying.turned(fakes[place : place + 1], int(found.turns[place]))[0]
        likeness = [images.resize(np.ascontiguousarray(some)[None], _SIDE)[0] for some in (fake, real)]
        pairs.append(
            Pair(
                fake=names[place],
                real=str(image_set.table["image_id"].iat[row]),
                relative=float(found.relative[place]),
                similarity=duplicates.similarity(*likeness),
                identical=bool(seen.identical[place]),
            )
        )
        gap = np.full((size, max(4, size // 8), 3), 255, np.uint8)
        rows.append(np.pad(np.concatenate([fake, real, gap], axis=1), ((0, gap.shape[1]), (0, 0), (0, 0)), constant_values=255))
    return tuple(pairs), _tiled(rows)


def _tiled(tiles: list[np.ndarray], columns: int = 4) -> np.ndarray:
    """Tiles of one shape (H, W, 3) in rows."""
    blank = np.full_like(tiles[0], 255)
    tiles = tiles + [blank] * (-len(tiles) % columns)
    return np.concatenate([np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, len(tiles), columns)])
