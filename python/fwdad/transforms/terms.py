"""terms: from a sum the vector of its summands, f(x) = sum_e u_e(x), which each depend on few inputs.

A program such as ``np.sum((x[1:] - x[:-1] ** 2) ** 2)`` adds up many numbers at its end. The last sums are put off:
what was to be added is kept in a list. So the Hessian of f is the sum of those of the u_e, and each of them is small.
Source: A. Griewank, Ph. L. Toint, On the unconstrained optimization of partially separable functions, 1982.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, new_level, plain
from fwdad.rules.forms import ENTRIES
from fwdad.transforms.arguments import as_array, call
from fwdad.transforms.carriers import Carrier, kind_of_rule, leaves_of, replaced, rule_of


class NotSeparableError(Exception):
    """The sum is used in another way than in a sum."""


class Local(Carrier):
    """A value; or, with `summands`, a number that is the sum of all entries of these arrays."""

    __slots__ = ("summands",)

    def __init__(self, primal: Array, level: int, summands: list[Array] | None = None) -> None:
        self.primal, self.level, self.summands = primal, level, summands

    def become(self, other: Dual) -> None:
        """Take over another value."""
        assert isinstance(other, Local)
        self.primal, self.summands = other.primal, other.summands

    def __copy__(self) -> Local:
        """Copy: a write into one of the two does not reach the other."""
        return Local(self.primal, self.level, self.summands)

    def at_rest(self, value: Array) -> Local:
        """Return a value that does not move."""
        return Local(value, self.level)

    def __repr__(self) -> str:
        """Show the value."""
        return f"Local(primal={self.primal})"

    def __format__(self, spec: str) -> str:
        """Apply a number format to a value of shape ()."""
        return f"Local(primal={format(self.primal, spec)})"

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function on the values; put off a sum over all entries."""
        if kind_of_rule(function) in ("constant", "composed"):
            return rule_of(function)(*args, **kwargs)
        if any(type(leaf) is Local and leaf.summands is not None for leaf in leaves_of(args, kwargs)):
            return self._of_sums(function, args, kwargs)
        values, options = replaced((args, kwargs), Local, self.level, lambda x: x.primal)
        if function in (np.sum, np.mean) and len(args) == 1 and not kwargs:
            return self._sum([values[0] if function is np.sum else values[0] / values[0].size])
        if function is np.matmul and values[0].ndim == values[1].ndim == 1 and not kwargs:
            return self._sum([values[0] * values[1]])
        leaves, structure = tree.flatten(function(*values, **options))
        if function not in ENTRIES and any(map(_holds_local, leaves)):  # a `custom_jvp` uses more than its arguments
            raise NotSeparableError
        return tree.unflatten(
            structure, [Local(leaf, self.level) if as_array(leaf).dtype.kind in "fc" else leaf for leaf in leaves]
        )

    def _sum(self, summands: list[Array]) -> Local:
        return Local(sum(np.sum(plain(u)) for u in summands), self.level, summands)

    def _of_sums(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Local:
        """Add, subtract or scale sums.

        Raises NotSeparableError for anything else.
        """
        if kwargs or any(isinstance(arg, (list, tuple)) or np.shape(arg) != () for arg in args):
            raise NotSeparableError
        moving = [type(arg) is Local for arg in args]
        if function in (np.positive, np.negative, np.add, np.subtract):
            first, *others = [self._summands(arg) for arg in args]
            if others:
                return self._sum(first + (others[0] if function is np.add else [-u for u in others[0]]))
            return self._sum(first if function is np.positive else [-u for u in first])
        if function is np.multiply and moving.count(True) == 1:
            return self._sum([u * args[moving.index(False)] for u in self._summands(args[moving.index(True)])])
        if function is np.true_divide and not moving[1]:
            return self._sum([u / args[1] for u in self._summands(args[0])])
        raise NotSeparableError

    def _summands(self, value: Any) -> list[Array]:
        if type(value) is Local:
            return [value.primal] if value.summands is None else value.summands
        if isinstance(value, Dual):
            raise NotSeparableError
        return [as_array(value)]


def _holds_local(value: Any) -> bool:
    """Whether a value, its primal or its tangent is a Local."""
    if type(value) is Local or not isinstance(value, Dual):
        return type(value) is Local
    return _holds_local(value.primal) or _holds_local(getattr(value, "tangent", None))


def terms(f: Callable[..., Any]) -> Callable[..., Array]:
    """Make a function that returns the summands of f, a vector (m,), where f returns their sum.

    Raises NotSeparableError if f's result is not one real number that moves.

    >>> terms(lambda x: np.sum(x**2) / 2 + x[0])(np.array([1.0, 3.0]))
    array([0.5, 4.5, 1. ])
    """

    def of_f(*args: Any) -> Array:
        level = new_level()
        y = call(f, *(tree.map(lambda leaf: Local(leaf, level), arg) for arg in args))
        if type(y) is not Local or y.level != level or y.shape != () or y.dtype.kind != "f":
            raise NotSeparableError
        return np.concatenate([np.reshape(u, -1) for u in ([y.primal] if y.summands is None else y.summands)])

    return of_f
