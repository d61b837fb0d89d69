"""The orthogonal projection of a gradient by Gram-Schmidt: the readable reference of `projection_coefficients`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks
from fwdad.kernels.projection_coefficients import DROP

Array = NDArray[Any]


def project_gram_schmidt(v: Array, d: Array) -> tuple[Array, int]:
    """Project a gradient on the span of directions, by making the directions orthonormal.

    Parameters
    ----------
    v : ndarray, (k, P)
        Directions, float32 or float64.
    d : ndarray, (k,)
        Directional derivatives <v_i, grad f>.

    Returns
    -------
    g : ndarray, (P,)
        The projection, of the dtype of `v`; NaN wwhere `v` or `d` is not finite.
    rank : int
        How many directions were kept.

    Raises
    ------
    TypeError, ValueError
        If the arguments are not float arrays of these shapes.

    Notes
    -----
    Gram-Schmidt in float64: from each direction take away its part in the span of those before it, twice, for "twice is
    enough" [1]_, and drop it if nothing is left. What is done to the direction is done to its directional derivative,
    so that e_j = <q_j, grad f> for the orthonormal q_j, and g = sum_j e_j q_j.

    References
    ----------
    .. [1] L. Giraud, J. Langou, M. Rozloznik, "The loss of orthogonality in the Gram-Schmidt orthogonalization
       process", 2005.

    Examples
    --------
    >>> project_gram_schmidt(np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), np.array([6.0, 5.0]))
    (array([3., 2., 0.]), 2)
    """
    where = "project_gram_schmidt"
    v = checks.float_array(where, "v", v)
    checks.ndim(where, "v", v, 2, "(k, P)")
    d = checks.float_array(where, "d", d)
    checks.shape(where, "d", d.shape, v.shape[:1], why=f"v is {v.shape}")
    g = np.zeros(v.shape[1])
    if not (np.isfinite(v).all() and np.isfinite(d).all()):
        return np.full_like(g, np.nan, dtype=v.dtype), 0
    basis: list[tuple[Array, float]] = []  # (q_j, e_j)
    for direction, derivative in zip(v.astype(np.float64), d.astype(np.float64), strict=True):
        q, e = direction, derivative
        for _ in range(2):
            for q_j, e_j in basis:
                along = q_j @ q
                q, e = q - along * q_j, e - along * e_j
        length = np.linalg.norm(q)
        if length > DROP * np.linalg.norm(direction):
            basis.append((q / length, e / length))
            g += (e / length) * (q / length)
    return g.astype(v.dtype), len(basis)
