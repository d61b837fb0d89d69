"""Linear: the fully connected layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import functions, kernels
from fwdad.dual import Array
from fwdad.nn.dtypes import check_input, floating
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, generator
from fwdad.perturbation import site
from fwdad.tree import static


def initial(shape: tuple[int, ...], activation: functions.ActivationName, seed: Seed, dtype: Any) -> np.ndarray:
    """Draw weights (..., outputs), uniform in ``+-sqrt(3 gain / inputs)``; inputs are all axes but the last."""
    bound = np.sqrt(3 * functions.activation_row(activation).gain / np.prod(shape[:-1]))
    return generator(seed).uniform(-bound, bound, shape).astype(floating(dtype))


Outer = Callable[[Array, Array], tuple[Array, Array]]
"""``(x, g) -> gradients of w and b`` in ``x w + b``, for g = dL/d(x w + b)."""


def outer_gradient(x: Array, g: Array) -> tuple[Array, Array]:
    """Return gradients of w and b in z = x w + b, for x (M, K) and g = dL/dz (M, N): ``x^T g`` and ``sum_rows g``."""
    return kernels.affine_jvp(x.T, g, None, None, None, None)[0], np.sum(g, axis=0)


class Linear(Module):
    """The fully connected layer: ``y = act(x w + b)``.

    The activation is part of the layer, so that one kernel computes y and its k tangents.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of a row of x and of y: ``weight`` is (in_features, out_features), ``bias`` is (out_features,).
    activation : str
        A name in `fwdad.functions.ACTIVATIONS`.
    bias : bool
        Whether the layer has a bias. It starts at 0.
    seed : int, numpy.random.SeedSequence or None
        What the initial weights follow from; None takes the next seed of the process (`fwdad.nn.seeds`).
    dtype : dtype
        Of the parameters, float32 or float64; the input must have it too.

    Raises
    ------
    ValueError
        For an unknown activation or a size below 1.
    TypeError
        For a dtype that is neither float32 nor float64, and for an input of another dtype.

    Notes
    -----
    Initial weights are uniform in ``+-sqrt(3 gain / in_features)``, with gain 2 for a relu-like activation, else 1, so
    that activities neither grow nor fade from layer to layer.

    References
    ----------
    He et al., arXiv 1502.01852, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Linear(3, 2, activation="relu", seed=0)
    >>> layer
    Linear(weight=float32[3, 2], bias=float32[2], activation='relu')
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    weight: Array
    bias: Array | None
    activation: functions.ActivationName = static("identity")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: functions.ActivationName = "identity",
        bias: bool = True,
        seed: Seed = None,
        dtype: str | type[np.floating] | np.dtype[np.floating] = np.float32,
    ) -> None:
        functions.activation_row(activation)
        if in_features < 1 or out_features < 1:
            raise ValueError(f"in_features and out_features must be at least 1; got {in_features} and {out_features}")
        self.weight = initial((in_features, out_features), activation, seed, dtype)
        self.bias = np.zeros(out_features, dtype) if bias else None
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        """Return y (..., out_features) for x (..., in_features)."""
        check_input(self, x, self.weight.dtype)
        here = site(self, x, (*x.shape[:-1], self.weight.shape[1]), self.weight.dtype)
        return here.settled(functions.affine(x, self.weight, here.moved(self.bias), self.activation))

    def local_gradient(self, x: Array, g: Array, outer: Outer = outer_gradient) -> Linear:
        """Return ``dL/dw = x^T g`` and ``dL/db = sum_rows g`` for g = dL/dz, as a Linear that holds gradients."""
        gradient = object.__new__(Linear)
        weight, bias = outer(x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1]))
        gradient.weight, gradient.bias, gradient.activation = (
            weight,
            None if self.bias is None else bias,
            self.activation,
        )
        return gradient
