"""What every data set is once it is loaded, and the one error that all loaders raise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.data.facts import Facts


class DataError(ValueError):
    """A data set cannot be used; the message names the file, what is wrong with it and what to do."""


class DataWarning(UserWarning):
    """Data is read in a way that its owner should know of."""


class Split(NamedTuple):
    """Examples of one split.

    Parameters
    ----------
    inputs
        float32 (N, D), normalised; an image is flat here, channel by channel and row by row, and a series step by
        step. Before that, what the file holds.
    targets
        Class numbers int64 (N,), or, for a regression, values float32 (N, M).
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Three splits of examples, and what they are.

    Parameters
    ----------
    shape
        Of one input: (C, H, W) for images, (D,) for the rows of a table, (steps, D) for series; its product is the
        inputs' D.
    classes
        How many classes there are; None for a regression.
    class_names
        What the classes are called, where the data says so.
    facts
        By which other files of the same kind are read; None where nothing is known of the data's origin.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int | None
    shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    facts: Facts | None = None

    def __repr__(self) -> str:
        """Show what there is, and no numbers."""
        sizes = (f"{part}={len(getattr(self, part).targets):,}" for part in ("train", "validation", "test"))
        return f"Dataset({self.name!r}, {', '.join(sizes)}, shape={self.shape}, classes={self.classes})"

    @property
    def outputs(self) -> int:
        """How many numbers a model of this data gives: one per class, or one per column of the targets."""
        return self.train.targets.shape[1] if self.classes is None else self.classes

    def digest(self) -> str:
        """Return the SHA-256 of all values of all splits, in hex; a resumed run compares it with the first run's."""
        state = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in split:
                state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


def normalise(pixels: NDArray[np.uint8], largest: int, mean: float, std: float) -> NDArray[np.float32]:
    """Return pixels (N, ...) in 0..largest as float32 (N, D): ``(pixel / largest - mean) / std``."""
    # One entry per pixel value: computed in float64, rounded once, and no float64 copy of the images.
    table = ((np.arange(largest + 1) / largest - mean) / std).astype(np.float32)
    return table[pixels.reshape(len(pixels), -1)]
