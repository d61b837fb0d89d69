"""The checks that public kernel functions share: an error names the argument, what was expected and what was given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels.device import device_of, is_device_array

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def float_array(where: str, name: str, value: Any, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Return `value` if it is a float32 or float64 array (of `dtype`, if given); a misaligned one is copied."""
    on_device = is_device_array(value)
    if not (on_device or isinstance(value, np.ndarray)):
        raise TypeError(f"{where}: {name}: expected a NumPy array, given {type(value).__name__}")
    if value.dtype not in FLOATS or (dtype is not None and value.dtype != dtype):
        expected = "float32 or float64" if dtype is None else f"{dtype} as the other arguments"
        raise TypeError(f"{where}: {name}: expected dtype {expected}, given {value.dtype}")
    checked: NDArray[Any] = value if on_device or value.flags.aligned else value.copy()
    return checked


def contiguous(where: str, name: str, value: Any, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Do as `float_array`, and copy an array that is not C-contiguous."""
    array = float_array(where, name, value, dtype)
    return array if array.flags.c_contiguous else array.copy(order="C")


def c_order(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, or a C-contiguous copy of one that is not."""
    return array if array.flags.c_contiguous else array.copy(order="C")


def tangents(where: str, name: str, value: Any, of: str, primal: NDArray[Any]) -> NDArray[Any]:
    """Return tangents (k, ...) of a primal (...), called `of` in the message, C-contiguous."""
    array = contiguous(where, name, value, primal.dtype)
    if array.shape[1:] != primal.shape or array.ndim == 0:
        expected = ", ".join(["k", *map(str, primal.shape)])
        raise ValueError(f"{where}: {name}: expected shape ({expected}) ({of} is {primal.shape}), given {array.shape}")
    return array


def one_device(where: str, **values: Any) -> str:
    """Return the device that all arrays and Streams (but those that are None) are on; refuse several."""
    there = [device_of(value) for value in values.values() if value is not None]
    if there.count(there[0]) != len(there):
        devices = {name: device_of(value) for name, value in values.items() if value is not None}
        given = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise TypeError(
            f"{where}: expected all arrays on one device, given {given}; move them with fwdad.kernels.to_device"
        )
    return there[0]


def shape(where: str, name: str, given: tuple[int, ...], *expected: tuple[int, ...], why: str = "") -> None:
    """Refuse a shape `given` that is none of `expected`."""
    if given not in expected:
        choices = " or ".join(str(e) for e in expected)
        raise ValueError(f"{where}: {name}: expected shape {choices}{why and f' ({why})'}, given {given}")


def ndim(where: str, name: str, value: NDArray[Any], expected: int, axes: str) -> None:
    """Refuse a value that has not `expected` axes, called `axes` in the message."""
    if value.ndim != expected:
        raise ValueError(f"{where}: {name}: expected shape {axes}, given {value.shape}")
