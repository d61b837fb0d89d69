"""Constant linear operators: functions of any library that are linear, as one operation with a rule."""

from __future__ import annotations

from collections.abc import Callable

from fwdad.dual import Array, Dual, primitive
from fwdad.rules.forms import rule_for


@primitive
def apply_operator(operator: Callable[[Array], Array], x: Array) -> Array:
    """Return ``operator(x)``; the operator is linear and takes plain arrays with any axes in front of its own."""
    return operator(x)


@rule_for(apply_operator, kind="linear")
def _apply_operator(operator: Callable[[Array], Array], x: Dual) -> Dual:
    return Dual(apply_operator(operator, x.primal), apply_operator(operator, x.tangent), x.level)
