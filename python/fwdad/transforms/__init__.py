"""Transforms: functions of functions that return derivatives, over pytrees.

forward      jvp, directional_derivative, derivative, stop_gradient
jacobian     jacfwd, hessian, hvp: all columns, at once or in chunks
arguments    which arguments move
"""

from fwdad.transforms.forward import (
    derivative,
    directional_derivative,
    jvp,
    stop_gradient,
    value_and_derivative,
)
from fwdad.transforms.jacobian import hessian, hvp, jacfwd, value_and_hessian, value_and_jacfwd

__all__ = [
    "derivative", "directional_derivative", "hessian", "hvp", "jacfwd", "jvp", "stop_gradient", "value_and_derivative",
    "value_and_hessian", "value_and_jacfwd",
]  # fmt: skip
