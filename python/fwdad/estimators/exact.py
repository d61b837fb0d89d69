"""The exact gradient, computed forward: one direction for each coordinate, a chunk of them a pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad.perturbation import DEFAULT, Draw, Loss, Model, Outcome, Perturbation, Template, perturbation_of
from fwdad.tangents import BasisTangent, Tangent


def exact_gradient(
    loss: Loss, model: Model, *batch: Any, perturb: str | Perturbation = DEFAULT, chunk_size: int = 64
) -> tuple[float, Model]:
    """Return the loss and the gradient itself, by forward passes with unit vectors as directions.

    Parameters
    ----------
    loss, model, batch
        As of `ForwardGradient`.
    perturb : {"activity", "weight"} or Perturbation
        What the passes move. Activities: one unit of one layer a direction, in all examples at once, so that
        ``d = dL/dz`` there, and each layer's parameter gradient follows locally. There are as many directions as units,
        far fewer than parameters, and what comes before a layer does not move. Weights: one parameter entry a
        direction, for any model and loss.
    chunk_size : int
        Directions a pass; memory is that many times a pass's own.

    Returns
    -------
    value : float
        The mean loss.
    gradient
        A tree like the model.

    Raises
    ------
    ValueError
        For a chunk size below 1, and as `ForwardGradient`.
    TypeError
        As `ForwardGradient`.

    Examples
    --------
    >>> import numpy as np
    >>> value, grads = exact_gradient(lambda p: np.sum(p["x"] ** 2), {"x": np.array([1.0, -2.0])}, perturb="weight")
    >>> value, grads["x"]
    (5.0, array([ 2., -4.]))
    """
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be at least 1; got {chunk_size}")
    perturbation = perturbation_of(perturb).shared()

    def run(moving: int, index: np.ndarray) -> Outcome:
        """Move one of the arrays along unit vectors, and nothing else."""

        def part(number: int, t: Template) -> Tangent | None:
            return BasisTangent(index, t.shape, t.dtype) if number == moving else None

        return perturbation.run(loss, model, batch, Draw(part))

    still = run(-1, np.arange(0))
    parts = []
    for number, template in enumerate(still.moved):
        size = math.prod(template.shape)
        g = np.zeros((*still.d.shape[:-1], size), template.dtype)
        for start in range(0, size, chunk_size):
            index = np.arange(start, min(start + chunk_size, size))
            g[..., index] = run(number, index).d
        parts.append(g.reshape(*still.d.shape[:-1], *template.shape))
    return still.value, perturbation.gradient(model, still, parts)
