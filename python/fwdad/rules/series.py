"""The package numpy.polynomial: its functions and classes, by running NumPy's own programs again.

They are short NumPy programs that make new arrays and write into them. As a rule, a function's own code runs with another
`np`, whose new arrays are made like what moves, so that Duals can be written into them. What it calls in its own package
are functions that are replaced as well. The classes (`Polynomial`, `Chebyshev`, ...) hold some of the functions as static
methods; these are put in anew.

These programs drop a last coefficient that is zero. One that is zero and moves stays here: it is none at other points.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial, polyutils
from numpy.polynomial._polybase import ABCPolyBase

from fwdad.dual import Array, Dual, Rule, duals_in, plain, primitive
from fwdad.errors import LostDerivativeError
from fwdad.rules.creation import holds_duals, joined
from fwdad.rules.forms import rule_for
from fwdad.rules.kinks import is_zero
from fwdad.rules.replacing import put, replaces


class Like:
    """NumPy, but its new arrays are like a Dual; what may be the argument itself, as asarray, stays as it is."""

    ndarray = (np.ndarray, Dual)  # for isinstance

    def __init__(self, like: Dual) -> None:
        self.like = like
        self.empty, self.zeros, self.ones, self.full = (
            functools.partial(make, like=like) for make in (np.empty, np.zeros, np.ones, np.full)
        )
        self.asarray = self.asanyarray = joined

    def array(self, a: Any, dtype: Any = None, *, copy: bool | None = True, ndmin: int = 0) -> Array:
        """Make an array; one that may share memory with its argument is not written into, and stays plain."""
        if copy is None and not holds_duals(a):
            return np.array(a, dtype, copy=None, ndmin=ndmin)
        make: Any = np.array
        return make(a, dtype, ndmin=ndmin, like=self.like)

    def __getattr__(self, name: str) -> Any:
        """Return NumPy's own."""
        return getattr(np, name)


def again(function: Any) -> Rule:
    """Make the rule that runs a function's own code, with arrays like the highest Dual among the arguments."""
    own = getattr(function, "_implementation", function)

    def rule(*args: Any, **kwargs: Any) -> Any:
        like = max(duals_in((*args, *kwargs.values())), key=lambda dual: dual.level)
        names = {**own.__globals__, "np": Like(like), "complex": lambda real, imag: real + 1j * imag}
        program = FunctionType(own.__code__, names, own.__name__, own.__defaults__, own.__closure__)
        program.__kwdefaults__ = own.__kwdefaults__
        return program(*args, **kwargs)

    return rule


def negligible(change: np.ndarray, beside: np.ndarray) -> bool:
    """Whether a coefficient's change is no more than the rounding of the others'."""
    return bool(np.all(np.abs(change) <= 1e3 * np.finfo(beside.dtype).eps * np.max(np.abs(beside), initial=0)))


@primitive
def without(c: Array, dropped: Array) -> Array:
    """Return c. What was dropped from its end must be zeros that do not move, else LostDerivativeError is raised."""
    if not negligible(dropped, c):
        raise LostDerivativeError(
            "numpy.polynomial dropped a last coefficient that is 0 at this point, and it moves in this direction; use "
            "fwdad.jvp, which keeps it"
        )
    return c


@rule_for(without, kind="linear")
def _without(c: Dual, dropped: Dual) -> Dual:
    return Dual(without(c.primal, dropped.primal), without(c.tangent, dropped.tangent), c.level)


def rests(c: Dual, n: int) -> bool | None:
    """Whether coefficient n does not move; None where the direction is not known yet, as in linearize."""
    if type(c) is Dual and type(c.primal) is type(c.tangent) is np.ndarray:
        return negligible(c.tangent[:, n], c.tangent)
    zero = is_zero(c[n])
    return None if isinstance(zero, Dual) else bool(zero)


def trimmed(c: Dual) -> Array:
    """Return c without the coefficients at its end that are zero at other points, too.

    Where the direction is not known yet, they are dropped, and `without` looks at it when it is. The polynomial 0 stays as
    it is.
    """
    values = plain(c)
    stop = int(np.max(np.nonzero(values)[0], initial=-1)) + 1
    n = len(c)
    while n > max(stop, 1) and (known := rests(c, n - 1)):
        n -= 1
    if n > max(stop, 1) and known is None and stop:
        return without(c[:stop], c[stop:])
    return c[:n]


def trimseq(function: Any) -> Rule:
    """Make the rule that keeps a last coefficient that moves."""
    return lambda seq: trimmed(seq) if isinstance(seq, Dual) else function(seq)


def trimcoef(function: Any) -> Rule:
    """Make the rule that keeps a last coefficient that moves, unless the program says what is small."""
    run = again(function)
    return lambda c, tol=0: run(c, tol) if tol else np.copy(polyutils.as_series([c])[0])


def times_x(function: Any) -> Rule:
    """Make the rule of ``x p(x)``; NumPy's program takes a single coefficient that is 0 for the polynomial 0."""
    run = again(function)

    def rule(c: Any) -> Array:
        [c] = polyutils.as_series([c])
        return function(np.ones(1)) * c[0] if len(c) == 1 else run(c)

    return rule


def integral(function: Any) -> Rule:
    """Make the rule of the integral, where the polynomial is not a single 0 that moves."""
    run = again(function)

    def rule(c: Any, m: int = 1, k: Any = (), *args: Any, **kwargs: Any) -> Array:
        if not np.any(plain(joined(c))):
            for value in (c, *(k if np.iterable(k) else [k])):
                refuse_zero(function, value)
        return run(c, m, k, *args, **kwargs)

    return rule


def line(function: Any) -> Rule:
    """Make the rule of ``off + scl x``, where scl is not a 0 that moves."""
    run = again(function)

    def rule(off: Any, scl: Any) -> Array:
        refuse_zero(function, scl)
        return run(off, scl)

    return rule


def refuse_zero(function: Callable[..., Any], value: Any) -> None:
    """Raise LostDerivativeError for a coefficient that is 0 and moves."""
    if isinstance(value, Dual) and not np.any(plain(value)) and not np.all(is_zero(value)):
        raise LostDerivativeError(
            f"{function.__module__}.{function.__name__}: a coefficient is 0 and moves, and NumPy's program leaves it out; "
            "start from another value, or write the formula with np.polynomial's values instead"
        )


SPECIAL = {"trimseq": trimseq, "trimcoef": trimcoef, "mulx": times_x, "int": integral, "line": line}
"""How a public name ends -> the rule of such functions; all others run again as they are."""

PLAIN = ("gauss", "_dispatcher", "_as_int", "format_float", "set_default_printstyle", "_nth_slice")
"""How the names of functions end that make or take no array of the program's."""


MODULES = (polyutils, polynomial, chebyshev, legendre, hermite, hermite_e, laguerre)
REPLACED: dict[Any, Any] = {}
"""NumPy's function -> what stands in its place."""


def enter_all(module: Any) -> None:
    """Replace the functions of a module, also those that it takes from another of the package under its own name."""
    for name, function in list(vars(module).items()):
        own = getattr(function, "_implementation", function)
        if isinstance(own, FunctionType) and own.__module__ == module.__name__ and not name.endswith(PLAIN):
            special = (make for ending, make in SPECIAL.items() if name.endswith(ending) and name[0] != "_")
            replaces(module, name)(next(special, again)(function))
            REPLACED[function] = getattr(module, name)
        elif isinstance(function, FunctionType) and function in REPLACED:
            setattr(module, name, REPLACED[function])


for _module in MODULES:
    enter_all(_module)

for _kind in ABCPolyBase.__subclasses__():
    for _name, _static in list(vars(_kind).items()):
        if isinstance(_static, staticmethod) and _static.__func__ in REPLACED:
            setattr(_kind, _name, staticmethod(REPLACED[_static.__func__]))


def _divided(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def divided(self: Any, other: Any) -> Any:
        return self // other if isinstance(other, Dual) and other.ndim == 0 else original(self, other)

    return divided


def _shown(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def shown(self: Any) -> str:
        parts = {name: getattr(self, name) for name in ("coef", "domain", "window")}
        if not any(isinstance(part, Dual) for part in parts.values()):
            return str(original(self))
        return f"{type(self).__name__}({', '.join(f'{name}={part!r}' for name, part in parts.items())})"

    return shown


put(ABCPolyBase, "__truediv__", _divided(ABCPolyBase.__truediv__))  # NumPy's takes a `numbers.Number`
put(ABCPolyBase, "__repr__", _shown(ABCPolyBase.__repr__))  # NumPy's cuts "array(" off
