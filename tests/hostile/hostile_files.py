"""Files made to break an importer, or to smuggle something through it. Each function returns the bytes of one file."""

import io
import struct
import zipfile
import zlib

import numpy as np
from made_images import photograph
from PIL import Image

SECRET = b"PATIENT-NAME-8731"  # what must never reach a dataset


def saved(picture: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped_bits(content: bytes, seed: int) -> bytes:
    """The content with a hundredth of its bytes replaced at random."""
    rng = np.random.default_rng(seed)
    array = np.frombuffer(content, np.uint8).copy()
    array[rng.integers(0, len(array), max(1, len(array) // 100))] = rng.integers(0, 256, max(1, len(array) // 100), dtype=np.uint8)
    return array.tobytes()


def animation(format: str) -> bytes:
    return saved(photograph(1), format, save_all=True, append_images=[photograph(2), photograph(3)], duration=50)


def many_pages() -> bytes:
    return saved(photograph(1), "TIFF", save_all=True, append_images=[photograph(number) for number in range(2, 51)])


def tiff_with_bad_tags() -> bytes:
    """A TIFF whose first directory entries point far outside the file."""
    content = bytearray(saved(photograph(1), "TIFF"))
    (offset,) = struct.unpack("<I", content[4:8])
    for entry in range(3):
        start = offset + 2 + 12 * entry + 4
        content[start : start + 8] = struct.pack("<II", 0x7FFFFFFF, 0xFFFFFFF0)
    return bytes(content)


def polyglot() -> bytes:
    """A JPEG with a ZIP archive behind it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("payload.sh", SECRET)
    return saved(photograph(1), "JPEG", quality=95) + archive.getvalue()


def jpeg_with_metadata() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()  # description
    exif[0x013B] = SECRET.decode()  # artist
    exif.get_ifd(0x8825)[1] = "N"  # a place
    return saved(photograph(1), "JPEG", quality=95, exif=exif, comment=SECRET)


def png_with_text() -> bytes:
    content = saved(photograph(1), "PNG")
    return content[:33] + png_chunk(b"tEXt", b"Patient\0" + SECRET) + content[33:]


def png_text_bomb() -> bytes:
    """A compressed text chunk that unpacks to 300 MB."""
    content = saved(photograph(1), "PNG")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"\0" * 10_000_000) for _ in range(30)) + packer.flush()
    return content[:33] + png_chunk(b"zTXt", b"Comment\0\0" + packed) + content[33:]


# name -> (content, part of the reason)
REFUSED = {
    "empty.jpg": (b"", "empty"),
    "page.jpg": (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
    "drawing.jpg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "SVG"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage", "PostScript"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage", "EPS"),
    "archive.png": (b"PK\x03\x04" + b"\0" * 100, "ZIP"),
    "paper.jpg": (b"%PDF-1.7\n", "PDF"),
    "scan.jpg": (b"\0" * 128 + b"DICM" + b"\0" * 64, "DICOM"),
    "scan.dcm": (b"\0" * 128 + b"DICM" + b"\0" * 64, "DCM"),
    "noise.png": (bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)), "broken"),
    "cut.jpg": (truncated(saved(photograph(1, 400, 300), "JPEG")), "cut short"),
    "cut.png": (truncated(saved(photograph(1, 400, 300), "PNG")), "cut short"),
    "144-megapixels.png": (png_claiming(12_000, 12_000), "megapixels"),
    "400-megapixels.png": (png_claiming(20_000, 20_000), "megapixels"),
    "nothing.png": (png_claiming(0, 0), "broken"),
    "dot.png": (saved(photograph(1, 1, 1), "PNG"), "1 x 1"),
    "line.png": (saved(photograph(1, 500, 5), "PNG"), "500 x 5"),
    "pages.tif": (many_pages(), "50 pages"),
    "moving.gif": (animation("GIF"), "GIF"),
    "moving.webp": (animation("WEBP"), "3 pages or frames"),
    "moving.png": (animation("PNG"), "3 pages or frames"),
    "moving.jpg": (animation("GIF"), "GIF"),
    "flat.png": (saved(Image.new("RGB", (64, 64), (200, 150, 120)), "PNG"), "flat"),
    "outline.png": (saved(Image.fromarray(np.eye(64, dtype=np.uint8) * 255), "PNG"), "mask"),
    "float.tif": (saved(Image.fromarray(np.random.default_rng(0).random((64, 64), dtype=np.float32)), "TIFF"), "floating-point"),
    "deep.tif": (saved(Image.fromarray(np.arange(4096, dtype=np.int32).reshape(64, 64) * 1000), "TIFF"), "16 bits"),
    "bad-tags.tif": (tiff_with_bad_tags(), ""),
    "text-bomb.png": (png_text_bomb(), ""),
}

# name -> content; pictures that may come in, without what came along with them
ACCEPTED = {
    "polyglot.jpg": polyglot(),
    "metadata.jpg": jpeg_with_metadata(),
    "text.png": png_with_text(),
    "jpeg-named.png": saved(photograph(1), "JPEG", quality=95),
}
