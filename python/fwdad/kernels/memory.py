"""Memory for the results of native kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import dispatch

LARGE = 2**23
"""Bytes from which memory is used again: below, the C library does so by itself."""


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of unspecified entries, as np.empty does; a large one reuses the memory of arrays that are gone.

    The system clears fresh memory when it is first written, which takes longer than an elementwise kernel. Up to 256 MB
    that no array uses stay with the process.

    Examples
    --------
    >>> empty((2, 3), np.dtype("float32")).shape
    (2, 3)
    """
    if dispatch.native is None or math.prod(shape) * dtype.itemsize < LARGE:
        return np.empty(shape, dtype)
    return dispatch.native.empty(dtype, shape)
