"""Linear: the fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import functions, kernels
from fwdad.dual import Array
from fwdad.nn.module import Module
from fwdad.perturbation import site
from fwdad.tree import static


def initial(shape: tuple[int, ...], activation: str, seed: int | np.random.SeedSequence, dtype: Any) -> np.ndarray:
    """Weights (..., outputs), uniform in ``+-sqrt(3 gain / inputs)``; inputs are all axes but the last."""
    bound = np.sqrt(3 * functions.activation_row(activation).gain / np.prod(shape[:-1]))
    return np.random.default_rng(seed).uniform(-bound, bound, shape).astype(dtype)


class Linear(Module):
    """``y = act(x w + b)``: weight (inputs, outputs), bias (outputs,), x (..., inputs), y (..., outputs).

    The activation is part of the layer so that one kernel computes y and its k tangents. Initial weights are uniform in
    ``+-sqrt(3 gain / inputs)`` with gain 2 before a relu-like activation, else 1, so that activities neither grow nor
    fade from layer to layer (He et al., arXiv 1502.01852, section 2.2); biases start at 0.

    Raises ValueError for an unknown activation or sizes below 1.

    >>> import numpy as np
    >>> layer = Linear(3, 2, activation="relu", seed=0)
    >>> layer
    Linear(weight=float32[3, 2], bias=float32[2], activation='relu')
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    weight: Array
    bias: Array | None
    activation: str = static("identity")

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        activation: str = "identity",
        bias: bool = True,
        seed: int | np.random.SeedSequence = 0,
        dtype: str | type[np.floating] | np.dtype[np.floating] = np.float32,
    ) -> None:
        functions.activation_row(activation)
        if inputs < 1 or outputs < 1:
            raise ValueError(f"inputs and outputs must be at least 1; got {inputs} and {outputs}")
        self.weight = initial((inputs, outputs), activation, seed, dtype)
        self.bias = np.zeros(outputs, dtype) if bias else None
        self.activation = activation

    def __call__(self, x: Array) -> Array:
        here = site(self, x, (*x.shape[:-1], self.weight.shape[1]), self.weight.dtype)
        return here.settled(functions.affine(x, self.weight, here.moved(self.bias), self.activation))

    def local_gradient(self, x: Array, g: Array) -> Linear:
        """``dL/dw = x^T g`` and ``dL/db = sum_rows g`` for g = dL/dz, as a Linear that holds gradients."""
        gradient = object.__new__(Linear)
        weight, bias = outer_gradient(x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1]))
        gradient.weight, gradient.bias, gradient.activation = (
            weight,
            None if self.bias is None else bias,
            self.activation,
        )
        return gradient


def outer_gradient(x: Array, g: Array) -> tuple[Array, Array]:
    """Return gradients of w and b in z = x w + b, for x (M, K) and g = dL/dz (M, N): ``x^T g`` and ``sum_rows g``."""
    return kernels.affine_jvp(x.T, g, None, None, None, None)[0], np.sum(g, axis=0)
