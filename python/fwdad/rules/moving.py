"""Functions whose answer's entries are entries of their arguments, moved: tile, repeat, vstack, insert, choose, ...

    y_i = x_s(i)        dy_i = dx_s(i)

A row is the function's name. To find s, number the entries of what moves 1, 2, 3, ..., call the same function on the
numbers, and read where they went; 0 stands for an entry that came from elsewhere, whose tangent is zero. So mixtures of
Duals and constants, every axis and every order are handled alike. The cost is one gather a call; the functions that
programs use most (concatenate, reshape, x[index]) have rules of their own in shaping.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.rules.forms import enter, flat, moves, reject_duals, zeros


def moving(function: Callable[..., Any], data: tuple[int, ...] = (0,), names: tuple[str, ...] = ()) -> None:
    """Enter a function that only moves entries of some arguments: those at the positions `data`, or called `names`.

    These may be arrays, or nested lists and tuples of arrays. Other arguments (axes, shapes, conditions) are constants.
    """

    def rule(*args: Any, **kwargs: Any) -> Any:
        is_data = [i in data for i in range(len(args))]
        constants = {name: value for name, value in kwargs.items() if name not in names}
        reject_duals(function, (), constants)
        args = tuple(a if d else plain(a) for a, d in zip(args, is_data, strict=True))
        moved = [a for a, d in zip(args, is_data, strict=True) if d] + [kwargs[n] for n in names if n in kwargs]
        level = highest_level(leaves(moved))
        if level == 0:  # only a condition was a Dual
            return function(*args, **kwargs)
        primal = function(
            *(primals(a, level) if d else a for a, d in zip(args, is_data, strict=True)),
            **{name: primals(value, level) if name in names else value for name, value in kwargs.items()},
        )
        counter = Numbers(level)
        places = function(
            *(counter(a) if d else a for a, d in zip(args, is_data, strict=True)),
            **{name: counter(value) if name in names else value for name, value in kwargs.items()},
        )
        return counter.gather(primal, places)

    enter(function, rule, "linear")


class Numbers:
    """Numbers for the entries of what moves at a level, by which tangents are gathered."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.tangents: list[Array] = []
        self.used = 0

    def __call__(self, value: Any) -> Any:
        """Return the same structure of arrays with numbers for entries."""
        if isinstance(value, (list, tuple)):
            return type(value)(self(v) for v in value)
        primal, tangent = split(value, self.level)
        shape = np.shape(primal)
        if tangent is None:
            return np.zeros(shape, np.intp)
        first = self.used + 1
        self.used += primal.size
        self.tangents.append(flat(tangent))
        return np.arange(first, self.used + 1).reshape(shape)

    def gather(self, primal: Any, places: Any) -> Any:
        """Make Duals of the primal's structure."""
        if isinstance(primal, (list, tuple)):
            return type(primal)(self.gather(p, s) for p, s in zip(primal, places, strict=True))
        if not moves(primal):
            return primal
        places = np.asarray(places).astype(np.intp)
        if len(self.tangents) == 1 and np.all(places):
            return Dual(primal, np.take(self.tangents[0], places - 1, 1), self.level)
        nothing = zeros(self.tangents[0], (1,), primal.dtype)
        tangent = np.take(np.concatenate([nothing, *self.tangents], 1), places, 1)
        if primal.dtype.kind == "f" and tangent.dtype.kind == "c":  # the complex entries are in another array
            tangent = np.real(tangent)
        return Dual(primal, tangent if tangent.dtype == primal.dtype else tangent.astype(primal.dtype), self.level)


def leaves(value: Any) -> Iterator[Any]:
    """Yield the arrays in nested lists and tuples."""
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v)
    else:
        yield value


def primals(value: Any, level: int) -> Any:
    """Return the same structure without the tangents of this level."""
    if isinstance(value, (list, tuple)):
        return type(value)(primals(v, level) for v in value)
    return split(value, level)[0]


_function: Any
# fmt: off
#      function                    what moves (default: the first argument)
for _function in (np.tile, np.repeat, np.resize, np.delete, np.diagflat):
    moving(_function)
for _function in (np.vstack, np.hstack, np.dstack, np.column_stack, np.block):
    moving(_function, (0,))
moving(np.append,                  (0, 1),                          names=("values",))
moving(np.insert,                  (0, 2),                          names=("values",))
moving(np.compress,                (1,),                            names=("a",))
moving(np.extract,                 (1,),                            names=("arr",))
moving(np.choose,                  (1,),                            names=("choices",))
moving(np.select,                  (1, 2),                          names=("choicelist", "default"))
# fmt: on
