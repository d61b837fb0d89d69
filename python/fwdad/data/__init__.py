"""Data sets and the order in which training visits them."""

from __future__ import annotations

import os
from pathlib import Path

from .batches import Batches
from .dataset import DataError, Dataset, Split
from .digits import load_digits
from .mnist import NORMALISATION, load_mnist

__all__ = ["NAMES", "Batches", "DataError", "Dataset", "Split", "load"]

NAMES = ("digits", *NORMALISATION)
VARIABLE = "FWDAD_DATA"


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """The data set ``name``, one of `NAMES`, split and normalised; `DataError` if unknown, missing or malformed.

    ``digits`` is part of the package. The others are IDX files (gzipped or not) in ``data_dir/name`` or ``data_dir``;
    without ``data_dir`` in the folder that the environment variable ``FWDAD_DATA`` names.

    >>> digits = load("digits")
    >>> digits.train.images.shape, digits.validation.images.shape, digits.test.images.shape
    ((1197, 64), (300, 64), (300, 64))
    """
    if name not in NAMES:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(NAMES)}")
    if name == "digits":
        return load_digits()
    folder = data_dir or os.environ.get(VARIABLE)
    if not folder:
        raise DataError(f"{name} is not part of the package; name the folder of its files by --data-dir or ${VARIABLE}")
    return load_mnist(name, Path(folder))
