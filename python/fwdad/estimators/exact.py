"""The exact gradient, computed forward: one direction for each coordinate, a chunk of them a pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Dual, new_level, split
from fwdad.estimators.activity import Site, activity_pass
from fwdad.estimators.forward_gradient import (
    PERTURBATIONS,
    Loss,
    Model,
    check_examples,
    is_parameter,
    parameter_gradient,
)
from fwdad.tangents import BasisTangent, Tangent


def exact_gradient(
    loss: Loss, model: Model, *batch: Any, perturb: str = "weight", chunk: int = 64
) -> tuple[float, Model]:
    """The gradient itself, by forward passes: ``value, grads = exact_gradient(loss, model, *batch)``.

    perturb : what the passes move.
        ``"weight"``: one parameter entry a direction, P in all. For any model and loss.
        ``"activity"``: one unit of one layer a direction, in all examples at once: ``d = dL/dz`` there, and each
        layer's parameter gradient follows locally. As many directions as the model has units: far fewer than P. What
        comes before the layer does not move and is computed without tangents.
    chunk : directions a pass; memory is that many times a pass's own.

    Loss, value, gradient and errors as those of `ForwardGradient`; ValueError for a chunk below 1.

    >>> import numpy as np
    >>> value, grads = exact_gradient(lambda p: np.sum(p["x"] ** 2), {"x": np.array([1.0, -2.0])})
    >>> value, grads["x"]
    (5.0, array([ 2., -4.]))
    """
    if perturb not in PERTURBATIONS:
        raise ValueError(f"perturb must be one of {', '.join(PERTURBATIONS)}; got {perturb!r}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1; got {chunk}")
    by = _by_weights if perturb == "weight" else _by_activities
    return by(lambda model: loss(model, *batch), model, chunk)


def _by_weights(loss: Callable[[Model], Any], model: Model, chunk: int) -> tuple[float, Model]:
    leaves, structure = tree.flatten(model, tree.is_buffer)
    value = float(np.mean(loss(model), dtype=np.float64))
    grads = [tree.map(np.zeros_like, leaf) for leaf in leaves]
    for i, leaf in enumerate(leaves):
        if not is_parameter(leaf):
            continue
        flat = np.zeros(leaf.size, leaf.dtype)
        for start in range(0, leaf.size, chunk):
            level = new_level()
            index = np.arange(start, min(start + chunk, leaf.size))
            moving = Dual(leaf, BasisTangent(index, leaf.shape, leaf.dtype), level)
            losses, d = split(loss(tree.unflatten(structure, [*leaves[:i], moving, *leaves[i + 1 :]])), level)
            if np.ndim(losses) > 1:
                raise ValueError(f"the loss must be one number or one per example, (B,); got shape {np.shape(losses)}")
            if d is not None:
                flat[index] = np.mean(d, axis=tuple(range(1, d.ndim)), dtype=np.float64)
        grads[i] = flat.reshape(leaf.shape)
    return value, tree.unflatten(structure, grads)


def _by_activities(loss: Callable[[Model], Any], model: Model, chunk: int) -> tuple[float, Model]:
    losses, _, sites = _move_units(loss, model, -1, np.arange(0))
    check_examples(losses, sites)
    examples = losses.shape[0]
    by_site = []
    for s, site in enumerate(sites):
        units = int(np.prod(site.shape[1:], dtype=np.int64))
        g = np.zeros((examples, units), losses.dtype)
        for start in range(0, units, chunk):
            index = np.arange(start, min(start + chunk, units))
            _, d, _ = _move_units(loss, model, s, index)
            if d is not None:
                g[:, index] = d.T / examples
        by_site.append(g)
    return float(np.mean(losses, dtype=np.float64)), parameter_gradient(model, sites, by_site)


def _move_units(
    loss: Callable[[Model], Any], model: Model, moving: int, index: np.ndarray
) -> tuple[Any, Any, list[Site]]:
    """Losses (B,), derivatives (k, B) or None along k units of the layer of call `moving`, and all calls of layers."""

    def noise(i: int, shape: tuple[int, ...], dtype: Any) -> Tangent | None:
        return BasisTangent(index, shape, dtype) if i == moving else None

    with activity_pass(noise, shared=True) as running:
        losses, d = split(loss(model), running.level)
    return losses, d, running.sites
