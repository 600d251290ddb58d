"""Reading schemes as they are typed; the grammar stands in the package's docstring."""

import dataclasses
import re
from typing import Any

from gan_aug.errors import InvalidValue
from gan_aug.records import Scheme
from gan_aug.workspace import check_name

MAX_RATIO = 10.0

_SOURCES = ("synthetic", "synthetic-only", "curated", "balance", "ten-percent")
_BALANCES = ("oversample", "weighted")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_TODO = (
    "Write none, which stands alone, or one or several of standard, oversample, weighted, synthetic:RUN@RATIO, synthetic-only:RUN, "
    "curated:SET, balance:RUN and ten-percent:RUN, joined by '+', for example standard+synthetic:RUN@1.0."
)


def parse_scheme(text: str) -> Scheme:
    """Read a scheme as it is typed.

    Raises
    ------
    InvalidValue
        If it cannot be understood; the message says which word, and what to write.
    """
    name = text.strip()
    words = name.split("+")
    if words == ["none"]:
        return Scheme(name, classic=False)
    classic, balance, source = False, None, {}
    for word in words:
        kind, colon, rest = word.partition(":")
        if word == "standard" and not classic:
            classic = True
        elif word in _BALANCES and balance is None:
            balance = word
        elif kind in _SOURCES and colon and not source:
            source = _parse_source(name, kind, rest)
        elif word == "standard" or word in _BALANCES or (kind in _SOURCES and colon):
            raise InvalidValue(f"In the scheme {name!r}, {word!r} is one too many of its kind.", _TODO)
        elif kind in _SOURCES:
            raise InvalidValue(f"In the scheme {name!r}, {kind!r} does not say from where.", f"Write {kind}:NAME.")
        elif word == "none":
            raise InvalidValue(f"In the scheme {name!r}, 'none' is joined to other words, but it stands alone.", _TODO)
        else:
            raise InvalidValue(f"The scheme {name!r} has an unknown word: {word!r}.", _TODO)
    if balance and source.get("balance"):
        raise InvalidValue(f"The scheme {name!r} balances the classes twice.", f"Leave {balance!r} out, or write synthetic:RUN@RATIO.")
    return Scheme(**{"name": name, "classic": classic, "balance": balance} | source)


def _parse_source(name: str, kind: str, rest: str) -> dict[str, Any]:
    """The fields of a Scheme that a word such as ``synthetic:RUN@1.0`` sets."""
    if kind == "curated":
        set_name, at, version = rest.partition("@")
        check_name(set_name, "name of a curated set")
        if at and not version.isdecimal():
            raise InvalidValue(f"The scheme {name!r} names a version {version!r}.", f"Write curated:{set_name} or curated:{set_name}@2.")
        return {"curated": rest}
    reference, ratio = rest, None
    if kind in ("synthetic", "synthetic-only"):
        head, at, last = rest.rpartition("@")
        if at and _NUMBER.fullmatch(last):
            reference, ratio = head, float(last)
        elif kind == "synthetic" and at and "&" not in last and last not in ("best", "last"):
            reference = head  # what follows was meant as a ratio, such as -1
        if ratio is not None and not 0 < ratio <= MAX_RATIO:
            raise InvalidValue(
                f"The ratio {last} of the scheme {name!r} is not above 0 and at most {MAX_RATIO:g}.",
                f"The last @number is the ratio; for the snapshot at {last} thousand images write {kind}:{rest}@1.0.",
            )
    for run in reference.split("&"):
        run_id, at, which = run.partition("@")
        check_name(run_id, "run id")
        if at and which not in ("best", "last") and not _NUMBER.fullmatch(which):
            raise InvalidValue(f"The scheme {name!r} names a snapshot {which!r}.", f"Write {run_id}@best, {run_id}@last or {run_id}@KIMG.")
    if ratio is None and kind == "synthetic":  # behind the checks, so that the advice can be followed
        raise InvalidValue(
            f"The scheme {name!r} does not say how many synthetic images to add.",
            f"Write synthetic:{reference}@1.0 for as many as there are real ones.",
        )
    if kind == "balance":
        return {"balance": "synthetic", "checkpoint": reference}
    if kind == "ten-percent":
        return {"checkpoint": reference, "ratio": 0.1}
    return {"checkpoint": reference, "ratio": 1.0 if ratio is None else ratio, "real": kind == "synthetic"}


def spell(scheme: Scheme) -> str:
    """The text that :func:`parse_scheme` reads as ``scheme`` (``ten-percent`` is written out as the ratio it is)."""
    words = ["standard"] if scheme.classic else []
    if scheme.balance in _BALANCES:
        words.append(scheme.balance)
    if scheme.curated:
        words.append(f"curated:{scheme.curated}")
    if scheme.balance == "synthetic":
        words.append(f"balance:{scheme.checkpoint}")
    elif scheme.checkpoint:
        words.append(f"{'synthetic' if scheme.real else 'synthetic-only'}:{scheme.checkpoint}@{scheme.ratio:g}")
    return "+".join(words) or "none"


def has_images(scheme: Scheme) -> bool:
    """Whether a scheme uses synthetic images."""
    return scheme.checkpoint is not None or scheme.curated is not None


def without_images(scheme: Scheme) -> Scheme:
    """What is left of a scheme when its synthetic images are taken away: real images, with its classic augmentation and balance.

    A balance that the images themselves make goes with them.
    """
    balance = scheme.balance if scheme.balance in _BALANCES else None
    plain = dataclasses.replace(scheme, balance=balance, checkpoint=None, ratio=0.0, curated=None, real=True)
    return dataclasses.replace(plain, name=spell(plain))
