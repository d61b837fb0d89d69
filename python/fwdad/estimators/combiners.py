"""Combiners: how k directions V (k x P) and the derivatives d = V grad f along them become a gradient, g = V^T c."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fwdad import kernels


class Combiner(Protocol):
    """Gives the coefficients c of ``g = sum_i c_i v_i``."""

    def coefficients(self, d: np.ndarray, gram: Callable[[], np.ndarray]) -> np.ndarray:
        """c (..., k) float64 from d (..., k) float64; `gram()` computes G = V V^T (..., k, k) if it is asked for."""
        ...


class Mean:
    """``g = (1/k) V^T d``: unbiased for directions of unit covariance, E cos^2 ~ k / (P + k + 1).

    Source: arXiv 2410.17764, section 3.2.

    >>> Mean().coefficients(np.array([2.0, 4.0]), gram=None)
    array([1., 2.])
    """

    def coefficients(self, d: np.ndarray, gram: Callable[[], np.ndarray]) -> np.ndarray:
        return np.asarray(d / d.shape[-1])


class Sum:
    """``g = V^T d``: k times the mean.

    Source: arXiv 2410.17764, section 3.2.
    """

    def coefficients(self, d: np.ndarray, gram: Callable[[], np.ndarray]) -> np.ndarray:
        return d


class Projection:
    """``g = V^T G^+ d``: the orthogonal projection of the gradient on the span of the directions; E cos^2 = k / P.

    Depends on the span alone, not on lengths and angles; equal to the gradient when the directions span the space.
    Dependent directions are detected and add nothing.
    Source: arXiv 2410.17764, section 3.3 (there: FROG).

    >>> V, gradient = np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([3.0, -1.0])
    >>> c = Projection().coefficients(V @ gradient, gram=lambda: V @ V.T)
    >>> np.allclose(V.T @ c, gradient)
    True
    """

    def coefficients(self, d: np.ndarray, gram: Callable[[], np.ndarray]) -> np.ndarray:
        return kernels.projection_coefficients(gram(), d)[0]


COMBINERS: dict[str, type[Combiner]] = {"mean": Mean, "sum": Sum, "projection": Projection}
"""Combiners by their names on the command line."""
