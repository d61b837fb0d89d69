"""Data sets of one's own in a table: columns with names, an example a row.

CSV files, and TSV files with tabs, are read here: a header with the columns' names, then an example a line.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.classes import names_of, numbers_of
from fwdad.data.dataset import DataError, Dataset, DataWarning, Split
from fwdad.data.facts import Column, Facts
from fwdad.data.source import LARGEST, Source
from fwdad.data.splitting import fitted, numbered, split_apart
from fwdad.files import parse_number

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Table(Source):
    """The columns of a table by name.

    Parameters
    ----------
    columns
        Arrays of numbers, NaN for a gap, or lists of words, "" for a gap, which in a column of numbers write these.
    place
        Says where a row stands, as in "line 14".
    """

    def __init__(
        self, path: Path, columns: Mapping[str, NDArray[Any] | list[str]], place: Callable[[int], str]
    ) -> None:
        self.path, self._columns, self._place = path, columns, place

    def place(self, row: int) -> str:
        """Say where a row stands."""
        return self._place(row)

    def dataset(self, task: str, target: str | None) -> Dataset:
        """Return the data set with the target column, by default the last, to be predicted from all others."""
        target = [*self._columns][-1] if target is None else target
        names = [name for name in self._columns if name != target]
        targets = self._column(target, "")
        if not names:
            raise DataError(
                f"{self.path} has the one column {target!r}; needed are inputs and a target, in a .csv file separated "
                "by commas, in a .tsv file by tabs"
            )
        columns = tuple(map(self._learnt, names))
        if task == "regression":
            targets, classes = self._numbers(target)[:, None], None
        else:
            targets, classes = numbered(self._words(target), f"{self.path}: column {target!r}")
        parts = split_apart(Split(self._encoded(columns), targets), self.path)
        return fitted(self.path, parts, classes, columns=columns, target=target)

    def inputs(self, facts: Facts) -> NDArray[Any]:
        """Return the columns of the run, found by their names; warns of those that it does not have."""
        if not facts.columns:
            raise DataError(
                f"{self.path}: the run has learnt from arrays, whose columns have no names; give an .npz file"
            )
        known = {column.name for column in facts.columns} | {facts.target}
        if unused := [name for name in self._columns if name not in known]:
            message = f"{self.path}: not used, since the run has no such columns: {', '.join(unused)}"
            warnings.warn(message, DataWarning, stacklevel=4)
        return self._encoded(facts.columns)

    def targets(self, facts: Facts) -> Any:
        """Return what is in the run's target column."""
        assert facts.target is not None
        self._column(facts.target, ", which the run predicts; fwdad predict does without")
        return self._words(facts.target) if facts.classes is not None else self._numbers(facts.target)[:, None]

    def _column(self, name: str, why: str) -> NDArray[Any] | list[str]:
        if name not in self._columns:
            raise DataError(f"{self.path} has no column {name!r}{why}; its columns are {', '.join(self._columns)}")
        return self._columns[name]

    def _learnt(self, name: str) -> Column:
        """Return what a column of inputs is: of words if none of them writes a number, else of numbers."""
        cells = self._columns[name]
        if isinstance(cells, np.ndarray):
            return Column(name, str(cells.dtype))
        if any(not math.isnan(_number(cell)) or cell.strip().lower() == "nan" for cell in cells):
            return Column(name, "float64")
        words = names_of(self._words(name))
        if len(words) > len(cells) // 2:
            raise DataError(
                f"{self.path}: column {name!r} holds {len(words)} different words in {len(cells)} rows, too many to "
                "learn from; leave the column out"
            )
        return Column(name, "str", words)

    def _encoded(self, columns: tuple[Column, ...]) -> NDArray[np.float64]:
        """Return the inputs (N, D): numbers as they are, words as one column of 0 and 1 for each that may be there."""
        for column in columns:
            self._column(column.name, ", from which the run has learnt")
        return np.column_stack([self._numbers(c.name) if not c.words else self._one_hot(c) for c in columns])

    def _one_hot(self, column: Column) -> NDArray[np.float64]:
        words = self._words(column.name)
        numbers = numbers_of(words, column.words)
        if (unknown := np.flatnonzero(numbers < 0)).size:
            what = f"{words[unknown[0]][:60]!r} is none of the words that the run knows: {', '.join(column.words)}"
            raise self._error(unknown[0], column.name, what)
        return np.eye(len(column.words))[numbers]

    def _numbers(self, name: str) -> NDArray[np.float64]:
        cells = self._columns[name]
        values = np.array(list(map(_number, cells))) if isinstance(cells, list) else cells.astype(np.float64)
        if (bad := np.flatnonzero(~(np.abs(values) <= LARGEST))).size:
            row = bad[0]
            word = str(cells[row]).strip()
            what = "no value"
            if word and not (isinstance(cells, np.ndarray) and math.isnan(values[row])):
                what = f"{word[:60]!r} is not a finite number" + (" in float32" if math.isfinite(values[row]) else "")
            raise self._error(row, name, f"{what}; clean or encode the table first")
        return values

    def _words(self, name: str) -> list[str]:
        cells = self._columns[name]
        words = [cell.strip() for cell in cells] if isinstance(cells, list) else list(map(_word, cells.tolist()))
        if "" in words:
            raise self._error(words.index(""), name, "no value; clean or encode the table first")
        return words

    def _error(self, row: int, column: str, what: str) -> DataError:
        return DataError(f"{self.path}, {self.place(row)}, column {column!r}: {what}")


def read_csv(path: Path) -> Table:
    """Read a table of text; blank lines are left out. `DataError` names the line that is no row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if len(lines) < 2:
        raise DataError(f"{path} holds no examples; needed are a header and an example a line")
    header = [name.strip() for name in lines[0][1]]
    _check_header(path, header)
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {line}: {len(cells)} values, but the header names {len(header)} columns")
    columns = {name: [cells[i] for _, cells in lines[1:]] for i, name in enumerate(header)}
    return Table(path, columns, lambda row: f"line {lines[row + 1][0]}")


def _check_header(path: Path, header: list[str]) -> None:
    """Raise `DataError` for columns without names, or with the same."""
    numbers = [_number(name) for name in header]
    in_order = numbers in ([*range(len(header))], [*range(1, len(header) + 1)])  # names that a program gives
    if not (in_order or any(map(math.isnan, numbers))) or any(n % 1 for n in numbers if math.isfinite(n)):
        raise DataError(
            f"{path} begins with the numbers of an example: {','.join(header)[:60]}; write a line with the names of "
            f"its {len(header)} columns before it"
        )
    if "" in header:
        raise DataError(
            f"{path}: column {header.index('') + 1} has no name; if it numbers the rows, leave it out (pandas: "
            "to_csv(index=False)), else name it"
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}: two columns have the same name in its header: {twice!r}")


def _word(number: float) -> str:
    """Return what a number is called as a class; "" for NaN, a gap."""
    return "" if math.isnan(number) else str(number)


def _number(cell: str) -> float:
    """Return the number that a cell writes; NaN if it writes none."""
    try:
        return parse_number(cell)
    except ValueError:
        return math.nan
