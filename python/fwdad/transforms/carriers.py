"""Values that transforms other than jvp send through a program in place of Duals, or in place of their tangents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from fwdad import tree
from fwdad.dual import INPLACE, RULES, UFUNC_METHODS, Array, Dual, lost, no_rule, optional_rule
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

    def is_zero(self) -> Array:
        """Where all that is carried is zero."""
        return np.equal(self, 0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Dispatch a ufunc, or the function that its method stands for."""
        if kwargs.get("out") is not None:
            lost(f"np.{ufunc.__name__} with out=, under a transform that cannot write in place,")
        if method == "__call__":
            return dispatch(ufunc, inputs, kwargs)
        function = UFUNC_METHODS.get((ufunc, method))
        if function is None or method == "at":
            no_rule(ufunc, f".{method}")
        return dispatch(function, inputs, {"axis": 0, **kwargs})

    def __array_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Dispatch any other NumPy function."""
        attribute = ATTRIBUTES.get(function)
        return dispatch(function, args, kwargs) if attribute is None else attribute(*args)

    def __getitem__(self, index: Any) -> Any:
        """Dispatch indexing."""
        return dispatch(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        """Refuse to write."""
        lost("x[i] = v under this transform, which cannot write in place,")


ATTRIBUTES: dict[Callable[..., Any], Callable[..., Any]] = {
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.size: lambda x: x.size,
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
}
"""Functions that return an array's attributes, which no transform changes."""

LINEAR_ROWS = {np.add, np.subtract, np.negative, np.positive}
"""Elementwise functions that are linear in all their arguments together."""


def dispatch(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the argument of the highest level decide: by a Dual's rule, or by a carrier's `operate`."""
    top = max((leaf for leaf in tree.leaves((args, kwargs)) if isinstance(leaf, Dual)), key=lambda dual: dual.level)
    if isinstance(top, Carrier):
        return with_square(function, args, top.operate(function, args, kwargs))
    return rule_of(function)(*args, **kwargs)


def rule_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function's rule for Duals.

    Raises NoRuleError where there is none.
    """
    return RULES.get(function) or optional_rule(function) or no_rule(function)


def replaced(args: Any, carrier: type[Carrier], level: int, by: Callable[[Any], Array]) -> Any:
    """Replace the carriers of a level in a tree of arguments."""
    return tree.map(lambda leaf: by(leaf) if type(leaf) is carrier and leaf.level == level else leaf, args)


def _operators() -> None:
    """Give `Carrier` its operators."""
    for name, ufunc in {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
        "matmul": np.matmul, "mod": np.remainder, "floordiv": np.floor_divide, "divmod": np.divmod,
        "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal,
        "ne": np.not_equal,
    }.items():  # fmt: skip
        setattr(Carrier, f"__{name}__", lambda self, other, f=ufunc: dispatch(f, (self, other), {}))
        setattr(Carrier, f"__r{name}__", lambda self, other, f=ufunc: dispatch(f, (other, self), {}))
    for name, ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute}.items():
        setattr(Carrier, f"__{name}__", lambda self, f=ufunc: dispatch(f, (self,), {}))
    # x += v makes a new value; other names keep the old one.
    for name in INPLACE:
        setattr(Carrier, f"__i{name}__", getattr(Carrier, f"__{name}__"))


_operators()
