"""Which directions cost least for what they give."""

from __future__ import annotations

import math
from typing import Literal

from fwdad import tree
from fwdad.perturbation import Activities, Loss, Model
from fwdad.perturbation.sites import Survey
from fwdad.tangents.scaled_rows import THIN


def cost_of_units(loss: Loss, model: Model, *batch: object) -> float:
    """Return about what pushing every unit's direction costs, in forward passes; infinity where that is not known.

    A unit's direction is free up to and including the next layer (`Units`), and a product of one row with each layer's
    weights from there on. Behind a convolution that holds where the layer after it is thin; elsewhere every unit pays
    for whole convolutions. All that is for layers in a row whose z are matrices or images, without pooling.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn
    >>> from fwdad.nn import models
    >>> loss = lambda m, x, y: nn.cross_entropy(m(x), y)
    >>> x, y = np.ones((2, 784), np.float32), np.array([0, 1])
    >>> round(cost_of_units(loss, nn.MLP((784, 256, 256, 10)), x, y), 1)
    2.4
    >>> round(cost_of_units(loss, models.ConvNet((1, 28, 28), 10), x, y), 1)
    8.4
    """
    templates = Activities("batch").templates(loss, model, batch)
    sites = [template for template in templates if isinstance(template, Survey) and len(template.z_shape) in (2, 4)]
    sizes = [site.rows[1] for site in sites]
    inputs = [math.prod(site.x.shape[1:]) for site in sites]
    if len(sites) < len(templates) or inputs[1:] != sizes[:-1]:
        return math.inf
    forward = [_products(site) for site in sites]
    is_matrix = [len(site.z_shape) == 2 for site in sites]
    pushed = 0
    for number, size in enumerate(sizes[:-1]):
        behind = forward[number + 1 :]
        thin = number + 2 < len(sites) and is_matrix[number + 2] and sizes[number + 2] <= THIN
        if is_matrix[number + 1] or thin:
            pushed += behind[0] * sum(sizes[number + 2 : number + 3]) + size * sum(behind[2:])
        else:
            pushed += size * sum(behind)
    return float(pushed / max(sum(forward), 1))


def _products(site: Survey) -> int:
    """Return the multiply-adds of one example in a layer: its weights, at each position of z."""
    weights = max((leaf.size for leaf in tree.leaves(site.layer) if tree.is_parameter(leaf)), default=0)
    return int(weights * math.prod(site.z_shape[1:-1]))


CHEAP = 8.0
"""Forward passes that the directions of all units may cost where class directions would do, too."""

MOST = 64.0
"""Forward passes that they may cost where only random directions would do.

At 256 hidden units, 16 random directions cost 16 passes for a cosine^2 to the gradient of less than 0.1."""

MOST_OUTPUTS = 64
"""Class directions are as many as outputs."""


def best_directions(loss: Loss, model: Model, *batch: object) -> Literal["units", "classes", "random"]:
    """Return what costs least for what it gives: "units", "classes" (`ClassDirections`) or "random".

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn
    >>> loss = lambda m, x, y: nn.cross_entropy(m(x), y)
    >>> x, y = np.ones((2, 784), np.float32), np.array([0, 1])
    >>> [best_directions(loss, nn.MLP((784, *[256] * layers, 10)), x, y) for layers in (2, 3)]
    ['units', 'classes']
    """
    cost = cost_of_units(loss, model, *batch)
    if cost < CHEAP:
        return "units"
    sites = [t for t in Activities().templates(loss, model, batch) if isinstance(t, Survey)]
    if sites and all(len(site.z_shape) == 2 for site in sites) and sites[-1].z_shape[1] <= MOST_OUTPUTS:
        return "classes"
    return "units" if cost < MOST else "random"
