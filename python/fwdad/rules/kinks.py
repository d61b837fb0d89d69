"""Points where a function has no derivative: zeros that stay honest, and squares that are smooth again.

A rule gives |x| at 0 the first derivative 0, a value between those of both sides. What is computed from it by a second
differentiation would be a finite number, and wrong: |x|^2 has the second derivative 2. So two things happen there:

- the factor sign(x) carries a `kink`, whose derivative is NaN: a second derivative that does not exist is NaN;
- a root that is zero remembers its square, and a power or an even function of the root takes its derivatives from the
  square's: `with_square`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain, primitive


@primitive
def kink(x: Array, slope: Any = np.nan) -> Array:
    """Return zeros of x's shape; where x is zero and moves, their derivative is `slope`, elsewhere zero.

    With NaN for the slope this stands for the derivative of a factor that jumps, as sign(x) does: so a second derivative
    at a kink is NaN, and not the zero of a constant.
    """
    return np.zeros_like(x)


def kink_rule(x: Dual, slope: Any = np.nan) -> Dual:
    """Give a zero that moves the slope as its derivative."""
    still = np.logical_or(np.not_equal(x, 0), is_zero(x.tangent))
    return Dual(kink(x.primal, slope), np.where(still, np.zeros((), x.dtype), x.tangent * slope), x.level)


def has_kink(x: Array) -> bool:
    """Whether an array that moves has zeros, where a factor sign(x) jumps."""
    return isinstance(x, Dual) and np.count_nonzero(plain(x)) < x.size


def jump(dx: Array, x: Array) -> Array:
    """Return zeros of dx's shape; where x = 0 and both x and dx move, their derivative is NaN."""
    return np.where(is_zero(dx), np.zeros((), dx.dtype), dx * kink(x))


def is_zero(tangent: Array) -> Array:
    """Where a tangent is zero and does not move at any lower level; there its product with infinity is zero as well."""
    if type(tangent) is Dual:
        return np.logical_and(is_zero(tangent.primal), np.all(is_zero(tangent.tangent), axis=0))
    return np.equal(tangent, 0) if not isinstance(tangent, Dual) else tangent.is_zero()  # type: ignore[attr-defined]


SQUARES: dict[Callable[..., Any], Callable[..., Any]] = {}
"""Functions whose answer is a root: the square of the answer as a function of the arguments, |x|^2 = x^2."""

EVEN: dict[Callable[..., Any], list[float]] = {
    np.cos: [(-1) ** n / math.factorial(2 * n) for n in range(10)],
    np.cosh: [1 / math.factorial(2 * n) for n in range(10)],
    np.sinc: [(-(math.pi**2)) ** n / math.factorial(2 * n + 1) for n in range(10)],
}
"""Smooth even functions: their power series in the square, which at 0 gives 19 derivatives."""

POWERS: set[Callable[..., Any]] = {np.square, np.multiply, np.power, np.float_power}


def with_square(function: Callable[..., Any], args: tuple[Any, ...], answer: Any) -> Any:
    """Let a root that is zero remember its square; give powers of such a root the derivatives of the square's powers.

    Where y = sqrt(u) is zero, y has no second derivative, but y^2 = u has.
    """
    if function in SQUARES:
        if isinstance(answer, Dual) and np.count_nonzero(answer.primal) < answer.size:
            answer.square = answer.primal, copy.copy(SQUARES[function](*args))
        return answer
    if function in EVEN:
        return _by_series(EVEN[function], args[0], answer)
    if function not in POWERS or (function is np.multiply and args[0] is not args[1]):
        return answer
    root, exponent = args[0], args[1] if function in (np.power, np.float_power) else 2
    square = _square_of(root)
    if square is None or not isinstance(exponent, (int, float, np.integer)) or exponent < 2:
        return answer
    power: Array = np.where(np.equal(root, 0), square if exponent == 2 else np.power(square, exponent / 2), answer)
    return power[()]  # of no axes: a number, as NumPy's ufuncs return


def _square_of(root: Any) -> Any:
    """Return the square that a root remembers, or None; a write gives the root another primal, of which it is not."""
    memory: Any = getattr(root, "square", None)
    return memory[1] if memory is not None and memory[0] is root.primal else None


def _by_series(coefficients: list[float], root: Any, answer: Any) -> Any:
    """Let an even function of a root have the derivatives of its power series in the square, where the root is zero."""
    square = _square_of(root)
    if square is None:
        return answer
    total: Array = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * square + c
    smooth: Array = np.where(np.equal(root, 0), total, answer)
    return smooth[()]
