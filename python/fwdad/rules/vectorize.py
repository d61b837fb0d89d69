"""np.vectorize: the program's function for one entry after another, and one array of the answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.errors import is_lost
from fwdad.rules.creation import joined
from fwdad.rules.forms import plain_all
from fwdad.rules.replacing import put


def _called(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make the method that goes entry by entry where NumPy's meets a Dual, in an argument or from the function."""

    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except (TypeError, ValueError) as error:
            if not is_lost(error):
                raise
        return _by_entries(self, original, args, kwargs)

    return call


put(np.vectorize, "__call__", _called(np.vectorize.__call__))


def _by_entries(mapped: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do what np.vectorize says; its answers have the dtypes of the first ones, unless otypes= gives others."""
    places = [i for i in range(len(args)) if i not in mapped.excluded]
    names = [name for name in kwargs if name not in mapped.excluded]
    arrays = [joined(value) for value in (*(args[i] for i in places), *(kwargs[name] for name in names))]
    inner = _numbers_of_axes(mapped.signature) if mapped.signature else [0] * len(arrays)
    shape = np.broadcast_shapes(*(a.shape[: a.ndim - n] for a, n in zip(arrays, inner, strict=True)))
    if 0 in shape:
        return original(mapped, *map(plain_all, args), **{name: plain_all(value) for name, value in kwargs.items()})
    rows = [
        np.reshape(np.broadcast_to(a, shape + a.shape[a.ndim - n :]), (-1, *a.shape[a.ndim - n :]))
        for a, n in zip(arrays, inner, strict=True)
    ]
    answers = []
    for entries in zip(*rows, strict=True):
        given = list(args)
        for i, entry in zip(places, entries, strict=False):
            given[i] = entry
        answer = mapped.pyfunc(*given, **kwargs | dict(zip(names, entries[len(places) :], strict=True)))
        answers.append(answer if isinstance(answer, tuple) else (answer,))

    def made(i: int) -> Array:
        column = [joined(answer[i]) for answer in answers]
        value = np.reshape(joined(column), shape + column[0].shape)
        return np.astype(value, column[0].dtype if mapped.otypes is None else np.dtype(mapped.otypes[i]), copy=False)

    made_all = tuple(map(made, range(len(answers[0]))))
    return made_all if len(made_all) > 1 else made_all[0]


def _numbers_of_axes(signature: str) -> list[int]:
    """Return how many axes each input of a signature has: [2, 1] of "(m,n),(n)->(m)"."""
    inputs = signature.replace(" ", "").partition("->")[0]
    return [len([name for name in axes.split(",") if name]) for axes in inputs.strip("()").split("),(")]
