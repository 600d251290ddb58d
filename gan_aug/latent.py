"""Latent vectors: z of a seed, walks between seeds, planes of seeds, and directions. NumPy only.

One seed is one z on every device, at every batch size and in every version of the libraries: NumPy promises stable bit streams for its bit
generators (not for ``standard_normal``), so z is made here from Philox's raw bits through the Box-Muller transform.
"""

import re

import numpy as np

from gan_aug.errors import InvalidValue
from gan_aug.randomness import check_seed

Z_RECIPE = "gan_aug.latent.z_of_seed: Philox(key=seed), raw bits >> 11, Box-Muller, float32"  # as pictures say it

_MAX_SEEDS = 1_000_000
_SEEDS_BELOW = 2**64  # a key of Philox


def z_of_seed(seed: int, z_dim: int) -> np.ndarray:
    """The standard normal latent vector that belongs to ``seed``.

    Box and Muller (1958): with u1 in (0, 1] and u2 in [0, 1), ``sqrt(-2 ln u1) cos(2 pi u2)`` and the same with ``sin`` are independent
    N(0, 1).

    Parameters
    ----------
    seed : int
        Non-negative, below 2**64.
    z_dim : int
        Number of components.

    Returns
    -------
    ndarray of shape (z_dim,), float32
    """
    check_seed(seed, _SEEDS_BELOW)
    pairs = (z_dim + 1) // 2
    bits = np.random.Philox(key=seed).random_raw(2 * pairs) >> np.uint64(11)  # 53 bits, all that a float64 holds
    u = bits.astype(np.float64) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(1.0 - u[:pairs]))
    angle = 2.0 * np.pi * u[pairs:]
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    return z[:z_dim].astype(np.float32)


def z_of_seeds(seeds: list[int], z_dim: int) -> np.ndarray:
    """Latent vectors of several seeds, shape (len(seeds), z_dim), float32."""
    return np.stack([z_of_seed(seed, z_dim) for seed in seeds]) if seeds else np.zeros((0, z_dim), np.float32)


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Spherical interpolation between latent vectors (Shoemake 1985; for GANs White 2016, arXiv 1609.04468).

    The direction moves along the great circle and the length is interpolated linearly, so that every frame is as far from the origin as
    samples of N(0, I) are; a straight line would pass through the middle, which G has never seen.

    Parameters
    ----------
    a, b : ndarray of shape (z_dim,)
    t : float
        Position, 0 at ``a`` and 1 at ``b``: there it is that very vector, so that the ends of a walk are the pictures of their seeds.

    Returns
    -------
    ndarray of shape (z_dim,), float32
    """
    if t in (0, 1):
        return (b if t else a).astype(np.float32)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    norm_a, norm_b = np.linalg.norm(a64), np.linalg.norm(b64)
    if norm_a == 0 or norm_b == 0:
        return ((1 - t) * a64 + t * b64).astype(np.float32)
    cosine = np.clip(np.dot(a64, b64) / (norm_a * norm_b), -1.0, 1.0)
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-6:  # (anti)parallel: no unique great circle, and the straight line is the limit
        return ((1 - t) * a64 + t * b64).astype(np.float32)
    direction = (np.sin((1 - t) * angle) * a64 / norm_a + np.sin(t * angle) * b64 / norm_b) / np.sin(angle)
    return (((1 - t) * norm_a + t * norm_b) * direction).astype(np.float32)


def walk(seeds: list[int], frames: int, z_dim: int) -> np.ndarray:
    """A path through the latent vectors of ``seeds``, in ``frames`` evenly spaced steps, first and last included.

    Returns
    -------
    ndarray of shape (frames, z_dim), float32

    Raises
    ------
    InvalidValue
        With fewer than two seeds or fewer frames than seeds.
    """
    if len(seeds) < 2:
        raise InvalidValue("A walk needs at least two seeds.", "Give them as a list, for example 3,7,12.")
    if frames < len(seeds):
        raise InvalidValue(
            f"{frames} frames cannot visit {len(seeds)} seeds.", f"Ask for at least {len(seeds)} frames, or name fewer seeds."
        )
    corners = z_of_seeds(seeds, z_dim)
    path = []
    for position in np.linspace(0, len(seeds) - 1, frames):
        leg = min(int(position), len(seeds) - 2)
        path.append(slerp(corners[leg], corners[leg + 1], float(position - leg)))
    return np.stack(path)


def plane(x: float, y: float, z_dim: int, stride: int = 1000) -> np.ndarray:
    """Latent vector of a point on the endless plane of seeds: whole numbers are seeds, the space between them is blended.

    The four nearest corners ``seed = x + stride * y`` are slerped, first along x, then along y.

    Returns
    -------
    ndarray of shape (z_dim,), float32
    """
    x0, y0 = int(np.floor(x)), int(np.floor(y))

    def corner(column: int, row: int) -> np.ndarray:
        return z_of_seed((column + stride * row) % 2**64, z_dim)

    lower = slerp(corner(x0, y0), corner(x0 + 1, y0), x - x0)
    upper = slerp(corner(x0, y0 + 1), corner(x0 + 1, y0 + 1), x - x0)
    return slerp(lower, upper, y - y0)


def plane_of(seeds: tuple[int, int, int], u: float, v: float, z_dim: int) -> np.ndarray:
    """Latent vector of a point on the plane that three seeds span: the first at (0, 0), the second at (1, 0), the third at (0, 1).

    The straight blend ``(1 - u - v) a + u b + v c`` gives the direction; its length is the mean of the three lengths, weighted by the size
    of those shares, so that points between the seeds are as far from the origin as samples of N(0, I) are (see :func:`slerp`).

    Returns
    -------
    ndarray of shape (z_dim,), float32
    """
    shares = np.array([1.0 - u - v, u, v])
    if not np.isfinite(shares).all():
        raise InvalidValue(f"There is no point ({u}, {v}) on the plane.", "Use finite numbers.")
    corners = z_of_seeds(list(seeds), z_dim).astype(np.float64)
    blend = shares @ corners
    length = np.linalg.norm(blend)
    wanted = np.abs(shares) @ np.linalg.norm(corners, axis=1) / np.abs(shares).sum()
    return (blend * (wanted / length) if length > 0 else blend).astype(np.float32)


def principal_directions(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The directions of z that change a linear layer's output most, in order (Shen and Zhou 2021, "SeFa", arXiv 2007.06600).

    A step n of unit length changes ``A z + b`` by ``A n``, whose length is greatest along the eigenvectors of A^T A.

    Parameters
    ----------
    matrix : ndarray of shape (outputs, z_dim)
        A.

    Returns
    -------
    directions : ndarray of shape (z_dim, z_dim), float32
        One per row, orthonormal; the largest component of each is positive, because a direction has no sign of its own.
    strengths : ndarray of shape (z_dim,), float64
        Length of ``A n`` for each, descending.
    """
    values, vectors = np.linalg.eigh(matrix.T.astype(np.float64) @ matrix.astype(np.float64))
    directions = vectors.T[::-1]
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    return directions.astype(np.float32), np.sqrt(np.maximum(values[::-1], 0.0))


def along(z: np.ndarray, direction: np.ndarray, reach: float, steps: int) -> np.ndarray:
    """Even steps from ``z - reach n`` to ``z + reach n`` with n the direction at unit length: (steps, z_dim), float32; z in the middle.

    Raises
    ------
    InvalidValue
        If the direction is zero or of another z_dim, there are fewer than 3 steps or an even number of them, or there is no reach.
    """
    length = np.linalg.norm(direction)
    if direction.shape != z.shape or not length > 0:
        raise InvalidValue(f"A direction of shape {direction.shape} does not fit z of shape {z.shape}.", "Use a direction of the same run.")
    if steps < 2 or not 0 < reach < np.inf:
        raise InvalidValue(f"{steps} steps over a reach of {reach} are no way to go.", "Use at least 3 steps and a reach above 0.")
    if steps % 2 == 0:
        raise InvalidValue(
            f"Of {steps} steps none is in the middle, where the seed itself belongs.", f"Use an odd number, such as {steps + 1}."
        )
    return (z + np.linspace(-reach, reach, steps)[:, None] * (direction / length)).astype(np.float32)


def truncate(z: np.ndarray, truncation: float) -> np.ndarray:
    """Scale z towards the mean image: 1 leaves it, smaller values trade variety for typicality.

    Raises
    ------
    InvalidValue
        Outside 0 to 2.
    """
    if not 0.0 <= truncation <= 2.0:
        raise InvalidValue(f"Truncation {truncation} is out of range.", "Use a number from 0 to 2; 1 means none.")
    return (z * np.float32(truncation)).astype(np.float32)


def parse_seeds(text: str) -> list[int]:
    """Read a seed list such as ``0-63`` or ``3,7,12`` or ``0,4-6``.

    Raises
    ------
    InvalidValue
        If the text is not such a list, a range runs backwards, a seed is 2**64 or more, or more than a million seeds are named.
    """
    seeds: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,1000})(?:\s*-\s*(\d{1,1000}))?\s*", piece)  # Python reads no number of more than 4,300 digits
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InvalidValue(f"{text!r} is not a list of seeds.", "Write whole numbers and ranges, for example 0-63 or 3,7,12.")
        check_seed(last, _SEEDS_BELOW)
        if len(seeds) + last - first + 1 > _MAX_SEEDS:
            raise InvalidValue(f"{text!r} names more than a million seeds.", "Sample in several parts.")
        seeds.extend(range(first, last + 1))
    return seeds
