"""Elementwise JVPs and their reductions: one derivative meets k tangents, dy_i = f'(x) dx_i; and sums of two arrays.

All of them are bound by memory. NumPy's own `f'(x) * dx` runs on one thread and, for two terms, writes the tangents
three times; these compute a derivative once for a tile that stays in the cache, and read and write each tangent once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch
from fwdad.kernels.affine import ACTIVATIONS
from fwdad.kernels.device import is_device_array
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty

Array = NDArray[Any]

WORTH_A_CALL = 2**16
"""Tangent entries from which on a kernel's second thread makes good for its call."""


def pays(tangent: Any, factor: Any) -> bool:
    """Whether these kernels may take ``factor dx_i``, and are faster at it than NumPy is.

    True for large C-contiguous tangents (k, ...) and a factor (...) of one float dtype: no broadcasting. On a CUDA
    device the same sizes are taken; what is faster there has not been measured.
    """
    if type(tangent) is np.ndarray and tangent.size < WORTH_A_CALL:  # `_large` says so, too; this saves its call
        return False
    return _large(tangent, factor) and bool(factor.shape == tangent.shape[1:])


def axpby_pays(x: Any, y: Any) -> bool:
    """Whether `axpby` takes these arrays, and is faster than NumPy's `a * x + b * y`: see `pays`."""
    return _large(x, y) and bool(x.shape == y.shape)


def _large(x: Any, y: Any) -> bool:
    """Whether x is large, and both are C-contiguous arrays of one float dtype on the same kind of device."""
    on_host = type(x) is np.ndarray
    return (
        (dispatch.native is not None if on_host else is_device_array(x))
        and type(y) is type(x)
        and x.size >= WORTH_A_CALL
        and y.dtype == x.dtype
        and y.dtype in checks.FLOATS
        and x.flags.c_contiguous
        and y.flags.c_contiguous
        and (not on_host or (x.flags.aligned and y.flags.aligned))
    )


def activation_jvp(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """``y = act(x)`` and ``dy_i = act'(x) dx_i``.

    Args:
        x: (...), float32 or float64.
        dx: (k, ...).
        activation: a name in ACTIVATIONS.

    Returns:
        y (...) and dy (k, ...), C-contiguous, of the dtype of `x`; float32 to 4 units in the last place.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together, or an unknown activation.

    >>> y, dy = activation_jvp(np.array([-1.0, 2.0]), np.ones((1, 2)), "relu")
    >>> y.tolist(), dy.tolist()
    ([0.0, 2.0], [[0.0, 1.0]])
    """
    here = "activation_jvp"
    if activation not in ACTIVATIONS:
        raise ValueError(f"{here}: activation: expected one of {', '.join(ACTIVATIONS)}, given {activation!r}")
    x = _contiguous(here, "x", x)
    dx = _tangents(here, "dx", dx, "x", x)
    result: tuple[Array, Array] = ACTIVATION_JVP.on(checks.one_device(here, x=x, dx=dx))(x, dx, activation)
    return result


def scaled_tangents(a: Array, dx: Array, b: Array | None = None, dy: Array | None = None) -> Array:
    """``dz_i = a dx_i``, or ``a dx_i + b dy_i``: every elementwise rule of one or two arguments, partials a and b.

    Args:
        a: (...), float32 or float64.
        dx: (k, ...).
        b: None, or (...) as `a`.
        dy: None, or (k, ...) as `dx`.

    Returns:
        (k, ...), C-contiguous, of the dtype of `a`.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together, or one of b and dy without the other.

    >>> scaled_tangents(np.array([1.0, 2.0]), np.ones((1, 2)), np.array([3.0, 4.0]), np.ones((1, 2))).tolist()
    [[4.0, 6.0]]
    """
    here = "scaled_tangents"
    a = _contiguous(here, "a", a)
    dx = _tangents(here, "dx", dx, "a", a)
    if (b is None) != (dy is None):
        raise ValueError(f"{here}: expected both b and dy or neither, given {'dy' if b is None else 'b'} alone")
    if b is not None:
        b = _contiguous(here, "b", b, a.dtype)
        checks.shape(here, "b", b.shape, a.shape)
        dy = _contiguous(here, "dy", dy, a.dtype)
        checks.shape(here, "dy", dy.shape, dx.shape)
    result: Array = SCALED_TANGENTS.on(checks.one_device(here, a=a, dx=dx, b=b, dy=dy))(a, dx, b, dy)
    return result


def axpby(a: float, x: Array, b: float, y: Array) -> Array:
    """``a x + b y``, in one pass: what optimisers do to parameters, gradients and their moving averages.

    Args:
        a, b: numbers, rounded to the dtype of `x`.
        x: (...), float32 or float64.
        y: (...), as `x`.

    Returns:
        (...), C-contiguous, of the dtype of `x`; both products and the sum are rounded, as NumPy does.

    Raises:
        TypeError: x and y are not arrays of one common float dtype.
        ValueError: their shapes differ.

    >>> axpby(1.0, np.array([1.0, 2.0]), -0.5, np.array([4.0, 8.0])).tolist()
    [-1.0, -2.0]
    """
    here = "axpby"
    x = _contiguous(here, "x", x)
    y = _contiguous(here, "y", y, x.dtype)
    checks.shape(here, "y", y.shape, x.shape, why=f"x is {x.shape}")
    result: Array = AXPBY.on(checks.one_device(here, x=x, y=y))(float(a), x, float(b), y)
    return result


def weighted_rows(w: Array, dx: Array) -> Array:
    """``d_i = sum_j w_j dx_ij`` over the last axis: the tangents of a reduction whose partials are w.

    Args:
        w: (..., n), float32 or float64.
        dx: (k, ..., n).

    Returns:
        (k, ...), C-contiguous, of the dtype of `w`, in which it is summed.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together.

    >>> weighted_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((1, 2, 2))).tolist()
    [[3.0, 7.0]]
    """
    here = "weighted_rows"
    w = _contiguous(here, "w", w)
    if w.ndim == 0:
        raise ValueError(f"{here}: w: expected shape (..., n), given ()")
    dx = _tangents(here, "dx", dx, "w", w)
    k, n = dx.shape[0], w.shape[-1]
    rows = w.size // n if n else int(np.prod(w.shape[:-1], dtype=np.int64))
    body = WEIGHTED_ROWS.on(checks.one_device(here, w=w, dx=dx))
    result: Array = body(w.reshape(rows, n), dx.reshape(k, rows, n))
    return result.reshape(dx.shape[:-1])


def cross_entropy_jvp(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """``loss_r = logsumexp(z_r) - z_r[label_r]`` and ``dloss_ir = <softmax(z_r) - e_label, dz_ir>``.

    Args:
        z: (B, classes), float32 or float64, at least one class.
        labels: (B,) integers from 0 to classes - 1.
        dz: (k, B, classes).

    Returns:
        loss (B,) and dloss (k, B), C-contiguous, of the dtype of `z`. Where a row holds an infinity or NaN, they may be
        NaN.

    Raises:
        TypeError: z and dz are not arrays of one common float dtype, or labels are not integers.
        ValueError: shapes do not fit together, or a label is out of range.

    >>> loss, dloss = cross_entropy_jvp(np.zeros((1, 2)), np.array([1]), np.array([[[0.0, 1.0]]]))
    >>> loss.round(3).tolist(), dloss.tolist()
    ([0.693], [[-0.5]])
    """
    here = "cross_entropy_jvp"
    z = _contiguous(here, "z", z)
    checks.ndim(here, "z", z, 2, "(B, classes)")
    if z.shape[1] == 0:
        raise ValueError(f"{here}: z: expected at least one class, given {z.shape}")
    if not (isinstance(labels, np.ndarray) or is_device_array(labels)) or labels.dtype.kind not in "iu":
        raise TypeError(f"{here}: labels: expected an array of integers, given {getattr(labels, 'dtype', labels)}")
    checks.shape(here, "labels", labels.shape, z.shape[:1], why=f"z is {z.shape}")
    if labels.size and not (labels.min() >= 0 and labels.max() < z.shape[1]):
        raise ValueError(f"{here}: labels: expected 0 to {z.shape[1] - 1}, given {labels.min()} to {labels.max()}")
    dz = _tangents(here, "dz", dz, "z", z)
    body = CROSS_ENTROPY_JVP.on(checks.one_device(here, z=z, labels=labels, dz=dz))
    result: tuple[Array, Array] = body(z, labels.astype(np.int64, order="C", copy=False), dz)
    return result


def _contiguous(here: str, name: str, value: Any, dtype: np.dtype[Any] | None = None) -> Array:
    array = checks.float_array(here, name, value, dtype)
    return array if array.flags.c_contiguous else array.copy(order="C")


def _tangents(here: str, name: str, value: Any, of: str, primal: Array) -> Array:
    """Check tangents of a primal, and make them C-contiguous."""
    array: Array = _contiguous(here, name, value, primal.dtype)
    if array.shape[1:] != primal.shape or array.ndim == 0:
        expected = ", ".join(["k", *map(str, primal.shape)])
        raise ValueError(f"{here}: {name}: expected shape ({expected}) ({of} is {primal.shape}), given {array.shape}")
    return array


def activation_jvp_reference(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """NumPy: the two equations as they stand."""
    value, derivative = ACTIVATIONS[activation]
    return np.asarray(value(x)), derivative(x) * dx


def scaled_tangents_reference(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """NumPy: the equation as it stands."""
    return a * dx if b is None or dy is None else a * dx + b * dy


def axpby_reference(a: float, x: Array, b: float, y: Array) -> Array:
    """NumPy: as it stands."""
    return np.asarray(a * x + b * y)


def weighted_rows_reference(w: Array, dx: Array) -> Array:
    """NumPy: the equation as it stands."""
    return np.asarray(np.sum(w * dx, axis=-1))


def cross_entropy_jvp_reference(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """NumPy: the two equations, with the largest logit taken out so that nothing overflows."""
    rows = np.arange(len(labels))
    top = z.max(axis=1)
    p = np.exp(z - top[:, None])
    total = p.sum(axis=1)
    weights = p / total[:, None]
    weights[rows, labels] -= 1
    return np.log(total) + (top - z[rows, labels]), np.sum(weights * dz, axis=-1)


def activation_jvp_native(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """C++: see csrc/cpu/elementwise.cpp."""
    assert dispatch.native is not None
    y, dy = empty(x.shape, x.dtype), empty(dx.shape, x.dtype)
    dispatch.native.activation_jvp(activation, x, dx, y, dy)
    return y, dy


def scaled_tangents_native(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """C++: see csrc/cpu/elementwise.cpp."""
    assert dispatch.native is not None
    out = empty(dx.shape, a.dtype)
    dispatch.native.scaled_tangents(a, dx, b, dy, out)
    return out


def axpby_native(a: float, x: Array, b: float, y: Array) -> Array:
    """C++: see csrc/cpu/elementwise.cpp."""
    assert dispatch.native is not None
    out = empty(x.shape, x.dtype)
    dispatch.native.axpby(a, x, b, y, out)
    return out


def weighted_rows_native(w: Array, dx: Array) -> Array:
    """C++: see csrc/cpu/elementwise.cpp."""
    assert dispatch.native is not None
    out = np.empty(dx.shape[:-1], w.dtype)
    dispatch.native.weighted_rows(w, dx, out)
    return out


def cross_entropy_jvp_native(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """C++: see csrc/cpu/elementwise.cpp."""
    assert dispatch.native is not None
    loss, dloss = np.empty(len(z), z.dtype), np.empty(dz.shape[:2], z.dtype)
    dispatch.native.cross_entropy_jvp(z, labels, dz, loss, dloss)
    return loss, dloss


ACTIVATION_JVP = Kernel(
    "activation_jvp",
    "x (...), dx (k, ...) -> y (...), dy (k, ...); all C-contiguous",
    dispatch.bodies(activation_jvp_reference, activation_jvp_native),
)
SCALED_TANGENTS = Kernel(
    "scaled_tangents",
    "a (...), dx (k, ...), b, dy -> a dx + b dy (k, ...); all C-contiguous; b and dy may be None",
    dispatch.bodies(scaled_tangents_reference, scaled_tangents_native),
)
AXPBY = Kernel(
    "axpby",
    "numbers a, b, arrays x, y (...) -> a x + b y (...), C-contiguous, every operation rounded; all bodies' bits agree",
    dispatch.bodies(axpby_reference, axpby_native),
)
WEIGHTED_ROWS = Kernel(
    "weighted_rows",
    "w (B, n), dx (k, B, n) -> sums over n (k, B), in the dtype of w; all C-contiguous",
    dispatch.bodies(weighted_rows_reference, weighted_rows_native),
)
CROSS_ENTROPY_JVP = Kernel(
    "cross_entropy_jvp",
    "z (B, n), labels (B,) int64, dz (k, B, n) -> loss (B,), dloss (k, B); all C-contiguous",
    dispatch.bodies(cross_entropy_jvp_reference, cross_entropy_jvp_native),
)
