"""scipy.optimize: solvers see plain numbers only, and say so."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import scipy.optimize as optimize

from fwdad import tree
from fwdad.dual import Dual
from fwdad.errors import LostDerivativeError
from fwdad.rules.replacing import put

ROOTS = "bisect brenth brentq fixed_point fsolve newton ridder root root_scalar toms748"
MINIMA = (
    "basinhopping brute curve_fit differential_evolution direct dual_annealing fmin fmin_bfgs fmin_cg fmin_l_bfgs_b "
    "fmin_powell least_squares leastsq linprog lsq_linear milp minimize minimize_scalar nnls shgo"
)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refuse(name: str, instead: str) -> None:
    """Let a solver that meets a Dual, as an argument or from the function that it is given, say what to use instead."""
    original = getattr(optimize, name)
    message = (
        f"scipy.optimize.{name} computes with plain numbers, and would lose the derivative of a Dual. {instead} gives what "
        "it finds its derivatives: the solver runs on plain numbers, and what moves is an argument"
    )

    @functools.wraps(original)
    def call(*args: Any, **options: Any) -> Any:
        if any(isinstance(leaf, Dual) for leaf in tree.leaves((args, options))):
            raise LostDerivativeError(message)
        try:
            return original(*args, **options)
        except Exception as error:
            if any(isinstance(cause, LostDerivativeError) for cause in _causes(error)):
                raise LostDerivativeError(message) from error
            raise

    put(optimize, name, call)


for _names, _instead in ((ROOTS, "fwdad.custom_root"), (MINIMA, "fwdad.custom_minimum")):
    for _name in _names.split():
        if hasattr(optimize, _name):
            _refuse(_name, _instead)
