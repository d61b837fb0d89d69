"""The affine JVP: a layer's output and k directional derivatives of it, in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, dispatch
from fwdad.kernels.dispatch import Kernel
from fwdad.kernels.memory import empty
from fwdad.kernels.projection import gram_reference
from fwdad.kernels.stream import Stream, dense, generate

Array = NDArray[Any]


def _erfc(z: Array) -> Array:
    """1 - erf(z), which NumPy lacks; from the C library, entry by entry, in float64."""
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(z), z.dtype)


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), so written that it never overflows and stays accurate where it is tiny."""
    return np.asarray(np.exp(-np.logaddexp(0, -z)))


def _normal_cdf(z: Array) -> Array:
    return np.asarray(0.5 * _erfc(-z * math.sqrt(0.5)))


def _normal_density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi)))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    # name       value at z                           derivative at z
    "identity": (lambda z: z.copy(),                  np.ones_like),
    "relu":     (lambda z: np.maximum(z, 0),          lambda z: (z > 0).astype(z.dtype)),
    "tanh":     (np.tanh,                             lambda z: 4 * _sigmoid(2 * z) * _sigmoid(-2 * z)),
    "sigmoid":  (_sigmoid,                            lambda z: _sigmoid(z) * _sigmoid(-z)),
    "softplus": (lambda z: np.logaddexp(0, z),        _sigmoid),
    "silu":     (lambda z: z * _sigmoid(z),           lambda z: _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "gelu":     (lambda z: z * _normal_cdf(z),        lambda z: _normal_cdf(z) + z * _normal_density(z)),
}  # fmt: skip
"""name -> (value, derivative): the specification; gelu is z Phi(z), in its exact form; relu'(0) = 0."""


def affine_jvp(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | Stream | None,
    activation: str = "identity",
) -> tuple[Array, Array | None]:
    """y = act(z) with z = x w + b, and dy_i = act'(z) (dx_i w + x dw_i + db_i) for k tangents.

    A None is a structural zero and costs nothing; without any tangent, dy is None. Arguments may have any strides
    (a transposed or broadcast view is read as it is); the results are C-contiguous. A streamed `dw` is generated tile
    by tile inside the product and never stored.

    Args:
        x: (M, K).
        w: (K, N).
        b: None, (N,) or (M, N).
        dx: None or (k, M, K).
        dw: None or (k, K, N), an array or a Stream of primal_shape (K, N).
        db: None, (k, N) or (k, M, N), an array or a Stream (which is made dense first).
        activation: a name in ACTIVATIONS.

    Returns:
        y (M, N) and dy (k, M, N) or None; dtype of `x`, in which products are also accumulated.

    Raises:
        TypeError: an argument is not an array of one common float dtype.
        ValueError: shapes do not fit together, or an unknown activation.

    >>> x, w = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    >>> y, dy = affine_jvp(x, w, None, None, np.ones((1, 2, 1)), None, "relu")
    >>> y.tolist(), dy.tolist()
    ([[11.0]], [[[3.0]]])
    """
    device, arguments = _checked("affine_jvp", x, w, b, dx, dw, db, activation)
    result: tuple[Array, Array | None] = AFFINE_JVP.on(device)(*arguments, activation)
    return result


def affine_jvp_gram(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Stream,
    db: Array | Stream | None,
    activation: str = "identity",
) -> tuple[Array, Array, NDArray[np.float64]]:
    """As `affine_jvp` for a streamed `dw`, and G_ij = <dw_i, dw_j>, with each entry generated once for both.

    For estimators that need the Gram matrix of their directions: generating them takes longer than the products.

    Args:
        x, w, b, dx, db, activation: as of `affine_jvp`.
        dw: a Stream of primal_shape (K, N).

    Returns:
        y (M, N), dy (k, M, N) and the Gram matrix (k, k), float64, as of ``gram(dw, exact=False)``.

    Raises:
        TypeError, ValueError: as `affine_jvp`; TypeError too if `dw` is not a Stream.

    >>> v = Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=1, primal_shape=(2, 3))
    >>> one = np.ones((1, 2), np.float32)
    >>> affine_jvp_gram(one, np.ones((2, 3), np.float32), None, None, v, None)[2].tolist()
    [[6.0]]
    """
    here = "affine_jvp_gram"
    if not isinstance(dw, Stream):
        raise TypeError(f"{here}: dw: expected a Stream, given {type(dw).__name__}")
    device, arguments = _checked(here, x, w, b, dx, dw, db, activation)
    result: tuple[Array, Array, NDArray[np.float64]] = AFFINE_JVP_GRAM.on(device)(*arguments, activation)
    return result


def _checked(
    here: str,
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | Stream | None,
    activation: str,
) -> tuple[str, tuple[Any, ...]]:
    """The device, and (x, w, b, dx, dw, db) as kernels take them: of one dtype and fitting shapes, db an array."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"{here}: activation: expected one of {', '.join(ACTIVATIONS)}, given {activation!r}")
    x = checks.float_array(here, "x", x)
    checks.ndim(here, "x", x, 2, "(M, K)")
    w = checks.float_array(here, "w", w, x.dtype)
    checks.ndim(here, "w", w, 2, "(K, N)")
    m, depth, n = x.shape[0], x.shape[1], w.shape[1]
    checks.shape(here, "w", w.shape, (depth, n), why=f"x is {x.shape}")
    if b is not None:
        b = checks.float_array(here, "b", b, x.dtype)
        checks.shape(here, "b", b.shape, (n,), (m, n))
    k = next((t.shape[0] for t in (dx, dw, db) if t is not None and hasattr(t, "shape") and t.shape), 0)
    if dx is not None:
        dx = checks.float_array(here, "dx", dx, x.dtype)
        checks.shape(here, "dx", dx.shape, (k, m, depth))
    if dw is not None:
        dw = tangent(here, "dw", dw, x.dtype)
        checks.shape(here, "dw", dw.shape, (k, depth, n))
    if db is not None:
        db = tangent(here, "db", db, x.dtype)
        checks.shape(here, "db", db.shape, (k, n), (k, m, n))
        db = generate(db) if isinstance(db, Stream) else db
    return checks.one_device(here, x=x, w=w, b=b, dx=dx, dw=dw, db=db), (x, w, b, dx, dw, db)


def stream_product(x: Array, v: Stream) -> Array:
    """x v_i for the k directions of a streamed matrix, generated tile by tile inside the product and never stored.

    Args:
        x: (M, K), of any strides.
        v: a Stream of primal_shape (K, N) and the dtype of `x`.

    Returns:
        (k, M, N), C-contiguous; dtype of `x`, in which products are also summed.

    Raises:
        TypeError: `x` is not a float array, `v` not a Stream of its dtype.
        ValueError: shapes do not fit together.

    >>> v = Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=1, primal_shape=(2, 3))
    >>> bool(np.all(stream_product(np.eye(2, dtype=np.float32), v) == generate(v)))
    True
    """
    here = "stream_product"
    x = checks.float_array(here, "x", x)
    checks.ndim(here, "x", x, 2, "(M, K)")
    if not isinstance(v, Stream):
        raise TypeError(f"{here}: v: expected a Stream, given {type(v).__name__}")
    tangent(here, "v", v, x.dtype)
    checks.shape(here, "v", v.shape, (*v.shape[:1], x.shape[1], *v.shape[2:3]), why=f"x is {x.shape}")
    result: Array = STREAM_PRODUCT.on(checks.one_device(here, x=x, v=v))(x, v)
    return result


def stream_product_reference(x: Array, v: Stream) -> Array:
    """NumPy: as it stands."""
    return np.asarray(x @ dense(v))


def stream_product_native(x: Array, v: Stream) -> Array:
    """C++: see csrc/cpu/affine.cpp."""
    assert dispatch.native is not None
    out = empty((v.shape[0], x.shape[0], v.shape[2]), x.dtype)
    dispatch.native.stream_product(x, v.descriptor, out)
    return out


def tangent(here: str, name: str, value: Any, dtype: np.dtype[Any]) -> Array | Stream:
    """A tangent argument, validated: an array or a stream of this dtype."""
    if not isinstance(value, Stream):
        return checks.float_array(here, name, value, dtype)
    if value.dtype != dtype:
        raise TypeError(f"{here}: {name}: expected dtype {dtype} as x, given a stream of {value.dtype}")
    return value


def affine_jvp_reference(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """NumPy: the two equations as they stand."""
    value, derivative = ACTIVATIONS[activation]
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
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    activation: str,
    gram: NDArray[np.float64] | None = None,
) -> tuple[Array, Array | None]:
    """C++: see csrc/cpu/affine.cpp; `gram`, where it is given, gets the Gram matrix of a stream dw."""
    assert dispatch.native is not None
    y = empty((x.shape[0], w.shape[1]), x.dtype)
    first = next((t for t in (dx, dw, db) if t is not None), None)
    dy = None if first is None else empty((first.shape[0], *y.shape), x.dtype)
    v = dw.descriptor if isinstance(dw, Stream) else dw
    dispatch.native.affine_jvp(x, w, b, dx, v, db, activation, y, dy, gram)
    return y, dy


def affine_jvp_gram_reference(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array, NDArray[np.float64]]:
    """NumPy: one after the other."""
    y, dy = affine_jvp_reference(x, w, b, dx, dw, db, activation)
    assert dy is not None
    return y, dy, gram_reference(dw, per_row=False, exact=False)


def affine_jvp_gram_native(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array, NDArray[np.float64]]:
    """C++: see csrc/cpu/affine_gram.cpp."""
    gram = np.empty((dw.k, dw.k))
    y, dy = affine_jvp_native(x, w, b, dx, dw, db, activation, gram)
    assert dy is not None
    return y, dy, gram


AFFINE_JVP = Kernel(
    "affine_jvp",
    "x (M,K), w (K,N), b, dx (k,M,K), dw (k,K,N), db -> y (M,N), dy (k,M,N), C-contiguous; "
    "inputs of any strides; products summed in the dtype of x",
    dispatch.bodies(affine_jvp_reference, affine_jvp_native),
)

AFFINE_JVP_GRAM = Kernel(
    "affine_jvp_gram",
    "as affine_jvp for a Stream dw, and the Gram matrix of its directions, (k,k): gram(dw, exact=False)",
    dispatch.bodies(affine_jvp_gram_reference, affine_jvp_gram_native),
)

STREAM_PRODUCT = Kernel(
    "stream_product",
    "x (M,K), Stream of (K,N) -> (k,M,N), C-contiguous; x of any strides; products summed in the dtype of x",
    dispatch.bodies(stream_product_reference, stream_product_native),
)
