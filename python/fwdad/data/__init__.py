"""Data sets, the order in which training visits them, and how images are varied on the way.

dataset     Dataset, Split, DataError
facts       what is learnt of a data set, by which other files of its kind are read
classes     their words and numbers
digits      part of the package
mnist       MNIST, Fashion-MNIST, KMNIST    idx: the format of their files
cifar       CIFAR-10, CIFAR-100
nmnist      N-MNIST                         events: recordings of events as series of counts
shd         Spiking Heidelberg Digits
source      what every kind of file can be asked
named       ... published data sets
arrays      ... .npz files, folders of .npy files
images      ... folders of images
table       ... .csv and .tsv files
frames      ... .parquet files, data frames
splitting   train, validation and test parts; standardisation
download    getting published data sets
batches     the order of the examples
augment     crops and mirror images
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

from fwdad.data.arrays import Arrays, from_arrays, read_arrays
from fwdad.data.augment import AUGMENTATIONS, Augmentation, Augmenter
from fwdad.data.batches import Batches
from fwdad.data.dataset import DataError, Dataset, DataWarning, Split
from fwdad.data.download import SOURCES, download
from fwdad.data.facts import Facts
from fwdad.data.frames import read_frame, read_parquet
from fwdad.data.images import SUFFIXES, read_images
from fwdad.data.named import NAMES, VARIABLE, Named
from fwdad.data.source import Known, Source
from fwdad.data.table import DELIMITERS, read_csv

__all__ = [
    "AUGMENTATIONS",
    "NAMES",
    "SOURCES",
    "TASKS",
    "VARIABLE",
    "Augmentation",
    "Augmenter",
    "Batches",
    "DataError",
    "DataWarning",
    "Dataset",
    "Facts",
    "Known",
    "Split",
    "Task",
    "download",
    "from_arrays",
    "load",
    "load_known",
]

Task = Literal["classification", "regression"]
TASKS = get_args(Task)


def load(
    name: Any,
    data_dir: str | os.PathLike[str] | None = None,
    task: Task = "classification",
    target: str | None = None,
) -> Dataset:
    """Load a data set, split and normalised.

    Parameters
    ----------
    name
        One of `NAMES`; the path of a .csv, .tsv, .parquet or .npz file or of a folder of images or .npy files; or a
        data frame of pandas, polars or another library that narwhals knows.
    data_dir
        The folder of the files of a named data set, which are in ``data_dir/name`` or ``data_dir``; without it the
        folder that the environment variable ``FWDAD_DATA`` names. ``digits`` is part of the package.
    task
        One of `TASKS`.
    target
        The column of a table to predict, by default the last.

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
    return _read(name, data_dir).dataset(task, target)


def load_known(
    name: Any, facts: Facts, data_dir: str | os.PathLike[str] | None = None, *, targets: bool = True
) -> Known:
    """Load another file of the kind that `facts` are of, by their statistics, with columns and classes found by name.

    Parameters
    ----------
    name
        As for `load`; all examples are taken, or the test part alone where there is one, as in a named data set.
    targets
        Whether targets are needed.

    Raises
    ------
    DataError
        It cannot be read, or is of another kind.

    Examples
    --------
    >>> digits = load("digits")
    >>> load_known("digits", digits.facts).inputs.shape
    (300, 64)
    """
    return _read(name, data_dir).known(facts, targets)


def _read(name: Any, data_dir: str | os.PathLike[str] | None) -> Source:
    if not isinstance(name, (str, os.PathLike)):
        return read_frame(name)
    if name in NAMES:
        return Named(str(name), data_dir)
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix in DELIMITERS:
        return read_csv(path)
    if suffix == ".parquet":
        return read_parquet(path)
    if suffix == ".npz" or any(path.glob("*.npy")):
        return Arrays(path, read_arrays(path))
    if suffix in SUFFIXES or path.is_dir():
        return read_images(path)
    raise DataError(
        f"unknown data set {str(name)!r}; choose one of {', '.join(NAMES)}, or name a .csv, .tsv, .parquet or .npz "
        "file, or a folder of images or .npy files"
    )
