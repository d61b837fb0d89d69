"""Images of units: directions of a convolutional layer's units, behind moves of entries and behind a convolution.

Nothing of size k B n is stored. An image of k directions knows, for each example and entry, where the entry comes from
and what it was multiplied by: slices, transposes, padding and max pooling move these two numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.errors import undefined
from fwdad.kernels import Window
from fwdad.tangents.dense import kind_of
from fwdad.tangents.duck import DuckTangent, Tangent, as_dense, is_basic, rows_of
from fwdad.tangents.scaled_rows import THIN, ScaledRowsTangent


class _Picked(DuckTangent):
    """Directions ``t[i, b, o] = values[b, o] before[i, b, source[b, o]]`` of what a subclass knows to come before.

    source and values are (B, *shape), or (1, *shape) where all examples share them.
    """

    source: np.ndarray
    values: np.ndarray

    def _picks(self, source: np.ndarray, values: np.ndarray, rows: int) -> Any:
        """Return directions of `rows` examples that pick other entries of the same."""
        other = self._twin()
        other.source, other.values = source, values
        other.shape = (self.shape[0], rows, *source.shape[1:])
        return other

    def _twin(self) -> Any:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def _moved(self, move: Callable[[np.ndarray], np.ndarray]) -> Any:
        return self._picks(move(self.source), move(self.values), self.shape[1])

    def _like(self, other: object) -> bool:
        """Whether another tangent picks from the same directions."""
        mine, theirs = ({k: v for k, v in vars(t).items() if k not in _OWN} for t in (self, other))
        return type(other) is type(self) and all(theirs[name] is value for name, value in mine.items())

    def __getitem__(self, index: Any) -> Any:
        """Return some examples, or a part of each one's entries, in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        if rows is not None:
            return self._of_rows(rows)
        if is_basic(index) and None not in index and index.count(Ellipsis) <= 1:
            at = index.index(Ellipsis) if Ellipsis in index else len(index)
            every = [slice(None)] * (self.ndim - len(index) + (Ellipsis in index))
            items = (*index[:at], *every, *index[at + 1 :])
            if len(items) == self.ndim and items[1] == slice(None):
                return self._moved(lambda a: a[items[1:]])
        return super().__getitem__(index)

    def _of_rows(self, rows: np.ndarray) -> Any:
        source, values = (a if len(a) == 1 else a[rows] for a in (self.source, self.values))
        return self._picks(source, values, len(np.arange(self.shape[1])[rows]))

    def reshape(self, *shape: Any) -> Any:
        """Return the directions of the reshaped primal, where each example keeps its entries."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if new[:2] == self.shape[:2] and -1 not in new and self.size:
            return self._moved(lambda a: a.reshape(len(a), *new[2:]))
        return super().reshape(*shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.dtype == self.dtype:
                if ufunc is np.multiply and other.shape == self.shape[1:]:
                    return self._picks(self.source, self.values * other, self.shape[1])
                if ufunc is np.matmul and inputs[0] is self and other.ndim == 2 and self.shape[2:] == other.shape[:1]:
                    product = self._times(other)
                    if product is not None:
                        return product
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """As `__array_ufunc__`."""
        if function is np.transpose and len(args) == 2 and tuple(args[1][:2]) == (0, 1):
            return self._moved(lambda a: np.transpose(a, [axis - 1 for axis in args[1][1:]]))
        if function == np.pad and list(args[1][:2]) == [(0, 0)] * 2 and args[2:] == ("constant",) and not kwargs:
            return self._moved(lambda a: np.pad(a, args[1][1:]))
        if function is np.where and len(args) == 3 and np.shape(args[0]) == self.shape[1:]:
            mask, x, y = args
            if isinstance(x, _Picked) and isinstance(y, _Picked) and x.shape == y.shape and x._like(y):
                source, values = np.where(mask, x.source, y.source), np.where(mask, x.values, y.values)
                return self._picks(source, values, self.shape[1])
        return super().__array_function__(function, types, args, kwargs)

    def _times(self, w: np.ndarray) -> Tangent | None:
        """Return the product of rows of entries (k, B, n) with w (n, m), where it has a form of its own."""
        raise undefined(self, "_times(w)")


_OWN = {"source", "values", "shape"}


class SelectedTangent(_Picked, name="selected"):
    """k directions of an array (B, ...) of which one at most moves an entry: direction ``source[b, o]``.

    All units of a layer together, each a direction of its own, wherever moves of entries have put them.

    Parameters
    ----------
    source : (B, ...) or (1, ...) integers
        From 0 to k - 1.
    values : (B, ...) or (1, ...)
        How far each entry moves.
    k, rows : int
        The number of directions, and B.

    Examples
    --------
    >>> t = SelectedTangent(np.array([[1, 0]]), np.array([[5.0, 7.0]]), k=2, rows=1)
    >>> t.dense().tolist()
    [[[0.0, 7.0]], [[5.0, 0.0]]]
    """

    def __init__(self, source: np.ndarray, values: np.ndarray, k: int, rows: int) -> None:
        self.source = source
        self.values = values
        self.shape = (k, rows, *source.shape[1:])
        self.dtype = values.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for a number or a vector."""
        if len(primal_shape) < 2:
            return None
        random = np.random.default_rng(seed)
        values = random.standard_normal(primal_shape).astype(dtype)
        return cls(random.integers(0, k, primal_shape), values, k, primal_shape[0])

    def dense(self) -> np.ndarray:
        """Return the directions as an array; MemoryError for more than `MOST_BYTES`."""
        _check_size(self)
        every = np.arange(len(self)).reshape(-1, *(1,) * (self.ndim - 1))
        out = np.zeros(self.shape, self.dtype)
        np.copyto(out, self.values, where=self.source == every)
        return out

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return how a loss whose derivatives are w (B, n) moves along each direction, (k, B)."""
        return _added_up(w * self.values, self.source, len(self))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Let other examples share the directions of one; else as others that pick."""
        if function is np.broadcast_to and not kwargs and self.shape[1] == 1 and len(args[1]) == self.ndim:
            (k, rows), rest = args[1][:2], args[1][2:]
            if (k, *rest) == (len(self), *self.shape[2:]):
                return self._picks(self.source, self.values, rows)
        return super().__array_function__(function, types, args, kwargs)

    def convolved(self, w: np.ndarray, window: Window) -> Tangent:
        """Return what becomes of images behind a convolution: `ConvolvedTangent`."""
        return ConvolvedTangent(self, w, window)

    def _times(self, w: np.ndarray) -> Tangent:
        rows = ScaledRowsTangent(np.broadcast_to(self.values, self.shape[1:]), w)
        return RenamedTangent(rows, self.source, len(self))


class ConvolvedTangent(_Picked, name="convolved"):
    """k directions of images (B, OH, OW, N): those of images of units, behind a convolution.

    Parameters
    ----------
    units : SelectedTangent, (k, B, H, W, C)
    w : (KH, KW, C, N)
    window : Window
    """

    def __init__(self, units: SelectedTangent, w: np.ndarray, window: Window) -> None:
        self.units = units
        self.w = w
        self.window = window
        self.place = (*window.output(*units.shape[2:4]), w.shape[3])  # of the entries that `source` numbers
        self.scale: np.ndarray | None = None  # (B, OH, OW, N): what entries were multiplied by before they moved
        self.source = np.arange(math.prod(self.place)).reshape(1, *self.place)
        self.values = self.still = np.ones_like(w, shape=self.source.shape)
        self.shape = (*units.shape[:2], *self.place)
        self.dtype = w.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for anything but images."""
        if len(primal_shape) != 4:
            return None
        random, (rows, height, width, n) = np.random.default_rng(seed), primal_shape
        units: Any = SelectedTangent.example(k, (rows, height, width, 2), dtype, seed)
        w, scale = (random.standard_normal(shape).astype(dtype) for shape in ((3, 3, 2, n), primal_shape))
        return cls(units, w, Window((3, 3), padding=(1, 1))) * scale

    def dense(self) -> np.ndarray:
        """Return the directions as an array; MemoryError for more than `MOST_BYTES`."""
        _check_size(self)
        every = DuckTangent.convolved(self.units, self.w, self.window)
        every = every if self.scale is None else every * self.scale
        every = every.reshape(*self.shape[:2], math.prod(self.place))
        source = np.broadcast_to(self.source, self.shape[1:]).reshape(1, self.shape[1], math.prod(self.shape[2:]))
        picked: np.ndarray = np.take_along_axis(every, source, axis=2).reshape(self.shape) * self.values
        return picked

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Multiply entries that have not moved where they are."""
        if ufunc is np.multiply and method == "__call__" and self.values is self.still and not kwargs:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.shape == self.shape[1:] and other.dtype == self.dtype:
                scaled = self._twin()
                scaled.scale = other if self.scale is None else self.scale * other
                return scaled
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)

    def _of_rows(self, rows: np.ndarray) -> Any:
        some = super()._of_rows(rows)
        some.units = self.units[:, rows]
        some.scale = None if self.scale is None else self.scale[rows]
        return some

    def _times(self, v: np.ndarray) -> Tangent | None:
        """Return a `ThinImageTangent` if v is thin, and every entry goes to one row of v in all examples."""
        row_of = np.full(math.prod(self.place), -1)
        row_of[self.source] = np.arange(len(v))
        if v.shape[1] > THIN or np.any(row_of[self.source] != np.arange(len(v))):
            return None
        moved = v[row_of]
        moved[row_of < 0] = 0
        if len(self.values) == 1 and np.all(self.values == 1):
            scale = np.ones_like(v, shape=(1, *self.place)) if self.scale is None else self.scale
        else:
            scale = np.zeros_like(v, shape=(self.shape[1], len(row_of)))
            np.put_along_axis(scale, np.broadcast_to(self.source, self.shape[1:]), self.values, axis=1)
            scale = scale.reshape(-1, *self.place) * (1 if self.scale is None else self.scale)
        scale = np.broadcast_to(scale, (self.shape[1], *self.place))
        return ThinImageTangent(self.units, self.w, self.window, scale, moved)


class ThinImageTangent(DuckTangent, name="thin-image"):
    """k directions of a matrix (B, c): images of units behind a convolution and a product of few columns.

    A loss that asks for `weighted_rows` gets them from one kernel, `fwdad.kernels.conv_unit_jvp_thin`.

    Parameters
    ----------
    units : SelectedTangent, (k, B, H, W, C)
    w : (KH, KW, C, N)
    window : Window
    scale : (B, OH, OW, N)
        What the convolution's output was multiplied by.
    v : (OH OW N, c)
    """

    def __init__(self, units: SelectedTangent, w: np.ndarray, window: Window, scale: np.ndarray, v: np.ndarray) -> None:
        self.units = units
        self.w = w
        self.window = window
        self.scale = scale
        self.v = v.reshape(*scale.shape[1:], v.shape[1])
        self.shape = (*units.shape[:2], v.shape[1])
        self.dtype = w.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for anything but a matrix."""
        if len(primal_shape) != 2:
            return None
        random, (rows, c) = np.random.default_rng(seed), primal_shape
        shapes = (2, 2, 2, 3), (rows, 2, 3, 3), (18, c)
        w, scale, v = (random.standard_normal(shape).astype(dtype) for shape in shapes)
        units: Any = SelectedTangent.example(k, (rows, 3, 4, 2), dtype, seed)
        return cls(units, w, Window((2, 2)), scale, v)

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B, c)."""
        out = np.empty(self.shape, self.dtype)
        ones = np.ones_like(self.v, shape=(self.shape[1], 1))
        for j in range(self.shape[2]):
            out[:, :, j] = self._along(self.v[..., j : j + 1], ones)
        return out

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return how a loss whose derivatives are w (B, c) moves along each direction, (k, B)."""
        return self._along(self.v, w)

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        if rows is None:
            return super().__getitem__(index)
        v = self.v.reshape(-1, self.v.shape[-1])
        return ThinImageTangent(self.units[:, rows], self.w, self.window, self.scale[rows], v)

    def _along(self, v: np.ndarray, e: np.ndarray) -> np.ndarray:
        slopes = np.broadcast_to(self.units.values, self.units.shape[1:])
        d = kernels.conv_unit_jvp_thin(self.w, slopes, self.scale, v, e, self.window)
        return _added_up(d, self.units.source, len(self))


class RenamedTangent(DuckTangent, name="renamed"):
    """k directions made of n others: in example b, direction i is the sum of those others j whose ``names[b, j]`` is i.

    Parameters
    ----------
    part : tangent, (n, B, m)
    names : (B, n) or (1, n) integers
        From 0 to k - 1.
    k : int
    """

    def __init__(self, part: Tangent, names: np.ndarray, k: int) -> None:
        self.part = part
        self.names = names
        self.shape = (k, *part.shape[1:])
        self.dtype = np.dtype(part.dtype)

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return scaled rows with random names; None for anything but a matrix."""
        part = ScaledRowsTangent.example(5, primal_shape, dtype, seed)
        return None if part is None else cls(part, np.random.default_rng(seed).integers(0, k, (primal_shape[0], 5)), k)

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B, m)."""
        out = np.zeros(self.shape, self.dtype)
        np.add.at(out, (self.names.T, np.arange(self.shape[1])), as_dense(self.part))
        return out

    def weighted_rows(self, w: np.ndarray) -> np.ndarray:
        """Return how a loss whose derivatives are w (B, m) moves along each direction, (k, B)."""
        return _added_up(kind_of(self.part).weighted_rows(w).T, self.names, len(self))

    def __getitem__(self, index: Any) -> Any:
        """Return the directions of some examples in the same form; anything else of `dense()`."""
        rows = rows_of(index)
        if rows is None:
            return super().__getitem__(index)
        names = self.names if len(self.names) == 1 else self.names[rows]
        return RenamedTangent(self.part[:, rows], names, len(self))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Keep the form under the functions that keep it; be dense under the others."""
        if method == "__call__" and not kwargs and len(inputs) == 2:
            other = inputs[1] if inputs[0] is self else inputs[0]
            if type(other) is np.ndarray and other.dtype == self.dtype and other.ndim == 2:
                scales = ufunc is np.multiply and other.shape == self.shape[1:]
                if scales or (ufunc is np.matmul and inputs[0] is self and len(other) == self.shape[2]):
                    return RenamedTangent(ufunc(self.part, other), self.names, len(self))
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)


MOST_BYTES = 2**34
"""What directions of images may take as an array. A network for which they need more takes days, not memory alone."""


def _check_size(tangent: DuckTangent) -> None:
    size = tangent.size * tangent.dtype.itemsize
    if size > MOST_BYTES:
        raise MemoryError(
            f"{len(tangent)} directions of an array {tangent.shape[1:]} would be stored, {size / 2**30:.2g} GiB: more "
            "than one large layer lies behind these units, or one that mixes their entries. Take random directions, as "
            "`fwdad train --directions auto` does (estimators.cost_of_units)"
        )


def _added_up(d: np.ndarray, names: np.ndarray, k: int) -> np.ndarray:
    """Return (k, B) from d (B, ...): the sum of each example's entries of each name, (B, ...) or (1, ...)."""
    rows = len(d)
    d, names = d.reshape(rows, math.prod(d.shape[1:])), names.reshape(len(names), math.prod(names.shape[1:]))
    if len(names) == 1:
        if np.array_equal(names[0], np.arange(k)):
            return d.T
        if np.all(np.bincount(names[0], minlength=k) <= 1):
            out = np.zeros_like(d, shape=(rows, k))
            out[:, names[0]] = d
            return out.T
    numbers = k * np.arange(rows)[:, None] + names
    sums: np.ndarray = np.bincount(numbers.ravel(), d.ravel(), rows * k)
    return sums.reshape(rows, k).T.astype(d.dtype)
