"""Functions that make plain arrays of their arguments first: how they hear of Duals.

NumPy's own functions and all ufuncs hand their calls to a Dual. Others, SciPy's and those of `numpy.polynomial`, do not,
so a function that has a rule is replaced in its module: `scipy.linalg.solve` becomes a function that looks for Duals
among its arguments, and is SciPy's own where there are none. This happens when the program imports the module, or when
it imports this library if that is later; a program that imports neither reads nothing but this file.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from fwdad.dual import Rule, primitive
from fwdad.rules.forms import ALL, enter, linear

TABLES = {
    "numpy.polynomial": "series",
    "scipy.fft": "scipy.fft",
    "scipy.integrate": "scipy.integrate",
    "scipy.interpolate": "scipy.interpolate",
    "scipy.linalg": "scipy.linalg",
    "scipy.optimize": "scipy.optimize",
    "scipy.special": "scipy.special",
    "scipy.stats": "scipy.stats",
    "scipy.signal": "scipy.signal",
    "scipy.sparse": "scipy.sparse",
    "scipy.sparse.linalg": "scipy.sparse_linalg",
}
"""Module -> the module of `fwdad.rules` that has its rules."""


def replaces(module: Any, name: str, kind: str = "composed", singular: str = "") -> Callable[[Rule], Rule]:
    """Enter a rule for a function of a module, or a method of a class, and put it in its place.

    Where the installed version lacks it, nothing is done.
    """

    def enter_rule(rule: Rule) -> Rule:
        if hasattr(module, name):
            enter(put(module, name, primitive(getattr(module, name))), rule, kind, singular)
        return rule

    return enter_rule


def put(module: Any, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Put a function in the place of one that it wraps, and return it."""
    if isinstance(module, ModuleType):
        call.__module__ = module.__name__  # where pickle finds it
    setattr(module, name, call)
    return call


class Wide:
    """A function of NumPy's that looks for Duals in all its arguments, where NumPy looks in some.

    It equals NumPy's own, so that it is found in tables of functions: ours, and those of other libraries.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function, self.call = function, primitive(function, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, or its rule."""
        return self.call(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        """Whether the other is the same function of NumPy's."""
        return self.function is (other.function if isinstance(other, Wide) else other)

    def __hash__(self) -> int:
        """Return the function's own."""
        return hash(self.function)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the function."""
        return getattr(self.__dict__["function"], name)

    def __repr__(self) -> str:
        """Show NumPy's own."""
        return repr(self.function)

    def __reduce__(self) -> str:
        """Pickle the name."""
        return self.function.__name__


def linear_in(module: Any, names: str, axis: int | None = None, default: Any = ALL, axes: str = "axis") -> None:
    """Enter functions of a module that are linear in their first argument: see `fwdad.rules.forms.linear`."""
    for name in names.split():
        if hasattr(module, name):
            linear(put(module, name, primitive(getattr(module, name))), axis, default, (axes,))


class _Watch:
    """Reads the table of a module as soon as the program has imported the module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module as the other finders do, and let its loader read the table."""
        if fullname not in TABLES:
            return None
        others = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in others if spec is not None), None)
        if spec is not None and spec.loader is not None:
            run: Callable[[Any], None] = spec.loader.exec_module

            def run_and_read(module: Any) -> None:
                run(module)
                _read(fullname)

            setattr(spec.loader, "exec_module", run_and_read)  # noqa: B010  mypy knows it as a method
        return spec


def _read(module: str) -> None:
    importlib.import_module(f"fwdad.rules.{TABLES[module]}")


def watch() -> None:
    """Read the tables of what the program has imported, and those of what it will import; called once."""
    for module in TABLES:
        if module in sys.modules:
            _read(module)
    sys.meta_path.insert(0, _Watch())
