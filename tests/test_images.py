"""Reading photographs, the float formula, grids and files with provenance."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from made_images import photograph
from PIL import Image

from gan_aug import images
from gan_aug.errors import InvalidValue, UserError
from gan_aug.files import sha256_file


def test_float_formula_has_the_known_ends_and_comes_back_exactly():
    every = np.arange(256, dtype=np.uint8)
    floats = images.to_float(every)
    assert floats.dtype == np.float32
    assert floats[0] == -1 and floats[255] == 1 and floats[51] == pytest.approx(-0.6, abs=1e-6)
    assert np.array_equal(images.to_uint8(floats), every)


def test_to_uint8_rounds_and_clips():
    assert images.to_uint8(np.array([-7.0, -1.0, 0.0, 1.0, 7.0])).tolist() == [0, 0, 128, 255, 255]


def test_read_image_is_the_centre_square_scaled_once(tmp_path: Path):
    picture = photograph(1, 300, 200)
    picture.save(tmp_path / "wide.png")
    pixels, digest = images.read_image(tmp_path / "wide.png", 64)
    expected = picture.crop((50, 0, 250, 200)).resize((64, 64), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels, np.asarray(expected))
    assert digest == sha256_file(tmp_path / "wide.png")


def test_a_picture_of_the_right_size_is_not_resampled(tmp_path: Path):
    photograph(2, 64, 64).save(tmp_path / "exact.png")
    assert np.array_equal(images.read_image(tmp_path / "exact.png", 64)[0], np.asarray(photograph(2, 64, 64)))


def test_scaling_down_does_not_alias(tmp_path: Path):
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).convert("RGB").save(tmp_path / "checkers.png")
    pixels, _ = images.read_image(tmp_path / "checkers.png", 32)
    assert abs(pixels.astype(int) - 127).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int):
    upright = photograph(3, 90, 70)
    # How a camera stores the upright picture under each tag value: the inverse of what the tag asks for.
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    picture = images.read_picture(tmp_path / "turned.png", 32)
    upright.save(tmp_path / "upright.png")
    assert np.array_equal(picture.pixels, images.read_image(tmp_path / "upright.png", 32)[0])
    assert (picture.width, picture.height, picture.turned) == (90, 70, orientation != 1)


RAMP = Image.fromarray(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1)))


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("L.png", RAMP),
        ("LA.png", RAMP.convert("LA")),
        ("P.png", RAMP.convert("RGB").quantize(256)),
        ("RGBA.png", RAMP.convert("RGBA")),
        ("CMYK.tif", RAMP.convert("RGB").convert("CMYK")),
        ("CMYK.jpg", RAMP.convert("RGB").convert("CMYK")),
        ("YCbCr.tif", RAMP.convert("RGB").convert("YCbCr")),
        ("I;16.png", Image.fromarray(np.asarray(RAMP).astype(np.uint16) * 257)),
        ("RGB.webp", RAMP.convert("RGB")),
    ],
)
def test_any_pixel_layout_becomes_rgb(tmp_path: Path, name: str, picture: Image.Image):
    picture.save(tmp_path / name)
    pixels, _ = images.read_image(tmp_path / name, 64)
    assert pixels.shape == (64, 64, 3) and pixels.dtype == np.uint8
    assert abs(pixels.astype(int) - np.asarray(RAMP).astype(int)[..., None]).max() <= 12


def test_sixteen_bit_grey_keeps_its_upper_bits(tmp_path: Path):
    values = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert np.array_equal(images.read_image(tmp_path / "deep.png", 64)[0][..., 1], (values >> 8).astype(np.uint8))


def test_transparent_pixels_show_white(tmp_path: Path):
    picture = photograph(4, 64, 64).convert("RGBA")
    picture.paste((10, 20, 30, 0), (0, 0, 32, 64))
    picture.save(tmp_path / "clear.png")
    pixels, _ = images.read_image(tmp_path / "clear.png", 64)
    assert (pixels[:, :32] == 255).all()
    assert np.array_equal(pixels[:, 32:], np.asarray(photograph(4, 64, 64))[:, 32:])


def test_the_pixel_hash_ignores_the_encoding_and_nothing_else(tmp_path: Path):
    photograph(5).save(tmp_path / "a.png")
    photograph(5).save(tmp_path / "a.bmp")
    photograph(6).save(tmp_path / "b.png")
    a, same, other = (images.read_picture(tmp_path / name, 32) for name in ("a.png", "a.bmp", "b.png"))
    assert a.pixel_sha256 == same.pixel_sha256 != other.pixel_sha256
    assert a.byte_sha256 != same.byte_sha256


def test_rejection_says_what_and_why_and_survives_pickling(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        images.read_image(tmp_path / "absent.jpg", 64)
    assert "absent.jpg" in caught.value.what and caught.value.todo
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.what, copy.reason) == (caught.value.what, caught.value.reason)


def test_resize_uses_the_filter_of_reading(tmp_path: Path):
    stored = np.asarray(photograph(7, 128, 128))[None]
    photograph(7, 128, 128).save(tmp_path / "p.png")
    assert np.array_equal(images.resize(stored, 32)[0], images.read_image(tmp_path / "p.png", 32)[0])


def test_grid_places_images_row_by_row_and_fills_with_white():
    cells = np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sheet = images.grid(cells, 3)
    assert sheet.shape == (4, 6, 3)
    assert sheet[::2, ::2, 0].tolist() == [[1, 2, 3], [4, 5, 255]]
    assert images.strip(cells).shape == (2, 10, 3)


@pytest.mark.parametrize(("count", "columns"), [(0, 3), (2, 0)])
def test_an_empty_grid_is_refused(count: int, columns: int):
    with pytest.raises(InvalidValue):
        images.grid(np.zeros((count, 4, 4, 3), np.uint8), columns)


PROVENANCE = {"generator": "dcgan", "seed": 17, "note": "Größe"}


def test_png_keeps_pixels_and_provenance(tmp_path: Path):
    array = np.asarray(photograph(8))
    (tmp_path / "x.png").write_bytes(images.png_bytes(array, PROVENANCE))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), array)
    assert images.read_provenance(tmp_path / "x.png") == PROVENANCE


@pytest.mark.parametrize(("write", "name"), [(images.webp_animation, "x.webp"), (images.gif_animation, "x.gif")])
def test_animations_keep_frames_pace_and_provenance(tmp_path: Path, write, name: str):
    frames = np.stack([np.asarray(photograph(seed, 48, 48)) for seed in range(5)])
    (tmp_path / name).write_bytes(write(frames, 120, PROVENANCE))
    with Image.open(tmp_path / name) as file:
        assert file.n_frames == 5 and file.size == (48, 48)
        file.seek(4)
        file.load()
        assert file.info["duration"] == 120
        last = np.asarray(file.convert("RGB")).astype(int)
    assert abs(last - frames[4]).mean() < 25 < abs(last - frames[0]).mean()
    assert name != "x.webp" or np.array_equal(last, frames[4])
    assert images.read_provenance(tmp_path / name) == PROVENANCE


@pytest.mark.parametrize("content", [b"", b"not a picture", images.png_bytes(np.zeros((8, 8, 3), np.uint8))])
def test_a_file_of_another_origin_has_no_provenance(tmp_path: Path, content: bytes):
    (tmp_path / "x.png").write_bytes(content)
    assert images.read_provenance(tmp_path / "x.png") is None


def test_jpeg_previews_carry_no_metadata():
    with Image.open(io.BytesIO(images.jpeg_bytes(np.asarray(photograph(9)), 80))) as file:
        assert file.format == "JPEG" and not file.getexif() and "comment" not in file.info
