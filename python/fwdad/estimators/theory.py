"""What to expect of a forward gradient: cosines and norms for directions from N(0, I_n), exactly.

Let g be the gradient in R^n, of which only the direction matters; choose coordinates with g along the first. The
derivatives d = V g are then the first column z of V, and the other columns are independent of it.

projection  The part of g in a random k-dimensional subspace: ``cos^2 ~ Beta(k/2, (n-k)/2)``, and norm ratio = cos.
mean        ``V^T z`` is |z|^2 along g and |z| times n - 1 independent normals across it. With ``A = |z|^2 ~ chi^2_k``
            and the squares across ``B ~ chi^2_{n-1}``: ``cos^2 = A / (A + B) ~ Beta(k/2, (n-1)/2)``, norm ratio
            ``= (A + B) cos / k`` with A + B independent of cos.

``E sqrt(Beta(a/2, b/2)) = E chi_a / E chi_{a+b}``, since a chi^2_{a+b} times an independent Beta is a chi^2_a.
Source: arXiv 2410.17764, section 3 (projection; approximations for the mean); the exact forms for the mean follow
from the lines above.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels


class Expectation(NamedTuple):
    """Expected quality of an estimate of the gradient g.

    Parameters
    ----------
    cosine, cosine_squared
        E cos and E cos^2 of the angle between the estimate and g.
    norm_ratio
        E of the estimate's norm over that of g.
    """

    cosine: Any
    cosine_squared: Any
    norm_ratio: Any


def chi_mean(m: Any) -> Any:
    """Return the expected length of a normal vector in m dimensions, ``sqrt 2 Gamma((m+1)/2) / Gamma(m/2)``.

    Parameters
    ----------
    m : number or array
        Above 0; it need not be whole. The relative error is below 1e-10.

    Examples
    --------
    >>> chi_mean(np.array([1, 100])).round(6)  # sqrt(2 / pi); close to sqrt(m)
    array([0.797885, 9.975032])
    """
    return kernels.to_device(_chi_mean(kernels.to_device(m, "cpu"))[()], kernels.device_of(m))


def _chi_mean_of_number(m: float) -> float:
    if m > 1e4:  # the logarithms would cancel; the next term of the series is of order m^-3
        return math.sqrt(m) * (1 - 1 / (4 * m) + 1 / (32 * m * m))
    return math.sqrt(2) * math.exp(math.lgamma((m + 1) / 2) - math.lgamma(m / 2)) if m > 0 else 0.0


_chi_mean = np.vectorize(_chi_mean_of_number, otypes=[np.float64])


def projection(n: Any, k: Any) -> Expectation:
    """Return what to expect of the projection on k random directions in n dimensions; it is exact for k >= n.

    ``E cos = E norm ratio = E chi_k / E chi_n``, ``E cos^2 = k / n``.

    Examples
    --------
    >>> projection(4, 4)
    Expectation(cosine=np.float64(1.0), cosine_squared=np.float64(1.0), norm_ratio=np.float64(1.0))
    """
    k = np.minimum(k, n)
    cosine = chi_mean(k) / chi_mean(n)
    return Expectation(cosine, k / n, cosine)


def mean(n: Any, k: Any) -> Expectation:
    """Return what to expect of the mean over k random directions in n dimensions.

    ``E cos = E chi_k / E chi_{n+k-1}``, ``E cos^2 = k / (n+k-1)``, ``E norm ratio = (n+k-1) E cos / k`` (and the
    expected square of the norm ratio is ``(n+k+1) / k``).

    Examples
    --------
    >>> mean(100, 1).cosine_squared, mean(1, 7).cosine
    (0.01, np.float64(1.0))
    """
    cosine = chi_mean(k) / chi_mean(n + k - 1)
    return Expectation(cosine, k / (n + k - 1), (n + k - 1) / k * cosine)


def norm_ratio_of_sum(gram: np.ndarray, n: Any) -> Any:
    """Return the expected norm of ``V^T V g`` over that of g, for a g of random direction in n dimensions.

    For G = V V^T with eigenvalues l, the square is ``sum l_i^2 u_i^2`` with u uniform on the sphere: its mean is
    ``tr G^2 / n``. The root is taken to be distributed as a chi with ``m = (tr G^2)^2 / tr G^4`` degrees of freedom,
    which is exact for one direction, and for orthogonal ones of one length.

    Parameters
    ----------
    gram : (..., k, k)
        G. Where all directions are zero, the result is zero.
    n : number or array
        The dimensions of the space.

    Examples
    --------
    >>> float(norm_ratio_of_sum(np.eye(4), 4))
    1.0
    """
    square = gram @ gram
    second, fourth = np.trace(square, axis1=-2, axis2=-1), np.sum(square * square, axis=(-2, -1))
    m = np.where(fourth == 0, 1, second**2 / np.where(fourth == 0, 1, fourth))
    return np.sqrt(second / m) * chi_mean(m) / chi_mean(n)
