"""custom_root and custom_minimum: derivatives of what a solver finds, by the implicit function theorem.

Where ``r(y, x) = 0``, y moves by ``dy = -(dr/dy)^-1 (dr/dx) dx``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, new_level, split
from fwdad.errors import LostDerivativeError
from fwdad.transforms.arguments import as_array
from fwdad.transforms.custom import custom_jvp
from fwdad.transforms.jacobian import jacfwd

Tree = Any


def custom_root(residual: Callable[..., Tree], solver: Callable[..., Tree]) -> Callable[..., Tree]:
    """Make a function that finds a root by any solver, and has derivatives of any order.

    Parameters
    ----------
    residual : callable
        ``residual(y, *args)``, zero at the root: a pytree of as many entries as y, written in NumPy.
    solver : callable
        ``solver(*args)`` returns the root y, a pytree of floating arrays. It sees plain arrays, so it may use any
        library.

    Returns
    -------
    callable
        A function of ``*args``, pytrees given by position, that returns y.

    Raises
    ------
    LostDerivativeError
        The residual uses a moving value that is not one of its arguments.
    ValueError
        The residual has not as many entries as y.
    LinAlgError
        The derivative of the residual by y is singular: the root is not simple.

    Notes
    -----
    ``dy = -(dr/dy)^-1 (dr/dx) dx``, where dr/dy is a dense matrix, computed in as many directions as y has entries. The
    derivatives are as accurate as the root. The residual is evaluated once more at the root.

    Examples
    --------
    >>> import fwdad
    >>> from scipy.optimize import brentq
    >>> cube_root = fwdad.custom_root(lambda y, x: y**3 - x, lambda x: brentq(lambda y: y**3 - x, 0, 10))
    >>> float(fwdad.derivative(fwdad.derivative(cube_root))(8.0).round(6))
    -0.006944
    """

    def packed(structure: tree.Structure, shapes: list[tuple[int, ...]]) -> Callable[..., Array]:
        """Make the residual as a function from one vector to one vector."""

        def vector(z: Array, *args: Tree) -> Array:
            return _pack(residual(tree.unflatten(structure, _unpack(z, shapes)), *args))

        return vector

    @custom_jvp
    def root(*args: Tree) -> Tree:
        return tree.map(as_array, solver(*args))

    @root.defjvp
    def rule(primals: tuple[Tree, ...], tangents: tuple[Tree, ...]) -> tuple[Tree, Tree]:
        y = root(*primals)
        leaves, structure = tree.flatten(y)
        shapes = [leaf.shape for leaf in leaves]
        z, vector = _pack(y), packed(structure, shapes)
        level, (values, arguments) = new_level(), tree.flatten(primals)
        changes = tree.leaves_like(tangents, arguments, "the tangents", gaps=True)
        moving = [x if t is None else Dual(x, t, level) for x, t in zip(values, changes, strict=True)]
        r, change = split(vector(z, *tree.unflatten(arguments, moving)), level)
        _check_captured(r, (z, primals))
        if change is None:
            return y, tree.map(lambda _: None, y)
        if r.shape != z.shape:
            raise ValueError(f"custom_root: the residual has {r.size} entries, and the root {z.size}")
        dz = -np.matrix_transpose(np.linalg.solve(jacfwd(vector)(z, *primals), np.matrix_transpose(change)))
        return y, tree.unflatten(structure, _unpack(dz, shapes))

    def solve(*args: Tree) -> Tree:
        y = root(*args)
        _check_captured(residual(y, *args), args)
        return y

    return solve


def custom_minimum(objective: Callable[..., Array], solver: Callable[..., Tree]) -> Callable[..., Tree]:
    """Make a function that finds a minimum by any solver, and has derivatives of any order.

    Parameters
    ----------
    objective : callable
        ``objective(y, *args)``, a number, written in NumPy.
    solver : callable
        ``solver(*args)`` returns the y where the objective is least, a pytree of floating arrays, without constraints
        that are active there.

    Returns
    -------
    callable
        A function of ``*args``, pytrees given by position, that returns y.

    Raises
    ------
    LostDerivativeError, LinAlgError
        As in `custom_root`, of the objective's gradient.

    Notes
    -----
    It is the `custom_root` of the gradient by y, so the matrix is the Hessian, in n^2 directions.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> nearest = fwdad.custom_minimum(lambda y, x: np.sum(np.cosh(y - 2 * x)), lambda x: 2 * x)
    >>> (fwdad.jacfwd(nearest)(np.array([1.0, 2.0])).round(6) + 0.0).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    return custom_root(lambda y, *args: jacfwd(objective)(y, *args), solver)


def _pack(y: Tree) -> Array:
    """Join a tree's entries in one vector."""
    return np.concatenate([np.reshape(as_array(leaf), -1) for leaf in tree.leaves(y)])


def _unpack(z: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """Cut a vector, or k of them, into arrays."""
    stops = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()
    return [
        np.reshape(z[..., start:stop], (*z.shape[:-1], *shape))
        for start, stop, shape in zip(stops, stops[1:], shapes, strict=False)
    ]


def _levels(values: Tree) -> set[int]:
    """Return the levels at which a tree's leaves move."""
    levels = set()
    for leaf in tree.leaves(values):
        while isinstance(leaf, Dual):
            levels.add(leaf.level)
            leaf = leaf.primal
    return levels


def _check_captured(r: Tree, arguments: Tree) -> None:
    if not _levels(r) <= _levels(arguments):
        raise LostDerivativeError(
            "custom_root: the residual uses a moving value that is not one of its arguments, whose derivative would be "
            "lost; pass the value as an argument"
        )
