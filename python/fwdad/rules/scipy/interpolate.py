"""scipy.interpolate: splines by the point, by their coefficients, and by the data that they go through.

A spline S(c; x) is linear in its coefficients c, and its slope in x is the spline of the next order of derivative:

    dS = S(dc; x) + S'(c; x) dx

The knots are constants. A spline whose coefficients move is a `MovingSpline`; it has what both kinds of SciPy's splines
have: the call, `derivative`, `antiderivative` and `integrate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.interpolate as interpolate

from fwdad import tree
from fwdad.dual import Array, Dual, highest_level, plain, primitive, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import rule_for
from fwdad.rules.operators import apply_operator
from fwdad.rules.replacing import replaces

Make = Callable[[np.ndarray], Any]
"""A function from coefficients to a spline of SciPy."""


# By the point.
def _by_the_point(kind: Any) -> None:
    def rule(self: Any, x: Dual, nu: int = 0, extrapolate: Any = None) -> Dual:
        y, slope = self(x.primal, nu, extrapolate), self(x.primal, nu + 1, extrapolate)
        others = y.ndim - x.ndim  # axes of the coefficients; the points' axes stand among them, at self.axis
        before = self.axis % (others + 1)
        shape = (*(1,) * before, *x.shape, *(1,) * (others - before))
        return Dual(y, slope * np.reshape(x.tangent, x.tangent.shape[:1] + shape), x.level)

    replaces(kind, "__call__", "differentiable", "at a knot the slope on its right")(rule)


_by_the_point(interpolate.PPoly)
_by_the_point(interpolate.BSpline)


@replaces(interpolate.UnivariateSpline, "__call__", "differentiable", "at a knot the slope on its right")
def _univariate(self: Any, x: Dual, nu: int = 0, ext: Any = None) -> Dual:
    slope = self(x.primal, nu + 1, ext) if nu < self._eval_args[2] else np.zeros(x.shape)
    return Dual(self(x.primal, nu, ext), slope * x.tangent, x.level)


# By the coefficients.
@primitive
def evaluate(make: Make, c: Array, x: Array, nu: int) -> Array:
    """Return the nu-th derivative of the spline at x: ``(*x.shape, *c.shape[2:])`` of a PPoly."""
    return np.asarray(make(c)(x, nu))


@rule_for(evaluate, singular="at a knot the slope on its right")
def _evaluate(make: Make, c: Array, x: Array, nu: int) -> Dual:
    level = highest_level((c, x))
    (pc, tc), (px, tx) = split(c, level), split(x, level)
    y = evaluate(make, pc, px, nu)
    terms = []
    if tc is not None:  # the k directions become the last axis of the coefficients
        terms.append(np.moveaxis(evaluate(make, np.moveaxis(tc, 0, -1), px, nu), -1, 0))
    if tx is not None:
        terms.append(evaluate(make, pc, px, nu + 1) * np.reshape(tx, tx.shape + (1,) * (y.ndim - np.ndim(px))))
    return Dual(y, terms[0] if len(terms) == 1 else terms[0] + terms[1], level)


class MovingSpline:
    """A spline whose coefficients c move; `make` builds SciPy's spline of constant ones."""

    def __init__(self, make: Make, c: Array) -> None:
        self._make, self.c = make, c

    def __call__(self, x: Array, nu: int = 0) -> Array:
        """Evaluate the spline, or its nu-th derivative."""
        if isinstance(x, Dual):
            return evaluate(self._make, self.c, x, nu)
        return _linear(lambda c: np.asarray(self._make(c)(x, nu)), self.c, self.c.ndim)

    def derivative(self, nu: int = 1) -> MovingSpline:
        """Return the derivative as a spline."""
        return self._changed(lambda spline: spline.derivative(nu))

    def antiderivative(self, nu: int = 1) -> MovingSpline:
        """Return the antiderivative as a spline."""
        return self._changed(lambda spline: spline.antiderivative(nu))

    def integrate(self, a: Array, b: Array) -> Array:
        """Return the integral from a to b."""
        whole = self.antiderivative()
        return whole(b) - whole(a)

    def _changed(self, change: Callable[[Any], Any]) -> MovingSpline:
        pattern = change(self._make(np.zeros(self.c.shape)))

        def make(c: np.ndarray) -> Any:
            if isinstance(pattern, interpolate.PPoly):
                return interpolate.PPoly(c, pattern.x, pattern.extrapolate)
            return interpolate.BSpline(pattern.t, c, pattern.k, pattern.extrapolate)

        own = self.c.ndim
        return MovingSpline(make, _linear(lambda c: change(self._make(c)).c, self.c, own))

    def __getattr__(self, name: str) -> Any:
        """Refuse what a spline with moving coefficients does not have."""
        raise AttributeError(
            f"a spline whose coefficients move has no {name}; it has c, derivative, antiderivative and integrate"
        )


def _linear(function: Callable[[np.ndarray], np.ndarray], y: Array, own: int) -> Array:
    """Apply a linear function that takes further axes behind its own ones."""

    def operator(t: np.ndarray) -> np.ndarray:
        front = t.shape[: t.ndim - own]
        behind = np.moveaxis(t.reshape(-1, *t.shape[t.ndim - own :]), 0, -1)
        answer = np.moveaxis(function(behind), -1, 0)
        return answer.reshape((*front, *answer.shape[1:]))

    return apply_operator(operator, y)


def _has_dual(args: Any) -> bool:
    return any(isinstance(leaf, Dual) for leaf in tree.leaves(args))


def _made_of(kind: Any, build: Callable[..., MovingSpline]) -> None:
    """Let a class make a `MovingSpline` where its arguments move."""

    def new(cls: type, *args: Any, **options: Any) -> Any:
        return build(*args, **options) if _has_dual((args, options)) else object.__new__(cls)

    kind.__new__ = staticmethod(new)


def _of_axis_0(name: str, x: Array, axis: int, *others: Any) -> None:
    if axis != 0 or _has_dual((x, others)):
        raise LostDerivativeError(
            f"scipy.interpolate.{name} takes moving values along axis 0, and constant points; move the axes before"
        )


def _ppoly(c: Array, x: Any, extrapolate: Any = None, axis: int = 0) -> MovingSpline:
    _of_axis_0("PPoly", x, axis)
    return MovingSpline(lambda c: interpolate.PPoly(c, x, extrapolate), c)


def _bspline(t: Any, c: Array, k: int, extrapolate: Any = True, axis: int = 0) -> MovingSpline:
    _of_axis_0("BSpline", t, axis)
    return MovingSpline(lambda c: interpolate.BSpline(t, c, k, extrapolate), c)


# By the data. The coefficients are an affine function of the values; boundary conditions with numbers add the constant.
def _without_numbers(bc_type: Any, shape: tuple[int, ...]) -> Any:
    """Return the boundary conditions with zeros for their numbers."""
    if bc_type is None or isinstance(bc_type, str):
        return bc_type
    return tuple(
        side if side is None or isinstance(side, str)
        else (side[0], np.zeros(shape)) if np.ndim(side) == 1
        else [(order, np.zeros(shape)) for order, _ in side]
        for side in bc_type
    )  # fmt: skip


def _affine(fit: Callable[[np.ndarray, Any], Any], y: Array, bc_type: Any) -> tuple[Any, Array]:
    """Return a spline of zero data, and the coefficients of the data y, given ``fit(y, bc_type)``."""
    still = fit(np.zeros(y.shape), bc_type)
    return still, still.c + _linear(lambda t: fit(t, _without_numbers(bc_type, t.shape[1:])).c, y, y.ndim)


def _cubic_spline(
    x: Any, y: Array, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None
) -> MovingSpline:
    _of_axis_0("CubicSpline", x, axis, bc_type)

    def fit(y: np.ndarray, bc_type: Any) -> Any:
        return interpolate.CubicSpline(x, y, bc_type=bc_type, extrapolate=extrapolate)

    still, c = _affine(fit, y, bc_type)
    return MovingSpline(lambda c: interpolate.PPoly(c, still.x, still.extrapolate), c)


def _hermite_spline(x: Any, y: Array, dydx: Array, axis: int = 0, extrapolate: Any = None) -> MovingSpline:
    """Make a cubic of the values and slopes at both ends of each interval."""
    _of_axis_0("CubicHermiteSpline", x, axis)
    h = np.reshape(np.diff(x), (-1,) + (1,) * (np.ndim(y) - 1))
    mean = np.diff(y, axis=0) / h
    t = (dydx[:-1] + dydx[1:] - 2 * mean) / h
    c = np.stack([t / h, (mean - dydx[:-1]) / h - t, dydx[:-1], y[:-1]])
    return MovingSpline(lambda c: interpolate.PPoly(c, x, True if extrapolate is None else extrapolate), c)


_made_of(interpolate.PPoly, _ppoly)
_made_of(interpolate.BSpline, _bspline)
_made_of(interpolate.CubicSpline, _cubic_spline)
_made_of(interpolate.CubicHermiteSpline, _hermite_spline)


def _nothing(*_: Any, **__: Any) -> MovingSpline:
    raise LostDerivativeError(
        "scipy.interpolate: this kind of spline has no JVP rule by its data; CubicSpline, CubicHermiteSpline, "
        "make_interp_spline and splrep have one"
    )


for _name in ("PchipInterpolator", "Akima1DInterpolator"):
    _made_of(getattr(interpolate, _name), _nothing)


@replaces(interpolate, "make_interp_spline")
def _make_interp_spline(
    x: Any, y: Array, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0, check_finite: bool = True
) -> MovingSpline:
    _of_axis_0("make_interp_spline", x, axis, t, bc_type)
    still, c = _affine(lambda y, bc_type: interpolate.make_interp_spline(x, y, k, t, bc_type), y, bc_type)
    return MovingSpline(lambda c: interpolate.BSpline(still.t, c, still.k, still.extrapolate), c)


@replaces(interpolate, "splrep")
def _splrep(x: Any, y: Array, *args: Any, **options: Any) -> tuple[np.ndarray, Array, int]:
    """Interpolate: with s = 0 the knots do not depend on y, and the coefficients are linear in it."""
    if (
        args
        or _has_dual((x, options))
        or options.get("s")
        or options.get("w") is not None
        or options.get("full_output")
    ):
        raise LostDerivativeError("scipy.interpolate.splrep takes moving y only, with s=0, and options by name")

    def fit(y: np.ndarray) -> np.ndarray:
        return np.stack([interpolate.splrep(x, column, **options)[1] for column in y.T], -1)

    t, _, k = interpolate.splrep(x, plain(y), **options)
    return t, _linear(fit, y, 1), k


@replaces(interpolate, "splev")
def _splev(x: Array, tck: tuple[Any, Array, int], der: int = 0, ext: int = 0) -> Array:
    if ext != 0:
        raise LostDerivativeError("scipy.interpolate.splev on a Dual takes ext=0 only")
    t, c, k = tck
    spline = interpolate.BSpline(t, c[: len(t) - k - 1], k)
    return spline(x, der)
