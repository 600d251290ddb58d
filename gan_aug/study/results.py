"""What the analysis of a study holds: plain numbers, tuples and texts, so that pages and reports only have to show them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float
    method: str


@dataclasses.dataclass(frozen=True)
class Operating:
    """What a threshold that was chosen on val achieves here."""

    aim: str  # what it was chosen for, such as "specificity 0.95"
    threshold: float | None  # None: on val nothing could be called positive
    sensitivity: float
    specificity: float


@dataclasses.dataclass(frozen=True)
class Curve:
    """A curve thinned for drawing, and its pointwise 95 % band on an even grid of x."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    band_x: tuple[float, ...] = ()
    band_low: tuple[float, ...] = ()
    band_high: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class SourceResult:
    """One scheme on the images of one source."""

    source: str
    n: int
    n_positive: int
    auc: Estimate | None  # None with fewer than 2 images (or patients) of a class


@dataclasses.dataclass(frozen=True)
class Flip:
    """An image that a scheme and the base call differently, each at its own threshold for 95 % specificity on val."""

    image_id: str
    group: str
    label: int  # 1: positive
    base_score: float
    arm_score: float
    mended: bool  # whether the scheme is right and the base wrong


@dataclasses.dataclass(frozen=True)
class Flips:
    """How the calls of a scheme differ from those of the base."""

    mended_positive: int  # positive images that the scheme finds and the base misses
    lost_positive: int
    mended_negative: int  # false alarms of the base that the scheme does not give
    lost_negative: int
    cases: tuple[Flip, ...]  # those whose score changes most


@dataclasses.dataclass(frozen=True)
class ArmResult:
    """One scheme on one set of images; its score is the mean of its classifiers' probabilities over the seeds."""

    scheme: str
    auc: Estimate
    seed_aucs: tuple[float, ...]  # of the single classifiers, in the order of the study's seeds
    seed_mean: float
    seed_sd: float | None  # None with a single seed
    average_precision: float
    partial_auc: float  # above 80 % sensitivity, as in ISIC 2024: from 0 to 0.2
    at_specificity: Operating
    at_sensitivity: Operating
    brier: float  # after recalibration on val
    ece: float  # after recalibration on val, 15 bins
    roc: Curve  # x: 1 - specificity, y: sensitivity
    pr: Curve  # x: sensitivity (recall), y: precision
    reliability: Curve  # x: predicted, y: observed, in tenths of the images, after recalibration on val
    net_benefit: Curve = Curve((), ())  # x: probability threshold, y: net benefit per image, after recalibration on val
    by_source: tuple[SourceResult, ...] = ()  # where the images come from several sources


@dataclasses.dataclass(frozen=True)
class Comparison:
    """AUC of an arm minus AUC of the base, on the same images."""

    scheme: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float  # adjusted for all arms that are compared on these images
    method: str
    seed_differences: tuple[float, ...]  # per seed, in the order of the study's seeds
    over_seeds: Estimate | None = None  # the mean over seeds, with an interval for new patients and new trainings; None with one seed
    p_over_seeds: float | None = None
    flips: Flips | None = None

    @property
    def outcome(self) -> str:
        """``gain``, ``loss`` or ``none``, at a family-wise level of 5 %."""
        if self.p_holm >= 0.05:
            return "none"
        return "gain" if self.difference > 0 else "loss"

    @property
    def contrary(self) -> bool:
        """Whether single classifiers do not differ from the base, on average, in the direction in which the mean of their scores does."""
        return self.over_seeds is not None and self.over_seeds.value * self.difference <= 0


@dataclasses.dataclass(frozen=True)
class PartResult:
    """All arms on one set of images."""

    part: str  # test | external
    dataset: str
    n: int
    n_positive: int
    n_groups: int
    grouped: bool  # whether a group (patient, lesion, duplicates) has several images here
    arms: tuple[ArmResult, ...]
    comparisons: tuple[Comparison, ...]  # one for each arm but the base
    treat_all: Curve = Curve((), ())  # net benefit of calling every image positive

    @property
    def prevalence(self) -> float:
        """Share of positive images, which is also the average precision of guessing."""
        return self.n_positive / self.n

    def arm(self, scheme: str) -> ArmResult:
        """The result of a scheme."""
        return next(arm for arm in self.arms if arm.scheme == scheme)

    def comparison(self, scheme: str) -> Comparison | None:
        """The comparison of a scheme with the base; None for the base itself."""
        return next((comparison for comparison in self.comparisons if comparison.scheme == scheme), None)


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What a study says."""

    study: str
    plan_sha256: str  # of the plan that the predictions belong to
    base: str
    positive: str
    seeds: tuple[int, ...]
    learned: bool  # whether the base scheme's interval on test lies above 0.5
    verdict: str
    findings: tuple[str, ...]  # one sentence for each comparison
    cautions: tuple[str, ...]
    parts: tuple[PartResult, ...]  # test first
    phantom: bool
    created: str
    code_version: str

    def part(self, name: str) -> PartResult | None:
        """The results on ``test`` or ``external``, or None."""
        return next((part for part in self.parts if part.part == name), None)
