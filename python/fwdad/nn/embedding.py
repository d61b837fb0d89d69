"""Embedding: a vector for each of a number of things."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.nn.module import Module
from fwdad.perturbation import site


class Embedding(Module):
    """``y = w[x]``: integers x (B, ...) below `count` to (B, ..., width), weight (count, width) from N(0, 1).

    Raises TypeError for an x that is not of integers, ValueError for one out of range or sizes below 1.

    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    weight: Array

    def __init__(
        self, count: int, width: int, *, seed: int | np.random.SeedSequence = 0, dtype: Any = np.float32
    ) -> None:
        if min(count, width) < 1:
            raise ValueError(f"count and width must be at least 1; got {count} and {width}")
        self.weight = np.random.default_rng(seed).standard_normal((count, width)).astype(dtype)

    def __call__(self, x: np.ndarray) -> Array:
        count, width = self.weight.shape
        if not np.issubdtype(x.dtype, np.integer):
            raise TypeError(f"Embedding takes integers; got an input of dtype {x.dtype}")
        if x.size and not (x.min() >= 0 and x.max() < count):
            raise ValueError(f"Embedding takes integers from 0 to {count - 1}; got {x.min()} to {x.max()}")
        y = self.weight[x]
        here = site(self, x, (*x.shape, width), self.weight.dtype)
        b = here.moved(None)
        return here.settled(y if b is None else y + b)

    def local_gradient(self, x: np.ndarray, g: np.ndarray) -> Embedding:
        """``dL/dw[j] = sum of g where x is j``, for g = dL/dy (B, ..., width)."""
        gradient = object.__new__(Embedding)
        gradient.weight = np.zeros_like(self.weight)
        np.add.at(gradient.weight, x, g)
        return gradient
