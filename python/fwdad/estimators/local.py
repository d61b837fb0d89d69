"""Local objectives: each layer learns from what it does itself, and no derivative travels between layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fwdad import functions, tree
from fwdad.dual import Array
from fwdad.errors import undefined
from fwdad.estimators.guesses import LocalClassifier
from fwdad.perturbation import Activities, Loss, Model, Outcome
from fwdad.perturbation.perturbation import mean_loss
from fwdad.perturbation.sites import nodes_of
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

    The model is a `fwdad.nn.models.ForwardForward`: it shows its layers each example with its label and with wrong
    ones. Wrong labels are drawn with a probability in proportion to the square root of the model's output for them:
    hard negatives. A layer's gradient is that of its own objective, by one tangent of ones: exact, forward, and in the
    memory of one pass. The loss, which is called once, gives the value and decides nothing.

    Parameters
    ----------
    objective : Objective
        Of each layer.
    estimator : callable, optional
        ``estimator(number of the layer) -> ForwardGradient``, for gradients that are estimated instead; of drawn
        negatives.
    negatives : {"all", "drawn"}
        One wrong label is drawn for each example; or all count, each with the probability with which it would be
        drawn: the mean of the draws' gradients, without their noise. Either needs the outputs of all labels.
    layers : int, optional
        How many layers learn, from the first on; by default all.
    seed : int
        Of the wrong labels.

    Raises
    ------
    ValueError
        For other negatives, or an estimator of all.

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
        negatives: Literal["all", "drawn"] = "all",
        layers: int | None = None,
        seed: int = 0,
    ) -> None:
        if negatives not in ("all", "drawn"):
            raise ValueError(f'negatives must be "all" or "drawn"; got {negatives!r}')
        if estimator is not None and negatives == "all":
            raise ValueError('an estimator takes one wrong label for each example: negatives="drawn"')
        self.objective, self.negatives, self.layers, self.seed = objective, negatives, layers, seed
        self.step = 0
        self._make = estimator
        self._estimators: list[Any] = []

    def __call__(self, loss: Loss, model: Model, x: Array, labels: np.ndarray) -> tuple[float, Model]:
        """Return the mean loss and the gradient of one step."""
        uniform = np.random.default_rng((self.seed, self.step)).random(len(labels))
        outputs, gradients = (self._exact if self._make is None else self._estimated)(model, x, labels, uniform)
        value = mean_loss(loss(lambda _: outputs, x, labels))
        self.step += 1
        found = {id(layer): gradient for layer, gradient in zip(model.layers, gradients, strict=False)}
        nodes, structure = nodes_of(model)
        zeros = [found[id(n)] if id(n) in found else tree.map(np.zeros_like, n) for n in nodes]
        return value, tree.unflatten(structure, zeros)

    def state(self) -> dict[str, np.ndarray]:
        """Return what it has learnt, as `fwdad.ForwardGradient` does: nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over a state."""

    def _exact(self, model: Any, x: Array, labels: np.ndarray, uniform: np.ndarray) -> tuple[Array, list[Any]]:
        """Return the outputs, and the gradient of each layer, by one tangent of ones, a few examples at a time."""
        outputs: list[Array] = []
        total: list[Any] = []
        for part in model.parts(len(labels)):
            right, rows = labels[part], np.arange(len(labels[part]))
            reactions = model.reactions(x[part], learn=True)
            goodness = [functions.mean_square(r.y).reshape(len(rows), -1) for r in reactions]
            outputs.append(functools.reduce(np.add, goodness))
            shares = chances(outputs[-1], right)
            if self.negatives == "drawn":
                shares = np.zeros_like(shares)
                shares[rows, hard_negatives(outputs[-1], right, uniform[part])] = 1
            gradients = []
            for reaction, g in list(zip(reactions, goodness, strict=True))[: self.layers]:
                by_goodness = shares_of_slopes(self.objective, g, shares, right) / len(labels)
                by_y = (by_goodness * (2 / reaction.y.shape[-1])).astype(reaction.y.dtype).reshape(-1, 1) * reaction.y
                gradients.append(reaction.gradient(by_y))
            total = [tree.map(np.add, a, b) for a, b in zip(total, gradients, strict=True)] if total else gradients
        return np.concatenate(outputs), total

    def _estimated(self, model: Any, x: Array, labels: np.ndarray, uniform: np.ndarray) -> tuple[Array, list[Any]]:
        """Return the outputs, and estimates of the gradient of each layer."""
        assert self._make is not None, "the caller asked for it"
        outputs = model(x)
        inputs = [model.labelled(x, each) for each in (labels, hard_negatives(outputs, labels, uniform))]
        gradients: list[Any] = []
        for number, layer in enumerate(model.layers[: self.layers]):
            if number:
                inputs = [model.onward(model.layers[number - 1], x) for x in inputs]
            if number == len(self._estimators):
                self._estimators.append(self._make(number))
            estimator = self._estimators[number]
            estimator.step = self.step
            gradients.append(estimator(self._loss, layer, *inputs)[1])
        return outputs, gradients

    def _loss(self, layer: Any, positive: Array, negative: Array) -> Array:
        return self.objective(*(functions.mean_square(layer(x)) for x in (positive, negative)))


class LocalLosses:
    """Gradients of every layer from a loss of its own: ``value, grads = local(loss, model, x, labels)``.

    A linear classifier sees each layer's output; its cross-entropy is the layer's loss. A tangent of a unit reaches the
    classifier as the unit's row of the classifier's weights, so the exact gradient is that row times the error, and no
    derivative travels between layers. A last layer with one output a class is its own classifier: it learns from
    ``loss``'s outputs as ever, and the others for themselves. The classifiers take a step of gradient descent at each
    call.

    Parameters
    ----------
    classes, labels, rate, seed
        As of `LocalClassifier`, which gives the same gradients as directions.

    Raises
    ------
    ValueError, TypeError
        As `LocalClassifier` and `fwdad.perturbation.Activities`, and where the loss calls no layer.

    References
    ----------
    E. Belilovsky, M. Eickenberg, E. Oyallon, arXiv 1901.08164 (greedy layers, all at once).

    Examples
    --------
    >>> from fwdad import nn
    >>> model, x, labels = nn.MLP([6, 4, 2], seed=0), np.eye(2, 6, dtype=np.float32), np.array([0, 1])
    >>> value, grads = LocalLosses(2)(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, labels)
    >>> grads.layers[0].weight.shape
    (6, 4)
    """

    def __init__(self, classes: int, labels: Any = None, rate: float = 2.0, *, seed: int = 0) -> None:
        self.classifiers = LocalClassifier(classes, labels, rate, seed=seed)
        self.step = 0

    def __call__(self, loss: Loss, model: Model, *batch: Any) -> tuple[float, Model]:
        """Return the mean loss and the gradient of one step; the classifiers learn."""
        activities = Activities()
        value, sites = activities.survey(loss, model, batch)
        if not sites:
            raise ValueError("there is nothing to train: the loss calls no layer of the model")
        guesses = self.classifiers.directions(sites, self.step, per_row=True)
        ones = np.ones((sites[0].rows[0], guesses.k))
        own = guesses.combine(ones)  # a guess is zero in all layers but its own
        self.classifiers.observe(own)
        self.step += 1
        return value, activities.gradient(model, Outcome(value, ones, guesses, sites), own)

    def state(self) -> dict[str, np.ndarray]:
        """Return the classifiers' weights."""
        return self.classifiers.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the classifiers of another run."""
        self.classifiers.restore(state)


def shares_of_slopes(objective: Objective, goodness: Array, shares: Array, labels: np.ndarray) -> Array:
    """Return the derivative by each goodness (B, classes) of the objective's mean over wrong labels of these shares."""
    rows = np.arange(len(labels))
    right = np.broadcast_to(goodness[rows, labels][:, np.newaxis], goodness.shape)
    tangents = (np.stack([np.full(goodness.shape, one, goodness.dtype) for one in pair]) for pair in ((1, 0), (0, 1)))
    _, (by_right, by_wrong) = jvp(objective, (right, goodness), tuple(tangents))
    slopes: Array = shares * by_wrong
    slopes[rows, labels] = np.sum(shares * by_right, axis=1)
    return slopes


def chances(outputs: Array, labels: np.ndarray) -> np.ndarray:
    """Return the probability of each wrong label (B, classes): in proportion to the square root of its output."""
    weights: np.ndarray = np.sqrt(np.maximum(outputs, 0), dtype=np.float64) + 1e-12
    weights[np.arange(len(labels)), labels] = 0
    weights /= np.sum(weights, axis=1, keepdims=True)
    return weights


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
    sums = np.cumsum(chances(outputs, labels), axis=1)
    drawn: np.ndarray = np.sum(sums <= (uniform * sums[:, -1])[:, np.newaxis], axis=1)
    chosen: np.ndarray = np.minimum(drawn, outputs.shape[1] - 1)
    return chosen
