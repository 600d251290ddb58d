"""The verdict of a study, in words that can be "no evidence of a gain"."""

from gan_aug.schemes import parse_scheme
from gan_aug.study.results import PartResult

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
    asked, subject = (synthetic, "synthetic images") if synthetic else (part.comparisons, "any other scheme")
    gains = [named(comparison.scheme) for comparison in asked if comparison.outcome == "gain"]
    losses = [named(comparison.scheme) for comparison in asked if comparison.outcome == "loss"]
    sentences = []
    if gains:
        sentences.append(f"Evidence of a gain over {named(base)} from {subject}: {', '.join(gains)}.")
    else:
        sentences.append(f"No evidence of a gain over {named(base)} from {subject}.")
    if losses:
        sentences.append(f"Evidence of a loss: {', '.join(losses)}.")
    sentences += these_trainings([(named(c.scheme), c.p_over_seeds) for c in asked if c.outcome != "none"])
    if not gains and not losses:
        high = max(comparison.high for comparison in asked)
        low = min(comparison.low for comparison in asked)
        sentences.append(
            f"This does not prove that there is no effect: the intervals allow differences in AUC from {low:+.3f} to {high:+.3f}."
        )
    return " ".join(sentences)


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
    controls = [name for name in schemes if parse_scheme(name).balance in ("oversample", "weighted")]
    if any(_uses_synthetic(name) for name in schemes) and not controls:
        found.append(
            "There is no control arm that balances the classes without synthetic images (oversample or weighted), so an effect of balance "
            "alone cannot be told from one of the images."
        )
    for part in parts:
        for c in part.comparisons:
            if c.outcome != "none" and c.p_over_seeds is not None and c.p_over_seeds >= 0.05:
                found.append(
                    f"{part.dataset} ({part.part}): the {c.outcome} of {named(c.scheme)} is one of these very trainings. For new trainings "
                    f"on new patients the interval is {c.over_seeds.low:+.3f} to {c.over_seeds.high:+.3f}, which holds 0."
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
    scheme = parse_scheme(name)
    return scheme.checkpoint is not None or scheme.curated is not None
