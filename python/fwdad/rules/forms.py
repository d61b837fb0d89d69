"""How a row of a table becomes a rule: one form for each shape of mathematics.

    unary      y = f(x)           dy_i = f'(x) dx_i
    binary     z = f(x, y)        dz_i = f_x dx_i + f_y dy_i
    linear     y = L x            dy_i = L dx_i          (L under the k axis)
    bilinear   z = x . y          dz_i = dx_i . y + x . dy_i
    constant   y = f(x)           dy_i = 0               (comparisons, rounding, shapes)

The k axis leads, so an axis counted from the back is the same axis of a primal and of its tangents:
that is all that most linear operations need. The k axis must never meet a data axis in a broadcast;
`align` sees to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import RULES, Array, Dual, Rule, highest_level, plain, split
from fwdad.errors import LostDerivativeError

Partial = Callable[..., Any] | int
"""A derivative as a function of arguments and answer, or one of the integers 1 and -1."""


def align(tangent: Array, ndim: int) -> Array:
    """Insert axes of length one behind the k axis, so that data axes line up from the back."""
    missing = ndim + 1 - tangent.ndim
    if missing <= 0:
        return tangent
    return tangent.reshape(tangent.shape[:1] + (1,) * missing + tangent.shape[1:])


def spread(tangent: Array, shape: tuple[int, ...]) -> Array:
    """Broadcast a tangent's data axes to an answer's shape; costs no memory."""
    if tangent.shape[1:] == shape:
        return tangent
    return np.broadcast_to(align(tangent, len(shape)), tangent.shape[:1] + shape)


def scaled(tangent: Array, partial: Partial, arguments: tuple[Any, ...], strong_zero: bool) -> Array:
    """The partial times the tangent.

    With a strong zero, a component that does not move stays at zero even where the partial is not finite.
    """
    if isinstance(partial, int):
        return tangent if partial == 1 else -tangent
    if not strong_zero:
        return tangent * partial(*arguments)
    # The user is warned by the primal, if at all: an infinite derivative here is expected and dealt with.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = partial(*arguments)
        product = tangent * factor
        if not np.all(np.isfinite(plain(factor))):
            product = np.where(np.equal(plain(tangent), 0), np.zeros((), product.dtype), product)
    return product


def checked(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """A ufunc's options, if they leave its derivative alone."""
    given = {name: value for name, value in options.items() if not (name == "where" and value is True)}
    if given:
        raise LostDerivativeError(
            f"np.{function.__name__} on a Dual takes no {', '.join(sorted(given))}=: the derivative of that form is not defined here; "
            "call it without, then use np.where or astype"
        )
    return given


def unary(function: Callable[..., Any], derivative: Partial, strong_zero: bool = False) -> None:
    """Enter y = f(x); `derivative(x, y)` may use the answer, so that nothing is computed twice."""

    def rule(x: Dual, **options: Any) -> Dual:
        if options:
            checked(function, options)
        primal = x.primal
        answer = function(primal)
        return Dual(answer, scaled(x.tangent, derivative, (primal, answer), strong_zero), x.level)

    RULES[function] = rule


def binary(function: Callable[..., Any], by_x: Partial, by_y: Partial, strong_zero: bool = False) -> None:
    """Enter z = f(x, y); each partial is a function of (x, y, z)."""

    def rule(x: Array, y: Array, **options: Any) -> Dual:
        if options:
            checked(function, options)
        x_level = x.level if type(x) is Dual else 0
        y_level = y.level if type(y) is Dual else 0
        level = max(x_level, y_level)
        px, tx = (x.primal, x.tangent) if x_level == level else (x, None)
        py, ty = (y.primal, y.tangent) if y_level == level else (y, None)
        answer = function(px, py)
        ndim = answer.ndim
        total: Array = None
        if tx is not None:
            total = scaled(align(tx, ndim), by_x, (px, py, answer), strong_zero)
        if ty is not None:
            term = scaled(align(ty, ndim), by_y, (px, py, answer), strong_zero)
            total = term if total is None else total + term
        if total.dtype != answer.dtype:  # float32 duals with a float64 constant, where the partial is 1
            total = total.astype(answer.dtype)
        return Dual(answer, spread(total, answer.shape), level)

    RULES[function] = rule


def constant(*functions: Callable[..., Any]) -> None:
    """Enter functions whose derivative is zero wherever it exists: they see primals and return plain arrays."""

    def enter(function: Callable[..., Any]) -> None:
        def rule(*args: Any, **kwargs: Any) -> Any:
            return function(
                *(plain_all(arg) for arg in args),
                **{name: plain_all(value) for name, value in kwargs.items()},
            )

        RULES[function] = rule

    for function in functions:
        enter(function)


def plain_all(value: Any) -> Any:
    """`plain`, also inside a list or tuple of arrays."""
    return type(value)(plain(v) for v in value) if isinstance(value, (list, tuple)) else plain(value)


def from_back(axis: Any, ndim: int) -> Any:
    """The same axis or axes, counted from the back.

    Raises np.exceptions.AxisError as NumPy does.
    """
    if isinstance(axis, (tuple, list)):
        return tuple(from_back(a, ndim) for a in axis)
    axis = axis.__index__()
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis - ndim if axis >= 0 else axis


def flat(tangent: Array) -> Array:
    """Tangents of the flattened primal."""
    return tangent.reshape(tangent.shape[0], -1)


ALL, FLAT, REQUIRED = "all", "flat", "required"
"""What ``axis=None`` means to a function: every axis; the flattened array; not allowed."""


def linear(
    function: Callable[..., Any],
    axis: int | None = None,
    default: Any = ALL,
    names: tuple[str, ...] = ("axis",),
    offsets: tuple[str, ...] = (),
) -> None:
    """Enter y = L x for functions whose axes are arguments: the tangent is the same call with those axes counted from the back.

    `axis` is the position of the first axis argument (None: elementwise, no axis at all), `names` what these
    arguments are called, `default` their default value if it is an integer, or what None stands for.
    `offsets` are options that add a constant to the answer, and so nothing to the tangent.
    """

    def rule(x: Dual, *args: Any, **kwargs: Any) -> Any:
        reject_duals(function, args, kwargs)
        answer = function(x.primal, *args, **kwargs)
        tangent = x.tangent
        if axis is not None:
            ndim = x.primal.ndim
            positional = list(args)
            for offset, name in enumerate(names):
                place = axis - 1 + offset
                given = positional[place] if place < len(positional) else kwargs.get(name, default)
                if given is None or isinstance(given, str):
                    if default == FLAT:
                        tangent, given = flat(tangent), -1
                    else:
                        given = tuple(range(-ndim, 0))
                else:
                    given = from_back(given, ndim)
                if place < len(positional):
                    positional[place] = given
                else:
                    kwargs[name] = given
            args = tuple(positional)
        for name in offsets:
            kwargs.pop(name, None)
        return Dual(answer, function(tangent, *args, **kwargs), x.level)

    RULES[function] = rule


def reshaping(function: Callable[..., Any]) -> None:
    """Enter a function that only regroups entries in order: the answer's shape says all."""

    def rule(x: Dual, *args: Any, **kwargs: Any) -> Dual:
        reject_duals(function, args, kwargs)
        if kwargs.get("order", "C") != "C" or "F" in args or "A" in args or "K" in args:
            raise LostDerivativeError(
                f"np.{function.__name__} on a Dual takes order='C' only; transpose first for another order"
            )
        answer = function(x.primal, *args, **kwargs)
        return Dual(answer, x.tangent.reshape(x.tangent.shape[:1] + answer.shape), x.level)

    RULES[function] = rule


def reject_duals(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise where a Dual stands for an argument that has no derivative (an index, a shape, out=)."""
    named = {
        **{f"argument {i}": arg for i, arg in enumerate(args, start=2)},
        **{f"{name}=": v for name, v in kwargs.items()},
    }
    for name, value in named.items():
        if type(value) is Dual:
            raise LostDerivativeError(f"np.{function.__name__}: {name} cannot be a Dual, it has no derivative")
    if kwargs.get("out") is not None:
        raise LostDerivativeError(
            f"np.{function.__name__}: out= is not possible with a Dual, its derivative would be lost"
        )


def bilinear(function: Callable[..., Any], under_k: Callable[..., Any]) -> None:
    """Enter z = x . y; `under_k(function, x, y, side)` is the same product with k axes on side 0 or 1 (its tangents)."""

    def rule(x: Array, y: Array, **options: Any) -> Dual:
        if options:
            checked(function, options)
        level = highest_level((x, y))
        (px, tx), (py, ty) = split(x, level), split(y, level)
        answer = function(px, py)
        terms = []
        if tx is not None:
            terms.append(under_k(tx, py, 0))
        if ty is not None:
            terms.append(under_k(px, ty, 1))
        return Dual(answer, terms[0] if len(terms) == 1 else terms[0] + terms[1], level)

    RULES[function] = rule


def rule_for(*functions: Callable[..., Any]) -> Callable[[Rule], Rule]:
    """Enter a function that has none of the forms above."""

    def enter(rule: Rule) -> Rule:
        for function in functions:
            RULES[function] = rule
        return rule

    return enter
