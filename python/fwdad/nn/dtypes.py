"""The dtypes that layers compute in: float32 and float64, one for the parameters and the input."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

SUPPORTED = ("float32", "float64")


def floating(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of a layer's parameters; TypeError unless it is float32 or float64.

    Examples
    --------
    >>> floating("float64")
    dtype('float64')
    """
    found: np.dtype[Any] | None = None
    with contextlib.suppress(TypeError):
        found = np.dtype(dtype)
    if found is None or found.name not in SUPPORTED:
        raise TypeError(
            f"a layer's dtype must be float32 or float64, got {dtype if found is None else found}; weights of another "
            "float dtype can be loaded into a float32 model, which widens them"
        )
    return found


def check_input(layer: Any, x: Any, own: np.dtype[Any]) -> None:
    """Raise TypeError unless the input has the dtype of the parameters; complex numbers are not of real use here."""
    given = getattr(x, "dtype", None)
    if given is None:
        raise TypeError(f"{type(layer).__name__}: the input x is a {type(x).__name__}; pass np.asarray(x, np.{own})")
    if given != own and given.kind in "fiub" and own.kind == "f":
        other = f", or make the layer with dtype=np.{given}" if given.name in SUPPORTED else ""
        raise TypeError(
            f"{type(layer).__name__}: the input x is {given} {x.shape}, but the parameters are {own}; pass "
            f"x.astype(np.{own}){other}"
        )
