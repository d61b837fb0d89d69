"""The table that `fwdad.trace` returns: values, rows, and how they are printed."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad.transforms.written import shown

Tree = Any


@dataclass(frozen=True, eq=False)
class Value:
    """An array of a trace: an input, a constant, or what an operation has made.

    Attributes
    ----------
    name : str
        x, c1, v3: an argument's own name, a constant, the answer of row 3.
    primal : ndarray or None
        A copy of the value; None where it is not known, as within `linearize`.
    tangents : ndarray or None
        A copy of the k tangents, ``(k, *primal.shape)``; None where it does not move.
    """

    name: str
    primal: np.ndarray | None
    tangents: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Row:
    """One operation of a trace.

    Attributes
    ----------
    number : int
        From 1.
    call : str
        The operation with its operands by name: ``v1 * w``.
    function : str
        Its full name: ``np.multiply``.
    operands : tuple of str
        Names of the arrays that it uses.
    still : tuple of str
        Those that do not move: their tangents are structural zeros, for which nothing is stored or computed.
    rule : str
        How the tangents follow: ``dv2 = w dv1``. It holds for each of the k directions.
    place : str
        Module and line of the row in the rule tables; empty for a `custom_jvp`.
    values : tuple of Value
        What it made; of a function with several answers more than one.
    once, directions : int or None
        Multiply-adds of what does not depend on the directions, and of all k tangents; None where they are not counted.
    """

    number: int
    call: str
    function: str
    operands: tuple[str, ...]
    still: tuple[str, ...]
    rule: str
    place: str
    values: tuple[Value, ...]
    once: int | None
    directions: int | None

    @property
    def name(self) -> str:
        """The name of the row: v and its number."""
        return f"v{self.number}"


@dataclass(frozen=True, eq=False)
class Trace:
    """What `trace` returns: a table, which prints itself.

    Attributes
    ----------
    title : str
        The function's name.
    k : int
        How many tangents.
    inputs, constants : tuple of Value
        The arguments of f, and other arrays that its operations use.
    rows : tuple of Row
        The operations in their order.
    outputs : tuple of str
        Names of what f returned; its own names for what is no answer of a row.
    y, dy : pytrees
        As `jvp` returns them.
    """

    title: str
    k: int
    inputs: tuple[Value, ...]
    constants: tuple[Value, ...]
    rows: tuple[Row, ...]
    outputs: tuple[str, ...]
    y: Tree
    dy: Tree

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    @property
    def summary(self) -> str:
        """One line: operations, directions and multiply-adds."""
        once, along = (sum(getattr(row, which) or 0 for row in self.rows) for which in ("once", "directions"))
        missing = [row.name for row in self.rows if row.once is None]
        what = f"{len(self.rows)} operations, k = {self.k}; multiply-adds: {once} once + {along} for the tangents"
        return what + (f", without {', '.join(missing)}" if missing else "")

    def lines(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Yield the cells of each line of the table: computation, value, rule, tangents, multiply-adds."""
        for value in self.inputs:
            tangents = short(value.tangents)
            yield value.name, short(value.primal), "input" if value.tangents is not None else STILL, tangents, ""
        for value in self.constants:
            yield value.name, short(value.primal), "constant", "", ""
        for row in self.rows:
            still = f"  ({', '.join(f'd{name}' for name in row.still)} = 0)" if row.still else ""
            work = "?" if row.once is None else f"{row.once} + {row.directions}"
            for value in row.values:
                own = value.name.removeprefix(row.name)
                first = own in ("", row.values[0].name.removeprefix(row.name))
                computed = f"{row.name} = {row.call}" if first else f"{value.name}"
                computed = f"{value.name} of {computed}" if own and first else computed
                rule, work = (row.rule + still, work) if first else ("", "")
                yield computed, short(value.primal), rule, short(value.tangents), work

    def __repr__(self) -> str:
        """Return the table as text of at most 100 columns."""
        return "\n".join([f"{self.title}: {self.summary}", *_table(HEADS, list(self.lines())), self._ending()])

    def _ending(self) -> str:
        return f"returned: {', '.join(self.outputs)}"

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        rows = [("th", HEADS), *(("td", cells) for cells in self.lines())]
        body = "".join(
            f"<tr>{''.join(f'<{tag} style={LEFT!r}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
            for tag, cells in rows
        )
        title = html.escape(f"{self.title}: {self.summary}; {self._ending()}")
        return f"<table><caption>{title}</caption>{body}</table>"


HEADS = ("computation", "value", "rule of each tangent", "tangents", "mul-adds")
WIDTHS = (26, 16, 29, 13, 8)
STILL = "does not move"
LEFT = "text-align: left"


def _table(heads: tuple[str, ...], lines: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table whose cells are wrapped to the widths."""
    for cells in (heads, tuple("-" * width for width in WIDTHS), *lines):
        wrapped = [
            textwrap.wrap(cell, width, subsequent_indent="  ", break_on_hyphens=False) or [""]
            for cell, width in zip(cells, WIDTHS, strict=True)
        ]
        for i in range(max(map(len, wrapped))):
            parts = [part[i] if i < len(part) else "" for part in wrapped]
            yield "  ".join(f"{part:<{width}}" for part, width in zip(parts, WIDTHS, strict=True)).rstrip()


def short(value: np.ndarray | None) -> str:
    """Write an array: its entries if they are few, else its shape and range.

    >>> short(np.array([[1.0, 0.123456]])), short(np.zeros((3, 4))), short(None)
    ('[[1 0.1235]]', '(3, 4) 0 .. 0', '0')
    """
    if value is None:
        return "0"
    if value.ndim == 0:
        return shown(value[()])
    if value.size <= 6 and len(entries := f"[{' '.join(short(part) for part in value)}]") <= 30:
        return entries
    if value.dtype.kind not in "biuf":
        return f"{value.shape} {value.dtype}"
    return f"{value.shape} {shown(value.min())} .. {shown(value.max())}"
