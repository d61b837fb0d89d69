"""Transforms: functions of functions that return derivatives, over pytrees.

forward      jvp, directional_derivative, derivative, stop_gradient
jacobian     jacfwd, hessian, hvp: all columns, at once or in chunks
custom       custom_jvp: a user's own rule; linear: a function that is its own
implicit     custom_root, custom_minimum: what a solver finds
linearize    linearize: the derivative at a point as a program of its own
series       arithmetic of power series
taylor       jet: derivatives of any order, by power series
nested       derivatives along a curve by nested jvp
laplacian    laplacian: the Hessian's trace in one pass
pattern      jacobian_pattern: where a Jacobian has entries
terms        from a sum the vector of its summands
sparse       sparse_jacfwd, sparse_hessian, colouring: few entries, few directions
repeated     what jvp does where eigenvalues or singular values repeat, by series in delta
watch        which operations the user's program calls
debug        debug_nans: the operation that makes the first NaN
trace        trace: a table of a computation; recorder: what it keeps of each operation; table: and how it is printed
counting     counting: multiply-adds, bytes and random numbers of a block
written      what a rule does with its values, as mathematics; work: and how much it computes
carriers     values that linearize, taylor, laplacian and sparse send through a program in place of Duals or tangents
arguments    which arguments move
"""

from fwdad.transforms.custom import custom_jvp, linear
from fwdad.transforms.debug import debug_nans
from fwdad.transforms.forward import (
    derivative,
    directional_derivative,
    jvp,
    stop_gradient,
    value_and_derivative,
)
from fwdad.transforms.implicit import custom_minimum, custom_root
from fwdad.transforms.jacobian import hessian, hvp, jacfwd, value_and_hessian, value_and_jacfwd
from fwdad.transforms.laplacian import laplacian, laplacian_estimate, value_and_laplacian
from fwdad.transforms.linearize import LinearMap, linearize
from fwdad.transforms.pattern import Pattern, jacobian_pattern
from fwdad.transforms.sparse import Colouring, SparseJacobian, colouring, sparse_hessian, sparse_jacfwd
from fwdad.transforms.taylor import jet

__all__ = [
    "Colouring", "LinearMap", "Pattern", "SparseJacobian", "colouring", "custom_jvp", "custom_minimum", "custom_root",
    "debug_nans", "derivative", "directional_derivative", "hessian", "hvp", "jacfwd", "jacobian_pattern", "jet", "jvp",
    "laplacian", "laplacian_estimate", "linear", "linearize", "sparse_hessian", "sparse_jacfwd", "stop_gradient",
    "value_and_derivative", "value_and_hessian", "value_and_jacfwd", "value_and_laplacian",
]  # fmt: skip
