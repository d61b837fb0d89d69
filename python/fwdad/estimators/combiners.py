"""Combiners: how k directions V (k x n) and the derivatives d = V grad f along them become a gradient, g = V^T c."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fwdad import kernels
from fwdad.errors import undefined
from fwdad.estimators import theory
from fwdad.estimators.theory import Expectation
from fwdad.perturbation import Directions
from fwdad.registry import Registry


class Combiner:
    """How directions and derivatives become ``g = V^T c``; a subclass defines `coefficients`.

    Every combiner here is linear in the scale of d. NaN in d gives NaN in g.

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> class First(Combiner):
    ...     def coefficients(self, d, directions):
    ...         return np.where(np.arange(directions.k) == 0, d, 0)
    >>> First().gradient(np.array([2.0, 4.0]), Directions([np.eye(2)]))
    [array([2., 0.])]
    """

    @property
    def uses_gram(self) -> bool:
        """Whether `gradient` asks for ``directions.gram(exact=False)``, which a pass can form on its way."""
        return False

    def coefficients(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return c (..., k) float64 from d (..., k) float64, one problem for each leading index of d."""
        raise undefined(self, "coefficients(d, directions)")

    def gradient(self, d: np.ndarray, directions: Directions) -> list[np.ndarray]:
        """Return the estimate, one array for each part of the directions, in its dtype."""
        return directions.combine(self.coefficients(d, directions))

    def expectation(self, n: Any, k: Any) -> Expectation | None:
        """Return what theory expects of k normal directions in n dimensions; None where nothing is derived."""
        return None


@dataclass(frozen=True)
class Sum(Combiner):
    """``g = V^T d``: k times the mean.

    Parameters
    ----------
    corrected : bool
        Whether to divide by the norm ratio to expect, `theory.norm_ratio_of_sum`, so that g is about as long as the
        gradient. It takes the Gram matrix.

    References
    ----------
    arXiv 2410.17764, section 3.2.
    """

    corrected: bool = False

    def factor(self, directions: Directions) -> Any:
        """Return what the sum is multiplied by."""
        return 1.0

    def coefficients(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return d times the factor, or over the norm ratio."""
        if not self.corrected:
            factor = self.factor(directions)
            if isinstance(factor, float) and factor == 1:
                return d
            scaled: np.ndarray = d * (factor if isinstance(factor, float) else np.expand_dims(factor, -1))
            return scaled
        ratio = theory.norm_ratio_of_sum(directions.gram(), directions.n)
        corrected: np.ndarray = d / np.expand_dims(np.where(ratio == 0, 1, ratio), -1)
        return corrected

    def expectation(self, n: Any, k: Any) -> Expectation | None:
        """Return that of the mean, at k times its length."""
        mean = theory.mean(n, k)
        return mean._replace(norm_ratio=1.0 if self.corrected else k * mean.norm_ratio)


@dataclass(frozen=True)
class Mean(Sum):
    """``g = (1/k) V^T d``: unbiased for directions of unit covariance, E cos^2 = k / (n + k - 1).

    Parameters
    ----------
    corrected : bool
        As of `Sum`.

    References
    ----------
    arXiv 2410.17764, section 3.2.

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> Mean().coefficients(np.array([2.0, 4.0]), Directions([np.eye(2)]))
    array([1., 2.])
    """

    def factor(self, directions: Directions) -> Any:
        """Return 1/k."""
        return 1 / directions.k

    def expectation(self, n: Any, k: Any) -> Expectation | None:
        """Return `theory.mean`."""
        mean = theory.mean(n, k)
        return mean._replace(norm_ratio=1.0) if self.corrected else mean


@dataclass(frozen=True)
class MeanTimesDimension(Sum):
    """``g = (n/k) V^T d``: unbiased for directions of unit length and no preferred direction, whose covariance is I/n.

    Parameters
    ----------
    corrected : bool
        As of `Sum`.

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> MeanTimesDimension().gradient(np.array([2.0, 4.0]), Directions([np.eye(2)]))
    [array([2., 4.])]
    """

    def factor(self, directions: Directions) -> Any:
        """Return n/k."""
        return directions.n / directions.k

    def expectation(self, n: Any, k: Any) -> Expectation | None:
        """Return that of the mean, at n times its length."""
        mean = theory.mean(n, k)
        return mean._replace(norm_ratio=1.0 if self.corrected else n * mean.norm_ratio)


@dataclass(frozen=True)
class Max(Combiner):
    """``g = d_j v_j`` for the j of the largest ``|d_j|``.

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> Max().gradient(np.array([2.0, -4.0]), Directions([np.eye(2)]))
    [array([ 0., -4.])]
    """

    def merit(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return how good each direction is, (..., k)."""
        size: np.ndarray = np.abs(d)
        return size

    def coefficients(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return d_j for the best direction, and 0 for the others."""
        merit = self.merit(d, directions)
        best = np.argmax(merit, axis=-1, keepdims=True)  # a NaN counts as the largest
        c = np.zeros_like(d)
        np.put_along_axis(c, best, np.take_along_axis(d, best, -1), -1)
        return c


@dataclass(frozen=True)
class MaxNormalised(Max):
    """``g = d_j v_j`` for the j of the largest ``|d_j| / |v_j|``: the direction closest to the gradient's."""

    def merit(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return ``|d_i| / |v_i|``."""
        return _steepness(d, directions)


@dataclass(frozen=True)
class MeanOfNearBest(Combiner):
    """The mean of ``d_i v_i`` over the directions that are nearly the best: ``|d_i| / |v_i| >= 0.9`` of the largest.

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> MeanOfNearBest().gradient(np.array([4.0, -3.9, 1.0]), Directions([np.eye(3)]))
    [array([ 2.  , -1.95,  0.  ])]
    """

    SHARE = 0.9

    def coefficients(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return d_i over the number of good directions, and 0 for the others."""
        merit = _steepness(d, directions)
        near = ~(merit < self.SHARE * np.max(merit, axis=-1, keepdims=True))  # NaN is near: it must not vanish
        c: np.ndarray = np.where(near, d, 0) / np.sum(near, axis=-1, keepdims=True)
        return c


def _steepness(d: np.ndarray, directions: Directions) -> np.ndarray:
    """Return ``|d_i| / |v_i|``, the derivative per unit of length; 0 for a direction of length 0."""
    lengths = directions.lengths()
    steepness: np.ndarray = np.abs(d) / np.where(lengths == 0, 1, lengths)
    return steepness


SCOPES = ("global", "tensor")
METHODS = ("gram", "gram-schmidt")


@dataclass(frozen=True)
class Projection(Combiner):
    """``g = V^T G^+ d``: the orthogonal projection of the gradient on the span of the directions; E cos^2 = k / n.

    It depends on the span alone, not on lengths and angles, and is the gradient when the directions span the space.
    Dependent directions are detected and add nothing.

    Parameters
    ----------
    corrected : bool
        Whether to divide by the norm ratio to expect, E chi_r / E chi_n for r independent directions.
    scope : {"global", "tensor"}
        Whether all parts are projected together, or each by itself, as if it alone had made d.
    method : {"gram", "gram-schmidt"}
        The Gram matrix and pivoted Cholesky, where V is only in products; or Gram-Schmidt with re-orthogonalisation,
        the readable reference, on a dense V.

    Raises
    ------
    ValueError
        For an unknown scope or method.

    References
    ----------
    arXiv 2410.17764, section 3.3 (there: FROG).

    Examples
    --------
    >>> from fwdad.perturbation import Directions
    >>> V, gradient = np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([3.0, -1.0])
    >>> np.allclose(Projection().gradient(V @ gradient, Directions([V])), gradient)
    True
    """

    corrected: bool = False
    scope: Literal["global", "tensor"] = "global"
    method: Literal["gram", "gram-schmidt"] = "gram"

    def __post_init__(self) -> None:
        """Check the spellings."""
        for name, value, choices in (("scope", self.scope, SCOPES), ("method", self.method, METHODS)):
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}")

    @property
    def uses_gram(self) -> bool:
        """Whether the method is the Gram matrix's."""
        return self.method == "gram"

    def coefficients(self, d: np.ndarray, directions: Directions) -> np.ndarray:
        """Return ``c = G^+ d``; where directions are nearly dependent, so that errors of G would grow, with care."""
        gram = directions.gram(exact=False)
        c, rank, margin = _solve(gram, d)
        if any(directions.approximate) and np.any(margin < kernels.SAFE_MARGIN):
            refined = _refined(c, gram, d, directions) if np.all(margin > 0) else None
            if refined is None:
                c, rank, _ = _solve(directions.gram(), d)
            else:
                c = refined
        return c / np.expand_dims(self._expected(directions.n, rank), -1) if self.corrected else c

    def gradient(self, d: np.ndarray, directions: Directions) -> list[np.ndarray]:
        """Return the projection, of all parts together or of each by itself."""
        project = self._orthonormalise if self.method == "gram-schmidt" else super().gradient
        scopes = [directions] if self.scope == "global" else directions.alone()
        return [part for scope in scopes for part in project(d, scope)]

    def _orthonormalise(self, d: np.ndarray, directions: Directions) -> list[np.ndarray]:
        v = directions.dense()
        if d.ndim == 1:
            g, rank = kernels.project_gram_schmidt(v, d)
            return directions.separate(g / self._expected(directions.n, rank))
        projected = [kernels.project_gram_schmidt(v[b] if directions.per_row else v, d[b]) for b in range(len(d))]
        ranks = np.array([rank for _, rank in projected])
        return directions.separate(np.stack([g for g, _ in projected]) / self._expected(directions.n, ranks)[:, None])

    def _expected(self, n: Any, rank: Any) -> Any:
        if not self.corrected:
            return np.ones(np.shape(rank))
        ratio = theory.projection(n, rank).norm_ratio
        return np.where(ratio == 0, 1, ratio)

    def expectation(self, n: Any, k: Any) -> Expectation | None:
        """Return `theory.projection`; None for a projection by tensor."""
        if self.scope == "tensor":
            return None
        expected = theory.projection(n, k)
        return expected._replace(norm_ratio=1.0) if self.corrected else expected


def _solve(gram: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Call `fwdad.kernels.projection_coefficients` with one Gram matrix for all, or one for each leading index of d."""
    for_each = gram if gram.ndim > d.ndim else np.broadcast_to(gram, (*d.shape, d.shape[-1]))
    return kernels.projection_coefficients(for_each, d)


CLOSE = 1e-5
"""The most, of the length of g, that a refinement may move it: the next would move it by about the square of that."""


def _refined(c: np.ndarray, gram: np.ndarray, d: np.ndarray, directions: Directions) -> np.ndarray | None:
    """Return ``c + G^+ (d - V V^T c)``, a step of iterative refinement; None if it moves g by more than `CLOSE`.

    It reads every direction twice, where the exact Gram matrix takes k^2 n operations in float64. It gives None too for
    directions that are generated at each use, and for several d at once.
    """
    if d.ndim > 1 or directions.generated:
        return None
    step = _solve(gram, d - directions.inner(directions.combine(c)))[0]
    moved, length = (a @ gram @ a for a in (step, c))
    return c + step if moved <= CLOSE**2 * length else None


CombinerName = Literal[
    "mean", "sum", "mean-times-dimension", "max", "max-normalised", "mean-of-near-best", "projection"
]  # fmt: skip
"""The names of `COMBINERS` that are there from the start."""

_COMBINERS: dict[str, Callable[[], Combiner]] = {
    "mean": Mean,
    "sum": Sum,
    "mean-times-dimension": MeanTimesDimension,
    "max": Max,
    "max-normalised": MaxNormalised,
    "mean-of-near-best": MeanOfNearBest,
    "projection": Projection,
}
COMBINERS = Registry("fwdad.combiners", _COMBINERS)
"""Combiners by their names on the command line; each is called without arguments."""
