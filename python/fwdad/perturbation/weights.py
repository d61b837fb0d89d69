"""Weights: the directions move all parameters at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad import kernels, tree
from fwdad.dual import Dual, new_level, split
from fwdad.perturbation.directions import Directions, Template
from fwdad.perturbation.perturbation import Draw, Loss, Model, Outcome, Perturbation, mean_loss
from fwdad.tangents import kind_of
from fwdad.transforms.arguments import call


class Weights(Perturbation):
    """Move all parameters: ``d_i = <v_i, grad L>`` of the mean loss L, for any model and any loss.

    The space has as many dimensions as the model has parameters. The loss is one number, or one per example.

    Raises
    ------
    ValueError
        For a loss of another shape, or a model without parameters.

    References
    ----------
    arXiv 2410.17764, section 3.
    """

    def templates(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Sequence[Template]:
        """Return the parameters."""
        return [leaf for leaf in tree.flatten(model, tree.is_buffer)[0] if tree.is_parameter(leaf)]

    def run(self, loss: Loss, model: Model, batch: tuple[Any, ...], draw: Draw, gram: bool = False) -> Outcome:
        """Return the loss and its derivatives (k,)."""
        leaves, structure = tree.flatten(model, tree.is_buffer)
        where = [i for i, leaf in enumerate(leaves) if tree.is_parameter(leaf)]
        if not where:
            raise ValueError(f"the model has no parameters: no floating array among its {len(leaves)} leaves")
        drawn = [(i, draw.part(number, leaves[i])) for number, i in enumerate(where)]
        moving = [(i, kind_of(v).to(kernels.device_of(leaves[i]))) for i, v in drawn if v is not None]
        directions = Directions([v for _, v in moving], unit=draw.unit, scale=draw.scale)
        if gram or draw.unit:
            directions = directions.with_gram_slots()
        level = new_level()
        duals = list(leaves)
        for (i, _), v in zip(moving, directions.parts, strict=True):
            duals[i] = Dual(leaves[i], v, level)
        losses, d = split(call(loss, tree.unflatten(structure, duals), *batch), level)
        if np.ndim(losses) > 1:
            raise ValueError(f"the loss must be one number or one per example, (B,); got shape {np.shape(losses)}")
        value = mean_loss(losses)
        d = np.zeros(directions.k) if d is None else np.mean(d, axis=tuple(range(1, d.ndim)), dtype=np.float64)
        return Outcome(value, directions.along(d), directions, [leaves[i] for i in where])

    def gradient(self, model: Model, outcome: Outcome, parts: Sequence[np.ndarray]) -> Model:
        """Return the parts in the parameters' places, and zeros elsewhere."""
        leaves, structure = tree.flatten(model, tree.is_buffer)
        estimated = iter(parts)
        grads = [next(estimated) if tree.is_parameter(leaf) else tree.map(np.zeros_like, leaf) for leaf in leaves]
        return tree.unflatten(structure, grads)
