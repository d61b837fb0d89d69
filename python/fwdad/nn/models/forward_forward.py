"""Forward-Forward networks: inputs with a label embedded, and a class's output the goodness of its label."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad import functions
from fwdad.dual import Array
from fwdad.errors import undefined
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, spawn
from fwdad.nn.spiking import LIF, current
from fwdad.tree import Buffer, static

EXAMPLES = 16
"""Examples at a time whose candidate labels are tried, so that what they do stays in the cache."""


class ForwardForward(Module):
    """What Forward-Forward networks share: they show each example with a label, and the label's goodness is its logit.

    The first `classes` inputs are the label's: all 0 but the label's own, which is 1. A network's output for a class
    is the goodness of all layers' outputs y for its label, the sum of ``mean_j y_j^2``. The candidate labels share the
    first product, for they move `classes` rows of its weight only. `fwdad.estimators.Local` trains it.

    Inputs are first brought to [0, 1], ``(x - low) / span``, by what `fitted` has seen; before, they must lie there.
    """

    layers: Sequence[Any]
    low: Any
    span: Any
    classes: int = static(10)

    def _begin(self, shape: tuple[int, ...], classes: int) -> int:
        """Set what all share; return how many inputs there are."""
        inputs = math.prod(shape)
        if not 2 <= classes < inputs:
            raise ValueError(
                "a label takes the place of an input for each class, so there must be 2 or more, and more inputs; "
                f"got {classes} classes and {inputs} inputs"
            )
        self.classes = classes
        self.low, self.span = Buffer(np.zeros(1, np.float32)), Buffer(np.ones(1, np.float32))
        return inputs

    def fitted(self, x: np.ndarray) -> Any:
        """Return the network for inputs of the range of x, the training examples (N, D)."""
        new = copy.copy(self)
        low, high = float(np.min(x)), float(np.max(x))
        dtype = self.low.value.dtype
        new.low, new.span = Buffer(np.full(1, low, dtype)), Buffer(np.full(1, high - low or 1.0, dtype))
        return new

    def labelled(self, x: Array, labels: np.ndarray) -> Array:
        """Return the inputs (B, D) of the first layer, each with its label."""
        x = self._scaled(x)
        x[np.arange(len(labels)), labels] = 1
        return x

    def _scaled(self, x: Array) -> Array:
        """Return a copy of the inputs in [0, 1], with zeros in place of the label."""
        x = (np.reshape(x, (x.shape[0], -1)) - self.low.value) / self.span.value
        if not (np.min(x) > -1e-3 and np.max(x) < 1 + 1e-3):
            if self.low.value[0] == 0 and self.span.value[0] == 1:
                raise ValueError(
                    f"inputs must lie in [0, 1], and are {np.min(x):.4g} to {np.max(x):.4g}: scale them, or let the "
                    "network do so, network.fitted(training inputs)"
                )
            x = np.clip(x, 0, 1)
        x[:, : self.classes] = 0
        return x

    def __call__(self, x: Array) -> Array:
        """Return the goodness of every class, (B, classes)."""
        parts = [self._goodness(x[start : start + EXAMPLES]) for start in range(0, x.shape[0], EXAMPLES)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _goodness(self, x: Array) -> Array:
        first, *rest = self.layers
        still = functions.affine(self._scaled(x), first.weight, first.bias)
        z = (still[:, np.newaxis] + first.weight[: self.classes]).reshape(-1, still.shape[1])
        y, onward = self.react(first, z, None, not rest)
        total = functions.mean_square(y)
        for layer in rest:
            y, onward = self.react(layer, current(onward, layer.weight), layer.bias, layer is rest[-1])
            total = total + functions.mean_square(y)
        return total.reshape(x.shape[0], self.classes)

    def react(self, layer: Any, z: Array, bias: Array | None, last: bool) -> tuple[Array, Array | None]:
        """Return a layer's output from its pre-activation, and what the next layer gets, None for the last."""
        raise undefined(self, "react(layer, z, bias, last)")

    def onward(self, layer: Any, x: Array) -> Array:
        """Return what the next layer gets for a layer's input x."""
        raise undefined(self, "onward(layer, x)")


class FFMLP(ForwardForward):
    """A Forward-Forward network of relu layers; each next layer sees the output divided by its root mean square.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    hidden : sequence of int
        Sizes of the layers.

    References
    ----------
    G. Hinton, arXiv 2212.13345.

    Examples
    --------
    >>> FFMLP((1, 8, 8), 10, hidden=(16,))(np.ones((3, 64), np.float32)).shape
    (3, 10)
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        hidden: Sequence[int] = (500, 500),
    ) -> None:
        sizes = [self._begin(shape, classes), *hidden]
        self.layers = [
            Linear(n, m, activation="relu", seed=child, dtype=dtype)
            for n, m, child in zip(sizes[:-1], sizes[1:], spawn(seed, len(hidden)), strict=True)
        ]

    def react(self, layer: Linear, z: Array, bias: Array | None, last: bool) -> tuple[Array, Array | None]:
        """Return the relu, and its direction."""
        y = functions.relu(z if bias is None else z + bias)
        return y, None if last else _direction(y)

    def onward(self, layer: Linear, x: Array) -> Array:
        """Return the direction of the layer's output."""
        return _direction(layer(x))


def _direction(y: Array) -> Array:
    return y / (np.sqrt(functions.mean_square(y)) + 1e-8)[..., np.newaxis]


class FFSNN(ForwardForward):
    """A Forward-Forward network of leaky integrate-and-fire neurons; each next layer sees the spikes.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    hidden : sequence of int
        Sizes of the layers.
    steps, beta, theta, surrogate
        As of `fwdad.nn.LIF`.
    learn : sequence of bool
        Of each layer, whether beta and theta are learnt; those not named have them fixed.

    References
    ----------
    arXiv 2502.20411.

    Examples
    --------
    >>> FFSNN((1, 8, 8), 10, hidden=(16, 16))(np.ones((3, 64), np.float32)).shape
    (3, 10)
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        hidden: Sequence[int] = (500, 500),
        steps: int = 10,
        beta: float = 0.99,
        theta: float = 1.5,
        learn: Sequence[bool] = (),
        surrogate: functions.SurrogateName = "fast-sigmoid",
    ) -> None:
        sizes = [self._begin(shape, classes), *hidden]
        options: dict[str, Any] = {"steps": steps, "beta": beta, "theta": theta, "surrogate": surrogate, "dtype": dtype}
        learns = [*learn, *[False] * len(hidden)]
        self.layers = [
            LIF(n, m, learn=learns[i], seed=child, **options)
            for i, (n, m, child) in enumerate(zip(sizes[:-1], sizes[1:], spawn(seed, len(hidden)), strict=True))
        ]

    def react(self, layer: LIF, z: Array, bias: Array | None, last: bool) -> tuple[Array, Array | None]:
        """Return counts and spikes."""
        return layer.fire(z, bias, "counts"), None if last else layer.fire(z, bias, "train")

    def onward(self, layer: LIF, x: Array) -> Array:
        """Return the layer's spikes."""
        return layer.train(x)
