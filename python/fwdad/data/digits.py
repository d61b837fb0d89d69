"""The embedded data set: 1,797 handwritten digits of 8 x 8 pixels (origin and licence in DIGITS.md)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from fwdad.data.dataset import DataError, Dataset, Split, normalise
from fwdad.data.facts import Facts
from fwdad.data.splitting import stratified_order

FILE = Path(__file__).with_name("digits.npz")
HELD_OUT = 300  # examples in the test split, and again in the validation split; 1,197 are left to train on
MEAN, STD = 0.3049, 0.3759  # of pixel / 16 over the training split


def load_digits() -> Dataset:
    """Load the digits: always the same 1,197 to train, 300 to validate and 300 to test, with all classes in each."""
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            pixels, labels = arrays["images"], arrays["labels"].astype(np.int64)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{FILE}, part of this package, cannot be read ({error}); install fwdad again") from error
    images = normalise(pixels, 16, MEAN, STD)
    order = stratified_order(labels)
    test, validation, train = (Split(images[rows], labels[rows]) for rows in np.split(order, (HELD_OUT, 2 * HELD_OUT)))
    counts = tuple(len(split.targets) for split in (train, validation, test))
    classes = tuple(map(str, range(10)))
    facts = Facts("digits", (8, 8), "uint8", (16 * MEAN,), (16 * STD,), counts, classes=classes)
    return Dataset("digits", train, validation, test, classes=10, shape=(1, 8, 8), facts=facts)
