"""Dropout: in training, a random part of the units is set to zero."""

from __future__ import annotations

import numpy as np

from fwdad.dual import Array
from fwdad.nn.mode import current
from fwdad.nn.module import Module
from fwdad.nn.seeds import next_seed
from fwdad.tree import static


class Dropout(Module):
    """Dropout: ``y = x m / (1 - p)``, where m is 0 with probability p, else 1; in evaluation ``y = x``.

    The primal and all k tangents have one mask.

    Parameters
    ----------
    p : float
        The probability that a unit is set to zero.
    seed : int or None
        What the mask follows from, together with the step and the seed of `fwdad.nn.training`: every pass of a step has
        the same mask. None takes the next seed of the process (`fwdad.nn.seeds`). A model that is made again to go on
        with its training needs the same seed again.

    Raises
    ------
    ValueError
        For a p outside [0, 1).

    References
    ----------
    Srivastava et al., JMLR 15, 2014.

    Examples
    --------
    >>> from fwdad import nn
    >>> layer = Dropout(0.5, seed=1)
    >>> with nn.training(step=3):
    ...     y, again = layer(np.ones(1000)), layer(np.ones(1000))
    >>> np.array_equal(y, again), sorted(set(y.tolist())), layer(np.ones(2)).tolist()
    (True, [0.0, 2.0], [1.0, 1.0])
    """

    p: float = static()
    seed: int = static()

    def __init__(self, p: float, *, seed: int | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"p must lie in [0, 1); got {p}")
        self.p, self.seed = p, next_seed() if seed is None else seed

    def __call__(self, x: Array) -> Array:
        """Return x under the mask of this step, or x itself in evaluation."""
        run = current()
        if run is None or self.p == 0:
            return x
        draw = np.random.default_rng((run.seed, run.step, self.seed)).random(x.shape, np.float32)
        return x * ((draw >= self.p) / np.asarray(1 - self.p, x.dtype)).astype(x.dtype, copy=False)
