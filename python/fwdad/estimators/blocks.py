"""Blocks: groups of units share a direction, in which each has a random sign."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

from fwdad.estimators.combiners import Combiner, Sum
from fwdad.estimators.samplers import Rademacher, Random
from fwdad.perturbation import Directions, Template
from fwdad.tangents import BlocksTangent, Group, StackedTangent


class Blocks(Random):
    """k directions that move a group of one layer's units each, by random signs: the dial from one direction to all.

    Directions are at right angles and ``E sum_i v_i v_i^T = I``, so that the `Sum` of ``d_i v_i`` is unbiased. Its
    error comes from the other units of a group: with a group for each unit the estimate is the gradient. A group's
    layer alone moves, and behind the next product k directions cost no more than one, whatever the outputs are.

    Groups are neighbours in a layer, as equal in size as k allows. Signs are a stream of (seed, step); where examples
    have directions of their own, so are the signs. A matrix of weights is cut into groups of columns.

    Parameters
    ----------
    k, seed
        As of `Normal`. Directions beyond the number of units are zero; where k is below the number of layers, some
        layers share a direction.

    Examples
    --------
    >>> import numpy as np
    >>> v = Blocks(k=3, seed=1).directions([np.zeros(4), np.zeros(2)], step=0)
    >>> np.abs(v.dense()).tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]]
    """

    def default_combiner(self) -> Combiner:
        """Return the sum, which is unbiased."""
        return Sum()

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the groups of each array, with zeros for those of the others."""
        shapes = [t.shape or (1,) for t in templates]
        parts = []
        for number, (t, shape) in enumerate(zip(templates, shapes, strict=True)):
            start, count = shares(tuple(shape[-1] for shape in shapes), int(self.k))[number]
            (signs,) = Rademacher(1, seed=self.seed).draw(number, shape, t.dtype, step).dense()
            part = BlocksTangent(signs, count).reshape((count, *t.shape))
            parts.append(StackedTangent([Group(start, part)], int(self.k)))
        return Directions(parts, per_row)


@functools.cache
def shares(sizes: tuple[int, ...], k: int) -> list[tuple[int, int]]:
    """Return each array's first direction and the number of its groups, so that the largest group of all is small.

    Where k is below the number of arrays, some share a direction.

    Examples
    --------
    >>> shares((256, 256, 10), 16), shares((256, 256, 10), 2)
    ([(0, 8), (8, 7), (15, 1)], [(0, 1), (0, 1), (1, 1)])
    """
    n = len(sizes)
    if k < n:
        return [(number * k // n, 1) for number in range(n)]
    counts = [1] * n
    for _ in range(min(k, sum(sizes)) - n):
        largest = max(range(n), key=lambda number: sizes[number] / counts[number])
        counts[largest] += 1
    return list(zip(itertools.accumulate(counts, initial=0), counts, strict=False))
