"""Which directions cost least for what they give."""

from __future__ import annotations

import math

from fwdad.perturbation import Activities, Loss, Model
from fwdad.perturbation.sites import Survey


def cost_of_units(loss: Loss, model: Model, *batch: object) -> float:
    """Return what pushing every unit's direction costs, in multiply-adds of a forward pass; infinity where it cannot be.

    A unit's direction is free up to and including the next layer (`Units`), and a product of one row with each layer's
    weights from there on. That holds for layers in a row whose z are matrices; elsewhere directions become arrays, and
    this is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn
    >>> loss = lambda m, x, y: nn.cross_entropy(m(x), y)
    >>> x, y = np.ones((2, 784), np.float32), np.array([0, 1])
    >>> round(cost_of_units(loss, nn.MLP((784, 256, 256, 10)), x, y), 1)
    2.4
    """
    sites = list(Activities("batch").templates(loss, model, batch))
    if not all(isinstance(site, Survey) and len(site.z_shape) == 2 for site in sites):
        return math.inf
    if any(after.x.shape[1:] != before.z_shape[1:] for before, after in zip(sites, sites[1:], strict=False)):
        return math.inf
    sizes = [site.z_shape[1] for site in sites]
    forward = sum(math.prod(site.x.shape[1:]) * site.z_shape[1] for site in sites)
    pushed = sum(
        n * sum(sizes[j - 1] * sizes[j] for j in range(number + 2, len(sizes))) for number, n in enumerate(sizes)
    )
    return pushed / forward
