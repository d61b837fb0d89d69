"""ndarray's methods on a Dual: each is NumPy's function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual

FUNCTIONS: list[Callable[..., Any]] = [
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.cumsum, np.cumprod,
    np.argmax, np.argmin, np.argsort, np.all, np.any,
    np.ravel, np.squeeze, np.swapaxes, np.take, np.clip, np.dot,
]  # fmt: skip

for _function in FUNCTIONS:
    setattr(
        Dual, _function.__name__.removeprefix("a") if _function in (np.max, np.min) else _function.__name__, _function
    )


def _reshape(self: Dual, *shape: Any, **options: Any) -> Array:
    return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)


def _transpose(self: Dual, *axes: Any) -> Array:
    order = axes[0] if len(axes) == 1 else axes
    return np.transpose(self, order or None)


def _flatten(self: Dual) -> Array:
    return np.reshape(self, -1)


def _astype(self: Dual, dtype: Any) -> Array:
    """A floating type casts primal and tangent; an integer or boolean type has no derivative and gives a plain array."""
    primal = self.primal.astype(dtype)
    return Dual(primal, self.tangent.astype(dtype), self.level) if np.issubdtype(dtype, np.inexact) else primal


def _copy(self: Dual) -> Dual:
    return Dual(self.primal.copy(), self.tangent.copy(), self.level)


for _name, _method in {
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _flatten,
    "astype": _astype,
    "copy": _copy,
    "T": property(lambda self: np.transpose(self)),
    "mT": property(lambda self: np.matrix_transpose(self)),
}.items():
    setattr(Dual, _name, _method)
