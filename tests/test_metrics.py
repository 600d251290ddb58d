"""Metrics between sets of features against known answers and independent computations, their protocol records, and the extractors."""

import contextlib
import dataclasses
import io
import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import polynomial_kernel

from gan_aug.errors import CorruptFile, ExtractorUnavailable, InvalidValue
from gan_aug.files import sha256_file
from gan_aug.metrics import extractors, record
from gan_aug.metrics.frechet import frechet_distance, frechet_infinity, least_for_infinity
from gan_aug.metrics.kid import kid, kid_interval
from gan_aug.metrics.prdc import prdc

ROOT = Path(__file__).resolve().parent.parent


def draw(n: int, d: int, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def correlated(n: int, d: int, seed: int) -> np.ndarray:
    return draw(n, d, seed) @ draw(d, d, seed + 50) / math.sqrt(d)


# KID


def direct_kid(x: np.ndarray, y: np.ndarray) -> float:
    """By the definition, with scikit-learn's kernel."""
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / d, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    return (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 3), (60, 60, 128), (50, 80, 16), (1500, 30, 8)])
def test_kid_agrees_with_its_definition(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(m, d, 2, shift=0.1)
    assert kid(x, y) == pytest.approx(direct_kid(x, y), abs=1e-12)


@pytest.mark.parametrize(("n", "d"), [(60, 128), (400, 64)])
def test_kid_agrees_with_torch_fidelity(n: int, d: int) -> None:
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    x, y = draw(n, d, 1), draw(n, d, 2, shift=0.2)
    one_subset_of_all = {"kid_subsets": 1, "kid_subset_size": n, "verbose": False}
    reference = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **one_subset_of_all)[KEY_METRIC_KID_MEAN]
    assert kid(x, y) == pytest.approx(reference, rel=1e-9)


def test_kid_known_answer() -> None:
    # Two images each, one feature: k(1, 1) = 8 within both sets, k(1, -1) = 0 between them.
    assert kid(np.array([[1.0], [1.0]]), np.array([[-1.0], [-1.0]])) == pytest.approx(8 + 8 - 0)


def test_kid_is_unbiased_at_small_n_and_keeps_its_sign() -> None:
    values = [kid(draw(20, 64, 2 * i), draw(20, 64, 2 * i + 1)) for i in range(200)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)


def test_kid_interval_is_keyed_and_covers() -> None:
    shift, d, n = 0.3, 16, 60
    truth = kid(draw(2000, d, 900), draw(2000, d, 901, shift))
    intervals = [kid_interval(draw(n, d, 2 * i), draw(n, d, 2 * i + 1, shift), seed=i, replicates=200) for i in range(50)]
    covered = sum(interval.low <= truth <= interval.high for interval in intervals)
    assert covered / 50 == pytest.approx(0.95, abs=0.09)
    again = kid_interval(draw(n, d, 0), draw(n, d, 1, shift), seed=0, replicates=200)
    assert again == intervals[0]
    assert again.value == pytest.approx(kid(draw(n, d, 0), draw(n, d, 1, shift)), abs=1e-12)


def of_patients(n: int, each: int, d: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """n features of as few patients as that makes, whose own images correlate by 0.8; and the patient of each."""
    patients = np.arange(n) // each
    return np.sqrt(0.8) * draw(n // each, d, seed)[patients] + np.sqrt(0.2) * draw(n, d, seed + 5000) + shift, patients


def test_kid_leaves_pairs_of_one_patient_out() -> None:
    x, y, patients = draw(9, 4, 1), draw(7, 4, 2), np.array([2, 0, 0, 1, 2, 2, 3, 3, 0])
    within = np.mean([(x[i] @ x[j] / 4 + 1) ** 3 for i in range(9) for j in range(9) if patients[i] != patients[j]])
    fake = np.mean([(y[i] @ y[j] / 4 + 1) ** 3 for i in range(7) for j in range(7) if i != j])
    expected = within + fake - 2 * ((x @ y.T / 4 + 1) ** 3).mean()
    assert kid(x, y, patients) == pytest.approx(expected, rel=1e-12)
    assert kid(y, x, None, np.array(list("caabccdda"))) == pytest.approx(expected, rel=1e-12), "names do, and on either side"
    assert kid(x, y, np.arange(9), np.arange(7)) == kid(x, y)
    assert kid_interval(x, y, patients, replicates=100).value == pytest.approx(expected, rel=1e-12)


def test_kid_of_several_images_a_patient_is_unbiased_and_its_interval_covers() -> None:
    """Without the patients a perfect generator would score far above zero."""
    found = [of_patients(60, 5, 16, 2 * i) for i in range(100)]
    values = [kid(real, draw(60, 16, 2 * i + 1), patients) for i, (real, patients) in enumerate(found)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    unaware = [kid(real, draw(60, 16, 2 * i + 1)) for i, (real, _) in enumerate(found)]
    assert np.mean(unaware) > 10 * np.std(unaware) / 10
    truth = kid(draw(3000, 16, 900), draw(3000, 16, 901, 0.3))
    intervals = []
    for i in range(50):
        real, patients = of_patients(100, 5, 16, 2 * i)
        intervals.append(kid_interval(real, draw(100, 16, 2 * i + 1, 0.3), patients, seed=i, replicates=200))
    assert sum(interval.low <= truth <= interval.high for interval in intervals) / 50 == pytest.approx(0.95, abs=0.09)


def test_kid_of_one_patient_alone_is_refused() -> None:
    x, y = draw(8, 4, 1), draw(8, 4, 2)
    for function in (kid, kid_interval):
        with pytest.raises(InvalidValue, match="8 images are of 1 patients or lesions"):
            function(x, y, np.zeros(8))
    interval = kid_interval(x, y, np.arange(8) // 4, replicates=100)  # half of the resamplings hold one patient alone
    assert np.isfinite([interval.low, interval.high]).all()


# Frechet distance


@pytest.mark.parametrize(("n", "m", "d"), [(40, 40, 64), (40, 300, 64), (300, 40, 64), (65, 65, 64), (400, 300, 64)])
def test_frechet_agrees_with_pytorch_fid(n: int, m: int, d: int) -> None:
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = correlated(n, d, 1), correlated(m, d, 2) + 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy.linalg.sqrtm(disp=)
        expected = calculate_frechet_distance(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9 if min(n, m) > d + 1 else 1e-6)


def test_frechet_of_full_rank_agrees_with_torch_fidelity() -> None:
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    x, y = correlated(400, 64, 1), correlated(300, 64, 2) + 0.1
    described = [{"mu": z.mean(0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
    reference = fid_statistics_to_metric(*described, verbose=False)[KEY_METRIC_FID]
    assert frechet_distance(x, y) == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize("n", [30, 500])
def test_frechet_known_answers(n: int) -> None:
    x = correlated(n, 32, 3)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-10)
    # Equal covariances: exactly the squared distance of the means.
    assert frechet_distance(x, x + 0.5) == pytest.approx(32 * 0.25, abs=1e-9)
    # Covariances S and 9 S: Tr S (1 + 9 - 2 * 3).
    spread = np.trace(np.cov(x, rowvar=False))
    assert frechet_distance(x, (x - x.mean(0)) * 3 + x.mean(0)) == pytest.approx(4 * spread, rel=1e-10)


def test_the_two_forms_of_the_frechet_distance_agree() -> None:
    """Features that never change add nothing; with enough of them the other form is used, on a singular covariance."""
    x, y = correlated(200, 20, 4), correlated(200, 20, 5) + 0.2
    full_rank = frechet_distance(x, y)
    constant = np.ones((200, 5))
    assert frechet_distance(np.hstack([x, constant]), np.hstack([y, constant])) == pytest.approx(full_rank, rel=1e-6)
    many = np.zeros((200, 200))
    assert frechet_distance(np.hstack([x, many]), np.hstack([y, many])) == pytest.approx(full_rank, rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_extrapolated_distance_has_lost_its_bias(shift: float) -> None:
    """The truth is d shift^2. At 200 images of 32 features the plain distance is far above it."""
    truth, found = 32 * shift**2, []
    for trial in range(20):
        real, fake = draw(200, 32, 10 + trial), draw(260, 32, 100 + trial, shift=shift)
        found.append((frechet_distance(real, fake), frechet_infinity(real, fake, trial)))
    plain, extrapolated = np.mean(found, axis=0)
    error = np.std(found, axis=0)[1] / math.sqrt(20)
    assert plain > truth + 1.5
    assert abs(extrapolated - truth) < 3 * error + 0.05 and error < 0.1


def test_the_extrapolation_is_a_line_through_subsets_of_both_sides() -> None:
    values = np.array([0.0, 1.0]).repeat(150)[:, None]  # one feature: any subset's distance is known from its mean and variance
    other = values + 2.0
    assert frechet_infinity(values, other) == pytest.approx(4.0, abs=0.3)
    assert frechet_infinity(values, other, seed=1) == frechet_infinity(values, other, seed=1) != frechet_infinity(values, other, seed=2)


def test_the_extrapolation_needs_three_images_a_feature() -> None:
    assert least_for_infinity(32) == 96
    assert math.isfinite(frechet_infinity(draw(96, 32, 0), draw(96, 32, 1)))
    with pytest.raises(InvalidValue, match="95 images a side are too few"):
        frechet_infinity(draw(95, 32, 0), draw(500, 32, 1))


# Precision, recall, density, coverage


def direct_prdc(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """By the definitions, with scikit-learn's distances."""
    between = pairwise_distances(real, fake)
    real_radius = np.sort(pairwise_distances(real), axis=1)[:, k]
    fake_radius = np.sort(pairwise_distances(fake), axis=1)[:, k]
    inside = between < real_radius[:, None]
    recall = (between < fake_radius[None, :]).any(axis=1).mean()
    return inside.any(axis=0).mean(), recall, inside.sum(axis=0).mean() / k, (between.min(axis=1) < real_radius).mean()


@pytest.mark.parametrize(("n", "m", "d", "k"), [(80, 80, 6, 5), (40, 90, 30, 3), (1300, 50, 4, 5), (7, 7, 2, 5)])
def test_prdc_agrees_with_its_definition(n: int, m: int, d: int, k: int) -> None:
    real, fake = draw(n, d, 1), draw(m, d, 2, shift=0.4)
    assert dataclasses.astuple(prdc(real, fake, k)) == direct_prdc(real, fake, k)


def test_prdc_is_that_of_the_authors_of_density_and_coverage() -> None:
    import prdc as authors

    for seed, (n, m, d, k) in enumerate([(80, 80, 6, 5), (40, 90, 30, 3), (200, 150, 4, 5)]):
        real, fake = draw(n, d, seed), draw(m, d, seed + 20, shift=0.4)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            reference = authors.compute_prdc(real_features=real, fake_features=fake, nearest_k=k)
        assert dataclasses.asdict(prdc(real, fake, k)) == pytest.approx(reference, abs=1e-14)


def test_a_collapsed_generator_has_precision_without_recall() -> None:
    real = draw(300, 8, 1)
    collapsed = real.mean(axis=0) + draw(300, 8, 2, scale=0.05)
    result = prdc(real, collapsed)
    assert result.precision > 0.95
    assert result.recall < 0.05
    assert result.coverage < 0.3
    scattered = prdc(real, draw(300, 8, 3, scale=3.0))  # and a wild one the reverse
    assert scattered.precision < 0.1
    assert scattered.recall > 0.8


def test_copies_are_at_no_distance() -> None:
    """Rounding must not decide: an image repeated k + 1 times has an empty neighbourhood, in which nothing can lie."""
    spot = draw(1, 64, 0) * 100
    real = np.vstack([np.repeat(spot, 10, axis=0), draw(10, 64, 1) * 100])
    fake = np.repeat(spot, 20, axis=0)
    result = prdc(real, fake)
    assert (result.recall, result.coverage) == (0.0, 0.0)


def test_expected_values_for_one_distribution() -> None:
    """Naeem et al. 2020: E[density] = 1, E[coverage] = 1 - prod (n - 1 - i) / (2 n - 1 - i)."""
    results = [prdc(draw(100, 5, 2 * i), draw(100, 5, 2 * i + 1)) for i in range(60)]
    expected = 1 - math.prod((100 - 1 - i) / (200 - 1 - i) for i in range(5))
    assert np.mean([r.density for r in results]) == pytest.approx(1, abs=0.05)
    assert np.mean([r.coverage for r in results]) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("metric", [kid, frechet_distance, prdc, kid_interval])
def test_unusable_features_are_refused(metric) -> None:
    good = draw(20, 4)
    with pytest.raises(InvalidValue, match="cannot be compared"):
        metric(good, draw(20, 5))
    with pytest.raises(InvalidValue, match="too few"):
        metric(good, good[:1])
    with pytest.raises(InvalidValue, match="finite"):
        metric(good, np.full((20, 4), np.nan))


def test_prdc_needs_more_images_than_neighbours() -> None:
    with pytest.raises(InvalidValue, match="at least 7"):
        prdc(draw(20, 4), draw(6, 4))
    with pytest.raises(InvalidValue, match="k cannot be 0"):
        prdc(draw(20, 4), draw(20, 4), k=0)


# Records


def example(**changes) -> record.MetricRecord:
    values = {
        "metric": "kid", "value": -0.001, "ci": (-0.002, 0.003), "subject": "dcgan-1@10", "extractor": "random-conv:0",
        "weights_sha256": "a" * 64, "dim": 224, "n_real": 50, "n_fake": 50, "real_set_fingerprint": "b" * 64,
        "fake_set_fingerprint": "c" * 64, "resize": "none", "image_size": 64, "codec": "none", "dataset": "phantom", "part": "val",
        "class_name": "malignant", "seed": 0, "floor_real_real": 0.0001, "floor_n": 25, "notes": ("One.", "Two."),
        "versions": record.versions(), "created": "2025-01-01T00:00:00+00:00",
    }  # fmt: skip
    return record.MetricRecord(**{**values, **changes})


def test_only_the_canonical_weights_are_called_fid() -> None:
    assert example(metric="frechet", weights_sha256=record.INCEPTION_SHA256, extractor="inception").title == "FID"
    assert example(metric="frechet", extractor="inception:custom-12345678").title == "Frechet distance"
    assert example().title == "KID"
    assert example(metric="recall").title == "Recall"
    assert "FID" not in {example(metric=metric, extractor="inception").title for metric in record.METRICS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric", "frechet"), ("extractor", "random-conv:1"), ("weights_sha256", "d" * 64), ("dim", 8), ("n_real", 49), ("n_fake", 49),
        ("real_set_fingerprint", "d" * 64), ("resize", "bilinear to 299"), ("image_size", 128), ("codec", "jpg"), ("dataset", "other"),
        ("part", "test"), ("class_name", None),
    ],
)  # fmt: skip
def test_unlike_protocols_are_not_comparable(name: str, value: object) -> None:
    (reason,) = record.differences(example(), example(**{name: value}))
    assert (str(value)[:12] if value else "all classes") in reason
    assert not record.comparable(example(), example(**{name: value}))


def test_two_generators_by_one_protocol_are_comparable() -> None:
    other = example(subject="sngan-1@20", value=0.4, seed=3, fake_set_fingerprint="e" * 64, created="2025-02-01T00:00:00+00:00")
    assert record.differences(example(), other) == ()
    assert record.comparable(example(), other)


def test_a_record_says_what_its_reader_must_mind() -> None:
    assert example().rank_deficient
    assert not example(dim=49).rank_deficient
    assert not example().floor_at_same_n
    assert example(floor_n=50).floor_at_same_n


def test_records_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run" / "evaluations.jsonl"
    assert record.read_records(path) == []
    record.append_records(path, [example(), example(ci=(), floor_real_real=None)])
    record.append_records(path, [example(value=1.0)])
    assert record.read_records(path) == [example(), example(ci=(), floor_real_real=None), example(value=1.0)]


def test_a_torn_line_is_dropped_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    record.append_records(path, [example()])
    with path.open("ab") as stream:
        stream.write(b'{"metric": "ki')  # a crash in the middle of a write
    assert record.read_records(path) == [example()]
    record.append_records(path, [example(value=2.0)])
    assert record.read_records(path) == [example(), example(value=2.0)]
    path.write_text("{}\n")
    with pytest.raises(CorruptFile, match="Line 1"):
        record.read_records(path)


WRITER = """
import sys
from pathlib import Path
from gan_aug.metrics.record import append_lines
for number in range(20):
    append_lines(Path(sys.argv[1]), [{"writer": sys.argv[2], "number": number, "padding": "x" * 5000}] * 3)
"""


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(name)], cwd=ROOT) for name in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = [(line["writer"], line["number"]) for line in map(json.loads, path.read_text().splitlines())]
    assert len(lines) == 120
    assert all(len(set(lines[i : i + 3])) == 1 for i in range(0, 120, 3)), "the lines of one call stand together"


# Extractors


def pictures(n: int, size: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def test_random_conv_is_a_function_of_its_seed() -> None:
    first, again, other = (extractors.open_extractor(name) for name in ("random-conv", "random-conv:0", "random-conv:1"))
    assert first.name == "random-conv:0"
    assert first.weights_sha256 == again.weights_sha256 == "b5f5eddfbabb8efea1b45c994416e79c93c26b8c9413c988bd2deb480e1e4867"
    assert first.weights_sha256 != other.weights_sha256
    features = first(pictures(5))
    assert features.shape == (5, first.dim)
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features, again(pictures(5)))
    assert not np.allclose(features, other(pictures(5)))


def test_features_do_not_depend_on_the_company() -> None:
    eyes = extractors.open_extractor("random-conv")
    images = pictures(70)
    np.testing.assert_allclose(eyes(images)[40:45], eyes(images[40:45]), rtol=1e-5, atol=1e-6)


def test_progress_is_reported() -> None:
    seen = []
    extractors.open_extractor("random-conv")(pictures(70), lambda done, total, what: seen.append((done, total, what)))
    assert [done for done, _, _ in seen] == [32, 64, 70]
    assert seen[0][1:] == (70, "features by random-conv:0")


@pytest.mark.parametrize("name", ["dino", "", "classifier", "classifier:", "random-conv:x", "random-conv:-1"])
def test_unknown_extractors_are_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"extractor|seed"):
        extractors.open_extractor(name)


def test_features_are_cached_by_images_and_extractor(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eyes = extractors.open_extractor("random-conv")
    first = extractors.cached_features(eyes, pictures(9))
    folder = workspace / "cache" / "features"
    (path,) = folder.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(extractors.Extractor, "__call__", lambda *_: pytest.fail("not taken from the cache"))
        np.testing.assert_array_equal(extractors.cached_features(eyes, pictures(9)), first)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    np.testing.assert_array_equal(extractors.cached_features(eyes, pictures(9)), first)
    extractors.cached_features(eyes, pictures(9, seed=1))
    extractors.cached_features(extractors.open_extractor("random-conv:1"), pictures(9))
    assert len(list(folder.iterdir())) == 3


def test_fingerprint_knows_pixels_order_and_shape() -> None:
    images = pictures(4)
    assert extractors.fingerprint(images) == extractors.fingerprint(images.copy())
    changed = images.copy()
    changed[2, 3, 4, 1] ^= 1
    others = [changed, images[::-1], images[:3], images.reshape(1, 256, 64, 3)]
    assert len({extractors.fingerprint(other) for other in [images, *others]}) == 5


@pytest.fixture(scope="module")
def made_up_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with random weights of the FID's network."""
    from pytorch_fid import inception

    torch.manual_seed(0)
    state: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        # pytorch-fid asks for the weights before it returns the network: hand it the ones it has.
        patch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: state)
        patch.setattr(torch.nn.Module, "load_state_dict", lambda self, weights: None)
        network = inception.fid_inception_v3()
    path = tmp_path_factory.mktemp("weights") / "made-up.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_computes_what_pytorch_fid_does(made_up_inception: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_fid import inception

    eyes = extractors.open_extractor(f"inception:{made_up_inception}")
    sha256 = sha256_file(made_up_inception)
    assert (eyes.name, eyes.weights_sha256, eyes.dim) == (f"inception:custom-{sha256[:8]}", sha256, 2048)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(made_up_inception, weights_only=True))
    theirs = inception.InceptionV3([3]).eval()
    images = pictures(2)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0][:, :, 0, 0].numpy()
    features = eyes(images)
    assert expected.std() > 0
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_the_canonical_digest_decides(made_up_inception: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    expected = tmp_path / "checkpoints" / extractors.INCEPTION_FILE
    with pytest.raises(ExtractorUnavailable) as absent:
        extractors.open_extractor("inception")
    assert str(expected) in absent.value.what
    assert record.INCEPTION_SHA256 in absent.value.todo
    expected.parent.mkdir()
    expected.write_bytes(made_up_inception.read_bytes())
    with pytest.raises(ExtractorUnavailable, match="not the canonical"):  # pytorch-fid takes any file of that name
        extractors.open_extractor("inception")
    monkeypatch.setattr(extractors, "INCEPTION_SHA256", sha256_file(made_up_inception))
    assert extractors.open_extractor("inception").name == "inception"


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04broken"])
def test_a_file_without_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=r"weights\.pth"):
        extractors.open_extractor(f"inception:{path}")


def test_a_file_with_other_weights_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"fc.weight": torch.zeros(3)}, stream)
    (tmp_path / "other.pth").write_bytes(stream.getvalue())
    with pytest.raises(InvalidValue, match="does not hold the weights"):
        extractors.open_extractor(f"inception:{tmp_path / 'other.pth'}")
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    with pytest.raises(CorruptFile, match="plain state dict"):
        extractors.open_extractor(f"inception:{tmp_path / 'list.pth'}")
    with pytest.raises(ExtractorUnavailable, match=r"nowhere\.pth"):
        extractors.open_extractor(f"inception:{tmp_path / 'nowhere.pth'}")
