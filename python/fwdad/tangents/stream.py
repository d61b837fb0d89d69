"""Streamed tangents: directions that exist as four integers until a kernel needs a tile of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.duck import DuckTangent


class StreamTangent(kernels.Stream, DuckTangent):
    """k random directions of one parameter as a duck array: ``(seed, step, parameter, distribution)`` and a shape.

    Kernels that take a `fwdad.kernels.Stream` regenerate its tiles where they need them, so that nothing of
    size k x P is stored; every other operation works on `dense()`. Fields and errors: `fwdad.kernels.Stream`.

    ``x @ t`` is such a kernel for a matrix x of the same dtype.

    >>> t = StreamTangent(0, 0, 0, "normal", k=2, primal_shape=(3, 4), dtype=np.float32)
    >>> t.shape, (t + 0).shape
    ((2, 3, 4), (2, 3, 4))
    >>> bool(np.all(t[1] == t.dense()[1]))
    True
    """

    def dense(self) -> np.ndarray:
        """The directions as an array of shape (k, *primal_shape); costs that much memory."""
        return kernels.generate(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.matmul and method == "__call__" and not kwargs:
            x, t = inputs
            if t is self and type(x) is np.ndarray and x.ndim == 2 and self.ndim == 3 and x.dtype == self.dtype:
                return kernels.stream_product(x, self)
        return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
