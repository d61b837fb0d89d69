"""Units: every unit of every layer is a direction of its own, so that the estimate is the gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fwdad.estimators.combiners import Combiner, Sum
from fwdad.estimators.samplers import Sampler
from fwdad.perturbation import Directions, Template
from fwdad.tangents import DiagonalTangent, Group, StackedTangent


class Units(Sampler):
    """One direction for each unit, which all examples share: ``d`` is dL/dz of every layer, exactly.

    A unit's direction is never stored: behind its activation it is one column, behind the next layer one row of its
    weights, scaled (`fwdad.tangents.ScaledRowsTangent`). So the layer before the last hidden one costs at most
    ``2 B m n c`` operations for n units, m units behind them and c outputs, and the two last layers next to nothing.
    A convolution's unit moves what the next convolution sees of it; where a thin product follows, that costs at most
    ``2 KH KW C c`` operations for each entry of the next convolution's output. Max pooling costs nothing.
    With two or more large products between a unit and the loss, directions become arrays of (n, B, m): for such layers
    random directions cost less.

    For activity perturbation.

    Raises
    ------
    TypeError
        With weight perturbation.

    Examples
    --------
    >>> import fwdad
    >>> from fwdad import nn
    >>> x, y, model = np.ones((2, 3), np.float32), np.array([0, 1]), nn.MLP((3, 4, 2))
    >>> fg = fwdad.ForwardGradient(Units())
    >>> _, gradient = fg(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, y)
    >>> _, exact = fwdad.estimators.exact_gradient(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, y)
    >>> bool(np.allclose(gradient.layers[0].weight, exact.layers[0].weight, atol=1e-6))
    True
    """

    shared = True
    exact = True

    def default_combiner(self) -> Combiner:
        """Return the sum: unit vectors are at right angles, and the sum of all is the gradient."""
        return Sum()

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return one group of unit vectors for each array."""
        sizes = [math.prod(t.shape) for t in templates]
        k, parts, start = sum(sizes), [], 0
        for t, size in zip(templates, sizes, strict=True):
            if len(t.shape) != 1:
                raise TypeError("Units moves the units of layers that all examples share: perturb='activity'")
            parts.append(StackedTangent([Group(start, DiagonalTangent(np.ones(size, t.dtype)))], k))
            start += size
        return Directions(parts)
