"""What networks need and NumPy lacks: each is one operation with a JVP rule, beside NumPy's own.

They take and return arrays or Duals, of any floating dtype, and nest to any depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, plain, primitive, split
from fwdad.rules.forms import align, rule_for, surely_finite, unary
from fwdad.rules.reductions import every_axis


@primitive
def relu(x: Array) -> Array:
    """``max(x, 0)``, elementwise; its derivative at 0 is 0.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, 0)


@primitive
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``, elementwise, without overflow.

    >>> sigmoid(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, small) / (1 + small)


@primitive
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``, elementwise, without overflow.

    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@primitive
def erf(x: Array) -> Array:
    """The error function ``2/sqrt(pi) int_0^x exp(-t^2) dt``, elementwise.

    >>> erf(np.array([0.0])), round(float(erf(1.0)), 6)
    (array([0.]), 0.842701)
    """
    x = np.asarray(x)
    return np.asarray(_erf(x), dtype=x.dtype)[()]


_erf = np.frompyfunc(math.erf, 1, 1)

# fmt: off
#     function   derivative (x: argument, y: answer)
unary(relu,      lambda x, y: np.greater(x, 0).astype(y.dtype), "0 at the kink 0", activation="relu")
unary(sigmoid,   lambda x, y: y * sigmoid(-x), activation="sigmoid")
unary(softplus,  lambda x, y: sigmoid(x), activation="softplus")
unary(erf,       lambda x, y: (2 / math.sqrt(math.pi)) * np.exp(-x * x))
# fmt: on


def silu(x: Array) -> Array:
    """``x sigmoid(x)``, elementwise (also called swish).

    Source: S. Elfwing, E. Uchibe, K. Doya, arXiv 1702.03118, eq. 2.

    >>> silu(np.array([0.0]))
    array([0.])
    """
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """``x (1 + erf(x / sqrt 2)) / 2``, elementwise: the exact form.

    Source: D. Hendrycks, K. Gimpel, arXiv 1606.08415, section 2.

    >>> gelu(np.array([0.0]))
    array([0.])
    """
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def elu(x: Array) -> Array:
    """x where it is positive, else ``exp(x) - 1``, elementwise; its derivative at 0 is 1.

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, arXiv 1511.07289, eq. 15.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(np.greater(x, 0), x, np.expm1(np.minimum(x, 0)))


def leaky_relu(x: Array) -> Array:
    """x where it is positive, else ``x / 100``, elementwise; its derivative at 0 is 0.01.

    Source: A. L. Maas, A. Y. Hannun, A. Y. Ng, Rectifier nonlinearities, ICML 2013, section 2.

    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return np.where(np.greater(x, 0), x, 0.01 * x)


def identity(x: Array) -> Array:
    """x."""
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": identity,
    "relu": relu,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "silu": silu,
    "gelu": gelu,
    "elu": elu,
    "leaky-relu": leaky_relu,
}
"""Activations by name; `affine` computes those that `fwdad.kernels.ACTIVATIONS` lists inside the kernel."""


def check_activation(name: str) -> None:
    """Raise ValueError unless `name` is in `ACTIVATIONS`."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")


Axis = int | tuple[int, ...] | None


@primitive
def logsumexp(x: Array, axis: Axis = -1, keepdims: bool = False) -> Array:
    """``log sum_j exp(x_j)`` along axes, without overflow; -inf for all -inf, inf where an entry is inf.

    >>> logsumexp(np.array([1000.0, 1000.0])).round(3)
    np.float64(1000.693)
    """
    top = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0)
    # log 0 = -inf is the answer for all -inf; what overflows beside inf does not count
    with np.errstate(divide="ignore", over="ignore"):
        answer = shift + np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True))
    return answer if keepdims else np.squeeze(answer, axis)


@rule_for(logsumexp, singular="entries at infinity, or all at -infinity, share evenly")
def _logsumexp(x: Dual, axis: Axis = -1, keepdims: bool = False) -> Dual:
    """dy_i = sum_j softmax(x)_j dx_ij."""
    axes = every_axis(axis, x.ndim)
    answer = logsumexp(x.primal, axes, True)
    infinite = np.isinf(plain(answer))
    top = np.equal(x.primal, answer)
    ties = top / np.maximum(np.sum(top, axis=axes, keepdims=True), 1)
    shares = np.exp(np.where(infinite, 0, x.primal) - np.where(infinite, 0, answer))
    weights = np.where(infinite, ties.astype(plain(answer).dtype), shares)
    if axes == (-1,) and kernels.pays(x.tangent, weights):
        tangent = kernels.weighted_rows(weights, x.tangent)
        tangent = tangent[..., np.newaxis] if keepdims else tangent
    else:
        tangent = np.sum(x.tangent * weights, axis=axes, keepdims=keepdims)
    return Dual(answer if keepdims else np.squeeze(answer, axes), tangent, x.level)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """``exp(x_j) / sum_l exp(x_l)`` along axes.

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    return np.exp(log_softmax(x, axis))


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """``x - logsumexp(x)`` along axes.

    >>> log_softmax(np.array([0.0, 0.0])).round(3)
    array([-0.693, -0.693])
    """
    return x - logsumexp(x, axis, True)


@primitive
def softmax_cross_entropy(logits: Array, labels: np.ndarray) -> Array:
    """``logsumexp(z) - z[label]`` for each row z of logits (B, classes), labels (B,) integers below classes; (B,).

    One kernel computes the losses and their k tangents, ``dloss_i = <softmax(z) - e_label, dz_i>``.

    >>> softmax_cross_entropy(np.array([[0.0, 0.0], [0.0, 100.0]]), np.array([0, 1])).round(3)
    array([0.693, 0.   ])
    """
    return logsumexp(logits, axis=-1) - at_labels(logits, labels)


@rule_for(softmax_cross_entropy, singular="as logsumexp")
def _softmax_cross_entropy(logits: Dual, labels: np.ndarray) -> Array:
    z, dz = logits.primal, logits.tangent
    plain_arrays = type(z) is type(dz) and (type(z) is np.ndarray or kernels.is_device_array(z))
    if plain_arrays and z.dtype == dz.dtype and z.dtype in (np.float32, np.float64):
        loss, tangent = kernels.cross_entropy_jvp(z, labels, dz)
        if surely_finite(loss):
            return Dual(loss, tangent, logits.level)
    return logsumexp(logits, axis=-1) - at_labels(logits, labels)


def at_labels(logits: Array, labels: np.ndarray) -> Array:
    """``z[label]`` for each row z of logits (B, classes), on the device where they are; (B,).

    >>> at_labels(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1, 0]))
    array([1., 2.])
    """
    return logits[kernels.to_device(np.arange(labels.size), kernels.device_of(labels)), labels]


@primitive
def affine(x: Array, w: Array, b: Array | None = None, activation: str = "identity") -> Array:
    """``act(x w + b)`` and its k tangents in one kernel: x (..., K), w (K, N), b (N,) or (..., N), result (..., N).

    ``dy_i = act'(z) (dx_i w + x dw_i + db_i)``; what does not move costs nothing. Streamed directions of w are
    generated inside the kernel. Under nested transforms it is the plain NumPy program instead.

    Raises ValueError for an unknown activation or shapes that do not fit, TypeError for mixed dtypes.

    >>> affine(np.array([[1.0, 2.0]]), np.eye(2), np.array([-1.0, -3.0]), "relu")
    array([[0., 0.]])
    """
    check_activation(activation)
    if activation not in kernels.ACTIVATIONS:
        return ACTIVATIONS[activation](affine(x, w, b))
    rows, rest = _as_rows(x)
    y, _ = kernels.affine_jvp(rows, w, _bias_rows(b, rest), None, None, None, activation)
    return y.reshape(*rest, w.shape[1])


@rule_for(affine)
def _affine(x: Array, w: Array, b: Array | None = None, activation: str = "identity") -> Array:
    check_activation(activation)
    if activation not in kernels.ACTIVATIONS:
        return ACTIVATIONS[activation](affine(x, w, b))
    level = highest_level((x, w, b))
    (px, dx), (pw, dw), (pb, db) = (split(a, level) for a in (x, w, b))
    if any(isinstance(a, Dual) for a in (px, dx, pw, dw, pb, db)):
        z = np.matmul(x, w) if b is None else np.matmul(x, w) + b
        return ACTIVATIONS[activation](z)
    if _is_kind(dx):
        # It multiplies itself, and arrives as noise on z.
        noise = np.matmul(dx, pw) if db is None else np.matmul(dx, pw) + align(db, px.ndim)
        still = np.broadcast_to(np.zeros_like(pw, shape=()) if pb is None else pb, noise.shape[1:])
        return _affine(px, w, Dual(still, noise, level), activation)
    if _is_kind(db) and dx is None and dw is None and pb.ndim == 1 and px.ndim == 2:
        # y moves as b does, times the slope of the activation, and the kind knows how to be multiplied.
        y, slope = kernels.affine_jvp(px, pw, pb, None, None, np.ones_like(pb, shape=(1, *pb.shape)), activation)
        assert slope is not None
        return Dual(y, align(db, 2) * slope[0], level)
    rows, rest = _as_rows(px)
    if dw is not None and not _known(dw):
        # A kind of tangent that the kernel does not know multiplies itself, and arrives as noise on z.
        noise = np.matmul(rows, dw).reshape(dw.shape[0], *rest, pw.shape[1])
        db = noise if db is None else noise + align(db, px.ndim)
        pb, dw = np.broadcast_to(np.zeros_like(pw, shape=()) if pb is None else pb, noise.shape[1:]), None
    if db is not None and not _known(db):
        db = np.asarray(db)
    if dx is not None:
        dx = dx.reshape(dx.shape[0], *rows.shape)
    if db is not None and pb.ndim > 1:
        db = align(db, px.ndim).reshape(db.shape[0], *rows.shape[:1], pw.shape[1])
    arguments = rows, pw, _bias_rows(pb, rest), dx, dw, db, activation
    dy: Array | None
    if isinstance(dw, kernels.Stream) and dw.expects_gram and dw.known_gram is None:
        y, dy, gram = kernels.affine_jvp_gram(*arguments)
        dw.keep_gram(gram)
    else:
        y, dy = kernels.affine_jvp(*arguments)
    assert dy is not None, "one argument moves, or there would be no rule to call"
    n = pw.shape[1]
    return Dual(y.reshape(*rest, n), dy.reshape(dy.shape[0], *rest, n), level)


def _known(tangent: Array) -> bool:
    """Whether the kernel takes such tangents as they are."""
    return isinstance(tangent, (np.ndarray, kernels.Stream)) or kernels.is_device_array(tangent)


def _as_rows(x: Array) -> tuple[Array, tuple[int, ...]]:
    """x as a matrix, and the leading shape to give the answer back."""
    rest = x.shape[:-1]
    return (x if x.ndim == 2 else x.reshape(-1, x.shape[-1])), rest


def _bias_rows(b: Array | None, rest: tuple[int, ...]) -> Array | None:
    if b is None or b.ndim == 1 or len(rest) == 1:
        return b
    return np.broadcast_to(b, (*rest, b.shape[-1])).reshape(-1, b.shape[-1])


def _is_kind(tangent: Array | None) -> bool:
    """Whether a tangent is of a kind of its own (see `fwdad.tangents`) that kernels do not know."""
    return hasattr(tangent, "dense") and not isinstance(tangent, kernels.Stream)
