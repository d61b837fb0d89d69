"""sparse_jacfwd: a Jacobian with few entries in a row, in few directions.

Columns that share no row can travel in one direction: the row says which of them an entry belongs to. So the number of
directions is the number of colours of a graph, whose nodes are columns and whose edges join two that share a row.

One pass finds the pattern. Its tangents are `Bits`: in place of n floats, n bits for each entry say which inputs it
depends on; 64 of them make a word, and the words lie along the k axis.
Source: A. R. Curtis, M. J. D. Powell, J. K. Reid, On the estimation of sparse Jacobian matrices, 1974;
A. H. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian?, SIAM Review 47(4), 2005.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, new_level, plain
from fwdad.rules.assignment import written
from fwdad.transforms.arguments import Argnums, call, choose, moving_leaves
from fwdad.transforms.carriers import Carrier
from fwdad.transforms.forward import jvp, take_apart

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


class SparseJacobian(NamedTuple):
    """The entries ``J[rows[i], columns[i]] = values[i]`` of a matrix of shape (m, n).

    Attributes
    ----------
    values : array
        The e entries, ``(e,)``.
    rows, columns : ndarray
        Their places, ``(e,)`` each, in the order of rows.
    shape : tuple of int
        ``(m, n)``.
    directions : int
        How many directions were needed.

    Notes
    -----
    SciPy takes it as ``scipy.sparse.coo_array((j.values, (j.rows, j.columns)), j.shape)``.
    """

    values: Array
    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]
    directions: int

    def dense(self) -> np.ndarray:
        """Return the whole matrix, ``(m, n)``."""
        full = np.zeros(self.shape, self.values.dtype)
        full[self.rows, self.columns] = self.values
        return full


class Bits(Carrier):
    """The tangents of n unit directions, reduced to the bits that say where they are not zero: words (n / 64, *s)."""

    __slots__ = ("dtype", "words")

    def __init__(self, words: np.ndarray, dtype: Any, level: int) -> None:
        self.words, self.dtype, self.level = words, dtype, level

    shape: Any = property(lambda self: self.words.shape)
    ndim: Any = property(lambda self: self.words.ndim)
    size: Any = property(lambda self: self.words.size)

    @property
    def primal(self) -> NoReturn:
        """Refuse: only bits are known."""
        raise TypeError(
            "jacobian_pattern: a rule decides by the direction's value (as that of eigenvectors does where values "
            "repeat); give the pattern to sparse_jacfwd"
        )

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
        return Bits(self.words.copy(), self.dtype, self.level)

    def astype(self, dtype: Any, **options: Any) -> Bits:
        """Change the dtype of what the bits stand for."""
        return Bits(self.words, np.dtype(dtype), self.level)

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
            return Bits(function(args[0].words, *args[1:], **kwargs), self.dtype, self.level)
        if function is written and not args[2]:
            return Bits(written(_words(args[0]), _words(args[1]), *args[2:]), _common(args[:1]), self.level)
        if function in JOINING:
            axis = args[1] if len(args) > 1 else kwargs.get("axis", 0)
            words = function([_words(value) for value in args[0]], axis)
            return Bits(words, kwargs.get("dtype") or _common(args[0]), self.level)
        if function is np.where:
            return Bits(np.where(args[0], *(_words(value) for value in args[1:])), _common(args[1:]), self.level)
        if function in SCALING:
            shape = np.broadcast_shapes(*(np.shape(value) for value in args))
            words = [np.broadcast_to(value.words, shape) for value in args if type(value) is Bits]
            return Bits(words[0] if len(words) == 1 else words[0] | words[1], _common(args), self.level)
        if function is np.sum and len(args) <= 2 and kwargs.keys() <= {"axis", "keepdims"}:
            return Bits(np.bitwise_or.reduce(args[0].words, *args[1:], **kwargs), self.dtype, self.level)
        return self._bit_by_bit(function, args, kwargs)

    def _bit_by_bit(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call any other function with random numbers where a bit is set; what is not zero depends on that bit."""
        rng = np.random.default_rng(0)
        totals: list[Any] = []
        for bit in range(WORD):
            mask = np.uint64(1) << np.uint64(bit)

            def numbers(leaf: Any, mask: np.uint64 = mask) -> Any:
                if type(leaf) is not Bits:
                    return leaf
                unit = 1j if leaf.dtype.kind == "c" else 0
                values = rng.uniform(1, 2, leaf.shape) + unit * rng.uniform(1, 2, leaf.shape)
                return (((leaf.words & mask) != 0) * values).astype(leaf.dtype)

            some_args, some_kwargs = tree.map(numbers, (args, kwargs))
            answers, structure = tree.flatten(function(*some_args, **some_kwargs))
            words = [np.where(a != 0, mask, np.uint64(0)) if isinstance(a, np.ndarray) else a for a in answers]
            totals = [a | b if isinstance(b, np.ndarray) else b for a, b in zip(totals or words, words, strict=True)]
        dtypes = [getattr(answer, "dtype", None) for answer in answers]
        made = [Bits(t, d, self.level) if isinstance(t, np.ndarray) else t for t, d in zip(totals, dtypes, strict=True)]
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
    choices: Python branches, what np.where selects, orders found by sorting and zeros of matrices in products are those
    at x. The factors of elementwise products count as not zero.

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
            primal = plain(leaf)
            moving.append(Dual(primal, Bits(words.reshape(count, *leaf.shape), primal.dtype, level), level))
            first += leaf.size
        _, changes = take_apart(call(f, *put(tree.unflatten(structure, moving)), **kwargs), level, count)
        return _unpacked([_words(t).reshape(count, math.prod(t.shape[1:])) for t in tree.leaves(changes)], n)

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


def color_columns(pattern: Pattern) -> np.ndarray:
    """Give each column a colour 0, 1, ..., so that no row has two of one colour; greedily, the fullest column first.

    >>> color_columns(Pattern(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), (2, 3))).tolist()
    [1, 0, 1]
    """
    m, n = pattern.shape
    by_column = np.argsort(pattern.columns, kind="stable")
    rows_of = np.split(pattern.rows[by_column], np.cumsum(np.bincount(pattern.columns, minlength=n))[:-1])
    taken: list[set[int]] = [set() for _ in range(m)]  # the colours in each row
    colors = np.zeros(n, np.int64)
    for column in sorted(range(n), key=lambda j: -len(rows_of[j])):
        forbidden = set().union(*(taken[row] for row in rows_of[column]))
        color = next(c for c in itertools.count() if c not in forbidden)
        colors[column] = color
        for row in rows_of[column]:
            taken[row].add(color)
    return colors


def sparse_jacfwd(
    f: Callable[..., Any], argnums: Argnums = 0, pattern: Pattern | np.ndarray | None = None
) -> Callable[..., SparseJacobian]:
    """Make the Jacobian of f as a list of its entries, computed in a few directions.

    Parameters
    ----------
    f : callable
        A function to a pytree of arrays, written in NumPy.
    argnums : int or tuple of int, default: 0
        As in `jacfwd`. The columns are all entries of the argument's leaves, the rows those of f's floating results,
        in order.
    pattern : Pattern or array_like of bool, optional
        Where entries may be, from `jacobian_pattern` or as a matrix ``(m, n)``. By default each call finds it, by one
        pass that costs about n / 64 directions. A given pattern costs one more direction, in which the result is
        checked.

    Returns
    -------
    callable
        A function of f's arguments that returns a `SparseJacobian`.

    Raises
    ------
    TypeError
        An argument that moves is not floating.
    ValueError
        The given pattern misses an entry, or has another shape.

    References
    ----------
    A. R. Curtis, M. J. D. Powell, J. K. Reid, J. Inst. Maths Applics 13, 1974.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> j = fwdad.sparse_jacfwd(lambda x: x[1:] * x[:-1])(np.arange(1.0, 7.0))
    >>> j.directions, j.dense()[0].tolist()
    (2, [2.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    """
    given = None if pattern is None else _as_pattern(pattern)

    def jacobian(*args: Any, **kwargs: Any) -> SparseJacobian:
        x, put = choose(args, argnums)
        leaves, structure = moving_leaves(x)
        found = given or jacobian_pattern(f, argnums)(*args, **kwargs)
        n = sum(int(leaf.size) for leaf in leaves)
        if found.shape[1] != n:
            raise ValueError(f"the pattern has {found.shape[1]} columns, and the argument {n} entries")
        colors = color_columns(found)
        directions = int(np.max(colors, initial=0)) + 1
        v = np.zeros((directions, n))
        v[colors, np.arange(n)] = 1
        if given is not None:
            v = np.concatenate([v, np.random.default_rng(0).uniform(1, 2, (1, n))])
        blocks = np.split(v, np.cumsum([leaf.size for leaf in leaves])[:-1], axis=1)
        tangents = tuple(
            block.reshape(len(v), *leaf.shape).astype(leaf.dtype) for block, leaf in zip(blocks, leaves, strict=True)
        )
        _, dy = jvp(lambda *moving: f(*put(tree.unflatten(structure, moving)), **kwargs), tuple(leaves), tangents)
        changes = np.concatenate([np.reshape(t, (len(v), math.prod(t.shape[1:]))) for t in tree.leaves(dy)], axis=1)
        if found.shape[0] != changes.shape[1]:
            raise ValueError(f"the pattern has {found.shape[0]} rows, and f's results {changes.shape[1]} entries")
        values = changes[colors[found.columns], found.rows]
        if given is not None:
            _check(plain(values), found, v[-1], plain(changes[-1]))
        return SparseJacobian(values, found.rows, found.columns, found.shape, directions)

    return jacobian


def _as_pattern(pattern: Pattern | np.ndarray) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    matrix = np.asarray(pattern)
    if matrix.ndim != 2:
        raise ValueError(f"a pattern is a Pattern or a boolean matrix (m, n); got shape {matrix.shape}")
    rows, columns = np.nonzero(matrix)
    return Pattern(rows, columns, (matrix.shape[0], matrix.shape[1]))


def _check(values: np.ndarray, pattern: Pattern, v: np.ndarray, change: np.ndarray) -> None:
    """Raise ValueError unless J v is f's change along v; a missing entry shows in its row."""
    product, size = np.zeros(change.shape, change.dtype), np.abs(change)
    np.add.at(product, pattern.rows, values * v[pattern.columns].astype(change.dtype))
    np.add.at(size, pattern.rows, np.abs(values * v[pattern.columns]))
    wrong = np.nonzero(np.abs(product - change) > np.sqrt(np.finfo(change.dtype).eps) * size)[0]
    if len(wrong):
        raise ValueError(
            f"the pattern misses entries of the Jacobian: rows {wrong[:10].tolist()} change with inputs that "
            "it does not name; find it again with fwdad.jacobian_pattern"
        )
