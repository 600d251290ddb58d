"""The verdict of a study, in words that can be "no evidence of a gain"."""

from gan_aug.records import Scheme
from gan_aug.schemes import has_images, parse_scheme, spell, without_images
from gan_aug.study.results import Comparison, PartResult

_OUTCOMES = {"gain": "evidence of a gain", "loss": "evidence of a loss", "none": "no evidence of a gain or a loss"}


def p_text(p: float) -> str:
    """A p value as it is printed: ``p = 0.031``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def named(scheme: str) -> str:
    """A scheme's name inside a sentence, in which ``none`` would be read as a word."""
    return f"“{scheme}”"


def has_learned(part: PartResult, base: str) -> bool:
    """Whether the base scheme is better than chance: its interval lies above an AUC of 0.5."""
    return part.arm(base).auc.low > 0.5


def verdict(part: PartResult, base: str) -> str:
    """The answer in a few sentences, from the test part alone; withheld where the base did not learn."""
    auc = part.arm(base).auc
    if not has_learned(part, base):
        return (
            f"No verdict: the base classifier did not learn. The AUC of {named(base)} is {auc.value:.3f}, and its 95 % interval, "
            f"{auc.low:.3f} to {auc.high:.3f}, does not lie above 0.5, which is chance. Until it does, comparing arms means nothing: train "
            "longer or use more data."
        )
    if not part.comparisons:
        return f"The classifier learned (AUC {auc.value:.3f}, {auc.low:.3f} to {auc.high:.3f}). There is no other arm to compare it with."
    synthetic = [comparison for comparison in part.comparisons if _uses_synthetic(comparison.scheme)]
    asked = synthetic or part.comparisons
    gains = [named(comparison.scheme) for comparison in asked if comparison.outcome == "gain"]
    losses = [named(comparison.scheme) for comparison in asked if comparison.outcome == "loss"]
    sentences = _gains_from_images(synthetic, base) if synthetic else [_gain_or_not(gains, base, " from any other scheme")]
    if losses:
        sentences.append(f"Evidence of a loss: {', '.join(losses)}.")
    sentences += without_any([(parse_scheme(c.scheme), c.difference) for c in part.comparisons if c.outcome == "gain"])
    sure = [(named(c.scheme), c) for c in asked if c.outcome != "none"]
    sentences += these_trainings([(name, c.p_over_seeds) for name, c in sure if not c.contrary])
    sentences += single_classifiers([(name, c.difference) for name, c in sure if c.contrary])
    if not gains and not losses:
        high = max(comparison.high for comparison in asked)
        low = min(comparison.low for comparison in asked)
        sentences.append(
            f"This does not prove that there is no effect: the intervals allow differences in AUC from {low:+.3f} to {high:+.3f}."
        )
    return " ".join(sentences)


def _gains_from_images(synthetic: list[Comparison], base: str) -> list[str]:
    """A gain is one from synthetic images only where these are all that an arm has beside the base; else the arm alone is named."""
    plain = spell(parse_scheme(base))
    pure = [c for c in synthetic if without_images(parse_scheme(c.scheme)).name == plain]
    mixed = [c for c in synthetic if c not in pure]
    found = [_gain_or_not([named(c.scheme) for c in pure if c.outcome == "gain"], base, " from synthetic images")] if pure else []
    gains = [named(c.scheme) for c in mixed if c.outcome == "gain"]
    if gains:
        found.append(_gain_or_not(gains, base))
    elif not pure:
        found.append(_gain_or_not([], base, f" with {', '.join(named(c.scheme) for c in mixed)}"))
    return found


def _gain_or_not(gains: list[str], base: str, whence: str = "") -> str:
    if gains:
        return f"Evidence of a gain over {named(base)}{whence}: {', '.join(gains)}."
    return f"No evidence of a gain over {named(base)}{whence}."


def without_any(gains: list[tuple[Scheme, float]], where: str = "") -> list[str]:
    """What a verdict adds where arms without synthetic images gain as well as those with them.

    Such an arm counts if it has nothing that the other lacks but a balance, which images of one class make, too: classic augmentation only
    where the other has it.

    Parameters
    ----------
    gains : list of (Scheme, float)
        All arms with evidence of a gain over the same base, and their differences in AUC.
    where : str, optional
        Such as ``" at 1/4 of the training images"``.
    """
    found = []
    for arm, difference in gains:
        controls = [(c.name, value) for c, value in gains if has_images(arm) and not has_images(c) and arm.classic >= c.classic]
        as_much = [(name, value) for name, value in controls if value >= difference]
        told = ", ".join(f"{named(name)} ({value:+.3f})" for name, value in as_much or controls)
        if as_much:
            found.append(f"Without synthetic images at least as much is gained{where} as by {named(arm.name)} ({difference:+.3f}): {told}.")
        elif controls:
            found.append(f"Beside {named(arm.name)} ({difference:+.3f}) there is a gain without synthetic images{where}, too: {told}.")
    return found


def these_trainings(sure: list[tuple[str, float | None]]) -> list[str]:
    """What a verdict adds where a difference is sure for the classifiers that were trained, but not for those that others would train.

    Parameters
    ----------
    sure : list of (what differs, p for new trainings on new patients or None where there was one seed)
    """
    alone = [name for name, p in sure if p is None]
    doubtful = [name for name, p in sure if p is not None and p >= 0.05]
    found = []
    if alone:
        found.append(f"That is of one training an arm; what others would give is not known: {', '.join(alone)}.")
    if doubtful:
        found.append(f"That is of these very trainings; for new ones the interval holds 0: {', '.join(doubtful)}.")
    return found


def single_classifiers(contrary: list[tuple[str, float]]) -> list[str]:
    """What a verdict adds where the mean of the seeds' predictions gains, or loses, and single classifiers on average do not.

    Parameters
    ----------
    contrary : list of (what differs, difference in AUC of the mean predictions)
    """
    found = []
    for verb, names in (("gains", [name for name, d in contrary if d > 0]), ("loses", [name for name, d in contrary if d <= 0])):
        if names:
            found.append(f"Only the mean of the seeds' predictions {verb}; single classifiers on average do not: {', '.join(names)}.")
    return found


def findings(part: PartResult, base: str, learned: bool) -> tuple[str, ...]:
    """One sentence for each arm that is compared with the base."""
    found = []
    for c in part.comparisons:
        outcome = _OUTCOMES[c.outcome] if learned else "no conclusion, because the base did not learn"
        higher = sum(difference > 0 for difference in c.seed_differences)
        found.append(
            f"{part.dataset} ({part.part}): {named(c.scheme)} against {named(base)}: {outcome}. AUC difference {c.difference:+.3f}, 95 % "
            f"interval {c.low:+.3f} to {c.high:+.3f}, {p_text(c.p_holm)} after Holm's correction; higher with {higher} of "
            f"{len(c.seed_differences)} seeds."
        )
    return tuple(found)


def cautions(parts: tuple[PartResult, ...], n_seeds: int, phantom: bool) -> tuple[str, ...]:
    """What a reader has to keep in mind about these very numbers."""
    found = []
    if phantom:
        found.append("The images are phantoms, drawn by rule. Nothing here says anything about skin lesions.")
    if n_seeds < 5:
        found.append(
            f"{n_seeds} seed{'' if n_seeds == 1 else 's'} per arm. Intervals and tests take the trained classifiers as fixed and do not "
            "hold the spread over training seeds; use 5 or more."
        )
    schemes = [arm.scheme for arm in parts[0].arms] if parts else []
    if any(_uses_synthetic(name) for name in schemes):
        found.append(
            "All seeds of an arm with synthetic images share the generator as it is. Another training of the same GAN could help more or "
            "less, which no interval here holds."
        )
    controls = [name for name in schemes if parse_scheme(name).balance in ("oversample", "weighted")]
    if any(_uses_synthetic(name) for name in schemes) and not controls:
        found.append(
            "There is no control arm that balances the classes without synthetic images (oversample or weighted), so an effect of balance "
            "alone cannot be told from one of the images."
        )
    for part in parts:
        for c in part.comparisons:
            if c.outcome != "none" and c.contrary:
                found.append(
                    f"{part.dataset} ({part.part}): the {c.outcome} of {named(c.scheme)} is one of the mean of the seeds' predictions. "
                    f"Single classifiers differ from the base by {c.over_seeds.value:+.3f} on average ({c.over_seeds.low:+.3f} to "
                    f"{c.over_seeds.high:+.3f})."
                )
            elif c.outcome != "none" and c.p_over_seeds is not None and c.p_over_seeds >= 0.05:
                found.append(
                    f"{part.dataset} ({part.part}): the {c.outcome} of {named(c.scheme)} is one of these very trainings. For new trainings "
                    f"of the classifiers on new patients the interval is {c.over_seeds.low:+.3f} to {c.over_seeds.high:+.3f}, which "
                    "holds 0."
                )
        for source in part.arms[0].by_source:
            if source.n_positive in (0, source.n):
                found.append(
                    f"{part.dataset} ({part.part}): all {source.n} images from {source.source or 'no named source'} are of one class, so "
                    "a classifier can score by recognising the source. Look at the results per source."
                )
        rarer = min(part.n_positive, part.n - part.n_positive)
        if rarer < 50:
            found.append(f"{part.dataset} ({part.part}) has only {rarer} images of its rarer class, so its intervals are wide and rough.")
    return tuple(found)


def _uses_synthetic(name: str) -> bool:
    return has_images(parse_scheme(name))
