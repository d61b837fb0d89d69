"""fwdad trace: the table of a computation, and a page to step through it."""

from __future__ import annotations

import ast
import html
import importlib.util
import itertools
import sys
import traceback
from importlib.resources import files
from pathlib import Path
from string import Template
from types import ModuleType
from typing import Any

import click
import numpy as np

import fwdad
from fwdad.cli.layers import Place, layout
from fwdad.cli.options import printable, verbose
from fwdad.files import write_atomic
from fwdad.transforms.table import Row, Trace, Value, short


@click.command()
@click.argument("program", metavar="FILE.py:f")
@click.option("--at", metavar="VALUES", help='The arguments of f: "1.0, [2, 3]".  [default: primals of the file]')
@click.option(
    "--html", "page_file", metavar="FILE", type=click.Path(path_type=Path), help="Write a page to step through."
)
@verbose
def trace(program: str, at: str | None, page_file: Path | None) -> None:
    """Show each operation of a function with its rule and its tangents.

    The file is run. Where VALUES are left out, it says where f is traced: primals = (x, w), and tangents = (None, v)
    if it wants other directions than the default.
    """
    file, _, name = program.rpartition(":")
    if not file or not name.isidentifier():
        raise click.UsageError(f"{program}: give a file and the name of a function in it, as in model.py:loss")
    module = _run(Path(file))
    f = getattr(module, name, None)
    if not callable(f):
        there = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise click.UsageError(f"{file} has no function {name}; it has {', '.join(there) or 'none'}")
    primals = getattr(module, "primals", None) if at is None else values(at)
    tangents = getattr(module, "tangents", None) if at is None else None
    if not isinstance(primals, tuple):
        raise click.UsageError(f"where is {name} to be traced? Give --at, or the tuple primals = (...) in {file}")
    try:
        table = fwdad.trace(f, *primals, tangents=tangents)
    except Exception as error:
        raise _failed(error, file) from error
    click.echo("\n".join(map(printable, str(table).splitlines())))
    if page_file is not None:
        write_atomic(page_file, page(table).encode())
        click.echo(f"\n{printable(str(page_file))}: {len(table)} steps")


def _run(file: Path) -> ModuleType:
    """Run a Python file as a module; what it imports from its own folder is found."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise click.UsageError(f"{file}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise _failed(error, str(file)) from error
    finally:
        sys.path.remove(str(file.resolve().parent))
    return module


def _failed(error: Exception, file: str) -> click.ClickException:
    """Say in one line what went wrong in the user's program, and in which line of it."""
    place = Path(file).resolve()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == place]
    where = f"{file}, line {lines[-1]}" if lines else file
    return click.ClickException(f"{where}: {type(error).__name__}: {error}")


def values(text: str) -> tuple[Any, ...]:
    """Read arguments: numbers, and lists that are arrays.

    Examples
    --------
    >>> values("1, [2, 3]")
    (1.0, array([2., 3.]))
    """
    try:
        given = ast.literal_eval(f"({text},)")
        return tuple(float(v) if isinstance(v, (int, float)) else np.array(v, float) for v in given)
    except (SyntaxError, TypeError, ValueError) as error:
        raise click.BadParameter(f'--at {text!r} is not a list of numbers and arrays such as "1.0, [2, 3]"') from error


WIDE, HIGH, COLUMN, LINE = 168, 40, 184, 76
"""A node's size in the graph, and the distances from node to node."""


def page(table: Trace) -> str:
    """Return a page of HTML that needs nothing else: the graph, a slider over the steps, and each step."""
    template = Template(files("fwdad.cli").joinpath("trace.html").read_text(encoding="utf-8"))
    known = {value.name: value for value in (*table.inputs, *table.constants)}
    known.update({value.name: value for row in table.rows for value in row.values})
    steps = [_beginning(table), *(_step(row, table, known) for row in table.rows)]
    return template.substitute(
        title=html.escape(table.title),
        summary=html.escape(table.summary),
        returned=html.escape(", ".join(table.outputs)),
        last=len(table.rows),
        graph=_graph(table),
        steps="\n".join(steps),
        rows=_rows(table),
    )


def _owner(name: str, nodes: dict[str, Any]) -> str | None:
    """Return the node that holds a value: v3 for v3.0, for v3', for v3.tangent and for stop(v3)."""
    base = name.removeprefix("stop(").rstrip("')")
    while base and base not in nodes:
        base = base.rpartition(".")[0]
    return base or None


def _graph(table: Trace) -> str:
    """Draw the graph."""
    steps: dict[str, int] = {value.name: 0 for value in (*table.inputs, *table.constants)}
    steps.update({row.name: row.number for row in table.rows})
    used: dict[str, list[str]] = {name: [] for name in steps}
    still = set()
    for row in table.rows:
        owners = [(operand, _owner(operand, steps)) for operand in row.operands]
        used[row.name] = [owner for _, owner in owners if owner is not None and owner != row.name]
        still |= {(owner, row.name) for operand, owner in owners if operand in row.still}
    drawn = layout(used)
    at_rest = {value.name for value in (*table.inputs, *table.constants) if value.tangents is None}
    at_rest |= {row.name for row in table.rows if all(value.tangents is None for value in row.values)}
    texts = {value.name: (value.name, short(value.primal)) for value in (*table.inputs, *table.constants)}
    texts |= {row.name: (row.name, row.call) for row in table.rows}

    def middle(place: Place) -> tuple[float, float]:
        return 8 + WIDE / 2 + place.across * COLUMN, 8 + HIGH / 2 + place.layer * LINE

    parts = []
    for (operand, name), places in drawn.edges.items():
        path = _curve([middle(place) for place in places])
        kind = "edge still" if (operand, name) in still or operand in at_rest else "edge"
        parts.append(f'<path class="{kind}" data-step="{steps[name]}" d="{path}"/>')
    for name, place in drawn.places.items():
        x, y = middle(place)
        kind = (
            "node" + " input" * (steps[name] == 0) + " still" * (name in at_rest) + " output" * (name in table.outputs)
        )
        words = "".join(
            f'<text x="{x:.1f}" y="{y + shift}" class="{line}">{html.escape(_cut(text))}</text>'
            for text, shift, line in zip(texts[name], (-4, 12), ("name", "call"), strict=True)
        )
        box = f'<rect x="{x - WIDE / 2:.1f}" y="{y - HIGH / 2:.1f}" width="{WIDE}" height="{HIGH}" rx="6"/>'
        full = f"<title>{html.escape(' = '.join(texts[name]))}</title>"
        parts.append(f'<g class="{kind}" data-step="{steps[name]}">{full}{box}{words}</g>')
    ends = [middle(place) for place in drawn.places.values()] + [middle(p) for e in drawn.edges.values() for p in e]
    width, height = (max(end[i] for end in ends) + (WIDE, HIGH)[i] / 2 + 8 for i in (0, 1))
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" style="min-width: {0.75 * width:.0f}px"'
    return f"<svg {size}>{''.join(parts)}</svg>"


def _curve(points: list[tuple[float, float]]) -> str:
    """Join the lower edge of the first node to the upper edge of the last, by way of the free places between."""
    (x, y), *rest = points
    ends = [(x, y + HIGH / 2), *rest[:-1], (rest[-1][0], rest[-1][1] - HIGH / 2)]
    path = f"M{ends[0][0]:.1f} {ends[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(ends):
        bend = (y0 + y1) / 2
        path += f"C{x0:.1f} {bend:.1f} {x1:.1f} {bend:.1f} {x1:.1f} {y1:.1f}"
    return path


def _cut(text: str) -> str:
    return text if len(text) <= 22 else text[:21] + "…"


def _beginning(table: Trace) -> str:
    """Show the inputs."""
    lines = [("input" if value.tangents is not None else "does not move", value) for value in table.inputs]
    lines += [("constant", value) for value in table.constants]
    body = "".join(_value(f"{value.name}: {what}", value) for what, value in lines)
    return f'<section class="step" data-step="0"><h2>Inputs</h2>{body}</section>'


def _step(row: Row, table: Trace, known: dict[str, Value]) -> str:
    """Show one operation."""
    zeros = ", ".join(f"d{name} = 0" for name in row.still)
    facts = [("rule", row.rule)]
    facts += [("structural zeros", f"{zeros}: nothing is stored or computed for them")] if zeros else []
    work = "not counted" if row.once is None else f"{row.once} once, {row.directions} for the tangents, k = {table.k}"
    facts += [("multiply-adds", work), ("function", row.function)]
    facts += [("row of the rule tables", row.place)] if row.place else []
    listed = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(text)}</dd>" for key, text in facts)
    made = "".join(_value(value.name, value) for value in row.values)
    operands = "".join(_value(name, known[name]) for name in row.operands if name in known)
    title = html.escape(f"{row.name} = {row.call}")
    return (
        f'<section class="step" data-step="{row.number}"><h2>{title}</h2><dl>{listed}</dl>'
        f"<h3>Made</h3>{made}<h3>From</h3>{operands}</section>"
    )


def _value(title: str, value: Value) -> str:
    """Show an array and its tangents."""
    shape = "" if value.primal is None or value.primal.ndim == 0 else f" {value.primal.shape}"
    primal = "not known here" if value.primal is None else _array(value.primal)
    parts = [f"<h4>{html.escape(title + shape)}</h4><pre>{html.escape(primal)}</pre>"]
    if value.tangents is not None:
        shown = value.tangents[:8]
        parts += [
            f'<pre class="tangent"><b>d{i}</b><span>{html.escape(_array(tangent))}</span></pre>'
            for i, tangent in enumerate(shown, 1)
        ]
        if len(value.tangents) > len(shown):
            parts.append(f"<p>and {len(value.tangents) - len(shown)} tangents more</p>")
    return f'<div class="value">{"".join(parts)}</div>'


def _array(value: Any) -> str:
    return np.array2string(value, precision=4, threshold=60, edgeitems=3, max_line_width=64, suppress_small=True)


def _rows(table: Trace) -> str:
    """Return the rows of the table; those of an operation lead to its step."""
    steps = [0] * (len(table.inputs) + len(table.constants)) + [row.number for row in table.rows for _ in row.values]
    return "\n".join(
        f'<tr data-step="{step}">{"".join(f"<td>{html.escape(cell)}</td>" for cell in cells)}</tr>'
        for step, cells in zip(steps, table.lines(), strict=True)
    )
