"""ndarray's methods and attributes on a Dual: each calls NumPy's function of the same name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fwdad.dual import RULES, Array, Dual, lost, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.assignment import Flat, replace

FUNCTIONS: list[Callable[..., Any]] = [
    np.argmax, np.argmin, np.argsort, np.argpartition, np.all, np.any, np.nonzero, np.round,
    np.take, np.clip, np.dot, np.repeat, np.choose, np.searchsorted, np.put,
]  # fmt: skip

OF_ONE_ARRAY: list[Callable[..., Any]] = [
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.cumsum, np.cumprod,
    np.ravel, np.squeeze, np.swapaxes, np.diagonal, np.trace,
]  # fmt: skip
"""Functions of one array and no other: of a Dual the rule can be called without NumPy's dispatch, to save time."""


def _called(function: Callable[..., Any], self: Dual, *args: Any, **kwargs: Any) -> Any:
    return (RULES[function] if type(self) is Dual else function)(self, *args, **kwargs)


def _method_of(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def method(self: Dual, *args: Any, **kwargs: Any) -> Any:
        return _called(function, self, *args, **kwargs)

    return method


for _function in FUNCTIONS + OF_ONE_ARRAY:
    _name = _function.__name__
    _name = {"amax": "max", "amin": "min"}.get(_name, _name)
    setattr(Dual, _name, _function if _function in FUNCTIONS else _method_of(_function))


def _reshape(self: Dual, *shape: Any, **options: Any) -> Array:
    return _called(np.reshape, self, shape[0] if len(shape) == 1 else shape, **options)


def _transpose(self: Dual, *axes: Any) -> Array:
    order = axes[0] if len(axes) == 1 else axes
    return _called(np.transpose, self, order or None)


def _flatten(self: Dual, order: Any = "C") -> Array:
    """Flatten into a copy, always: what is written into it does not reach self."""
    return np.copy(np.reshape(self, -1, order=order))


def _astype(
    self: Dual, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Array:
    """Cast primal and tangent to a floating type; an integer or boolean type has no derivative and gives a plain array.

    Raises LostDerivativeError for a complex Dual and a real type: .real or .imag say which part is meant.
    """
    if np.issubdtype(self.dtype, np.complexfloating) and not np.issubdtype(dtype, np.complexfloating):
        raise LostDerivativeError("a complex Dual cannot be cast to a real dtype; take .real, .imag or np.abs")
    if not copy and self.dtype == dtype:
        return self
    primal = self.primal.astype(dtype, casting=casting)
    return Dual(primal, self.tangent.astype(dtype), self.level) if np.issubdtype(dtype, np.inexact) else plain(primal)


def _compress(self: Dual, condition: Array, axis: int | None = None) -> Array:
    return np.compress(condition, self, axis=axis)


def _fill(self: Dual, value: Any) -> None:
    """Set every entry."""
    self[...] = value


def _sort(self: Dual, axis: int = -1, kind: Any = None, *, stable: bool | None = None) -> None:
    """Sort in place."""
    replace(self, np.take_along_axis(self, np.argsort(self, axis, kind=kind, stable=stable), axis))


def _partition(self: Dual, kth: Any, axis: int = -1, kind: Any = "introselect") -> None:
    """Partition in place."""
    replace(self, np.take_along_axis(self, np.argpartition(self, kth, axis, kind), axis))


def _to_device(self: Dual, device: str, /, *, stream: Any = None) -> Dual:
    """Return itself: the one device of NumPy's arrays is "cpu".

    Raises ValueError for any other.
    """
    plain(self).to_device(device, stream=stream)
    return self


for _name, _method in {
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _flatten,
    "astype": _astype,
    "copy": lambda self, order="C": self.__copy__() if order == "C" else np.copy(self, order),
    "compress": _compress,
    "conj": lambda self: np.conjugate(self),
    "conjugate": lambda self: np.conjugate(self),
    "fill": _fill,
    "sort": _sort,
    "partition": _partition,
    "to_device": _to_device,
    "T": property(lambda self: _called(np.transpose, self)),
    "mT": property(lambda self: np.matrix_transpose(self)),
    "real": property(lambda self: np.real(self)),
    "imag": property(lambda self: np.imag(self)),
    "flat": property(Flat),
}.items():
    setattr(Dual, _name, _method)


def _refusing(name: str) -> Callable[..., NoReturn]:
    """Make a method that raises LostDerivativeError."""

    def method(self: Dual, *args: Any, **kwargs: Any) -> NoReturn:
        lost(f"x.{name}()")

    return method


for _name in ("item", "tolist", "tobytes", "tofile", "dump", "dumps", "view", "byteswap", "getfield"):
    setattr(Dual, _name, _refusing(_name))
