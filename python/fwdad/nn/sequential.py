"""Layers in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad import functions
from fwdad.dual import Array
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.tree import static


class Activation(Module):
    """An elementwise function as a layer: ``Activation("tanh")``.

    Raises ValueError for an unknown name.
    """

    name: str = static()

    def __init__(self, name: str) -> None:
        functions.activation_row(name)
        self.name = name

    def __call__(self, x: Array) -> Array:
        return functions.ACTIVATIONS[self.name].value(x)


class Sequential(Module):
    """``layers[-1](... layers[0](x))``: layers are modules or any functions of one array.

    >>> import numpy as np
    >>> Sequential([Linear(3, 4), Activation("relu"), Linear(4, 2)])(np.ones((1, 3), np.float32)).shape
    (1, 2)
    """

    layers: Sequence[Callable[[Array], Array]]

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(Sequential):
    """A multilayer perceptron of the given sizes, with an activation between its layers and none after the last.

    >>> MLP((64, 128, 10), activation="relu", seed=0).parameters
    9610

    Raises ValueError for fewer than two sizes, a size below 1, or an unknown activation.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "relu",
        seed: int = 0,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"an MLP needs at least an input and an output size; got {tuple(sizes)}")
        last = len(sizes) - 2
        self.layers = [
            Linear(inputs, outputs, activation="identity" if i == last else activation, seed=child, dtype=dtype)
            for i, (inputs, outputs, child) in enumerate(
                zip(sizes[:-1], sizes[1:], np.random.SeedSequence(seed).spawn(len(sizes) - 1), strict=True)
            )
        ]
