"""Writes docs/coverage.md and docs/singular-points.md from the rule tables.

`python -m fwdad.coverage docs` writes both pages; a test fails where they differ from the tables.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fwdad import rules as _rules_are_loaded  # noqa: F401  importing the package fills the tables
from fwdad.rules.forms import ENTRIES

NAMESPACES = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}

NO_DERIVATIVE = {
    "integers or bits only": (
        "bitwise_and bitwise_count bitwise_or bitwise_xor invert left_shift right_shift gcd lcm "
        "packbits unpackbits ravel_multi_index unravel_index ix_"
    ),
    "dates only": "isnat busday_count busday_offset is_busday datetime_as_string",
    "writes files": "save savetxt savez savez_compressed",
}
"""Functions that have no derivative: why, and their names."""

WHY = {
    "in1d": "use np.isin",
    "intersect1d": "an entry in both arrays could move with either",
    "histogram2d": "bins move with the data; use np.histogram or np.bincount",
    "histogramdd": "bins move with the data; use np.histogram or np.bincount",
}
"""Functions that could have a rule and have none: why they raise instead."""


class Row(NamedTuple):
    """A line of the coverage table."""

    name: str
    kind: str
    remark: str


def dispatched() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield name and function of each public NumPy function that hands its call to a Dual."""
    for prefix, namespace in NAMESPACES.items():
        seen: set[int] = set()
        for name in sorted(vars(namespace)):
            function = getattr(namespace, name)
            protocol = isinstance(function, np.ufunc) or hasattr(function, "_implementation")
            if name.startswith("_") or not protocol or id(function) in seen:
                continue
            seen.add(id(function))
            yield f"{prefix}.{function.__name__ if isinstance(function, np.ufunc) else name}", function


def of_this_library() -> list[Row]:
    """Make a row for each function of `fwdad` itself in the rule tables, under its package's name."""
    rows = []
    for function, entry in ENTRIES.items():
        package = getattr(function, "__module__", "").split(".")[:2]
        if package[0] == "fwdad" and package[1] != "rules":
            rows.append(Row(".".join([*package, function.__name__]), entry.kind, entry.singular))
    return sorted(rows)


def table() -> list[Row]:
    """Make a row for each public function of NumPy that dispatches, by name."""
    reasons = {name: why for why, names in NO_DERIVATIVE.items() for name in names.split()}
    rows = []
    for name, function in dispatched():
        short = name.rpartition(".")[2]
        if function in ENTRIES:
            rows.append(Row(name, ENTRIES[function].kind, ENTRIES[function].singular))
        elif short in reasons:
            rows.append(Row(name, "no derivative", f"raises: {reasons[short]}"))
        else:
            rows.append(Row(name, "no rule", f"raises: {WHY.get(short, '')}"))
    return rows


KINDS = {
    "differentiable": "has a JVP rule of its own",
    "linear": "its tangent is the same function of the tangent",
    "composed": "is a NumPy program of functions that have rules",
    "write": "writes into its first argument, under every transform",
    "constant": "its derivative is zero wherever it exists: the answer does not move",
    "no derivative": "is not of floating numbers, and raises `NoRuleError`",
    "no rule": "could be differentiated, and raises `NoRuleError` with its name",
}
DIFFERENTIABLE = ("differentiable", "linear", "composed", "write")


def share_of_differentiable(rows: list[Row]) -> tuple[int, int]:
    """Count the functions that have a derivative: those with a rule, and all."""
    have = sum(row.kind in DIFFERENTIABLE for row in rows)
    return have, have + sum(row.kind == "no rule" for row in rows)


def coverage_page() -> str:
    """Return the text of docs/coverage.md."""
    rows = table()
    have, total = share_of_differentiable(rows)
    counts = {kind: sum(row.kind == kind for row in rows) for kind in KINDS}
    lines = [
        "# What of NumPy can be differentiated",
        "",
        "Generated from the rule tables by `python -m fwdad.coverage docs`; a test compares. It lists every",
        "public function of `numpy`, `numpy.linalg` and `numpy.fft` that hands its call to a `Dual`. Functions that do",
        "not (such as `np.array` or `np.full`) raise `LostDerivativeError` when they meet one. Beyond the list,",
        "`np.vectorize` and all of `numpy.polynomial` are differentiated, the functions of its six bases and the",
        "classes. A last coefficient that is zero and moves is kept there, where NumPy drops it; to integrate a",
        "single coefficient of this kind raises.",
        "",
        f"Of {total} functions that have a derivative, {have} have a rule ({100 * have / total:.1f} %).",
        "",
        "| kind | meaning | functions |",
        "|---|---|---|",
        *(f"| {kind} | {meaning} | {counts[kind]} |" for kind, meaning in KINDS.items()),
        "",
        "| function | kind | singular points, or why it raises |",
        "|---|---|---|",
        *(f"| `{row.name}` | {row.kind} | {_cell(row.remark)} |" for row in rows),
        "",
        "This library's own functions, of the same kinds:",
        "",
        "| function | kind | singular points |",
        "|---|---|---|",
        *(f"| `{row.name}` | {row.kind} | {_cell(row.remark)} |" for row in of_this_library()),
        "",
    ]
    return "\n".join(lines)


def singular_page() -> str:
    """Return the text of docs/singular-points.md."""
    groups: dict[str, list[str]] = {}
    for row in (*table(), *of_this_library()):
        if row.kind in DIFFERENTIABLE and row.remark:
            groups.setdefault(row.remark, []).append(row.name)
    lines = [
        "# What happens at singular points",
        "",
        "Generated from the last column of the rule tables by `python -m fwdad.coverage docs`; a test compares.",
        "",
        "- **Kinks** take a value between the derivatives on both sides, as JAX does where that is finite. A second",
        "  derivative of |x|, of a norm or of a root at 0 does not exist, and is NaN or infinite; a square or a higher",
        "  power of one (`abs(x) ** 2`, `y * y` of one array y), and cos, cosh and sinc of one, have those of",
        "  the smooth functions that they are. Any other smooth function of one is NaN there, too.",
        "  Where entries tie (max, clip, relu, sort), a second derivative is that of the shares named below: that of",
        "  `maximum(x, -x) ** 2` at 0 is 0, where it is 2 of the equal `abs(x) ** 2`.",
        "- A **strong zero**: a direction in which the argument does not move gives a zero tangent although the",
        "  derivative is infinite there. This is decided for each component of each of the k tangents, so that no NaN",
        "  appears where the mathematics has none. A direction that does move keeps its infinity.",
        "- A **jump** counts as constant on both sides.",
        "",
        "| where, and what happens | functions |",
        "|---|---|",
        *(f"| {_cell(what)} | {', '.join(f'`{name}`' for name in names)} |" for what, names in sorted(groups.items())),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return inspect.cleandoc(text).replace("|", "\\|")


PAGES = {"coverage.md": coverage_page, "singular-points.md": singular_page}


def write(folder: Path) -> None:
    """Write both pages."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
