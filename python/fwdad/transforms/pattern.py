"""jacobian_pattern: where a Jacobian may have entries, by one pass.

In place of n floats, a value carries n bits for each entry: which inputs it depends on. 64 of them make a word, and the
words lie along the k axis, so that what moves tangents moves them. A value that depends on no input is a constant, and
where that is exactly zero its product depends on nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, described, new_level, plain, split
from fwdad.errors import RepeatedValuesError
from fwdad.rules.assignment import written
from fwdad.rules.forms import ELEMENTWISE, align
from fwdad.transforms.arguments import Argnums, as_array, call, choose, moving_leaves
from fwdad.transforms.carriers import Carrier, kind_of_rule, leaves_of, replaced, rule_of

WORD = 64


class Pattern(NamedTuple):
    """Where a matrix of shape (m, n) may have entries.

    Attributes
    ----------
    rows, columns : ndarray
        The e places, ``(e,)`` each, in the order of rows.
    shape : tuple of int
        ``(m, n)``.
    """

    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]


class Bits(Carrier):
    """The tangents of n unit directions, reduced to the bits that say where they are not zero: words (n / 64, *s)."""

    __slots__ = ("dtype", "solid", "words")

    def __init__(self, words: np.ndarray, dtype: Any, level: int, solid: bool = False) -> None:
        self.words, self.dtype, self.level = words, dtype, level
        self.solid = solid  # what meets it depends on the inputs: its zeros are those of this x alone

    shape: Any = property(lambda self: self.words.shape)
    ndim: Any = property(lambda self: self.words.ndim)
    size: Any = property(lambda self: self.words.size)

    @property
    def primal(self) -> NoReturn:
        """Refuse: only bits are known."""
        raise TypeError("jacobian_pattern: a rule decides by the direction's value; give the pattern to sparse_jacfwd")

    tangent = primal

    def __bool__(self) -> bool:
        """Refuse: only bits are known."""
        return bool(self.primal)

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.words)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Make tangents of zeros, in whose words no bit is set: see `_words`."""
        return np.zeros((len(self.words), *shape), dtype)

    def __copy__(self) -> Bits:
        """Copy the words."""
        return self._with(self.words.copy(), self.dtype)

    def _with(self, words: np.ndarray, dtype: Any) -> Bits:
        return Bits(words, np.dtype(dtype), self.level, self.solid)

    def astype(self, dtype: Any, **options: Any) -> Bits:
        """Change the dtype of what the bits stand for."""
        return self._with(self.words, dtype)

    def __repr__(self) -> str:
        """Show the words."""
        return f"Bits(words={self.words})"

    def spelled(self, spec: str) -> str:
        """Take no number format: there are no numbers."""
        return repr(self)

    def become(self, other: Dual) -> None:
        """Take over other words."""
        assert isinstance(other, Bits)
        self.words, self.dtype = other.words, other.dtype

    @property
    def memory(self) -> Any:
        """The words."""
        return self.words

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Act on the words where the function moves, joins, selects, scales or sums entries; else bit by bit."""
        args, kwargs = tree.map(lambda leaf: leaf if type(leaf) is Bits else plain(leaf), (args, kwargs))
        if function is np.equal:  # rules ask at singular points which entries do not move; in some direction each may
            return np.zeros(self.shape, bool)
        if function in MOVING and type(args[0]) is Bits:
            return self._with(function(args[0].words, *args[1:], **kwargs), self.dtype)
        if function is written and not args[2]:
            return self._with(written(_words(args[0]), _words(args[1]), *args[2:]), _common(args[:1]))
        if function in JOINING:
            axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
            words = function([_words(value) for value in args[0]], axis)
            return self._with(words, kwargs.get("dtype") or _common(args[0]))
        if function is np.where:
            return self._with(np.where(args[0], *(_words(value) for value in args[1:])), _common(args[1:]))
        if function in SCALING:
            shape = np.broadcast_shapes(*(np.shape(value) for value in args))
            words = [np.broadcast_to(value.words, shape) for value in args if type(value) is Bits]
            return self._with(words[0] if len(words) == 1 else words[0] | words[1], _common(args))
        if function is np.sum and len(args) <= 2 and kwargs.keys() <= {"axis", "keepdims"}:
            return self._with(np.bitwise_or.reduce(args[0].words, *args[1:], **kwargs), self.dtype)
        return self._bit_by_bit(function, args, kwargs)

    def _bit_by_bit(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call any other function with random numbers where a bit is set; what is not zero depends on that bit."""
        rng = np.random.default_rng(0)
        # SciPy's functions take points and structured matrices, in whose place random numbers have no meaning
        everywhere = self.solid and getattr(function, "__module__", "").startswith(("scipy.", "fwdad.rules.scipy"))
        random_factors = self.solid and not everywhere
        totals: list[Any] = []
        for bit in range(WORD):
            mask = np.uint64(1) << np.uint64(bit)

            def numbers(leaf: Any, mask: np.uint64 = mask) -> Any:
                if random_factors and type(leaf) is np.ndarray and leaf.dtype.kind in "fc":
                    return np.asarray(rng.uniform(1, 2, leaf.shape), leaf.dtype)
                if type(leaf) is not Bits:
                    return leaf
                unit = 1j if leaf.dtype.kind == "c" else 0
                values = np.asarray(rng.uniform(1, 2, leaf.shape) + unit * rng.uniform(1, 2, leaf.shape))
                return np.asarray(np.where(leaf.words & mask, values, 0), leaf.dtype)

            some_args, some_kwargs = tree.map(numbers, (args, kwargs))
            answers, structure = tree.flatten(function(*some_args, **some_kwargs))
            words = [
                np.where((a != 0) | (everywhere and np.any(a)), mask, np.uint64(0)) if isinstance(a, np.ndarray) else a
                for a in answers
            ]
            totals = [a | b if isinstance(b, np.ndarray) else b for a, b in zip(totals or words, words, strict=True)]
        dtypes = [getattr(answer, "dtype", None) for answer in answers]
        made = [self._with(t, d) if isinstance(t, np.ndarray) else t for t, d in zip(totals, dtypes, strict=True)]
        return tree.unflatten(structure, made)


def _common(values: Any) -> Any:
    """Return the dtype of a sum of values."""
    return np.result_type(*(value.dtype if type(value) is Bits else value for value in values))


def _words(value: Any) -> np.ndarray:
    """Return a tangent's words; a plain array is a tangent of zeros, in whose words no bit is set."""
    return value.words if type(value) is Bits else np.zeros(np.shape(value), np.uint64)


MOVING = {
    operator.getitem, np.reshape, np.ravel, np.transpose, np.matrix_transpose, np.moveaxis, np.swapaxes, np.flip,
    np.roll, np.broadcast_to, np.take, np.take_along_axis, np.expand_dims, np.squeeze, np.repeat, np.diagonal,
    np.tril, np.triu, np.copy,
}  # fmt: skip
"""Functions that move the entries of their first argument."""

JOINING = {np.concatenate, np.stack}

SCALING = {np.add, np.subtract, np.multiply, np.true_divide, np.negative, np.positive, np.conjugate}
"""Elementwise functions of one tangent, or sums of two: an entry depends on what the entries in its place depend on."""


class Depends(Carrier):
    """A value and its words (n / 64, *s): the inputs that each entry depends on."""

    __slots__ = ("words",)

    def __init__(self, primal: Array, words: np.ndarray, level: int) -> None:
        self.primal, self.words, self.level = primal, words, level

    def halves(self) -> tuple[Any, Any]:
        """Return the value."""
        return self.primal, ()

    def is_zero(self) -> Array:
        """Where the value is the constant zero."""
        return _constant_zero(self)

    def become(self, other: Dual) -> None:
        """Take over another value."""
        assert isinstance(other, Depends)
        self.primal, self.words = other.primal, other.words

    def __copy__(self) -> Depends:
        """Copy: a write into one of the two does not reach the other."""
        return Depends(self.primal, self.words, self.level)

    def at_rest(self, value: Array) -> Depends:
        """Return a value that depends on no input."""
        return Depends(value, np.zeros((len(self.words), *value.shape), np.uint64), self.level)

    def __repr__(self) -> str:
        """Show the value and its words."""
        return described("Depends", primal=self.primal, words=self.words)

    def __format__(self, spec: str) -> str:
        """Apply a number format to a value of shape ()."""
        return f"Depends(primal={format(self.primal, spec)}, words={self.words})"

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Let an entry depend on what the entries in its place depend on, or push bits by the function's JVP rule."""
        rule, kind = rule_of(function), kind_of_rule(function)
        if kind in ("constant", "composed"):
            return rule(*args, **kwargs)
        mine = [leaf for leaf in leaves_of(args, kwargs) if self._is_mine(leaf)]
        if function in ELEMENTWISE and not kwargs:
            return self._elementwise(function, args)
        inner, solid = new_level(), kind != "linear" and not (function in PRODUCTS and len(mine) == 1)
        some_args, some_kwargs = replaced(
            (args, kwargs),
            Depends,
            self.level,
            lambda x: Dual(x.primal, Bits(x.words, plain(x.primal).dtype, inner, solid), inner),
        )
        try:
            leaves, structure = tree.flatten(rule(*some_args, **some_kwargs))
        except RepeatedValuesError:
            return self._on_all(function, args, kwargs, mine)
        pairs = (split(leaf, inner) for leaf in leaves)
        return tree.unflatten(structure, [y if bits is None else self._joined(y, _words(bits)) for y, bits in pairs])

    def _on_all(self, function: Callable[..., Any], args: Any, kwargs: Any, mine: list[Any]) -> Any:
        """Let each entry depend on all that the arguments depend on."""
        values, options = replaced((args, kwargs), Depends, self.level, lambda x: x.primal)
        words = np.stack([np.bitwise_or.reduce(x.words.reshape(len(x.words), -1), 1) for x in mine])
        together = np.bitwise_or.reduce(words, 0)

        def one(y: Array) -> Any:
            return Depends(y, np.broadcast_to(align(together, y.ndim), (len(together), *y.shape)), self.level)

        return tree.map(one, function(*values, **options))

    def _joined(self, y: Array, words: np.ndarray) -> Dual:
        """Return y with words; y moves already where a `custom_jvp` uses a moving value that is no argument of it."""
        if type(y) is Dual and y.level > self.level:
            of_tangent = np.broadcast_to(words[:, np.newaxis], (len(words), *y.tangent.shape))
            return Dual(self._joined(y.primal, words), self._joined(y.tangent, of_tangent), y.level)
        return Depends(y.primal, y.words | words, self.level) if self._is_mine(y) else Depends(y, words, self.level)

    def _is_mine(self, value: Any) -> bool:
        return type(value) is Depends and value.level == self.level

    def _elementwise(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Depends:
        answer = function(*(arg.primal if self._is_mine(arg) else arg for arg in args))
        total: Any = 0
        for i, arg in enumerate(args):
            if self._is_mine(arg):
                words = align(arg.words, answer.ndim)
                if function is np.multiply or (function is np.true_divide and i == 1):
                    words = np.where(_constant_zero(args[1 - i]), np.uint64(0), words)
                total = total | words
        return Depends(answer, np.broadcast_to(total, (len(total), *answer.shape)), self.level)


def _constant_zero(value: Any) -> Any:
    """Where a value is zero at every x: an entry that depends on no input, or a constant (truths are choices)."""
    if type(value) is Depends:
        return np.equal(value.primal, 0) & ~np.any(value.words, axis=0)
    return False if isinstance(value, Dual) or np.asarray(value).dtype.kind == "b" else np.equal(value, 0)


PRODUCTS = {np.matmul, np.einsum, np.tensordot}
"""Functions that are linear in each argument."""


def jacobian_pattern(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Pattern]:
    """Make a function that finds where the Jacobian of f may have entries.

    Parameters
    ----------
    f, argnums
        As in `sparse_jacfwd`.

    Returns
    -------
    callable
        A function of f's arguments that returns a `Pattern`; rows and columns are those of `sparse_jacfwd`.

    Raises
    ------
    TypeError
        An argument that moves is not floating.

    Notes
    -----
    One pass carries n bits an entry for n inputs. The pattern holds at x, and at other points where f makes the same
    choices: Python branches, what np.where selects and orders found by sorting are those at x. A factor that is zero at
    x counts as not zero, if it depends on x; the exact zeros of constants stay zeros.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> p = fwdad.jacobian_pattern(lambda x: x[1:] * x[:-1])(np.ones(3))
    >>> p.rows.tolist(), p.columns.tolist(), p.shape
    ([0, 0, 1, 1], [0, 1, 1, 2], (2, 3))
    """

    def pattern(*args: Any, **kwargs: Any) -> Pattern:
        x, put = choose(args, argnums)
        leaves, structure = moving_leaves(x)
        level, first, moving = new_level(), 0, []
        n = sum(int(leaf.size) for leaf in leaves)
        count = max(1, -(-n // WORD))
        for leaf in leaves:
            columns = np.arange(first, first + leaf.size)
            words = np.zeros((count, leaf.size), np.uint64)
            words[columns // WORD, columns - first] = np.uint64(1) << (columns % WORD).astype(np.uint64)
            moving.append(Depends(plain(leaf), words.reshape(count, *leaf.shape), level))
            first += leaf.size
        found = []
        for leaf in tree.leaves(call(f, *put(tree.unflatten(structure, moving)), **kwargs)):
            array = as_array(leaf)
            if array.dtype.kind in "fc":
                mine = type(leaf) is Depends and leaf.level == level
                found.append(leaf.words.reshape(count, -1) if mine else np.zeros((count, array.size), np.uint64))
        return _unpacked(found, n)

    return pattern


def _unpacked(words: list[np.ndarray], n: int) -> Pattern:
    """Find the bits that are set in words (n / 64, m)."""
    joined = np.concatenate(words, axis=1) if words else np.zeros((1, 0), np.uint64)
    word, row = np.nonzero(joined)
    bits = (joined[word, row][:, np.newaxis] >> np.arange(WORD, dtype=np.uint64)) & np.uint64(1)
    entry, bit = np.nonzero(bits)
    rows, columns = row[entry], WORD * word[entry] + bit
    order = np.lexsort((columns, rows))
    return Pattern(rows[order], columns[order], (joined.shape[1], n))
