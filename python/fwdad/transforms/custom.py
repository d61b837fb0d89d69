"""custom_jvp: a user's own rule for a user's own function. linear: a function whose rule is the function itself."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.rules.forms import zeros
from fwdad.rules.operators import apply_operator
from fwdad.transforms.arguments import as_array, tangent_array
from fwdad.transforms.carriers import dispatch

Tree = Any


class custom_jvp:
    """Make a function one operation, whose JVP rule is given by `defjvp`.

    Parameters
    ----------
    f : callable
        A function of pytrees, none of them keyword-only: a rule knows them by position. Its own operations are not
        differentiated, so it may use any library. Without Duals among its arguments it is called as it is. A moving
        value that f closes over moves the answer by f's own operations; `jet` and `laplacian` refuse it.

    Raises
    ------
    TypeError
        It is called with a Dual before a rule is given.
    ValueError
        The rule's answer has other shapes or dtypes than it must have.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> @fwdad.custom_jvp
    ... def log1pexp(x):
    ...     return np.logaddexp(0, x)
    >>> @log1pexp.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (dx,) = primals, tangents
    ...     return log1pexp(x), dx / (1 + np.exp(-x))
    >>> float(fwdad.derivative(log1pexp)(0.0))
    0.5
    """

    def __init__(self, f: Callable[..., Tree]) -> None:
        functools.update_wrapper(self, f)
        self._given: Callable[[tuple[Tree, ...], tuple[Tree, ...]], tuple[Tree, Tree]] | None = None
        self._name = getattr(f, "__name__", repr(f))
        self._f = f

    def __repr__(self) -> str:
        """Show the function's name."""
        return f"<custom_jvp {self._name}>"

    def __call__(self, *args: Tree, **kwargs: Tree) -> Tree:
        """Call f, or its rule where an argument moves."""
        if kwargs:
            bound = inspect.signature(self._f).bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise TypeError(
                    f"{self._name}: a rule knows arguments by position, and these have none: {[*bound.kwargs]}"
                )
            args = bound.args
        moves = any(isinstance(leaf, Dual) for leaf in tree.leaves(args))
        return dispatch(self, args, {}) if moves else self._f(*args)

    def defjvp(
        self, rule: Callable[[tuple[Tree, ...], tuple[Tree, ...]], tuple[Tree, Tree]]
    ) -> Callable[[tuple[Tree, ...], tuple[Tree, ...]], tuple[Tree, Tree]]:
        """Give the rule; may be used as a decorator.

        Parameters
        ----------
        rule : callable
            ``(primals, tangents) -> (y, dy)``. `primals` is the tuple of arguments; `tangents` is a tuple of trees of
            the same structure, where a leaf of shape s has a tangent ``(k, *s)``, or None if it does not move. y and
            dy have one structure, and a leaf of shape t a tangent ``(k, *t)`` or None. A rule that is written in
            NumPy can be differentiated again.

        Returns
        -------
        callable
            The rule itself.
        """
        self._given = rule
        return rule

    def rule(self, *args: Tree) -> Tree:
        """Compute the answer's Duals by the given rule; `fwdad.transforms.carriers.rule_of` finds this method."""
        if self._given is None:
            raise TypeError(f"{self._name} has no rule yet: give one with @{self._name}.defjvp")
        leaves, structure = tree.flatten(args)
        level = highest_level(leaves)
        pairs = [split(leaf, level) for leaf in leaves]
        primals = tree.unflatten(structure, [p for p, _ in pairs])
        tangents = tree.unflatten(structure, [t for _, t in pairs])
        k = next(t for _, t in pairs if t is not None).shape[0]
        y, dy = self._given(primals, tangents)
        values, y_structure = tree.flatten(y)
        changes = tree.leaves_like(dy, y_structure, f"the tangent that the rule of {self._name} returned", gaps=True)
        return tree.unflatten(y_structure, [self._dual(v, t, k, level) for v, t in zip(values, changes, strict=True)])

    def _dual(self, value: Any, tangent: Any, k: int, level: int) -> Any:
        if tangent is None:
            return value
        primal = as_array(value)
        if not np.issubdtype(plain(primal).dtype, np.inexact):
            raise ValueError(f"the rule of {self._name} returned a tangent for a value of dtype {plain(primal).dtype}")
        # a tangent that moves at this level, too, does so in second order
        tangent = tangent_array(split(tangent, level)[0], primal, f"the tangent that the rule of {self._name} returned")
        if tangent.shape != (k, *primal.shape):
            raise ValueError(
                f"the rule of {self._name} returned a tangent of shape {tangent.shape} for a value of shape "
                f"{primal.shape} and k = {k}; expected {(k, *primal.shape)}"
            )
        return moved_by(primal, tangent, level)


def moved_by(value: Array, tangent: Array, level: int) -> Array:
    """Let a value move by a tangent at a level.

    The value may move at this level already, or above, by what a function closes over.
    """
    top = highest_level((value, tangent))
    if top < level:
        return Dual(value, tangent, level)
    (v, dv), (t, dt) = split(value, top), split(tangent, top)
    if top == level:
        return Dual(v, t if dv is None else dv + t, level)
    dv = zeros(dt[:, 0], v.shape, v.dtype) if dv is None else dv
    return Dual(moved_by(v, t, level), dv if dt is None else moved_by(dv, np.moveaxis(dt, 0, 1), level), top)


def linear(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Make a constant linear function one operation: its derivative is the function itself.

    Parameters
    ----------
    f : callable
        A linear function of one array to one array, of any library: a solve with given factors, a filter, a transform,
        a product with a sparse matrix, interpolation from given points in the values.

    Returns
    -------
    callable
        A function of one array. Without a Dual, it is f.

    Raises
    ------
    ValueError
        f is not linear; this is tested once, by ``f(x + r) = f(x) + f(r)`` at a random r.

    Notes
    -----
    f is called for each direction by itself, with a plain array of x's shape.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> from scipy.fft import dct
    >>> transform = fwdad.linear(lambda x: dct(x, norm="ortho"))
    >>> float(fwdad.derivative(lambda a: np.sum(transform(a * np.ones(4)) ** 2))(3.0).round(6))
    24.0
    """
    checked = False

    def call(x: Array) -> Array:
        if not isinstance(x, Dual):
            return f(x)
        own = x.ndim

        def operator(t: np.ndarray) -> np.ndarray:
            nonlocal checked
            front = t.shape[: t.ndim - own]
            rows = t.reshape(-1, *t.shape[t.ndim - own :])
            answers = np.stack([np.asarray(f(row)) for row in rows])
            if not checked:
                _check_linear(f, rows[0], answers[0])
                checked = True
            return answers.reshape((*front, *answers.shape[1:]))

        return apply_operator(functools.update_wrapper(operator, f), x)

    return functools.update_wrapper(call, f)


def _check_linear(f: Callable[[Array], Array], x: np.ndarray, y: np.ndarray) -> None:
    r = np.random.default_rng(0).uniform(1, 2, x.shape) * (np.max(np.abs(x), initial=0) or 1)
    r = r.astype(x.dtype)
    other, both = np.asarray(f(r)), np.asarray(f(x + r))
    size = np.max(np.abs(y), initial=0) + np.max(np.abs(other), initial=0)
    error = np.max(np.abs(both - (y + other)), initial=0)
    if not error <= 1e-3 * size:
        raise ValueError(
            f"fwdad.linear: f is not linear: f(x + r) and f(x) + f(r) are {error:.3g} apart, where they are of size "
            f"{size:.3g}. Give another function its rule with fwdad.custom_jvp"
        )
