"""Values that transforms other than jvp send through a program in place of Duals, or in place of their tangents."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import (
    LIKE,
    RULES,
    Array,
    Dual,
    check_arguments,
    defers,
    memory,
    name_of,
    no_rule,
    written_out,
)
from fwdad.errors import LostDerivativeError
from fwdad.rules.assignment import VIEWS, remember_view
from fwdad.rules.forms import ENTRIES
from fwdad.rules.kinks import with_square


class Carrier(Dual):
    """A value that answers NumPy's calls by `operate`, in its own transform's way.

    It is a subclass of Dual, so Python and NumPy ask it before the Duals of outer transforms that it meets. Its type is
    not `Dual` itself, so the rules treat it as an array.
    """

    __slots__ = ()

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute the function's answer; self has the highest level among the arguments."""
        raise NotImplementedError

    def halves(self) -> tuple[Any, Any]:
        """Return what stands for primal and tangent, as trees of arrays, for `debug_nans`; empty if not known."""
        return (), ()

    @property
    def memory(self) -> Any:
        """The array that holds the value itself, for `fwdad.dual.memory`."""
        return memory(self.primal)

    def is_zero(self) -> Array:
        """Where all that is carried is zero."""
        return np.equal(self, 0)

    def astype(self, dtype: Any, *, copy: bool = True, **options: Any) -> Any:
        """Dispatch the cast, unless there is nothing to cast."""
        return self if not copy and self.dtype == dtype else dispatch(np.astype, (self, dtype), {})

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Dispatch a ufunc; what writes or reduces does as for a Dual."""
        if method != "__call__" or "out" in kwargs:
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        check_arguments(ufunc, inputs, kwargs)
        return dispatch(ufunc, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: tuple[type, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Dispatch any other NumPy function, or a `primitive`, for which `types` is empty."""
        if types:
            check_arguments(function, args, kwargs)
        if function in LIKE:
            return self.like(function, args, kwargs)
        if kwargs and kwargs.get("out") is not None:
            return written_out(function, args, kwargs)
        method = METHODS.get(function)
        return dispatch(function, args, kwargs) if method is None else method(*args, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        """Dispatch indexing."""
        return dispatch(operator.getitem, (self, index), {})


METHODS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a: a.size,
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
    np.astype: lambda x, dtype, **options: x.astype(dtype, **options),
}
"""What carriers answer by themselves: attributes, which no transform changes, and what may return its argument."""

LINEAR_ROWS = {np.add, np.subtract, np.negative, np.positive}
"""Elementwise functions that are linear in all their arguments together."""


def dispatch(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the argument of the highest level decide: by a Dual's rule, or by a carrier's `operate`."""
    duals = (leaf for leaf in leaves_of(args, kwargs) if isinstance(leaf, Dual))
    top = max(duals, key=lambda dual: dual.level)
    if not isinstance(top, Carrier) or kind_of_rule(function) == "write":
        return rule_of(function)(*args, **kwargs)
    answer = with_square(function, args, top.operate(function, args, kwargs))
    if function in VIEWS and isinstance(answer, Dual):
        remember_view(answer, function, lambda *a, **k: top.operate(function, a, k), args, kwargs)
    return answer


def rule_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function's rule for Duals: its own, as a `custom_jvp` has it, or that of the tables.

    Raises NoRuleError where there is none.
    """
    return RULES.get(function) or getattr(function, "rule", None) or no_rule(function)


def kind_of_rule(function: Callable[..., Any]) -> str:
    """Return the kind of the function's rule."""
    return ENTRIES[function].kind if function in ENTRIES else "differentiable"


def check_captured(function: Callable[..., Any], answer: Any, level: int) -> None:
    """Raise LostDerivativeError if a `custom_jvp` returned a value of the level at which its arguments move, or above.

    Then its function or its rule uses a moving value that is no argument.
    """
    if any(isinstance(leaf, Dual) and leaf.level >= level for leaf in tree.leaves(answer)):
        raise LostDerivativeError(
            f"{name_of(function)} uses a moving value that is not one of its arguments, and this transform would lose "
            "its derivative; pass the value as an argument"
        )


CONTAINERS = {list, tuple, dict}


def leaves_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """List the leaves of a function's arguments; most functions are called with arrays alone."""
    return tree.leaves((args, kwargs)) if kwargs or not CONTAINERS.isdisjoint(map(type, args)) else args


def replaced(
    args: tuple[tuple[Any, ...], dict[str, Any]], carrier: type[Carrier], level: int, by: Callable[[Any], Array]
) -> Any:
    """Replace the carriers of a level in a function's arguments, a pair ``(args, kwargs)``."""

    def one(leaf: Any) -> Any:
        return by(leaf) if type(leaf) is carrier and leaf.level == level else leaf

    return (tuple(map(one, args[0])), {}) if leaves_of(*args) is args[0] else tree.map(one, args)


def _operators() -> None:
    """Give `Carrier` its operators."""
    for name, ufunc in {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
        "matmul": np.matmul, "mod": np.remainder, "floordiv": np.floor_divide, "divmod": np.divmod,
        "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
        "ne": np.not_equal,
    }.items():  # fmt: skip
        setattr(Carrier, f"__{name}__", lambda x, y, f=ufunc: NotImplemented if defers(y) else f(x, y))
        setattr(Carrier, f"__r{name}__", lambda x, y, f=ufunc: NotImplemented if defers(y) else f(y, x))
    for name, ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute}.items():
        setattr(Carrier, f"__{name}__", lambda self, f=ufunc: dispatch(f, (self,), {}))


_operators()
