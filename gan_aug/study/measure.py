"""From predictions to numbers: areas with intervals, paired tests against the base scheme, operating points, calibration.

The unit is one arm: the mean of its classifiers' probabilities over the seeds. Intervals and tests are DeLong's where every group
(patient, lesion) has one image, and resample whole groups where some have several. Both take the trained classifiers as fixed; beside them
stand the spread over seeds and an interval that holds it. Thresholds and recalibrations come from val and are only applied elsewhere:
scores carry the part that they are of, and what is fitted refuses any but train and val.
"""

import dataclasses
import math

import numpy as np
import pandas as pd

from gan_aug import stats
from gan_aug.errors import InvalidValue
from gan_aug.study.curves import roc_and_pr
from gan_aug.study.results import ArmResult, Comparison, Curve, Estimate, Flip, Flips, Operating, PartResult, SourceResult

NET_BENEFIT_AT = tuple(round(0.01 * step, 2) for step in range(1, 51))  # probability thresholds of a decision curve
SHOWN_FLIPS = 12  # cases kept per scheme


@dataclasses.dataclass(frozen=True)
class Scores:
    """The predictions of one scheme for the images of one part."""

    part: str
    labels: np.ndarray  # (n,) 0 or 1
    groups: np.ndarray  # (n,) texts
    images: tuple[str, ...]
    by_seed: np.ndarray  # (seeds, n) probabilities of the positive class

    @property
    def mean(self) -> np.ndarray:
        """The arm's score of each image, (n,)."""
        return self.by_seed.mean(axis=0)


def read_scores(predictions: pd.DataFrame, scheme: str, part: str) -> Scores:
    """The predictions of a scheme for a part, from a table with the columns of :class:`gan_aug.records.Prediction`.

    Raises
    ------
    InvalidValue
        If there are none, or the seeds were not judged on the same images.
    """
    mine = predictions[(predictions["scheme"] == scheme) & (predictions["part"] == part)]
    if mine.empty:
        raise InvalidValue(f"There are no predictions of {scheme!r} for {part}.", "Run the study to its end first.")
    by_seed = mine.pivot(index="image_id", columns="seed", values="score")
    if by_seed.isna().to_numpy().any():
        raise InvalidValue(f"The seeds of {scheme!r} were not judged on the same {part} images.", "Run the study again under another name.")
    images = mine.drop_duplicates("image_id").set_index("image_id").loc[by_seed.index]
    return Scores(part, images["label"].to_numpy(), images["group"].to_numpy(), tuple(by_seed.index), by_seed.to_numpy().T)


def measure_part(
    predictions: pd.DataFrame, part: str, dataset: str, schemes: tuple[str, ...], base: str, sources: dict[str, str] | None = None
) -> PartResult:
    """All numbers of all arms on one part (``test`` or ``external``) of the predictions.

    Parameters
    ----------
    sources : dict, optional
        Image id -> where the image comes from; with several sources, each is also measured by itself.

    Raises
    ------
    InvalidValue
        If a class is missing, or the arms were not judged on the same images.
    """
    scores = {scheme: read_scores(predictions, scheme, part) for scheme in schemes}
    first = scores[base]
    for other in scores.values():
        if other.images != first.images or not np.array_equal(other.labels, first.labels):
            raise InvalidValue(f"The arms were not judged on the same {part} images.", "Run the study again under another name.")
    n_groups = len(set(first.groups))
    grouped = n_groups < len(first.groups)
    val = {scheme: read_scores(predictions, scheme, "val") for scheme in schemes}
    origin = np.array([(sources or {}).get(image, "") for image in first.images])
    treat_all = stats.net_benefit(first.labels, np.ones(len(first.labels)), NET_BENEFIT_AT)
    return PartResult(
        part=part,
        dataset=dataset,
        n=len(first.labels),
        n_positive=int(first.labels.sum()),
        n_groups=n_groups,
        grouped=grouped,
        arms=tuple(_measure_arm(scheme, scores[scheme], val[scheme], grouped, origin) for scheme in schemes),
        comparisons=_compare({scheme: scores[scheme] for scheme in schemes if scheme != base}, first, grouped, val, val[base]),
        treat_all=Curve(NET_BENEFIT_AT, _plain(treat_all)),
    )


def _compare(arms: dict[str, Scores], base: Scores, grouped: bool, val: dict[str, Scores], base_val: Scores) -> tuple[Comparison, ...]:
    """Each arm against the base, with Holm's correction over the arms."""
    tests = []
    for arm in arms.values():
        if grouped:
            tests.append(stats.bootstrap_paired(arm.labels, arm.mean, base.mean, arm.groups))
        else:
            tests.append(stats.delong_paired(arm.labels, arm.mean, base.mean))
    adjusted = stats.holm([test.p for test in tests])
    return tuple(
        Comparison(
            scheme=scheme,
            difference=float(test.difference),
            low=float(test.low),
            high=float(test.high),
            p=float(test.p),
            p_holm=float(p_holm),
            method=test.method,
            seed_differences=tuple(_auc(arm.labels, a) - _auc(base.labels, b) for a, b in zip(arm.by_seed, base.by_seed, strict=True)),
            **_over_seeds(arm, base),
            flips=_flips(arm, base, val[scheme], base_val),
        )
        for (scheme, arm), test, p_holm in zip(arms.items(), tests, adjusted, strict=True)
    )


def _over_seeds(arm: Scores, base: Scores) -> dict[str, object]:
    """The mean difference over seeds, for new patients and new trainings; nothing where there is one seed, or no spread to go by."""
    if len(arm.by_seed) < 2:
        return {}
    try:
        test = stats.over_images_and_seeds(arm.labels, arm.by_seed, base.by_seed, arm.groups)
    except InvalidValue:
        return {}
    return {"over_seeds": Estimate(test.difference, test.low, test.high, test.method), "p_over_seeds": test.p}


def _flips(arm: Scores, base: Scores, val: Scores, base_val: Scores) -> Flips:
    """How the calls of an arm differ from the base's, each at the threshold for 95 % specificity that its own val scores gave it."""
    thresholds = (
        stats.choose_threshold(chosen.labels, chosen.mean, part=chosen.part, specificity=0.95).threshold for chosen in (base_val, val)
    )
    cases = flipped(base, arm, *thresholds)
    counts = {(mended, label): 0 for mended in (True, False) for label in (0, 1)}
    for case in cases:
        counts[case.mended, case.label] += 1
    return Flips(
        mended_positive=counts[True, 1],
        lost_positive=counts[False, 1],
        mended_negative=counts[True, 0],
        lost_negative=counts[False, 0],
        cases=cases[:SHOWN_FLIPS],
    )


def flipped(base: Scores, arm: Scores, base_threshold: float, threshold: float) -> tuple[Flip, ...]:
    """The images that two schemes call differently, each at its own threshold; those whose score changes most come first."""
    called, base_called, positive = arm.mean >= threshold, base.mean >= base_threshold, arm.labels == 1
    change = np.where(called != base_called, np.abs(arm.mean - base.mean), -1.0)
    places = np.argsort(-change, kind="stable")[: int((called != base_called).sum())]
    return tuple(
        Flip(
            arm.images[i],
            str(arm.groups[i]),
            int(arm.labels[i]),
            float(base.mean[i]),
            float(arm.mean[i]),
            bool(called[i] == positive[i]),
        )
        for i in places
    )


def _interval(y: np.ndarray, s: np.ndarray, groups: np.ndarray, grouped: bool) -> Estimate:
    interval = stats.bootstrap_auc(y, s, groups) if grouped else stats.delong_ci(y, s)
    return Estimate(float(interval.value), float(interval.low), float(interval.high), interval.method)


def _by_source(scores: Scores, origin: np.ndarray, grouped: bool) -> tuple[SourceResult, ...]:
    """The arm on each source by itself; nothing where there is only one."""
    names = sorted(set(origin.tolist()))
    found = []
    for name in names if len(names) > 1 else ():
        here = origin == name
        y = scores.labels[here]
        try:
            auc = _interval(y, scores.mean[here], scores.groups[here], grouped)
        except InvalidValue:  # too few images or patients of a class
            auc = None
        found.append(SourceResult(name, len(y), int(y.sum()), auc))
    return tuple(found)


def _measure_arm(scheme: str, scores: Scores, val: Scores, grouped: bool, origin: np.ndarray) -> ArmResult:
    y, s = scores.labels, scores.mean
    seed_aucs = tuple(_auc(y, row) for row in scores.by_seed)
    recalibrated = stats.fit_platt(val.labels, val.mean, part=val.part)(s)
    points = stats.reliability_by_rank(y, recalibrated)
    roc, pr = roc_and_pr(y, s, scores.groups)
    return ArmResult(
        scheme=scheme,
        auc=_interval(y, s, scores.groups, grouped),
        seed_aucs=seed_aucs,
        seed_mean=float(np.mean(seed_aucs)),
        seed_sd=float(np.std(seed_aucs, ddof=1)) if len(seed_aucs) > 1 else None,
        average_precision=stats.average_precision(y, s),
        partial_auc=stats.partial_auc(y, s, min_tpr=0.8),
        at_specificity=_operate("specificity", val, y, s),
        at_sensitivity=_operate("sensitivity", val, y, s),
        brier=stats.brier(y, recalibrated),
        ece=stats.ece(y, recalibrated),
        roc=roc,
        pr=pr,
        reliability=Curve(tuple(points.predicted.tolist()), tuple(points.observed.tolist())),
        net_benefit=Curve(NET_BENEFIT_AT, _plain(stats.net_benefit(y, recalibrated, NET_BENEFIT_AT))),
        by_source=_by_source(scores, origin, grouped),
    )


def _operate(aim: str, val: Scores, y: np.ndarray, s: np.ndarray) -> Operating:
    """What the threshold for 95 % ``aim`` on val achieves on the scores ``s``."""
    chosen = stats.choose_threshold(val.labels, val.mean, part=val.part, **{aim: 0.95})
    point = stats.at_threshold(y, s, chosen.threshold)
    return Operating(f"{aim} 0.95", chosen.threshold if math.isfinite(chosen.threshold) else None, point.sensitivity, point.specificity)


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(stats.auc(labels, scores))


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
