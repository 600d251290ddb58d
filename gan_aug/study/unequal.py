"""What arms differ in beside their synthetic images: classic augmentation, balance, and the real images that a generator has seen."""

from collections.abc import Sequence

from gan_aug.records import Scheme
from gan_aug.schemes import has_images, parse_scheme, spell, without_images
from gan_aug.study.planning import Plan
from gan_aug.study.words import named


def more_than_images(arms: Sequence[Scheme], base: Scheme, schemes: Sequence[Scheme]) -> list[str]:
    """Sentences on those ``arms`` with synthetic images that differ from the base in something else too, and on what would part the two.

    Parameters
    ----------
    schemes : sequence of Scheme
        All that were tried: the one to look at may be among them.
    """
    plain, alike = without_images(base), {}
    for arm in arms:
        if has_images(arm) and without_images(arm) != plain:
            alike.setdefault(without_images(arm), []).append(named(arm.name))
    there = {spell(scheme): scheme.name for scheme in schemes}
    found = []
    for same, names in alike.items():
        ways = {"classic augmentation": same.classic != plain.classic, "balance": same.balance != plain.balance}
        look = f"which is {named(there[same.name])} here" if same.name in there else f"{named(same.name)}, and there is no such arm here"
        found.append(
            f"{', '.join(names)} {'differs' if len(names) == 1 else 'differ'} from the base {named(base.name)} in "
            f"{' and '.join(way for way, differs in ways.items() if differs)}, not only in synthetic images. What the images do shows "
            f"against the same scheme without them, {look}."
        )
    return found


def seen_outside(settled: Plan) -> dict[str, int]:
    """The runs behind synthetic images that have seen real images outside the train part of a study, and how many."""
    return {run_id: n for arm in settled.arms for run_id, n in arm.seen_outside.items()}


def cautions(settled: Plan) -> tuple[str, ...]:
    """What a reader of a study has to keep in mind about arms that are not the base with synthetic images and nothing else."""
    schemes = [parse_scheme(name) for name in settled.study.schemes]
    found = more_than_images(schemes, parse_scheme(settled.study.base), schemes)
    for run_id, n in seen_outside(settled).items():
        found.append(
            f"{run_id} has seen {n} real image{'' if n == 1 else 's'} outside the train part of this study, which no arm of real images "
            "alone was trained on. A gain from its images may be one from those."
        )
    return tuple(found)
