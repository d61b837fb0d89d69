"""scipy.sparse.linalg: solving with a constant sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse.linalg as linalg

from fwdad.dual import Array
from fwdad.rules.replacing import replaces
from fwdad.rules.scipy.sparse import along


class _Solution:
    """``A^-1`` as something to multiply by: the factors are computed once."""

    def __init__(self, matrix: Any) -> None:
        self.shape, self._factors = matrix.shape, linalg.splu(matrix.tocsc())

    def __matmul__(self, b: np.ndarray) -> np.ndarray:
        solution: np.ndarray = self._factors.solve(np.ascontiguousarray(b))
        return solution


@replaces(linalg, "spsolve", singular="as splu at a singular matrix")
def _spsolve(A: Any, b: Array, permc_spec: Any = None, use_umfpack: bool = True) -> Array:
    """``x = A^-1 b``, linear in b."""
    column = b.ndim == 2 and b.shape[1] == 1
    x = along(_Solution(A), b, -1 if b.ndim == 1 else -2)
    return x[:, 0] if column else x


@replaces(linalg, "expm_multiply")
def _expm_multiply(A: Any, B: Array, *args: Any, **options: Any) -> Array:
    """``exp(A) B``, linear in B."""
    if args or any(value is not None for value in options.values()):
        raise TypeError("scipy.sparse.linalg.expm_multiply on a Dual takes A and B only")

    class Exponential:
        shape = A.shape

        def __matmul__(self, b: np.ndarray) -> Any:
            return original(A, b)

    original = linalg.expm_multiply
    return along(Exponential(), B, -1 if B.ndim == 1 else -2)
