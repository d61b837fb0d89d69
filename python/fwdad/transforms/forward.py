"""jvp, from which every other transform is made, and the transforms that are one line more: derivative, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, new_level, plain
from fwdad.rules import forms as _rules_are_loaded  # noqa: F401  importing the package fills the tables
from fwdad.transforms.arguments import as_array, call, choose, moving_array, tangent_array
from fwdad.transforms.repeated import SplittingLevel, resolved

Tree = Any
Y = TypeVar("Y")
Aux = TypeVar("Aux")


@overload
def jvp(
    f: Callable[..., Y], primals: tuple[Tree, ...], tangents: tuple[Tree, ...], has_aux: Literal[False] = False
) -> tuple[Y, Any]: ...


@overload
def jvp(
    f: Callable[..., tuple[Y, Aux]], primals: tuple[Tree, ...], tangents: tuple[Tree, ...], has_aux: Literal[True]
) -> tuple[Y, Any, Aux]: ...


@overload
def jvp(f: Callable[..., Tree], primals: tuple[Tree, ...], tangents: tuple[Tree, ...], has_aux: bool) -> Any: ...


def jvp(f: Callable[..., Tree], primals: tuple[Tree, ...], tangents: tuple[Tree, ...], has_aux: bool = False) -> Any:
    """Evaluate f and its Jacobian-vector products: ``y = f(x)`` and ``dy_i = J_f(x) v_i``, in one pass.

    Parameters
    ----------
    f : callable
        A function of the primals to a pytree of arrays, written in NumPy.
    primals : tuple of pytrees
        The arguments of f; floating leaves of any shape.
    tangents : tuple of pytrees
        One direction or k for each argument. A leaf has its primal's shape (one direction) or one more leading axis
        (k directions), the same way for all leaves; None where the primal does not move.
    has_aux : bool, default: False
        f returns ``(y, aux)``.

    Returns
    -------
    y : pytree
        ``f(*primals)``.
    dy : pytree
        Of y's structure; a leaf has y's shape for one direction, ``(k, *y.shape)`` for k. It is zero where y does not
        depend on the primals, and None for integers and booleans.
    aux : pytree
        With `has_aux` only.

    Raises
    ------
    TypeError
        A primal that moves is not floating.
    ValueError
        Structures or shapes do not match.

    Notes
    -----
    The primal is computed once, for every k. A tangent has its primal's dtype.

    References
    ----------
    R. E. Wengert, A simple automatic derivative evaluation program, CACM 7(8), 1964.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> y, dy = fwdad.jvp(np.sin, (np.array([0.0, 1.0]),), (np.eye(2),))
    >>> np.allclose(dy, np.diag(np.cos([0.0, 1.0])))
    True
    """
    if (
        not isinstance(primals, (tuple, list))
        or not isinstance(tangents, (tuple, list))
        or len(primals) != len(tangents)
    ):
        raise ValueError(
            "primals and tangents must be tuples of one length, one entry an argument of f; "
            f"got {primals!r} and {tangents!r}"
        )
    level = SplittingLevel(new_level())
    seeds = Seeds(level)
    duals = [seeds.attach(x, t, f"argument {i}") for i, (x, t) in enumerate(zip(primals, tangents, strict=True))]
    result = call(f, *duals)
    y, aux = split_aux(result) if has_aux else (result, None)
    answer, change = take_apart(y, level, seeds.k or 1)
    if not seeds.batched:
        change = tree.map(lambda t: t[0], change)
    return (answer, change, take_apart(aux, level, 1)[0]) if has_aux else (answer, change)


def split_aux(result: Any) -> tuple[Tree, Tree]:
    """Return ``(y, aux)`` as f returned it.

    Raises TypeError if f returned anything else.
    """
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(f"with has_aux=True, f must return a pair (y, aux); got {type(result).__name__}")
    return result[0], result[1]


class Seeds:
    """The Duals of one level, whose tangents must all have one k."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.k: int | None = None
        self.batched = False

    def attach(self, primal: Tree, tangent: Tree, name: str) -> Tree:
        """Make Duals of the leaves of an argument that move."""
        if tangent is None:
            return primal
        leaves, structure = tree.flatten(primal)
        changes = tree.leaves_like(tangent, structure, f"the tangent of {name}", gaps=True)
        pairs = list(zip(leaves, changes, strict=True))
        try:
            return tree.unflatten(structure, [x if t is None else self._leaf(x, t, name) for x, t in pairs])
        except TypeError:
            for (path, x), (_, t) in zip(tree.paths(primal), pairs, strict=True):
                if path and t is not None:
                    moving_array(x, f"{name}, at {path},")  # an error that says where
            raise

    def _leaf(self, primal: Array, tangent: Array, name: str) -> Dual:
        primal = moving_array(primal, name)
        tangent = tangent_array(tangent, primal, f"the tangent of {name}")
        single = tangent.shape == primal.shape
        if not single and tangent.shape[1:] != primal.shape:
            raise ValueError(
                f"{name}: a tangent of a primal of shape {primal.shape} has that shape (one direction) or "
                f"(k, {', '.join(map(str, primal.shape))}) (k directions); got {tangent.shape}"
            )
        k = 1 if single else tangent.shape[0]
        if self.k is None:
            if k < 1:
                raise ValueError(f"{name}: there must be at least one tangent, got k = {k}")
            self.k, self.batched = k, not single
        elif self.k != k or self.batched == single:
            raise ValueError(
                f"{name}: all tangents need the same k; got shape {tangent.shape} for a primal of shape "
                f"{primal.shape}, after a tangent with {f'k = {self.k}' if self.batched else 'no k axis'}"
            )
        return Dual(primal, tangent[np.newaxis] if single else tangent, self.level)


def take_apart(y: Tree, level: int, k: int) -> tuple[Tree, Tree]:
    """Split a tree of results into primals and tangents: zeros where it does not move, None for integers, booleans."""
    leaves, structure = tree.flatten(y)
    pairs = [_leaf_apart(leaf, level, k) for leaf in leaves]
    return tree.unflatten(structure, [p for p, _ in pairs]), tree.unflatten(structure, [t for _, t in pairs])


def _leaf_apart(value: Any, level: int, k: int) -> tuple[Any, Any]:
    if isinstance(value, Dual):
        if value.level > level:
            raise ValueError(
                "f returned a Dual of a transform that had already ended: "
                "a function differentiated inside f stored it outside"
            )
        if value.level == level:
            return resolved(value.primal, value.tangent, level)
    array = as_array(value)
    if array.dtype.kind not in "fc":
        return value, None
    return value, np.zeros((k, *array.shape), array.dtype)


def directional_derivative(f: Callable[..., Tree], primals: tuple[Tree, ...], tangents: tuple[Tree, ...]) -> Tree:
    """Evaluate the derivative of f at a point along one direction or k: ``dy_i = J_f(x) v_i``.

    Parameters
    ----------
    f, primals, tangents
        As in `jvp`.

    Returns
    -------
    pytree
        dy, as `jvp` returns it.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> x, v = np.array([3.0, 4.0]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> fwdad.directional_derivative(np.linalg.norm, (x,), (v,))
    array([0.6, 0.8])
    """
    return jvp(f, primals, tangents)[1]


def value_and_derivative(f: Callable[..., Tree], argnums: int = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make a function that returns f's value and its `derivative`.

    Parameters
    ----------
    f, argnums, has_aux
        As in `derivative`.

    Returns
    -------
    callable
        A function of f's arguments that returns ``(y, dy)``, or ``((y, aux), dy)`` with `has_aux`.

    Examples
    --------
    >>> import fwdad
    >>> y, dy = fwdad.value_and_derivative(lambda x: x**3)(2.0)
    >>> float(y), float(dy)
    (8.0, 12.0)
    """

    def value_and_df(*args: Any, **kwargs: Any) -> Any:
        x, put = choose(args, argnums)
        x = as_array(x)
        if np.shape(x) != ():
            raise ValueError(f"derivative takes functions of one number; x has shape {x.shape}: use fwdad.jacfwd")
        y, dy, *aux = jvp(lambda moving: f(*put(moving), **kwargs), (x,), (np.ones((), x.dtype),), has_aux)
        return ((y, *aux) if has_aux else y), dy

    return value_and_df


def derivative(f: Callable[..., Tree], argnums: int = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Make the derivative of a function of one number: ``df/dx``.

    Parameters
    ----------
    f : callable
        A function to a pytree of arrays, written in NumPy.
    argnums : int, default: 0
        The position of the argument to differentiate by, a floating number.
    has_aux : bool, default: False
        f returns ``(y, aux)``.

    Returns
    -------
    callable
        A function of f's arguments. Its result has f's structure and shapes; with `has_aux` it is ``(df, aux)``.

    Raises
    ------
    TypeError
        The argument is not floating.
    ValueError
        The argument is not a number: its shape is not ().

    Examples
    --------
    >>> import fwdad
    >>> float(fwdad.derivative(fwdad.derivative(lambda x: x**3))(2.0))
    12.0
    """
    value_and_df = value_and_derivative(f, argnums, has_aux)

    def df(*args: Any, **kwargs: Any) -> Any:
        y, dy = value_and_df(*args, **kwargs)
        return (dy, y[1]) if has_aux else dy

    return df


def stop_gradient(value: Tree) -> Tree:
    """Remove all tangents from a tree: what is computed from it does not move.

    Parameters
    ----------
    value : pytree
        Arrays or Duals.

    Returns
    -------
    pytree
        The same values, without tangents of any level.

    Examples
    --------
    >>> import fwdad
    >>> float(fwdad.derivative(lambda x: x * fwdad.stop_gradient(x))(3.0))
    3.0
    """
    return tree.map(plain, value)
