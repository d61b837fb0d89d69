"""Embedding: a table of learnt vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.nn.dtypes import floating
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, generator
from fwdad.perturbation import site


class Embedding(Module):
    """A learnt vector for each of a number of things: ``y = w[x]``.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many vectors there are, and their size: ``weight`` is (num_embeddings, embedding_dim), drawn from N(0, 1).
    seed, dtype
        As in `Linear`.

    Raises
    ------
    ValueError
        For a size below 1.

    Examples
    --------
    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    weight: Array

    def __init__(self, num_embeddings: int, embedding_dim: int, *, seed: Seed = None, dtype: Any = np.float32) -> None:
        if min(num_embeddings, embedding_dim) < 1:
            raise ValueError(
                f"num_embeddings and embedding_dim must be at least 1; got {num_embeddings} and {embedding_dim}"
            )
        self.weight = generator(seed).standard_normal((num_embeddings, embedding_dim)).astype(floating(dtype))

    def __call__(self, x: np.ndarray) -> Array:
        """Return y (B, ..., embedding_dim) for integers x (B, ...).

        Raises
        ------
        TypeError
            For an x that does not hold integers.
        ValueError
            For an integer that is negative, or not below num_embeddings.
        """
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
        """Return ``dL/dw[j] = sum of g where x is j``, for g = dL/dy (B, ..., embedding_dim)."""
        gradient = object.__new__(Embedding)
        gradient.weight = np.zeros_like(self.weight)
        np.add.at(gradient.weight, x, g)
        return gradient
