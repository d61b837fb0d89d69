"""sparse_jacfwd: a Jacobian with few entries in a row, in few directions.

Columns that share no row can travel in one direction: the row says which of them an entry belongs to. So the number of
directions is the number of colours of a graph, whose nodes are columns and whose edges join two that share a row.
The Hessian of a sum is the sum of Hessians. If each summand depends on few inputs, the same holds of them: along two
directions, of one colour each, a summand's second derivative is one entry.
Source: A. R. Curtis, M. J. D. Powell, J. K. Reid, On the estimation of sparse Jacobian matrices, 1974;
A. H. Gebremedhin, F. Manne, A. Pothen, What color is your Jacobian?, SIAM Review 47(4), 2005; A. Griewank,
Ph. L. Toint, On the unconstrained optimization of partially separable functions, 1982.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad import tree
from fwdad.dual import Array, plain
from fwdad.transforms.arguments import Argnums, as_array, choose, moving_leaves
from fwdad.transforms.forward import jvp
from fwdad.transforms.pattern import Pattern, jacobian_pattern
from fwdad.transforms.terms import NotSeparableError, terms


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

    def csr(self) -> Any:
        """Return it as SciPy's ``csr_array``."""
        from scipy.sparse import csr_array

        ends = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return csr_array((self.values, self.columns, ends), shape=self.shape)


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


class PatternError(ValueError):
    """A pattern misses an entry, or has another shape than the matrix."""


class JacobianPlan:
    """A pattern of a Jacobian, its colours, and the directions that they make."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern, self.colors = pattern, color_columns(pattern)
        n = pattern.shape[1]
        self.directions = int(np.max(self.colors, initial=0)) + 1
        self.seeds = np.zeros((self.directions + 1, n))
        self.seeds[self.colors, np.arange(n)] = 1
        self.seeds[-1] = np.random.default_rng(0).uniform(1, 2, n)  # along this one the result is checked

    @staticmethod
    def find(g: Callable[..., Any], leaves: list[Array]) -> JacobianPlan:
        """Find the pattern of g at its arguments."""
        return JacobianPlan(jacobian_pattern(g, tuple(range(len(leaves))))(*leaves))

    def compute(self, g: Callable[..., Any], leaves: list[Array], checked: bool) -> SparseJacobian:
        """Compute the entries.

        Raises PatternError if `checked`, and g changes along a random direction as no matrix of this pattern does.
        """
        v, (rows, columns, shape) = self._tangents(leaves, checked), self.pattern
        changes = [np.reshape(t, (len(t), math.prod(t.shape[1:]))) for t in tree.leaves(jvp(g, tuple(leaves), v)[1])]
        change = np.concatenate(changes, axis=1)
        if shape[0] != change.shape[1]:
            raise PatternError(f"the pattern has {shape[0]} rows, and f's results {change.shape[1]} entries")
        values = change[self.colors[columns], rows]
        if checked:
            _check(plain(values), rows, self.seeds[-1, columns], plain(change[-1]))
        return SparseJacobian(values, rows, columns, shape, self.directions)

    def _tangents(self, leaves: list[Array], checked: bool) -> tuple[Array, ...]:
        n, v = sum(int(leaf.size) for leaf in leaves), self.seeds if checked else self.seeds[:-1]
        if n != v.shape[1]:
            raise PatternError(f"the pattern has {v.shape[1]} columns, and the argument {n} entries")
        blocks = np.split(v, np.cumsum([leaf.size for leaf in leaves])[:-1], axis=1)
        return tuple(
            block.reshape(len(v), *leaf.shape).astype(leaf.dtype) for block, leaf in zip(blocks, leaves, strict=True)
        )


class HessianPlan:
    """A pattern of the Jacobian of f's summands, and where the second derivatives of each go in the Hessian of f.

    In a direction of one colour a summand moves with one input alone. So its second derivative along two of them is
    an entry of its Hessian.
    """

    def __init__(self, summands: Callable[..., Any], of_summands: JacobianPlan) -> None:
        self.summands, self.of_summands = summands, of_summands
        rows, columns, (m, n) = of_summands.pattern
        counts = np.bincount(rows, minlength=m)
        partners = counts[rows]  # each entry of a row is paired with all entries of this row
        left = np.repeat(np.arange(len(rows)), partners)
        nth = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
        right = (np.cumsum(counts) - counts)[rows[left]] + nth
        self.summand, self.pairs = rows[left], (columns[left], columns[right])
        places, self.place = np.unique(self.pairs[0] * n + self.pairs[1], return_inverse=True)
        self.pattern = Pattern(*np.divmod(places, n), (n, n))

    @staticmethod
    def find(g: Callable[..., Any], leaves: list[Array]) -> HessianPlan:
        """Split g into summands, and find their pattern; a g that ends in anything but sums is one summand.

        Raises ValueError if g's result is not one real number.
        """
        for summands in (terms, _itself):
            try:
                return HessianPlan(summands, JacobianPlan.find(summands(g), leaves))
            except NotSeparableError:
                continue
        raise AssertionError("a function is its own summand")

    def compute(self, g: Callable[..., Any], leaves: list[Array], checked: bool) -> SparseJacobian:
        """Compute the entries.

        Raises PatternError if `checked`, and a summand bends along a random direction as no such matrix does.
        """
        plan, (left, right) = self.of_summands, self.pairs
        u, v = self.summands(g), plan._tangents(leaves, checked)
        bends = jvp(lambda *x: jvp(u, x, v)[1], tuple(leaves), v)[1]
        if bends.shape[2] != plan.pattern.shape[0]:
            raise PatternError(f"the pattern has {plan.pattern.shape[0]} summands, and f {bends.shape[2]}")
        each = bends[plan.colors[left], plan.colors[right], self.summand]
        if checked:
            r = plan.seeds[-1]
            _check(plain(each), self.summand, r[left] * r[right], plain(bends[-1, -1]))
        values = np.bincount(self.place, each, len(self.pattern.rows))
        return SparseJacobian(values.astype(bends.dtype, copy=False), *self.pattern, plan.directions)


def _itself(g: Callable[..., Array]) -> Callable[..., Array]:
    """Make a function of one summand."""

    def summand(*x: Array) -> Array:
        y = as_array(g(*x))
        if y.shape != () or y.dtype.kind != "f":
            raise ValueError(
                f"sparse_hessian takes functions whose result is one real number; got shape {y.shape}, {y.dtype}: "
                "use fwdad.hessian"
            )
        return np.reshape(y, (1,))

    return summand


def of_leaves(
    f: Callable[..., Any], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], list[Array]]:
    """Return f as a function of the arrays that move, and these."""
    x, put = choose(args, argnums)
    leaves, structure = moving_leaves(x)
    return lambda *moving: f(*put(tree.unflatten(structure, moving)), **kwargs), leaves


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
    given = None if pattern is None else JacobianPlan(_as_pattern(pattern))

    def jacobian(*args: Any, **kwargs: Any) -> SparseJacobian:
        g, leaves = of_leaves(f, argnums, args, kwargs)
        plan = given or JacobianPlan.find(g, leaves)
        return plan.compute(g, leaves, checked=given is not None)

    return jacobian


def sparse_hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., SparseJacobian]:
    """Make the Hessian of f as a list of its entries, computed in a few directions.

    Parameters
    ----------
    f : callable
        A function to one real number, written in NumPy.
    argnums : int or tuple of int, default: 0
        As in `sparse_jacfwd`.

    Returns
    -------
    callable
        A function of f's arguments that returns the Hessian as a `SparseJacobian` of shape ``(n, n)``, with both of
        each pair of entries.

    Raises
    ------
    TypeError
        An argument that moves is not floating.
    ValueError
        f's result is not one real number.

    Notes
    -----
    The last sums of f are put off. If each summand depends on few inputs, k directions are enough for all, where k is
    the number of colours of the summands' Jacobian; the cost is k^2 tangents of f. A function that ends in anything
    but sums is one summand.

    References
    ----------
    A. Griewank, Ph. L. Toint, in: Nonlinear Optimization 1981, pp. 301-312, Academic Press, 1982.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> h = fwdad.sparse_hessian(lambda x: np.sum(x[1:] * x[:-1]))(np.arange(1.0, 7.0))
    >>> h.directions, h.dense()[1].tolist()
    (2, [1.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    """

    def hessian(*args: Any, **kwargs: Any) -> SparseJacobian:
        g, leaves = of_leaves(f, argnums, args, kwargs)
        return HessianPlan.find(g, leaves).compute(g, leaves, checked=False)

    return hessian


class Colouring:
    """Jacobians and Hessians whose patterns and colours are kept from call to call; `colouring` makes it.

    Attributes
    ----------
    detections : int
        How often a pattern was found.
    """

    def __init__(self, f: Callable[..., Any], argnums: Argnums, check_every: int | None) -> None:
        self.f, self.argnums, self.check_every = f, argnums, check_every
        self.detections = self._calls = 0
        self._plans: dict[type, Any] = {}

    def __repr__(self) -> str:
        """Show the function, and the shape and the entries of the Jacobian's pattern, if there is one."""
        name = getattr(self.f, "__name__", type(self.f).__name__)
        known = self.pattern
        if known is None:
            return f"Colouring of {name}: no pattern yet"
        return f"Colouring of {name}: {known.shape[0]} x {known.shape[1]}, {known.rows.size} entries"

    @property
    def pattern(self) -> Pattern | None:
        """The pattern of the Jacobian; None before one was computed."""
        return self._plans[JacobianPlan].pattern if JacobianPlan in self._plans else None

    def jacobian(self, *args: Any, **kwargs: Any) -> SparseJacobian:
        """Compute the Jacobian at f's arguments, as `sparse_jacfwd` does."""
        found: SparseJacobian = self._compute(JacobianPlan, args, kwargs)
        return found

    def hessian(self, *args: Any, **kwargs: Any) -> SparseJacobian:
        """Compute the Hessian at f's arguments, as `sparse_hessian` does."""
        found: SparseJacobian = self._compute(HessianPlan, args, kwargs)
        return found

    def csr(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the Jacobian as SciPy's ``csr_array``: the `jac` of ``solve_ivp`` and ``least_squares``."""
        return self.jacobian(*args, **kwargs).csr()

    def dense(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """Compute the Jacobian as an array: the `jac` of ``scipy.optimize.root``."""
        return self.jacobian(*args, **kwargs).dense()

    def hessian_csr(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the Hessian as SciPy's ``csr_array``: the `hess` of ``minimize(method="trust-constr")``."""
        return self.hessian(*args, **kwargs).csr()

    def _compute(self, kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        g, leaves = of_leaves(self.f, self.argnums, args, kwargs)
        if kind in self._plans:
            self._calls += 1
            checked = self.check_every is not None and self._calls % self.check_every == 0
            try:
                return self._plans[kind].compute(g, leaves, checked)
            except (PatternError, NotSeparableError):
                pass  # f makes other choices here, and its pattern is found again
        self._plans[kind] = kind.find(g, leaves)
        self.detections += 1
        return self._plans[kind].compute(g, leaves, checked=False)


def colouring(
    f: Callable[..., Any], *args: Any, argnums: Argnums = 0, check_every: int | None = 1, **kwargs: Any
) -> Colouring:
    """Make an object that computes sparse Jacobians and Hessians of f, and keeps their patterns for a solver's life.

    Parameters
    ----------
    f : callable
        As in `sparse_jacfwd`; for `Colouring.hessian`, as in `sparse_hessian`.
    *args, **kwargs
        Arguments of f. There the pattern of the Jacobian is found, unless f returns one number, whose Hessian's pattern
        is found then.
    argnums : int or tuple of int, default: 0
        As in `sparse_jacfwd`.
    check_every : int or None, default: 1
        Each how many calls the result is checked along one random direction, which costs as much as one colour. Where
        it shows that f makes other choices now, the pattern is found again. With a number above 1, or with None
        (never), a result in between may lack entries that f did not have where the pattern was found.

    Returns
    -------
    Colouring
        Its methods `jacobian` and `hessian` return a `SparseJacobian`; `csr`, `dense` and `hessian_csr` are what
        SciPy's solvers take. All are called with f's arguments.

    Raises
    ------
    TypeError
        An argument that moves is not floating.
    ValueError
        `check_every` is less than 1.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> kept = fwdad.colouring(lambda t, y: t * y[::-1] * y, 1.0, np.ones(4), argnums=1)
    >>> kept.dense(2.0, np.arange(4.0)).tolist()[0], kept.detections
    ([6.0, 0.0, 0.0, 0.0], 1)
    """
    if check_every is not None and check_every < 1:
        raise ValueError(f"check_every is a number of calls, at least 1, or None; got {check_every}")
    kept = Colouring(f, argnums, check_every)
    y = f(*args, **kwargs)
    (kept.hessian if isinstance(y, (float, np.floating)) else kept.jacobian)(*args, **kwargs)
    return kept


def _as_pattern(pattern: Pattern | np.ndarray) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    matrix = np.asarray(pattern)
    if matrix.ndim != 2:
        raise ValueError(f"a pattern is a Pattern or a boolean matrix (m, n); got shape {matrix.shape}")
    rows, columns = np.nonzero(matrix)
    return Pattern(rows, columns, (matrix.shape[0], matrix.shape[1]))


def _check(values: np.ndarray, rows: np.ndarray, v: np.ndarray, change: np.ndarray) -> None:
    """Raise PatternError unless the sums of ``values v`` by rows are f's change; a missing entry shows in its row."""
    summands = values * v.astype(change.dtype)
    product, size = np.zeros(change.shape, change.dtype), np.abs(change)
    np.add.at(product, rows, summands)
    np.add.at(size, rows, np.abs(summands))
    wrong = np.nonzero(np.abs(product - change) > np.sqrt(np.finfo(change.dtype).eps) * size)[0]
    if len(wrong):
        raise PatternError(
            f"the pattern misses entries of the Jacobian: rows {wrong[:10].tolist()} change with inputs that "
            "it does not name; find it again with fwdad.jacobian_pattern"
        )
