"""conv_jvp: a convolution's output and k directional derivatives of it, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import activations, checks, dispatch, layer, policy
from fwdad.kernels.affine_jvp import affine_jvp_cuda, affine_jvp_native, affine_jvp_reference
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, source
from fwdad.kernels.window import Window, patches

Array = NDArray[Any]


def conv_jvp(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | Stream | None,
    window: Window,
    activation: str = "identity",
) -> tuple[Array, Array | None]:
    """Compute y = act(z), z = patches(x) w + b, and dy_i = act'(z) (patches(dx_i) w + patches(x) dw_i + db_i).

    Channels come last. A None is a structural zero and costs nothing. A streamed `dw` is generated a panel at a time
    and never stored. The native body makes no patches, and no products with padding.

    Parameters
    ----------
    x : ndarray, (B, H, W, C)
        float32 or float64.
    w : ndarray, (KH, KW, C, N)
        Weights.
    b : ndarray, (N,) or (B, OH, OW, N), or None
        Bias.
    dx : ndarray, (k, B, H, W, C), or None
        Tangents of `x`.
    dw : ndarray or Stream, (k, KH, KW, C, N), or None
        Tangents of `w`.
    db : ndarray or Stream, (k, N) or (k, B, OH, OW, N), or None
        Tangents of `b`; a Stream is made dense first.
    window : Window
        How the kernel moves; its size is (KH, KW).
    activation : str, default "identity"
        A name in ACTIVATIONS.

    Returns
    -------
    y : ndarray, (B, OH, OW, N)
        C-contiguous, of the dtype of `x`, in which products are summed.
    dy : ndarray, (k, B, OH, OW, N), or None
        None without any tangent.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together, or the activation is unknown.

    Examples
    --------
    >>> x, w = np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1))
    >>> y, dy = conv_jvp(x, w, None, None, np.full((1, 2, 2, 1, 1), 0.5), None, Window((2, 2)))
    >>> y.item(), dy.item()
    (4.0, 2.0)
    """
    where = "conv_jvp"
    activations.check(where, activation)
    x = checks.float_array(where, "x", x)
    checks.ndim(where, "x", x, 4, "(B, H, W, C)")
    w = checks.float_array(where, "w", w, x.dtype)
    checks.ndim(where, "w", w, 4, "(KH, KW, C, N)")
    n, size = w.shape[3], window.kernel
    checks.shape(where, "w", w.shape, (*size, x.shape[3], n), why=f"x is {x.shape} and the kernel {size}")
    y = (x.shape[0], *window.output(*x.shape[1:3]), n)
    place, arguments = layer.tangents(where, y, x, w, b, dx, dw, db)
    return KERNEL.on(place)(*arguments, window, activation)


def _by_patches(
    affine_jvp: Callable[..., tuple[Array, Array | None]],
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    window: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """Compute the convolution by a body of the affine JVP on patches; those of dx are k times as many."""
    shape = (x.shape[0], *window.output(*x.shape[1:3]), w.shape[3])
    w, b, dw, db = _matrices(w, b, dw, db)
    dx = None if dx is None else _rows_of_each(patches(dx, window))
    y, dy = affine_jvp(_rows(patches(x, window)), w, b, dx, dw, db, activation)
    return y.reshape(shape), None if dy is None else dy.reshape(dy.shape[0], *shape)


def _matrices(w: Array, b: Array | None, dw: Array | Stream | None, db: Array | None) -> tuple[Any, Any, Any, Any]:
    """Return the arguments that the affine JVP takes for these; a stream stays one."""
    if isinstance(dw, Stream):
        dw = replace(dw, primal_shape=dw.matrix_shape)
    elif dw is not None:
        dw = _rows_of_each(dw)
    b = b if b is None or b.ndim == 1 else _rows(b)
    return _rows(w), b, dw, db if db is None or db.ndim == 2 else _rows_of_each(db)


def _rows(a: Array) -> Array:
    """Return all axes but the last as one."""
    return a.reshape(prod(a.shape[:-1]), a.shape[-1])


def _rows_of_each(a: Array) -> Array:
    """Return all axes but the first and the last as one."""
    return a.reshape(a.shape[0], prod(a.shape[1:-1]), a.shape[-1])


def conv_jvp_native(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    window: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """C++: csrc/cpu/conv_jvp.cpp; where that does not fill its tiles, csrc/cpu/affine_jvp.cpp on patches."""
    if window.is_point or policy.use_patches(x.shape[0], w.shape[1] * w.shape[2]):
        return _by_patches(affine_jvp_native, x, w, b, dx, dw, db, window, activation)
    shape = (x.shape[0], *window.output(*x.shape[1:3]), w.shape[3])
    y, dy = layer.results(empty, shape, x.dtype, dx, dw, db)
    w, b, dw, db = _matrices(w, b, dw, db)
    dx = None if dx is None else np.ascontiguousarray(dx)
    dispatch.native.conv_jvp(np.ascontiguousarray(x), w, b, dx, source(dw), db, window, activation, y, dy)
    return y, dy


KERNEL: Kernel[Callable[..., tuple[Array, Array | None]]] = dispatch.register(
    "conv_jvp",
    "a convolution and its tangents, as `affine_jvp` on patches",
    "x (B, H, W, C), w (KH, KW, C, N), b, dx (k, B, H, W, C), dw (k, KH, KW, C, N) or a Stream, db -> "
    "y (B, OH, OW, N), dy (k, B, OH, OW, N); inputs of any strides; products summed in the dtype of x",
    partial(_by_patches, affine_jvp_reference),
    conv_jvp_native,
    partial(_by_patches, affine_jvp_cuda),
)
