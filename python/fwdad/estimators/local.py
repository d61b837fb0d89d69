"""Local objectives: each layer learns from what it does itself, and no derivative travels between layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad import functions, tree
from fwdad.dual import Array, new_level
from fwdad.errors import undefined
from fwdad.perturbation import Loss, Model
from fwdad.perturbation.perturbation import mean_loss
from fwdad.perturbation.sites import Survey, layer_pass, nodes_of
from fwdad.transforms import jvp


class Objective:
    """What a layer shall do: a loss of the goodness of a positive and of a negative example, (B,) each.

    The goodness of a layer's output y is ``mean_j y_j^2``.
    """

    def __call__(self, positive: Array, negative: Array) -> Array:
        """Return the loss of each pair of examples, (B,)."""
        raise undefined(self, "__call__(positive, negative)")


@dataclass(frozen=True)
class SiluGap(Objective):
    """``silu(-alpha (G_positive - G_negative))``: least where the gap is 1.2785 / alpha, and flat for wide ones.

    References
    ----------
    arXiv 2502.20411 (its public code).

    Examples
    --------
    >>> SiluGap(6.0)(np.array([0.1, 0.2131]), np.zeros(2)).round(3).tolist()
    [-0.213, -0.278]
    """

    alpha: float = 6.0

    def __call__(self, positive: Array, negative: Array) -> Array:
        """Return the loss of each pair of examples, (B,)."""
        return functions.silu(self.alpha * (negative - positive))


@dataclass(frozen=True)
class SymBa(Objective):
    """``softplus(-alpha (G_positive - G_negative))``.

    References
    ----------
    H.-C. Lee, J. Song, arXiv 2303.08418, eq. 3.
    """

    alpha: float = 4.0

    def __call__(self, positive: Array, negative: Array) -> Array:
        """Return the loss of each pair of examples, (B,)."""
        return functions.softplus(self.alpha * (negative - positive))


@dataclass(frozen=True)
class Logistic(Objective):
    """``softplus(threshold - G_positive) + softplus(G_negative - threshold)``.

    References
    ----------
    G. Hinton, arXiv 2212.13345, eq. 1.
    """

    threshold: float = 2.0

    def __call__(self, positive: Array, negative: Array) -> Array:
        """Return the loss of each pair of examples, (B,)."""
        return functions.softplus(self.threshold - positive) + functions.softplus(negative - self.threshold)


OBJECTIVES: dict[str, Callable[..., Objective]] = {"silu-gap": SiluGap, "symba": SymBa, "logistic": Logistic}
"""Objectives by name."""


class Local:
    """Gradients of every layer from its own objective: ``value, grads = local(loss, model, x, labels)``.

    The model has `layers`, and shows the first one each example with its label and with a wrong one, drawn with a
    probability in proportion to the square root of the model's output for it: hard negatives. A layer's gradient is
    that of its own objective, by one tangent of ones: exact, forward, and in the memory of one pass. The loss, which
    is called once, gives the value and decides nothing.

    Parameters
    ----------
    objective : Objective
        Of each layer.
    estimator : callable, optional
        ``estimator(number of the layer) -> ForwardGradient``, for gradients that are estimated instead.
    layers : int, optional
        How many layers learn, from the first on; by default all.
    seed : int
        Of the wrong labels.

    References
    ----------
    G. Hinton, arXiv 2212.13345; arXiv 2502.20411.

    Examples
    --------
    >>> from fwdad import nn
    >>> model = nn.models.FFMLP((1, 2, 3), 2, hidden=(4,), seed=0)
    >>> x, labels = np.eye(2, 6, dtype=np.float32), np.array([0, 1])
    >>> value, grads = Local(SymBa())(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, labels)
    >>> grads.layers[0].weight.shape
    (6, 4)
    """

    def __init__(
        self,
        objective: Objective,
        estimator: Callable[[int], Any] | None = None,
        *,
        layers: int | None = None,
        seed: int = 0,
    ) -> None:
        self.objective, self.layers, self.seed = objective, layers, seed
        self.step = 0
        self._make = estimator
        self._estimators: list[Any] = []

    def __call__(self, loss: Loss, model: Model, x: Array, labels: np.ndarray) -> tuple[float, Model]:
        """Return the mean loss and the gradient of one step."""
        outputs: list[Array] = []

        def recorded(inputs: Array) -> Array:
            outputs.append(model(inputs))
            return outputs[-1]

        value = mean_loss(loss(recorded, x, labels))
        wrong = hard_negatives(outputs[-1], labels, np.random.default_rng((self.seed, self.step)).random(len(labels)))
        inputs = [model.labelled(x, labels), model.labelled(x, wrong)]
        learning = model.layers[: self.layers]
        gradients: dict[int, Any] = {}
        for number, layer in enumerate(learning):
            gradients[id(layer)] = self._gradient(number, layer, inputs)
            if layer is not learning[-1]:
                inputs = [model.onward(layer, x) for x in inputs]
        self.step += 1
        nodes, structure = nodes_of(model)
        zeros = [gradients[id(n)] if id(n) in gradients else tree.map(np.zeros_like, n) for n in nodes]
        return value, tree.unflatten(structure, zeros)

    def state(self) -> dict[str, np.ndarray]:
        """Return what it has learnt, as `fwdad.ForwardGradient` does: nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state."""

    def _gradient(self, number: int, layer: Any, inputs: Sequence[Array]) -> Any:
        if self._make is None:
            return one_tangent(self.objective, layer, inputs)
        if number == len(self._estimators):
            self._estimators.append(self._make(number))
        estimator = self._estimators[number]
        estimator.step = self.step
        return estimator(self._loss, layer, *inputs)[1]

    def _loss(self, layer: Any, positive: Array, negative: Array) -> Array:
        return self.objective(*(functions.mean_square(layer(x)) for x in (positive, negative)))


def one_tangent(objective: Objective, layer: Any, inputs: Sequence[Array]) -> Any:
    """Return the gradient of the mean objective of a layer, from one tangent of ones a batch.

    ``dL/dz = dL/dG 2 y / n dy/dz``, for y is an elementwise function of z; the layer makes gradients of it.
    """
    with layer_pass(Survey, layer, new_level()) as running:
        for x in inputs:
            layer(x)
    goodness = tuple(functions.mean_square(site.y) for site in running.sites)
    ones = np.ones_like(goodness[0])
    tangents = tuple(np.stack([ones * (i == j) for j in range(len(inputs))]) for i in range(len(inputs)))
    _, slopes = jvp(objective, goodness, tangents)
    parts = []
    for x, site, slope in zip(inputs, running.sites, slopes, strict=True):
        rows, n = site.y.shape
        factor = (slope * (2 / (n * rows)))[:, np.newaxis].astype(site.y.dtype)
        parts.append(site.layer.local_gradient(x, factor * site.y * site.slope))
    return functools.reduce(lambda a, b: tree.map(np.add, a, b), parts)


def hard_negatives(outputs: Array, labels: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return a wrong label for each example, drawn in proportion to the square root of its output.

    Parameters
    ----------
    outputs : (B, classes)
        Not negative.
    labels : (B,)
        The right ones.
    uniform : (B,)
        Numbers from 0 to 1 that decide.

    Examples
    --------
    >>> hard_negatives(np.array([[9.0, 4.0, 1.0]] * 3), np.array([0, 0, 1]), np.array([0.6, 0.7, 0.8])).tolist()
    [1, 2, 2]
    """
    weights = np.sqrt(np.maximum(outputs, 0), dtype=np.float64) + 1e-12
    weights[np.arange(len(labels)), labels] = 0
    sums = np.cumsum(weights, axis=1)
    drawn: np.ndarray = np.sum(sums <= (uniform * sums[:, -1])[:, np.newaxis], axis=1)
    chosen: np.ndarray = np.minimum(drawn, outputs.shape[1] - 1)
    return chosen
