"""The affine layer ``act(x w + b)``: one kernel for the value and its k tangents."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.functions.activations import activation_row
from fwdad.rules.forms import align, rule_for
from fwdad.tangents import as_dense, is_kind, kind_of


@primitive
def affine(x: Array, w: Array, b: Array | None = None, activation: str = "identity") -> Array:
    """Return ``act(x w + b)``.

    ``dy_i = act'(z) (dx_i w + x dw_i + db_i)``; what does not move costs nothing. Streamed directions of w are
    generated inside the kernel. Under nested transforms it is the plain NumPy program instead.

    Parameters
    ----------
    x : (..., K)
    w : (K, N)
    b : (N,) or (..., N), optional
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
    rows, rest = _as_rows(x)
    y, _ = kernels.affine_jvp(rows, w, _bias_rows(b, rest), None, None, None, activation)
    return y.reshape(*rest, w.shape[1])


@rule_for(affine)
def _affine(x: Array, w: Array, b: Array | None = None, activation: str = "identity") -> Array:
    row = activation_row(activation)
    if not row.native:
        return row.value(affine(x, w, b))
    level = highest_level((x, w, b))
    (px, dx), (pw, dw), (pb, db) = (split(a, level) for a in (x, w, b))
    if any(isinstance(a, Dual) for a in (px, dx, pw, dw, pb, db)):  # nested
        return row.value(np.matmul(x, w) if b is None else np.matmul(x, w) + b)
    rows, rest = _as_rows(px)
    if is_kind(dx):
        # The kind multiplies itself with w, and joins what moves b.
        dz = np.matmul(dx, pw)
        if db is not None:
            dz = dz + np.broadcast_to(align(db, px.ndim), dz.shape)
        if dw is not None or not is_kind(dz):
            db, dz = as_dense(dz), None
        dx = None
    else:
        dz = align(db, px.ndim) if is_kind(db) and dx is None and dw is None else None
    if is_kind(dz):
        # z moves by a kind alone: so does y, scaled by the slope.
        if activation == "identity":
            y, _ = kernels.affine_jvp(rows, pw, _bias_rows(pb, rest), None, None, None)
            shape = (*rest, pw.shape[1])
            return Dual(y.reshape(shape), np.broadcast_to(dz, (dz.shape[0], *shape)), level)
        one = np.ones_like(pw, shape=(1, pw.shape[1]))
        y, slope = kernels.affine_jvp(rows, pw, _bias_rows(pb, rest), None, None, one, activation)
        assert slope is not None, "b moves by 1"
        return Dual(y.reshape(*rest, -1), dz * slope.reshape(*rest, -1), level)
    if dx is not None:
        dx = dx.reshape(dx.shape[0], *rows.shape)
    db = as_dense(db)
    if db is not None and db.ndim > 2:
        db = align(db, px.ndim)
        db = np.broadcast_to(db, (db.shape[0], *rest, db.shape[-1])).reshape(db.shape[0], *rows.shape[:1], -1)
    arguments = rows, pw, _bias_rows(pb, rest), dx
    if dw is None:
        y, dy = kernels.affine_jvp(*arguments, None, db, activation)
        assert dy is not None, "x or b moves"
    else:
        y, dy = kind_of(dw).affine(*arguments, db, activation)
    return Dual(y.reshape(*rest, -1), dy.reshape(dy.shape[0], *rest, -1), level)


def _as_rows(x: Array) -> tuple[Array, tuple[int, ...]]:
    """Return x as a matrix, and the leading shape to give the answer back."""
    rest = x.shape[:-1]
    return (x if x.ndim == 2 else x.reshape(-1, x.shape[-1])), rest


def _bias_rows(b: Array | None, rest: tuple[int, ...]) -> Array | None:
    if b is None or b.ndim == 1 or len(rest) == 1:
        return b
    return np.broadcast_to(b, (*rest, b.shape[-1])).reshape(-1, b.shape[-1])
