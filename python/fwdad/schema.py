"""What files must hold, said once by annotated dataclasses and named tuples, and checked when they are read.

>>> class Point(NamedTuple):
...     x: float
...     count: Annotated[int, Range(0)]
>>> read(Point, {"x": 1, "count": 2})
Point(x=1, count=2)
>>> read(Point, {"x": 1, "count": -2})
Traceback (most recent call last):
    ...
ValueError: count must be at least 0, but is -2
"""

from __future__ import annotations

import dataclasses
import math
import types
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false", dict: "an object", list: "a list"}


class Range(NamedTuple):
    """The values that a number may have, ends included."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        """Say it in words."""
        return f"at least {self.low}" if self.high == math.inf else f"from {self.low} to {self.high}"


Count = Annotated[int, Range(0, 2**63 - 1)]
Share = Annotated[float, Range(0, 1)]
Seconds = Annotated[float, Range(0)]


def read(cls: type[T], values: Any, name: str = "", *, partial: bool = False) -> T:
    """Make an instance of a dataclass or named tuple from a JSON object, or in a named tuple's case from a list.

    Its fields are annotated with int, float, str, bool, dict, such a class, `Annotated` with a `Range`, a list or tuple
    of these, or one of these or None.

    Parameters
    ----------
    partial
        Whether fields that have a default may be left out.

    Raises
    ------
    ValueError
        A value is missing, unknown, of another type or out of range; it is named.
    """
    hints = get_type_hints(cls, include_extras=True)
    if isinstance(values, list) and issubclass(cls, tuple):
        if len(values) != len(hints):
            raise ValueError(f"{name or 'the value'} must have {len(hints)} values, but has {len(values)}")
        values = dict(zip(hints, values, strict=True))
    if not isinstance(values, dict):
        raise ValueError(f"{name or 'the value'} must be {WORDS[dict]}, but is {_shown(values)}")
    names = {key: f"{name}.{key[:40]}" if name else key[:40] for key in [*values, *hints]}
    for key in values.keys() - hints.keys():
        raise ValueError(f"{names[key]} is unknown")
    for key in hints.keys() - values.keys() - (_optional(cls) if partial else set()):
        raise ValueError(f"{names[key]} is missing")
    return cls(**{key: _value(hints[key], value, names[key]) for key, value in values.items()})


def _optional(cls: Any) -> set[str]:
    if not dataclasses.is_dataclass(cls):
        return set(cls._field_defaults)
    fields = dataclasses.fields(cls)
    return {f.name for f in fields if (f.default, f.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)}


def _value(hint: Any, value: Any, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        value = _value(arguments[0], value, name)
        for allowed in arguments[1:]:
            if not allowed.low <= value <= allowed.high:
                raise ValueError(f"{name} must be {allowed}, but is {_shown(value)}")
        return value
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in arguments:
            return None
        return _value(next(kind for kind in arguments if kind is not types.NoneType), value, name)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list, but is {_shown(value)}")
        return origin(_value(arguments[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    kind = origin or hint
    if kind not in WORDS:
        return read(kind, value, name)
    if not isinstance(value, (int, float) if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{name} must be {WORDS[kind]}, but is {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
