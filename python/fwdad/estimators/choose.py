"""Which directions cost least for what they give."""

from __future__ import annotations

import itertools
import math

from fwdad.perturbation import Activities, Loss, Model
from fwdad.perturbation.sites import Survey


def cost_of_units(loss: Loss, model: Model, *batch: object) -> float:
    """Return about what pushing every unit's direction costs, in forward passes; infinity where that is not known.

    A unit's direction is free up to and including the next layer (`Units`), and a product of one row with each layer's
    weights from there on. That holds for layers in a row whose z are matrices; for others nothing is known.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn
    >>> loss = lambda m, x, y: nn.cross_entropy(m(x), y)
    >>> x, y = np.ones((2, 784), np.float32), np.array([0, 1])
    >>> round(cost_of_units(loss, nn.MLP((784, 256, 256, 10)), x, y), 1)
    2.4
    """
    templates = Activities("batch").templates(loss, model, batch)
    sites = [template for template in templates if isinstance(template, Survey) and len(template.z_shape) == 2]
    if len(sites) < len(templates):
        return math.inf
    if any(after.x.shape[1:] != before.z_shape[1:] for before, after in itertools.pairwise(sites)):
        return math.inf
    sizes = [site.z_shape[1] for site in sites]
    forward = sum(math.prod(site.x.shape[1:]) * site.z_shape[1] for site in sites)
    pushed = sum(
        n * sum(sizes[j - 1] * sizes[j] for j in range(number + 2, len(sizes))) for number, n in enumerate(sizes)
    )
    return float(pushed / max(forward, 1))
