"""The phantom dataset: lesions drawn by rule, for tests, demonstrations and a first look without a download.

Each made-up patient has a skin tone, a camera and one or more lesions; some lesions are photographed twice. A lesion has one hidden number,
its atypia, which bends its border, shifts its second lobe and adds colours, each with noise of its own. Malignant lesions have more atypia
than benign ones on average, and the two overlap, so a classifier can learn the rule but not perfectly. The rule was made up for this
purpose: nothing medical follows from these drawings, and everything made from them is marked phantom.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable

import numpy as np

from gan_aug import files
from gan_aug.data.dataset import DatasetWriter, new_dataset
from gan_aug.data.duplicates import phash
from gan_aug.errors import InvalidValue
from gan_aug.randomness import check_seed
from gan_aug.records import Dataset, ImportReport

CLASSES = ("benign", "malignant")

_MALIGNANT_SHARE = 0.3
_TWICE_SHARE = 0.12  # lesions that are photographed twice
_VERSION = 1  # of the drawing rule; part of the fingerprint

_SKIN_LIGHT = np.array([240, 205, 188], np.float32)
_SKIN_DARK = np.array([158, 108, 82], np.float32)
_BROWN = np.array([[186, 128, 92], [150, 92, 60], [112, 64, 42], [78, 44, 34]], np.float32)  # the colours of ordinary lesions
_ODD = np.array([[48, 34, 36], [104, 112, 138], [196, 88, 84], [232, 214, 208]], np.float32)  # black, blue-grey, red, white


class Draws:
    """Random numbers that are the same on every machine and in every version of NumPy: Philox's raw bits, scaled by us."""

    def __init__(self, *key: int | str):
        digest = hashlib.sha256("\t".join(map(str, key)).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Uniform on [low, high)."""
        raw = self._bits.random_raw(int(np.prod(shape, dtype=int))) >> np.uint64(11)
        return low + (high - low) * (raw.astype(np.float64) * 2.0**-53).reshape(shape)

    def normal(self, shape: tuple[int, ...] = ()) -> np.ndarray:
        """Standard normal, by Box and Muller (1958)."""
        return np.sqrt(-2 * np.log(1 - self.uniform(shape=shape))) * np.cos(2 * np.pi * self.uniform(shape=shape))

    def integer(self, low: int, high: int) -> int:
        """Whole number from ``low`` to ``high``, both included."""
        return low + int(self.uniform() * (high - low + 1))


def check_drawing(images: int, size: int, seed: int) -> None:
    """Refuse what :func:`make_phantom` cannot draw.

    Raises
    ------
    InvalidValue
    """
    if not 8 <= images <= 1_000_000:
        raise InvalidValue(f"{images} is not a possible number of images.", "Ask for 8 to 1,000,000.")
    if size % 32 or not 32 <= size <= 512:
        raise InvalidValue(f"{size} px is not a possible size.", "Ask for a multiple of 32, up to 512 px.")
    check_seed(seed)


@dataclasses.dataclass(frozen=True)
class _Patient:
    number: int
    tone: float  # 0 light, 1 dark
    hairs: int  # per photograph, on average
    light: np.ndarray  # colour cast of the camera, (3,)
    dark_corners: bool


@dataclasses.dataclass(frozen=True)
class _Lesion:
    number: int
    malignant: bool
    irregularity: float  # of the border, 0 to 1
    asymmetry: float
    colours: float
    radius: float  # share of the image's side
    stretch: float
    angle: float
    fuzziness: float  # width of the border, share of the side
    shade: float  # how dark, 0 to 1
    network: float  # strength of the pigment network
    dots: int


def make_phantom(
    name: str = "phantom",
    images: int = 2000,
    size: int = 64,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Dataset:
    """Draw a phantom dataset into the workspace.

    Parameters
    ----------
    name : str
        Name of the new dataset.
    images : int
        Number of drawings, at least 8.
    size : int
        Side of the drawings [px], a multiple of 32 up to 512.
    seed : int
        Same seed, same drawings.
    on_progress : callable, optional
        Called with (done, all, message).

    Raises
    ------
    InvalidValue
        If the name is taken or a number is out of range.
    """
    check_drawing(images, size, seed)
    with new_dataset(name, size) as writer:
        for number in itertools.count():
            if len(writer.rows) == images:
                break
            _photograph_patient(writer, seed, number, images)
            if on_progress is not None:
                on_progress(len(writer.rows), images, f"{len(writer.rows)} of {images} phantom lesions drawn")
        notes = ("Drawn by rule: no photographs, and no evidence for anything medical.",)
        report = ImportReport(("phantom",), images, images, 0, 0, 0, 0, notes)
        options = {"drawing": _VERSION, "size": size, "seed": seed}
        return writer.finish(name, CLASSES, options, report, phantom=True)


def _photograph_patient(writer: DatasetWriter, seed: int, number: int, images: int) -> None:
    """Draw the lesions of a patient, as far as images are wanted."""
    draws = Draws("phantom", _VERSION, seed, number)
    patient = _Patient(
        number=number,
        tone=float(draws.uniform() ** 1.5),
        hairs=max(0, draws.integer(-3, 7)),
        light=1 + 0.05 * draws.normal((3,)),
        dark_corners=draws.uniform() < 0.35,
    )
    for lesion_number in range(draws.integer(1, 5)):
        lesion = _lesion(draws, lesion_number)
        photographs = 2 if draws.uniform() < _TWICE_SHARE else 1
        for photograph in range(min(photographs, images - len(writer.rows))):
            pixels = _draw(patient, lesion, seed, photograph, writer.size)
            digest = files.sha256_bytes(pixels.tobytes())
            label = CLASSES[lesion.malignant]
            image_id = f"PH_{number:05d}_{lesion_number}{'ab'[photograph]}"
            writer.append(
                pixels,
                image_id=image_id,
                label=label,
                diagnosis=f"phantom {label}",
                patient_id=f"PH_{number:05d}",
                lesion_id=f"PH_{number:05d}_{lesion_number}",
                source="phantom",
                licence="drawn by gan_aug, CC0",
                byte_sha256=digest,
                pixel_sha256=digest,
                phash=phash(pixels),
                file=f"{image_id}.png",
            )


def _lesion(draws: Draws, number: int) -> _Lesion:
    """A lesion's traits: atypia first, then what it does, each with its own noise."""
    malignant = bool(draws.uniform() < _MALIGNANT_SHARE)
    atypia = (0.62 if malignant else 0.3) + 0.16 * float(draws.normal())

    def trait(noise: float) -> float:
        return float(np.clip(atypia + noise * draws.normal(), 0, 1))

    return _Lesion(
        number=number,
        malignant=malignant,
        irregularity=trait(0.12),
        asymmetry=trait(0.15),
        colours=trait(0.15),
        radius=float(draws.uniform(0.17, 0.33)),
        stretch=float(draws.uniform(0.72, 1.0)),
        angle=float(draws.uniform(0, 2 * np.pi)),
        fuzziness=float(draws.uniform(0.012, 0.05)),
        shade=float(draws.uniform()),
        network=float(np.clip(draws.normal() * 0.5 + 0.2, 0, 1)),
        dots=max(0, draws.integer(-6, 14)),
    )


def _draw(patient: _Patient, lesion: _Lesion, seed: int, photograph: int, size: int) -> np.ndarray:
    """One photograph of a lesion, (size, size, 3) uint8. A second one is shifted, turned and lit a little differently."""
    shape = Draws("shape", _VERSION, seed, patient.number, lesion.number)  # the same for both photographs
    shot = Draws("shot", _VERSION, seed, patient.number, lesion.number, photograph)
    centre = shape.uniform(-0.05, 0.05, (2,)) + (shot.uniform(-0.004, 0.004, (2,)) if photograph else 0)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = np.meshgrid(axis - np.float32(centre[0]), axis - np.float32(centre[1]))

    canvas = _skin(shape, patient, x, y)
    body, depth = _outline(shape, lesion, x, y)
    canvas = canvas + body[..., None] * (_pigment(shape, lesion, x, y, depth) - canvas)
    canvas = _draw_hairs(shape, patient.hairs, canvas) if patient.hairs else canvas
    canvas *= (patient.light * (1 + 0.02 * shot.normal())).astype(np.float32)
    if patient.dark_corners:
        radius = np.hypot(axis[:, None], axis[None, :])
        canvas *= (1 - 0.9 * _smooth((radius - 0.56) / 0.05))[..., None]
    canvas += (2.0 * shot.normal((size, size, 1)) + 1.0 * shot.normal((size, size, 3))).astype(np.float32)  # sensor noise
    pixels = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return np.rot90(pixels, shot.integer(0, 3)).copy() if photograph else pixels


def _skin(draws: Draws, patient: _Patient, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Skin with a gradient of light, blotches and fine relief, (H, W, 3) float32."""
    tone = _SKIN_LIGHT + np.float32(patient.tone) * (_SKIN_DARK - _SKIN_LIGHT)
    angle = draws.uniform(0, 2 * np.pi)
    slope = 1 + float(draws.uniform(0.0, 0.16)) * (np.cos(angle) * x + np.sin(angle) * y)
    blotches = 1 + 0.035 * _field(draws, 5, x.shape)
    relief = 1 + 0.02 * _field(draws, max(8, x.shape[0] // 4), x.shape)
    return (tone * (slope * blotches * relief)[..., None]).astype(np.float32)


def _outline(draws: Draws, lesion: _Lesion, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Opacity of the lesion, and depth below its border as a share of its radius (negative outside), both (H, W) float32."""
    cosine, sine = np.float32(np.cos(lesion.angle)), np.float32(np.sin(lesion.angle))
    u, v = cosine * x + sine * y, (cosine * y - sine * x) / np.float32(lesion.stretch)

    def blob(u: np.ndarray, v: np.ndarray, radius: float, roughness: float) -> np.ndarray:
        theta = np.arctan2(v, u)
        border = np.ones_like(theta)
        for wave in range(2, 10):
            amplitude = roughness * float(draws.normal()) / wave**0.75
            border += np.float32(amplitude) * np.cos(wave * theta + np.float32(draws.uniform(0, 2 * np.pi)))
        return np.maximum(border, 0.35) * np.float32(radius) - np.hypot(u, v)

    roughness = 0.015 + 0.17 * lesion.irregularity
    depth = blob(u, v, lesion.radius, roughness)
    lobe = lesion.asymmetry * lesion.radius
    second = blob(u - np.float32(1.15 * lobe), v - np.float32(0.4 * lobe), lesion.radius * (0.5 + 0.3 * lesion.asymmetry), roughness)
    blend = np.float32(0.25 * lesion.radius)  # smooth union of the two lobes
    mix = np.clip(0.5 + 0.5 * (depth - second) / blend, 0, 1)
    depth = second + mix * (depth - second) + blend * mix * (1 - mix)
    return _smooth(0.5 + depth / np.float32(2 * lesion.fuzziness)), depth / np.float32(lesion.radius)


def _pigment(draws: Draws, lesion: _Lesion, x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Colours inside the lesion, (H, W, 3) float32: darker towards the middle, patches, network, dots."""
    level = np.clip(3 * (0.25 + 0.5 * lesion.shade) + 1.1 * np.clip(depth, 0, 1) - 0.4 + 0.5 * _field(draws, 6, x.shape), 0, 2.999)
    lower = level.astype(int)
    colour = _BROWN[lower] + (level - lower)[..., None] * (_BROWN[lower + 1] - _BROWN[lower])
    order = np.argsort(draws.uniform(shape=(len(_ODD),)))
    for patch, odd in enumerate(_ODD[order]):
        field = _field(draws, 4, x.shape)
        wanted = 4 * lesion.colours - 0.9 - patch  # each further colour needs more atypia
        if wanted > 0:
            cover = 0.8 * min(1.0, wanted) * _smooth((field - 0.45) / 0.9)
            colour += cover[..., None] * (odd - colour)
    pitch = np.float32(2 * np.pi * draws.uniform(15, 22))
    ridges = np.cos(pitch * x) + np.cos(pitch * (0.5 * x + 0.866 * y)) + np.cos(pitch * (0.5 * x - 0.866 * y))  # a honeycomb
    colour *= (1 - 0.11 * lesion.network * np.clip(ridges, -1, 2))[..., None].astype(np.float32)
    for _ in range(lesion.dots):
        place = draws.normal((2,)) * 0.45 * lesion.radius
        distance = np.hypot(x - np.float32(place[0]), y - np.float32(place[1]))
        colour *= (1 - 0.45 * np.exp(-((distance / np.float32(draws.uniform(0.008, 0.02))) ** 2)))[..., None]
    return colour.astype(np.float32)


def _draw_hairs(draws: Draws, count: int, canvas: np.ndarray) -> np.ndarray:
    """Lay curved dark hairs over the picture."""
    size = canvas.shape[0]
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    for _ in range(draws.integer(0, 2 * count)):
        angle = draws.uniform(0, np.pi)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x0, y0 = draws.uniform(0.1, 0.9, (2,)).astype(np.float32)
        along, across = cosine * (columns - x0) + sine * (rows - y0), cosine * (rows - y0) - sine * (columns - x0)
        bend, half, width = draws.uniform(-0.8, 0.8), draws.uniform(0.15, 0.6), draws.uniform(0.004, 0.009)
        distance = np.abs(across - np.float32(bend) * along**2)
        cover = 0.75 * np.exp(-((distance / np.float32(width)) ** 2)) * _smooth((np.float32(half) - np.abs(along)) / 0.05)
        canvas = canvas + cover[..., None] * (np.float32([58, 42, 36]) - canvas)
    return canvas


def _field(draws: Draws, cells: int, shape: tuple[int, int]) -> np.ndarray:
    """Smooth noise of unit spread with about ``cells`` bumps a side: a coarse normal grid, interpolated smoothly."""
    coarse = draws.normal((cells + 1, cells + 1)).astype(np.float32)

    def weights(length: int) -> np.ndarray:
        position = (np.arange(length, dtype=np.float32) + 0.5) / length * cells
        cell = np.minimum(position.astype(int), cells - 1)
        fraction = _smooth(position - cell)
        matrix = np.zeros((length, cells + 1), np.float32)
        matrix[np.arange(length), cell] = 1 - fraction
        matrix[np.arange(length), cell + 1] = fraction
        return matrix

    return weights(shape[0]) @ coarse @ weights(shape[1]).T * np.float32(1.4)


def _smooth(t: np.ndarray) -> np.ndarray:
    """The cubic step: 0 below 0, 1 above 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)
