"""affine_jvp: a layer's output and k directional derivatives of it, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import activations, checks, device, dispatch, layer, policy
from fwdad.kernels.activation_jvp import activation_jvp_cuda
from fwdad.kernels.generate import dense
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream, source
from fwdad.kernels.stream_product import stream_product_cuda

Array = NDArray[Any]


def affine_jvp(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | Stream | None,
    activation: str = "identity",
) -> tuple[Array, Array | None]:
    """Compute y = act(z) with z = x w + b, and dy_i = act'(z) (dx_i w + x dw_i + db_i) for k tangents.

    A None is a structural zero and costs nothing. Arguments may have any strides (a transposed or broadcast view is
    read as it is). A streamed `dw` is generated tile by tile inside the product and never stored.

    Parameters
    ----------
    x : ndarray, (M, K)
        float32 or float64.
    w : ndarray, (K, N)
        Weights.
    b : ndarray, (N,) or (M, N), or None
        Bias.
    dx : ndarray, (k, M, K), or None
        Tangents of `x`.
    dw : ndarray or Stream, (k, K, N), or None
        Tangents of `w`.
    db : ndarray or Stream, (k, N) or (k, M, N), or None
        Tangents of `b`; a Stream is made dense first.
    activation : str, default "identity"
        A name in ACTIVATIONS.

    Returns
    -------
    y : ndarray, (M, N)
        C-contiguous, of the dtype of `x`, in which products are summed.
    dy : ndarray, (k, M, N), or None
        None without any tangent.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together, or the activation is unknown.

    Examples
    --------
    >>> x, w = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    >>> y, dy = affine_jvp(x, w, None, None, np.ones((1, 2, 1)), None, "relu")
    >>> y.tolist(), dy.tolist()
    ([[11.0]], [[[3.0]]])
    """
    place, arguments = checked("affine_jvp", x, w, b, dx, dw, db, activation)
    return KERNEL.on(place)(*arguments, activation)


def checked(
    where: str, x: Any, w: Any, b: Any, dx: Any, dw: Any, db: Any, activation: str
) -> tuple[str, layer.Arguments]:
    """Return the device, and (x, w, b, dx, dw, db) as bodies take them."""
    activations.check(where, activation)
    x = checks.float_array(where, "x", x)
    checks.ndim(where, "x", x, 2, "(M, K)")
    w = checks.float_array(where, "w", w, x.dtype)
    checks.ndim(where, "w", w, 2, "(K, N)")
    (m, depth), n = x.shape, w.shape[1]
    checks.shape(where, "w", w.shape, (depth, n), why=f"x is {x.shape}")
    return layer.tangents(where, (m, n), x, w, b, dx, dw, db)


def affine_jvp_reference(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """Compute the two equations as they stand."""
    value, derivative = activations.ACTIVATIONS[activation]
    z = x @ w
    if b is not None:
        z += b
    terms = []
    if dx is not None:
        terms.append(dx @ w)
    if dw is not None:
        terms.append(x @ dense(dw))
    if db is not None:
        terms.append(np.broadcast_to(db if db.ndim == 3 else db[:, None, :], (len(db), *z.shape)))
    return value(z), derivative(z) * sum(terms[1:], terms[0]) if terms else None


def affine_jvp_native(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """C++: csrc/cpu/affine_jvp.cpp."""
    y, dy = layer.results(empty, (x.shape[0], w.shape[1]), x.dtype, dx, dw, db)
    dispatch.native.affine_jvp(x, w, b, dx, source(dw), db, activation, y, dy)
    return y, dy


def affine_jvp_cuda(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """CUDA: csrc/cuda/affine_jvp.cu; large dense products by cuBLAS, where CuPy finds it."""
    dense_tangents = sum(len(t) for t in (dx, dw) if t is not None and not isinstance(t, Stream))
    if policy.use_cublas(dense_tangents * x.size * w.shape[1]):
        return _by_cublas(x, w, b, dx, dw, db, activation)
    with device.launch(x) as launch:
        y, dy = layer.results(device.empty, (x.shape[0], w.shape[1]), x.dtype, dx, dw, db)
        dispatch.cuda.affine_jvp(launch, x, w, b, dx, source(dw), db, activation, y, dy)
        return y, dy


def _by_cublas(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """Do the same for dx or a dense dw by `@` of CuPy's arrays, which is cuBLAS, then add biases and activate."""
    with device.launch(x):
        z = x @ w
        if b is not None:
            z += b
        terms = []
        if dx is not None:
            k, m, depth = dx.shape
            terms.append((dx.reshape(k * m, depth) @ w).reshape(k, *z.shape))
        if dw is not None:
            terms.append(stream_product_cuda(x, dw) if isinstance(dw, Stream) else x @ dw)
        dz = terms[0]
        for term in (*terms[1:], *(() if db is None else (db if db.ndim == 3 else db[:, None],))):
            dz += term
        return (z, dz) if activation == "identity" else activation_jvp_cuda(z, dz, activation)


KERNEL = dispatch.register(
    "affine_jvp",
    "`y = act(x w + b)`, `dy_i = act'(z) (dx_i w + x dw_i + db_i)`",
    "x (M, K), w (K, N), b (N,) or (M, N), dx (k, M, K), dw (k, K, N) or a Stream, db (k, N) or (k, M, N) -> y (M, N), "
    "dy (k, M, N); inputs of any strides; products summed in the dtype of x",
    affine_jvp_reference,
    affine_jvp_native,
    affine_jvp_cuda,
)
