"""Streamed directions: a few integers until a kernel needs a tile of their entries."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.duck import Array, DuckTangent, Tangent


@dataclass
class GramSlot:
    """Room for a stream's Gram matrix during one pass.

    Generating the entries costs more than what is done with them. So a kernel that generates all of them anyway forms
    the Gram matrix too and puts it here, where `StreamTangent.gram` finds it.
    """

    gram: np.ndarray | None = None  # (k, k) float64, as of ``kernels.gram(v, exact=False)``


@dataclass(frozen=True, eq=False)
class StreamTangent(kernels.Stream, DuckTangent, name="stream"):
    """k random directions of one parameter: ``(seed, step, parameter, distribution)``, k, a shape and a dtype.

    Kernels that take a `fwdad.kernels.Stream` make its tiles where they need them, so that nothing of size k x P is
    stored; every other operation works on `dense()`. ``x @ t`` for a matrix x of the same dtype is such a kernel, and
    an affine layer whose weight moves by t. Fields and errors are those of `fwdad.kernels.Stream`.

    Examples
    --------
    >>> t = StreamTangent(0, 0, 0, "normal", k=2, primal_shape=(3, 4), dtype=np.float32)
    >>> t.shape, (t + 0).shape
    ((2, 3, 4), (2, 3, 4))
    >>> bool(np.all(t[1] == t.dense()[1]))
    True
    """

    slot: GramSlot | None = field(default=None, repr=False)

    generated = True

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent:
        """Return k normal directions."""
        return cls(seed, 0, 0, "normal", k, primal_shape, np.dtype(dtype))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, *primal_shape); costs that much memory."""
        return kernels.generate(self)

    def gram(self, per_row: bool = False, exact: bool = True) -> np.ndarray:
        """Return the Gram matrix: the slot's if it need not be exact, else by generating tile after tile."""
        if self.slot is not None and self.slot.gram is not None and not (per_row or exact):
            return self.slot.gram
        return kernels.gram(self, per_row, exact)

    def combine(self, c: np.ndarray) -> np.ndarray:
        """Return ``sum_i c_i v_i``; generates tile by tile."""
        return kernels.combine(c, self)

    def to(self, device: str) -> Tangent:
        """Return the stream for a device: it has the same entries everywhere, and nothing is copied."""
        return self if self.device == device else dataclasses.replace(self, device=device)

    def with_gram_slot(self) -> Tangent:
        """Return the stream with an empty slot for its Gram matrix."""
        return dataclasses.replace(self, slot=GramSlot())

    def affine(
        self, x: Array, w: Array, b: Array | None, dx: Array | None, db: Array | None, activation: str
    ) -> tuple[Array, Array]:
        """Return y and dy of ``act(x w + b)``; where there is an empty slot, the same pass fills it."""
        if self.slot is not None and self.slot.gram is None:
            y, dy, self.slot.gram = kernels.affine_jvp_gram(x, w, b, dx, self, db, activation)
            return y, dy
        y, moved = kernels.affine_jvp(x, w, b, dx, self, db, activation)
        assert moved is not None, "w moves"
        return y, moved

    def convolution(
        self, x: Array, w: Array, b: Array | None, dx: Array | None, db: Array | None, window: Any, activation: str
    ) -> tuple[Array, Array]:
        """Return y and dy of ``act(conv(x, w) + b)``; no kernel forms a Gram matrix there: a slot stays empty."""
        y, dy = kernels.conv_jvp(x, w, b, dx, self, db, window, activation)
        assert dy is not None, "w moves"
        return y, dy

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Call the kernel for ``x @ t``."""
        if ufunc is np.matmul and method == "__call__" and not kwargs:
            x, t = inputs
            if t is self and type(x) is np.ndarray and x.ndim == 2 and self.ndim == 3 and x.dtype == self.dtype:
                return kernels.stream_product(x, self)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
