"""Stacked directions: several groups, each of a kind of its own, one behind the other on the k axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fwdad.kernels import Window
from fwdad.tangents.basis import BasisTangent
from fwdad.tangents.dense import kind_of
from fwdad.tangents.duck import DuckTangent, Tangent, as_dense, is_basic, rows_of


class Group(NamedTuple):
    """Directions ``start .. start + len(part) - 1``."""

    start: int
    part: Tangent

    @property
    def stop(self) -> int:
        """The number behind the last direction."""
        return self.start + int(self.part.shape[0])


class StackedTangent(DuckTangent, name="stacked"):
    """k directions of one array, of which some groups move it and the others are zero.

    This is how directions of several layers go through a network together: those of one layer are zero in all others,
    and nothing is stored for them. What is done with the whole is done with each group.

    Parameters
    ----------
    groups : sequence of Group
        Groups that do not overlap.
    k : int
        The number of all directions.

    Examples
    --------
    >>> t = StackedTangent([Group(1, np.array([[1.0, 2.0]]))], k=3)
    >>> (2 * t).dense().tolist()
    [[0.0, 0.0], [2.0, 4.0], [0.0, 0.0]]
    """

    def __init__(self, groups: Sequence[Group], k: int) -> None:
        self.groups = sorted(groups, key=lambda group: group.start)
        first = self.groups[0].part
        self.shape = (k, *first.shape[1:])
        self.dtype = np.dtype(first.dtype)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent:
        """Return a unit vector and, for several directions, zeros and random ones behind it."""
        groups = [Group(0, BasisTangent.example(1, primal_shape, dtype, seed))]
        if k > 2:
            random = np.random.default_rng(seed).standard_normal((k - 2, *primal_shape)).astype(dtype)
            groups.append(Group(2, random))
        return cls(groups, k)

    def dense(self) -> np.ndarray:
        """Return the directions as an array."""
        out = np.zeros(self.shape, self.dtype)
        for group in self.groups:
            out[group.start : group.stop] = as_dense(group.part)
        return out

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return the Gram matrix: that of each group, and products between groups."""
        if len(self.groups) > 1:
            return super().gram(per_row, exact)
        (group,) = self.groups
        own = kind_of(group.part).gram(per_row, exact)
        out = np.zeros((*own.shape[:-2], self.shape[0], self.shape[0]))
        out[..., group.start : group.stop, group.start : group.stop] = own
        return out

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return the sum of what each group gives."""
        parts = [kind_of(group.part).combine(c[..., group.start : group.stop]) for group in self.groups]
        return sum(parts[1:], parts[0])

    def combine_each(self, c: np.ndarray) -> np.ndarray:
        """Return the sum of what each group gives."""
        parts = [kind_of(group.part).combine_each(c[:, group.start : group.stop]) for group in self.groups]
        return sum(parts[1:], parts[0])

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return what each group gives, (k, B)."""
        out = np.zeros((len(w), self.shape[0]), self.dtype).T  # as the groups' own, an example's next to each other
        for group in self.groups:
            out[group.start : group.stop] = kind_of(group.part).weighted_rows(w)
        return out

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return the inner products of each group."""
        out = np.zeros(self.shape[0])
        for group in self.groups:
            out[group.start : group.stop] = kind_of(group.part).inner(g)
        return out

    def __getitem__(self, index: Any) -> Any:
        """Return one group, or the directions of a part of the primal, in the same form; anything else of `dense()`."""
        if isinstance(index, slice):
            for group in self.groups:
                if (group.start, group.stop, 1) == index.indices(self.shape[0]):
                    return group.part
        if rows_of(index) is not None or is_basic(index):
            return self._each(lambda part: part[index])
        return super().__getitem__(index)

    def convolved(self, w: np.ndarray, window: Window) -> Tangent:
        """Return what becomes of each group."""
        return self._each(lambda part: kind_of(part).convolved(w, window))

    def reshape(self, *shape: Any) -> Any:
        """Return the directions of the reshaped primal, where the k axis stays."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if new[:1] == self.shape[:1] and -1 not in new:
            return self._each(lambda part: part.reshape((part.shape[0], *new[1:])))
        return super().reshape(*shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            x, y = inputs
            if ufunc is np.add and all(isinstance(t, StackedTangent) and t.shape == self.shape for t in inputs):
                return _sum(x, y)
            other = y if x is self else x
            if not isinstance(other, DuckTangent) and np.ndim(other) < self.ndim:
                if ufunc is np.multiply:
                    return self._each(lambda part: part * other)
                if ufunc is np.matmul and getattr(other, "ndim", 0) == 2 and self.ndim >= 3:
                    return self._each((lambda part: _times(part, other)) if x is self else (lambda part: other @ part))
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """As `__array_ufunc__`."""
        if function is np.broadcast_to and not kwargs and args[1][0] == self.shape[0]:
            return self._each(lambda part: np.broadcast_to(part, (part.shape[0], *args[1][1:])))
        if function is np.transpose and len(args) == 2 and args[1][0] == 0:
            return self._each(lambda part: np.transpose(part, args[1]))
        if function == np.pad and args[1][0] == (0, 0) and args[2:] == ("constant",) and not kwargs:
            return self._each(lambda part: np.pad(part, *args[1:]))
        if function is np.where and np.ndim(args[0]) < self.ndim and self._beside(*args[1:]):
            mask, x, y = args
            both = zip(x.groups, y.groups, strict=True)
            return StackedTangent([Group(a.start, np.where(mask, a.part, b.part)) for a, b in both], self.shape[0])
        if function is np.any and len(args) == 1 and kwargs == {"axis": 0}:
            return np.any([np.any(group.part, axis=0) for group in self.groups], axis=0)
        return super().__array_function__(function, types, args, kwargs)

    def _beside(self, x: Any, y: Any) -> bool:
        """Whether x and y are directions of one shape, whose groups lie at the same places."""
        if not all(isinstance(t, StackedTangent) and t.shape == self.shape for t in (x, y)):
            return False
        bounds = ([(group.start, group.stop) for group in t.groups] for t in (x, y))
        return next(bounds) == next(bounds)

    def _each(self, f: Any) -> StackedTangent:
        return StackedTangent([Group(group.start, f(group.part)) for group in self.groups], self.shape[0])


def _times(part: Tangent, w: np.ndarray) -> Tangent:
    """Return ``part @ w``; of an array by one product, not by one for each direction."""
    if type(part) is not np.ndarray or part.size == 0:
        return part @ w
    return (part.reshape(-1, part.shape[-1]) @ w).reshape(*part.shape[:-1], w.shape[1])


def _sum(x: StackedTangent, y: StackedTangent) -> Tangent:
    """Return x + y: their groups together where none overlaps."""
    groups = sorted([*x.groups, *y.groups], key=lambda group: group.start)
    if any(before.stop > after.start for before, after in pairwise(groups)):
        return x.dense() + y.dense()
    return StackedTangent(groups, x.shape[0])
