"""Written: values that write down, as mathematics, what a rule computes with them, and count its multiply-adds.

A rule is a NumPy program. Run on values that keep a text beside their number, it says itself what it is: the row of
sin, ``lambda x, y: np.cos(x)``, gives ``dy = cos(x) dx``. Where a rule decides by a value, the text is that of the
branch taken.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, duals_in, highest_level, plain
from fwdad.errors import LostDerivativeError
from fwdad.functions.attention import attention
from fwdad.functions.goodness import mean_square
from fwdad.functions.softmax import logsumexp, softmax_cross_entropy
from fwdad.rules.elementwise import still_sign
from fwdad.rules.kinks import kink
from fwdad.rules.operators import apply_operator
from fwdad.tangents import as_dense
from fwdad.transforms.carriers import Carrier, kind_of_rule, replaced, rule_of
from fwdad.transforms.custom import custom_jvp
from fwdad.transforms.work import Tally

COMPARISON, SUM, PRODUCT, POWER, ATOM = range(5)
"""How strongly a text holds together: what binds less stands in parentheses."""


LONGEST, UNNAMED = 400, "array"
"""A longer text is forgotten: that of a program that uses each of its results twice doubles with every step."""


class Text(NamedTuple):
    """A formula; `moves` where it holds a tangent, which then stands last in a product."""

    words: str
    binds: int = ATOM
    moves: bool = False

    def within(self, binds: int) -> str:
        """Return the words, in parentheses where they bind less."""
        return self.words if self.binds >= binds else f"({self.words})"


ZERO, ONE = Text("0"), Text("1")


def _added(a: Text, b: Text) -> Text:
    if ZERO.words in (a.words, b.words):
        return b if a.words == ZERO.words else a
    if a == b:
        return Text(f"2*{a.words}", PRODUCT, a.moves) if a.binds == PRODUCT else _times(Text("2"), a)
    if b.words.startswith("-") and b.binds >= PRODUCT:
        return Text(f"{a.within(SUM)} - {b.words[1:]}", SUM, a.moves or b.moves)
    return Text(f"{a.within(SUM)} + {b.within(SUM)}", SUM, a.moves or b.moves)


def _less(a: Text, b: Text) -> Text:
    if b.words == ZERO.words:
        return a
    if a.words == ZERO.words:
        return _minus(b)
    return Text(f"{a.within(SUM)} - {b.within(PRODUCT)}", SUM, a.moves or b.moves)


def _minus(a: Text) -> Text:
    if a.words == ZERO.words:
        return a
    return Text(f"-{a.within(PRODUCT)}", PRODUCT, a.moves)


def _times(a: Text, b: Text) -> Text:
    if ZERO.words in (a.words, b.words):
        return ZERO
    if ONE.words in (a.words, b.words):
        return b if a.words == ONE.words else a
    if a.moves or b.moves:
        return _along(*((b, a) if a.moves else (a, b)))
    if b.words[0].isdigit() and not a.words[0].isdigit():
        a, b = b, a
    if b.binds > PRODUCT and a.words.removesuffix(b.words) in ("", "-"):
        return Text(f"{a.words.removesuffix(b.words)}{b.within(ATOM)}^2", PRODUCT if a.words[0] == "-" else POWER)
    if b.binds == ATOM and a.binds == PRODUCT and a.words.endswith(f"*{b.words}"):
        return Text(f"{a.words}^2", PRODUCT)
    right = b.within(POWER) if b.words.startswith("-") or "/" in b.words else b.within(PRODUCT)
    return Text(f"{a.within(PRODUCT)}*{right}", PRODUCT)


def _along(factor: Text, change: Text) -> Text:
    """Write a factor before the tangent, and a division by something below it."""
    sign, _, divisor = factor.words.partition("1/")
    if sign in ("", "-") and divisor and factor.binds == PRODUCT:
        return Text(f"{sign}{change.within(PRODUCT)} / {divisor}", PRODUCT, True)
    before = f"({factor.words})" if "/" in factor.words else factor.within(PRODUCT)
    return Text(f"{before} {change.within(POWER)}", PRODUCT, True)


def _over(a: Text, b: Text) -> Text:
    if a.words == ZERO.words or b.words == ONE.words:
        return a
    stroke = " / " if a.moves else "/"
    return Text(f"{a.within(PRODUCT)}{stroke}{b.within(POWER)}", PRODUCT, a.moves or b.moves)


def _power(a: Text, b: Text) -> Text:
    return a if b.words == ONE.words else Text(f"{a.within(ATOM)}^{b.within(ATOM)}", POWER, a.moves)


KNOWN = {
    math.pi: "pi", math.log(2): "log(2)", math.log(10): "log(10)", math.pi / 180: "pi/180", 180 / math.pi: "180/pi",
    2 / math.sqrt(math.pi): "2/sqrt(pi)",
}  # fmt: skip


def number(value: Any) -> str:
    """Return a number's text, short.

    >>> number(np.float64(2.0)), number(0.30000000000000004), number(np.True_)
    ('2', '0.3', 'True')
    """
    if isinstance(value, (bool, np.bool_)):
        return str(value)
    return KNOWN.get(value, f"{value:.4g}")


def _call(function: Callable[..., Any], parts: list[Text]) -> Text:
    words = f"{function.__name__}({', '.join(part.words for part in parts)})"
    return Text(words, ATOM, any(part.moves for part in parts))


def _comparison(sign: str) -> Callable[[Text, Text], Text]:
    return lambda a, b: Text(f"{a.within(SUM)} {sign} {b.within(SUM)}", COMPARISON, a.moves or b.moves)


INFIX: dict[Callable[..., Any], Callable[[Text, Text], Text]] = {
    np.add: _added, np.subtract: _less, np.multiply: _times, np.true_divide: _over, np.power: _power,
    np.float_power: _power,
    np.matmul: lambda a, b: Text(f"{a.within(PRODUCT)} @ {b.within(POWER)}", PRODUCT, a.moves or b.moves),
    **{
        compare: _comparison(sign)
        for compare, sign in ((np.equal, "=="), (np.not_equal, "!="), (np.less, "<"), (np.less_equal, "<="),
                              (np.greater, ">"), (np.greater_equal, ">="))
    },
}  # fmt: skip
PREFIX: dict[Callable[..., Any], Callable[[Text], Text]] = {
    np.negative: _minus,
    np.square: lambda a: _power(a, Text("2")),
    np.reciprocal: lambda a: _over(ONE, a),
    still_sign: lambda a: Text(f"sign({a.words})", ATOM, a.moves),
    np.absolute: lambda a: Text(f"|{a.words}|", ATOM, a.moves),
    np.transpose: lambda a: Text(f"{a.within(ATOM)}^T", POWER, a.moves),
    np.matrix_transpose: lambda a: Text(f"{a.within(ATOM)}^T", POWER, a.moves),
}
SILENT = {np.astype, np.reshape, np.broadcast_to, np.expand_dims, np.copy, np.positive}
"""What changes no number of a formula for one entry and one direction."""
PROGRAMS: dict[Any, Callable[..., Any]] = {
    f: f.__wrapped__  # type: ignore[attr-defined]
    for f in (logsumexp, softmax_cross_entropy, mean_square, attention)
}
"""Functions of ours that are NumPy programs themselves, and call no kernel."""
NOUGHTS = {np.zeros_like, kink}


class Sheet:
    """What one rule writes: its answer's name, the names of arrays that stay plain, and the tally of its work."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.tally = function, Tally()
        self.name: str | None = name
        self.plain: dict[int, str] = {}

    def put(self, value: Any, name: str, moves: bool = False) -> Any:
        """Write down a value, the tangent of a Dual as d and its name; outer transforms' carriers are left out."""
        while isinstance(value, Carrier) or (type(value) is Dual and isinstance(value.tangent, Carrier)):
            value = value.primal
        if type(value) is Dual:
            tangent = self.put(as_dense(value.tangent), f"d{name}", True)
            return Dual(self.put(value.primal, name, moves), tangent, value.level)
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        return Written(value, Text(name, PRODUCT if name.startswith("-") else ATOM, moves), self)


def carrier_among(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Carrier | None:
    """Return the carrier of another transform that an operation's arguments are or move by at their highest level."""
    top = max(duals_in(tree.leaves((args, kwargs))), key=lambda dual: dual.level)
    if isinstance(top, Carrier):
        return top
    return top.tangent if isinstance(top.tangent, Carrier) else None


def has_own_rule(function: Callable[..., Any]) -> bool:
    """Whether the function's rule is the user's, and not of the tables."""
    return isinstance(function, custom_jvp) or function is apply_operator


def run_rule(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    name: str,
    name_of: Callable[[Any], str],
) -> tuple[Tally, Any]:
    """Run a function's rule on values that write down what is done with them.

    Arguments are called by their names, and the answer by its own. Arrays of integers stay plain, except as operands of
    ufuncs: they are indices. Where the arguments move at several levels, the texts are those of the highest alone, and
    the work is that of all.
    """
    if kind_of_rule(function) == "constant":
        tally, answer = Tally(), rule_of(function)(*args, **kwargs)
        if any(isinstance(leaf, (np.ndarray, np.generic)) for leaf in tree.leaves(answer)):
            plain_args, plain_kwargs = tree.map(plain, (args, kwargs))
            tally.enter(function, plain_args, plain_kwargs, answer, False)
        return tally, answer
    top = highest_level(tree.leaves((args, kwargs)))

    def run(flat: bool, constants: bool = True) -> tuple[Tally, Any]:
        sheet = Sheet(function, name)

        def one(leaf: Any) -> Any:
            if flat and type(leaf) is Dual:
                lowest = plain(leaf) if leaf.level < top else Dual(plain(leaf), plain(as_dense(leaf.tangent)), top)
                return sheet.put(lowest, name_of(leaf))
            if isinstance(leaf, Dual):
                return sheet.put(leaf, name_of(leaf))
            if not isinstance(leaf, (np.ndarray, np.generic)):
                return leaf
            sheet.plain[id(leaf)] = name_of(leaf)
            operand = isinstance(function, np.ufunc) or leaf.dtype.kind in "fc"
            return sheet.put(leaf, name_of(leaf)) if operand and constants else leaf

        some_args, some_kwargs = tree.map(one, (args, kwargs))
        with np.errstate(all="ignore"):
            try:
                return sheet.tally, rule_of(function)(*some_args, **some_kwargs)
            except LostDerivativeError:  # an argument that may not move, such as a weight: see `reject_duals`
                if not constants:
                    raise
                return run(flat, constants=False)

    tally, answer = run(flat=True)
    duals = duals_in(tree.leaves((args, kwargs)))
    nested = any(isinstance(dual.primal, Dual) or isinstance(dual.tangent, Dual) or dual.level < top for dual in duals)
    return (run(flat=False)[0] if nested else tally), answer


class Written(Carrier):
    """A value and its text, on a sheet. Its level is below that of every Dual: it stands for a plain array."""

    __slots__ = ("sheet", "text")

    def __init__(self, value: Array, text: Text, sheet: Sheet) -> None:
        self.primal, self.text, self.sheet, self.level = value, text, sheet, 0

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute the answer, count it and write it down."""
        sheet = self.sheet
        text = _text(function, args, kwargs, sheet)
        if len(text.words) > LONGEST:
            text = Text(UNNAMED, ATOM, text.moves)
        plain_args, plain_kwargs = replaced((args, kwargs), Written, 0, lambda written: written.primal)
        answer = function(*plain_args, **plain_kwargs)
        if function in PROGRAMS:
            PROGRAMS[function](*args, **kwargs)  # its calls are counted one by one
        else:
            sheet.tally.enter(function, plain_args, plain_kwargs, answer, text.moves)
        name = None
        if function is sheet.function and not text.moves:  # the primal of the rule's answer
            name, sheet.name = sheet.name, None

        def one(path: str, leaf: Any) -> Any:
            if not isinstance(leaf, (np.ndarray, np.generic)) or leaf.dtype.kind in "iu":  # an index, a count
                return leaf
            words = text if name is None else Text(name)
            return Written(leaf, words._replace(words=f"{words.within(ATOM)}.{path}") if path else words, sheet)

        _, structure = tree.flatten(answer)
        return tree.unflatten(structure, [one(path, leaf) for path, leaf in tree.paths(answer)])

    def become(self, other: Dual) -> None:
        """Take over another value."""
        assert isinstance(other, Written)
        self.primal, self.text = other.primal, other.text

    def __copy__(self) -> Written:
        """Copy: a write into one of the two does not reach the other."""
        return Written(self.primal.copy(), self.text, self.sheet)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Make tangents of zeros."""
        return Written(np.zeros((*self.shape[:1], *shape), dtype), ZERO, self.sheet)

    # A rule may look at its values in any way: nothing is lost, for what it writes is read and thrown away.
    memory: Any = property(lambda self: self.primal)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the value."""
        return np.array(self.primal, dtype)

    def __float__(self) -> Any:
        """Return the value."""
        return float(self.primal)

    def __int__(self) -> Any:
        """Return the value."""
        return int(self.primal)

    def __index__(self) -> Any:
        """Return the value."""
        return operator.index(self.primal)

    def __complex__(self) -> Any:
        """Return the value."""
        return complex(self.primal)

    def __and__(self, other: Any) -> Any:
        """Combine comparisons."""
        return np.logical_and(self, other)

    def __or__(self, other: Any) -> Any:
        """Combine comparisons."""
        return np.logical_or(self, other)

    def __invert__(self) -> Any:
        """Negate a comparison."""
        return np.logical_not(self)

    def __repr__(self) -> str:
        """Show text and value."""
        return f"Written({self.text.words} = {self.primal})"


def _text(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], sheet: Sheet) -> Text:
    """Write down a call."""
    if function in NOUGHTS:
        return ZERO
    if function is np.ones_like:
        return ONE
    parts = [_part(arg, sheet) for arg in args]
    if function in SILENT:
        return parts[0]
    if function is np.where and len(args) == 3:
        condition = np.asarray(_value(args[0]))
        if condition.all() or not condition.any():
            return parts[1] if condition.all() else parts[2]
    if function is np.matmul and parts[0].moves and np.ndim(args[0]) == 2 and parts[1].words.endswith("^T"):
        # k vectors dx in the rows of one matrix, dx A^T: of each it is A dx
        parts = [Text(parts[1].words.removesuffix("^T")), parts[0]]
    if function in INFIX and len(parts) == 2:
        return INFIX[function](*parts)
    if function in PREFIX:
        return PREFIX[function](parts[0])
    if function is operator.getitem:
        items = args[1] if isinstance(args[1], tuple) else (args[1],)
        if all(item is None or item is Ellipsis or item == slice(None) for item in items if not hasattr(item, "shape")):
            return parts[0]
        return Text(f"{parts[0].within(ATOM)}[{', '.join(map(shown, items))}]", ATOM, parts[0].moves)
    options = [(name, _part(value, sheet)) for name, value in kwargs.items() if name not in ("where", "keepdims")]
    named = [part._replace(words=f"{name}={part.words}") for name, part in options]
    return _call(function, [*parts, *named])


def _value(arg: Any) -> Any:
    return arg.primal if type(arg) is Written else arg


def _part(arg: Any, sheet: Sheet) -> Text:
    """Write down an argument."""
    if type(arg) is Written:
        return arg.text
    if isinstance(arg, (list, tuple)) and any(type(leaf) is Written for leaf in tree.leaves(arg)):
        parts = [_part(item, sheet) for item in arg]
        return Text(f"[{', '.join(part.words for part in parts)}]", ATOM, any(part.moves for part in parts))
    words = sheet.plain.get(id(arg)) or shown(arg)
    return Text(words, PRODUCT if words.startswith("-") or "/" in words else ATOM)


def shown(value: Any) -> str:
    """Write down an argument that is no array with a name: a number, an index, an option.

    >>> [shown(value) for value in (0.5, slice(1, None), ..., np.float32, "relu", np.array([2.0]))]
    ['0.5', '1:', '...', 'float32', "'relu'", '2']
    """
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return number(value)
    if isinstance(value, np.ndarray):
        return number(value.reshape(-1)[0]) if value.size == 1 and value.dtype.kind in "biufc" else UNNAMED
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        return ":".join(ends if value.step is None else [*ends, str(value.step)])
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(shown, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if value is Ellipsis:
        return "..."
    if isinstance(value, (str, type(None))):
        return repr(value)
    return str(getattr(value, "__name__", None) or (value if isinstance(value, np.dtype) else type(value).__name__))
