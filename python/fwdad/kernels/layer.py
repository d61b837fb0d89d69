"""What the kernels of a layer, y = act(x w + b) and its k tangents, share: checked arguments, and room for results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks
from fwdad.kernels.generate import generate
from fwdad.kernels.stream import Stream, array_or_stream

Array = NDArray[Any]
Tangents = Array | Stream | None
Arguments = tuple[Array, Array, Array | None, Array | None, Tangents, Array | None]


def tangents(
    where: str, y: tuple[int, ...], x: Array, w: Array, b: Any, dx: Any, dw: Any, db: Any
) -> tuple[str, Arguments]:
    """Check what belongs to x and w, which are checked, and a result of the shape `y`.

    Returns the device, and (x, w, b, dx, dw, db) as bodies take them: a streamed db has become an array.
    """
    n = y[-1]
    if b is not None:
        b = checks.float_array(where, "b", b, x.dtype)
        checks.shape(where, "b", b.shape, (n,), y)
    k = next((t.shape[0] for t in (dx, dw, db) if t is not None and hasattr(t, "shape") and t.shape), 0)
    if dx is not None:
        dx = checks.float_array(where, "dx", dx, x.dtype)
        checks.shape(where, "dx", dx.shape, (k, *x.shape))
    if dw is not None:
        dw = array_or_stream(where, "dw", dw, x.dtype)
        checks.shape(where, "dw", dw.shape, (k, *w.shape))
    if db is not None:
        db = array_or_stream(where, "db", db, x.dtype)
        checks.shape(where, "db", db.shape, (k, n), (k, *y))
        db = generate(db) if isinstance(db, Stream) else db
    return checks.one_device(where, x=x, w=w, b=b, dx=dx, dw=dw, db=db), (x, w, b, dx, dw, db)


def results(
    empty: Callable[[tuple[int, ...], np.dtype[Any]], Array],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *tangents: Array | Stream | None,
) -> tuple[Array, Array | None]:
    """Make room, by `empty`, for y and, if any of the tangents is there, for dy."""
    first = next((t for t in tangents if t is not None), None)
    return empty(shape, dtype), None if first is None else empty((first.shape[0], *shape), dtype)
