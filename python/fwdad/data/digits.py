"""The embedded data set: 1,797 handwritten digits of 8 x 8 pixels (origin and licence in DIGITS.md)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .batches import permutation
from .dataset import DataError, Dataset, Split, normalise

FILE = Path(__file__).with_name("digits.npz")
HELD_OUT = 300  # examples in the test split, and again in the validation split; 1,197 are left to train on
MEAN, STD = 0.3049, 0.3759  # of pixel / 16 over the training split


def load_digits() -> Dataset:
    """The digits, split once and for all: 1,197 to train, 300 to validate, 300 to test, each with all classes alike."""
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            pixels, labels = arrays["images"], arrays["labels"].astype(np.int64)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{FILE}, part of this package, cannot be read ({error}); install fwdad again") from error
    images = normalise(pixels, 16, MEAN, STD)
    order = stratified_order(labels)
    test, validation, train = (Split(images[rows], labels[rows]) for rows in np.split(order, (HELD_OUT, 2 * HELD_OUT)))
    return Dataset("digits", train, validation, test, classes=10, shape=(8, 8))


def stratified_order(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A fixed shuffled order of the examples in which every stretch has the classes in their overall proportion.

    The r-th of a class's c shuffled examples stands at (r + 1/2) / c of the whole.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        place[members[permutation(len(members), int(label))]] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(place, kind="stable")
