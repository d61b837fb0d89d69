"""Streams: k random directions of one parameter that need no memory, because any tile of them can be made again.

The entry at (row, column) of parameter p in direction i at `step` depends on (seed, step, p, i, row, column) alone:

    key     = (seed mod 2^32, seed >> 32)
    counter = (column, row // R, step, i + 2^16 p)

One call of the generator covers R consecutive rows of one column: R = 4 normals (one word each), or R = 128 signs
(one bit each). Lanes of a vector unit are columns, so a call's results land in rows of a matrix product's packed panel.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks

ROWS_PER_CALL = {"normal": 4, "rademacher": 128}
"""R of each distribution: how many rows of one column a generator call gives."""

LIMITS = (("seed", 0, 2**64), ("step", 0, 2**32), ("parameter", 0, 2**16), ("k", 1, 2**16 + 1))
"""Fields of a stream, and the ranges that the counter has room for."""

Descriptor = tuple[int, int, int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Stream:
    """k directions for one parameter, as a description: an array of shape `(k, *primal_shape)` that is never stored.

    A parameter with two axes or more is the matrix (product of the leading axes, last axis). A vector (n,) is the
    R x ceil(n / R) matrix read down its columns, and a scalar is a vector of one entry.

    Parameters
    ----------
    seed : int
        The key, from 0 to 2^64 - 1.
    step : int
        Which draw, from 0 to 2^32 - 1.
    parameter : int
        Which parameter of the model, from 0 to 2^16 - 1.
    distribution : {"normal", "rademacher"}
        Mean 0 and variance 1, or +1 and -1, equally likely.
    k : int
        The number of directions, from 1 to 2^16.
    primal_shape : tuple of int
        The parameter's shape; fewer than 2^32 columns and 2^32 blocks of R rows.
    dtype : dtype, default float32
        float32, or float64, which holds the same float32 values, widened.
    device : str, default "cpu"
        Where the entries are to be, "cpu" or "cuda:N"; they are the same everywhere.

    Attributes
    ----------
    shape : tuple of int
        (k, *primal_shape).
    matrix_shape : tuple of int
        (rows, columns) of the matrix that the counter counts; (R, ceil(n / R)) for a vector (n,).
    descriptor : tuple of int
        What bindings take: (seed, step, parameter, R, k, rows, columns, entries of a vector or -1, bytes of an entry).

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of its range.
    """

    seed: int
    step: int
    parameter: int
    distribution: str
    k: int
    primal_shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.float32)  # noqa: RUF009 -- a dtype is immutable
    device: str = "cpu"
    shape: tuple[int, ...] = field(init=False, repr=False, compare=False)
    matrix_shape: tuple[int, int] = field(init=False, repr=False, compare=False)
    descriptor: Descriptor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the fields, and derive the others."""
        for name, low, high in LIMITS:
            value = getattr(self, name)
            if type(value) is not int or not low <= value < high:
                object.__setattr__(self, name, _integer(name, value, low, high))
        if self.distribution not in ROWS_PER_CALL:
            choices = " or ".join(repr(name) for name in ROWS_PER_CALL)
            raise ValueError(f"Stream: distribution: expected {choices}, given {self.distribution!r}")
        shape = tuple([_integer("primal_shape", n, 0, 2**63) for n in self.primal_shape])
        object.__setattr__(self, "primal_shape", shape)
        if not isinstance(self.dtype, np.dtype):
            object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if self.dtype not in checks.FLOATS:
            raise TypeError(f"Stream: dtype: expected float32 or float64, given {self.dtype}")
        per_call = ROWS_PER_CALL[self.distribution]
        entries = -1 if len(shape) >= 2 else prod(shape)
        rows, columns = (prod(shape[:-1]), shape[-1]) if entries < 0 else (per_call, -(-entries // per_call))
        if columns >= 2**32 or -(-rows // per_call) >= 2**32:
            raise ValueError(
                f"Stream: primal_shape: expected fewer than 2^32 columns and 2^32 blocks of {per_call} rows, "
                f"given {shape}, which is {rows} rows of {columns} columns"
            )
        object.__setattr__(self, "shape", (self.k, *shape))
        object.__setattr__(self, "matrix_shape", (rows, columns))
        numbers = (self.seed, self.step, self.parameter, per_call, self.k, rows, columns, entries, self.dtype.itemsize)
        object.__setattr__(self, "descriptor", numbers)

    @property
    def rows_per_call(self) -> int:
        """R, the number of rows of one column that one generator call gives."""
        return ROWS_PER_CALL[self.distribution]


def _integer(name: str, value: Any, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"Stream: {name}: expected an integer, given {type(value).__name__}") from None
    if not low <= number < high:
        raise ValueError(f"Stream: {name}: expected {low} <= {name} < {high}, given {number}")
    return number


def source(v: Any) -> Any:
    """Return what bindings take for directions: a stream's descriptor, or the array (or None) itself."""
    return v.descriptor if isinstance(v, Stream) else v


def stream(where: str, name: str, value: Any, dtype: np.dtype[Any] | None = None) -> Stream:
    """Return `value` if it is a Stream, of `dtype`, if given."""
    if not isinstance(value, Stream):
        raise TypeError(f"{where}: {name}: expected a Stream, given {type(value).__name__}")
    if dtype is not None and value.dtype != dtype:
        raise TypeError(f"{where}: {name}: expected dtype {dtype} as x, given a stream of {value.dtype}")
    return value


def array_or_stream(where: str, name: str, value: Any, dtype: np.dtype[Any]) -> NDArray[Any] | Stream:
    """Return `value` if it is an array or a Stream of this dtype."""
    if isinstance(value, Stream):
        return stream(where, name, value, dtype)
    return checks.float_array(where, name, value, dtype)


def directions(where: str, v: Any, per_row: bool) -> NDArray[Any] | Stream:
    """Return v (k, ...), or (k, B, n) `per_row`, if it is a Stream or a float array, which is made C-contiguous."""
    if not isinstance(v, Stream):
        v = checks.float_array(where, "v", v)
    if (per_row and len(v.shape) != 3) or not v.shape:
        raise ValueError(f"{where}: v: expected shape {'(k, B, n)' if per_row else '(k, ...)'}, given {v.shape}")
    return v if isinstance(v, Stream) else checks.c_order(v)
