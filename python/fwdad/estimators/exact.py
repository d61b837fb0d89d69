"""The exact gradient, computed forward: one direction for each coordinate, many of them a pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.perturbation import (
    DEFAULT,
    Draw,
    Loss,
    Model,
    Outcome,
    Perturbation,
    PerturbationName,
    Template,
    perturbation_of,
)
from fwdad.registry import Name
from fwdad.tangents import BasisTangent, DiagonalTangent, Group, StackedTangent, Tangent


def exact_gradient(
    loss: Loss,
    model: Model,
    *batch: Any,
    perturb: PerturbationName | Name | Perturbation = DEFAULT,
    chunk_size: int = 64,
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
        direction, for any model and loss. Each new `Activities` checks a program before it trusts it: keep an
        ``Activities("batch")`` for many calls, and the check is made once.
    chunk_size : int
        Directions a pass; memory is that many times a pass's own. The last layers' units move in one pass, by
        directions that are hardly ever stored; they take up to 2 GB where they are.

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

    def run(tangent_of: dict[int, Tangent]) -> Outcome:
        """Move some of the arrays, and nothing else."""
        return perturbation.run(loss, model, batch, Draw(lambda number, t: tangent_of.get(number), exact=True))

    still = run({})
    rows = still.d.shape[:-1]
    parts = [np.zeros((*rows, *t.shape), t.dtype) for t in still.moved]
    together = _moved_together(still.moved, math.prod(rows))
    if together:
        k = sum(together.values())
        starts = dict(zip(together, np.cumsum([0, *together.values()]), strict=False))
        ones = {number: DiagonalTangent(np.ones(n, still.moved[number].dtype)) for number, n in together.items()}
        d = run({number: StackedTangent([Group(starts[number], v)], k) for number, v in ones.items()}).d
        for number, n in together.items():
            parts[number][...] = d[..., starts[number] : starts[number] + n]
    for number, t in enumerate(still.moved):
        size = 0 if number in together else math.prod(t.shape)
        g = parts[number].reshape(*rows, -1)
        for start in range(0, size, chunk_size):
            index = np.arange(start, min(start + chunk_size, size))
            g[..., index] = run({number: BasisTangent(index, t.shape, t.dtype)}).d
    return still.value, perturbation.gradient(model, still, parts)


MOST_BYTES = 2**31


def _moved_together(moved: Sequence[Template], rows: int) -> dict[int, int]:
    """Return which of the last arrays move in one pass, and their sizes.

    All units of a layer are a diagonal, which costs next to nothing behind up to two more layers (`Units`). Should the
    program need their directions as arrays, these take up to `MOST_BYTES` together.
    """
    last = [(number, t.shape[0]) for number, t in enumerate(moved) if len(t.shape) == 1][-3:]
    widest = max((n for _, n in last), default=0)
    return {number: n for number, n in last if n and len(last) * n * rows * widest * 8 <= MOST_BYTES}
