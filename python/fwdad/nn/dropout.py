"""Dropout: in training, a random part of the units is silent."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array
from fwdad.nn.mode import current
from fwdad.nn.module import Module
from fwdad.tree import static


class Dropout(Module):
    """``y = x m / (1 - rate)``, m 0 with probability `rate`, else 1; in evaluation ``y = x``.

    One mask for the primal and all k tangents. It follows from the layer's seed and the step and seed of
    `fwdad.nn.training` alone: every pass of a step has the same mask. Give each layer of a model its own seed.

    Raises ValueError for a rate outside [0, 1). Source: Srivastava et al., JMLR 15, 2014.

    >>> from fwdad import nn
    >>> layer = Dropout(0.5, seed=1)
    >>> with nn.training(step=3):
    ...     y, again = layer(np.ones(1000)), layer(np.ones(1000))
    >>> np.array_equal(y, again), sorted(set(y.tolist())), layer(np.ones(2)).tolist()
    (True, [0.0, 2.0], [1.0, 1.0])
    """

    rate: float = static()
    seed: int = static(0)

    def __init__(self, rate: float, seed: int = 0) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"rate must lie in [0, 1); got {rate}")
        self.rate, self.seed = rate, seed

    def __call__(self, x: Array) -> Array:
        run = current()
        if run is None or self.rate == 0:
            return x
        draw = np.random.default_rng((run.seed, run.step, self.seed)).random(x.shape, np.float32)
        return x * ((draw >= self.rate) / np.asarray(1 - self.rate, x.dtype)).astype(x.dtype, copy=False)
