"""Layers in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad import functions
from fwdad.dual import Array
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, spawn
from fwdad.tree import static


class Activation(Module):
    """An elementwise function as a layer, such as ``Activation("tanh")``.

    Parameters
    ----------
    name : str
        A name in `fwdad.functions.ACTIVATIONS`.

    Raises
    ------
    ValueError
        For another name.
    """

    name: str = static()

    def __init__(self, name: str) -> None:
        functions.activation_row(name)
        self.name = name

    def __call__(self, x: Array) -> Array:
        """Return the function of x, entry by entry."""
        return functions.ACTIVATIONS[self.name].value(x)


class Sequential(Module):
    """Layers one after the other: ``y = layers[-1](... layers[0](x))``.

    Parameters
    ----------
    layers : sequence of callable
        Modules, or any functions of one array.

    Examples
    --------
    >>> import numpy as np
    >>> Sequential([Linear(3, 4), Activation("relu"), Linear(4, 2)])(np.ones((1, 3), np.float32)).shape
    (1, 2)
    """

    layers: Sequence[Callable[[Array], Array]]

    def __call__(self, x: Array) -> Array:
        """Return y for x."""
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(Sequential):
    """A multilayer perceptron: `Linear` layers, each but the last with an activation.

    Parameters
    ----------
    sizes : sequence of int
        Sizes of the input, of each hidden layer, and of the output.
    activation : str
        A name in `fwdad.functions.ACTIVATIONS`.
    seed : int, numpy.random.SeedSequence or None
        Its children are the seeds of the layers.
    dtype : dtype
        The floating dtype of the parameters.

    Raises
    ------
    ValueError
        For fewer than two sizes, a size below 1, or an unknown activation.

    Examples
    --------
    >>> MLP((64, 128, 10), activation="relu", seed=0).parameters
    9610
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: functions.ActivationName = "relu",
        seed: Seed = 0,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2:
            raise ValueError(f"an MLP needs at least an input and an output size; got {tuple(sizes)}")
        last = len(sizes) - 2
        self.layers = [
            Linear(n, m, activation="identity" if i == last else activation, seed=child, dtype=dtype)
            for i, (n, m, child) in enumerate(zip(sizes[:-1], sizes[1:], spawn(seed, len(sizes) - 1), strict=True))
        ]
