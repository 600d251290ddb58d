"""Reader-study statistics against independent computations: SciPy, statsmodels, scikit-learn, direct sums, and simulation."""

import numpy as np
import pytest
from scipy import stats as reference
from sklearn import metrics as sk
from statsmodels.stats import inter_rater
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from gan_aug import stats
from gan_aug.errors import InvalidValue


def answers(seed: int, n: int = 120, skill: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Truths, and confidences that know something of them."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.45).astype(int)
    return truth, np.clip(np.round(3 + skill * (2 * truth - 1) + rng.normal(0, 1.3, n)), 1, 5).astype(int)


@pytest.mark.parametrize("seed", range(4))
def test_a_reading_agrees_with_other_programs(seed: int) -> None:
    truth, said = answers(seed)
    found = stats.reading(truth, said)
    sure = said != 3
    right = ((said > 3) == (truth == 1))[sure]
    assert (found.n, found.n_unsure, found.decided, found.correct) == (120, (~sure).sum(), sure.sum(), right.sum())
    low, high = proportion_confint(right.sum(), sure.sum(), method="beta")
    assert (found.accuracy.value, found.accuracy.low, found.accuracy.high) == pytest.approx((right.mean(), low, high))
    matrix = sk.confusion_matrix(truth[sure], said[sure] > 3)
    assert found.p == pytest.approx(reference.fisher_exact(matrix).pvalue, rel=1e-9)
    assert found.sensitivity.value == pytest.approx(sk.recall_score(truth[sure], said[sure] > 3))
    assert found.specificity.value == pytest.approx(sk.recall_score(1 - truth[sure], said[sure] < 3))
    assert found.balanced.value == pytest.approx(sk.balanced_accuracy_score(truth[sure], said[sure] > 3))
    assert found.auc.value == pytest.approx(sk.roc_auc_score(truth, said))
    fpr, tpr, _ = sk.roc_curve(truth, said, drop_intermediate=False)
    np.testing.assert_allclose((found.curve.fpr, found.curve.tpr), (fpr, tpr))
    (calm, false), (missed, hits) = matrix
    for interval, level in ((found.balanced, 0.95), (found.equivalence, 0.90)):
        # The balanced accuracy is (1 + sensitivity - false alarms) / 2, and Newcombe's interval of that difference is well known.
        low, high = confint_proportions_2indep(hits, hits + missed, false, false + calm, method="newcomb", alpha=1 - level)
        assert (interval.low, interval.high) == pytest.approx(((1 + low) / 2, (1 + high) / 2), abs=1e-12)


def test_what_guessing_gives_does_not_depend_on_mix_or_leaning() -> None:
    truth = np.repeat([1, 0], [30, 70])
    always_real = stats.reading(truth, np.full(100, 2))
    assert always_real.accuracy.value == 0.7, "looks like skill"
    assert always_real.by_guessing == pytest.approx(0.7)
    assert always_real.balanced.value == 0.5
    assert always_real.p == pytest.approx(1.0)
    assert always_real.auc.value == 0.5
    assert always_real.verdict(0.1) != "better"


def test_answers_that_do_not_say_all() -> None:
    cannot_tell = stats.reading([1, 0, 1, 0], [3, 3, 3, 3])
    assert (cannot_tell.decided, cannot_tell.n_unsure, cannot_tell.accuracy, cannot_tell.balanced) == (0, 4, None, None)
    assert cannot_tell.auc.value == 0.5
    assert cannot_tell.verdict(0.1) == "open"
    only_real = stats.reading([0, 0], [1, 4])
    assert only_real.specificity.value == 0.5
    assert (only_real.sensitivity, only_real.balanced, only_real.auc, only_real.curve) == (None, None, None, None)
    for truth, said in (([1], [0]), ([1], [6]), ([2], [1]), ([1, 0], [1]), ([], [])):
        with pytest.raises(InvalidValue):
            stats.reading(truth, said)


@pytest.mark.parametrize("table", [(5, 1, 2, 7), (0, 4, 6, 0), (10, 10, 10, 10), (1, 0, 0, 1), (0, 3, 0, 9), (30, 12, 9, 41)])
def test_fisher_agrees_with_scipy(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    assert stats.fisher_exact(*table) == pytest.approx(reference.fisher_exact([[a, b], [c, d]]).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("hits", "calm", "n", "wanted"),
    [
        (90, 88, 100, "better"),
        (20, 30, 100, "worse"),
        (100, 100, 200, "chance"),
        (6, 5, 10, "open"),
        (540, 540, 1000, "near"),  # better than chance beyond doubt, and within 0.4 to 0.6
    ],
)
def test_verdicts(hits: int, calm: int, n: int, wanted: str) -> None:
    both = [stats.balanced_accuracy(hits, n, calm, n, level) for level in (0.95, 0.90)]
    assert stats.chance_verdict(*both, margin=0.1) == wanted


def test_the_equivalence_statement_errs_as_rarely_as_it_says() -> None:
    """A reader just at the margin is called equivalent to chance in about one study in twenty, not more."""
    rng = np.random.default_rng(0)
    n, wrong = 200, 0
    for _ in range(2000):
        hits, calm = rng.binomial(n, 0.6, 2)
        both = [stats.balanced_accuracy(int(hits), n, int(calm), n, level) for level in (0.95, 0.90)]
        wrong += stats.chance_verdict(*both, margin=0.1) in ("chance", "near")
    assert 0.03 < wrong / 2000 < 0.07


@pytest.mark.parametrize("margin", [0.05, 0.1, 0.15])
def test_so_many_cases_are_needed_and_no_fewer(margin: float) -> None:
    n = stats.cases_needed(margin)
    wide = [stats.balanced_accuracy(k // 4, k // 2, k // 4, k // 2, 0.9) for k in (n, n - 4)]
    assert wide[0].high <= 0.5 + margin < wide[1].high
    assert n == pytest.approx((1.645 / (2 * margin)) ** 2, rel=0.1)


# --- several readers ---------------------------------------------------------------------------------------------------------------------


def test_the_average_reader_is_the_mean_of_all() -> None:
    truth, first = answers(1)
    said = np.stack([first, answers(1, skill=0.4)[1], answers(1, skill=0.1)[1]])
    found = stats.average_reading(truth, said)
    assert found.n_readers == 3
    assert found.auc.value == pytest.approx(np.mean([sk.roc_auc_score(truth, row) for row in said]))
    assert found.balanced.value == pytest.approx(np.mean([stats.reading(truth, row).balanced.value for row in said]))
    assert found.balanced.low < found.equivalence.low < found.balanced.value < found.equivalence.high < found.balanced.high
    assert found == stats.average_reading(truth, said), "the same each time"


def test_the_average_interval_is_that_of_a_plain_bootstrap() -> None:
    truth, _ = answers(2, n=80)
    said = np.stack([answers(2, n=80, skill=skill)[1] for skill in (0.9, 0.5, 0.2, 0.7)])
    said[1, :7] = 0  # a reader who stopped early
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(1500):
        cases = np.concatenate([rng.choice(np.flatnonzero(truth == kind), (truth == kind).sum()) for kind in (0, 1)])
        areas = []
        for reader in rng.integers(0, 4, 4):
            there = cases[said[reader, cases] > 0]
            areas.append(sk.roc_auc_score(truth[there], said[reader, there]))
        drawn.append(np.mean(areas))
    found = stats.average_reading(truth, said).auc
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.015)


def test_an_average_needs_two_readers_who_saw_both_kinds() -> None:
    with pytest.raises(InvalidValue, match="two readers"):
        stats.average_reading([1, 0], [[1, 5]])
    with pytest.raises(InvalidValue, match="no picture of one kind"):
        stats.average_reading([1, 0], [[1, 5], [0, 5]])


# --- agreement ---------------------------------------------------------------------------------------------------------------------------


def test_kappa_of_two_readers_with_its_interval() -> None:
    first = ["real"] * 45 + ["synthetic"] * 55
    second = ["real"] * 30 + ["synthetic"] * 15 + ["real"] * 10 + ["synthetic"] * 45
    found = stats.kappa_of_two(first, second)
    other = inter_rater.cohens_kappa(np.array([[30, 15], [10, 45]]))
    assert found.value == pytest.approx(other.kappa)
    assert (found.low, found.high) == pytest.approx((other.kappa_low, other.kappa_upp), abs=0.02)


def test_kappa_that_says_nothing() -> None:
    assert stats.kappa_of_two([], []) is None
    assert stats.kappa_of_two(["real"] * 3, ["real"] * 3) is None, "0 / 0"
    few = stats.kappa_of_two(["real", "real", "real", "synthetic"], ["real", "real", "real", "synthetic"])
    assert (few.value, few.low, few.high) == (1.0, -1.0, 1.0), "a third of the resamples hold one answer only"
    with pytest.raises(InvalidValue):
        stats.kappa_of_two(["real"], [])


def test_fleiss_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(3)
    said = np.where(rng.random((4, 90)) < 0.6, rng.integers(0, 3, 90), rng.integers(0, 3, (4, 90)))
    table, _ = inter_rater.aggregate_raters(said.T)
    found = stats.fleiss_kappa(said.tolist())
    assert found.value == pytest.approx(inter_rater.fleiss_kappa(table))
    drawn = [inter_rater.fleiss_kappa(table[rng.integers(0, 90, 90)]) for _ in range(1500)]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)
    assert stats.fleiss_kappa([["real"] * 5, ["real"] * 5]) is None
    with pytest.raises(InvalidValue):
        stats.fleiss_kappa([["real"]])
