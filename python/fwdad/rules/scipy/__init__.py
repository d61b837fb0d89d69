"""SciPy's functions: how they hear of Duals, and their rules, one table a module of SciPy.

SciPy's ufuncs hand their calls to a Dual as NumPy's do. Its other functions make plain arrays of their arguments first,
so a function that has a rule is replaced in its module: `scipy.linalg.solve` becomes a function that looks for Duals
among its arguments, and is SciPy's own where there are none. This happens when the program imports the module of SciPy,
or when it imports this library if that is later; a program without SciPy reads nothing but this file. A function without
a rule stays as it is, and its error names it: see `fwdad.dual.lost_in_scipy`.

special       erf, gammaln, jv, logsumexp, ...; slopes: derivatives of them by series
stats         log-densities and distribution functions of the common families
linalg        solve, cho_solve, expm, sqrtm, lu, solve_sylvester, ...
signal        convolutions and filters
fft           Fourier, cosine and sine transforms
interpolate   splines, by the point and by their coefficients or data
integrate     solve_ivp and odeint by the same steps; sums over samples
optimize      what to use instead of a solver that meets a Dual
sparse        products of sparse matrices with moving arrays; spsolve
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from fwdad.dual import Rule, primitive
from fwdad.rules.forms import ALL, enter, linear

TABLES = {
    "scipy.fft": "fft",
    "scipy.integrate": "integrate",
    "scipy.interpolate": "interpolate",
    "scipy.linalg": "linalg",
    "scipy.optimize": "optimize",
    "scipy.special": "special",
    "scipy.stats": "stats",
    "scipy.signal": "signal",
    "scipy.sparse": "sparse",
    "scipy.sparse.linalg": "sparse_linalg",
}
"""Module of SciPy -> the module of this package that has its rules."""


def replaces(module: Any, name: str, kind: str = "composed", singular: str = "") -> Callable[[Rule], Rule]:
    """Enter a rule for a function of a module of SciPy, or a method of a class, and put it in its place.

    Where this SciPy lacks it, nothing is done.
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


def linear_in(module: Any, names: str, axis: int | None = None, default: Any = ALL, axes: str = "axis") -> None:
    """Enter functions of a module that are linear in their first argument: see `fwdad.rules.forms.linear`."""
    for name in names.split():
        if hasattr(module, name):
            linear(put(module, name, primitive(getattr(module, name))), axis, default, (axes,))


class _Watch:
    """Reads the table of a module of SciPy as soon as the program has imported the module."""

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
    importlib.import_module(f"{__name__}.{TABLES[module]}")


def watch() -> None:
    """Read the tables of what the program has imported, and those of what it will import; called once."""
    for module in TABLES:
        if module in sys.modules:
            _read(module)
    sys.meta_path.insert(0, _Watch())
