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
from gan_aug.stats.readers import (
    AverageReading,
    Reading,
    average_reading,
    balanced_accuracy,
    cases_needed,
    chance_verdict,
    fisher_exact,
    fleiss_kappa,
    kappa_of_two,
    reading,
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
    "AverageReading",
    "Interval",
    "OperatingPoint",
    "PairedTest",
    "Reading",
    "Recalibration",
    "Reliability",
    "RocCurve",
    "at_threshold",
    "auc",
    "average_precision",
    "average_reading",
    "balanced_accuracy",
    "bootstrap_auc",
    "bootstrap_paired",
    "brier",
    "cases_needed",
    "chance_verdict",
    "choose_threshold",
    "clopper_pearson",
    "cohen_kappa",
    "corrected_resampled_t",
    "delong_ci",
    "delong_paired",
    "delong_unpaired",
    "ece",
    "fisher_exact",
    "fit_platt",
    "fit_temperature",
    "fleiss_kappa",
    "holm",
    "kappa_of_two",
    "net_benefit",
    "over_images_and_seeds",
    "partial_auc",
    "percentiles",
    "reading",
    "reliability",
    "reliability_by_rank",
    "roc_curve",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "uniforms",
    "wilson",
    "wilson_of_groups",
]
