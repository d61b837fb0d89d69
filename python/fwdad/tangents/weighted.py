"""Weighted directions: what a loss makes of the directions of its input, worked out for the examples that are asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.tangents.dense import kind_of
from fwdad.tangents.duck import DuckTangent, Tangent, rows_of


class WeightedTangent(DuckTangent, name="weighted"):
    """k directions of a vector (B,): ``t[i, b] = sum_j weights[b, j] of[i, b, j]``, not multiplied yet.

    A loss of each example, with derivatives `weights` by its input, moves like this. Which examples' derivatives are
    worth their cost is known only then: ``t[:, rows]`` costs what those rows cost.

    Parameters
    ----------
    of : (k, B, n) of any kind
    weights : (B, n)

    Examples
    --------
    >>> t = WeightedTangent(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[1.0, 0.0], [0.0, 10.0]]))
    >>> t.dense().tolist(), t[:, np.array([1])].dense().tolist()
    ([[1.0, 40.0]], [[40.0]])
    """

    def __init__(self, of: Tangent, weights: np.ndarray) -> None:
        self.of = of
        self.weights = weights
        self.shape = of.shape[:2]
        self.dtype = weights.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent | None:
        """Return random ones; None for anything but a vector."""
        if len(primal_shape) != 1:
            return None
        random = np.random.default_rng(seed)
        of = random.standard_normal((k, *primal_shape, 3)).astype(dtype)
        return cls(of, random.standard_normal((*primal_shape, 3)).astype(dtype))

    def dense(self) -> np.ndarray:
        """Return the directions as an array (k, B)."""
        return np.asarray(kind_of(self.of).weighted_rows(self.weights))

    def __getitem__(self, index: Any) -> Any:
        """Return some directions, or those of some examples, in the same form; anything else of `dense()`."""
        if isinstance(index, slice):
            return WeightedTangent(self.of[index], self.weights)
        rows = rows_of(index)
        return super().__getitem__(index) if rows is None else WeightedTangent(self.of[index], self.weights[rows])
