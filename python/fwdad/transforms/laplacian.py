"""laplacian: the trace of the Hessian in one pass, without the Hessian.

A value carries x, its n directional derivatives J_i, and its Laplacian L. Through y = f(x)

    y_i = f'(x) J_i        L_y = f'(x) L + sum_i f''(x)[J_i, J_i]

For the JVP rule the Laplacian is one more tangent. The second derivatives along each J_i come on top: nothing for
linear functions, and one sum of squares for elementwise ones.
Source: R. Li, H. Ye, D. Jiang et al., A computational framework for neural network-based variational Monte Carlo with
Forward Laplacian, arXiv 2307.08214.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, described, new_level, plain, spelled, split
from fwdad.errors import RepeatedValuesError
from fwdad.rules.einsum import parse, unused_letter
from fwdad.rules.forms import ELEMENTWISE, align, strongly_scaled
from fwdad.rules.kinks import is_zero
from fwdad.tangents.basis import BasisTangent
from fwdad.transforms.arguments import Argnums, as_array, call, check_chunk_size, choose, moving_leaves, unit_directions
from fwdad.transforms.carriers import LINEAR_ROWS, Carrier, check_captured, kind_of_rule, replaced, rule_of
from fwdad.transforms.forward import split_aux
from fwdad.transforms.nested import derivatives

Tree = Any


class WithLaplacian(Carrier):
    """x with n directional derivatives and, as the last row of `tangent` (n + 1, *s), its Laplacian."""

    __slots__ = ()

    def halves(self) -> tuple[Any, Any]:
        """Return the value, and its derivatives with the Laplacian."""
        return self.primal, self.tangent

    def is_zero(self) -> Array:
        """Where the value, its derivatives and its Laplacian are zero."""
        return np.logical_and(is_zero(self.primal), np.all(is_zero(self.tangent), axis=0))

    def at_rest(self, value: Array) -> WithLaplacian:
        """Return a value whose derivatives and Laplacian are zero."""
        return WithLaplacian(value, super().at_rest(value).tangent, self.level)

    def __copy__(self) -> WithLaplacian:
        """Copy: a write into one of the two does not reach the other."""
        return WithLaplacian(self.primal, self.tangent, self.level)

    def __repr__(self) -> str:
        """Show the value, its derivatives and its Laplacian."""
        return described("WithLaplacian", primal=self.primal, tangent=self.tangent[:-1], laplacian=self.tangent[-1])

    def __format__(self, spec: str) -> str:
        """Apply a number format to all numbers of a value of shape ()."""
        if not spec:
            return str(self)
        tangents, laplacian = spelled(self.tangent[:-1], spec), format(self.tangent[-1], spec)
        return f"WithLaplacian(primal={format(self.primal, spec)}, tangent={tangents}, laplacian={laplacian})"

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Push all n + 1 tangents by the JVP rule, and add the second derivatives to the last."""
        rule, kind = rule_of(function), kind_of_rule(function)
        if kind in ("constant", "composed"):
            return rule(*args, **kwargs)
        level, inner = self.level, new_level()
        dual_args, dual_kwargs = replaced(
            (args, kwargs), WithLaplacian, level, lambda x: Dual(x.primal, x.tangent, inner)
        )
        leaves, structure = tree.flatten(rule(*dual_args, **dual_kwargs))
        pairs = [split(leaf, inner) for leaf in leaves]
        check_captured(function, pairs, level)
        changes: list[Any] = [None] * len(pairs)
        if kind != "linear" and function not in LINEAR_ROWS:
            changes = second(function, args, kwargs, level)
        answers = [
            y if t is None else WithLaplacian(y, t if change is None else with_last_row(t, change), level)
            for (y, t), change in zip(pairs, changes, strict=True)
        ]
        return tree.unflatten(structure, answers)


def with_last_row(tangent: Array, change: Array) -> Array:
    """Add a change to the last row of a tangent."""
    return np.concatenate([tangent[:-1], tangent[-1:] + change])


def second(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], level: int) -> list[Any]:
    """Compute ``sum_i f''(x)[J_i, J_i]`` for each result of a function; None where it has no second derivative."""
    places = [i for i, arg in enumerate(args) if type(arg) is WithLaplacian and arg.level == level]
    if function in ELEMENTWISE and all(args[i].dtype.kind == "f" for i in places):  # abs of complex numbers is not
        return [_of_elementwise(function, args, places)]
    if function is np.matmul:
        return [_of_matmul(*(args[i] for i in places)) if len(places) == 2 else None]
    if function is np.einsum:
        return [_of_einsum(args, kwargs, level)]
    return _of_any(function, args, kwargs, level)


def _of_elementwise(function: Callable[..., Any], args: tuple[Any, ...], places: list[int]) -> Array | None:
    """Compute ``sum_ab f_ab sum_i J_ai J_bi`` over arguments a, b that move; f_ab by two levels of one direction."""
    inner, outer = new_level(), new_level()
    duals = list(args)
    for a, place in enumerate(places):
        x = args[place].primal
        unit = np.zeros((len(places), *x.shape), x.dtype)
        unit[a] = 1
        duals[place] = Dual(Dual(x, unit, inner), unit, outer)
    curvature = split(split(function(*duals), outer)[1], inner)[1]
    if curvature is None:
        return None
    total: Array = None
    for a, place in enumerate(places):
        for b, other in list(enumerate(places))[a:]:
            x, y = (align(args[i].tangent[:-1], curvature.ndim - 2) for i in (place, other))
            overlap = np.einsum("k...,k...->...", x, y)
            term = strongly_scaled(overlap, lambda a=a, b=b: curvature[a, b] if a == b else 2 * curvature[a, b])
            total = term if total is None else total + term
    return total


def _of_matmul(x: WithLaplacian, y: WithLaplacian) -> Array:
    """``2 sum_i J_xi J_yi``."""
    left = x.tangent[:-1] if x.ndim > 1 else np.expand_dims(x.tangent[:-1], -2)
    right = y.tangent[:-1] if y.ndim > 1 else np.expand_dims(y.tangent[:-1], -1)
    ndim = max(left.ndim, right.ndim) - 1
    total = 2 * np.sum(np.matmul(align(left, ndim), align(right, ndim)), axis=0)
    total = total if y.ndim > 1 else total[..., 0]
    return total if x.ndim > 1 else total[..., 0, :] if y.ndim > 1 else total[..., 0]


def _of_einsum(args: tuple[Any, ...], kwargs: dict[str, Any], level: int) -> Array | None:
    """``2 sum_i`` over each pair of operands that move, with their J_i in their place."""
    inputs, output, arrays = parse(args)
    k = unused_letter(inputs)
    moving = [i for i, array in enumerate(arrays) if type(array) is WithLaplacian and array.level == level]
    values = [array.primal if i in moving else array for i, array in enumerate(arrays)]
    total: Array = None
    for a, b in itertools.combinations(moving, 2):
        labels = [k + text if i in (a, b) else text for i, text in enumerate(inputs)]
        operands = [arrays[i].tangent[:-1] if i in (a, b) else value for i, value in enumerate(values)]
        term = 2 * np.einsum(f"{','.join(labels)}->{output}", *operands, **kwargs)
        total = term if total is None else total + term
    return total


TOGETHER = 8
"""How many directions `_of_any` takes at once: it computes this many times more than it needs."""


def _of_any(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], level: int) -> list[Any]:
    """Take two levels of several directions each, and of their products the diagonal."""
    first = next(x for x in tree.leaves((args, kwargs)) if type(x) is WithLaplacian and x.level == level)
    totals: list[Any] = []
    for start in range(0, len(first.tangent) - 1, TOGETHER):
        rows = slice(start, min(start + TOGETHER, len(first.tangent) - 1))
        inner, outer = new_level(), new_level()

        def nested(x: WithLaplacian, rows: slice = rows, inner: int = inner, outer: int = outer) -> Dual:
            return Dual(Dual(x.primal, x.tangent[rows], inner), x.tangent[rows], outer)

        some_args, some_kwargs = replaced((args, kwargs), WithLaplacian, level, nested)
        answers = tree.leaves(function(*some_args, **some_kwargs))
        curvatures = [split(split(answer, outer)[1], inner)[1] for answer in answers]
        changes = [None if c is None else np.einsum("kk...->...", c) for c in curvatures]
        totals = [
            new if old is None else old if new is None else old + new
            for old, new in itertools.zip_longest(totals, changes)
        ]
    return totals


def value_and_laplacian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make a function that returns f's value and its Laplacian, as `laplacian` does.

    Parameters
    ----------
    f, argnums, has_aux, chunk_size
        As in `laplacian`.

    Returns
    -------
    callable
        A function of f's arguments that returns ``(y, L)``, or ``((y, aux), L)`` with `has_aux`.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> y, l = fwdad.value_and_laplacian(np.prod)(np.array([2.0, 3.0]))
    >>> float(y), float(l)
    (6.0, 0.0)
    """
    check_chunk_size(chunk_size)

    def value_and_l(*args: Any, **kwargs: Any) -> Any:
        x, put = choose(args, argnums)
        leaves, structure = moving_leaves(x)
        check_real(leaves)

        def of_leaves(moving: list[Any]) -> Any:
            return call(f, *put(tree.unflatten(structure, moving)), **kwargs)

        try:
            return in_one_pass(leaves, of_leaves)
        except RepeatedValuesError:
            return by_direction(leaves, of_leaves)

    def in_one_pass(leaves: list[Array], of_leaves: Callable[[list[Array]], Any]) -> Any:
        n = sum(int(leaf.size) for leaf in leaves)
        total: Tree = None
        structure_of_y: Any = None
        width = max(n, 1)  # without inputs, one direction of nothing
        for start in range(0, width, chunk_size or width):
            level = new_level()
            directions = unit_directions(leaves, start, min(start + (chunk_size or width), width))
            moving = [
                leaf
                if v is None
                else WithLaplacian(leaf, np.concatenate([v, np.zeros((1, *leaf.shape), leaf.dtype)]), level)
                for leaf, v in zip(leaves, directions, strict=True)
            ]
            result = of_leaves(moving)
            y, aux = split_aux(result) if has_aux else (result, None)
            structure_of_y = structure_of_y or tree.flatten(y)[1]
            some = [_laplacian_of(leaf, level) for leaf in tree.leaves_like(y, structure_of_y, "f's next result")]
            total = some if total is None else [a if a is None else a + b for a, b in zip(total, some, strict=True)]
        value, aux = (tree.map(lambda leaf: _without(leaf, level), t) for t in (y, aux))
        return ((value, aux) if has_aux else value), tree.unflatten(structure_of_y, total)

    def by_direction(leaves: list[Array], of_leaves: Callable[[list[Array]], Any]) -> Any:
        n = sum(int(leaf.size) for leaf in leaves)
        y = (lambda moving: split_aux(of_leaves(moving))[0]) if has_aux else of_leaves
        return of_leaves(leaves), _sum_of_curvatures(y, leaves, np.arange(n))

    return value_and_l


def _sum_of_curvatures(y: Callable[[list[Array]], Tree], leaves: list[Array], coordinates: np.ndarray) -> Tree:
    """Sum the second derivatives along some coordinates, one after the other: see transforms/nested."""

    def along(direction: list[Any]) -> Callable[[Array], Tree]:
        return lambda t: y(
            [x if v is None else x + np.astype(t, x.dtype) * v[0] for x, v in zip(leaves, direction, strict=True)]
        )

    total: Tree = None
    for i in coordinates:
        _, curvature = derivatives(along(unit_directions(leaves, i, i + 1)), 2)
        total = curvature if total is None else tree.map(lambda a, b: None if a is None else a + b, total, curvature)
    return total


def laplacian_estimate(
    f: Callable[..., Tree], k: int, argnums: Argnums = 0, *, seed: int | tuple[int, ...]
) -> Callable[..., Any]:
    """Make an estimate of the Laplacian of f: ``n / k`` times the second derivatives along k of the n coordinates.

    Parameters
    ----------
    f, argnums
        As in `laplacian`.
    k : int
        How many coordinates; each set of so many is as likely as any other.
    seed : int or tuple of int
        As `numpy.random.default_rng` takes it. Another seed gives other coordinates.

    Returns
    -------
    callable
        A function of f's arguments that returns a tree like f's result. It is unbiased, and the Laplacian itself for
        ``k = n``.

    Raises
    ------
    TypeError
        An argument that moves is not real and floating.
    ValueError
        k is not between 1 and n.

    Notes
    -----
    A direction is one integer until an operation makes numbers of it; ``x @ w`` of a vector x picks rows of w. So
    behind a first layer the cost does not depend on n.

    References
    ----------
    Z. Hu, Z. Shi, G. E. Karniadakis, K. Kawaguchi, arXiv 2305.06593; Z. Shi, Z. Hu, M. Lin, K. Kawaguchi, Stochastic
    Taylor Derivative Estimator, arXiv 2412.00088.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> w = np.ones((1000, 3))
    >>> float(fwdad.laplacian_estimate(lambda x: np.sum((x @ w) ** 2), 10, seed=0)(np.ones(1000)))
    6000.0
    """

    def estimate(*args: Any, **kwargs: Any) -> Any:
        x, put = choose(args, argnums)
        leaves, structure = moving_leaves(x)
        check_real(leaves)
        n = sum(int(leaf.size) for leaf in leaves)
        if not 1 <= k <= n:
            raise ValueError(f"k is a number of coordinates, from 1 to the {n} of the argument; got {k}")
        index = np.append(np.random.default_rng(seed).choice(n, k, replace=False), -1)  # -1: the Laplacian's row
        level, first, moving = new_level(), 0, []
        for leaf in leaves:
            mine = np.where((index >= first) & (index < first + leaf.size), index - first, -1)
            moving.append(WithLaplacian(leaf, BasisTangent(mine, leaf.shape, leaf.dtype), level))
            first += leaf.size

        def of_leaves(moving: list[Any]) -> Tree:
            return call(f, *put(tree.unflatten(structure, moving)), **kwargs)

        try:
            found = tree.map(lambda leaf: _laplacian_of(leaf, level), of_leaves(moving))
        except RepeatedValuesError:
            found = _sum_of_curvatures(of_leaves, leaves, index[:-1])
        return tree.map(lambda leaf: n / k * leaf, found)

    return estimate


def check_real(leaves: list[Array]) -> None:
    """Raise TypeError for what is complex."""
    if any(np.issubdtype(plain(leaf).dtype, np.complexfloating) for leaf in leaves):
        raise TypeError("laplacian takes functions of real numbers; make the real and imaginary parts arguments")


def _without(leaf: Any, level: int) -> Any:
    return leaf.primal if type(leaf) is WithLaplacian and leaf.level == level else leaf


def _laplacian_of(leaf: Any, level: int) -> Array | None:
    if type(leaf) is WithLaplacian and leaf.level == level:
        return leaf.tangent[-1]
    array = as_array(leaf)
    return np.zeros(array.shape, array.dtype) if np.issubdtype(plain(array).dtype, np.inexact) else None


def laplacian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the Laplacian of f: ``sum_j d^2 f / dx_j^2`` over all entries of the argument.

    Parameters
    ----------
    f, argnums, has_aux, chunk_size
        As in `jacfwd`; the arguments that move are real.

    Returns
    -------
    callable
        A function of f's arguments that returns a tree like f's result, or ``(tree, aux)`` with `has_aux`. A result
        keeps its shape; integers and booleans give None.

    Raises
    ------
    TypeError
        An argument that moves is not real and floating.
    ValueError
        As in `jacfwd`.

    Notes
    -----
    One pass takes n + 1 tangents for n inputs, where the Hessian takes n^2. Elementwise functions and products add one
    sum over the n directions. Any other nonlinear function (prod, logsumexp, the functions of np.linalg) computes 8
    times what it needs. Where eigenvalues or singular values are equal, each direction takes a pass.

    References
    ----------
    R. Li, H. Ye, D. Jiang et al., arXiv 2307.08214.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> float(fwdad.laplacian(lambda x: np.sum(x**3))(np.array([1.0, 2.0])))
    18.0
    """
    value_and_l = value_and_laplacian(f, argnums, has_aux, chunk_size)

    def of_f(*args: Any, **kwargs: Any) -> Any:
        y, total = value_and_l(*args, **kwargs)
        return (total, y[1]) if has_aux else total

    return of_f
