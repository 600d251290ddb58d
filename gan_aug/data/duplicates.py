"""Near-duplicates: pictures of the same lesion on the same occasion, turned, mirrored, re-saved or slightly cropped.

Two steps. A perceptual hash of 64 bits *proposes* pairs, with a lookup that does not compare every image with every other. A similarity of
the pixels *decides*: the correlation of two high-passed 32 x 32 grey images, evened out by their local contrast, in the best of the 8 flips
and quarter turns and the best of 9 shifts. The hash alone would chain hundreds of unrelated lesions together, and without the evening out a
dark spot on plain skin resembles every other. On HAM10000, 148 of the 150 pairs found carry the same lesion id, and the two others show one
lesion, too; the 16,172 other proposed pairs of different lesions have at most 0.65 (``docs/experiments.md``, 2026-11-28).

All arithmetic is on whole numbers, so that every machine finds the same pairs.
"""

import dataclasses

import numpy as np

THRESHOLD = 0.70  # least similarity of near-duplicates
MAX_DISTANCE = 10  # bits in which the hashes of a proposed pair may differ
VERSION = 2  # of hash and similarity together; stored with what was found

_SIDE = 32  # of the grey image [px]
_RADIUS = 13.5  # of the circle that is compared [px]
_BLUR = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1], np.int64)  # binomial, a Gaussian of 1.4 px; sums to 256
_FREQUENCIES = np.arange(3, 11)  # below lies what all lesions share (a dark middle), above lies noise
_SOFT = 32  # added to the local contrast, half a grey level: the noise of even skin is not blown up
_SHIFTS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]  # of the 32 x 32 image [px]
_WORTH_SHIFTING = 0.25  # least similarity of a pair that is looked at shifted, too
_BANDS = 32  # subsets of the bits by which similar hashes are found
_BLOCK = 256  # images handled at a time
_MEETINGS = 2_000_000  # hashes compared at a time


def _cosines() -> np.ndarray:
    """Rows of the discrete cosine transform in 1/4096, (8, 32), mirrored exactly so that a flip only changes signs."""
    position = np.arange(_SIDE // 2)
    half = np.rint(4096 * np.cos(np.pi * (2 * position + 1) * _FREQUENCIES[:, None] / (2 * _SIDE))).astype(np.int64)
    parity = np.where(_FREQUENCIES % 2, -1, 1)[:, None]
    return np.concatenate([half, half[:, ::-1] * parity], axis=1)


_COSINES = _cosines()
_WEIGHTS = np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)


def describe(images: np.ndarray) -> np.ndarray:
    """Grey images at 32 px, less their own blur, in a circle: borders and structures, not light, skin tone and dark corners.

    Parameters
    ----------
    images : ndarray of shape (N, S, S, 3), uint8
        S is a multiple of 32.

    Returns
    -------
    ndarray of shape (N, 32, 32), int16
        In 1/64 of a grey level.
    """
    out = np.empty((len(images), _SIDE, _SIDE), np.int16)
    cell = images.shape[1] // _SIDE
    for start in range(0, len(images), _BLOCK):
        block = np.asarray(images[start : start + _BLOCK])
        grey = block @ np.array([299, 587, 114], np.int32)
        grey = grey.reshape(len(block), _SIDE, cell, _SIDE, cell).sum((2, 4), dtype=np.int64) * 64 // (1000 * cell * cell)
        out[start : start + _BLOCK] = (grey - _blur(grey * _DISC) // _DISC_BLUR) * _DISC
    return out


def _blur(grey: np.ndarray) -> np.ndarray:
    """(N, 32, 32) int64 blurred, times 65,536; outside is 0."""
    padded = np.pad(grey, ((0, 0), (4, 4), (4, 4)))
    padded = sum(weight * padded[:, k : k + _SIDE] for k, weight in enumerate(_BLUR))
    return sum(weight * padded[:, :, k : k + _SIDE] for k, weight in enumerate(_BLUR))


def _even(described: np.ndarray) -> np.ndarray:
    """Descriptions (N, 32, 32) divided by their contrast nearby, times 256, int16: a faint network counts as much as a dark border."""
    values = described.astype(np.int64)
    contrast = np.sqrt((_blur(values * values) // _DISC_BLUR).astype(np.float64)).astype(np.int64)  # IEEE roots are the same everywhere
    return (values * 256 // (contrast + _SOFT) * _DISC).astype(np.int16)


def _disc() -> np.ndarray:
    """1 inside the circle that is compared, 0 outside, (1, 32, 32): the dark corners of a dermatoscope would make strangers alike."""
    square = (2 * np.arange(_SIDE) - _SIDE + 1) ** 2
    return (square[:, None] + square[None, :] <= (2 * _RADIUS) ** 2).astype(np.int64)[None]


_DISC = _disc()
_DISC_BLUR = np.maximum(_blur(_DISC), 1)


def phash(image: np.ndarray) -> str:
    """Perceptual hash of an image (S, S, 3) uint8: 16 hexadecimal digits, the same for its 8 flips and turns.

    The bits are the signs of 64 cosine coefficients of the described image. A mirror flips the signs of odd frequencies and a transposition
    swaps rows and columns, so all 8 variants follow from the bits alone; the smallest stands for all.
    """
    coefficients = _COSINES @ describe(image[None])[0].astype(np.int64) @ _COSINES.T
    return f"{int(_turns(_pack((coefficients > 0)[None])).min()):016x}"


def _pack(bits: np.ndarray) -> np.ndarray:
    """Bits (N, 8, 8) as numbers (N,) uint64."""
    return (bits.reshape(len(bits), 64) * _WEIGHTS).sum(1, dtype=np.uint64)


def _turns(hashes: np.ndarray) -> np.ndarray:
    """The hashes (N,) of all 8 flips and turns, (8, N), in the order of :func:`_turn`."""
    bits = ((hashes[:, None] & _WEIGHTS) != 0).reshape(-1, 8, 8)
    odd = _FREQUENCIES % 2 == 1
    return np.stack([_pack(_swap(bits, turn) ^ ((odd[:, None] & bool(turn & 2)) ^ (odd[None, :] & bool(turn & 1)))) for turn in range(8)])


def _swap(array: np.ndarray, turn: int) -> np.ndarray:
    return array.transpose(0, 2, 1) if turn & 4 else array


def _turn(descriptions: np.ndarray, turn: int) -> np.ndarray:
    """One of the 8 flips and turns of descriptions (N, 32, 32): transposed (4), upside down (2), mirrored (1)."""
    turned = _swap(descriptions, turn)
    return turned[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """How much two images (S, S, 3) uint8 show the same, -1 to 1; at least ``THRESHOLD`` is a near-duplicate."""
    return float(_likeness(_even(describe(a[None])), _even(describe(b[None])))[0])


def _likeness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of evened descriptions (N, 32, 32), pair by pair, in the best flip or turn, and shifted in that one by up to a pixel."""
    turned = np.stack([_correlation(_turn(a, turn), b) for turn in range(8)])
    best = turned.max(0)
    worth = best >= _WORTH_SHIFTING
    for turn in range(8):
        rows = np.flatnonzero(worth & (turned.argmax(0) == turn))
        upright = _turn(a[rows], turn)  # outside the circle all is 0, so nothing is carried over the border
        for shift in _SHIFTS:
            best[rows] = np.maximum(best[rows], _correlation(np.roll(upright, shift, (1, 2)), b[rows]))
    return best


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of descriptions, pair by pair: (N, 32, 32) and (N, 32, 32) to (N,) float64. 0 for flat images."""
    n = _SIDE * _SIDE
    x, y = a.reshape(len(a), n).astype(np.int64), b.reshape(len(b), n).astype(np.int64)

    def covariance(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return n * np.einsum("ij,ij->i", u, v) - u.sum(1) * v.sum(1)  # exact

    spread = np.sqrt(covariance(x, x).astype(np.float64)) * np.sqrt(covariance(y, y).astype(np.float64))
    return np.divide(covariance(x, y), spread, out=np.zeros(len(x)), where=spread > 0)


def find_near_duplicates(images: np.ndarray, phashes: list[str]) -> list[tuple[int, int, float]]:
    """All verified near-duplicate pairs within one set of images.

    Parameters
    ----------
    images : ndarray of shape (N, S, S, 3), uint8
    phashes : list of N str
        From :func:`phash`.

    Returns
    -------
    list of (i, j, similarity)
        Rows, i < j, ascending.
    """
    hashes = _numbers(phashes)
    first, second = _propose(hashes, hashes, MAX_DISTANCE)
    pictures = Pictures(images, list(range(len(images))), phashes)
    return _verify(pictures, pictures, first[first < second], second[first < second])


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Some rows of a dataset's images, with their hashes."""

    images: np.ndarray  # (N, S, S, 3) uint8, usually a memory map
    rows: list[int]
    phashes: list[str]  # one per entry of ``rows``


def find_matches(a: Pictures, b: Pictures) -> list[tuple[int, int, float]]:
    """All verified near-duplicates between two sets of pictures: (position in a.rows, position in b.rows, similarity). Sizes may differ."""
    first, second = _propose(_numbers(a.phashes), _numbers(b.phashes), MAX_DISTANCE)
    return _verify(a, b, first, second)


def verify_pairs(a: Pictures, b: Pictures, pairs: list[tuple[int, int]]) -> list[tuple[int, int, float]]:
    """Those of some proposed pairs (position in a.rows, position in b.rows) that are near-duplicates, with their similarity."""
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return _verify(a, b, first, second)


def find_equal_hashes(phashes_a: list[str], phashes_b: list[str], distance: int) -> list[tuple[int, int]]:
    """Pairs of rows whose hashes differ in at most ``distance`` bits in the best flip or turn, for want of pixels to verify."""
    first, second = _propose(_numbers(phashes_a), _numbers(phashes_b), distance)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _numbers(phashes: list[str]) -> np.ndarray:
    return np.array([int(text, 16) for text in phashes], np.uint64)


def _bands(count: int) -> list[np.ndarray]:
    """Subsets of the 64 bits, long enough that about four of ``count`` unrelated hashes agree in one; the same on every machine."""
    length = int(np.clip(np.ceil(np.log2(max(count, 2))) - 2, 6, 24))
    stream = np.random.Philox(key=64).random_raw(_BANDS * 64).reshape(_BANDS, 64)
    return [np.sort(np.argsort(row)[:length]) for row in stream]


def _propose(a: np.ndarray, b: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (row in a, row in b), ascending, whose hashes differ in at most ``distance`` bits in one of the 8 flips and turns.

    Hashes that agree in all bits of at least one band meet (locality-sensitive hashing, Indyk and Motwani 1998). A pair with 7 differing
    bits has 32 chances; for unrelated ones the work grows as N log N, because the bands grow with N.
    """
    pairs = np.zeros(0, np.int64)  # row in a * len(b) + row in b
    if len(a) and len(b):
        turned = _turns(a)
        for band in _bands(len(b)):
            mask = _WEIGHTS[band].sum(dtype=np.uint64)
            order = np.argsort(b & mask, kind="stable")
            pairs = np.unique(np.concatenate([pairs, *(_meet(turned[turn], b, mask, order, distance) for turn in range(8))]))
    return np.divmod(pairs, max(len(b), 1))


def _meet(a: np.ndarray, b: np.ndarray, mask: np.uint64, order: np.ndarray, distance: int) -> np.ndarray:
    """Pairs that agree under ``mask`` and differ in at most ``distance`` bits, as row in a * len(b) + row in b.

    ``order`` sorts ``b & mask``.
    """
    keys = (b & mask)[order]
    start = np.searchsorted(keys, a & mask, "left")
    length = np.searchsorted(keys, a & mask, "right") - start
    ends = np.cumsum(length)
    found: list[np.ndarray] = []
    row = 0
    while row < len(a):  # in blocks, so that memory does not grow with the number of meetings
        stop = max(row + 1, int(np.searchsorted(ends, (ends[row - 1] if row else 0) + _MEETINGS, "right")))
        counts = length[row:stop]
        i = np.repeat(np.arange(row, stop), counts)
        within = np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
        j = order[np.repeat(start[row:stop], counts) + within]
        close = np.bitwise_count(a[i] ^ b[j]) <= distance
        found.append(i[close] * len(b) + j[close])
        row = stop
    return np.concatenate(found)


def _verify(a: Pictures, b: Pictures, first: np.ndarray, second: np.ndarray) -> list[tuple[int, int, float]]:
    """Keep the proposed pairs whose pixels agree."""
    described_a, index_a = _describe_some(a, first)
    described_b, index_b = _describe_some(b, second)
    kept: list[tuple[int, int, float]] = []
    for start in range(0, len(first), 16 * _BLOCK):
        block = slice(start, start + 16 * _BLOCK)
        values = _likeness(described_a[index_a[block]], described_b[index_b[block]])
        kept += [(int(first[start + k]), int(second[start + k]), float(values[k])) for k in np.flatnonzero(values >= THRESHOLD)]
    return kept


def _describe_some(pictures: Pictures, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evened descriptions of the pictures at positions ``wanted``, each once, and where each of ``wanted`` is among them."""
    positions, index = np.unique(wanted, return_inverse=True)
    rows = np.asarray(pictures.rows, np.int64)[positions]
    out = np.empty((len(rows), _SIDE, _SIDE), np.int16)
    for start in range(0, len(rows), _BLOCK):
        out[start : start + _BLOCK] = _even(describe(pictures.images[rows[start : start + _BLOCK]]))
    return out, index
