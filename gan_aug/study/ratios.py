"""The learning curve over the ratio: schemes of a study that differ only in how many synthetic images they add."""

import dataclasses

from gan_aug.records import Scheme
from gan_aug.schemes import parse_scheme, spell


@dataclasses.dataclass(frozen=True)
class Dose:
    """One point of the curve."""

    scheme: str
    ratio: float  # synthetic images per real training image of the class; 0 for the scheme without any


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Schemes with images of one generator, by rising ratio."""

    name: str  # what they share, as it is typed: standard+synthetic:RUN
    doses: tuple[Dose, ...]


def ladders(schemes: tuple[str, ...]) -> tuple[Ladder, ...]:
    """The learning curves among the schemes of a study: several ratios of one generator, and the scheme without it where there is one."""
    parsed = {name: parse_scheme(name) for name in schemes}
    alike: dict[Scheme, list[Dose]] = {}
    for name, scheme in parsed.items():
        if scheme.checkpoint is not None and scheme.balance != "synthetic" and scheme.real:
            alike.setdefault(dataclasses.replace(scheme, name="", ratio=0.0), []).append(Dose(name, scheme.ratio))
    return tuple(
        Ladder(
            spell(dataclasses.replace(shared, ratio=1.0)).removesuffix("@1"),
            (*_without(shared, parsed), *sorted(doses, key=lambda dose: dose.ratio)),
        )
        for shared, doses in alike.items()
        if len({dose.ratio for dose in doses}) > 1
    )


def _without(shared: Scheme, parsed: dict[str, Scheme]) -> tuple[Dose, ...]:
    """The scheme that is the same but for the generator, as the start of the curve."""
    plain = dataclasses.replace(shared, checkpoint=None)
    return tuple(Dose(name, 0.0) for name, scheme in parsed.items() if dataclasses.replace(scheme, name="") == plain)[:1]
