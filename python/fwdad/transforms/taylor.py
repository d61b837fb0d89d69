"""jet: derivatives of any order in one pass, by power series along a curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, new_level, plain
from fwdad.errors import RepeatedValuesError
from fwdad.transforms.arguments import as_array, call, moving_leaves, tangent_array
from fwdad.transforms.nested import derivatives
from fwdad.transforms.series import Run, Series

Tree = Any


def jet(f: Callable[..., Tree], primals: tuple[Tree, ...], series: tuple[list[Tree], ...]) -> tuple[Tree, list[Tree]]:
    """Differentiate f along a curve up to order n, in one pass: ``y(t) = f(x(t))`` at t = 0.

    Parameters
    ----------
    f : callable
        A function of the primals to a pytree of arrays, written in NumPy.
    primals : tuple of pytrees
        x(0), one an argument of f; the leaves of those that move are floating.
    series : tuple of lists
        ``[x'(0), x''(0), ...]`` for each argument of f; each derivative is a pytree like its primal. What a shorter
        list lacks is zero; an argument with an empty list does not move.

    Returns
    -------
    y : pytree
        y(0).
    derivatives : list of pytrees
        ``[y'(0), y''(0), ...]``, as many as the longest list has; None for integers and booleans.

    Raises
    ------
    TypeError
        A primal that moves is not floating.
    ValueError
        Structures or shapes do not match, or no list holds a derivative.

    Notes
    -----
    Linear functions cost O(n) times f's own cost, elementwise functions and products O(n^2), where n nested transforms
    cost 2^n; the functions of `np.linalg` lie between. Where eigenvalues or singular values are equal, all of f costs
    2^n. f must be analytic at x(0): where it is not, the derivatives are
    those of the branch taken, or not finite.

    References
    ----------
    A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition 2008, chapter 13.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> y, derivatives = fwdad.jet(np.sin, (0.0,), ([1.0, 0.0, 0.0],))
    >>> [float(d) for d in derivatives]
    [1.0, 0.0, -1.0]
    """
    if not (isinstance(primals, tuple) and isinstance(series, tuple) and len(primals) == len(series)):
        raise ValueError("primals and series must be tuples of one length, one entry an argument of f")
    order = max((len(derivatives) for derivatives in series), default=0)
    if order == 0:
        raise ValueError("series holds no derivative: give at least [x'] for one argument")
    run = Run(order, new_level())
    curves = [_curve(run, x, ds, i) for i, (x, ds) in enumerate(zip(primals, series, strict=True))]
    try:
        y = call(f, *curves)
    except RepeatedValuesError:
        return call(f, *primals), derivatives(lambda t: call(f, *tree.map(lambda x: _at(run, x, t), curves)), order)
    leaves, structure = tree.flatten(y)

    def derivative(leaf: Any, j: int) -> Any:
        if type(leaf) is Series and leaf.run is run:
            return math.factorial(j) * leaf.coefficient(j)
        array = as_array(leaf)
        return np.zeros(array.shape, array.dtype) if np.issubdtype(plain(array).dtype, np.inexact) else None

    values = [leaf.primal if type(leaf) is Series and leaf.run is run else leaf for leaf in leaves]
    orders = [tree.unflatten(structure, [derivative(leaf, j) for leaf in leaves]) for j in range(1, order + 1)]
    return tree.unflatten(structure, values), orders


def _at(run: Run, x: Any, t: Array) -> Any:
    """Return the point of a curve at t; an argument that does not move stays where it is."""
    if type(x) is not Series or x.run is not run:
        return x
    t, point = np.astype(t, np.real(plain(x)).dtype), x.coefficient(run.order)
    for j in reversed(range(run.order)):
        point = x.coefficient(j) + t * point
    return point


def _curve(run: Run, x: Tree, derivatives: list[Tree], position: int) -> Tree:
    """Make series of the leaves of x, with the derivatives given."""
    if not derivatives:
        return x
    leaves, structure = moving_leaves(x)
    columns = []
    for j, derivative in enumerate(derivatives, start=1):
        name = f"derivative {j} of argument {position}"
        given = zip(tree.leaves_like(derivative, structure, name), leaves, strict=True)
        column = [tangent_array(d, leaf, name) for d, leaf in given]
        if any(d.shape != leaf.shape for d, leaf in zip(column, leaves, strict=True)):
            raise ValueError(
                f"{name} must have the shapes of its primal, {[leaf.shape for leaf in leaves]}; "
                f"got {[d.shape for d in column]}"
            )
        columns.append([d / math.factorial(j) for d in column])

    def curve(i: int, leaf: Array) -> Series:
        def coefficient(j: int) -> Array:
            return columns[j - 1][i] if j <= len(columns) else np.zeros(leaf.shape, leaf.dtype)

        return Series(run, leaf, coefficient)

    return tree.unflatten(structure, [curve(i, leaf) for i, leaf in enumerate(leaves)])
