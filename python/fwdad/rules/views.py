"""Functions whose answer is a view of their argument: rot90, split, atleast_2d, diagonal, ...

They are composed of slices and transpositions. So the tangent's answer is a view where the primal's is, and what is
written into one appears in the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import RULES, Array, Dual
from fwdad.rules.creation import joined
from fwdad.rules.forms import composed, from_back, rule_for, zeros
from fwdad.rules.replacing import Wide, put


@composed(np.flipud)
def _flipud(m: Array) -> Array:
    return m[::-1, ...]


@composed(np.fliplr)
def _fliplr(m: Array) -> Array:
    return m[:, ::-1]


@composed(np.rot90)
def _rot90(m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    first, second = axes
    if k % 2 == 0:
        return np.flip(m, axes) if k % 4 == 2 else m[...]
    flipped = np.flip(m, second if k % 4 == 1 else first)
    return np.swapaxes(flipped, first, second)


@composed(np.rollaxis)
def _rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    source = axis % a.ndim
    target = start + a.ndim if start < 0 else start
    return np.moveaxis(a, source, target - 1 if target > source else target)


def at_least(function: Callable[..., Any], indices: tuple[Any, ...]) -> None:
    """Enter atleast_1d, atleast_2d or atleast_3d: ``x[indices[x.ndim]]`` has enough axes."""

    def one(x: Array) -> Array:
        return x[indices[np.ndim(x)]] if np.ndim(x) < len(indices) else x

    def rule(*arrays: Any) -> Any:
        answers = tuple(one(a) if isinstance(a, Dual) else function(a) for a in arrays)
        return answers[0] if len(answers) == 1 else answers

    composed(function)(rule)


new, every = np.newaxis, slice(None)
# fmt: off
#        function          index of a number      of a vector          of a matrix
at_least(np.atleast_1d,    ((new,),))
at_least(np.atleast_2d,    ((new, new),           (new, every)))
at_least(np.atleast_3d,    ((new, new, new),      (new, every, new),   (every, every, new)))
# fmt: on


def splitting(function: Callable[..., Any], default_axis: Callable[[int], int]) -> None:
    """Enter a way to split; NumPy's split of the places along the axis says where the pieces begin and end."""

    def rule(ary: Array, indices_or_sections: Any, *axis: int, **named: int) -> list[Array]:
        chosen = axis[0] if axis else named.get("axis", default_axis(np.ndim(ary)))
        along = from_back(chosen, np.ndim(ary))
        places = np.arange(np.shape(ary)[along])
        split = np.array_split if function is np.array_split else np.split
        stops = np.cumsum([0, *(len(piece) for piece in split(places, indices_or_sections))])
        pieces = zip(split(places, indices_or_sections), stops, strict=False)
        behind = (slice(None),) * (-along - 1)
        bounds = [(piece[0], piece[-1] + 1) if len(piece) else (stop, stop) for piece, stop in pieces]
        return [ary[(Ellipsis, slice(start, stop), *behind)] for start, stop in bounds]

    composed(function)(rule)


splitting(np.split, lambda ndim: 0)
splitting(np.array_split, lambda ndim: 0)
splitting(np.vsplit, lambda ndim: 0)
splitting(np.hsplit, lambda ndim: 0 if ndim == 1 else 1)
splitting(np.dsplit, lambda ndim: 2)


@composed(np.broadcast_arrays)
def _broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(a[...] if np.shape(a) == shape and isinstance(a, Dual) else np.broadcast_to(a, shape) for a in args)


@composed(np.meshgrid)
def _meshgrid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: indexing is 'xy' or 'ij', got {indexing!r}")
    axes = list(range(len(xi)))
    if indexing == "xy":
        axes[:2] = reversed(axes[:2])
    lines = [np.reshape(x, [-1 if a == axis else 1 for a in range(len(xi))]) for x, axis in zip(xi, axes, strict=True)]
    grids = lines if sparse else np.broadcast_arrays(*lines)
    return tuple(np.copy(grid) for grid in grids) if copy else tuple(grids)


@composed(np.unstack)
def _unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    return tuple(np.moveaxis(x, axis, 0))


@rule_for(np.diagonal, kind="linear")
def _diagonal(a: Dual, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Dual:
    first, second = from_back((axis1, axis2), a.ndim)
    return Dual(np.diagonal(a.primal, offset, axis1, axis2), np.diagonal(a.tangent, offset, first, second), a.level)


@composed(np.linalg.diagonal)
def _linalg_diagonal(x: Array, /, *, offset: int = 0) -> Array:
    return np.diagonal(x, offset, -2, -1)


put(np, "diag", Wide(np.diag))  # which also takes a list of Duals


@rule_for(np.diag, kind="linear")
def _diag(v: Any, k: int = 0) -> Array:
    """Take a diagonal as `np.diagonal` does, or put the tangents where numbers 1, 2, ... for a vector's entries go."""
    if isinstance(v, (list, tuple)):
        return np.diag(joined(v), k)
    if v.ndim == 2:
        return RULES[np.diagonal](v, k)
    places = np.diag(np.arange(1, len(v) + 1), k)
    padded = np.concatenate([zeros(v.tangent, (1,), v.dtype), v.tangent], 1)
    return Dual(np.diag(v.primal, k), np.take(padded, places, 1), v.level)
