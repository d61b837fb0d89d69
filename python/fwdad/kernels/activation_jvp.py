"""activation_jvp: an activation and k tangents of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import activations, checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def activation_jvp(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """Compute ``y = act(x)`` and ``dy_i = act'(x) dx_i``.

    Parameters
    ----------
    x : ndarray, (...)
        float32 or float64.
    dx : ndarray, (k, ...)
        Tangents of `x`.
    activation : str
        A name in ACTIVATIONS.

    Returns
    -------
    y : ndarray, (...)
        C-contiguous, of the dtype of `x`; float32 to 4 units in the last place.
    dy : ndarray, (k, ...)
        As `y`.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together, or the activation is unknown.

    Examples
    --------
    >>> y, dy = activation_jvp(np.array([-1.0, 2.0]), np.ones((1, 2)), "relu")
    >>> y.tolist(), dy.tolist()
    ([0.0, 2.0], [[0.0, 1.0]])
    """
    where = "activation_jvp"
    activations.check(where, activation)
    x = checks.contiguous(where, "x", x)
    dx = checks.tangents(where, "dx", dx, "x", x)
    return KERNEL.on(checks.one_device(where, x=x, dx=dx))(x, dx, activation)


def activation_jvp_reference(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """Compute the two equations as they stand."""
    value, derivative = activations.ACTIVATIONS[activation]
    return np.asarray(value(x)), derivative(x) * dx


def activation_jvp_native(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """C++: csrc/cpu/activation_jvp.cpp."""
    y, dy = empty(x.shape, x.dtype), empty(dx.shape, x.dtype)
    dispatch.native.activation_jvp(activation, x, dx, y, dy)
    return y, dy


def activation_jvp_cuda(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """CUDA: csrc/cuda/activation_jvp.cu."""
    with device.launch(x) as launch:
        y, dy = device.empty(x.shape, x.dtype), device.empty(dx.shape, x.dtype)
        dispatch.cuda.activation_jvp(launch, activation, x, dx, y, dy)
        return y, dy


KERNEL = dispatch.register(
    "activation_jvp",
    "`y = act(x)`, `dy_i = act'(x) dx_i`",
    "x (...), dx (k, ...) -> y (...), dy (k, ...)",
    activation_jvp_reference,
    activation_jvp_native,
    activation_jvp_cuda,
)
