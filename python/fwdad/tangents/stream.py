"""Streamed tangents: directions that exist as four integers until a kernel needs a tile of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from fwdad import kernels


class StreamTangent(kernels.Stream, NDArrayOperatorsMixin):
    """k random directions of one parameter as a duck array: ``(seed, step, parameter, distribution)`` and a shape.

    Kernels that take a `fwdad.kernels.Stream` regenerate its tiles where they need them, so that nothing of
    size k x P is stored; every other operation works on `dense()`. Fields and errors: `fwdad.kernels.Stream`.

    >>> t = StreamTangent(0, 0, 0, "normal", k=2, primal_shape=(3, 4), dtype=np.float32)
    >>> t.shape, (t + 0).shape
    ((2, 3, 4), (2, 3, 4))
    >>> bool(np.all(t[1] == t.dense()[1]))
    True
    """

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.k

    def dense(self) -> np.ndarray:
        """The directions as an array of shape (k, *primal_shape); costs that much memory."""
        return kernels.generate(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a streamed tangent has no memory to share; np.asarray without copy=False generates it")
        values = self.dense()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        return self.dense()[index]

    def reshape(self, *shape: Any) -> np.ndarray:
        return self.dense().reshape(*shape)

    def astype(self, dtype: Any) -> np.ndarray:
        return self.dense().astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*(_dense(x) for x in inputs), **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return function(*(_dense(x) for x in args), **{name: _dense(x) for name, x in kwargs.items()})


def _dense(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_dense(v) for v in value)
    return value.dense() if isinstance(value, StreamTangent) else value
