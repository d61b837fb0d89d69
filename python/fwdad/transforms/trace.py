"""trace: a table of a computation, one row for each operation, with its rule as mathematics."""

from __future__ import annotations

import html
import inspect
import operator
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import LIKE, RULES, Dual, highest_level, name_of, new_level, plain
from fwdad.rules.assignment import added, written
from fwdad.rules.forms import ELEMENTWISE, ENTRIES
from fwdad.rules.operators import apply_operator
from fwdad.tangents import as_dense
from fwdad.transforms.arguments import as_array, call, moving_array, unit_directions
from fwdad.transforms.carriers import Carrier, kind_of_rule
from fwdad.transforms.custom import custom_jvp
from fwdad.transforms.forward import Seeds, take_apart
from fwdad.transforms.repeated import SplittingLevel
from fwdad.transforms.watch import watching
from fwdad.transforms.work import Tally
from fwdad.transforms.written import Written, carrier_among, has_own_rule, run_rule, shown

Tree = Any
FEW = 4
"""Inputs up to which the default tangents are the unit directions."""


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
    moving = [i for i, leaf in enumerate(leaves) if not tree.is_buffer(leaf) and _is_floating(leaf)]
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


def _is_floating(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype.kind in "fc" if isinstance(dtype, np.dtype) else type(leaf) in (float, complex)


def _names_of_arguments(f: Callable[..., Any], count: int) -> list[str]:
    """Return the names of f's positional parameters; x0, x1, ... where it has none, or where they look like a row's."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a function in C
        return [f"x{i}" for i in range(count)] if count > 1 else ["x"]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    clear = len(names) == count and not any(re.fullmatch(r"[vc]\d+", name) for name in names)
    return names if clear else [f"x{i}" for i in range(count)] if count > 1 else ["x"]


class Recorder:
    """The rows of a trace under way, and the names of all arrays that it has met."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.inputs: list[Value] = []
        self.constants: list[Value] = []
        self.rows: list[Row] = []
        # By identity; what is named is kept, so that nothing else takes its place. A write gives a Dual another array.
        self._names: dict[int, tuple[Any, str]] = {}
        self._duals: dict[int, tuple[Any, str]] = {}
        self._moving: set[int] = set()  # those of the arrays above that are a Dual's primal

    def input(self, leaf: Any, name: str) -> None:
        """Enter a leaf of an argument."""
        self.inputs.append(Value(name, *self._seen(leaf)))
        self._call(leaf, name)

    def _call(self, value: Any, name: str) -> None:
        """Give an array a name, and the tangents of an inner transform theirs."""
        if isinstance(value, Dual):
            self._duals[id(value)] = value, name
        if isinstance(value, Carrier):
            self._names[id(value)] = value, name
        elif type(value) is Dual and value.level > self.level:
            self._call(value.tangent, f"{name}.tangent")
            self._call(value.primal, name)
        else:
            moves = type(value) is Dual and value.level == self.level
            array = value.primal if moves else value
            if isinstance(array, (np.ndarray, np.generic, Dual)) and not isinstance(array, np.bool_):
                self._names[id(array)] = array, name
                (self._moving.add if moves else self._moving.discard)(id(array))

    def name(self, value: Any) -> str:
        """Return the name of an array, or the text of anything else; an array not met before is a constant."""
        known = self._known(value)
        if known is not None:
            return known
        if isinstance(value, Carrier):
            return type(value).__name__
        if isinstance(value, Dual) and value.level >= self.level:
            _, before = self._duals.get(id(value), (None, None))
            return "(inner)" if before is None else f"{before}'"
        array = plain(value)  # of a Dual of an outer transform, a constant here
        if isinstance(array, np.ndarray) and array.size > 1:
            name = f"c{len(self.constants) + 1}"
            self.constants.append(Value(name, *self._seen(value)))
            self._names[id(value)] = value, name
            return name
        return shown(array)

    def _known(self, value: Any) -> str | None:
        if not isinstance(value, Dual) and id(value) in self._moving:
            return f"stop({self._names[id(value)][1]})"
        while True:
            if id(value) in self._names:
                return self._names[id(value)][1]
            if not isinstance(value, Dual) or isinstance(value, Carrier) or value.level < self.level:
                return None
            value = value.primal

    def _seen(self, value: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Copy a value and its tangents of this trace's level."""
        while isinstance(value, Dual) and value.level > self.level:
            if isinstance(value, Carrier):
                held = tree.leaves(value.halves()[0])
                value = held[0] if held else None
            else:
                value = value.primal
        tangents = None
        if type(value) is Dual and value.level == self.level:
            value, tangents = value.primal, np.array(as_dense(plain(value.tangent)))
        return (None if value is None else np.array(plain(as_array(value)))), tangents

    def observe(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
    ) -> Any:
        """Run an operation and make its row."""
        leaves = tree.leaves((args, kwargs))
        if not any(isinstance(leaf, Dual) and leaf.level >= self.level for leaf in leaves):
            return run()  # of an outer transform: a constant here
        number = len(self.rows) + 1
        name = f"v{number}"
        call = written_call(function, args, kwargs, self.name)
        arrays = [leaf for leaf in leaves if isinstance(leaf, (np.ndarray, Dual)) and np.size(plain(leaf)) > 0]
        named = {self.name(leaf): isinstance(leaf, Dual) for leaf in arrays if self._known(leaf)}
        rule, tally = self._rule(function, args, kwargs, name)
        answer = run()
        writes = kind_of_rule(function) == "write"
        made = args[0] if writes else answer
        found = [(path, leaf) for path, leaf in tree.paths(made) if isinstance(leaf, (np.ndarray, np.generic, Dual))]
        if not found:
            return answer
        values = []
        for path, leaf in found:
            own = f"{name}.{path}" if path else name
            self._call(leaf, own)
            values.append(Value(own, *self._seen(leaf)))
        still = tuple(operand for operand, moves in named.items() if not moves)
        place = ENTRIES[function].place if function in ENTRIES else ""
        if not any(isinstance(leaf, Dual) for _, leaf in found):
            rule = f"d{name} = 0"
        counted = tally is not None and not tally.uncounted
        work = (tally.once, tally.directions) if tally is not None and counted else (None, None)
        self.rows.append(Row(number, call, name_of(function), tuple(named), still, rule, place, tuple(values), *work))
        return answer

    def _rule(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str
    ) -> tuple[str, Tally | None]:
        """Return the rule of an operation as mathematics, and its work; None for work that cannot be counted."""
        carrier = carrier_among(args, kwargs)
        if carrier is not None:
            return f"d{name}: by {type(carrier).__name__}", None
        leaves = tree.leaves((args, kwargs))
        equation = equation_of(function, args, kwargs, name, self.name)
        inner = "  (inner transform)" if highest_level(leaves) > self.level else ""
        kind = kind_of_rule(function)
        if has_own_rule(function):
            return (equation or _stated(function, args, kwargs, name, self.name)) + inner, None
        if function in LIKE:
            return f"d{name} = 0", Tally()
        if kind == "constant":
            return f"d{name} = 0", run_rule(function, args, kwargs, name, self.name)[0]
        if kind == "write" or function in (written, added):
            return _stated(function, args, kwargs, name, self.name) + inner, Tally()
        tally, answer = run_rule(function, args, kwargs, name, self.name)
        if equation is None and (function in JOINS or _repeats(function, args, kwargs)):
            equation = _stated(function, args, kwargs, name, self.name)
        texts = [f"d{name}{'.' * bool(path)}{path} = {_tangent_text(leaf)}" for path, leaf in tree.paths(answer)]
        text = ", ".join(texts)
        readable = len(text) <= LONGEST and "array" not in text
        if not readable and function in ELEMENTWISE and len(args) == 1:
            text = f"d{name} = {function.__name__}'({self.name(args[0])}) d{self.name(args[0])}"
        elif not readable:
            text = f"d{name}: {'composed, ' * (kind == 'composed')}see {ENTRIES[function].place}"
        return (equation or text) + inner, tally


LONGEST = 90
"""Characters of a rule's own text that are shown; a longer one is named by its module and line."""


def _repeats(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a tangent goes through the same call: one argument moves, and nothing is added to it (``initial=3``)."""
    if kind_of_rule(function) != "linear" or ENTRIES[function].singular:
        return False
    leaves, structure = tree.flatten((args, kwargs))
    if sum(map(_may_move, leaves)) != 1:
        return False
    some_args, some_kwargs = tree.unflatten(
        structure, [np.zeros_like(plain(leaf)) if isinstance(leaf, Dual) else leaf for leaf in leaves]
    )
    return not any(np.any(part) for part in tree.leaves(function(*some_args, **some_kwargs)))


def _may_move(leaf: Any) -> bool:
    return isinstance(leaf, Dual) or _is_floating(leaf)


def _tangent_text(leaf: Any) -> str:
    leaf = leaf.tangent if type(leaf) is Dual else None
    return leaf.text.words if type(leaf) is Written else "0"


def _stated(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str, name_of_value: Any
) -> str:
    """Write the rule of a function that does with the tangents what it does with the values."""
    joined = tree.leaves(args[0]) if function in JOINS else ()

    def tangent(value: Any) -> str:
        if isinstance(value, Dual):
            return f"d{name_of_value(value)}"
        return "0" if _may_move(value) or any(value is part for part in joined) else str(name_of_value(value))

    if isinstance(function, custom_jvp):
        return f"d{name}: its own rule"
    if function in (operator.setitem, written, added):  # a number that is written does not move
        target, *_, value = args[:3] if function is operator.setitem else args[:2]
        change = tangent(value) if isinstance(value, Dual) else "0"
        place = written_call(operator.getitem, (target, args[1] if function is operator.setitem else ...), {}, tangent)
        return f"{place} {'+' * (function is added)}= {change}"
    call = written_call(function, args, kwargs, tangent)
    return call if kind_of_rule(function) == "write" else f"d{name} = {call}"


JOINS = {np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block}
"""Functions of a sequence of arrays, linear in all of them together."""

EQUATION = re.compile(r"``(d[^`]* = [^`]*)``")


def equation_of(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: str, name_of_value: Any
) -> str | None:
    """Return the equation in the docstring of a function's rule, or of our function, with the operands' names."""
    rule = function._given if isinstance(function, custom_jvp) else RULES.get(function)
    sources: list[Any] = [rule]
    if name_of(function).startswith("fwdad.") or isinstance(function, custom_jvp):
        sources.append(getattr(function, "__wrapped__", function))
    stated = [(equations, source) for source in sources if (equations := EQUATION.findall(source.__doc__ or ""))]
    if not stated:
        return None
    found, source = stated[0]
    text = ", ".join(" ".join(equation.split()) for equation in found)
    answer = re.match(r"d(\w+?)(_i)? = ", text)
    # the equation has the names of its own function; the rule of a custom_jvp those of what it is the rule of
    bound = inspect.signature(function if isinstance(function, custom_jvp) else source).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    names = {p: name_of_value(value) for p, value in given.items() if isinstance(value, (Dual, np.ndarray))}
    if answer and len(found) == 1:
        names[answer[1]] = name
    for parameter in [p for p, value in given.items() if value is None]:
        text = re.sub(rf" \+ d{parameter}(_i)?\b", "", text)
    if not names:
        return text
    pattern = rf"\b(d?)({'|'.join(map(re.escape, names))})(?:_i(\w*))?(?![\w'])"
    return re.sub(pattern, lambda m: f"{m[1]}{names[m[2]]}{'_' + m[3] if m[3] else ''}", text)


OPERATORS = {
    np.add: "+", np.subtract: "-", np.multiply: "*", np.true_divide: "/", np.matmul: "@", np.power: "**",
    np.remainder: "%", np.floor_divide: "//", np.less: "<", np.less_equal: "<=", np.greater: ">",
    np.greater_equal: ">=", np.equal: "==", np.not_equal: "!=",
}  # fmt: skip


def written_call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], name: Callable[[Any], str]
) -> str:
    """Write a call as a program does, with its operands by name."""

    def words(value: Any) -> str:
        if isinstance(value, (list, tuple)):
            inside = ", ".join(map(words, value))
            return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
        return name(value)

    if function in OPERATORS and len(args) == 2 and not kwargs:
        return f"{words(args[0])} {OPERATORS[function]} {words(args[1])}"
    if function is np.negative:
        return f"-{words(args[0])}"
    if function is operator.getitem or function is operator.setitem:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        place = f"{words(args[0])}[{', '.join(map(words, index))}]"
        return place if function is operator.getitem else f"{place} = {words(args[2])}"
    if function in (written, added):
        return f"{words(args[0])}[...] {'+' * (function is added)}= {words(args[1])}"
    if function is apply_operator:
        return f"{shown(args[0])}({words(args[1])})"
    title = name_of(function)
    title = title if title.startswith(("np.", "scipy.")) else title.rpartition(".")[2]
    options = [f"{option}={words(value)}" for option, value in kwargs.items()]
    return f"{title}({', '.join([*map(words, args), *options])})"
