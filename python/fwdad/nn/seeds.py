"""Seeds: what the initial values of a layer follow from.

A layer draws its initial values from its seed, an integer or a child of a network's ``numpy.random.SeedSequence``. A
layer that is made without a seed takes the next of the process: layers of one shape differ, and a program that makes
the same layers in the same order has the same weights whenever it runs. A whole network (`MLP`, `MODELS`) has seed 0
by default, and gives its layers the children of its seed.
"""

from __future__ import annotations

import itertools
from typing import TypeAlias

import numpy as np

Seed: TypeAlias = "int | np.random.SeedSequence | None"  # a string: nothing imports numpy.random before it is used

_seeds = itertools.count(2**32)  # beyond the seeds that people write, so that none of them comes twice


def next_seed() -> int:
    """Return the seed of the next layer that is made without one."""
    return next(_seeds)


def generator(seed: Seed) -> np.random.Generator:
    """Return the generator of a layer's initial values.

    Examples
    --------
    >>> bool(generator(None).random() == generator(None).random())
    False
    """
    return np.random.default_rng(next_seed() if seed is None else seed)


def spawn(seed: Seed, n: int) -> list[np.random.SeedSequence]:
    """Return n children of a seed, for the parts of a layer or network.

    Examples
    --------
    >>> [child.spawn_key for child in spawn(0, 2)]
    [(0,), (1,)]
    """
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(next_seed() if seed is None else seed)
    return seed.spawn(n)
