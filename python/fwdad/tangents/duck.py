"""What every kind of direction shares: its duties, with defaults that make an ndarray of it.

A kind defines `shape`, `dtype`, `dense()` and `example`, follows NumPy's protocols where it can be clever, and
overrides those duties that it can do without `dense()`. Nothing outside asks what kind it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import EllipsisType
from typing import Any, ClassVar

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fwdad import kernels
from fwdad.errors import undefined

Array = Any
Tangent = Any
"""An ndarray (or CuPy array), or a `DuckTangent`."""

KINDS: dict[str, type[Duties]] = {}
"""Every kind by its name; a class that says ``name=`` is entered."""


class Duties:
    """What an estimator and a layer ask of k directions of one array; each default costs the memory of `dense()`."""

    shape: Any  # (k, *primal.shape)
    dtype: Any

    generated: ClassVar[bool] = False
    """Whether each use makes the entries again, which costs more than reading them."""

    def __init_subclass__(cls, name: str = "", **kwargs: Any) -> None:
        """Enter a class that says its name into `KINDS`."""
        super().__init_subclass__(**kwargs)
        if name:
            KINDS[name] = cls

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return k directions of this kind for the conformance suite; None for a shape that the kind has no use for."""
        raise NotImplementedError(f"{cls.__name__} must define the class method example(k, primal_shape, dtype, seed)")

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, *primal.shape)."""
        raise undefined(self, "dense()")

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return ``G_ij = <v_i, v_j>``, (k, k) float64, or (B, k, k) per row of (k, B, n); see `fwdad.kernels.gram`."""
        return kernels.gram(self.dense(), per_row, exact)

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return ``sum_i c_i v_i`` for c (k,), or (B, k) to combine each row of (k, B, n) by itself."""
        return kernels.combine(c, self.dense())

    def combine_each(self, c: np.ndarray) -> np.ndarray:
        """Return ``sum_i c_bi v_i`` for c (B, k), (B, *primal.shape): one combination a row of c."""
        combined: np.ndarray = np.tensordot(c, self.dense().astype(np.float64), 1).astype(self.dtype)
        return combined

    def weighted_rows(self, w: Array) -> Array:
        """Return ``sum_j w_bj v_ibj``, (k, B), for w (B, n) and directions of a matrix: how a loss moves."""
        return kernels.weighted_rows(w, self.dense())

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Return ``<v_i, g>``, (k,) float64, for g of the primal's shape and the directions' dtype.

        Products are summed in that dtype over at most 1024 entries, and these sums in float64, as
        ``gram(exact=False)`` does. There are as many sums as the largest divisor of g.size up to 1024 leaves: where
        that is 1, they take as much memory as the directions.
        """
        v = self.dense()
        length = next(j for j in range(1024, 0, -1) if g.size % j == 0)
        sums = kernels.weighted_rows(g.reshape(-1, length), v.reshape(v.shape[0], -1, length))
        total: np.ndarray = sums.sum(axis=1, dtype=np.float64)
        return total

    def to(self, device: str) -> Tangent:
        """Return the directions on a device: themselves in main memory, an array on "cuda:N"."""
        return self if device == "cpu" else kernels.to_device(self.dense(), device)

    def with_gram_slot(self) -> Tangent:
        """Return the same directions with room for their Gram matrix, where a kernel of the pass can form it."""
        return self

    def affine(
        self, x: Array, w: Array, b: Array | None, dx: Array | None, db: Array | None, activation: str
    ) -> tuple[Array, Array]:
        """Return y and dy of ``act(x w + b)`` where w moves by these directions: as `fwdad.kernels.affine_jvp`.

        dx and db are arrays, or None. By default ``x dw_i`` is formed by itself and joins db.
        """
        mine: Any = self
        noise = np.asarray(np.matmul(x, mine))
        if db is not None:
            noise = noise + (db if db.ndim == 3 else db[:, None])
        y, dy = kernels.affine_jvp(x, w, b, dx, None, noise, activation)
        assert dy is not None, "db moves"
        return y, dy

    def convolution(
        self, x: Array, w: Array, b: Array | None, dx: Array | None, db: Array | None, window: Any, activation: str
    ) -> tuple[Array, Array]:
        """Return y and dy of ``act(conv(x, w) + b)`` where w moves by these directions: as `fwdad.kernels.conv_jvp`.

        dx and db are arrays, or None.
        """
        y, dy = kernels.conv_jvp(x, w, b, dx, self.dense(), db, window, activation)
        assert dy is not None, "w moves"
        return y, dy

    def convolved(self, w: np.ndarray, window: kernels.Window) -> Tangent:
        """Return what becomes of images (k, B, H, W, C) behind a convolution with w: (k, B, OH, OW, N)."""
        v = self.dense()
        z, _ = kernels.conv_jvp(v.reshape(-1, *v.shape[2:]), w, None, None, None, None, window)
        return z.reshape(*v.shape[:2], *z.shape[1:])


class DuckTangent(NDArrayOperatorsMixin, Duties):
    """A duck array of shape ``(k, *primal.shape)``: the base class of every kind but the ndarray.

    An operation that the kind does not override is NumPy's on `dense()`, which costs the memory of an ndarray.
    """

    @property
    def ndim(self) -> int:
        """The number of axes, that of the k directions included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of all k directions."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        """Return k."""
        return int(self.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return `dense()` to np.asarray."""
        if copy is False:
            raise ValueError(f"a {type(self).__name__} has no memory to share; np.asarray without copy=False makes it")
        values = self.dense()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        """Return a part of `dense()`."""
        return self.dense()[index]

    def __iter__(self) -> Iterator[Any]:
        """Go through the directions, made once."""
        return iter(self.dense())

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Make as many directions of zeros, for a primal of the shape."""
        return np.zeros((len(self), *shape), dtype)

    def copy(self) -> Any:
        """Return the directions themselves: nothing writes into them."""
        return self

    def reshape(self, *shape: Any) -> Any:
        """Return the directions in another shape."""
        return self.dense().reshape(*shape)

    def transpose(self, *axes: int) -> np.ndarray:
        """Return the directions with other axes."""
        return self.dense().transpose(*axes)

    def astype(self, dtype: Any) -> np.ndarray:
        """Return the directions as an array of another dtype."""
        return self.dense().astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Call the ufunc on `dense()`."""
        return getattr(ufunc, method)(*(as_dense(x) for x in inputs), **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call the function on `dense()`."""
        if function is np.broadcast_to and args[0] is self and args[1:] == (self.shape,):
            return self
        return function(*(as_dense(x) for x in args), **{name: as_dense(x) for name, x in kwargs.items()})


def rows_of(index: Any) -> Any:
    """Return the examples that an index ``[:, rows]`` of directions (k, B, ...) asks for; None for another index.

    >>> rows_of((slice(None), np.array([2, 0]))).tolist()
    [2, 0]
    """
    if isinstance(index, tuple) and len(index) == 2 and isinstance(index[1], np.ndarray) and _is_all(index[0]):
        return index[1] if index[1].ndim == 1 else None
    return None


def is_basic(index: Any) -> bool:
    """Return whether an index of directions (k, ...) is basic and keeps all directions, as ``[:, :, 1, ...]``."""
    if not isinstance(index, tuple) or not index or not _is_all(index[0]):
        return False
    return all(item is None or type(item) in (int, slice, EllipsisType) for item in index)


def _is_all(item: Any) -> bool:
    return isinstance(item, slice) and item == slice(None)


def as_dense(value: Any) -> Any:
    """Return directions of any kind, or those in a list or tuple, as ndarrays; anything else as it is."""
    if isinstance(value, (list, tuple)):
        return type(value)(as_dense(v) for v in value)
    return value.dense() if isinstance(value, DuckTangent) else value


def is_kind(tangent: object) -> bool:
    """Return whether a tangent is of a kind of its own, and not an ndarray (nor a CuPy array, a Dual or None)."""
    return isinstance(tangent, DuckTangent)
