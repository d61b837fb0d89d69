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
from fwdad.dual import zeros as zeros
from fwdad.errors import LostDerivativeError
from fwdad.kernels import policy
from fwdad.rules.kinks import SQUARES, has_kink, jump, kink, with_square


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
    """Return the row that called this module or `replacing`, as ``module:line``: the calling module's outermost line."""
    frame: Any = sys._getframe()
    while frame.f_globals["__name__"] in (__name__, "fwdad.rules.replacing"):
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


def scaled(tangent: Array, factor: Array) -> Array:
    """Compute ``factor dx_i``, by the kernel where it is faster."""
    return kernels.scaled_tangents(factor, tangent) if policy.use_elementwise(tangent, factor) else tangent * factor


def scaled_sum(dx: Array, a: Array, dy: Array, b: Array) -> Array:
    """Compute ``a dx_i + b dy_i``, by the kernel where it is faster."""
    if (
        policy.use_elementwise(dx, a)
        and policy.use_elementwise(dy, b)
        and dx.dtype == dy.dtype
        and dx.shape == dy.shape
    ):
        return kernels.scaled_tangents(a, dx, b, dy)
    return dx * a + b * dy


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def strongly_scaled(tangent: Array, derivative: Callable[..., Any], *arguments: Any) -> Array:
    """Multiply tangent and derivative; a component that does not move stays zero even if the derivative is infinite.

    A tangent of zero that moves at a lower level keeps an infinite derivative there. NumPy's warnings are off: an infinite
    derivative is expected here. The primal still warns.
    """
    factor = derivative(*arguments)
    product = tangent * factor
    if surely_finite(factor):
        return product
    slope = plain(factor)
    return np.where(np.logical_and(np.equal(tangent, 0), ~np.isfinite(slope)), kink(tangent, slope), product)


def across_kink(dx: Array, factor: Array, x: Array) -> Array:
    """Compute ``factor dx_i`` for a factor that is constant but jumps where x = 0: there its own derivative is NaN."""
    product = scaled(dx, factor)
    return product + jump(dx, x) if has_kink(x) else product


def surely_finite(value: Array) -> bool:
    """Whether no entry is infinite or NaN; also False where squares overflow, which makes the caller slower, not wrong.

    This is one dot product. It takes a third of the time of np.all(np.isfinite(value)) for small arrays, and no memory.
    """
    value = plain(value)
    if isinstance(value, np.ndarray):
        value = value if value.ndim == 1 else value.ravel()
        return cmath.isfinite(value.dot(value))
    if kernels.is_device_array(value):
        value = value.ravel()
        return kernels.assume(np.isfinite(value.dot(value)))
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


def unary(
    function: Callable[..., Any],
    derivative: Partial,
    singular: str = "",
    activation: str = "",
    square: Callable[..., Any] | None = None,
) -> None:
    """Enter y = f(x); `derivative(x, y)` may use the answer, so that nothing is computed twice.

    `activation` is f's name among the kernels' activations. The kernel computes y and all dy_i of large float32 arrays in
    one pass, to a few units in the last place. `square(x)` is y^2, if y is a root: see `with_square`.
    """
    if isinstance(derivative, OneOver):
        _enter_elementwise(function, _divided(function, derivative.divisor), singular, square)
        return
    term = _unary_term(derivative, STRONG in singular)

    def rule(x: Dual, **options: Any) -> Any:
        if options:
            checked(function, options)
        primal = x.primal
        if activation and primal.dtype == np.float32 and policy.use_elementwise(x.tangent, primal):
            return Dual(*kernels.activation_jvp(primal, x.tangent, activation), x.level)
        answer = function(primal)
        dual = Dual(answer, term(x.tangent, primal, answer), x.level)
        # a first derivative at the kink is what the row says; only higher ones need the square
        return dual if square is None or type(answer) is np.ndarray else with_square(function, (x,), dual)

    _enter_elementwise(function, rule, singular, square)


def _enter_elementwise(
    function: Callable[..., Any], rule: Rule, singular: str, square: Callable[..., Any] | None = None
) -> None:
    enter(function, rule, "differentiable", singular)
    ELEMENTWISE.add(function)
    if square is not None:
        SQUARES[function] = square


def _unary_term(derivative: Any, strong_zero: bool) -> Callable[[Array, Array, Array], Array]:
    """Return ``(dx, x, y) -> f'(x) dx``, chosen once and not at each call."""
    if isinstance(derivative, int):
        return (lambda dx, x, y: dx) if derivative == 1 else (lambda dx, x, y: -dx)
    if isinstance(derivative, Tangent):
        return derivative.tangent
    if strong_zero:
        return lambda dx, x, y: strongly_scaled(dx, derivative, x, y)
    return lambda dx, x, y: scaled(dx, derivative(x, y))


def _divided(function: Callable[..., Any], divisor: Callable[..., Any]) -> Rule:
    """Make the rule ``dy_i = dx_i / divisor(x, y)``, with a strong zero where the divisor is 0 or NaN."""

    def rule(x: Dual, **options: Any) -> Any:
        if options:
            checked(function, options)
        answer = function(x.primal)
        d = divisor(x.primal, answer)
        if np.count_nonzero(d) == d.size and surely_finite(d):
            return Dual(answer, x.tangent / d, x.level)
        dual = Dual(answer, strongly_scaled(x.tangent, lambda d: 1 / d, d), x.level)
        return with_square(function, (x,), dual)

    return rule


def binary(
    function: Callable[..., Any],
    by_x: Partial,
    by_y: Partial,
    singular: str = "",
    shortcut: Shortcut | None = None,
    square: Callable[..., Any] | None = None,
    same: Callable[..., Any] | None = None,
) -> None:
    """Enter z = f(x, y); each partial is a function of (x, y, z).

    `shortcut(x, y, z, dx, dy)` may return dz from a cheaper expression where that is the same, and None elsewhere;
    dx or dy is None where its argument does not move. `square(x, y)` is z^2, if z is a root: see `with_square`. `same` is
    the function f(x, x).
    """
    rule = binary_rule(function, by_x, by_y, STRONG in singular, shortcut, same)
    if square is not None:
        rule = _root(function, rule)
    _enter_elementwise(function, rule, singular, square)


def _root(function: Callable[..., Any], rule: Rule) -> Rule:
    def root(x: Array, y: Array, **options: Any) -> Any:
        return with_square(function, (x, y), rule(x, y, **options))

    return root


def binary_rule(
    function: Callable[..., Any],
    by_x: Partial,
    by_y: Partial,
    strong_zero: bool,
    shortcut: Shortcut | None = None,
    same: Callable[..., Any] | None = None,
) -> Rule:
    """Make the rule that `binary` enters."""
    x_term, y_term = _binary_term(by_x, strong_zero), _binary_term(by_y, strong_zero)
    values_matter = shortcut is not None or not isinstance(by_x, int) or not isinstance(by_y, int)

    def rule(x: Array, y: Array, **options: Any) -> Any:
        if options:
            checked(function, options)
        if x is y and same is not None:
            return RULES[same](x)
        # `highest_level` and `split`, written out: no other rule is called so often.
        px, py, tx, ty = x, y, None, None
        if type(x) is Dual and (type(y) is not Dual or x.level >= y.level):
            level, px, tx = x.level, x.primal, x.tangent
            if type(y) is Dual and y.level == level:
                py, ty = y.primal, y.tangent
        else:
            level, py, ty = y.level, y.primal, y.tangent
        answer = function(px, py)
        shape, dtype = answer.shape, answer.dtype
        behind_k = len(shape)
        # A partial is computed in the answer's dtype: -x of an unsigned x, log(x) of an int8 would be something else.
        if tx is None:
            if values_matter and type(px) is not float and (type(px) is not np.ndarray or px.dtype is not dtype):
                px = of_dtype(px, dtype)
        elif tx.ndim <= behind_k:
            tx = align(tx, behind_k)
        if ty is None:
            if values_matter and type(py) is not float and (type(py) is not np.ndarray or py.dtype is not dtype):
                py = of_dtype(py, dtype)
        elif ty.ndim <= behind_k:
            ty = align(ty, behind_k)
        total = shortcut(px, py, answer, tx, ty) if shortcut is not None else None
        if total is None:
            if tx is None:
                total = y_term(ty, px, py, answer)
            else:
                total = x_term(tx, px, py, answer)
                if ty is not None:
                    total = total + y_term(ty, px, py, answer)
        # float32 duals with a float64 constant, where the partial is 1
        if total.dtype is not dtype and total.dtype != dtype:
            total = total.astype(dtype)
        return Dual(answer, total if total.shape[1:] == shape else broadcast_tangent(total, shape), level)

    return rule


def of_dtype(value: Array, dtype: Any) -> Array:
    """Return a value in a dtype; no copy where it has it. Python's numbers stay, for they follow what they meet."""
    if type(value) is np.ndarray and value.dtype is dtype:  # to save time
        return value
    if type(value) in (int, float, complex):
        return value
    if not hasattr(value, "dtype"):
        return np.asarray(value, dtype)
    return value if value.dtype == dtype else value.astype(dtype)


def of_one_dtype(*values: Array, least: Any = np.float16) -> list[Array]:
    """Return values in their common floating dtype, at least `least`, so that a rule computes with no narrower one.

    None stays None.
    """
    given = [np.asarray(v) if isinstance(v, (list, tuple)) else v for v in values]
    dtype = np.result_type(least, *(plain(v) for v in given if v is not None))
    return [None if v is None else of_dtype(v, dtype) for v in given]


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
        try:
            names = [] if isinstance(function, np.ufunc) else list(inspect.signature(function).parameters)
        except ValueError:  # before NumPy 2.4, a function in C; none of those takes out
            names = []
        out = names.index("out") if "out" in names else None

        def rule(*args: Any, **kwargs: Any) -> Any:
            if out is not None:  # a Dual's array would be written into
                target = args[out] if len(args) > out else kwargs.get("out")
                reject_duals(function, (), {"out": target if isinstance(target, Dual) else None})
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


AXIS = {"axis"}
ALL, FLAT, REQUIRED = "all", "flat", "required"
"""What ``axis=None`` means to a function: every axis; the flattened array; not allowed."""


def linear(
    function: Callable[..., Any],
    axis: int | None = None,
    default: Any = ALL,
    names: tuple[str, ...] = ("axis",),
    offsets: tuple[str, ...] = (),
    ufunc: np.ufunc | None = None,
) -> None:
    """Enter y = L x for functions whose axes are arguments; the tangent is the same call with axes counted from the back.

    `axis` is the position of the first axis argument (None: the function has none), `names` are the names of these
    arguments, and `default` is their default value if that is an integer, or what None stands for. `offsets` are options
    that add a constant to the answer, and so nothing to the tangent. `ufunc` is the one that the function reduces by; called
    directly it takes half the time for small arrays.
    """

    def rule(x: Dual, /, *args: Any, **kwargs: Any) -> Any:
        tangent = x.tangent
        if ufunc is not None and type(x.primal) is type(tangent) is np.ndarray and not args and kwargs.keys() <= AXIS:
            axes, ndim = kwargs.get("axis"), x.primal.ndim
            if axes is None or ndim:
                behind_k = tuple(range(-ndim, 0)) if axes is None else from_back(axes, ndim)
                return Dual(ufunc.reduce(x.primal, axes), ufunc.reduce(tangent, behind_k), x.level)
        reject_duals(function, args, kwargs)
        answer = function(x.primal, *args, **kwargs)
        if not moves(answer):  # dtype=int
            return answer
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
        answer = function(x.primal, *args, **kwargs)
        return Dual(answer, x.tangent.reshape(x.tangent.shape[:1] + answer.shape), x.level)

    enter(function, rule, "linear")


def reject_duals(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise where a Dual stands for an argument that has no derivative (an index, a shape, out=)."""
    if kwargs.get("out") is not None:
        raise LostDerivativeError(
            f"np.{function.__name__}: out= is not possible with a Dual, its derivative would be lost"
        )
    for i, value in enumerate(args, start=2):
        if isinstance(value, Dual):
            _reject(function, f"argument {i}")
    for name, value in kwargs.items():
        if isinstance(value, Dual):
            _reject(function, f"{name}=")


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
        if ty is None:
            return Dual(answer, under_k(tx, of_dtype(py, answer.dtype), 0), level)
        if tx is None:
            return Dual(answer, under_k(of_dtype(px, answer.dtype), ty, 1), level)
        return Dual(answer, under_k(tx, py, 0) + under_k(px, ty, 1), level)

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
