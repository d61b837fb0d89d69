"""What `fwdad.trace` keeps of each operation: its call and its rule, with the operands by name."""

from __future__ import annotations

import inspect
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import LIKE, RULES, Dual, highest_level, name_of, plain
from fwdad.rules.assignment import added, written
from fwdad.rules.forms import ELEMENTWISE, ENTRIES
from fwdad.rules.operators import apply_operator
from fwdad.tangents import as_dense
from fwdad.transforms.arguments import as_array
from fwdad.transforms.carriers import Carrier, kind_of_rule
from fwdad.transforms.custom import custom_jvp
from fwdad.transforms.table import Row, Value
from fwdad.transforms.work import Tally
from fwdad.transforms.written import UNNAMED, Written, carrier_among, has_own_rule, run_rule, shown


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
        moving = [isinstance(leaf, Dual) and leaf.level >= self.level for leaf in arrays]
        named = {self.name(leaf): moves for leaf, moves in zip(arrays, moving, strict=True) if self._known(leaf)}
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
        readable = len(text) <= LONGEST and UNNAMED not in text
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
    return isinstance(leaf, Dual) or is_floating(leaf)


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


def is_floating(leaf: Any) -> bool:
    """Whether a leaf is a floating number or an array of such."""
    dtype = getattr(leaf, "dtype", None)
    return dtype.kind in "fc" if isinstance(dtype, np.dtype) else type(leaf) in (float, complex)
