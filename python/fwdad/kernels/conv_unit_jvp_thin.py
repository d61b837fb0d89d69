"""conv_unit_jvp_thin: what every unit of a layer does to the loss, through a convolution after it.

Bound by arithmetic: ``2 KH KW C c`` operations for every entry of the convolution's output whose slope is not zero.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty
from fwdad.kernels.window import Window

Array = NDArray[Any]


def conv_unit_jvp_thin(w: Array, r: Array, s: Array, v: Array, e: Array, window: Window) -> Array:
    """Push the direction of each unit of a layer forward through a convolution, a slope and a thin product.

    As `unit_jvp_thin` at each position q of the convolution's output, added up over all positions that see the unit:
    ``d_bi = r_bi sum_q sum_c e_bc (sum_m w[tap of i at q, m] s_bqm v_qmc)``. Channels come last.

    Parameters
    ----------
    w : ndarray, (KH, KW, C, N)
        float32 or float64: the convolution's weights.
    r : ndarray, (B, H, W, C)
        Slopes of the units, for each example.
    s : ndarray, (B, OH, OW, N)
        Slopes behind the convolution.
    v : ndarray, (OH, OW, N, c)
        The product behind these, with c outputs.
    e : ndarray, (B, c)
        The gradient of the loss with respect to the outputs.
    window : Window
        How the convolution's kernel moves; its size is (KH, KW).

    Returns
    -------
    ndarray, (B, H, W, C)
        C-contiguous, of the dtype of `w`, in which products are summed.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together.

    Notes
    -----
    Whatever does not move, r or s being zero, adds nothing, and an infinity or NaN that it meets is not seen. At each
    position the c tangents are formed first and then contracted with e: see `unit_jvp_thin`.

    Examples
    --------
    >>> w, v = np.full((1, 2, 1, 1), 3.0), np.array([[[[1.0]], [[10.0]]]])
    >>> one = np.ones((1, 1, 2, 1))
    >>> d = conv_unit_jvp_thin(w, np.ones((1, 1, 3, 1)), one, v, np.array([[2.0]]), Window((1, 2)))
    >>> d.ravel().tolist()
    [6.0, 66.0, 60.0]
    """
    where = "conv_unit_jvp_thin"
    w = checks.contiguous(where, "w", w)
    checks.ndim(where, "w", w, 4, "(KH, KW, C, N)")
    r = checks.contiguous(where, "r", r, w.dtype)
    s = checks.contiguous(where, "s", s, w.dtype)
    v = checks.contiguous(where, "v", v, w.dtype)
    e = checks.contiguous(where, "e", e, w.dtype)
    checks.ndim(where, "r", r, 4, "(B, H, W, C)")
    checks.ndim(where, "e", e, 2, "(B, c)")
    channels, n = w.shape[2:]
    checks.shape(where, "w", w.shape, (*window.kernel, channels, n), why=f"the kernel is {window.kernel}")
    checks.shape(where, "r", r.shape, (*r.shape[:3], channels), why=f"w is {w.shape}")
    place = window.output(*r.shape[1:3])
    checks.shape(where, "s", s.shape, (len(r), *place, n), why=f"w is {w.shape}, r is {r.shape}")
    checks.shape(where, "e", e.shape, (len(r), e.shape[1]), why=f"r is {r.shape}")
    checks.shape(where, "v", v.shape, (*place, n, e.shape[1]), why=f"s is {s.shape}, e is {e.shape}")
    return KERNEL.on(checks.one_device(where, w=w, r=r, s=s, v=v, e=e))(w, r, s, v, e, window)


@np.errstate(invalid="ignore")
def conv_unit_jvp_thin_reference(w: Array, r: Array, s: Array, v: Array, e: Array, window: Window) -> Array:
    """Compute the tangents of the outputs at each position, of what moves; contract and add them up."""
    (top, left), (down, right), (row, column) = window.padding, window.stride, window.dilation
    (height, width), image = window.kernel, r.shape[1:3]
    padded = np.zeros_like(r, shape=(len(r), image[0] + 2 * top, image[1] + 2 * left, r.shape[3]))
    for b, i, j in np.ndindex(s.shape[:3]):
        moving = s[b, i, j] != 0
        tangents = (w[..., moving] * s[b, i, j, moving]) @ v[i, j, moving]  # (KH, KW, C, c)
        y, x = i * down, j * right
        seen = padded[b, y : y + row * (height - 1) + 1 : row, x : x + column * (width - 1) + 1 : column]
        seen += tangents @ e[b]
    sums = padded[:, top : top + image[0], left : left + image[1]]
    return np.where(r == 0, np.zeros_like(r), r * sums)


def conv_unit_jvp_thin_native(w: Array, r: Array, s: Array, v: Array, e: Array, window: Window) -> Array:
    """C++: csrc/cpu/conv_unit_jvp_thin.cpp."""
    out = empty(r.shape, r.dtype)
    dispatch.native.conv_unit_jvp_thin(w.reshape(prod(w.shape[:3]), w.shape[3]), r, s, v, e, window, out)
    return out


def conv_unit_jvp_thin_cuda(w: Array, r: Array, s: Array, v: Array, e: Array, window: Window) -> Array:
    """Compute it by CuPy's own operations, a position at a time."""
    with device.launch(w):
        return conv_unit_jvp_thin_reference(w, r, s, v, e, window)


KERNEL = dispatch.register(
    "conv_unit_jvp_thin",
    "`unit_jvp_thin` where the layer after the units is a convolution",
    "w (KH, KW, C, N), r (B, H, W, C), s (B, OH, OW, N), v (OH, OW, N, c), e (B, c), Window -> (B, H, W, C); zeros of "
    "r and s give zero, whatever they meet; products summed in the dtype of w",
    conv_unit_jvp_thin_reference,
    conv_unit_jvp_thin_native,
    conv_unit_jvp_thin_cuda,
)
