"""The activations that kernels know: value and derivative of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _erfc(z: Array) -> Array:
    """1 - erf(z), which NumPy lacks; from the C library, entry by entry, in float64."""
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(z), z.dtype)


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), written so that it never overflows and stays accurate where it is tiny."""
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


def check(where: str, name: str) -> None:
    """Refuse a name that is not in ACTIVATIONS."""
    if name not in ACTIVATIONS:
        raise ValueError(f"{where}: activation: expected one of {', '.join(ACTIVATIONS)}, given {name!r}")
