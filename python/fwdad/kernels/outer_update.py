"""outer_update: a layer's gradient and its step of SGD in one pass over the weights.

By itself, the gradient ``x^T g`` would be written, and then read again beside the weights and the momentum.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def outer_update(
    x: Array, g: Array, w: Array, v: Array | None, learning_rate: float, momentum: float = 0.0
) -> tuple[Array, Array | None]:
    """Compute ``v' = momentum v + x^T g`` and ``w' = w - learning_rate v'``: a step of SGD by a layer's local gradient.

    Parameters
    ----------
    x : ndarray, (M, K)
        The layer's inputs, float32 or float64: a row for each example, or for those that were drawn.
    g : ndarray, (M, N)
        The gradient of the loss with respect to its outputs, weights of the rows included.
    w : ndarray, (K, N)
        Weights.
    v : ndarray, (K, N), or None
        The momentum's buffer; None is plain SGD.
    learning_rate, momentum : float
        Rounded to the dtype of `x`.

    Returns
    -------
    w : ndarray, (K, N)
        C-contiguous, of the dtype of `x`, in which products are summed. The arguments stay as they are.
    v : ndarray, (K, N), or None
        As `w`; None without v.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together, or there is momentum without v.

    Examples
    --------
    >>> x, g, w = np.array([[1.0, 2.0]]), np.array([[10.0]]), np.zeros((2, 1))
    >>> [a.tolist() for a in outer_update(x, g, w, np.ones((2, 1)), 0.5, 0.9)]
    [[[-5.45], [-10.45]], [[10.9], [20.9]]]
    """
    where = "outer_update"
    x = checks.contiguous(where, "x", x)
    g = checks.contiguous(where, "g", g, x.dtype)
    w = checks.contiguous(where, "w", w, x.dtype)
    checks.ndim(where, "x", x, 2, "(M, K)")
    checks.ndim(where, "g", g, 2, "(M, N)")
    checks.shape(where, "g", g.shape, (len(x), g.shape[1]), why=f"x is {x.shape}")
    checks.shape(where, "w", w.shape, (x.shape[1], g.shape[1]), why=f"x is {x.shape}, g is {g.shape}")
    if v is not None:
        v = checks.contiguous(where, "v", v, x.dtype)
        checks.shape(where, "v", v.shape, w.shape, why=f"w is {w.shape}")
    elif momentum:
        raise ValueError(f"{where}: v: expected an array for momentum={momentum}, given None")
    return KERNEL.on(checks.one_device(where, x=x, g=g, w=w, v=v))(x, g, w, v, float(learning_rate), float(momentum))


def outer_update_reference(
    x: Array, g: Array, w: Array, v: Array | None, learning_rate: float, momentum: float
) -> tuple[Array, Array | None]:
    """Compute the two equations as they stand."""
    if v is None:
        return w - learning_rate * (x.T @ g), None
    new = momentum * v + x.T @ g
    return w - learning_rate * new, new


def outer_update_native(
    x: Array, g: Array, w: Array, v: Array | None, learning_rate: float, momentum: float
) -> tuple[Array, Array | None]:
    """C++: csrc/cpu/outer_update.cpp."""
    w_new, v_new = empty(w.shape, w.dtype), None if v is None else empty(w.shape, w.dtype)
    dispatch.native.outer_update(x, g, w, v, learning_rate, momentum, w_new, v_new)
    return w_new, v_new


def outer_update_cuda(
    x: Array, g: Array, w: Array, v: Array | None, learning_rate: float, momentum: float
) -> tuple[Array, Array | None]:
    """Compute it by cuBLAS and CuPy's own operations."""
    with device.launch(x):
        return outer_update_reference(x, g, w, v, learning_rate, momentum)


KERNEL = dispatch.register(
    "outer_update",
    "`v' = momentum v + x^T g`, `w' = w - learning_rate v'`: a layer's gradient and its step in one pass",
    "x (M, K), g (M, N), w (K, N), v (K, N) or None, numbers -> w' (K, N), v' (K, N) or None; products summed in the "
    "dtype of x",
    outer_update_reference,
    outer_update_native,
    outer_update_cuda,
)
