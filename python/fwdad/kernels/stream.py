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
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch, philox
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty

ROWS_PER_CALL = {"normal": 4, "rademacher": 128}
"""R of each distribution: how many rows of one column a generator call gives."""

LIMITS = (("seed", 0, 2**64), ("step", 0, 2**32), ("parameter", 0, 2**16), ("k", 1, 2**16 + 1))
"""Fields of a stream, and the ranges that the counter has room for."""


@dataclass(frozen=True)
class Stream:
    """k directions for one parameter, as a description: an array of shape `(k, *primal_shape)` that is never stored.

    A parameter with two axes or more is the matrix (product of the leading axes, last axis). A vector (n,) is the
    R x ceil(n / R) matrix read down its columns, and a scalar is a vector of one entry.

    Attributes:
        seed: the key; 0 <= seed < 2^64.
        step: which draw; 0 <= step < 2^32.
        parameter: which parameter of the model; 0 <= parameter < 2^16.
        distribution: "normal" (mean 0, variance 1) or "rademacher" (+1 or -1, equally likely).
        k: number of directions; 1 <= k <= 2^16.
        primal_shape: the parameter's shape; fewer than 2^32 columns and 2^32 blocks of R rows.
        dtype: float32, or float64, which holds the same float32 values, widened.
        device: where the entries are to be: "cpu" or "cuda:N"; they are the same everywhere.

    From these follow:
        shape: (k, *primal_shape).
        matrix_shape: (rows, columns) of the matrix that the counter counts; (R, ceil(n / R)) for a vector (n,).
        descriptor: (seed, step, parameter, R, k, rows, columns, entries of a vector or -1): what native kernels need.

    Raises:
        TypeError, ValueError: a field is of the wrong type or out of its range.
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
    descriptor: tuple[int, int, int, int, int, int, int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
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
        descriptor = (self.seed, self.step, self.parameter, per_call, self.k, rows, columns, entries)
        object.__setattr__(self, "descriptor", descriptor)

    # Generating costs more than what is done with the entries. Where the Gram matrix will be asked for, a kernel that
    # passes over all of them anyway forms it on its way. Neither attribute is a field: the entries stay what they are.
    expects_gram: ClassVar[bool] = False
    known_gram: ClassVar[NDArray[np.float64] | None] = None

    def expect_gram(self) -> None:
        """Say that ``gram(self, exact=False)`` will be called later."""
        object.__setattr__(self, "expects_gram", True)

    def keep_gram(self, gram: NDArray[np.float64]) -> None:
        """Save the Gram matrix (k, k) for that call."""
        object.__setattr__(self, "known_gram", gram)

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


def generate(stream: Stream) -> NDArray[Any]:
    """All entries of `stream`, as an array (k, *primal_shape) of its dtype.

    Bit-identical in every body on machines with fused multiply-add; the native body of an instruction set without one
    differs by a few units in the last place (normals only).

    Raises:
        TypeError: `stream` is not a Stream.

    >>> generate(Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=2, primal_shape=(4,))).tolist()
    [[-1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]]
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"generate: stream: expected a Stream, given {type(stream).__name__}")
    result: NDArray[Any] = GENERATE.on(stream.device)(stream)
    return result


def generate_reference(stream: Stream) -> NDArray[Any]:
    """NumPy: one direction at a time, all blocks of R rows at once."""
    rows, columns = stream.matrix_shape
    blocks = -(-rows // stream.rows_per_call)
    key = stream.seed & 0xFFFFFFFF, stream.seed >> 32
    out = np.empty(stream.shape, stream.dtype)
    for i in range(stream.k):
        counter = np.arange(columns), np.arange(blocks)[:, None], stream.step, i | stream.parameter << 16
        words = philox.philox4x32(counter, key)
        if stream.distribution == "normal":
            parts = [*philox.normals_from_words(*words[:2]), *philox.normals_from_words(*words[2:])]
            values = np.stack(parts, axis=1)  # (blocks, 4, columns)
        else:
            values = np.concatenate([philox.signs_from_words(word) for word in words], axis=1)  # (blocks, 128, columns)
        matrix = values.reshape(blocks * stream.rows_per_call, columns)
        vector = len(stream.primal_shape) < 2
        entries = matrix.T.ravel()[: prod(stream.primal_shape)] if vector else matrix[:rows]
        out[i] = entries.reshape(stream.primal_shape)
    return out


def generate_native(stream: Stream) -> NDArray[Any]:
    """C++: see csrc/cpu/generate.cpp."""
    assert dispatch.native is not None
    out = empty(stream.shape, stream.dtype)
    dispatch.native.generate(stream.descriptor, out)
    return out


def dense(v: NDArray[Any] | Stream) -> NDArray[Any]:
    """`v` as an array: itself, or all entries of the stream by the reference."""
    return generate_reference(v) if isinstance(v, Stream) else v


GENERATE = Kernel(
    "generate",
    "Stream -> (k, *primal_shape), C-contiguous; float32 operations, each rounded once; float64 holds the same values",
    dispatch.bodies(generate_reference, generate_native),
)
