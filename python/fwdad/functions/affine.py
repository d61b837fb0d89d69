"""The affine layer ``act(x w + b)``: one kernel for the value and its k tangents."""

from __future__ import annotations

import math

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.functions.activations import ActivationName, activation_row
from fwdad.rules.forms import align, broadcast_tangent, rule_for
from fwdad.tangents import as_dense, is_kind, kind_of


@primitive
def affine(x: Array, w: Array, b: Array | None = None, activation: ActivationName = "identity") -> Array:
    """Return ``act(x w + b)``.

    ``dy_i = act'(z) (dx_i w + x dw_i + db_i)``; what does not move costs nothing. Streamed directions of w are
    generated inside the kernel. Under nested transforms it is the plain NumPy program instead.

    Parameters
    ----------
    x : (..., K)
    w : (K, N)
    b : (N,), optional
        Or any shape that broadcasts to that of the result.
    activation : str
        A name in `ACTIVATIONS`.

    Returns
    -------
    (..., N)

    Raises
    ------
    ValueError
        For an unknown activation, or shapes that do not fit.
    TypeError
        For mixed dtypes.

    Examples
    --------
    >>> affine(np.array([[1.0, 2.0]]), np.eye(2), np.array([-1.0, -3.0]), "relu")
    array([[0., 0.]])
    """
    row = activation_row(activation)
    if not row.native:
        return row.value(affine(x, w, b))
    rows, shape = _as_rows(x, w)
    y, _ = kernels.affine_jvp(rows, w, _bias_rows(b, shape), None, None, None, activation)
    return y.reshape(shape)


@rule_for(affine)
def _affine(x: Array, w: Array, b: Array | None = None, activation: ActivationName = "identity") -> Array:
    row = activation_row(activation)
    if not row.native:
        return row.value(affine(x, w, b))
    level = highest_level((x, w, b))
    (px, dx), (pw, dw), (pb, db) = (split(a, level) for a in (x, w, b))
    if any(isinstance(a, Dual) for a in (px, dx, pw, dw, pb, db)):  # nested
        return row.value(np.matmul(x, w) if b is None else np.matmul(x, w) + b)
    rows, shape = _as_rows(px, pw)
    bias = _bias_rows(pb, shape)
    if is_kind(dx):
        # The kind multiplies itself with w, and joins what moves b.
        by_x, dx = np.matmul(dx, pw), None
        db = by_x if db is None else by_x + np.broadcast_to(align(db, px.ndim), by_x.shape)
    if is_kind(db) and dx is None and dw is None:
        # z moves by a kind alone: so does y, scaled by the slope.
        dz = align(db, px.ndim)
        if activation == "identity":
            y, _ = kernels.affine_jvp(rows, pw, bias, None, None, None)
            return Dual(y.reshape(shape), np.broadcast_to(dz, (dz.shape[0], *shape)), level)
        one = np.ones_like(pw, shape=(1, pw.shape[1]))
        y, slope = kernels.affine_jvp(rows, pw, bias, None, None, one, activation)
        assert slope is not None, "b moves by 1"
        return Dual(y.reshape(shape), dz * slope.reshape(shape), level)
    if dx is not None:
        dx = dx.reshape(dx.shape[0], *rows.shape)
    db = as_dense(db)
    if db is not None and db.ndim != 2:
        db = broadcast_tangent(db, shape).reshape(db.shape[0], len(rows), shape[-1])
    if dw is None:
        y, dy = kernels.affine_jvp(rows, pw, bias, dx, None, db, activation)
        assert dy is not None, "x or b moves"
    else:
        y, dy = kind_of(dw).affine(rows, pw, bias, dx, db, activation)
    return Dual(y.reshape(shape), dy.reshape(dy.shape[0], *shape), level)


def _as_rows(x: Array, w: Array) -> tuple[Array, tuple[int, ...]]:
    """Return x as a matrix, and the shape of ``x w``."""
    rest = x.shape[:-1]
    return (x if x.ndim == 2 else x.reshape(math.prod(rest), x.shape[-1])), (*rest, w.shape[-1])


def _bias_rows(b: Array | None, shape: tuple[int, ...]) -> Array | None:
    """Return b as the kernel takes it, (N,) or a row for each of x."""
    if b is None or b.ndim == 1:
        return b
    return (b if b.shape == shape else np.broadcast_to(b, shape)).reshape(math.prod(shape[:-1]), shape[-1])
