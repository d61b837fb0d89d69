"""trace: a table of a computation, one row for each operation, with its rule as mathematics."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import new_level
from fwdad.transforms.arguments import call, moving_array, unit_directions
from fwdad.transforms.forward import Seeds, take_apart
from fwdad.transforms.recorder import Recorder, is_floating
from fwdad.transforms.repeated import SplittingLevel
from fwdad.transforms.table import Trace
from fwdad.transforms.watch import watching

Tree = Any
FEW = 4
"""Inputs up to which the default tangents are the unit directions."""


def trace(f: Callable[..., Tree], *primals: Tree, tangents: tuple[Tree, ...] | None = None) -> Trace:
    """Run f with tangents, as `jvp` does, and return a table of its operations.

    Parameters
    ----------
    f : callable
        A function of the primals to a pytree of arrays, written in NumPy.
    *primals : pytrees
        The arguments of f; floating leaves of any shape.
    tangents : tuple of pytrees, optional
        One direction or k for each argument, as in `jvp`. Without them all floating leaves move: along each coordinate
        if they have at most 4 entries together, else along one direction of ones.

    Returns
    -------
    Trace
        Prints as a table; in a notebook it shows itself as one.

    Raises
    ------
    TypeError, ValueError
        As `jvp`.

    Notes
    -----
    A row is an operation as f calls it, on values that move: np.exp, ``@``, ``x[0]``, `fwdad.functions.affine`, a
    `custom_jvp`. What a rule calls inside is no row. The rule's text is written by the rule: it runs once more, on
    values that write down what is done with them; where it decides by a value, the text is that of the branch taken.
    Functions that have none of the forms of the tables show the equation of their rule's docstring. All values are
    copied: a trace is for small examples.

    Multiply-adds are those of the rule as a NumPy program, which a kernel makes, too: one for each entry of an
    elementwise function's answer, each product in a matrix product, each entry that is summed; none for comparisons and
    for what only moves entries.

    In f, operations on the values of an inner transform are rows, too; a tangent of v3 that f takes apart is
    ``v3.tangent``. Under an outer transform y and dy move as they do in `jvp`, and the table shows plain numbers.

    References
    ----------
    A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition 2008, section 2.2: evaluation traces.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> table = fwdad.trace(lambda x: np.sin(x) * 2.0, 0.5)
    >>> [f"{row.name} = {row.call}; {row.rule}" for row in table.rows]
    ['v1 = np.sin(x); dv1 = cos(x) dx', 'v2 = v1 * 2; dv2 = 2 dv1']
    """
    level = SplittingLevel(new_level())
    seeds = Seeds(level)
    directions = _default_tangents(primals) if tangents is None else tangents
    if len(directions) != len(primals):
        raise ValueError(f"f is given {len(primals)} arguments and {len(directions)} tangents; give one for each")
    pairs = enumerate(zip(primals, directions, strict=True))
    arguments = [seeds.attach(x, t, f"argument {i}") for i, (x, t) in pairs]
    recorder = Recorder(level)
    for name, argument in zip(_names_of_arguments(f, len(primals)), arguments, strict=True):
        for path, leaf in tree.paths(argument):
            recorder.input(leaf, f"{name}.{path}" if path else name)
    with watching(recorder.observe):
        result = call(f, *arguments)
    outputs = [recorder.name(leaf) for leaf in tree.leaves(result)]
    y, dy = take_apart(result, level, seeds.k or 1)
    if not seeds.batched:
        dy = tree.map(lambda t: t[0], dy)
    return Trace(
        getattr(f, "__name__", type(f).__name__), seeds.k or 1, tuple(recorder.inputs), tuple(recorder.constants),
        tuple(recorder.rows), tuple(outputs), y, dy,
    )  # fmt: skip


def _default_tangents(primals: tuple[Tree, ...]) -> tuple[Tree, ...]:
    """Return unit directions of a few inputs, one direction of ones of many; buffers and integers do not move."""
    leaves, structure = tree.flatten(primals, tree.is_buffer)
    moving = [i for i, leaf in enumerate(leaves) if not tree.is_buffer(leaf) and is_floating(leaf)]
    if not moving:
        raise TypeError("trace: no argument holds a floating number, so nothing can move; pass 3.0, not 3")
    arrays = [moving_array(leaves[i], "an argument") for i in moving]
    n = sum(array.size for array in arrays)
    given = unit_directions(arrays, 0, n) if n <= FEW else [np.ones(array.shape, array.dtype) for array in arrays]
    tangents: list[Any] = [None] * len(leaves)
    for i, direction in zip(moving, given, strict=True):
        tangents[i] = direction
    directions: tuple[Tree, ...] = tree.unflatten(structure, tangents)
    return directions


def _names_of_arguments(f: Callable[..., Any], count: int) -> list[str]:
    """Return the names of f's positional parameters; x0, x1, ... where it has none, or where they look like a row's."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a function in C
        return [f"x{i}" for i in range(count)] if count > 1 else ["x"]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    clear = len(names) == count and not any(re.fullmatch(r"[vc]\d+", name) for name in names)
    return names if clear else [f"x{i}" for i in range(count)] if count > 1 else ["x"]
