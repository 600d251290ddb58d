"""Keyed randomness: every draw of a training is a function of (seed, step), so no generator state is ever saved.

Saved global state fails in practice (worker processes, libraries that draw in between); a key cannot be in the wrong place after a resume.
"""

import functools
import hashlib

import numpy as np

from gan_aug.errors import InvalidValue

MEASURED_BELOW = 1_000_000  # of a measurement: each takes a million seeds of the generator, see gan_aug.subjects


def check_seed(seed: int, below: int = 2**63) -> None:
    """Refuse what cannot be the seed of a training, a split or, with ``below``, of something that has fewer.

    Raises
    ------
    InvalidValue
    """
    if not 0 <= seed < below:
        raise InvalidValue(f"Seed {seed} is out of range.", f"Use a whole number from 0 to {below - 1}.")


def key(seed: int, *parts: int | str) -> int:
    """A 63-bit number that belongs to ``seed`` and ``parts``, for seeding one stream of draws (one step, one epoch, one purpose)."""
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@functools.lru_cache(maxsize=4)  # a batch needs one or two epochs' orders, and the next batch the same ones
def order(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order in which ``n`` items are visited in an epoch: a permutation, int64, the same on every machine and in every version."""
    bits = np.random.Philox(key=key(seed, "order", epoch)).random_raw(n)
    visits = np.argsort(bits, kind="stable")
    visits.setflags(write=False)
    return visits


def batch_rows(seed: int, batch: int, batch_size: int, n: int) -> np.ndarray:
    """Positions of the ``batch``-th batch when epochs of ``n`` items follow each other without a gap.

    Returns
    -------
    ndarray of shape (batch_size,), int64, values below n
    """
    positions = np.arange(batch * batch_size, (batch + 1) * batch_size)
    epochs = positions // n
    rows = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        rows[here] = order(seed, int(epoch), n)[positions[here] % n]
    return rows
