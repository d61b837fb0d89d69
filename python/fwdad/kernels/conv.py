"""The convolution JVP: a convolution's output and k directional derivatives of it, in one pass."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import affine, checks, dispatch
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, generate

Array = NDArray[Any]

FEW_IMAGES, SHORT_RUN = 8, 8
"""Fewer images than these do not fill a tile of the native body, and with fewer entries than these in a row of the
kernel, KW * C, its inner loop is too short: it then multiplies patches, as the reference does."""


class Window(NamedTuple):
    """A kernel's size and how it moves over an image: (vertical, horizontal) pairs.

    Output size along an axis: ``(size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``.

    >>> Window((3, 3), stride=(2, 2), padding=(1, 1)).output(28, 27)
    (14, 14)
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    def output(self, height: int, width: int) -> tuple[int, int]:
        """The size of the result for an image of this size; ValueError if no window fits in."""
        reach = [d * (n - 1) + 1 for n, d in zip(self.kernel, self.dilation, strict=True)]
        room = [size + 2 * p - r for size, p, r in zip((height, width), self.padding, reach, strict=True)]
        if min(room) < 0:
            raise ValueError(
                f"an image of {height} x {width}, padded by {self.padding}, is smaller than a window of "
                f"{reach[0]} x {reach[1]}"
            )
        return room[0] // self.stride[0] + 1, room[1] // self.stride[1] + 1

    @property
    def is_point(self) -> bool:
        """Whether the patches are the image itself."""
        return self == Window((1, 1))


def taps(x: Any, at: Window, fill: float = 0.0) -> list[Any]:
    """The image as each point of the window sees it: x (..., H, W, C) to KH * KW views (..., OH, OW, C) of one copy.

    Padding has the value `fill`. x may be anything that follows NumPy's protocols.
    """
    rows, columns = at.output(*x.shape[-3:-1])
    (top, left), (down, right) = at.padding, at.stride
    if top or left:
        width: Any = [(0, 0)] * (x.ndim - 3) + [(top, top), (left, left), (0, 0)]
        x = np.pad(x, width, constant_values=fill)
    starts = [(i * at.dilation[0], j * at.dilation[1]) for i in range(at.kernel[0]) for j in range(at.kernel[1])]
    return [
        x[..., i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * right + 1 : right, :] for i, j in starts
    ]


def patches(x: Array, at: Window) -> Array:
    """What each window sees, as rows: x (..., H, W, C) to (..., OH, OW, KH * KW * C), zeros where it sees padding.

    Costs KH * KW times the memory of x; a window of one point costs none.

    >>> patches(np.arange(4.0).reshape(1, 2, 2, 1), Window((2, 2))).tolist()
    [[[[0.0, 1.0, 2.0, 3.0]]]]
    """
    return x if at.is_point else np.concatenate(taps(x, at), axis=-1)


def conv_jvp(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | Stream | None,
    at: Window,
    activation: str = "identity",
) -> tuple[Array, Array | None]:
    """y = act(z) with z = patches(x) w + b, and dy_i = act'(z) (patches(dx_i) w + patches(x) dw_i + db_i).

    Channels come last. A None is a structural zero and costs nothing; without any tangent, dy is None. A streamed `dw`
    is generated a panel at a time and never stored. The native body makes no patches, and no products with padding.

    Args:
        x: (B, H, W, C).
        w: (KH, KW, C, N).
        b: None, (N,) or (B, OH, OW, N).
        dx: None or (k, B, H, W, C).
        dw: None or (k, KH, KW, C, N), an array or a Stream of primal_shape (KH, KW, C, N).
        db: None, (k, N) or (k, B, OH, OW, N), an array or a Stream (which is made dense first).
        at: the window; its kernel is (KH, KW).
        activation: a name in ACTIVATIONS.

    Returns:
        y (B, OH, OW, N) and dy (k, B, OH, OW, N) or None; dtype of `x`, in which products are also accumulated.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together, or an unknown activation.

    >>> x, w = np.ones((1, 2, 2, 1)), np.ones((2, 2, 1, 1))
    >>> y, dy = conv_jvp(x, w, None, None, np.full((1, 2, 2, 1, 1), 0.5), None, Window((2, 2)))
    >>> y.item(), dy.item()
    (4.0, 2.0)
    """
    here = "conv_jvp"
    if activation not in affine.ACTIVATIONS:
        raise ValueError(f"{here}: activation: expected one of {', '.join(affine.ACTIVATIONS)}, given {activation!r}")
    x = checks.float_array(here, "x", x)
    checks.ndim(here, "x", x, 4, "(B, H, W, C)")
    w = checks.float_array(here, "w", w, x.dtype)
    checks.ndim(here, "w", w, 4, "(KH, KW, C, N)")
    n = w.shape[3]
    checks.shape(here, "w", w.shape, (*at.kernel, x.shape[3], n), why=f"x is {x.shape} and the kernel {at.kernel}")
    shape = (x.shape[0], *at.output(*x.shape[1:3]), n)
    if b is not None:
        b = checks.float_array(here, "b", b, x.dtype)
        checks.shape(here, "b", b.shape, (n,), shape)
    k = next((t.shape[0] for t in (dx, dw, db) if t is not None and hasattr(t, "shape") and t.shape), 0)
    if dx is not None:
        dx = checks.float_array(here, "dx", dx, x.dtype)
        checks.shape(here, "dx", dx.shape, (k, *x.shape))
    if dw is not None:
        dw = affine.tangent(here, "dw", dw, x.dtype)
        checks.shape(here, "dw", dw.shape, (k, *w.shape))
    if db is not None:
        db = affine.tangent(here, "db", db, x.dtype)
        checks.shape(here, "db", db.shape, (k, n), (k, *shape))
        db = generate(db) if isinstance(db, Stream) else db
    body = CONV_JVP.on(checks.one_device(here, x=x, w=w, b=b, dx=dx, dw=dw, db=db))
    result: tuple[Array, Array | None] = body(x, w, b, dx, dw, db, at, activation)
    return result


def by_patches(
    product: Any,
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    at: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """The convolution by a body of the affine JVP on patches; those of dx are k times as many."""
    shape = (x.shape[0], *at.output(*x.shape[1:3]), w.shape[3])
    y, dy = product(
        _matrix(patches(x, at)),
        _matrix(w),
        None if b is None else _matrix(b) if b.ndim > 1 else b,
        None if dx is None else _matrices(patches(dx, at)),
        _matrices(dw),
        db if db is None or db.ndim == 2 else _matrices(db),
        activation,
    )
    return y.reshape(shape), None if dy is None else dy.reshape(dy.shape[0], *shape)


def _matrix(a: Array) -> Array:
    return a.reshape(prod(a.shape[:-1]), a.shape[-1])


def _matrices(a: Array | Stream | None) -> Any:
    """(k, ..., columns) as k matrices; a stream stays one."""
    if isinstance(a, Stream):
        return replace(a, primal_shape=a.matrix_shape)
    return None if a is None else a.reshape(a.shape[0], prod(a.shape[1:-1]), a.shape[-1])


def conv_jvp_reference(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    at: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """NumPy: patches, then the affine JVP's reference."""
    return by_patches(affine.affine_jvp_reference, x, w, b, dx, dw, db, at, activation)


def conv_jvp_native(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    at: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """C++: see csrc/cpu/conv.cpp."""
    assert dispatch.native is not None
    if at.is_point or x.shape[0] < FEW_IMAGES or w.shape[1] * w.shape[2] < SHORT_RUN:
        return by_patches(affine.affine_jvp_native, x, w, b, dx, dw, db, at, activation)
    y = empty((x.shape[0], *at.output(*x.shape[1:3]), w.shape[3]), x.dtype)
    first = next((t for t in (dx, dw, db) if t is not None), None)
    dy = None if first is None else empty((first.shape[0], *y.shape), x.dtype)
    moving_w = _matrices(dw)
    dispatch.native.conv_jvp(
        np.ascontiguousarray(x),
        _matrix(w),
        None if b is None else _matrix(b) if b.ndim > 1 else b,
        None if dx is None else np.ascontiguousarray(dx),
        moving_w.descriptor if isinstance(moving_w, Stream) else moving_w,
        db if db is None or db.ndim == 2 else _matrices(db),
        at,
        activation,
        y,
        dy,
    )
    return y, dy


CONV_JVP = Kernel(
    "conv_jvp",
    "x (B,H,W,C), w (KH,KW,C,N), b, dx (k,B,H,W,C), dw (k,KH,KW,C,N), db -> y (B,OH,OW,N), dy (k,B,OH,OW,N), "
    "C-contiguous; inputs of any strides; products summed in the dtype of x",
    dispatch.bodies(conv_jvp_reference, conv_jvp_native),
)
