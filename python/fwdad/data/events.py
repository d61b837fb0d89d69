"""Recordings of events as series: how often each input fired in each of 10 bins of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.facts import Facts

STEPS = 10


def count(times: NDArray[np.float64], inputs: NDArray[np.integer], size: int, origin: object) -> NDArray[np.int64]:
    """Return how many events there are of each of `size` inputs in each bin of time, (STEPS * size,), step by step.

    The bins are equally long, and span the recording from its first event to its last, which is in the last bin. Where
    all events have one time, they are in the first.

    Raises
    ------
    DataError
        There is no event; the message names `origin`.

    Examples
    --------
    >>> count(np.array([3.0, 3.5, 4.9, 5.0]), np.array([0, 0, 1, 1]), 2, "four events").reshape(STEPS, 2).T.tolist()
    [[1, 0, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]]
    """
    if not len(times):
        raise DataError(f"{origin} holds no events")
    first, last = times.min(), times.max()
    bins = (STEPS * (times - first) / (last - first if last > first else 1.0)).astype(np.int64)
    return np.bincount(np.minimum(bins, STEPS - 1) * size + inputs, minlength=STEPS * size)


def series(name: str, parts: tuple[Split, Split, Split], classes: int) -> Dataset:
    """Make a data set of counts, inputs float32 (N, STEPS * D), as they are."""
    train, validation, test = parts
    counts = tuple(len(part.targets) for part in parts)
    shape = (STEPS, train.inputs.shape[1] // STEPS)
    zeros, ones = (0.0,) * STEPS, (1.0,) * STEPS
    names = tuple(map(str, range(classes)))
    facts = Facts(name, shape, "float32", zeros, ones, counts, series=True, classes=names)
    return Dataset(name, train, validation, test, classes, shape, facts=facts)
