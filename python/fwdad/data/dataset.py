"""What every data set is once it is loaded, and the one error all loaders raise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """A data set that cannot be used; the message names the file, what is wrong with it and what to do."""


class Split(NamedTuple):
    """Examples of one split: ``images`` float32 (N, D), normalised, and ``labels`` int64 (N,)."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Dataset:
    """A classification data set: three splits, the number of classes and the (height, width) of an image."""

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    shape: tuple[int, int]

    def digest(self) -> str:
        """A SHA-256 of every value of every split (hex), by which a resumed run knows its data again."""
        state = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in split:
                state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


def normalise(pixels: NDArray[np.uint8], largest: int, mean: float, std: float) -> NDArray[np.float32]:
    """Pixels (N, ...) in 0..largest as float32 (N, D): ``(pixel / largest - mean) / std``."""
    # One entry per pixel value: computed in float64, rounded once, and no float64 copy of the images.
    table = ((np.arange(largest + 1) / largest - mean) / std).astype(np.float32)
    return table[pixels.reshape(len(pixels), -1)]
