"""What all files of examples can be asked, whatever their kind: for a data set, or for what a run's model takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.data.classes import numbers_of
from fwdad.data.dataset import DataError, Dataset, DataWarning
from fwdad.data.facts import Facts
from fwdad.errors import undefined

LARGEST = float(np.finfo(np.float32).max)  # of a value in a data set, which is float32 in the end


class Known(NamedTuple):
    """Examples of another file, as the model of a run takes them.

    Parameters
    ----------
    inputs
        float32 (N, D).
    targets
        Class numbers int64 (N,), -1 for a class that the run does not know, or values float32 (N, M); None if they
        were not asked for.
    files
        The file of each example, where each has its own; else ().
    about
        What they are, in a few words.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any] | None
    files: Sequence[str]
    about: str


class Source:
    """A file or folder of examples; each kind is a subclass."""

    path: Path
    files: Sequence[str] = ()
    part = "all of its rows"

    def dataset(self, task: str, target: str | None) -> Dataset:
        """Return all of it as a data set, split and normalised by itself."""
        raise undefined(self, "dataset(task, target)")

    def inputs(self, facts: Facts) -> NDArray[Any]:
        """Return the examples as a run's file had them, (N, *shape); `DataError` if they are of another kind."""
        raise undefined(self, "inputs(facts)")

    def targets(self, facts: Facts) -> Any:
        """Return the class of each example, a list of words, or in a regression the values (N, M)."""
        raise undefined(self, "targets(facts)")

    def place(self, row: int) -> str:
        """Say where an example stands."""
        raise undefined(self, "place(row)")

    def known(self, facts: Facts, targets: bool) -> Known:
        """Return the examples as the model of a run takes them.

        Warns with `DataWarning` of classes that the run does not know.

        Raises
        ------
        DataError
            They cannot be read so; the message names the first row and column that is wrong.
        """
        inputs = facts.inputs(self.inputs(facts))
        wild = np.flatnonzero(~np.isfinite(inputs).all(axis=1))
        if len(wild):
            raise DataError(f"{self.path}, {self.place(wild[0])}: a value is too far from the run's data for float32")
        known = Known(inputs, None, self.files, f"{self.path.name}, {self.part}")
        if not targets:
            return known
        found = self.targets(facts)
        if facts.classes is None:
            return known._replace(targets=facts.values(found))
        labels = numbers_of(found, facts.classes)
        unknown = np.flatnonzero(labels < 0)
        if len(unknown):
            first = f"{self.path}, {self.place(unknown[0])}: the run knows no class {found[unknown[0]]!r}"
            if len(unknown) == len(labels):
                raise DataError(f"{first}, nor that of any other row; its classes are {', '.join(facts.classes)}")
            message = f"{first}; the {len(unknown)} rows of classes that it does not know count as wrong"
            warnings.warn(message, DataWarning, stacklevel=3)
        return known._replace(targets=labels)
