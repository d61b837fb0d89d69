"""Random arguments of a layer, for the kernels that compute one and its tangents."""

import math

import numpy as np

from fwdad.kernels import Stream


def draw(x, w, y, k, dtype, *, bias=1, dx=True, dw="dense", db=1, seed=0):
    """x, w, b, dx, dw, db for these shapes: bias and db are None, 1 (a row for all) or 2 (as y); dw also a stream."""
    rng = np.random.default_rng([seed, *x, *w, k])

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    return (
        normal(*x),
        normal(*w) / np.sqrt(max(math.prod(w[:-1]), 1), dtype=dtype),
        None if bias is None else normal(*y[-1:]) if bias == 1 else normal(*y),
        normal(k, *x) if dx else None,
        normal(k, *w) if dw == "dense" else None if dw is None else Stream(7, 2, 3, dw, k, w, np.dtype(dtype)),
        None if db is None else normal(k, *y[-1:]) if db == 1 else normal(k, *y),
    )


def affine(m, depth, n, k, dtype, **options):
    """Arguments of affine_jvp."""
    return draw((m, depth), (depth, n), (m, n), k, dtype, **options)
