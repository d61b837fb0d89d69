"""Convolution: a matrix product over patches that are never made."""

from __future__ import annotations

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, primitive, split
from fwdad.functions.activations import ActivationName, activation_row
from fwdad.kernels import Window, patches
from fwdad.rules.forms import align, rule_for
from fwdad.tangents import as_dense, is_kind, kind_of


@primitive
def conv2d(x: Array, w: Array, b: Array | None, window: Window, activation: ActivationName = "identity") -> Array:
    """Return ``act(conv(x, w) + b)``, channels last.

    ``y[., r, s, o] = act(sum_ijc x[., r i', s j', c] w[i, j, c, o] + b)``: one product of patches and w, so
    ``dy_i = act'(z) (patches(dx_i) w + patches(x) dw_i + db_i)``, for which the kernel makes no patches. What does not
    move costs nothing.

    Parameters
    ----------
    x : (B, H, W, C)
    w : (KH, KW, C, O)
    b : (O,) or (B, OH, OW, O), or None
    window : Window
        Where the kernel looks.
    activation : str
        A name in `ACTIVATIONS`.

    Returns
    -------
    (B, OH, OW, O)

    Raises
    ------
    ValueError
        For an unknown activation, or shapes that do not fit.
    TypeError
        For mixed dtypes.

    Examples
    --------
    >>> conv2d(np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 3)), None, Window((2, 2))).tolist()
    [[[[4.0, 4.0, 4.0]]]]
    """
    row = activation_row(activation)
    if not row.native:
        return row.value(conv2d(x, w, b, window))
    return kernels.conv_jvp(x, w, b, None, None, None, window, activation)[0]


@rule_for(conv2d)
def _conv2d(x: Array, w: Array, b: Array | None, window: Window, activation: ActivationName = "identity") -> Array:
    row = activation_row(activation)
    if not row.native:
        return row.value(conv2d(x, w, b, window))
    level = highest_level((x, w, b))
    (px, dx), (pw, dw), (pb, db) = (split(a, level) for a in (x, w, b))
    if any(isinstance(a, Dual) for a in (px, dx, pw, dw, pb, db)):  # nested
        z = np.matmul(patches(x, window), np.reshape(w, (-1, w.shape[-1])))
        return row.value(z if b is None else z + b)
    if is_kind(dx):
        by_x, dx = dx.convolved(pw, window), None
        db = by_x if db is None else by_x + np.broadcast_to(align(db, px.ndim), by_x.shape)
    if is_kind(db) and dx is None and dw is None and db.ndim == 5:
        # z moves by a kind alone: so does y, scaled by the slope.
        one = np.ones_like(pw, shape=(1, pw.shape[3]))
        y, slope = kernels.conv_jvp(px, pw, pb, None, None, one, window, activation)
        assert slope is not None, "b moves by 1"
        return Dual(y, db if activation == "identity" else db * slope[0], level)
    arguments = px, pw, pb, dx
    if dw is None:
        y, dy = kernels.conv_jvp(*arguments, None, as_dense(db), window, activation)
    else:
        y, dy = kind_of(dw).convolution(*arguments, as_dense(db), window, activation)
    return Dual(y, dy, level)
