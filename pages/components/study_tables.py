"""Tables of a study: the numbers of every arm, and what differs between the arms."""

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from gan_aug import catalog, runs
from gan_aug.errors import CorruptFile, NotFound
from gan_aug.schemes import parse_scheme
from gan_aug.study import Arm, ArmResult, Calls, Estimate, Operating, Plan, p_text
from pages.components import generators, run_settings
from pages.components.differences import differing
from pages.components.figure_parts import Line


def scheme_labels(names: Sequence[str]) -> dict[str, str]:
    """Each scheme by a name short enough for a figure; the full ones where two would look alike."""
    labels = {name: _short_scheme(name) for name in names}
    return labels if len(set(labels.values())) == len(labels) else {name: name for name in names}


def sweep_labels(names: Sequence[str]) -> dict[str, str]:
    """The schemes of a sweep: a generator that each split trains for itself is named by its GAN."""
    labels = {name: re.sub(r"train\(([^()]+)\)(?:@([\d.]+))?", _recipe, name) for name in names}
    return labels if len(set(labels.values())) == len(labels) else {name: name for name in names}


def _recipe(match: re.Match[str]) -> str:
    gan, _, class_name = match[1].partition(":")
    times = f" ×{float(match[2]):g}" if match[2] else ""
    return f"{catalog.entry(gan).title}{f' {class_name}' if class_name else ''}{times}"


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
    except (NotFound, CorruptFile):
        return reference


OUTCOMES = {"gain": "gain", "loss": "loss", "none": "no evidence"}


def metrics(base: str, lines: Sequence[Line], learned: bool = True) -> pd.DataFrame:
    """One row per arm, in words and numbers as they are printed; without a verdict where the base has not ``learned``."""
    return pd.DataFrame([_metric_row(base, line, learned) for line in lines])


def _metric_row(base: str, line: Line, learned: bool) -> dict[str, str]:
    arm, comparison = line.arm, line.comparison
    return {
        "Scheme": line.label,
        "AUC (95 % interval)": f"{arm.auc.value:.3f} ({arm.auc.low:.3f} to {arm.auc.high:.3f})",
        f"Difference to {base}": f"{comparison.difference:+.3f} ({comparison.low:+.3f} to {comparison.high:+.3f})" if comparison else "",
        "p (Holm)": p_text(comparison.p_holm).removeprefix("p = ").removeprefix("p ") if comparison else "",
        "Says": (OUTCOMES[comparison.outcome] if learned else "withheld") if comparison else "",
        "AP": f"{arm.average_precision:.3f}",
        _aim(arm.at_specificity): _operating(arm.at_specificity),
        _aim(arm.at_sensitivity): _operating(arm.at_sensitivity),
        "Brier": f"{arm.brier:.3f}",
        "Seeds ± SD": _spread(arm),
    }


def _aim(point: Operating) -> str:
    return f"At {point.aim}".replace("specificity", "spec.").replace("sensitivity", "sens.")


def _operating(point: Operating) -> str:
    return f"{point.sensitivity:.2f} / {point.specificity:.2f}" if point.threshold is not None else "no threshold on val"


def _spread(arm: ArmResult) -> str:
    return f"{arm.seed_mean:.3f}" + (f" ± {arm.seed_sd:.3f}" if arm.seed_sd is not None else " (one seed)")


def calls(lines: Sequence[Line], found: Mapping[str, Calls], positive: str) -> pd.DataFrame:
    """What every arm calls right and wrong at its threshold; ``found`` holds the calls by label."""
    return pd.DataFrame([_calls_row(line.label, found[line.label], positive) for line in lines])


def _calls_row(label: str, found: Calls, positive: str) -> dict[str, str]:
    n_positive, n_others = found.found + found.missed, found.false_alarms + found.cleared
    return {
        "Scheme": label,
        "Threshold": f"{found.threshold:.3f}" if found.threshold is not None else "none reaches it",
        f"{positive.capitalize()} found": f"{found.found} of {n_positive}",
        "Missed": str(found.missed),
        "False alarms": f"{found.false_alarms} of {n_others}",
        "Sensitivity (95 % interval)": _share(found.sensitivity),
        "Specificity (95 % interval)": _share(found.specificity),
    }


def _share(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def arm_differences(plan: Plan, names: Sequence[str], everything: bool = False) -> pd.DataFrame:
    """What differs between the arms: one row per property in which any two of them differ (or ``everything``), one column per arm."""
    return differing({name: _properties(plan.arm(name)) for name in names}, everything)


def study_differences(plans: Sequence[Plan], everything: bool = False) -> pd.DataFrame:
    """The same between studies."""
    return differing({plan.study.name: _settings(plan) for plan in plans}, everything)


def _settings(plan: Plan) -> dict[str, str]:
    planned = plan.study
    return {
        "dataset": planned.dataset,
        "split": planned.split_id,
        "share of the train part": f"{planned.fraction:g}",
        "base": planned.base,
        "seeds": ", ".join(map(str, planned.seeds)),
        "external test set": planned.external or "none",
        "planned": planned.created[:16],
        **{f"classifier: {key}": str(value) for key, value in planned.config.items()},
    }


def _properties(arm: Arm) -> dict[str, str]:
    scheme = parse_scheme(arm.scheme)
    found = {
        "classic augmentation": "yes" if scheme.classic else "no",
        "balancing": scheme.balance or "none",
        "real training images": _counts(arm.real),
        "synthetic training images": _counts(arm.synthetic),
        "curated set": scheme.curated or "none",
    }
    generators = [*(generator.checkpoint for generator in arm.generators), *arm.curated_from]
    settings = [_generator(generator) for generator in generators]
    found["generator"] = " & ".join(generators) or "none"
    found["generator: GAN"] = " & ".join(known.get("GAN", "unknown") for known in settings) or "none"
    for number, known in enumerate(settings, start=1):
        prefix = "generator" if len(settings) == 1 else f"generator {number}"
        found |= {f"{prefix}: {key}": value for key, value in known.items() if key != "GAN"}
    return found


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "none"


def _generator(reference: str) -> dict[str, str]:
    """The settings of a generator; none are known where its run was deleted since, or its record is damaged."""
    try:
        return run_settings.properties(runs.load_run(reference.partition("@")[0]))
    except NotFound:
        return {"settings": "the run is gone"}
    except CorruptFile:
        return {"settings": "the run's record is damaged"}
