"""The order in which examples are visited: a function of (seed, step) alone, so that a run can resume at any step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def permutation(n: int, *key: int) -> NDArray[np.int64]:
    """Return a permutation of ``0..n-1``, int64 (n,), determined by ``(n, key)`` alone.

    It sorts raw Philox words, whose stream NumPy guarantees; ``Generator.permutation`` may change with NumPy's version.
    """
    words = np.random.Philox(np.random.SeedSequence(key)).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64)


class Batches:
    """Mini-batches of ``n`` examples, visited in a new random order every epoch.

    The order of epoch ``e`` depends on ``(seed, e)`` alone. Every example is visited once an epoch: the last
    batch of an epoch is smaller where `batch_size` does not divide `n`.

    Raises
    ------
    ValueError
        A size below 1, or a negative seed.

    Examples
    --------
    >>> batches = Batches(n=10, batch_size=4, seed=0)
    >>> batches.steps_per_epoch, batches.position(4)
    (3, (1, 1))
    >>> [len(batches.indices(step)) for step in range(3)]
    [4, 4, 2]
    """

    def __init__(self, n: int, batch_size: int, *, seed: int = 0) -> None:
        if n < 1:
            raise ValueError(f"n must be at least 1 example, not {n}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, not {seed}")
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.steps_per_epoch = -(-n // batch_size)
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def position(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, and the index of its batch in the epoch; all count from 0."""
        if step < 0:
            raise ValueError(f"step must not be negative, not {step}")
        return divmod(step, self.steps_per_epoch)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the examples of the batch at a step, int64: `batch_size` of them, or the rest at an epoch's end."""
        epoch, index = self.position(step)
        if epoch != self._epoch:  # only a cache: the order is a function of (seed, epoch)
            self._epoch, self._order = epoch, permutation(self.n, self.seed, epoch)
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]
