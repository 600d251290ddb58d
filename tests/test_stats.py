"""Statistics against independent computations: scikit-learn, direct sums over all pairs, published values, and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from gan_aug import stats
from gan_aug.errors import InvalidValue


def draw(seed: int, n: int = 200, decimals: int | None = 1, shift: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores with many ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.3).astype(int)
    scores = rng.normal(size=n) + shift * labels
    return labels, scores if decimals is None else np.round(scores, decimals)


def direct_delong(labels: np.ndarray, *scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and their covariance by DeLong's definition: the kernel of every (positive, negative) pair, n squared."""
    of_positives, of_negatives = [], []
    for s in scores:
        p, q = s[labels == 1][:, None], s[labels == 0][None, :]
        kernel = (p > q) + 0.5 * (p == q)
        of_positives.append(kernel.mean(axis=1))
        of_negatives.append(kernel.mean(axis=0))
    m, n = len(of_positives[0]), len(of_negatives[0])
    covariance = np.atleast_2d(np.cov(of_positives)) / m + np.atleast_2d(np.cov(of_negatives)) / n
    return np.array([v.mean() for v in of_positives]), covariance


# Curves


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_roc_and_areas_agree_with_scikit_learn(seed: int, decimals: int | None) -> None:
    labels, scores = draw(seed, decimals=decimals)
    curve = stats.roc_curve(labels, scores)
    fpr, tpr, thresholds = sk.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.fpr, fpr, atol=1e-15)
    np.testing.assert_allclose(curve.tpr, tpr, atol=1e-15)
    np.testing.assert_array_equal(curve.thresholds, thresholds)
    assert stats.auc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-14)
    assert stats.average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-14)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_tpr", [0.8, 0.55, 0.0])
def test_partial_auc_is_that_of_isic_2024(seed: int, min_tpr: float) -> None:
    labels, scores = draw(seed)
    # The competition's scoring code: flip labels and scores, then undo McClish's standardisation.
    max_fpr = 1 - min_tpr
    scaled = sk.roc_auc_score(1 - labels, -scores, max_fpr=max_fpr)
    expected = scaled if max_fpr == 1 else 0.5 * max_fpr**2 + (max_fpr - 0.5 * max_fpr**2) / 0.5 * (scaled - 0.5)
    assert stats.partial_auc(labels, scores, min_tpr) == pytest.approx(expected, abs=1e-14)


def test_partial_auc_known_values() -> None:
    assert stats.partial_auc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == pytest.approx(0.2)
    assert stats.partial_auc([0, 1, 0, 1], [0.5] * 4) == pytest.approx(0.02)


def test_operating_points_are_achieved_ones() -> None:
    labels = np.array([0] * 20 + [1] * 5)
    scores = np.concatenate([np.arange(20), [18.5, 19.5, 20.5, 0.5, 5.5]]).astype(float)
    point = stats.sensitivity_at_specificity(labels, scores, 0.95)
    assert (point.sensitivity, point.specificity, point.threshold) == (0.6, 0.95, 18.5)  # one false positive of 20 is exactly 0.95
    assert stats.at_threshold(labels, scores, point.threshold) == point
    assert stats.sensitivity_at_specificity(labels, scores, 1.0).sensitivity == 0.4
    point = stats.specificity_at_sensitivity(labels, scores, 0.8)
    assert (point.sensitivity, point.specificity, point.threshold) == pytest.approx((0.8, 0.3, 5.5))
    # Five positives achieve 0.6 or 0.8 but not 0.7: the next achieved sensitivity is taken, nothing in between.
    assert stats.specificity_at_sensitivity(labels, scores, 0.7) == point


def test_an_unreachable_specificity_gives_the_trivial_point() -> None:
    point = stats.sensitivity_at_specificity([0, 1, 0], [0.9, 0.1, 0.2], 0.95)
    assert (point.sensitivity, point.specificity, point.threshold) == (0.0, 1.0, math.inf)


# DeLong


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_delong_agrees_with_the_direct_computation(seed: int, decimals: int | None) -> None:
    labels, a = draw(seed, n=60 + 10 * seed, decimals=decimals)
    b = np.round(a + np.random.default_rng(seed + 100).normal(size=len(a)), 1)
    areas, covariance = direct_delong(labels, a, b)
    z95 = 1.959963984540054
    interval = stats.delong_ci(labels, a)
    assert interval.method == "DeLong"
    assert interval.value == pytest.approx(areas[0], abs=1e-12)
    assert interval.high - interval.value == pytest.approx(z95 * np.sqrt(covariance[0, 0]), abs=1e-12)
    test = stats.delong_paired(labels, a, b)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert test.difference == pytest.approx(areas[0] - areas[1], abs=1e-12)
    assert test.z == pytest.approx((areas[0] - areas[1]) / error, rel=1e-10)
    assert test.p == pytest.approx(math.erfc(abs(test.z) / math.sqrt(2)), rel=1e-10)
    assert (test.high - test.low) / 2 == pytest.approx(z95 * error, abs=1e-12)


def test_delong_interval_stays_inside_the_unit_interval() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    scores = np.concatenate([np.arange(10), np.arange(10) + 8.5])
    interval = stats.delong_ci(labels, scores)
    assert interval.method == "DeLong on the logit scale"
    assert 0.5 < interval.low < interval.value < interval.high < 1
    mirrored = stats.delong_ci(labels, -scores)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - interval.high, 1 - interval.low))


def test_degenerate_areas_are_not_certain() -> None:
    labels = np.array([0] * 30 + [1] * 12)
    perfect = stats.delong_ci(labels, labels)
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(0.025 ** (1 / 12))  # Clopper-Pearson at 12 of 12
    assert "exactly 1" in perfect.method
    wrong = stats.delong_ci(labels, -labels)
    assert (wrong.value, wrong.low, wrong.high) == pytest.approx((0.0, 0.0, 1 - perfect.low))
    constant = stats.delong_ci(labels, np.full(42, 0.3))
    assert (constant.low, constant.value, constant.high) == (0.5, 0.5, 0.5)
    assert "equal" in constant.method


def test_paired_test_where_the_variance_is_zero() -> None:
    labels, scores = draw(0)
    same = stats.delong_paired(labels, scores, np.exp(scores))  # another score, the same order
    assert (same.difference, same.z, same.p) == (0.0, 0.0, 1.0)
    test = stats.delong_paired(labels, labels, np.zeros(len(labels)))
    assert test.difference == 0.5
    assert test.z is None
    assert 0 < test.p < 0.01
    assert 0 < test.low < 0.5 < test.high <= 1
    assert "Hoeffding" in test.method
    few = stats.delong_paired([0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1])
    assert few.p == 1.0


def test_delong_paired_holds_its_level_under_the_null() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [80, 40])
    n, rejected, covered = 600, 0, 0
    for _ in range(n):
        signal = labels + rng.normal(size=120)
        a, b = signal + rng.normal(size=120), signal + rng.normal(size=120)
        rejected += stats.delong_paired(labels, a, b).p < 0.05
        interval = stats.delong_ci(labels, a)
        covered += interval.low <= 0.6914625 <= interval.high  # Phi(1 / 2): scores of the two classes differ by N(1, 4)
    monte_carlo_error = math.sqrt(0.05 * 0.95 / n)
    assert rejected / n == pytest.approx(0.05, abs=3 * monte_carlo_error)
    assert covered / n == pytest.approx(0.95, abs=3 * monte_carlo_error)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_delong_unpaired_agrees_with_the_direct_computation(seed: int, decimals: int | None) -> None:
    """Against all pairs, with Welch's t as scipy computes it from two means, their standard deviations and "numbers of images"."""
    from scipy.stats import ttest_ind_from_stats

    (y_a, a), (y_b, b) = draw(seed, n=70, decimals=decimals), draw(seed + 50, n=110, decimals=decimals, shift=0.4)
    (area_a, variance_a), (area_b, variance_b) = ((float(v[0]), float(c[0, 0])) for v, c in (direct_delong(y_a, a), direct_delong(y_b, b)))
    test = stats.delong_unpaired(y_a, a, y_b, b)
    reference = ttest_ind_from_stats(area_a, math.sqrt(variance_a * 70), 70, area_b, math.sqrt(variance_b * 110), 110, equal_var=False)
    assert test.difference == pytest.approx(area_a - area_b, abs=1e-12)
    assert test.z == pytest.approx(reference.statistic, rel=1e-10)
    assert test.p == pytest.approx(reference.pvalue, rel=1e-9)
    assert test.difference - test.low == pytest.approx(test.high - test.difference, abs=1e-12)
    mirrored = stats.delong_unpaired(y_b, b, y_a, a)
    assert (mirrored.difference, mirrored.p) == pytest.approx((-test.difference, test.p), abs=1e-12)


def test_delong_unpaired_where_the_variance_is_zero() -> None:
    labels = np.array([0] * 40 + [1] * 40)
    same = stats.delong_unpaired(labels, labels, labels[20:60], labels[20:60])
    assert (same.difference, same.p) == (0.0, 1.0)
    test = stats.delong_unpaired(labels, labels, labels, np.zeros(80))
    assert (test.difference, test.z) == (0.5, None)
    # Two means of 40 independent pairs each: P(|error| >= t) <= 2 exp(-2 t^2 / (1/40 + 1/40)).
    assert test.p == pytest.approx(2 * math.exp(-2 * 0.25 / 0.05))
    assert "Hoeffding" in test.method
    with pytest.raises(InvalidValue, match="each class needs at least 2"):
        stats.delong_unpaired(labels, labels, [0, 1], [0, 1])


def test_delong_unpaired_holds_its_level_under_the_null() -> None:
    rng = np.random.default_rng(1)
    y_a, y_b = np.repeat([0, 1], [50, 25]), np.repeat([0, 1], [90, 40])
    n = 800
    rejected = sum(stats.delong_unpaired(y_a, y_a + rng.normal(size=75), y_b, y_b + rng.normal(size=130)).p < 0.05 for _ in range(n))
    assert rejected / n == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / n))


# Over images and seeds


def test_without_spread_over_seeds_it_is_delong() -> None:
    labels, a = draw(2, n=120, decimals=None)
    b = a + np.random.default_rng(7).normal(size=120)
    test, reference = stats.over_images_and_seeds(labels, [a, a], [b, b]), stats.delong_paired(labels, a, b)
    assert (test.difference, test.z, test.low, test.high, test.p) == pytest.approx(
        (reference.difference, reference.z, reference.low, reference.high, reference.p), rel=1e-9
    )


def test_the_spread_over_seeds_widens_the_interval() -> None:
    labels, base = draw(2, n=400, decimals=None)
    rng = np.random.default_rng(3)
    steady = np.stack([base + 0.3 * rng.normal(size=400) for _ in range(4)])
    moody = np.stack([base + weight * rng.normal(size=400) for weight in (0.1, 0.1, 3.0, 3.0)])
    fixed = stats.delong_paired(labels, moody.mean(axis=0), steady.mean(axis=0))
    test = stats.over_images_and_seeds(labels, moody, steady)
    aucs = np.array([[stats.auc(labels, row) for row in rows] for rows in (moody, steady)])
    assert test.difference == pytest.approx((aucs[0] - aucs[1]).mean(), abs=1e-12)
    assert fixed.p < 0.05 < test.p, "what these four trainings show is not yet true of trainings"
    assert test.high - test.low > 2 * (fixed.high - fixed.low)
    for scores in ([base], [base, base, base]):
        with pytest.raises(InvalidValue, match="spread over seeds"):
            stats.over_images_and_seeds(labels, [base], scores)


def test_obuchowskis_variance_is_near_that_of_resampled_patients() -> None:
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(150), 4)
    mood = rng.normal(size=150)[patients]
    labels = (rng.random(600) < 0.3).astype(int)  # a patient can have lesions of both kinds
    a, b = labels + mood + rng.normal(size=600), 0.5 * labels + rng.normal(size=600)
    test = stats.over_images_and_seeds(labels, [a, a], [b, b], patients)
    resampled = stats.bootstrap_paired(labels, a, b, patients, replicates=1000)
    assert test.high - test.low == pytest.approx(resampled.high - resampled.low, rel=0.1)


def test_intervals_over_images_and_seeds_cover_a_new_training_on_new_patients() -> None:
    """Classifiers whose quality differs from seed to seed by far more than chance among images: DeLong on one of them is too sure."""
    rng = np.random.default_rng(11)
    n, covered, naive = 300, 0, 0
    truth = 0.0  # both arms are drawn from one population of classifiers
    for _ in range(n):
        labels = np.repeat([0, 1], [60, 30])
        arms = [np.stack([np.exp(0.6 * rng.normal()) * labels + rng.normal(size=90) for _ in range(4)]) for _ in range(2)]
        test = stats.over_images_and_seeds(labels, *arms)
        covered += test.low <= truth <= test.high
        fixed = stats.delong_paired(labels, arms[0][0], arms[1][0])
        naive += fixed.low <= truth <= fixed.high
    assert 0.93 - 3 * math.sqrt(0.05 * 0.95 / n) < covered / n, "at least nominal; wide rather than narrow"
    assert naive / n < 0.85


# Over folds


def test_corrected_resampled_t_known_values() -> None:
    """Ten folds of 900 and 100 images, by the formula written out; the plain t test of scipy is too sure by sqrt(2.11)."""
    from scipy.stats import t as student
    from scipy.stats import ttest_1samp

    differences = np.array([0.02, 0.05, 0.01, 0.03, 0.04, 0.00, 0.03, 0.06, -0.01, 0.02])
    test = stats.corrected_resampled_t(differences, 900, 100)
    plain = ttest_1samp(differences, 0.0)
    assert test.z == pytest.approx(plain.statistic / math.sqrt((1 / 10 + 1 / 9) * 10), rel=1e-12)
    assert test.p == pytest.approx(2 * student.sf(test.z, 9), rel=1e-10)
    assert test.p > plain.pvalue
    assert (test.low + test.high) / 2 == pytest.approx(0.025, abs=1e-15) and test.low < 0.025 < test.high


def test_corrected_resampled_t_refuses_what_shows_no_spread() -> None:
    assert stats.corrected_resampled_t([0.0, 0.0, 0.0], 80, 20).p == 1.0
    with pytest.raises(InvalidValue, match="no spread"):
        stats.corrected_resampled_t([0.1, 0.1, 0.1], 80, 20)
    for bad in ([0.1], [], [0.1, math.nan]):
        with pytest.raises(InvalidValue, match="at least 2 folds"):
            stats.corrected_resampled_t(bad, 80, 20)
    with pytest.raises(InvalidValue, match="no fold"):
        stats.corrected_resampled_t([0.1, 0.2], 80, 0)


def test_over_folds_the_plain_t_test_rejects_too_often_and_the_corrected_one_does_not() -> None:
    """Two nearest-mean classifiers that use one uninformative feature each, over ten random splits of the same 60 images."""
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(4)
    n, plain, corrected = 300, 0, 0
    for _ in range(n):
        labels, features = np.tile([0, 1], 30), rng.normal(size=(60, 2))
        differences = []
        for _ in range(10):
            order = rng.permutation(60)
            train, test = order[:48], order[48:]
            means = [features[train][labels[train] == c].mean(axis=0) for c in (0, 1)]
            called = np.abs(features[test] - means[1]) < np.abs(features[test] - means[0])
            right = (called == labels[test][:, None]).mean(axis=0)
            differences.append(right[0] - right[1])
        if np.ptp(differences) == 0:
            continue
        plain += ttest_1samp(differences, 0.0).pvalue < 0.05
        corrected += stats.corrected_resampled_t(differences, 48, 12).p < 0.05
    assert corrected / n < 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)
    assert plain / n > 0.10


# Bootstrap


def test_the_patient_bootstrap_holds_its_level_where_delong_does_not() -> None:
    """Under the null, with six images a patient that share what either classifier sees in that patient."""
    rng = np.random.default_rng(8)
    n, resampled, delong, covered = 150, 0, 0, 0
    patients = np.repeat(np.arange(60), 6)
    labels = (np.arange(60) < 24).astype(int)[patients]
    truth = 0.76024994  # Phi(1 / sqrt 2): the classes differ by N(1, 2)
    for number in range(n):
        a, b = (labels + (0.95 * rng.normal(size=60))[patients] + math.sqrt(1 - 0.95**2) * rng.normal(size=360) for _ in range(2))
        resampled += stats.bootstrap_paired(labels, a, b, patients, seed=number, replicates=200).p < 0.05
        delong += stats.delong_paired(labels, a, b).p < 0.05
        interval = stats.bootstrap_auc(labels, a, patients, seed=number, replicates=200)
        covered += interval.low <= truth <= interval.high
    error = 3 * math.sqrt(0.05 * 0.95 / n)
    assert resampled / n == pytest.approx(0.05, abs=error)
    assert delong / n > 0.2
    assert covered / n == pytest.approx(0.95, abs=error)


def test_bootstrap_of_a_perfect_order_is_not_certain() -> None:
    labels, patients = np.repeat([0, 0, 1, 1], 10), np.repeat(np.arange(8), 5)  # four patients of either kind
    interval = stats.bootstrap_auc(labels, labels, patients, replicates=200)
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert interval.low == pytest.approx(0.025**0.25)  # Clopper-Pearson at 4 of 4
    assert "4 independent pairs" in interval.method
    test = stats.bootstrap_paired(labels, labels, np.zeros(40), patients, replicates=200)
    assert test.difference == 0.5 and test.low < 0 and test.p > 0.05, "eight patients prove nothing, whatever the resamplings say"
    assert "Hoeffding" in test.method
    assert stats.bootstrap_auc(labels, -labels, replicates=200).low == 0.0


def test_bootstrap_is_keyed_and_near_delong_for_single_images() -> None:
    labels, scores = draw(3, n=400, decimals=2)
    interval = stats.bootstrap_auc(labels, scores, seed=5)
    assert interval == stats.bootstrap_auc(labels, scores, seed=5)
    assert interval != stats.bootstrap_auc(labels, scores, seed=6)
    delong = stats.delong_ci(labels, scores)
    assert interval.value == pytest.approx(delong.value, abs=1e-14)
    assert (interval.low, interval.high) == pytest.approx((delong.low, delong.high), abs=0.01)


def test_bootstrap_of_patients_is_wider_when_their_images_agree() -> None:
    labels, scores = draw(4, n=100, decimals=None)
    patients = np.repeat(np.arange(100), 5)
    labels, scores = np.repeat(labels, 5), np.repeat(scores, 5)
    naive = stats.bootstrap_auc(labels, scores, replicates=500)
    honest = stats.bootstrap_auc(labels, scores, patients, replicates=500)
    # Five copies of each image hold no more information than one: the interval must be sqrt(5) = 2.2 times as wide.
    assert 1.8 < (honest.high - honest.low) / (naive.high - naive.low) < 2.7
    assert "100 patients" in honest.method


def test_bootstrap_is_that_of_repeated_images() -> None:
    labels, scores = draw(1, n=40)
    by_hand = []
    for replicate in range(100):
        picks = (stats.uniforms(40, 9, "bootstrap", replicate) * 40).astype(int)
        by_hand.append(stats.auc(labels[picks], scores[picks]))
    interval = stats.bootstrap_auc(labels, scores, seed=9, replicates=100)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])), abs=1e-12)


def test_paired_bootstrap() -> None:
    labels, scores = draw(6, n=300)
    noise = np.random.default_rng(0).normal(size=300) * 3
    test = stats.bootstrap_paired(labels, scores, scores + noise, replicates=500)
    assert test.low > 0
    assert test.p == pytest.approx(2 / 501)
    assert test.difference == pytest.approx(stats.auc(labels, scores) - stats.auc(labels, scores + noise))
    same = stats.bootstrap_paired(labels, scores, scores * 2, replicates=100)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_bootstrap_leaves_out_draws_of_one_class_and_says_so() -> None:
    labels = np.array([0] * 20 + [1] * 2)
    interval = stats.bootstrap_auc(labels, np.append(np.arange(20.0), (18.5, 3.5)), replicates=400)
    assert "without both classes left out" in interval.method
    # Two patients of one class each: a draw holds both classes with probability one half, and seed 5 stays below it.
    with pytest.raises(InvalidValue, match="Only 39 of 101 resamplings held both classes"):
        stats.bootstrap_auc(labels, np.arange(22.0), ["negatives"] * 20 + ["positives"] * 2, replicates=101, seed=5)


def test_uniforms_known_values() -> None:
    values = stats.uniforms(3, 7, "golden")
    np.testing.assert_array_equal(values, stats.uniforms(5, 7, "golden")[:3])
    assert values.tolist() == [0.09709568202861196, 0.7293810880227573, 0.3057406913395547]
    many = stats.uniforms(20_000, 0)
    assert 0 <= many.min() < many.max() < 1
    assert many.mean() == pytest.approx(0.5, abs=0.01)


# Corrections, probabilities, proportions


def test_holm_known_values() -> None:
    np.testing.assert_allclose(stats.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], atol=1e-15)
    np.testing.assert_allclose(stats.holm([0.6, 0.7]), [1.0, 1.0])
    assert stats.holm([]).shape == (0,)
    with pytest.raises(InvalidValue, match="0 to 1"):
        stats.holm([0.1, math.nan])


def test_holm_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 30):
        p = np.round(rng.random(size) ** 3, 2)  # with ties
        np.testing.assert_allclose(stats.holm(p), multipletests(p, method="holm")[1], atol=1e-15)


def test_holm_bounds_the_chance_of_any_false_finding() -> None:
    p = np.random.default_rng(2).random((2000, 5))
    found = np.mean([stats.holm(row).min() < 0.05 for row in p])
    assert found == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))
    assert np.mean(p.min(axis=1) < 0.05) > 0.2, "uncorrected, one in four or five"


@pytest.mark.parametrize("seed", range(3))
def test_brier_and_reliability_agree_with_scikit_learn(seed: int) -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(seed)
    p = rng.random(500)
    labels = (rng.random(500) < p**2).astype(int)
    assert stats.brier(labels, p) == pytest.approx(sk.brier_score_loss(labels, p), abs=1e-15)
    observed, predicted = calibration_curve(labels, p, n_bins=15)
    points = stats.reliability(labels, p)
    np.testing.assert_allclose(points.observed, observed)
    np.testing.assert_allclose(points.predicted, predicted)
    assert points.count.sum() == 500


def test_reliability_by_rank_has_equally_many_images_in_each_bin() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(3)
    p = rng.random(500) ** 4
    labels = (rng.random(500) < p).astype(int)
    points = stats.reliability_by_rank(labels, p)
    observed, predicted = calibration_curve(labels, p, n_bins=10, strategy="quantile")
    assert points.count.tolist() == [50] * 10
    np.testing.assert_allclose(points.observed, observed, atol=0.021)  # one image of 50 more or less, where a quantile is interpolated
    np.testing.assert_allclose(points.predicted, predicted, atol=0.02)
    one = stats.reliability_by_rank([0, 1, 1, 1], [0.2, 0.2, 0.2, 0.9], bins=4)
    assert (one.count.tolist(), one.predicted.tolist(), one.observed.tolist()) == (
        [3, 1],
        pytest.approx([0.2, 0.9]),
        pytest.approx([2 / 3, 1]),
    )


def test_ece_known_values() -> None:
    assert stats.ece([0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0]) == 0.0
    # Bin of 0.2: observed 0.5, off by 0.3; bin of 0.9: observed 1, off by 0.1; two images each.
    assert stats.ece([0, 1, 1, 1], [0.2, 0.2, 0.9, 0.9], bins=10) == pytest.approx(0.2)


def test_platt_undoes_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(size=40_000) * 2 - 1
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-logit))).astype(int)
    distorted = 1 / (1 + np.exp(-(3 * logit + 2)))
    fit = stats.fit_platt(labels, distorted, part="val")
    assert (fit.slope, fit.intercept) == pytest.approx((1 / 3, -2 / 3), abs=0.02)
    assert stats.ece(labels, fit(distorted)) < 0.01 < stats.ece(labels, distorted)
    assert stats.auc(labels, fit(distorted)) == pytest.approx(stats.auc(labels, distorted))
    # With this many images the softened targets hardly matter: it is an unpenalised logistic regression.
    from sklearn.linear_model import LogisticRegression

    reference = LogisticRegression(C=np.inf, tol=1e-10).fit((3 * logit + 2)[:, None], labels)
    assert (fit.slope, fit.intercept) == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), abs=1e-3)


def test_temperature_keeps_one_half_and_undoes_overconfidence() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(size=40_000)
    labels = (rng.random(40_000) < 1 / (1 + np.exp(-logit))).astype(int)
    fit = stats.fit_temperature(labels, 1 / (1 + np.exp(-4 * logit)), part="val")
    assert fit.slope == pytest.approx(0.25, abs=0.01)
    assert fit([0.5]) == pytest.approx(0.5)


def test_recalibration_of_perfect_or_constant_scores_is_finite() -> None:
    labels = np.array([0] * 20 + [1] * 20)
    for fit in (stats.fit_platt(labels, labels, part="val"), stats.fit_platt(labels, np.full(40, 0.9), part="val")):
        assert np.isfinite([fit.slope, fit.intercept]).all()
    assert stats.fit_platt(labels, np.full(40, 0.9), part="val")([0.9]) == pytest.approx(0.5, abs=1e-6)
    sure = stats.fit_platt(labels, labels, part="val")([0.0, 1.0])
    assert sure == pytest.approx([1 / 22, 21 / 22], abs=1e-6)  # Platt's targets


@pytest.mark.parametrize("fit", [stats.fit_platt, stats.fit_temperature])
def test_nothing_is_fitted_on_test(fit) -> None:
    with pytest.raises(InvalidValue, match="cannot be fitted on 'test'"):
        fit([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.3], part="test")


def test_a_threshold_is_chosen_on_val_for_one_aim() -> None:
    labels, scores = draw(9)
    assert stats.choose_threshold(labels, scores, part="val", specificity=0.9) == stats.sensitivity_at_specificity(labels, scores, 0.9)
    assert stats.choose_threshold(labels, scores, part="val", sensitivity=0.9) == stats.specificity_at_sensitivity(labels, scores, 0.9)
    for part in ("test", "external", ""):
        with pytest.raises(InvalidValue, match="cannot be chosen on"):
            stats.choose_threshold(labels, scores, part=part, specificity=0.9)
    for aims in ({}, {"specificity": 0.9, "sensitivity": 0.9}):
        with pytest.raises(InvalidValue, match="what the threshold is for"):
            stats.choose_threshold(labels, scores, part="val", **aims)


def test_net_benefit_known_values() -> None:
    labels, p = [1, 1, 0, 0, 0], [0.9, 0.2, 0.6, 0.1, 0.1]
    benefit = stats.net_benefit(labels, p, [0.0, 0.2, 0.5])
    assert benefit == pytest.approx([0.4, 2 / 5 - 1 / 5 * 0.25, 1 / 5 - 1 / 5])
    treat_all = stats.net_benefit(labels, np.ones(5), [0.2])
    assert treat_all == pytest.approx([2 / 5 - 3 / 5 * 0.25])


@pytest.mark.parametrize(("successes", "n"), [(0, 12), (12, 12), (60, 100), (1, 3)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_proportions_agree_with_scipy(successes: int, n: int, level: float) -> None:
    for ours, method in ((stats.wilson, "wilson"), (stats.clopper_pearson, "exact")):
        interval = ours(successes, n, level)
        reference = binomtest(successes, n).proportion_ci(level, method)
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-12)
        assert interval.value == successes / n


def test_kappa() -> None:
    first = ["accept"] * 45 + ["reject"] * 55
    second = ["accept"] * 30 + ["reject"] * 15 + ["accept"] * 10 + ["reject"] * 45
    assert stats.cohen_kappa(first, second) == pytest.approx(sk.cohen_kappa_score(first, second), abs=1e-14)
    from statsmodels.stats.inter_rater import cohens_kappa

    reference = cohens_kappa(np.array([[30, 15], [10, 45]]))
    assert stats.cohen_kappa(first, second) == pytest.approx(reference.kappa, abs=1e-14)
    assert stats.cohen_kappa(first, first) == pytest.approx(1.0)
    with pytest.raises(InvalidValue, match="same answer"):
        stats.cohen_kappa(["accept"] * 3, ["accept"] * 3)
    with pytest.raises(InvalidValue, match="cannot be paired"):
        stats.cohen_kappa(first, second[1:])


# Refusals


@pytest.mark.parametrize(
    "measure",
    [stats.roc_curve, stats.auc, stats.average_precision, stats.partial_auc, stats.sensitivity_at_specificity, stats.brier, stats.ece],
)
@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "3 positive and 0 negative"),
        ([0, 0], [0.1, 0.2], "0 positive and 2 negative"),
        ([], [], "0 positive and 0 negative"),
        ([0, 1, 1], [0.1, math.nan, 0.3], "1 of 3 scores are not finite"),
        ([0, 1], [0.1, math.inf], "not finite"),
        ([0, 1, 1], [0.1, 0.2], "do not belong together"),
        ([0, 2], [0.1, 0.2], "neither 0 nor 1"),
    ],
)
def test_unusable_input_is_refused(measure, labels: list, scores: list, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        measure(labels, scores)


def test_three_images_have_an_area_but_no_interval() -> None:
    labels, scores = [0, 1, 1], [0.1, 0.2, 0.05]
    assert stats.auc(labels, scores) == 0.5
    for refused in (
        lambda: stats.delong_ci(labels, scores),
        lambda: stats.delong_paired(labels, scores, scores),
        lambda: stats.bootstrap_auc(labels, scores),
    ):
        with pytest.raises(InvalidValue, match="each class needs at least 2"):
            refused()


def test_impossible_settings_are_refused() -> None:
    labels, scores = draw(0)
    with pytest.raises(InvalidValue, match="confidence level"):
        stats.delong_ci(labels, scores, level=95)
    with pytest.raises(InvalidValue, match="at least 100"):
        stats.bootstrap_auc(labels, scores, replicates=10)
    with pytest.raises(InvalidValue, match="groups"):
        stats.bootstrap_auc(labels, scores, ["a"] * 3)
    with pytest.raises(InvalidValue, match="probability"):
        stats.brier(labels, scores)
    with pytest.raises(InvalidValue, match="specificity"):
        stats.sensitivity_at_specificity(labels, scores, 95)
    with pytest.raises(InvalidValue, match="threshold"):
        stats.net_benefit([0, 1], [0.2, 0.4], [1.0])
    with pytest.raises(InvalidValue, match="bins"):
        stats.ece([0, 1], [0.2, 0.4], bins=0)
    with pytest.raises(InvalidValue, match="proportion"):
        stats.wilson(4, 3)


def test_images_of_one_patient_count_less_than_as_many_patients() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random(60) < 0.7
    alone = stats.wilson_of_groups(hits, np.arange(60))
    assert alone == stats.wilson(int(hits.sum()), 60)
    # Every image four times, as one patient's: worth the 60 that they are, but for the finite number of patients.
    repeated = stats.wilson_of_groups(np.repeat(hits, 4), np.repeat(np.arange(60), 4))
    assert repeated.value == alone.value
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high), abs=2e-3)
    assert "60 groups worth 59 images" in repeated.method
    # Patients whose images cancel out are worth no more than their images.
    even = stats.wilson_of_groups([True, False] * 30, np.repeat(np.arange(30), 2))
    assert (even.low, even.high) == pytest.approx((stats.wilson(30, 60).low, stats.wilson(30, 60).high))
    every = stats.wilson_of_groups([True] * 40, np.repeat(np.arange(10), 4))
    assert (every.low, every.high) == pytest.approx((stats.wilson(10, 10).low, 1.0))
    with pytest.raises(InvalidValue, match="do not belong together"):
        stats.wilson_of_groups([True], [1, 2])


def test_the_interval_over_groups_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    groups, covered = np.repeat(np.arange(40), 5), 0
    for _ in range(300):
        shares = rng.beta(3, 1, 40)  # each patient's own; 0.75 on average
        found = stats.wilson_of_groups(rng.random(200) < np.repeat(shares, 5), groups)
        covered += found.low <= 0.75 <= found.high
    assert 0.90 <= covered / 300 <= 0.99
