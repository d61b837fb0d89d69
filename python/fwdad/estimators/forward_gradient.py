"""The forward gradient: a gradient estimate from one forward pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fwdad import tangents, tree
from fwdad.dual import Array, Dual, new_level, plain, split
from fwdad.estimators.activity import activity_pass, is_perturbable
from fwdad.estimators.combiners import Combiner, Projection
from fwdad.estimators.samplers import Sampler

Model = Any
Loss = Callable[..., Array]
PERTURBATIONS = ("weight", "activity")


class ForwardGradient:
    """Gradients from k directional derivatives, without backward pass: ``value, grads = fg(loss, model, *batch)``.

    sampler : where the k directions come from.
    combiner : how directions and derivatives become a gradient.
    perturb : what the directions move.
        ``"weight"``: all parameters at once; ``d_i = <v_i, grad L>``, ``g = V^T c(d)`` over all of them.
        ``"activity"``: each layer's pre-activations, with one draw and one set of derivatives per example;
        the estimate of dL/dz, projected per example over all layers, becomes each layer's parameter gradient locally.

    loss(model, *batch) returns the losses per example, (B,), or one number (weight perturbation only).
    The value is their mean, a float; the gradients are a tree like the model, for that mean, in the parameters' dtypes.
    `step` counts the calls: it is the only state, and with the sampler's seed fixes every draw.

    Raises ValueError for an unknown perturbation, or a loss of the wrong shape; TypeError, in activity mode, for a
    parameter outside all layers that can be perturbed.

    Sources: arXiv 2410.17764, section 3 (multi-tangent, weight); arXiv 2210.03310 (activity perturbation).

    >>> import numpy as np, fwdad
    >>> from fwdad import estimators
    >>> fg = fwdad.ForwardGradient(estimators.Normal(k=3), estimators.Projection())
    >>> value, grads = fg(lambda p: np.sum(p["x"] ** 2), {"x": np.array([1.0, -2.0])})
    >>> value, np.allclose(grads["x"], [2.0, -4.0])  # three directions span the plane: exact
    (5.0, True)
    """

    def __init__(self, sampler: Sampler, combiner: Combiner | None = None, perturb: str = "weight") -> None:
        if perturb not in PERTURBATIONS:
            raise ValueError(f"perturb must be one of {', '.join(PERTURBATIONS)}; got {perturb!r}")
        self.sampler = sampler
        self.combiner = Projection() if combiner is None else combiner
        self.perturb = perturb
        self.step = 0

    def __call__(self, loss: Loss, model: Model, *batch: Any) -> tuple[float, Model]:
        estimate = self._by_weights if self.perturb == "weight" else self._by_activities
        result = estimate(loss, model, *batch)
        self.step += 1
        return result

    def _by_weights(self, loss: Loss, model: Model, *batch: Any) -> tuple[float, Model]:
        leaves, structure = tree.flatten(model)
        directions = {
            i: self.sampler.draw(p, leaves[i].shape, leaves[i].dtype, self.step)
            for p, i in enumerate(i for i, leaf in enumerate(leaves) if is_parameter(leaf))
        }
        if not directions:
            raise ValueError(f"the model has no parameters: no floating array among its {len(leaves)} leaves")
        level = new_level()
        moving = [Dual(leaf, directions[i], level) if i in directions else leaf for i, leaf in enumerate(leaves)]
        losses, d = split(loss(tree.unflatten(structure, moving), *batch), level)
        if np.ndim(losses) > 1:
            raise ValueError(f"the loss must be one number or one per example, (B,); got shape {np.shape(losses)}")
        d = np.zeros(self.sampler.k) if d is None else np.mean(d, axis=tuple(range(1, d.ndim)), dtype=np.float64)

        c = self.combiner.coefficients(d, lambda: _total(tangents.gram(v) for v in directions.values()))
        grads = [
            tangents.combine(c, directions[i]) if i in directions else np.zeros_like(leaf)
            for i, leaf in enumerate(leaves)
        ]
        return float(np.mean(losses, dtype=np.float64)), tree.unflatten(structure, grads)

    def _by_activities(self, loss: Loss, model: Model, *batch: Any) -> tuple[float, Model]:
        with activity_pass(self.sampler, self.step) as running:
            losses, d = split(loss(model, *batch), running.level)
        if np.ndim(losses) != 1:
            raise ValueError(
                "activity perturbation needs one loss per example, shape (B,), for one derivative per example; "
                f"got {np.shape(losses)}"
            )
        examples = losses.shape[0]
        for site in running.sites:
            if site.shape[0] != examples:
                raise ValueError(
                    f"{type(site.layer).__name__} saw {site.shape[0]} rows but the loss has {examples} examples: "
                    "activity perturbation needs the batch as the leading axis of every layer's input"
                )
        if d is None:  # the loss does not depend on any layer
            return float(np.mean(losses, dtype=np.float64)), _gather(model, {})
        d = np.transpose(d).astype(np.float64)

        c = self.combiner.coefficients(
            d, lambda: _total(tangents.gram(site.noise, per_row=True) for site in running.sites)
        )
        by_layer: dict[int, Model] = {}
        for site in running.sites:
            g = tangents.combine(c / examples, site.noise).reshape(site.shape)
            local = site.layer.local_gradient(site.x, g)
            earlier = by_layer.get(id(site.layer))
            by_layer[id(site.layer)] = local if earlier is None else tree.map(np.add, earlier, local)
        return float(np.mean(losses, dtype=np.float64)), _gather(model, by_layer)


def is_parameter(leaf: Any) -> bool:
    """Whether a leaf of a model is something to learn: a floating array."""
    return hasattr(leaf, "dtype") and np.issubdtype(plain(leaf).dtype, np.floating)


def _total(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The Gram matrix of all parameters from its parts: directions are concatenated, so inner products add up."""
    return functools.reduce(np.add, parts)


def _gather(model: Model, by_layer: dict[int, Model]) -> Model:
    """A tree like the model from the gradients of its layers; a layer that was not called has zeros."""
    nodes, structure = tree.flatten(model, is_leaf=is_perturbable)
    grads = []
    for node in nodes:
        if is_perturbable(node):
            grads.append(by_layer[id(node)] if id(node) in by_layer else tree.map(np.zeros_like, node))
        elif is_parameter(node):
            raise TypeError(
                f"a parameter of shape {node.shape} belongs to no layer that can be perturbed (with local_gradient, "
                "as fwdad.nn.Linear has), so activity perturbation cannot estimate its gradient; use perturb='weight'"
            )
        else:
            grads.append(np.zeros_like(node))
    return tree.unflatten(structure, grads)
