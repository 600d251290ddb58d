"""Statistics of classifiers and readers: curves, areas, intervals and tests. NumPy and ``scipy.special`` only.

Labels are 1 for the positive class and 0 for the other; a higher score means "more likely positive". Every function refuses missing
classes and scores that are not finite with :class:`gan_aug.errors.InvalidValue`. Nothing here knows which part of a split its numbers come
from, with one exception: what is *fitted or chosen* (recalibration, thresholds) asks for the part and refuses ``test``.
"""

from gan_aug.stats.agreement import Interval, clopper_pearson, cohen_kappa, wilson, wilson_of_groups
from gan_aug.stats.calibration import (
    Recalibration,
    Reliability,
    brier,
    choose_threshold,
    ece,
    fit_platt,
    fit_temperature,
    net_benefit,
    reliability,
    reliability_by_rank,
)
from gan_aug.stats.folds import corrected_resampled_t
from gan_aug.stats.inference import (
    PairedTest,
    bootstrap_auc,
    bootstrap_paired,
    delong_ci,
    delong_paired,
    delong_unpaired,
    holm,
    over_images_and_seeds,
    percentiles,
    uniforms,
)
from gan_aug.stats.roc import (
    OperatingPoint,
    RocCurve,
    at_threshold,
    auc,
    average_precision,
    partial_auc,
    roc_curve,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
)

__all__ = [
    "Interval",
    "OperatingPoint",
    "PairedTest",
    "Recalibration",
    "Reliability",
    "RocCurve",
    "at_threshold",
    "auc",
    "average_precision",
    "bootstrap_auc",
    "bootstrap_paired",
    "brier",
    "choose_threshold",
    "clopper_pearson",
    "cohen_kappa",
    "corrected_resampled_t",
    "delong_ci",
    "delong_paired",
    "delong_unpaired",
    "ece",
    "fit_platt",
    "fit_temperature",
    "holm",
    "net_benefit",
    "over_images_and_seeds",
    "partial_auc",
    "percentiles",
    "reliability",
    "reliability_by_rank",
    "roc_curve",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "uniforms",
    "wilson",
    "wilson_of_groups",
]
