"""Transforms: functions of functions that return derivatives, over pytrees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, new_level, plain
from fwdad.rules import forms as _rules_are_loaded  # noqa: F401  importing the package fills the tables

Tree = Any


def jvp(f: Callable[..., Tree], primals: tuple[Tree, ...], tangents: tuple[Tree, ...]) -> tuple[Tree, Tree]:
    """Evaluate f and its Jacobian-vector products: ``y = f(x)`` and ``dy_i = J_f(x) v_i``, in one pass.

    Parameters
    ----------
    f : function of the primals to a pytree of arrays, written in NumPy.
    primals : tuple of pytrees, one an argument of f; floating leaves of any shape.
    tangents : tuple of the same structure. A leaf has its primal's shape (one direction), or one more
        leading axis (k directions), the same way for all leaves; None where the primal does not move.

    Returns
    -------
    (y, dy) : dy has y's structure; a leaf of shape ``(*y.shape,)`` for one direction, ``(k, *y.shape)`` for k.
        What does not depend on the primals has a tangent of zeros; integers and booleans have None.

    Raises
    ------
    TypeError : a primal that moves is not floating.
    ValueError : structures or shapes do not match.

    The primal is computed once, whatever k is; a tangent has its primal's dtype.
    Source: R. E. Wengert, A simple automatic derivative evaluation program, CACM 7(8), 1964.

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
    level = new_level()
    seeds = _Seeds(level)
    duals = [seeds.attach(x, t, f"argument {i}") for i, (x, t) in enumerate(zip(primals, tangents, strict=True))]
    leaves, structure = tree.flatten(f(*duals))
    parts = [_take_apart(leaf, level, seeds.k or 1) for leaf in leaves]
    answers, answer_tangents = [p for p, _ in parts], [t for _, t in parts]
    if not seeds.batched:
        answer_tangents = [None if t is None else t[0] for t in answer_tangents]
    return tree.unflatten(structure, answers), tree.unflatten(structure, answer_tangents)


class _Seeds:
    """Makes the Duals of one level, and holds all tangents to one k."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.k: int | None = None
        self.batched = False

    def attach(self, primal: Tree, tangent: Tree, name: str) -> Tree:
        leaves, structure = tree.flatten(primal)
        if tangent is None:
            return primal
        # None is a leaf here: it stands for one primal leaf that does not move.
        tangent_leaves, tangent_structure = tree.flatten(tangent, is_leaf=lambda node: node is None)
        if len(tangent_leaves) != len(leaves):
            raise ValueError(
                f"{name}: the tangent must have the structure of its primal, {structure}; got {tangent_structure}"
            )
        pairs = zip(leaves, tangent_leaves, strict=True)
        return tree.unflatten(structure, [x if t is None else self._leaf(x, t, name) for x, t in pairs])

    def _leaf(self, primal: Array, tangent: Array, name: str) -> Dual:
        primal, tangent = as_array(primal), as_array(tangent)
        if not np.issubdtype(primal.dtype, np.inexact):
            raise TypeError(
                f"{name} has dtype {primal.dtype}, and integers and booleans carry no tangent; "
                "pass a float (3.0, not 3), or None as its tangent if it does not move"
            )
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
        if tangent.dtype != primal.dtype:
            if np.issubdtype(tangent.dtype, np.complexfloating) and not np.issubdtype(primal.dtype, np.complexfloating):
                raise TypeError(
                    f"{name}: a complex tangent of a real primal ({primal.dtype}) has no meaning; pass a real one"
                )
            tangent = tangent.astype(primal.dtype)
        return Dual(primal, tangent[np.newaxis] if single else tangent, self.level)


def as_array(value: Any) -> Array:
    """A leaf as something with shape and dtype: arrays of any kind as they are, Python numbers as NumPy's."""
    return value if hasattr(value, "shape") and hasattr(value, "dtype") else np.asarray(value)[()]


def _take_apart(value: Any, level: int, k: int) -> tuple[Any, Any]:
    if type(value) is Dual:
        if value.level > level:
            raise ValueError(
                "f returned a Dual of a transform that had already ended: "
                "a function differentiated inside f stored it outside"
            )
        if value.level == level:
            return value.primal, value.tangent
    array = as_array(value)
    if not np.issubdtype(plain(array).dtype, np.inexact):
        return value, None
    return value, np.zeros((k, *array.shape), array.dtype)


def derivative(f: Callable[[Array], Tree]) -> Callable[[Array], Tree]:
    """The derivative of a function of one number, as a function: ``x -> df/dx (x)``.

    x has shape (); the result has f(x)'s structure and shapes.

    Raises ValueError when x is not a number.

    >>> import fwdad
    >>> float(fwdad.derivative(fwdad.derivative(lambda x: x**3))(2.0))
    12.0
    """

    def df(x: Array) -> Tree:
        x = as_array(x)
        if x.shape != ():
            raise ValueError(f"derivative is of functions of one number; x has shape {x.shape}: use fwdad.jacfwd")
        return jvp(f, (x,), (np.ones((), x.dtype),))[1]

    return df


def jacfwd(f: Callable[..., Tree], argnum: int = 0) -> Callable[..., Tree]:
    """The Jacobian of f in its argument `argnum`, as a function of f's arguments: ``J[..., j] = df/dx_j``.

    The argument is one array of shape s; a leaf of f's result of shape t gives ``(*t, *s)``.
    One pass with as many tangents as the argument has entries: memory is that many times f's own.

    Raises TypeError for an argument that is not floating.

    >>> import numpy as np, fwdad
    >>> fwdad.jacfwd(lambda x: x * x)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """

    def jacobian(*args: Any) -> Tree:
        x = as_array(args[argnum])

        def of_x(moving: Array) -> Tree:
            return f(*args[:argnum], moving, *args[argnum + 1 :])

        basis = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
        _, dy = jvp(of_x, (x,), (basis,))
        return tree.map(lambda t: np.moveaxis(t, 0, -1).reshape(*t.shape[1:], *x.shape), dy)

    return jacobian


def stop_gradient(value: Tree) -> Tree:
    """The same values without tangents: what is computed from them does not move.

    >>> import fwdad
    >>> float(fwdad.derivative(lambda x: x * fwdad.stop_gradient(x))(3.0))
    3.0
    """
    return tree.map(plain, value)
