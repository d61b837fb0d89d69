"""The namespace of the Python Array API standard for Duals and arrays alike: ``xp = dual.__array_namespace__()``.

It is NumPy's own: most of its functions find the rules of Duals by themselves. This module holds those that do not look
at their arguments' type, and those whose standard signature NumPy lacks.

Source: Consortium for Python Data API Standards, Python array API standard, v2024.12.

>>> import fwdad
>>> def norm(x):
...     xp = x.__array_namespace__()
...     return xp.sqrt(xp.sum(xp.square(x)))
>>> float(norm(np.array([3.0, 4.0]))), fwdad.jvp(norm, (np.array([3.0, 4.0]),), (np.array([1.0, 0.0]),))[1].round(3)
(5.0, np.float64(0.6))
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual
from fwdad.rules.creation import holds_duals, joined

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def __getattr__(name: str) -> Any:
    return getattr(np, name)


def __dir__() -> list[str]:
    return sorted({*dir(np), *globals()})


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Array:
    """Do what NumPy's asarray does, but leave a Dual a Dual, and stack sequences that contain Duals.

    Raises ValueError where a copy is needed and copy=False.
    """
    if isinstance(obj, Dual):
        if dtype is not None and dtype != obj.dtype:
            if copy is False:
                raise ValueError(f"a Dual of dtype {obj.dtype} cannot become {np.dtype(dtype)} without a copy")
            return astype(obj, dtype)
        return obj.__copy__() if copy else obj
    if holds_duals(obj):
        if copy is False:
            raise ValueError("a sequence of Duals cannot become one array without a copy")
        return asarray(joined(obj), dtype=dtype)
    return np.asarray(obj, dtype=dtype, device=device, copy=copy)


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """Cast x to another dtype; a Dual becomes a plain array where the dtype is integer or boolean.

    Raises LostDerivativeError for a complex Dual and a real dtype.
    """
    method: Any = x.astype if hasattr(x, "astype") else None
    return method(dtype, copy=copy) if isinstance(x, Dual) else np.astype(x, dtype, copy=copy, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Fill an array with one value, which may be a Dual of shape ()."""
    like: Any = {"like": fill_value} if isinstance(fill_value, Dual) else {}
    return np.full(shape, fill_value, dtype=dtype, device=device, **like)


def full_like(x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Fill an array of x's shape, and of x's dtype if none is given, with one value."""
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=device)


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Return the indices that sort x along an axis; ties keep their order if stable, also where descending."""
    if not descending:
        return np.argsort(x, axis=axis, stable=stable)
    # Backwards twice: the last of equal entries comes first in the reversed array, and first again at the end.
    order = np.argsort(np.flip(x, axis), axis=axis, stable=stable)
    return np.flip(x.shape[axis] - 1 - order, axis)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """Sort x along an axis; each tangent moves with its primal."""
    return np.take_along_axis(x, argsort(x, axis=axis, descending=descending, stable=stable), axis)


def _namespace(self: Dual, *, api_version: str | None = None) -> ModuleType:
    """Return the namespace in which code written to the Array API standard runs on Duals.

    Raises ValueError for a version of the standard that it does not follow.
    """
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(f"api_version must be one of {', '.join(VERSIONS)}; got {api_version!r}")
    return sys.modules[__name__]


setattr(Dual, "__array_namespace__", _namespace)  # noqa: B010  the class lies below this module
