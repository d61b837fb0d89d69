"""Examples split into training, validation and test parts, and made a data set by what the training part says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.batches import permutation
from fwdad.data.classes import names_of, numbers_of
from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.facts import Facts, channels_first, statistics

HELD_OUT = 10  # a tenth of the examples is for validation, another for testing


def stratified_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a fixed shuffled order of the examples in which every stretch has the classes in their overall proportion.

    The r-th of a class's c shuffled examples stands at (r + 1/2) / c of the whole.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        place[members[permutation(len(members), int(label))]] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")


def split_apart(examples: Split, origin: object) -> tuple[Split, Split, Split]:
    """Split into training, validation and test parts, 8 : 1 : 1.

    The order depends on the number of examples alone. If the targets are integers, all three parts have the classes in
    the same proportion.

    Raises
    ------
    DataError
        There are fewer than 10 examples; the message names `origin`.
    """
    n = len(examples.inputs)
    if n < HELD_OUT:
        raise DataError(f"{origin} holds {n} examples; at least {HELD_OUT} are needed to split them")
    test, validation, train = _parts(examples, n // HELD_OUT, 2 * (n // HELD_OUT))
    return train, validation, test


def hold_out(train: Split, origin: object) -> tuple[Split, Split]:
    """Split a training part into itself without a tenth, and that tenth, for validation."""
    count = len(train.inputs) // HELD_OUT
    if not count:
        raise DataError(f"{origin} holds {len(train.inputs)} training examples; at least {HELD_OUT} are needed")
    validation, train = _parts(train, count)
    return train, validation


def _parts(examples: Split, *ends: int) -> list[Split]:
    classes = np.issubdtype(examples.targets.dtype, np.integer)
    order = stratified_order(examples.targets) if classes else permutation(len(examples.inputs), 0)
    return [Split(*(array[rows] for array in examples)) for rows in np.split(order, ends)]


def numbered(words: list[str], origin: object) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the classes that words name as numbers (N,), and their names; `DataError` for more than half as many."""
    names = names_of(words)
    if len(names) > len(words) // 2:
        raise DataError(
            f"{origin} holds {len(names)} different values in {len(words)} examples, too many to be classes; for "
            "values use --task regression"
        )
    return numbers_of(words, names), names


def fitted(origin: Path, parts: tuple[Split, Split, Split], classes: tuple[str, ...] | None, **about: Any) -> Dataset:
    """Make a data set of parts with inputs as the file has them, (N, *shape), and class numbers or values (N, M).

    Inputs become ``(x - mean) / std`` with the mean and standard deviation of the *training* part: of each column of a
    table, of each channel of images. What does not vary there becomes 0. The targets of a regression are treated alike,
    column by column, so that predicting the mean has a loss of 1.

    Parameters
    ----------
    about
        The other `Facts` of the data.
    """
    inputs, targets = parts[0]
    mean, std = statistics(channels_first(inputs, about.get("channels_last", False)))
    target_mean, target_std = ((), ()) if classes else statistics(targets)
    facts = Facts(
        origin=str(origin.resolve() if origin.exists() else origin),  # a data frame has no file
        shape=inputs.shape[1:],
        dtype=inputs.dtype.name,
        mean=mean,
        std=std,
        counts=tuple(len(part.inputs) for part in parts),
        classes=classes,
        target_mean=target_mean,
        target_std=target_std,
        **about,
    )
    train, validation, test = (Split(facts.inputs(x), y if classes else facts.values(y)) for x, y in parts)
    for part, split in (("training", train), ("validation", validation), ("test", test)):
        for what, values in zip(("inputs", "targets"), split, strict=True):
            if not np.isfinite(values).all():
                raise DataError(f"{origin}: {what} of the {part} part are too far from the training part; scale them")
    count = None if classes is None else len(classes)
    return Dataset(origin.resolve().stem, train, validation, test, count, facts.input_shape, classes or (), facts)
