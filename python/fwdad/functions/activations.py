"""Activations: elementwise functions between the layers of a network, one row each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from fwdad.dual import Array, primitive
from fwdad.rules.forms import Partial, unary


@primitive
def relu(x: Array) -> Array:
    """Return ``max(x, 0)``, elementwise; its derivative at 0 is 0.

    Examples
    --------
    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, 0)


@primitive
def sigmoid(x: Array) -> Array:
    """Return ``1 / (1 + exp(-x))``, elementwise, without overflow.

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0]))
    array([0. , 0.5])
    """
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, small) / (1 + small)


@primitive
def softplus(x: Array) -> Array:
    """Return ``log(1 + exp(x))``, elementwise, without overflow.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


@primitive
def erf(x: Array) -> Array:
    """Return the error function ``2/sqrt(pi) int_0^x exp(-t^2) dt``, elementwise.

    Examples
    --------
    >>> erf(np.array([0.0])), round(float(erf(1.0)), 6)
    (array([0.]), 0.842701)
    """
    x = np.asarray(x)
    return np.asarray(_erf(x), dtype=x.dtype)[()]


_erf = np.frompyfunc(math.erf, 1, 1)
unary(erf, lambda x, y: (2 / math.sqrt(math.pi)) * np.exp(-x * x))


def silu(x: Array) -> Array:
    """Return ``x sigmoid(x)``, elementwise (also called swish).

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya, arXiv 1702.03118, eq. 2.

    Examples
    --------
    >>> silu(np.array([0.0]))
    array([0.])
    """
    return x * sigmoid(x)


def gelu(x: Array) -> Array:
    """Return ``x (1 + erf(x / sqrt 2)) / 2``, elementwise: the exact form.

    References
    ----------
    D. Hendrycks, K. Gimpel, arXiv 1606.08415, section 2.

    Examples
    --------
    >>> gelu(np.array([0.0]))
    array([0.])
    """
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def elu(x: Array) -> Array:
    """Return x where it is positive, else ``exp(x) - 1``, elementwise; its derivative at 0 is 1.

    References
    ----------
    D.-A. Clevert, T. Unterthiner, S. Hochreiter, arXiv 1511.07289, eq. 15.

    Examples
    --------
    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(np.greater(x, 0), x, np.expm1(np.minimum(x, 0)))


def leaky_relu(x: Array) -> Array:
    """Return x where it is positive, else ``x / 100``, elementwise; its derivative at 0 is 0.01.

    References
    ----------
    A. L. Maas, A. Y. Hannun, A. Y. Ng, Rectifier nonlinearities, ICML 2013, section 2.

    Examples
    --------
    >>> leaky_relu(np.array([-1.0, 2.0]))
    array([-0.01,  2.  ])
    """
    return np.where(np.greater(x, 0), x, 0.01 * x)


def identity(x: Array) -> Array:
    """Return x."""
    return x


class Activation(NamedTuple):
    """What the library knows of one activation.

    Parameters
    ----------
    value : callable
        The function, of arrays and of Duals.
    slope : callable or None
        Its derivative as a function of argument and answer; None where the rules of `value` give it.
    singular : str
        What holds at a kink, for the generated pages.
    gain : float
        What initial weights before it are scaled by: 2 where about half of the input's variance passes, else 1.
    native : bool
        Whether kernels compute it: it is then a row of `fwdad.kernels.ACTIVATIONS` and of the C++ list too.
    onnx : callable or None
        ``(graph, x, like) -> name of the result`` in an ONNX graph; None where it cannot be exported.
    """

    value: Callable[[Array], Array]
    slope: Partial | None = None
    singular: str = ""
    gain: float = 1.0
    native: bool = False
    onnx: Callable[[Any, str, Any], str] | None = None


ActivationName = Literal[
    "identity", "relu", "tanh", "sigmoid", "softplus", "silu", "gelu", "elu", "leaky-relu"
]  # fmt: skip
"""The names of `ACTIVATIONS`, so that type checkers find a misspelt one."""

# fmt: off
# ruff: noqa: E501  a row is a row
ACTIVATIONS: dict[str, Activation] = {
    "identity":   Activation(identity,   native=True, onnx=lambda g, x, like: x),
    "relu":       Activation(relu,       lambda x, y: np.greater(x, 0).astype(y.dtype), "0 at the kink 0", gain=2.0, native=True, onnx=lambda g, x, like: g.op("Relu", x)),
    "tanh":       Activation(np.tanh,    native=True, onnx=lambda g, x, like: g.op("Tanh", x)),
    "sigmoid":    Activation(sigmoid,    lambda x, y: y * sigmoid(-x), native=True, onnx=lambda g, x, like: g.op("Sigmoid", x)),
    "softplus":   Activation(softplus,   lambda x, y: sigmoid(x), gain=2.0, native=True, onnx=lambda g, x, like: g.op("Softplus", x)),
    "silu":       Activation(silu,       gain=2.0, native=True, onnx=lambda g, x, like: g.op("Mul", x, g.op("Sigmoid", x))),
    "gelu":       Activation(gelu,       gain=2.0, native=True, onnx=lambda g, x, like: _onnx_gelu(g, x, like)),
    "elu":        Activation(elu,        gain=2.0, onnx=lambda g, x, like: g.op("Elu", x)),
    "leaky-relu": Activation(leaky_relu, gain=2.0, onnx=lambda g, x, like: g.op("LeakyRelu", x, alpha=0.01)),
}
# fmt: on
"""Activations by name. A new one is a row; `affine` and `conv2d` compute those that are native inside the kernel."""

for _name, _row in ACTIVATIONS.items():
    if _row.slope is not None:
        unary(_row.value, _row.slope, _row.singular, activation=_name if _row.native else "")


def activation_row(name: str) -> Activation:
    """Return the row of an activation.

    Raises
    ------
    ValueError
        For a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return ACTIVATIONS[name]


def _onnx_gelu(graph: Any, x: str, like: Any) -> str:
    erf_of = graph.op("Erf", graph.op("Mul", x, graph.like(np.sqrt(0.5), like)))
    return str(graph.op("Mul", graph.op("Mul", x, graph.like(0.5, like)), graph.op("Add", erf_of, graph.like(1, like))))
