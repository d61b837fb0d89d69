"""Published data sets by their names, as files that a run may be tested on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fwdad.data.cifar import LAYOUTS, load_cifar
from fwdad.data.dataset import DataError, Dataset
from fwdad.data.digits import load_digits
from fwdad.data.download import SOURCES
from fwdad.data.facts import Facts
from fwdad.data.mnist import NORMALISATION, load_mnist
from fwdad.data.nmnist import load_nmnist
from fwdad.data.shd import load_shd
from fwdad.data.source import Source

LOADERS: dict[str, Callable[[str, Path], Dataset]] = {
    **dict.fromkeys(NORMALISATION, load_mnist),
    **dict.fromkeys(LAYOUTS, load_cifar),
    "n-mnist": load_nmnist,
    "shd": load_shd,
}
NAMES = ("digits", *LOADERS)
VARIABLE = "FWDAD_DATA"


class Named(Source):
    """A data set of `NAMES`; ``digits`` is part of the package, the others are in ``data_dir/name`` or ``data_dir``."""

    part = "its test part"

    def __init__(self, name: str, data_dir: str | os.PathLike[str] | None) -> None:
        self.path = Path(name)
        self._data = _load(name, data_dir)

    def dataset(self, task: str, target: str | None) -> Dataset:
        """Return the data set as it was published."""
        if target is not None:
            raise DataError(f"a target column, {target!r}, is for tables; {self.path} is none")
        if task == "regression":
            raise DataError(f"{self.path} is a classification data set; it has no values for a regression")
        return self._data

    def inputs(self, facts: Facts) -> NDArray[Any]:
        """Return the examples of the test part."""
        ours = _facts(self._data)
        if (ours.shape, ours.channels_last) != (facts.shape, facts.channels_last):
            raise DataError(f"{self.path} holds examples {ours.shape}, but the run has learnt from {facts.shape}")
        return ours.originals(self._data.test.inputs)

    def targets(self, facts: Facts) -> Any:
        """Return the names of the test part's classes."""
        names = _facts(self._data).classes
        assert names is not None
        return [names[label] for label in self._data.test.targets]

    def place(self, row: int) -> str:
        """Say which example it is, from 0."""
        return f"example {row}"


def _facts(dataset: Dataset) -> Facts:
    assert dataset.facts is not None
    return dataset.facts


def _load(name: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    if name == "digits":
        return load_digits()
    folder = data_dir or os.environ.get(VARIABLE)
    if not folder:
        how = f" (fwdad download {name} gets them)" if name in SOURCES else ""
        raise DataError(
            f"{name} is not part of the package; name the folder of its files by --data-dir or ${VARIABLE}{how}"
        )
    return LOADERS[name](name, Path(folder))
