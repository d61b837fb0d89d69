"""scipy.integrate: ordinary differential equations by the same steps, and sums over samples.

SciPy chooses the steps, on plain numbers. The same steps are then computed once more with Duals, as a NumPy program:
so the derivatives are those of the numbers that SciPy returns, and exist under every transform, to any order.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.integrate as integrate

from fwdad import tree
from fwdad.dual import Array, Dual, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import enter, from_back
from fwdad.rules.replacing import linear_in, put, replaces


# Sums over samples.
@replaces(integrate, "trapezoid")
def _trapezoid(y: Array, x: Array = None, dx: Array = 1.0, axis: int = -1) -> Array:
    return np.trapezoid(y, x, dx, axis)


@replaces(integrate, "cumulative_trapezoid")
def _cumulative_trapezoid(y: Array, x: Array = None, dx: Array = 1.0, axis: int = -1, initial: Any = None) -> Array:
    axis = from_back(axis, np.ndim(y))
    y = np.moveaxis(y, axis, -1)
    width = dx if x is None else np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1))
    total = np.cumsum(width * (y[..., 1:] + y[..., :-1]) / 2, -1)
    if initial is not None:
        total = np.concatenate([np.full((*total.shape[:-1], 1), float(initial)), total], -1)
    return np.moveaxis(total, -1, axis)


linear_in(integrate, "simpson", axis=2, default=-1)
linear_in(integrate, "cumulative_simpson", axis=3, default=-1)
linear_in(integrate, "romb", axis=2, default=-1)


# Ordinary differential equations.
def _vector(value: Any) -> Array:
    """Return what a right-hand side returned, or a start, as one vector; a list may hold Duals."""
    return np.stack(list(value)) if isinstance(value, (list, tuple)) else np.atleast_1d(value)


def _step(f: Callable[[Any, Array], Array], method: Any, t: float, y: Array, h: float) -> tuple[Array, list[Array]]:
    """Make one step of an explicit Runge-Kutta method; return its end and its stages."""
    stages = [f(t, y)]
    for row, c in zip(method.A[1:], method.C[1:], strict=True):
        stages.append(f(t + c * h, y + h * _combined(row, stages)))
    end = y + h * _combined(method.B, stages)
    return end, stages


def _combined(weights: np.ndarray, stages: list[Array]) -> Array:
    total: Array = 0
    for weight, stage in zip(weights, stages, strict=False):
        if weight:
            total = total + weight * stage
    return total


METHODS = ("RK23", "RK45", "DOP853")


def _is_moving(*values: Any) -> bool:
    return any(isinstance(leaf, Dual) for leaf in tree.leaves(values))


def _solve_ivp(
    fun: Callable[..., Any],
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = (),
    **options: Any,
) -> Any:
    """Let SciPy choose the steps, and make them again with Duals."""
    name = method if isinstance(method, str) else method.__name__
    if name not in METHODS or dense_output or events is not None or _is_moving(t_span, t_eval, options):
        raise LostDerivativeError(
            f"scipy.integrate.solve_ivp with moving values takes the methods {', '.join(METHODS)}, no events= or "
            f"dense_output=, and constant times; got method={name!r}. For a time that moves, make the time span a factor "
            "of the right-hand side"
        )
    tableau = getattr(integrate, name)
    if name == "DOP853" and t_eval is not None:
        raise LostDerivativeError("scipy.integrate.solve_ivp with moving values and t_eval= takes RK23 or RK45")

    def f(t: Any, y: Array) -> Array:
        return _vector(fun(t, y, *(args or ())))

    start = _vector(y0)
    found = SOLVE_IVP(
        lambda t, y: plain(f(t, y)), t_span, plain(start), method, t_eval, True, None, False, None, **options
    )
    times, y = found.sol.ts, start
    wanted, answers = list(times if t_eval is None else np.asarray(t_eval, float)), []
    forward = times[-1] >= times[0]
    for t, stop in itertools.pairwise(times):
        end, stages = _step(f, tableau, t, y, stop - t)
        while wanted and (wanted[0] < stop if forward else wanted[0] > stop):
            answers.append(_inside(f, tableau, y, end, stages, t, stop, wanted.pop(0)))
        y = end
    answers += [y] * len(wanted)
    found.y, found.sol = np.stack(answers, -1), None
    return found


def _inside(
    f: Callable[[Any, Array], Array],
    method: Any,
    y: Array,
    end: Array,
    stages: list[Array],
    t: float,
    stop: float,
    at: float,
) -> Array:
    """Interpolate within a step, by the method's own polynomial."""
    if at == t:
        return y
    powers = np.cumprod(np.full(method.P.shape[1], (at - t) / (stop - t)))
    return y + (stop - t) * _combined(method.P @ powers, [*stages, f(stop, end)])


def _odeint(
    func: Callable[..., Any],
    y0: Any,
    t: Any,
    args: Any = (),
    tfirst: bool = False,
    rtol: Any = 1.49012e-8,
    atol: Any = 1.49012e-8,
    **options: Any,
) -> Array:
    """Return odeint's values; their derivatives are those of steps of DOP853 from each time to the next.

    Times may move: ``dy/ds = h f(y, t + s h)``, s from 0 to 1.
    """
    if options.get("full_output"):
        raise LostDerivativeError("scipy.integrate.odeint with moving values takes no full_output=")

    def right_side(t: Array, y: Array, *args: Any) -> Array:
        return _vector(func(t, y, *args) if tfirst else func(y, t, *args))

    def still(y: np.ndarray, t: float) -> np.ndarray:
        value: np.ndarray = plain(right_side(t, y, *tree.map(plain, args)))
        return value

    answers = [_vector(y0)]
    values = ODEINT(still, plain(answers[0]), plain(t), rtol=rtol, atol=atol, **options)
    for i in range(len(t) - 1):

        def scaled(s: float, y: Array, *args: Any, start: Array = t[i], width: Array = t[i + 1] - t[i]) -> Array:
            return width * right_side(start + s * width, y, *args)

        found = _solve_ivp(scaled, (0, 1), answers[-1], "DOP853", args=args, rtol=rtol, atol=atol)
        if not found.success:
            raise RuntimeError(f"scipy.integrate.odeint: {found.message}")
        answers.append(found.y[:, -1])
    moving = np.stack(answers)
    return moving + (values - plain(moving))


def _replace(name: str, moving: Callable[..., Any]) -> Callable[..., Any]:
    """Let a solver take Duals, among its arguments or from the function that it is given; return SciPy's own."""
    original: Callable[..., Any] = getattr(integrate, name)

    @functools.wraps(original)
    def call(*args: Any, **options: Any) -> Any:
        if not _is_moving(args, options):
            try:
                return original(*args, **options)
            except LostDerivativeError:  # the function that it was given returned a Dual
                pass
        return moving(*args, **options)

    enter(put(integrate, name, call), moving, "composed")
    return original


SOLVE_IVP = _replace("solve_ivp", _solve_ivp)
ODEINT = _replace("odeint", _odeint)
