"""Forward-Forward networks: inputs with a label embedded, and a class's output the goodness of its label."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fwdad import functions
from fwdad.dual import Array
from fwdad.errors import undefined
from fwdad.nn.linear import Linear, Outer, outer_gradient
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, spawn
from fwdad.nn.spiking import LIF, NormalisedLIF, current
from fwdad.tree import Buffer, static

EXAMPLES = 16
"""Examples at a time that are tried with every label."""


class Reaction(NamedTuple):
    """What a layer does: its output y, what the next layer gets, and the layer's gradient, a function of dL/dy."""

    y: Array
    onward: Array | None = None
    gradient: Callable[[Array], Any] | None = None


class ForwardForward(Module):
    """What Forward-Forward networks share: they show each example with a label, and the label's goodness is its logit.

    The first `classes` inputs are the label's: all 0 but the label's own, which is 1. A network's output for a class
    is the goodness of all layers' outputs y for its label, the sum of ``mean_j y_j^2``. The candidate labels share the
    first product, for they move `classes` rows of its weight only. `fwdad.estimators.Local` trains it.

    Inputs are first brought to [0, 1], ``(x - low) / span``, by what `fitted` has seen; before, they must lie there. A
    network of series has its label in every step. It takes series as they are, such as counts of events, and the label
    as `mark`: 1, or the largest input that `fitted` has seen.
    """

    layers: Sequence[Any]
    low: Any
    span: Any
    mark: Any
    classes: int = static(10)
    axes: tuple[int, ...] = static((-1,))

    def _begin(self, axes: tuple[int, ...], classes: int) -> int:
        """Set what all share, for inputs (D,) or (steps, D); return D."""
        inputs = axes[-1]
        if not 2 <= classes < inputs:
            raise ValueError(
                "a label takes the place of an input for each class, so there must be 2 or more, and more inputs; "
                f"got {classes} classes and {inputs} inputs"
            )
        self.axes, self.classes = axes, classes
        self.low, self.span, self.mark = (Buffer(np.full(1, value, np.float32)) for value in (0, 1, 1))
        return inputs

    @property
    def takes_series(self) -> bool:
        """Whether an input is a series, (steps, D)."""
        return len(self.axes) == 2

    def fitted(self, x: np.ndarray) -> Any:
        """Return the network for inputs of the range of x, the training examples (N, ...)."""
        new = copy.copy(self)
        low, high = float(np.min(x)), float(np.max(x))
        dtype = self.low.value.dtype
        if self.takes_series:
            new.mark = Buffer(np.full(1, high or 1.0, dtype))
        else:
            new.low, new.span = Buffer(np.full(1, low, dtype)), Buffer(np.full(1, high - low or 1.0, dtype))
        return new

    def labelled(self, x: Array, labels: np.ndarray) -> Array:
        """Return the inputs of the first layer, (B, D) or (B, steps, D), each with its label."""
        x = self._scaled(x)
        x[np.arange(len(labels)), ..., labels] = self.mark.value
        return x

    def _scaled(self, x: Array) -> Array:
        """Return a copy of the inputs, in [0, 1] or series as they are, with zeros in place of the label."""
        x = (np.reshape(x, (x.shape[0], *self.axes)) - self.low.value) / self.span.value
        if self.takes_series:
            if not np.isfinite(x).all():
                raise ValueError("inputs must be finite, and some are not")
        elif not (np.min(x) > -1e-3 and np.max(x) < 1 + 1e-3):
            if self.low.value[0] == 0 and self.span.value[0] == 1:
                raise ValueError(
                    f"inputs must lie in [0, 1], and are {np.min(x):.4g} to {np.max(x):.4g}: scale them, or let the "
                    "network do so, network.fitted(training inputs)"
                )
            x = np.clip(x, 0, 1)
        x[..., : self.classes] = 0
        return x

    def __call__(self, x: Array) -> Array:
        """Return the goodness of every class, (B, classes)."""
        found = [self._goodness(x[part]) for part in self.parts(x.shape[0])]
        return np.concatenate(found) if len(found) > 1 else found[0]

    def parts(self, n: int) -> list[slice]:
        """Return slices of n examples, of so many at a time that what they do stays in the cache."""
        return [slice(start, start + EXAMPLES) for start in range(0, max(n, 1), EXAMPLES)]

    def _goodness(self, x: Array) -> Array:
        first, *rest = (functions.mean_square(reaction.y) for reaction in self.reactions(x))
        return sum(rest, first).reshape(x.shape[0], -1)

    def reactions(self, x: Array, learn: bool = False) -> list[Reaction]:
        """Return what each layer does with x (R, ...) and every label; to `learn`, with the gradient of each layer.

        Rows are R * classes, those of an example together.
        """
        first, *rest = self.layers
        x = self._scaled(x)
        label = self.mark.value * first.weight[: self.classes]
        if self.takes_series:
            z = (current(x, first.weight) + first.bias)[:, np.newaxis] + label[:, np.newaxis]
        else:
            z = functions.affine(x, first.weight, first.bias)[:, np.newaxis] + label
        z = z.reshape(-1, *z.shape[2:])
        found = [self.react(first, x, z, None, not rest, self._outer if learn else None)]
        for layer in rest:
            x = found[-1].onward
            z = current(x, layer.weight)
            found.append(self.react(layer, x, z, layer.bias, layer is rest[-1], outer_gradient if learn else None))
        return found

    def _outer(self, x: Array, g: Array) -> tuple[Array, Array]:
        """Return the gradients of the first layer's weight and bias for inputs (R, D) and g (R * classes, n)."""
        weight, bias = outer_gradient(x, np.sum(g.reshape(x.shape[0], self.classes, -1), axis=1))
        weight[: self.classes] += self._of_labels(g)
        return weight, bias

    def _of_labels(self, g: Array) -> Array:
        """Return the gradient of the weight's rows that are the labels', for g (R * classes, n) by a constant input."""
        return self.mark.value * np.sum(g.reshape(-1, self.classes, g.shape[-1]), axis=0)

    def react(self, layer: Any, x: Array, z: Array, bias: Array | None, last: bool, outer: Outer | None) -> Reaction:
        """Return what a layer does for its pre-activation z of x; with its gradient by `outer` where that is given."""
        raise undefined(self, "react(layer, x, z, bias, last, outer)")

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
        sizes = [self._begin((math.prod(shape),), classes), *hidden]
        self.layers = [
            Linear(n, m, activation="relu", seed=child, dtype=dtype)
            for n, m, child in zip(sizes[:-1], sizes[1:], spawn(seed, len(hidden)), strict=True)
        ]

    def react(self, layer: Linear, x: Array, z: Array, bias: Array | None, last: bool, outer: Outer | None) -> Reaction:
        """Return the relu, and its direction."""
        y = functions.relu(z if bias is None else z + bias)
        onward = None if last else _direction(y)
        return Reaction(y, onward, outer and (lambda by_y: layer.local_gradient(x, by_y * (y > 0), outer)))

    def onward(self, layer: Linear, x: Array) -> Array:
        """Return the direction of the layer's output."""
        return _direction(layer(x))


def _direction(y: Array) -> Array:
    return y / (np.sqrt(functions.mean_square(y)) + 1e-8)[..., np.newaxis]


class FFSNN(ForwardForward):
    """A Forward-Forward network of leaky integrate-and-fire neurons; each next layer sees the spikes.

    An image is a constant current. A shape of two axes is that of a series, (steps, D).

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    hidden : sequence of int
        Sizes of the layers.
    steps, beta, theta, surrogate
        As of `fwdad.nn.LIF`; a series has its own steps.
    learn : sequence of bool
        Of each layer, whether beta and theta are learnt; those not named have them fixed.
    normalised : bool
        Whether all layers but the first are of `fwdad.nn.NormalisedLIF`.

    References
    ----------
    arXiv 2502.20411.

    Examples
    --------
    >>> FFSNN((1, 8, 8), 10, hidden=(16, 16))(np.ones((3, 64), np.float32)).shape
    (3, 10)
    >>> FFSNN((20, 64), 10, hidden=(16, 16))(np.ones((3, 20, 64), np.float32)).shape
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
        normalised: bool = False,
        surrogate: functions.SurrogateName = "fast-sigmoid",
    ) -> None:
        sizes = [self._begin(shape if len(shape) == 2 else (math.prod(shape),), classes), *hidden]
        options: dict[str, Any] = {"steps": steps, "beta": beta, "theta": theta, "surrogate": surrogate, "dtype": dtype}
        learns = [*learn, *[False] * len(hidden)]
        later: type[LIF] = NormalisedLIF if normalised else LIF
        self.layers = [
            (later if i else LIF)(n, m, learn=learns[i], seed=child, **options)
            for i, (n, m, child) in enumerate(zip(sizes[:-1], sizes[1:], spawn(seed, len(hidden)), strict=True))
        ]

    def react(self, layer: LIF, x: Array, z: Array, bias: Array | None, last: bool, outer: Outer | None) -> Reaction:
        """Return counts and spikes."""
        z, bias = layer.shaped(z, bias)
        if outer is None:
            return Reaction(layer.fire(z, bias, "counts"), None if last else layer.fire(z, bias, "train"))
        spikes = layer.run(z, bias, [*layer.needs(x), *["train"] * (not last)])

        def gradient(by_count: Array) -> LIF:
            found = layer.gradient(spikes, x, by_count, outer)
            if layer is self.layers[0] and x.ndim == 3:  # a label is the same in all steps, as a bias is
                found.weight[: self.classes] += self._of_labels(by_count * spikes.by_current)
            return found

        return Reaction(spikes.counts, spikes.train, gradient)

    def onward(self, layer: LIF, x: Array) -> Array:
        """Return the layer's spikes."""
        return layer.train(x)
