"""Pictures: reading files from outside, the one float formula, grids, strips and animations. NumPy and Pillow only.

A picture file is input from a stranger. :func:`read_picture` looks at the header first (format, pixel count, frames), decodes only what it
accepts, and hands on nothing but pixels, so that no metadata, comment or appended archive survives. What is burnt into the pixels stays.
"""

import dataclasses
import io
import json
import math
import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from gan_aug.errors import InvalidValue, UserError
from gan_aug.files import sha256_bytes

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")  # formats that are decoded; the list keeps EPS (an interpreter) and the like out
MAX_BYTES = 50_000_000  # size of a file
MAX_PIXELS = 64_000_000  # of a decoded picture; checked before decoding
MIN_SIDE = 32  # shorter sides hold no lesion [px]

# What a file says of itself as ``digitalSourceType``, in the terms of the IPTC.
SYNTHETIC = "trainedAlgorithmicMedia"  # made by a trained model
PARTLY_SYNTHETIC = "compositeWithTrainedAlgorithmicMedia"  # put together from such pictures and others
SYNTHETIC_TYPES = (SYNTHETIC, PARTLY_SYNTHETIC)

_PROVENANCE = "gan_aug"  # key of the PNG text chunk
_DESCRIPTION = 0x010E  # EXIF tag ImageDescription, which carries the provenance of a WebP file

# What Pillow's decoders raise on files that are broken or made to break them.
_DECODER_ERRORS = (OSError, EOFError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError, RuntimeError)
_DECODER_ERRORS += (struct.error, zlib.error)

# First bytes, in lower case, of what is found under a picture's name.
_SIGNATURES = {
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML or SVG file",
    b"%!ps": "a PostScript file",
    b"\xc5\xd0\xd3\xc6": "an EPS file",
    b"%pdf": "a PDF file",
    b"gif8": "a GIF file",
    b"pk\x03\x04": "a ZIP archive",
}


class ImageRejected(UserError):
    """A file is not accepted as a photograph; ``reason`` says why in a few words."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path.name} cannot be used: {reason}.", "Replace the file, or leave it out.")
        self.path = path
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A photograph as it is stored, with what is known about the file it came from."""

    pixels: np.ndarray  # (size, size, 3) uint8
    byte_sha256: str  # of the file
    pixel_sha256: str  # of the upright full-size RGB pixels: the same for two encodings of equal pixels
    width: int  # of the upright picture [px]
    height: int
    mode: str  # Pillow's name of the file's pixel layout, such as RGB or CMYK
    turned: bool  # whether the EXIF orientation asked for a turn or flip


def read_image(path: Path, size: int) -> tuple[np.ndarray, str]:
    """Read a photograph as a square RGB image.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
    str
        SHA-256 of the file's bytes.

    Raises
    ------
    ImageRejected
        If the file is missing, broken, disguised, animated, larger than 64 megapixels or not a photograph.
    """
    picture = read_picture(path, size)
    return picture.pixels, picture.byte_sha256


def read_picture(path: Path, size: int) -> Picture:
    """Read a photograph: EXIF orientation applied, any mode to RGB, centre square, one antialiased resize.

    The resize is Pillow's bicubic filter, which widens with the reduction and so does not alias (Parmar et al. 2022, arXiv 2104.11222).
    Of 16-bit grey the upper 8 bits are kept; transparent pixels show white, as viewers show them.

    Parameters
    ----------
    path : Path
    size : int
        Side of the result [px].

    Raises
    ------
    ImageRejected
        See :func:`read_image`.
    """
    content = _read_bytes(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd tags do not matter, and our own limit on pixels is lower than the one that Pillow warns of
        image, mode, turned = _decode(path, content)
    _check_content(path, mode, image)
    digest = sha256_bytes(b"%dx%d\n" % image.size + image.tobytes())
    pixels = np.asarray(_square(image, size))
    return Picture(pixels, sha256_bytes(content), digest, image.width, image.height, mode, turned)


def _decode(path: Path, content: bytes) -> tuple[Image.Image, str, bool]:
    """The upright picture in RGB, the file's pixel layout, and whether it was turned."""
    try:
        file = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageRejected(path, f"it has more than {MAX_PIXELS // 1_000_000} megapixels") from None
    except _DECODER_ERRORS:
        raise ImageRejected(path, _not_a_picture(content)) from None
    _check_header(path, file)
    try:
        file.load()
        turned = file.getexif().get(0x0112, 1) not in (0, 1)
        return _to_rgb(path, ImageOps.exif_transpose(file)), file.mode, turned
    except _DECODER_ERRORS as error:
        raise ImageRejected(path, f"it is broken or cut short ({error})") from None


def _read_bytes(path: Path) -> bytes:
    """The bytes of a regular file of an acceptable size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or device would never end
            raise ImageRejected(path, "it is not a regular file")
        if status.st_size == 0:
            raise ImageRejected(path, "the file is empty")
        if status.st_size > MAX_BYTES:
            raise ImageRejected(path, f"the file is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise ImageRejected(path, f"it cannot be read ({error.strerror})") from None


def _not_a_picture(content: bytes) -> str:
    """What a file is that no accepted decoder recognises, judged by its first bytes."""
    start = content[:512].lstrip().lower()
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return f"it is {kind}, not one of {', '.join(FORMATS)}"
    if content[128:132] == b"DICM":
        return "it is a DICOM file; export it as PNG or JPEG first"
    return f"it is broken, or not one of {', '.join(FORMATS)}"


def _check_header(path: Path, file: Image.Image) -> None:
    """Refuse by what the header claims, before any pixel is decoded."""
    if file.width * file.height > MAX_PIXELS:
        raise ImageRejected(path, f"it claims {file.width} x {file.height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
    if min(file.size) < MIN_SIDE:
        raise ImageRejected(path, f"it has only {file.width} x {file.height} pixels")
    try:
        # MPO is what cameras call a JPEG with a preview appended; its first frame is the photograph.
        frames = 1 if file.format in ("JPEG", "MPO") else getattr(file, "n_frames", 1)
    except _DECODER_ERRORS as error:
        raise ImageRejected(path, f"its pages cannot be counted ({error})") from None
    if frames > 1:
        raise ImageRejected(path, f"it has {frames} pages or frames; give single pictures")


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    """Any pixel layout as 8-bit RGB."""
    if image.mode == "F":
        raise ImageRejected(path, "its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ImageRejected(path, "its pixels hold more than 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _check_content(path: Path, mode: str, image: Image.Image) -> None:
    """Refuse pictures that decode but show no skin."""
    if all(low == high for low, high in image.getextrema()):
        raise ImageRejected(path, "it shows one flat colour")
    if mode in ("1", "L", "P") and len(image.getcolors(maxcolors=2) or ()) == 2:
        raise ImageRejected(path, "it has two colours only: a mask, not a photograph")


def _square(image: Image.Image, size: int) -> Image.Image:
    """The centre square, scaled once."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square if side == size else square.resize((size, size), Image.Resampling.BICUBIC)


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Scale square images with the filter of :func:`read_picture`.

    Parameters
    ----------
    images : ndarray of shape (N, S, S, 3), uint8
    size : int
        New side [px].

    Returns
    -------
    ndarray of shape (N, size, size, 3), uint8
    """
    out = np.empty((len(images), size, size, 3), np.uint8)
    for row, image in enumerate(images):
        out[row] = np.asarray(_square(Image.fromarray(image), size))
    return out


def to_float(images: np.ndarray) -> np.ndarray:
    """uint8 [0, 255] to float32 [-1, 1]: ``x / 127.5 - 1``. Any shape."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Float [-1, 1] to uint8 [0, 255], rounded and clipped: the inverse of :func:`to_float`. Any shape."""
    return np.clip(np.rint((images.astype(np.float32) + np.float32(1)) * np.float32(127.5)), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Images side by side in rows of ``columns``, without gaps; empty places are white.

    Parameters
    ----------
    images : ndarray of shape (N, R, R, 3), uint8
    columns : int
        At least 1.

    Returns
    -------
    ndarray of shape (ceil(N / columns) * R, columns * R, 3), uint8

    Raises
    ------
    InvalidValue
        Without images or columns.
    """
    if len(images) == 0 or columns < 1:
        raise InvalidValue("A grid needs at least one image and one column.", "Give some images.")
    count, height, width, channels = images.shape
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:count] = images
    cells = cells.reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def strip(frames: np.ndarray) -> np.ndarray:
    """Frames (N, R, R, 3) in one row, as an array (R, N * R, 3)."""
    return grid(frames, len(frames))


def png_bytes(array: np.ndarray, provenance: dict[str, Any] | None = None) -> bytes:
    """An image (H, W, 3) uint8 as a PNG file that names, in a text chunk, where it came from."""
    text = PngImagePlugin.PngInfo()
    if provenance is not None:
        text.add_text(_PROVENANCE, _provenance_text(provenance))
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", pnginfo=text, compress_level=4)
    return stream.getvalue()


def jpeg_bytes(array: np.ndarray, quality: int = 90) -> bytes:
    """An image (H, W, 3) uint8 as a JPEG file without metadata, for previews."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def webp_animation(frames: np.ndarray, ms: int, provenance: dict[str, Any] | None = None) -> bytes:
    """Frames (N, R, R, 3) uint8 as an endless animated WebP file, ``ms`` milliseconds a frame.

    Without loss: lossy WebP halves the resolution of colour, and colour is diagnostic.
    """
    first, *others = [Image.fromarray(frame) for frame in frames]
    exif = Image.Exif()
    if provenance is not None:
        exif[_DESCRIPTION] = _provenance_text(provenance)
    stream = io.BytesIO()
    first.save(stream, "WEBP", save_all=True, append_images=others, duration=ms, loop=0, lossless=True, quality=20, method=0, exif=exif)
    return stream.getvalue()


def gif_animation(frames: np.ndarray, ms: int, provenance: dict[str, Any] | None = None) -> bytes:
    """Frames (N, R, R, 3) uint8 as an endless animated GIF file; one palette of 256 colours serves all frames."""
    palette = Image.fromarray(strip(frames)).quantize(256)
    first, *others = [Image.fromarray(frame).quantize(palette=palette) for frame in frames]
    comment = _provenance_text(provenance).encode("ascii") if provenance is not None else b""
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=others, duration=ms, loop=0, comment=comment, optimize=False)
    return stream.getvalue()


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Where a PNG, WebP or GIF file of ours came from, or None if it does not say."""
    try:
        with Image.open(path, formats=("PNG", "WEBP", "GIF")) as file:
            text = file.info.get(_PROVENANCE) or file.info.get("comment") or file.getexif().get(_DESCRIPTION)
        value = json.loads(text) if text else None
    except _DECODER_ERRORS:
        return None
    return value if isinstance(value, dict) else None


def _provenance_text(provenance: dict[str, Any]) -> str:
    """Plain ASCII, which every one of the three file formats can carry."""
    return json.dumps(provenance, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
