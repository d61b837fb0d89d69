"""Examples split into training, validation and test parts, and standardised by the statistics of the training part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.batches import permutation
from fwdad.data.dataset import DataError, Dataset, Split

HELD_OUT = 10  # a tenth of the examples is for validation, another for testing


LARGEST = float(np.finfo(np.float32).max)  # of a value in a data set, which is float32 in the end


def stratified_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a fixed shuffled order of the examples in which every stretch has the classes in their overall proportion.

    The r-th of a class's c shuffled examples stands at (r + 1/2) / c of the whole.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        place[members[permutation(len(members), int(label))]] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def split_apart(inputs: NDArray[Any], targets: NDArray[Any], origin: object) -> tuple[Split, Split, Split]:
    """Split into training, validation and test parts, 8 : 1 : 1.

    The order depends on the number of examples alone. If the targets are integers, all three parts have the classes in
    the same proportion.

    Raises
    ------
    DataError
        There are fewer than 10 examples; the message names `origin`.
    """
    if len(inputs) < HELD_OUT:
        raise DataError(f"{origin} holds {len(inputs)} examples; at least {HELD_OUT} are needed to split them")
    classes = np.issubdtype(targets.dtype, np.integer)
    order = stratified_order(targets) if classes else permutation(len(inputs), 0)
    held_out = len(inputs) // HELD_OUT
    test, validation, train = (Split(inputs[rows], targets[rows]) for rows in np.split(order, (held_out, 2 * held_out)))
    return train, validation, test


def standardised(
    name: str, splits: tuple[Split, Split, Split], classes: int | None, class_names: tuple[str, ...] = ()
) -> Dataset:
    """Make a data set of splits with inputs (N, D), (N, H, W) or (N, C, H, W), numbers of any kind.

    Inputs become ``(x - mean) / std`` with the mean and standard deviation of the *training* part: of each column of a
    table, of each channel of images. What does not vary there becomes 0. The targets of a regression are treated alike,
    column by column, so that predicting the mean has a loss of 1.
    """
    fitted = splits[0]
    shape = fitted.inputs.shape[1:]
    if len(shape) == 2:
        shape = (1, *shape)
    moved = _standardiser(fitted.inputs.reshape(-1, *shape))
    targets = _standardiser(fitted.targets) if classes is None else lambda labels: labels.astype(np.int64, copy=False)
    train, validation, test = (
        Split(moved(s.inputs.reshape(-1, *shape)).reshape(len(s.inputs), -1), targets(s.targets)) for s in splits
    )
    for part, split in (("validation", validation), ("test", test)):
        for what, values in zip(("inputs", "targets"), split, strict=True):
            if not np.isfinite(values).all():
                raise DataError(f"{name}: {what} of the {part} part are too far from the training part; scale them")
    return Dataset(name, train, validation, test, classes, shape, class_names)


def _standardiser(values: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Return ``x -> (x - mean) / std`` in float32, with the statistics of `values` (N, C, ...) for each of C."""
    axes = (0, *range(2, values.ndim))
    mean = np.mean(values, axis=axes, keepdims=True, dtype=np.float64)
    squares = sum(np.sum((block - mean) ** 2, axis=axes, keepdims=True) for block in _blocks(values))
    std = np.sqrt(squares * (mean.size / values.size))
    varies = std > 1e-12 * np.abs(mean)  # a constant's computed deviation can be a rounding error above 0
    scale = np.where(varies, 1 / np.where(varies, std, 1), 0)

    def standardise(x: NDArray[Any]) -> NDArray[np.float32]:
        moved = np.empty(x.shape, np.float32)
        with np.errstate(over="ignore"):
            for source, target in zip(_blocks(x), _blocks(moved), strict=True):
                target[...] = (source - mean) * scale
        return moved

    return standardise


def _blocks(x: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield stretches of x, so that no float64 copy of more than 1,000 examples is ever held."""
    return (x[start : start + 1000] for start in range(0, len(x), 1000))
