"""What an experiment is: cells of independent work, and the table and the figure that are made of their rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from fwdad.perturbation import DEFAULT

Row = dict[str, Any]
"""One line of a tidy table: numbers, strings and None by column; all rows of a table have the same columns."""

Report = Callable[[float], None]
"""Called by a running cell, at least about once a second, with the part of its work that is done, 0 to 1."""

PACKAGE_TABLES = Path(__file__).with_name("tables")


class Cell(NamedTuple):
    """One piece of work.

    Parameters
    ----------
    name
        Unique in the experiment; also a file's name.
    parameters
        All that its numbers depend on, JSON values.
    cost
        About how much work, in any unit, so that the longest can go first.
    """

    name: str
    parameters: dict[str, Any]
    cost: float = 1.0


@dataclass(frozen=True)
class Settings:
    """What a user can choose. Every experiment takes `quick` and `seeds`; `Experiment.takes` names what else.

    Parameters
    ----------
    quick
        A reduced run that keeps the shape of every curve.
    seeds
        Independent repetitions; None for the paper's.
    data, data_dir
        Data set, None for the paper's, and the folder of its files (see `fwdad.data.load`).
    perturb, noise
        What the directions move, and the noise of `fwdad.perturbation.Activities`.
    """

    quick: bool = False
    seeds: tuple[int, ...] | None = None
    data: str | None = None
    data_dir: str | None = None
    perturb: str = DEFAULT
    noise: str = "batch"


class Summary(NamedTuple):
    """A table for people: a title, its columns, its lines as text, and remarks."""

    title: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


class Experiment:
    """One experiment of a paper: a subclass says what its cells are, how one runs and what the rows mean.

    Attributes
    ----------
    name
        On the command line.
    source
        The paper and section.
    about
        What it measures, in a line.
    costs
        How long the full and the quick run take.
    takes
        Settings that it has beside `quick` and `seeds`.
    """

    name: str
    source: ClassVar[str]
    about: str
    costs: str
    takes: ClassVar[tuple[str, ...]] = ()

    def cells(self, settings: Settings) -> list[Cell]:
        """Return the work to do."""
        raise NotImplementedError

    def run(self, parameters: dict[str, Any], report: Report) -> list[Row]:
        """Return the rows of one cell: except for times, a function of its parameters alone."""
        raise NotImplementedError

    def table(self, rows: list[Row]) -> list[Row]:
        """Make the tidy table from the rows of all cells, in the order of the cells."""
        return rows

    def summary(self, table: list[Row]) -> list[Summary]:
        """Make what the terminal shows."""
        raise NotImplementedError

    def draw(self, table: list[Row], figure: Any) -> None:
        """Draw the paper's figure on an empty matplotlib Figure."""
        raise NotImplementedError


def paper_table(name: str) -> list[dict[str, str]]:
    """Read the rows of one of the paper's tables, as text."""
    with (PACKAGE_TABLES / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def select(rows: Sequence[Row], **values: Any) -> list[Row]:
    """Return the rows that have these values.

    Examples
    --------
    >>> select([{"n": 1, "k": 2}, {"n": 2, "k": 2}], n=2)
    [{'n': 2, 'k': 2}]
    """
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def distinct(rows: Sequence[Row], column: str) -> list[Any]:
    """Return the values of a column, in the order of their first appearance.

    Examples
    --------
    >>> distinct([{"k": 4}, {"k": 1}, {"k": 4}], "k")
    [4, 1]
    """
    return list(dict.fromkeys(row[column] for row in rows))
