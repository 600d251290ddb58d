"""Tables of a study: the numbers of every arm, and what differs between the arms."""

from collections.abc import Sequence

import pandas as pd

from gan_aug import runs
from gan_aug.errors import NotFound
from gan_aug.schemes import parse_scheme
from gan_aug.study import Arm, ArmResult, Operating, Plan, p_text
from pages.components import generators
from pages.components.roc import Line


def scheme_labels(names: Sequence[str]) -> dict[str, str]:
    """Each scheme by a name short enough for a figure; the full ones where two would look alike."""
    labels = {name: _short_scheme(name) for name in names}
    return labels if len(set(labels.values())) == len(labels) else {name: name for name in names}


def _short_scheme(name: str) -> str:
    scheme = parse_scheme(name)
    if scheme.checkpoint is None:
        return name
    kind = name.partition(":")[0]
    ratio = f" ×{scheme.ratio:g}" if kind.endswith("synthetic") else ""
    return f"{kind}{ratio} ({' & '.join(_short_run(reference) for reference in scheme.checkpoint.split('&'))})"


def _short_run(reference: str) -> str:
    try:
        return generators.short(runs.load_run(reference.partition("@")[0]))
    except NotFound:
        return reference


def metrics(base: str, lines: Sequence[Line]) -> pd.DataFrame:
    """One row per arm, in words and numbers as they are printed."""
    return pd.DataFrame([_metric_row(base, line) for line in lines])


def _metric_row(base: str, line: Line) -> dict[str, str]:
    arm, comparison = line.arm, line.comparison
    return {
        "Scheme": line.label,
        "AUC (95 % interval)": f"{arm.auc.value:.3f} ({arm.auc.low:.3f} to {arm.auc.high:.3f})",
        f"Difference to {base}": f"{comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f})" if comparison else "",
        "p (Holm)": p_text(comparison.p_holm).removeprefix("p = ").removeprefix("p ") if comparison else "",
        "AP": f"{arm.average_precision:.3f}",
        f"At {arm.at_specificity.aim}": _operating(arm.at_specificity),
        f"At {arm.at_sensitivity.aim}": _operating(arm.at_sensitivity),
        "Brier": f"{arm.brier:.3f}",
        "Seeds: mean ± SD": _spread(arm),
    }


def _operating(point: Operating) -> str:
    return f"sens. {point.sensitivity:.2f}, spec. {point.specificity:.2f}" if point.threshold is not None else "no threshold on val"


def _spread(arm: ArmResult) -> str:
    return f"{arm.seed_mean:.3f}" + (f" ± {arm.seed_sd:.3f}" if arm.seed_sd is not None else " (one seed)")


def arm_differences(plan: Plan, names: Sequence[str]) -> pd.DataFrame:
    """What differs between the arms: one row per property in which any two of them differ, one column per arm."""
    arms = [plan.arm(name) for name in names]
    table = pd.DataFrame({arm.scheme: _properties(arm) for arm in arms}).fillna("none")
    differing = table[table.nunique(axis=1) > 1] if len(arms) > 1 else table
    return differing.rename_axis("Property").reset_index()


def _properties(arm: Arm) -> dict[str, str]:
    scheme = parse_scheme(arm.scheme)
    found = {
        "classic augmentation": "yes" if scheme.classic else "no",
        "balancing": scheme.balance or "none",
        "real training images": _counts(arm.real),
        "synthetic training images": _counts(arm.synthetic),
        "curated set": scheme.curated or "none",
    }
    for number, generator in enumerate(arm.generators, start=1):
        prefix = "generator" if len(arm.generators) == 1 else f"generator {number}"
        found[prefix] = generator.checkpoint
        found |= {f"{prefix}: {key}": value for key, value in _generator(generator.checkpoint).items()}
    return found


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"


def _generator(reference: str) -> dict[str, str]:
    """The settings of a generator; none are known where its run was deleted since."""
    try:
        run = runs.load_run(reference.partition("@")[0])
    except NotFound:
        return {"settings": "the run is gone"}
    return {
        "GAN": run.spec,
        "preset": run.preset or "none",
        "seed": str(run.seed),
        **{key: str(value) for key, value in run.config.items()},
    }
