"""Dual numbers: a primal and its k tangents, and how NumPy's calls find their JVP rule.

    f(x + eps t) = f(x) + eps f'(x) t,    eps^2 = 0

A `Dual` carries ``primal`` of any shape and ``tangent`` of shape ``(k, *primal.shape)``: k directional
derivatives that travel through the program together. Values that do not move are never wrapped, so
a zero tangent is the absence of a Dual.

Every transform takes a fresh, larger ``level``. An operation strips the highest level among its
arguments and calls itself on what is left, which may be Duals of lower levels: rules are ordinary
NumPy programs, and nesting needs no further code. Levels are numbers that only grow, shared by all
threads; nothing is opened, so nothing can be left open by an exception or seen by another thread.

NumPy hands a call over by two protocols: ``__array_ufunc__`` (np.sin, +) and ``__array_function__``
(np.sum, np.concatenate). Both look the function up in `RULES`, which the modules in rules/ fill.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeAlias

import numpy as np

from fwdad.errors import LostDerivativeError, NoRuleError

Array: TypeAlias = Any
"""A NumPy array or scalar, a Dual, or any other array that follows NumPy's protocols."""

Rule: TypeAlias = Callable[..., Any]

RULES: dict[Callable[..., Any], Rule] = {}
"""NumPy function -> rule. A rule has the function's signature and is called when an argument is a Dual."""

_fresh_levels = itertools.count(1)


def new_level() -> int:
    """A level above every level that exists."""
    return next(_fresh_levels)


class Dual:
    """A value and its k tangents, for one transform.

    ``tangent.shape == (k, *primal.shape)``; both are arrays of one floating dtype, or Duals of lower levels.
    Users meet Duals as the arguments of the functions they differentiate; `fwdad.jvp` makes them.

    >>> import numpy as np, fwdad
    >>> fwdad.jvp(lambda x: print(x), (np.array([1.0, 2.0]),), (np.array([[1.0, 0.0]]),))[0]
    Dual(primal=[1. 2.], tangent=[[1. 0.]])
    """

    __slots__ = ("level", "primal", "tangent")
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # == compares values, as for arrays

    def __init__(self, primal: Array, tangent: Array, level: int) -> None:
        self.primal = primal
        self.tangent = tangent
        self.level = level

    # What an array tells about itself is the primal's.
    shape: Any = property(lambda self: self.primal.shape)
    ndim: Any = property(lambda self: self.primal.ndim)
    size: Any = property(lambda self: self.primal.size)
    dtype: Any = property(lambda self: self.primal.dtype)

    @property
    def k(self) -> int:
        """The number of tangents."""
        return int(self.tangent.shape[0])

    def __len__(self) -> int:
        return len(self.primal)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return RULES[operator.getitem](self, index)

    def __bool__(self) -> bool:
        return bool(self.primal)

    def __repr__(self) -> str:
        return f"Dual(primal={self.primal}, tangent={self.tangent})"

    # NumPy's calls.
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            targets = kwargs.pop("out")
            if any(target is not None for target in targets):
                raise LostDerivativeError(
                    f"np.{ufunc.__name__} was asked to write a Dual's result into an existing array (out=, or an "
                    "in-place operator such as 'array += dual'), which would lose the derivative; "
                    "write 'array = array + dual' instead"
                )
        if method == "__call__":
            rule = RULES.get(ufunc)
            return rule(*inputs, **kwargs) if rule is not None else no_rule(ufunc)
        function = UFUNC_METHODS.get((ufunc, method))
        if function is None:
            no_rule(ufunc, f".{method}")
        kwargs.setdefault("axis", 0)
        return function(*inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        rule = RULES.get(function)
        return rule(*args, **kwargs) if rule is not None else no_rule(function)

    # Where the derivative would be lost.
    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        lost("np.asarray, np.array, or an assignment into a NumPy array")

    def __float__(self) -> NoReturn:
        lost("float(), or a function of the math module")

    def __int__(self) -> NoReturn:
        lost("int()")

    def __complex__(self) -> NoReturn:
        lost("complex(), or a function of the cmath module")

    def __index__(self) -> NoReturn:
        lost("use as an index")


def lost(operation: str) -> NoReturn:
    """Raise LostDerivativeError: the operation would make plain numbers of a Dual."""
    raise LostDerivativeError(
        f"{operation} would make plain numbers of a Dual and lose its derivative. Use NumPy functions on the Dual "
        "itself (np.sin for math.sin, np.stack or np.where for assignment); if the derivative is not wanted, say so "
        "with fwdad.stop_gradient"
    )


def no_rule(function: Callable[..., Any], method: str = "") -> NoReturn:
    """Raise NoRuleError: the function has no JVP rule."""
    module = "np" if isinstance(function, np.ufunc) else getattr(function, "__module__", "").replace("numpy", "np", 1)
    name = f"{module}.{getattr(function, '__name__', function)}{method}"
    raise NoRuleError(
        f"{name} has no JVP rule, so its derivative is unknown. Write it with functions that have one, or, "
        "if the derivative is not wanted, call it on fwdad.stop_gradient(x)"
    )


UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "reduce"): np.prod,
    (np.multiply, "accumulate"): np.cumprod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
}


def _operator(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """x op y and its reflection. They call the rule directly, which saves NumPy's detour."""

    def forward(self: Dual, other: Any) -> Any:
        return NotImplemented if type(other) is not Dual and _defers(other) else RULES[ufunc](self, other)

    def reflected(self: Dual, other: Any) -> Any:
        return NotImplemented if type(other) is not Dual and _defers(other) else RULES[ufunc](other, self)

    return forward, reflected


def _defers(other: Any) -> bool:
    """Whether another type declares, as NumPy's convention has it, that operators are its own business."""
    return getattr(other, "__array_ufunc__", False) is None


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
    "matmul": np.matmul, "mod": np.remainder, "floordiv": np.floor_divide, "divmod": np.divmod,
}.items():  # fmt: skip
    _forward, _reflected = _operator(_ufunc)
    setattr(Dual, f"__{_name}__", _forward)
    setattr(Dual, f"__r{_name}__", _reflected)

for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Dual, f"__{_name}__", _operator(_ufunc)[0])

for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute}.items():
    setattr(Dual, f"__{_name}__", functools.partialmethod(lambda self, ufunc: RULES[ufunc](self), _ufunc))


# How rules take Duals apart.
def highest_level(values: Iterable[Any]) -> int:
    """The highest level among values; 0 if none is a Dual."""
    return max((v.level for v in values if type(v) is Dual), default=0)


def split(value: Any, level: int) -> tuple[Any, Any]:
    """Primal and tangent of a value at a level; the tangent of what does not move there is None."""
    if type(value) is Dual and value.level == level:
        return value.primal, value.tangent
    return value, None


def plain(value: Any) -> Any:
    """The value without any tangent, at any level."""
    while type(value) is Dual:
        value = value.primal
    return value


def primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one operation: when an argument is a Dual, its entry in `RULES` is called instead.

    This is how functions that NumPy lacks (fwdad.functions) get rules as NumPy's own have them.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if any(type(arg) is Dual for arg in args) or (kwargs and any(type(arg) is Dual for arg in kwargs.values())):
            return RULES[call](*args, **kwargs)
        return function(*args, **kwargs)

    return call
