"""From predictions to numbers: areas with intervals, paired tests against the base scheme, operating points, calibration.

The unit is one arm: the mean of its classifiers' probabilities over the seeds. Intervals and tests are DeLong's where every group
(patient, lesion) has one image, and resample whole groups where some have several. Both take the trained classifiers as fixed, so the
spread over seeds is kept beside them. Thresholds and recalibrations come from val and are only applied elsewhere.
"""

import dataclasses
import math

import numpy as np
import pandas as pd

from gan_aug import stats
from gan_aug.errors import InvalidValue
from gan_aug.study.curves import roc_and_pr
from gan_aug.study.results import ArmResult, Comparison, Curve, Estimate, Operating, PartResult


@dataclasses.dataclass(frozen=True)
class Scores:
    """The predictions of one scheme for the images of one part."""

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
    return Scores(images["label"].to_numpy(), images["group"].to_numpy(), tuple(by_seed.index), by_seed.to_numpy().T)


def measure_part(predictions: pd.DataFrame, part: str, dataset: str, schemes: tuple[str, ...], base: str) -> PartResult:
    """All numbers of all arms on one part (``test`` or ``external``) of the predictions.

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
    return PartResult(
        part=part,
        dataset=dataset,
        n=len(first.labels),
        n_positive=int(first.labels.sum()),
        n_groups=n_groups,
        grouped=grouped,
        arms=tuple(_measure_arm(scheme, scores[scheme], read_scores(predictions, scheme, "val"), grouped) for scheme in schemes),
        comparisons=_compare({scheme: scores[scheme] for scheme in schemes if scheme != base}, first, grouped),
    )


def _compare(arms: dict[str, Scores], base: Scores, grouped: bool) -> tuple[Comparison, ...]:
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
        )
        for (scheme, arm), test, p_holm in zip(arms.items(), tests, adjusted, strict=True)
    )


def _measure_arm(scheme: str, scores: Scores, val: Scores, grouped: bool) -> ArmResult:
    y, s = scores.labels, scores.mean
    interval = stats.bootstrap_auc(y, s, scores.groups) if grouped else stats.delong_ci(y, s)
    seed_aucs = tuple(_auc(y, row) for row in scores.by_seed)
    recalibrated = stats.fit_platt(val.labels, val.mean, part="val")(s)
    points = stats.reliability(y, recalibrated, bins=10)
    roc, pr = roc_and_pr(y, s, scores.groups)
    return ArmResult(
        scheme=scheme,
        auc=Estimate(float(interval.value), float(interval.low), float(interval.high), interval.method),
        seed_aucs=seed_aucs,
        seed_mean=float(np.mean(seed_aucs)),
        seed_sd=float(np.std(seed_aucs, ddof=1)) if len(seed_aucs) > 1 else None,
        average_precision=stats.average_precision(y, s),
        partial_auc=stats.partial_auc(y, s, min_tpr=0.8),
        at_specificity=_operate("specificity 0.95", stats.sensitivity_at_specificity(val.labels, val.mean, 0.95), y, s),
        at_sensitivity=_operate("sensitivity 0.95", stats.specificity_at_sensitivity(val.labels, val.mean, 0.95), y, s),
        brier=stats.brier(y, recalibrated),
        ece=stats.ece(y, recalibrated),
        roc=roc,
        pr=pr,
        reliability=Curve(tuple(points.predicted.tolist()), tuple(points.observed.tolist())),
    )


def _operate(aim: str, chosen: stats.OperatingPoint, y: np.ndarray, s: np.ndarray) -> Operating:
    point = stats.at_threshold(y, s, chosen.threshold)
    return Operating(aim, chosen.threshold if math.isfinite(chosen.threshold) else None, point.sensitivity, point.specificity)


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(stats.auc(labels, scores))
