"""Fields of records: read from JSON and from ``key=value`` texts, written as JSON, and checked. Standard library only."""

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from gan_aug.errors import InvalidValue, UnknownKey

T = typing.TypeVar("T")

_hints = functools.cache(typing.get_type_hints)  # a batch of pictures or a list of runs reads the same class hundreds of times


def to_dict(record: Any) -> dict[str, Any]:
    """A record as plain JSON values."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return to_dict(value)
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return value

    return {field.name: plain(getattr(record, field.name)) for field in dataclasses.fields(record)}


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Build a record of class ``kind`` from :func:`to_dict`'s output or from typed settings.

    Raises
    ------
    UnknownKey
        If a key is not a field of the record; the message lists those that are.
    """
    hints = _hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UnknownKey(f"{kind.__name__} has no {', '.join(map(repr, unknown))}.", f"It has: {', '.join(hints)}.")
    return kind(**{name: _reviver(hints[name])(value) for name, value in values.items()})


def parse_settings(kind: type, settings: list[str]) -> dict[str, Any]:
    """Read ``key=value`` texts as fields of the record class ``kind``, each in its field's type.

    Raises
    ------
    UnknownKey, InvalidValue
        If a text is not ``key=value``, the key does not exist or is named twice, or the value is not of the field's type.
    """
    hints = _hints(kind)
    values: dict[str, Any] = {}
    for text in settings:
        key, separator, value = text.partition("=")
        if not separator:
            raise InvalidValue(f"{text!r} is not a setting.", "Write key=value, for example batch_size=32.")
        if key not in hints:
            raise UnknownKey(f"{kind.__name__} has no {key!r}.", f"It has: {', '.join(hints)}.")
        if key in values:
            raise InvalidValue(f"{key} is set twice, the second time to {value!r}.", "Set it once.")
        values[key] = _read(hints[key], key, value)
    return values


def spelled(value: Any) -> str:
    """The text that :func:`parse_settings` reads as ``value``."""
    if value is None or value in ((), []):
        return "none"
    if isinstance(value, (tuple, list)):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(hint: Any, key: str, text: str) -> Any:
    """The value of type ``hint`` that ``text`` spells."""
    if typing.get_origin(hint) is tuple:
        return tuple(piece for piece in text.split(",") if piece and piece != "none")
    if typing.get_origin(hint) is types.UnionType:
        return None if text == "none" else _read(typing.get_args(hint)[0], key, text)
    if hint is bool and text in ("true", "false"):
        return text == "true"
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            pass
    elif hint is not bool:
        return text
    meaning = {bool: "true or false", int: "a whole number", float: "a number"}[hint]
    raise InvalidValue(f"{key} cannot be {text!r}.", f"Give {meaning}.")


@functools.cache  # a stored analysis holds tens of thousands of numbers of a few types
def _reviver(hint: Any) -> Callable[[Any], Any]:
    """What undoes JSON for a value of type ``hint``: lists become tuples, dicts the records they were, whole numbers floats."""
    if typing.get_origin(hint) is types.UnionType:
        records = [kind for kind in typing.get_args(hint) if dataclasses.is_dataclass(kind)]
        return _reviver(records[0]) if len(records) == 1 else _unchanged
    if dataclasses.is_dataclass(hint):
        return lambda value: from_dict(hint, value) if isinstance(value, dict) else value
    if typing.get_origin(hint) is tuple:
        item = _reviver(typing.get_args(hint)[0])
        return lambda value: tuple(map(item, value)) if isinstance(value, list) else value
    if hint is float:
        return lambda value: float(value) if type(value) is int else value  # a bool is no number
    return _unchanged


def _unchanged(value: Any) -> Any:
    return value


def check_types(record: Any) -> None:
    """Raise an :class:`InvalidValue` unless every field holds a value of its declared type, nested ones included."""
    for name, hint in _hints(type(record)).items():
        value = getattr(record, name)
        require(_fits(hint)(value), name, value, _in_words(hint))


def _in_words(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is types.UnionType:
        return " or ".join(map(_in_words, inner))
    if origin is tuple:
        return f"a list, each of it {_in_words(inner[0])}"
    if origin is dict:
        return "names with values that JSON can hold"
    words = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text", types.NoneType: "nothing"}
    return words.get(hint) or f"of type {hint.__name__}"


@functools.cache  # a split names the part and the group of every image
def _fits(hint: Any) -> Callable[[Any], bool]:
    """What tells whether a value is of type ``hint``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return lambda value: value in inner
    if origin is types.UnionType:
        choices = tuple(map(_fits, inner))
        return lambda value: any(choice(value) for choice in choices)
    if origin is tuple:
        item = _fits(inner[0])
        return lambda value: isinstance(value, tuple) and all(map(item, value))
    if origin is dict:
        return lambda value: isinstance(value, dict) and _is_json(value)
    if hint is float:
        return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    return lambda value: isinstance(value, hint)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def require(good: bool, name: str, value: Any, allowed: str) -> None:
    """Raise an :class:`InvalidValue` about the field ``name`` unless its value is good; ``allowed`` says what would be."""
    if not good:
        raise InvalidValue(f"{name} cannot be {value!r}.", f"It must be {allowed}.")
