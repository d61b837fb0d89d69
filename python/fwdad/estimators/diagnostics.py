"""How good an estimate is, and how good its directions were: computed when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.estimators.combiners import Combiner
from fwdad.estimators.theory import Expectation
from fwdad.perturbation import Directions


@dataclass(frozen=True)
class Report:
    """What an estimate and its directions look like; means over the examples, where each has directions of its own.

    Parameters
    ----------
    k, n
        The numbers of directions, and of dimensions of the space that they are in.
    rank : float
        How many directions are independent.
    condition : float
        The largest over the smallest singular value of V that is not zero; 1 at best.
    effective_rank : float
        exp of the entropy of G's normalised eigenvalues: so many directions of equal length at right angles would be
        spread as evenly.
    d_mean, d_variance : float
        Of the directional derivatives, over all directions and examples.
    cosine, norm_ratio : float or None
        Of the estimated to the reference gradient, over all parameters; None without a reference.
    expected : Expectation or None
        Theory for k normal directions in n dimensions; None where nothing is derived. With activity perturbation it is
        for one example's dL/dz: with noise by example, errors average over the batch, and parameters' gradients are
        better.

    References
    ----------
    O. Roy, M. Vetterli, EUSIPCO 2007 (effective rank).
    """

    k: int
    n: float
    rank: float
    condition: float
    effective_rank: float
    d_mean: float
    d_variance: float
    cosine: float | None
    norm_ratio: float | None
    expected: Expectation | None


def report(
    d: np.ndarray, directions: Directions, combiner: Combiner, compared: tuple[np.ndarray, np.ndarray] | None
) -> Report:
    """Return a report on derivatives d along directions; `compared` holds estimate and reference as vectors."""
    ranks, conditions, effective = _spectrum(kernels.to_device(directions.gram(), "cpu"))
    n = float(np.mean(directions.n))
    cosine, ratio = (None, None) if compared is None else _compare(*compared)
    return Report(
        k=directions.k,
        n=n,
        rank=float(np.mean(ranks)),
        condition=float(np.mean(conditions)),
        effective_rank=float(np.mean(effective)),
        d_mean=float(np.mean(d)),
        d_variance=float(np.var(d)),
        cosine=cosine,
        norm_ratio=ratio,
        expected=combiner.expectation(n, directions.k),
    )


def _spectrum(gram: np.ndarray) -> tuple[Any, Any, Any]:
    """Return rank, condition number and effective rank of directions with Gram matrix (..., k, k); NaN gives NaN."""
    if not np.all(np.isfinite(gram)):
        return np.nan, np.nan, np.nan
    eigenvalues = np.maximum(np.linalg.eigvalsh(gram), 0)
    largest = eigenvalues[..., -1:]
    # What rounding leaves of a zero eigenvalue, which is known to about k eps of the largest.
    independent = eigenvalues > gram.shape[-1] * np.finfo(np.float64).eps * largest
    smallest = np.min(np.where(independent, eigenvalues, np.inf), axis=-1)
    share = np.where(independent, eigenvalues, 0) / np.where(largest > 0, np.sum(eigenvalues, -1, keepdims=True), 1)
    entropy = -np.sum(share * np.log(np.where(share > 0, share, 1)), axis=-1)
    condition = np.sqrt(largest[..., 0] / smallest)
    return np.sum(independent, axis=-1), condition, np.where(largest[..., 0] > 0, np.exp(entropy), 0)


def _compare(estimate: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Return cosine and ratio of norms; NaN where a norm is 0."""
    if estimate.shape != reference.shape:
        raise ValueError(
            f"the reference must be a tree like the model, {estimate.size} entries; it has {reference.size}"
        )
    norm, reference_norm = np.linalg.norm(estimate), np.linalg.norm(reference)
    cosine = float(estimate @ reference / (norm * reference_norm)) if norm > 0 < reference_norm else np.nan
    return cosine, float(norm / reference_norm) if reference_norm > 0 else np.nan
