"""Data sets, the order in which training visits them, and how images are varied on the way.

dataset     Dataset, Split, DataError
digits      part of the package
mnist       MNIST, Fashion-MNIST, KMNIST    idx: the format of their files
cifar       CIFAR-10, CIFAR-100
arrays      .npz files, folders of .npy files
table       .csv files
splitting   train, validation and test parts; standardisation
download    getting published data sets
batches     the order of the examples
augment     crops and mirror images
"""

from __future__ import annotations

import os
from pathlib import Path

from fwdad.data.arrays import load_arrays
from fwdad.data.augment import AUGMENTATIONS, Augmenter
from fwdad.data.batches import Batches
from fwdad.data.cifar import LAYOUTS, load_cifar
from fwdad.data.dataset import DataError, Dataset, Split
from fwdad.data.digits import load_digits
from fwdad.data.download import SOURCES, download
from fwdad.data.mnist import NORMALISATION, load_mnist
from fwdad.data.table import load_table

__all__ = [
    "AUGMENTATIONS",
    "NAMES",
    "SOURCES",
    "TASKS",
    "VARIABLE",
    "Augmenter",
    "Batches",
    "DataError",
    "Dataset",
    "Split",
    "download",
    "load",
]

NAMES = ("digits", *NORMALISATION, *LAYOUTS)
TASKS = ("classification", "regression")
VARIABLE = "FWDAD_DATA"


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    task: str = "classification",
    target: str | None = None,
) -> Dataset:
    """Load a data set, split and normalised.

    Parameters
    ----------
    name
        One of `NAMES`, or the path of a .csv file, an .npz file or a folder of .npy files.
    data_dir
        The folder of the files of a named data set, which are in ``data_dir/name`` or ``data_dir``; without it the
        folder that the environment variable ``FWDAD_DATA`` names. ``digits`` is part of the package.
    task
        One of `TASKS`.
    target
        The column of a .csv file to predict, by default the last.

    Raises
    ------
    DataError
        The data set is unknown, missing or malformed.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.train.inputs.shape, digits.validation.inputs.shape, digits.test.inputs.shape
    ((1197, 64), (300, 64), (300, 64))
    """
    if task not in TASKS:
        raise DataError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")
    if target is not None and not name.endswith(".csv"):
        raise DataError(f"a target column, {target!r}, is for .csv files; {name} is none")
    if name in NAMES:
        if task == "regression":
            raise DataError(f"{name} is a classification data set; it has no values for a regression")
        return _load_named(name, data_dir)
    path = Path(name)
    if path.suffix == ".csv":
        return load_table(path, task, target)
    if path.suffix == ".npz" or path.is_dir():
        return load_arrays(path, task)
    raise DataError(
        f"unknown data set {name!r}; choose one of {', '.join(NAMES)}, "
        "or name a .csv or .npz file or a folder of .npy files"
    )


def _load_named(name: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    if name == "digits":
        return load_digits()
    folder = data_dir or os.environ.get(VARIABLE)
    if not folder:
        raise DataError(
            f"{name} is not part of the package; name the folder of its files by --data-dir or ${VARIABLE} "
            f"(fwdad download {name} gets them)"
        )
    return load_mnist(name, Path(folder)) if name in NORMALISATION else load_cifar(name, Path(folder))
