"""Picture-to-picture metrics: known answers, sizes, and the three ways to pair images."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug import cli, resemblance
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split
from gan_aug.errors import InvalidValue
from gan_aug.metrics import copying, pictures


def noise(n: int, side: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)


def lesions(part: str, n: int | None = None) -> np.ndarray:
    return np.array(open_dataset("phantom").images[load_split("phantom").rows(part)[:n]])


# --- the metrics -------------------------------------------------------------------------------------------------------------------------


def test_an_image_is_most_like_itself(phantom: str) -> None:
    some = lesions("val", 4)
    itself, other = pictures.compare(some, some), pictures.compare(some, some[::-1])
    for name, metric in pictures.METRICS.items():
        np.testing.assert_allclose(itself[name], metric.identical, atol=1e-4)
        worse = other[name] < itself[name] if metric.higher_is_alike else other[name] > itself[name]
        assert worse.all(), name


def test_known_answers() -> None:
    a = np.full((1, 32, 32, 3), 100, np.uint8)
    b = a + 51  # a fifth of the range everywhere
    assert pictures.compare(a, b)["psnr"][0] == pytest.approx(-10 * np.log10(0.2**2), abs=1e-4)
    x, y, c1 = 100 / 255, 151 / 255, 0.01**2
    luminance = (2 * x * y + c1) / (x * x + y * y + c1)  # all that is left of SSIM where nothing varies
    assert pictures.compare(a, b)["ssim"][0] == pytest.approx(luminance, abs=1e-3)


def test_values_belong_to_their_pairs_whatever_the_batch() -> None:
    a, b = noise(40), noise(40, seed=1)
    b[20:] = a[20:] // 2 + 64
    together = pictures.compare(a, b)
    for place in (0, 31, 32, 39):
        alone = pictures.compare(a[place : place + 1], b[place : place + 1])
        for name in pictures.METRICS:
            assert together[name][place] == pytest.approx(alone[name][0], abs=1e-5)


def test_stretching_hides_differences_of_brightness() -> None:
    a = noise(2) // 4 * 2  # 0 to 126
    a[:, 0, 0], a[:, 0, 1] = 0, 126
    np.testing.assert_allclose(pictures.compare(a, a + 100, rescale=True)["ssim"], 1, atol=1e-4)
    assert (pictures.compare(a, a + 100)["ssim"] < 0.9).all()
    flat = np.full((1, 32, 32, 3), 7, np.uint8)
    assert np.isfinite(pictures.compare(flat, flat, rescale=True)["psnr"]).all()


@pytest.mark.parametrize(("side", "named"), [(16, "MS-GMSD"), (8, "SSIM"), (12, "MS-GMSD")])
def test_images_too_small_for_a_metric_are_refused_by_its_name(side: int, named: str) -> None:
    with pytest.raises(InvalidValue, match=rf"{named} is not defined for images of {side} px"):
        pictures.compare(noise(1, side), noise(1, side))


def test_the_least_sides_are_those_at_which_piq_works() -> None:
    side = max(metric.least_side for metric in pictures.METRICS.values())
    assert all(np.isfinite(values).all() for values in pictures.compare(noise(1, side), noise(1, side, 1)).values())


def test_unequal_numbers_are_no_pairs() -> None:
    with pytest.raises(InvalidValue, match="are no pairs"):
        pictures.compare(noise(2), noise(3))
    assert all(len(values) == 0 for values in pictures.compare(noise(0), noise(0)).values())


def test_the_best_of_the_candidates() -> None:
    found = pictures.best_of({"ssim": np.array([0.1, 0.7, 0.3, 0.2]), "mdsi": np.array([0.1, 0.7, 0.3, 0.2])}, 2)
    assert found["ssim"].tolist() == [0.7, 0.3] and found["mdsi"].tolist() == [0.1, 0.2]


# --- a set of images ---------------------------------------------------------------------------------------------------------------------


def write(folder: Path, some: np.ndarray) -> str:
    folder.mkdir()
    for number, picture in enumerate(some):
        Image.fromarray(picture).save(folder / f"{number:03d}.png")
    return str(folder)


def rows_of(found: resemblance.Resemblance) -> dict[tuple[str, str], resemblance.Row]:
    return {(row.pairs, row.metric): row for row in found.rows}


def test_the_table_of_random_pairs_stands_beside_real_pairs(phantom: str, workspace: Path, tmp_path: Path) -> None:
    found = resemblance.legacy_metrics(write(tmp_path / "unseen", lesions("test")), phantom, n=20)
    rows = rows_of(found)
    assert set(rows) == {("random pairs", name) for name in pictures.METRICS}
    assert rows["random pairs", "ssim"].fake.n == 20
    assert "do not measure" in found.label
    for row in found.rows:  # other real images in the place of generated ones score as real ones do
        spread = row.real.quartiles[2] - row.real.quartiles[0]
        assert abs(row.fake.quartiles[1] - row.real.quartiles[1]) < 1.5 * spread
    (line,) = (workspace / "picture_metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["split_fingerprint"] == load_split(phantom).fingerprint


def test_the_pairs_are_those_that_are_said(phantom: str, tmp_path: Path) -> None:
    fakes = lesions("test")
    found = rows_of(resemblance.legacy_metrics(write(tmp_path / "unseen", fakes), phantom, n=12, seed=3))
    split = load_split(phantom)
    rows = resemblance.held_out_rows(open_dataset(phantom), split, None, 12, 3)
    real = np.array(open_dataset(phantom).images[rows])
    order = resemblance.randomness.order(3, 0, len(fakes))[:12]
    values = pictures.compare(fakes[order], real, rescale=True)["haarpsi"]
    assert found["random pairs", "haarpsi"].fake.mean == pytest.approx(values.mean(), rel=1e-5)
    assert 0 < found["random pairs", "haarpsi"].real.n <= 11


def test_copies_match_and_a_collapsed_set_has_no_variety(phantom: str, tmp_path: Path) -> None:
    train = lesions("train", 8)
    turned = np.concatenate([copying.turned(train[place : place + 1], place) for place in range(8)])
    copies = rows_of(resemblance.legacy_metrics(write(tmp_path / "copies", turned), phantom, n=8, matched=True))
    for name, metric in pictures.METRICS.items():
        row = copies["best match", name]
        assert row.fake.mean == pytest.approx(metric.identical, abs=1e-3)
        assert (row.real.mean < row.fake.mean) if metric.higher_is_alike else (row.real.mean > row.fake.mean)
    same = np.repeat(lesions("test", 1), 8, axis=0)
    collapsed = rows_of(
        resemblance.legacy_metrics(write(tmp_path / "collapsed", same), phantom, n=8, matched=True, extractor="random-conv")
    )
    variety = collapsed["variety", "ssim"]
    assert variety.fake.mean == pytest.approx(1, abs=1e-4) and variety.real.mean < 0.95


def test_too_few_images_are_refused(phantom: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="Only 2 images"):
        resemblance.legacy_metrics(write(tmp_path / "few", lesions("test", 2)), phantom)


def test_the_console(phantom: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["legacy-metrics", write(tmp_path / "unseen", lesions("test", 6)), "--data", phantom]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert "AIDL21" in out and "HaarPSI" in out and "random pairs" in out
    assert cli.main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 5
