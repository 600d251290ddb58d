"""What the studies of a sweep say together."""

import dataclasses

from gan_aug import files, runs, stats
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.records import to_dict
from gan_aug.study.analysis import load_analysis
from gan_aug.study.planning import load_plan
from gan_aug.study.results import Comparison
from gan_aug.study.sweep import Point, Sweep, read_scheme, result_file, scheme_at, trained_for
from gan_aug.study.unequal import more_than_images, seen_outside
from gan_aug.study.words import named, single_classifiers, these_trainings, without_any


@dataclasses.dataclass(frozen=True)
class SweepRow:
    """One scheme against the base at one point, on that point's test images."""

    point: str
    n_train: int
    scheme: str  # as the sweep spells it
    base_auc: float
    auc: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float  # over all rows of the sweep
    learned: bool  # whether the base lies above chance at this point
    p_over_seeds: float | None = None  # for new trainings on new patients; None with one seed
    over_seeds: float | None = None  # mean difference of single classifiers; None with one seed

    @property
    def contrary(self) -> bool:
        """Whether single classifiers do not differ from the base, on average, in the direction in which the mean of their scores does."""
        return self.over_seeds is not None and self.over_seeds * self.difference <= 0

    @property
    def outcome(self) -> str:
        """``gain``, ``loss``, ``none``, or ``withheld`` where the base did not learn."""
        if not self.learned:
            return "withheld"
        if self.p_holm >= 0.05:
            return "none"
        return "gain" if self.difference > 0 else "loss"


@dataclasses.dataclass(frozen=True)
class FoldTest:
    """A scheme's mean difference from the base over the folds, by the corrected resampled t test."""

    scheme: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float  # over the schemes
    method: str


@dataclasses.dataclass(frozen=True)
class SweepResult:
    """What a sweep says."""

    sweep: str
    kind: str
    base: str
    rows: tuple[SweepRow, ...]  # point by point
    folds: tuple[FoldTest, ...]  # of a cross-validation: one for each scheme that has a spread over folds
    verdict: str
    created: str


def analyse_sweep(sweep: Sweep) -> SweepResult:
    """Gather the analysed studies of a sweep, and keep the result as result.json.

    Raises
    ------
    NotFound
        If the study of a point has no results yet.
    """
    found = [
        (point, scheme, *_measured(sweep, point, scheme)) for point in sweep.points for scheme in sweep.schemes if scheme != sweep.base
    ]
    adjusted = stats.holm([comparison.p for _, _, comparison, *_ in found])
    rows = tuple(
        SweepRow(
            point=point.label,
            n_train=point.n_train,
            scheme=scheme,
            base_auc=base_auc,
            auc=auc,
            difference=comparison.difference,
            low=comparison.low,
            high=comparison.high,
            p=comparison.p,
            p_holm=float(p_holm),
            learned=learned,
            p_over_seeds=comparison.p_over_seeds,
            over_seeds=comparison.over_seeds.value if comparison.over_seeds else None,
        )
        for (point, scheme, comparison, base_auc, auc, learned), p_holm in zip(found, adjusted, strict=True)
    )
    if sweep.kind == "fold":
        folds, learned = _over_folds(sweep, rows)
        verdict = _fold_verdict(sweep, folds, learned)
    else:
        folds, verdict = (), _point_verdict(sweep, rows)
    verdict = " ".join([verdict, *_not_trained_anew(sweep)])
    result = SweepResult(sweep.name, sweep.kind, sweep.base, rows, folds, verdict, runs.now())
    files.write_json(result_file(sweep), to_dict(result))
    return result


def load_sweep_result(sweep: Sweep) -> SweepResult:
    """The result that was kept.

    Raises
    ------
    NotFound
        If the sweep was not gone through to its end yet.
    CorruptFile
        If its result.json is damaged.
    """
    path = result_file(sweep)
    if not path.exists():
        raise NotFound(f"Sweep {sweep.name} has no results yet.", f"Go on with: gan-aug study sweep --name {sweep.name}")
    return files.read_record(SweepResult, path, f"Make it anew from its studies: gan-aug study sweep --name {sweep.name}")


def _measured(sweep: Sweep, point: Point, scheme: str) -> tuple[Comparison, float, float, bool]:
    analysis = load_analysis(point.study)
    part = analysis.part("test")
    name = scheme_at(sweep, point, scheme)
    return part.comparison(name), part.arm(analysis.base).auc.value, part.arm(name).auc.value, analysis.learned


def _over_folds(sweep: Sweep, rows: tuple[SweepRow, ...]) -> tuple[tuple[FoldTest, ...], bool]:
    """The test of each scheme over the folds, and whether the base lies above chance over the folds."""
    n_train, n_test = (sum(getattr(point, size) for point in sweep.points) / len(sweep.points) for size in ("n_train", "n_test"))
    tests = {}
    for scheme in dict.fromkeys(row.scheme for row in rows):
        try:
            tests[scheme] = stats.corrected_resampled_t([row.difference for row in rows if row.scheme == scheme], n_train, n_test)
        except InvalidValue:  # all folds differ by the same amount: there is nothing to test against
            continue
    adjusted = stats.holm([test.p for test in tests.values()])
    found = tuple(
        FoldTest(scheme, test.difference, test.low, test.high, test.p, float(p), test.method)
        for (scheme, test), p in zip(tests.items(), adjusted, strict=True)
    )
    above_chance = [load_analysis(point.study).part("test") for point in sweep.points]
    base = [part.arm(scheme_at(sweep, point, sweep.base)).auc.value - 0.5 for point, part in zip(sweep.points, above_chance, strict=True)]
    try:
        return found, stats.corrected_resampled_t(base, n_train, n_test).low > 0
    except InvalidValue:
        return found, min(base) > 0


def _fold_verdict(sweep: Sweep, folds: tuple[FoldTest, ...], learned: bool) -> str:
    if not learned:
        what = f"No verdict: over the folds the AUC of {named(sweep.base)} does not lie above 0.5, which is chance."
        return f"{what} Train longer or use more data."
    said = []
    for test in folds:
        sure = test.p_holm < 0.05
        outcome = ("evidence of a gain" if test.difference > 0 else "evidence of a loss") if sure else "no evidence of a gain or a loss"
        said.append(
            f"{named(test.scheme)} against {named(sweep.base)}, over {len(sweep.points)} folds: {outcome} (AUC {test.difference:+.3f}, "
            f"95 % interval {test.low:+.3f} to {test.high:+.3f}, corrected for folds that share images)."
        )
    gains = [("", test.scheme, test.difference) for test in folds if test.p_holm < 0.05 and test.difference > 0]
    return " ".join(said + _beside_images(sweep, gains)) or "There is nothing to compare."


def _point_verdict(sweep: Sweep, rows: tuple[SweepRow, ...]) -> str:
    said = []
    for outcome, words in (("gain", "Evidence of a gain"), ("loss", "Evidence of a loss")):
        here = [f"{named(row.scheme)} at {row.point} ({row.difference:+.3f})" for row in rows if row.outcome == outcome]
        if here:
            said.append(f"{words} over {named(sweep.base)}: {'; '.join(here)}.")
        elif outcome == "gain" and any(row.learned for row in rows):
            said.append(f"No evidence of a gain over {named(sweep.base)} at any point.")
    said += _beside_images(sweep, [(f" at {row.point}", row.scheme, row.difference) for row in rows if row.outcome == "gain"])
    sure = [(f"{named(row.scheme)} at {row.point}", row) for row in rows if row.outcome in ("gain", "loss")]
    said += these_trainings([(name, row.p_over_seeds) for name, row in sure if not row.contrary])
    said += single_classifiers([(name, row.difference) for name, row in sure if row.contrary])
    silent = dict.fromkeys(row.point for row in rows if row.outcome == "withheld")
    if silent:
        said.append(f"No verdict where the base did not learn: {'; '.join(silent)}.")
    return " ".join(said)


def _beside_images(sweep: Sweep, gains: list[tuple[str, str, float]]) -> list[str]:
    """Where a gain cannot be put down to synthetic images, and where arms without them gain as well.

    Parameters
    ----------
    gains : list of (where, scheme, difference in AUC)
    """
    gained = {scheme: read_scheme(scheme) for _, scheme, _ in gains}
    if not gained:
        return []
    found = more_than_images(list(gained.values()), read_scheme(sweep.base), [read_scheme(scheme) for scheme in sweep.schemes])
    for place in dict.fromkeys(where for where, _, _ in gains):
        found += without_any([(gained[scheme], difference) for where, scheme, difference in gains if where == place], place)
    return found


def _not_trained_anew(sweep: Sweep) -> list[str]:
    """Generators that the points did not train for themselves have seen what the classifiers there have not, such as all of the data."""
    met: dict[str, list[str]] = {}
    for point in sweep.points:
        for run_id, n in seen_outside(load_plan(point.study)).items():
            if run_id not in trained_for(sweep, point).values():
                met.setdefault(run_id, []).append(f"{n} at {point.label}")
    return [
        f"{run_id} was not trained anew at each point, and has seen real images that no arm of real images alone was trained on: "
        f"{', '.join(counts)}. A gain from its images may be one from those."
        for run_id, counts in met.items()
    ]
