"""Arithmetic of power series, with every function that has a JVP rule.

    x(t) = sum_j x_j t^j

For y = f(x) the JVP rule says y'(t) = f_x(x(t)) x'(t). The rules are NumPy programs, so they run on series as well.
Coefficient j of y' needs x and y up to j only, so the rule gives each coefficient of y from those before it: exp's row,
y' = y x', is the known recurrence j y_j = sum_i i x_i y_(j-i). For this, series are lazy: a rule may receive an answer
of which only the first coefficients are known.

Linear functions act on each coefficient alone; products are Cauchy products.
Source: A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition 2008, chapter 13; M. D. McIlroy, Squinting at power
series, 1990.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, described, new_level, plain, spelled, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.kinks import is_zero
from fwdad.transforms.arguments import as_array
from fwdad.transforms.carriers import LINEAR_ROWS, Carrier, check_captured, kind_of_rule, replaced, rule_of

Tree = Any

MULTILINEAR = {np.multiply, np.matmul, np.einsum}


class Run:
    """The series of one variable: how many coefficients are needed, their level, and the answers under way."""

    def __init__(self, order: int, level: int) -> None:
        self.order, self.level = order, level
        self.depth = 0
        # Function, arguments and answer: a rule may ask for the answer that it is computing.
        self.known: list[tuple[Callable[..., Any], list[Any], tree.Structure, Any]] = []

    def recall(self, function: Callable[..., Any], leaves: list[Any], structure: tree.Structure) -> Any:
        """Return the answer for the same arguments, known or under way; None if there is none."""
        for other, theirs, shape, answer in self.known:
            if other is function and shape == structure and all(map(_same, theirs, leaves)):
                return answer
        return None


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) in (int, float) and type(b) is type(a) and a == b)


class Series(Carrier):
    """A power series: the coefficients that are known, and a function that computes the next one."""

    __slots__ = ("coefficients", "next", "run")

    def __init__(self, run: Run, first: Array, next: Callable[[int], Array]) -> None:
        self.run, self.level, self.next = run, run.level, next
        self.coefficients = [first]

    @property
    def primal(self) -> Array:
        """The value at t = 0."""
        return self.coefficients[0]

    def coefficient(self, j: int) -> Array:
        """Compute the factor of t^j."""
        while len(self.coefficients) <= j:
            self.coefficients.append(self.next(len(self.coefficients)))
        return self.coefficients[j]

    def velocity(self) -> Series:
        """``x'(t)``, as one tangent."""

        def scaled(j: int) -> Array:
            return ((j + 1) * self.coefficient(j + 1))[np.newaxis]

        return Series(self.run, scaled(0), scaled)

    def is_zero(self) -> Array:
        """Where all coefficients of the run are zero; an answer of order n needs n - 1 of a velocity's."""
        return np.all([is_zero(self.coefficient(j)) for j in range(self.run.order)], axis=0)

    def halves(self) -> tuple[Any, Any]:
        """Return the first coefficient, and the others that are known."""
        return self.coefficients[0], self.coefficients[1:]

    def __copy__(self) -> Series:
        """Copy: a write into one of the two does not reach the other."""
        copy = Series(self.run, self.primal, self.next)
        copy.coefficients = self.coefficients  # which are never changed
        return copy

    def at_rest(self, value: Array) -> Series:
        """Return the series of a constant."""
        return Series(self.run, value, lambda j: np.zeros(value.shape, value.dtype))

    def become(self, other: Dual) -> None:
        """Take over another series; not within a rule, where coefficients that follow may still need this one."""
        if self.run.depth:
            raise LostDerivativeError(
                "jet: a rule writes in place, into a series of which not all is known yet; write the rule without"
            )
        assert isinstance(other, Series)
        self.coefficients, self.next = other.coefficients, other.next

    def __repr__(self) -> str:
        """Show the known coefficients."""
        return described("Series", coefficients=list(self.coefficients))

    def __format__(self, spec: str) -> str:
        """Apply a number format to the known coefficients of a series of shape ()."""
        return f"Series(coefficients={spelled(self.coefficients, spec)})" if spec else str(self)

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute the answer's series: by coefficients, as a product or quotient, or by the function's rule."""
        run, rule, kind = self.run, rule_of(function), kind_of_rule(function)
        if kind in ("constant", "composed"):
            return rule(*args, **kwargs)
        run.depth += 1
        try:
            if kind == "linear" or function in LINEAR_ROWS:
                answer = _by_coefficient(run, function, args, kwargs)
            elif function is np.einsum or (function in MULTILINEAR and not kwargs):
                answer = _product(run, function, args, kwargs)
            elif function is np.true_divide and not kwargs:
                answer = _quotient(run, *args)
            else:
                answer = _by_rule(run, function, args, kwargs)
            if run.depth == 1:  # a call of f itself; within a rule, coefficients may not be known yet
                for leaf in tree.leaves(answer):
                    if type(leaf) is Series:
                        leaf.coefficient(run.order)
        finally:
            run.depth -= 1
            if run.depth == 0:
                run.known.clear()
        return answer


def _firsts(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the function with the first coefficients."""
    first_args, first_kwargs = replaced((args, kwargs), Series, run.level, lambda x: x.primal)
    answer = function(*first_args, **first_kwargs)
    check_captured(function, answer, run.level)
    return answer


def _series(run: Run, firsts: Any, coefficient: Callable[[int, int], Array | None]) -> Any:
    """Make a tree of series from their first coefficients and a function of (leaf, j); None stands for zeros."""

    def one(i: int, first: Any) -> Any:
        array = as_array(first)
        if not np.issubdtype(plain(array).dtype, np.inexact):
            return first

        def next(j: int) -> Array:
            c = coefficient(i, j)
            return np.zeros(array.shape, array.dtype) if c is None else c

        return Series(run, array, next)

    leaves, structure = tree.flatten(firsts)
    return tree.unflatten(structure, [one(i, leaf) for i, leaf in enumerate(leaves)])


def _by_coefficient(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute a linear function: coefficient j of the answer is its tangent along the coefficients j."""
    rule, level = rule_of(function), new_level()

    @functools.cache
    def tangents(j: int) -> list[Any]:
        dual_args, dual_kwargs = replaced(
            (args, kwargs), Series, run.level, lambda x: Dual(x.primal, x.coefficient(j)[np.newaxis], level)
        )
        return [split(leaf, level)[1] for leaf in tree.leaves(rule(*dual_args, **dual_kwargs))]

    def coefficient(i: int, j: int) -> Array | None:
        t = tangents(j)[i]
        return None if t is None else t[0]

    return _series(run, _firsts(run, function, args, kwargs), coefficient)


def _product(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute the Cauchy product of r series: ``z_j = sum_{i_1 + ... + i_r = j} x_{i_1} ... y_{i_r}``."""
    places = [i for i, arg in enumerate(args) if type(arg) is Series and arg.run is run]

    def coefficient(_: int, j: int) -> Array:
        total: Array = None
        for orders in _compositions(j, len(places)):
            factors = list(args)
            for place, i in zip(places, orders, strict=True):
                factors[place] = args[place].coefficient(i)
            term = function(*factors, **kwargs)
            total = term if total is None else total + term
        return total

    return _series(run, _firsts(run, function, args, kwargs), coefficient)


def _compositions(total: int, count: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to write a number as an ordered sum of `count` numbers that are not negative."""
    if count == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, count - 1):
            yield (first, *rest)


def _quotient(run: Run, x: Array, y: Array) -> Series:
    """``z = x / y``, by ``y_0 z_j = x_j - sum_(i<j) z_i y_(j-i)``."""

    def of(value: Array, j: int) -> Array:
        mine = type(value) is Series and value.run is run
        return value.coefficient(j) if mine else (value if j == 0 else 0)

    def coefficient(_: int, j: int) -> Array:
        rest = of(x, j)
        if type(y) is Series and y.run is run:
            for i in range(j):
                rest = rest - z.coefficient(i) * y.coefficient(j - i)
        return rest / of(y, 0)

    z: Series = _series(run, np.true_divide(of(x, 0), of(y, 0)), coefficient)
    return z


def _by_rule(run: Run, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute any other function: j y_j is coefficient j - 1 of the tangent that its rule gives for ``x'(t)``."""
    leaves, structure = tree.flatten((args, kwargs))
    answer = run.recall(function, leaves, structure)
    if answer is not None:
        return answer
    level = new_level()

    @functools.cache
    def velocities() -> list[Any]:
        dual_args, dual_kwargs = replaced((args, kwargs), Series, run.level, lambda x: Dual(x, x.velocity(), level))
        return [split(leaf, level)[1] for leaf in tree.leaves(rule_of(function)(*dual_args, **dual_kwargs))]

    def coefficient(i: int, j: int) -> Array | None:
        v = velocities()[i]
        if type(v) is Series and v.run is run:
            return v.coefficient(j - 1)[0] / j
        return v[0] if j == 1 and v is not None else None

    answer = _series(run, _firsts(run, function, args, kwargs), coefficient)
    run.known.append((function, leaves, structure, answer))
    return answer
