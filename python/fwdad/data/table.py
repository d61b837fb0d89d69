"""Data sets of one's own in a CSV file: a header with the columns' names, then an example a line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from fwdad.data.dataset import DataError, Dataset
from fwdad.data.splitting import LARGEST, split_apart, standardised
from fwdad.files import parse_number


def load_table(path: Path, task: str, target: str | None) -> Dataset:
    """Load the data set in a CSV file, with numbers in every column; only classes may be words.

    Parameters
    ----------
    target
        The name of the column to predict; by default the last. All others are inputs.

    Raises
    ------
    DataError
        A value is missing or no number; the message names line and column.
    """
    header, rows = _read(path)
    target = header[-1] if target is None else target
    if target not in header:
        raise DataError(f"{path} has no column {target!r}; its columns are {', '.join(header)}")
    at = header.index(target)
    inputs = np.array(
        [[_number(path, line, header[i], cell) for i, cell in enumerate(cells) if i != at] for line, cells in rows]
    )
    if task == "regression":
        values = np.array([[_number(path, line, target, cells[at])] for line, cells in rows])
        return standardised(path.stem, split_apart(inputs, values, path), None)
    words = [cells[at].strip() for _, cells in rows]
    for (line, _), word in zip(rows, words, strict=True):
        if not word:
            raise DataError(f"{path}, line {line}: no class in column {target!r}")
    names = sorted(set(words), key=_class_order)
    if len(names) > len(rows) // 2:
        raise DataError(
            f"{path}: column {target!r} holds {len(names)} different values in {len(rows)} rows, too many to be "
            "classes; for values use --task regression"
        )
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[word] for word in words])
    return standardised(path.stem, split_apart(inputs, labels, path), len(names), tuple(names))


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the header, and the rows with the numbers of their lines; blank lines are left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if len(lines) < 2:
        raise DataError(f"{path} holds no examples; needed are a header and an example a line")
    header = [name.strip() for name in lines[0][1]]
    if len(header) < 2:
        raise DataError(f"{path} has the one column {header[0]!r}; needed are inputs and a target, separated by commas")
    if len(set(header)) < len(header):
        raise DataError(f"{path}: two columns have the same name in its header: {', '.join(header)}")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {line}: {len(cells)} values, but the header names {len(header)} columns")
    return header, lines[1:]


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = parse_number(cell)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        what = "no value"
        if cell.strip():
            what = f"{cell.strip()[:60]!r} is not a finite number" + (" in float32" if math.isfinite(value) else "")
        raise DataError(f"{path}, line {line}, column {column!r}: {what}; clean or encode the table first")
    return value


def _class_order(name: str) -> tuple[float, str]:
    """Order numbers by their value, before words by the alphabet."""
    try:
        value = parse_number(name)
    except ValueError:
        value = math.nan
    return (value, "") if math.isfinite(value) else (math.inf, name)
