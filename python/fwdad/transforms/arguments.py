"""Which of a function's arguments move, and how they are put back beside those that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, check_meaning
from fwdad.errors import LostDerivativeError, is_lost

Argnums = int | tuple[int, ...]
"""The position of the argument that moves, or of several."""


def as_array(value: Any) -> Array:
    """Give a leaf shape and dtype: arrays of any kind stay as they are, Python numbers become NumPy's."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return value
    array = np.asarray(value)
    return array if array.dtype == object else array[()]  # which would be the object again


def moving_array(value: Any, name: str) -> Array:
    """Return a leaf that moves as an array.

    Raises TypeError if it is not one of floating numbers.
    """
    array = as_array(value)
    if not hasattr(value, "dtype") and array.dtype.kind not in "biufc":
        raise TypeError(
            f"{name} is of type {type(value).__name__}, which cannot move: a tree holds arrays and numbers in tuples, "
            "lists, dicts and dataclasses. Give it as another argument, make it a static field of a dataclass "
            "(fwdad.tree.static), or give None as its tangent"
        )
    check_meaning(array, name)
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"{name} has dtype {array.dtype}, and integers and booleans carry no tangent; pass a float (3.0, not 3). "
            "If it does not move, leave it out of argnums, or give None as its tangent"
        )
    return array


def tangent_array(value: Any, primal: Array, name: str) -> Array:
    """Return a leaf's tangent as an array of the primal's dtype.

    Raises TypeError if it has none that fits.
    """
    array = as_array(value)
    check_meaning(array, name)
    if array.dtype == primal.dtype:
        return array
    if array.dtype.kind == "c" and primal.dtype.kind != "c":
        raise TypeError(f"{name} is complex, and its primal is real ({primal.dtype}); pass a real one")
    return array.astype(primal.dtype)


def call(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function with Duals.

    Raises LostDerivativeError, too, where NumPy has put "setting an array element with a sequence" in its place, and
    for a result whose derivative nobody would find.
    """
    try:
        result = f(*args, **kwargs)
    except ValueError as error:
        if is_lost(error):
            raise LostDerivativeError(str(error.__cause__)) from error
        raise
    if not hasattr(result, "dtype"):
        for leaf in tree.leaves(result):
            _refuse_hidden(leaf)
    return result


def _refuse_hidden(leaf: Any) -> None:
    """Raise LostDerivativeError for an object with a Dual among its attributes."""
    for name, value in getattr(leaf, "__dict__", {}).items():
        if isinstance(value, Dual):
            raise LostDerivativeError(
                f"the result is of type {type(leaf).__name__}, where no derivative is looked for, and its "
                f"{name} moves; return the array itself (x.{name}), or in tuples, lists, dicts and dataclasses"
            )


def choose(args: tuple[Any, ...], argnums: Argnums) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return the arguments that move (one tree, or a tuple of trees for several), and a function that replaces them.

    A model's `fwdad.tree.Buffer` does not move: it is None among what moves, and comes back in its place.

    Raises ValueError for a position that does not exist, or that is named twice.
    """
    several = isinstance(argnums, tuple)
    positions = argnums if isinstance(argnums, tuple) else (argnums,)
    if any(not -len(args) <= p < len(args) for p in positions):
        raise ValueError(f"argnums={argnums!r}: f was called with {len(args)} positional arguments")
    positions = tuple(p % len(args) for p in positions)
    if len(set(positions)) < len(positions):
        raise ValueError(f"argnums={argnums!r} names an argument twice")

    def put(moving: Any) -> tuple[Any, ...]:
        new = list(args)
        for position, value in zip(positions, moving if several else (moving,), strict=True):
            new[position] = value
        return tuple(new)

    x = tuple(args[p] for p in positions) if several else args[positions[0]]
    if not any(map(tree.is_buffer, tree.flatten(x, tree.is_buffer)[0])):
        return x, put
    return tree.learned(x), lambda moving: put(tree.with_learned(x, moving))


def check_chunk_size(chunk_size: int | None) -> None:
    """Raise ValueError unless a chunk has at least one direction."""
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1, got {chunk_size}")


def unit_directions(leaves: list[Array], start: int, stop: int) -> list[Any]:
    """Make unit vectors for columns start to stop of the leaves' entries; None for a leaf that none of them moves."""
    directions: list[Any] = []
    first = 0
    for leaf in leaves:
        mine = np.arange(max(start, first), min(stop, first + leaf.size))
        v = np.zeros((stop - start, leaf.size), leaf.dtype) if len(mine) or leaf.size == 0 else None
        if v is not None:
            v[mine - start, mine - first] = 1
            v = v.reshape(stop - start, *leaf.shape)
        directions.append(v)
        first += leaf.size
    return directions


def moving_leaves(x: Any) -> tuple[list[Array], tree.Structure]:
    """Return the leaves of the arguments that move, as arrays, and their structure.

    Raises TypeError for a leaf that is not floating, ValueError where there is no leaf.
    """
    leaves, structure = tree.flatten(x)
    if not leaves:
        raise ValueError("the arguments that move hold no array")
    return moving_arrays(x, leaves, "an argument that moves"), structure


def moving_arrays(x: Any, leaves: list[Any], name: str) -> list[Array]:
    """Do `moving_array` for the leaves of a tree x; its error says where in x the leaf is."""
    try:
        return [moving_array(leaf, name) for leaf in leaves]
    except TypeError:
        for path, leaf in tree.paths(x):
            moving_array(leaf, f"{name}, at {path}," if path else name)
        raise
