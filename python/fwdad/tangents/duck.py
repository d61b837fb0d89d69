"""What every kind of tangent but the ndarray shares: cleverness where a kind has it, `dense()` for all the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class DuckTangent(NDArrayOperatorsMixin):
    """A duck array of shape ``(k, *primal.shape)``: a kind gives `shape` and `dense`, and overrides what it can.

    An operation that the kind does not override is NumPy's on `dense()`, which costs the memory of an ndarray.
    """

    shape: Any  # (k, *primal.shape)

    def dense(self) -> np.ndarray:
        """The directions as an array of shape (k, *primal.shape); costs that much memory."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"a {type(self).__name__} has no memory to share; np.asarray without copy=False makes it")
        values = self.dense()
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        return self.dense()[index]

    def reshape(self, *shape: Any) -> np.ndarray:
        return self.dense().reshape(*shape)

    def astype(self, dtype: Any) -> np.ndarray:
        return self.dense().astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*(as_dense(x) for x in inputs), **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return function(*(as_dense(x) for x in args), **{name: as_dense(x) for name, x in kwargs.items()})


def as_dense(value: Any) -> Any:
    """A tangent, or the tangents in a list or tuple, as ndarrays; anything else as it is."""
    if isinstance(value, (list, tuple)):
        return type(value)(as_dense(v) for v in value)
    return value.dense() if isinstance(value, DuckTangent) else value
