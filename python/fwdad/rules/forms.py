"""How a row of a table becomes a rule: one form for each shape of mathematics.

    unary      y = f(x)           dy_i = f'(x) dx_i
    binary     z = f(x, y)        dz_i = f_x dx_i + f_y dy_i
    linear     y = L x            dy_i = L dx_i          (L leaves the k axis alone)
    bilinear   z = x . y          dz_i = dx_i . y + x . dy_i
    constant   y = f(x)           dy_i = 0               (comparisons, rounding, shapes)
    composed   y = f(g(x), ...)   a NumPy program of functions that have rules

The k axis comes first. So an axis counted from the back is the same axis of a primal and of its tangents, and most
linear operations need nothing more. The k axis must never meet a data axis in a broadcast; `align` prevents it.
"""

from __future__ import annotations

import cmath
import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fwdad import kernels
from fwdad.dual import RULES, Array, Dual, Rule, highest_level, name_of, plain, split
from fwdad.errors import LostDerivativeError


class OneOver(NamedTuple):
    """The derivative ``1 / divisor(x, y)``: one division where the divisor is regular, and no factor that overflows."""

    divisor: Callable[..., Any]


class Tangent(NamedTuple):
    """The tangent itself, ``tangent(dx, x, y)``, where it is not a derivative times dx."""

    tangent: Callable[..., Any]


Partial = Callable[..., Any] | int | OneOver | Tangent
"""A derivative as a function of arguments and answer, or 1 or -1; `OneOver` and `Tangent` in unary rows only."""

Shortcut = Callable[[Any, Any, Any, Any, Any], Any]
"""``(x, y, z, dx, dy) -> dz``, or None where the partials must decide."""


STRONG = "strong zero"
"""How a row says that a direction in which the argument does not move gives zero, even if the derivative is infinite."""


class Entry(NamedTuple):
    """What the tables say about a function; docs/coverage.md and docs/singular-points.md are made from it."""

    kind: str
    singular: str
    place: str  # module and line


ENTRIES: dict[Callable[..., Any], Entry] = {}
"""Function -> its entry, for every function in `RULES`."""

ELEMENTWISE: set[Callable[..., Any]] = set()
"""Functions whose answer's entries each depend on the arguments' entries in the same place alone."""


def enter(function: Callable[..., Any], rule: Rule, kind: str, singular: str = "") -> None:
    """Put a rule into the tables; every form calls this.

    Raises ValueError for a function that is already there.
    """
    place = _calling_line()
    if function in ENTRIES:
        raise ValueError(
            f"{name_of(function)} is entered twice in the rule tables: at {ENTRIES[function].place} and at {place}; "
            "remove one of them"
        )
    RULES[function] = rule
    ENTRIES[function] = Entry(kind, singular, place)


def _calling_line() -> str:
    """Return the row that called this module, as ``module:line``: the outermost line of the calling module."""
    frame: Any = sys._getframe()
    while frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    module = frame.f_globals["__name__"]
    while frame.f_back is not None and frame.f_back.f_globals["__name__"] == module:
        frame = frame.f_back
    return f"{module}:{frame.f_lineno}"


def align(tangent: Array, ndim: int) -> Array:
    """Insert axes of length one behind the k axis, so that data axes line up from the back."""
    missing = ndim + 1 - tangent.ndim
    return tangent if missing <= 0 else tangent.reshape(tangent.shape[:1] + (1,) * missing + tangent.shape[1:])


def broadcast_tangent(tangent: Array, shape: tuple[int, ...]) -> Array:
    """Broadcast a tangent's data axes to an answer's shape; costs no memory."""
    if tangent.shape[1:] == shape:
        return tangent
    return np.broadcast_to(align(tangent, len(shape)), tangent.shape[:1] + shape)


def zeros(like: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Make tangents of zeros, as many as there are in `like`, for a primal of the shape."""
    return np.zeros_like(like, dtype=dtype, shape=(like.shape[0], *shape))


def scaled(tangent: Array, factor: Array) -> Array:
    """Compute ``factor dx_i``, by the kernel where it pays."""
    return kernels.scaled_tangents(factor, tangent) if kernels.pays(tangent, factor) else tangent * factor


def scaled_sum(dx: Array, a: Array, dy: Array, b: Array) -> Array:
    """Compute ``a dx_i + b dy_i``, by the kernel where it pays."""
    if kernels.pays(dx, a) and kernels.pays(dy, b) and dx.dtype == dy.dtype and dx.shape == dy.shape:
        return kernels.scaled_tangents(a, dx, b, dy)
    return dx * a + b * dy


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def strongly_scaled(tangent: Array, derivative: Callable[..., Any], *arguments: Any) -> Array:
    """Multiply tangent and derivative; a component that does not move stays zero even if the derivative is infinite.

    NumPy's warnings are off: an infinite derivative is expected here. The primal still warns.
    """
    factor = derivative(*arguments)
    product = tangent * factor
    if not surely_finite(factor):
        product = np.where(is_zero(tangent), np.zeros((), product.dtype), product)
    return product


def is_zero(tangent: Array) -> Array:
    """Where a tangent is zero and does not move at any lower level; there its product with infinity is zero as well."""
    if type(tangent) is not Dual:
        return np.equal(tangent, 0)
    return is_zero(tangent.primal) & np.all(is_zero(tangent.tangent), axis=0)


def surely_finite(value: Array) -> bool:
    """Whether no entry is infinite or NaN; also False where squares overflow, which makes the caller slower, not wrong.

    This is one dot product. It takes a third of the time of np.all(np.isfinite(value)) for small arrays, and no memory.
    """
    value = plain(value)
    if isinstance(value, np.ndarray) or kernels.is_device_array(value):
        value = value if value.ndim == 1 else value.ravel()
        return cmath.isfinite(value.dot(value))
    return cmath.isfinite(value)


def checked(function: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return a ufunc's options; raise LostDerivativeError if one of them would change its derivative."""
    given = {name: value for name, value in options.items() if not (name == "where" and value is True)}
    if given:
        raise LostDerivativeError(
            f"np.{function.__name__} on a Dual takes no {', '.join(sorted(given))}=: the derivative of that form is not defined here; "
            "call it without, then use np.where or astype"
        )
    return given


def unary(function: Callable[..., Any], derivative: Partial, singular: str = "", activation: str = "") -> None:
    """Enter y = f(x); `derivative(x, y)` may use the answer, so that nothing is computed twice.

    `activation` is f's name among the kernels' activations. The kernel computes y and all dy_i of large float32 arrays in
    one pass, to a few units in the last place.
    """
    term = _unary_term(derivative, STRONG in singular)

    def rule(x: Dual, **options: Any) -> Dual:
        if options:
            checked(function, options)
        primal = x.primal
        if activation and primal.dtype == np.float32 and kernels.pays(x.tangent, primal):
            return Dual(*kernels.activation_jvp(primal, x.tangent, activation), x.level)
        answer = function(primal)
        return Dual(answer, term(x.tangent, primal, answer), x.level)

    enter(function, rule, "differentiable", singular)
    ELEMENTWISE.add(function)


def _unary_term(derivative: Partial, strong_zero: bool) -> Callable[[Array, Array, Array], Array]:
    """Return ``(dx, x, y) -> f'(x) dx``, chosen once and not at each call."""
    if isinstance(derivative, int):
        return (lambda dx, x, y: dx) if derivative == 1 else (lambda dx, x, y: -dx)
    if isinstance(derivative, OneOver):
        return _divided(derivative.divisor)
    if isinstance(derivative, Tangent):
        return derivative.tangent
    if strong_zero:
        return lambda dx, x, y: strongly_scaled(dx, derivative, x, y)
    return lambda dx, x, y: scaled(dx, derivative(x, y))


def _divided(divisor: Callable[..., Any]) -> Callable[[Array, Array, Array], Array]:
    """Return ``(dx, x, y) -> dx / divisor(x, y)``, with a strong zero where the divisor is 0 or NaN."""

    def term(dx: Array, x: Array, y: Array) -> Array:
        d = divisor(x, y)
        if np.count_nonzero(d) == d.size and surely_finite(d):
            return dx / d
        return strongly_scaled(dx, lambda d: 1 / d, d)

    return term


def binary(
    function: Callable[..., Any],
    by_x: Partial,
    by_y: Partial,
    singular: str = "",
    shortcut: Shortcut | None = None,
) -> None:
    """Enter z = f(x, y); each partial is a function of (x, y, z).

    `shortcut(x, y, z, dx, dy)` may return dz from a cheaper expression where that is the same, and None elsewhere;
    dx or dy is None where its argument does not move.
    """
    strong_zero = STRONG in singular
    x_term, y_term = _binary_term(by_x, strong_zero), _binary_term(by_y, strong_zero)

    def rule(x: Array, y: Array, **options: Any) -> Dual:
        if options:
            checked(function, options)
        # `highest_level` and `split`, written out: no other rule is called so often.
        x_level = x.level if type(x) is Dual else 0
        y_level = y.level if type(y) is Dual else 0
        level = x_level if x_level >= y_level else y_level
        px, tx = (x.primal, x.tangent) if x_level == level else (x, None)
        py, ty = (y.primal, y.tangent) if y_level == level else (y, None)
        answer = function(px, py)
        shape = answer.shape
        behind_k = len(shape)
        if tx is not None and tx.ndim <= behind_k:
            tx = align(tx, behind_k)
        if ty is not None and ty.ndim <= behind_k:
            ty = align(ty, behind_k)
        total = shortcut(px, py, answer, tx, ty) if shortcut is not None else None
        if total is None:
            if tx is None:
                total = y_term(ty, px, py, answer)
            else:
                total = x_term(tx, px, py, answer)
                if ty is not None:
                    total = total + y_term(ty, px, py, answer)
        if total.dtype != answer.dtype:  # float32 duals with a float64 constant, where the partial is 1
            total = total.astype(answer.dtype)
        return Dual(answer, total if total.shape[1:] == shape else broadcast_tangent(total, shape), level)

    enter(function, rule, "differentiable", singular)
    ELEMENTWISE.add(function)


def _binary_term(partial: Partial, strong_zero: bool) -> Callable[[Array, Array, Array, Array], Array]:
    """Return ``(tangent, x, y, z) -> partial(x, y, z) tangent``."""
    if isinstance(partial, (OneOver, Tangent)):
        raise TypeError(f"{type(partial).__name__} is for unary rows; a binary row takes a shortcut")
    if isinstance(partial, int):
        return (lambda t, x, y, z: t) if partial == 1 else (lambda t, x, y, z: -t)
    if strong_zero:
        return lambda t, x, y, z: strongly_scaled(t, partial, x, y, z)
    return lambda t, x, y, z: scaled(t, partial(x, y, z))


def constant(*functions: Callable[..., Any]) -> None:
    """Enter functions whose derivative is zero wherever it exists: they see primals and return plain arrays."""

    def enter_one(function: Callable[..., Any]) -> None:
        names = [] if isinstance(function, np.ufunc) else list(inspect.signature(function).parameters)
        out = names.index("out") if "out" in names else None

        def rule(*args: Any, **kwargs: Any) -> Any:
            if out is not None:  # a Dual's array would be written into
                reject_duals(function, args[out : out + 1], {"out": kwargs.get("out")})
            return function(
                *(plain_all(arg) for arg in args),
                **{name: plain_all(value) for name, value in kwargs.items()},
            )

        enter(function, rule, "constant")

    for function in functions:
        enter_one(function)


def plain_all(value: Any) -> Any:
    """Do what `plain` does, also inside a list or tuple of arrays."""
    return type(value)(plain(v) for v in value) if isinstance(value, (list, tuple)) else plain(value)


def moves(answer: Array) -> bool:
    """Whether values of this dtype carry a tangent: floating or complex ones do."""
    return answer.dtype.kind in "fc"


def from_back(axis: Any, ndim: int) -> Any:
    """Count an axis, or several, from the back.

    Raises np.exceptions.AxisError as NumPy does.
    """
    if isinstance(axis, (tuple, list, range)):
        return tuple(from_back(a, ndim) for a in axis)
    axis = axis.__index__()
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis - ndim if axis >= 0 else axis


def flat(tangent: Array) -> Array:
    """Flatten the data axes of tangents."""
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
    """Enter y = L x for functions whose axes are arguments; the tangent is the same call with axes counted from the back.

    `axis` is the position of the first axis argument (None: the function has none), `names` are the names of these
    arguments, and `default` is their default value if that is an integer, or what None stands for. `offsets` are options
    that add a constant to the answer, and so nothing to the tangent.
    """

    def rule(x: Dual, *args: Any, **kwargs: Any) -> Any:
        reject_duals(function, args, kwargs)
        answer = function(x.primal, *args, **kwargs)
        if not moves(answer):  # dtype=int
            return answer
        tangent = x.tangent
        if axis is not None:
            ndim = x.primal.ndim
            positional = list(args)
            for offset, name in enumerate(names):
                place = axis - 1 + offset
                given = positional[place] if place < len(positional) else kwargs.get(name, default)
                if given is None or isinstance(given, str) or ndim == 0:  # NumPy lets a number have an axis 0
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

    enter(function, rule, "linear")


def reshaping(function: Callable[..., Any]) -> None:
    """Enter a function that only regroups entries in order: tangents are reshaped to the answer's shape."""

    def rule(x: Dual, *args: Any, **kwargs: Any) -> Dual:
        reject_duals(function, args, kwargs)
        if kwargs.get("order", "C") != "C" or "F" in args or "A" in args or "K" in args:
            raise LostDerivativeError(
                f"np.{function.__name__} on a Dual takes order='C' only; transpose first for another order"
            )
        answer = function(x.primal, *args, **kwargs)
        return Dual(answer, x.tangent.reshape(x.tangent.shape[:1] + answer.shape), x.level)

    enter(function, rule, "linear")


def reject_duals(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise where a Dual stands for an argument that has no derivative (an index, a shape, out=)."""
    for i, value in enumerate(args, start=2):
        if isinstance(value, Dual):
            _reject(function, f"argument {i}")
    for name, value in kwargs.items():
        if isinstance(value, Dual):
            _reject(function, f"{name}=")
    if kwargs.get("out") is not None:
        raise LostDerivativeError(
            f"np.{function.__name__}: out= is not possible with a Dual, its derivative would be lost"
        )


def _reject(function: Callable[..., Any], name: str) -> NoReturn:
    raise LostDerivativeError(f"np.{function.__name__}: {name} cannot be a Dual, it has no derivative")


def bilinear(function: Callable[..., Any], under_k: Callable[..., Any]) -> None:
    """Enter z = x . y; `under_k(x, y, side)` is the same product where the argument on side 0 or 1 has a k axis."""

    def rule(x: Array, y: Array, **options: Any) -> Dual:
        if options:
            checked(function, options)
        level = highest_level((x, y))
        (px, tx), (py, ty) = split(x, level), split(y, level)
        answer = function(px, py)
        tangents = []
        if tx is not None:
            tangents.append(under_k(tx, py, 0))
        if ty is not None:
            tangents.append(under_k(px, ty, 1))
        return Dual(answer, tangents[0] if len(tangents) == 1 else tangents[0] + tangents[1], level)

    enter(function, rule, "differentiable")


def rule_for(
    *functions: Callable[..., Any], kind: str = "differentiable", singular: str = ""
) -> Callable[[Rule], Rule]:
    """Enter functions that have none of the forms above."""

    def enter_all(rule: Rule) -> Rule:
        for function in functions:
            enter(function, rule, kind, singular)
        return rule

    return enter_all


def composed(*functions: Callable[..., Any], singular: str = "") -> Callable[[Rule], Rule]:
    """Enter functions as NumPy programs of functions that have rules."""
    return rule_for(*functions, kind="composed", singular=singular)
