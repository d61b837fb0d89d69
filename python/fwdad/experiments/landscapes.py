"""Functions to descend, as sums of terms; and many independent descents as one pass.

A function's terms each depend on a few neighbouring coordinates only. That makes its exact gradient cheap in forward
mode: directions that move every r-th coordinate keep the terms apart, so that r of them suffice for any n (A. Curtis,
M. Powell, J. Reid, On the estimation of sparse Jacobian matrices, IMA J. Appl. Math. 13, 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fwdad.dual import Array, Dual, new_level, split
from fwdad.estimators import COMBINERS
from fwdad.experiments.experiment import Report
from fwdad.perturbation import Directions


class Landscape(NamedTuple):
    """A function to minimise, ``f(x) = sum_i terms(x)_i`` over the last axis.

    Parameters
    ----------
    terms
        From (..., n) to (..., m).
    reach
        Term i depends on coordinates i to i + reach - 1 alone.
    start
        Descents begin at the first n entries of (start[0], start[1], start[1], ...).
    steps
        Of a descent.
    minimum
        The smallest value is this times n.
    """

    terms: Callable[[Array], Array]
    reach: int
    start: tuple[float, float]
    steps: int
    minimum: float

    def value(self, x: np.ndarray) -> np.ndarray:
        """Compute f at x (..., n), (...)."""
        return np.asarray(np.sum(self.terms(x), axis=-1))

    def begin(self, n: int) -> np.ndarray:
        """Return where descents begin, (n,)."""
        x = np.full(n, self.start[1])
        x[0] = self.start[0]
        return x


def sphere(x: Array) -> Array:
    """Compute ``x_i^2``."""
    return x * x


def rosenbrock(x: Array) -> Array:
    """Compute ``100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2``; for n = 1 there are no terms, and f is zero."""
    here, there = x[..., :-1], x[..., 1:]
    curve, rest = there - here * here, 1 - here
    return 100 * (curve * curve) + rest * rest


def styblinski_tang(x: Array) -> Array:
    """Compute ``(x_i^4 - 16 x_i^2 + 5 x_i) / 2``."""
    square = x * x
    return 0.5 * (square * (square - 16) + 5 * x)


LANDSCAPES = {
    "sphere": Landscape(sphere, 1, (-1.0, -1.0), 1_000, 0.0),
    "rosenbrock": Landscape(rosenbrock, 2, (-1.0, 0.0), 25_000, 0.0),
    "styblinski-tang": Landscape(styblinski_tang, 1, (0.0, 0.0), 1_000, -39.16616570377142),
}
"""Source: arXiv 2410.17764, section 4.2 (where the last minimum is given as -39.16599 n)."""


def derivatives(landscape: Landscape, x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute values (R,) and derivatives (R, k) at R points x (R, n), along k directions each, v (k, R, n)."""
    level = new_level()
    value, d = split(np.sum(landscape.terms(Dual(x, v, level)), axis=-1), level)
    return value, d.T


def exact_gradient(landscape: Landscape, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute values (R,) and gradients (R, n) at R points x (R, n), by as many directions as the terms reach.

    Examples
    --------
    >>> exact_gradient(LANDSCAPES["sphere"], np.array([[1.0, 2.0]]))
    (array([5.]), array([[2., 4.]]))
    """
    reach, level = landscape.reach, new_level()
    v = np.arange(x.shape[-1]) % reach == np.arange(reach)[:, None, None]
    terms, moved = split(landscape.terms(Dual(x, np.broadcast_to(v, (reach, *x.shape)).astype(x.dtype), level)), level)
    m = terms.shape[-1]
    g = np.zeros_like(x)
    for offset in range(reach):
        for colour in range(reach):
            first = (colour - offset) % reach  # of the terms whose coordinate i + offset has this colour
            g[:, first + offset : m + offset : reach] += moved[colour, :, first::reach]
    return np.sum(terms, axis=-1), g


class Descent(NamedTuple):
    """The results of R descents, (R,) each: smallest and last value, and steps taken."""

    best: np.ndarray
    last: np.ndarray
    steps: np.ndarray


def descend(
    x: np.ndarray,
    rates: np.ndarray,
    gradient: Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]],
    value: Callable[[np.ndarray], np.ndarray],
    steps: int,
    report: Report,
    patience: int = 50,
) -> Descent:
    """Descend ``x <- x - rate g`` in R rows at once, x (R, n), each by itself with its own rate.

    A row stops when its value is not finite, or was no new minimum for `patience` steps in a row.

    Parameters
    ----------
    gradient
        ``gradient(x, rows, step)``: values (r,) and estimates (r, n) at x (r, n), the rows that go on.
    value
        ``value(x)``: values (r,).
    """
    rows = np.arange(len(x))
    best, last, taken = np.full(len(x), np.inf), np.full(len(x), np.nan), np.zeros(len(x), np.int64)
    idle = np.zeros(len(x), np.int64)
    with np.errstate(over="ignore", invalid="ignore"):  # rows that diverge are stopped
        for step in range(steps + 1):
            values, g = gradient(x, rows, step) if step < steps else (value(x), x)
            last[rows], taken[rows] = values, step
            idle[rows] = np.where(values < best[rows], 0, idle[rows] + 1)
            best[rows] = np.fmin(best[rows], values)
            going = np.isfinite(values) & (idle[rows] < patience)
            if not going.all():
                x, g, rows = x[going], g[going], rows[going]
                if not len(rows):
                    break
            x = x - rates[rows, None] * g
            if step % 64 == 0:
                report(step / steps)
    return Descent(best, last, taken)


def by_estimates(
    landscape: Landscape,
    n: int,
    rates: Mapping[str, float],
    seeds: int,
    draw: Callable[[int], np.ndarray],
    steps: int,
    report: Report,
) -> Descent:
    """Descend by forward gradients: for each combiner with a rate, the seeds one after the other.

    ``draw(step)`` gives directions (k, seeds, n); the runs of one seed see the same.
    """
    combiners = [COMBINERS[name]() for name in rates]

    def gradient(x: np.ndarray, rows: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        v = draw(step)[:, rows % seeds]
        values, d = derivatives(landscape, x, v)
        g = np.empty_like(x)
        ends = np.searchsorted(rows, seeds * np.arange(len(combiners) + 1))
        for combiner, start, end in zip(combiners, ends[:-1], ends[1:], strict=True):
            if end > start:
                here = slice(start, end)
                (g[here],) = combiner.gradient(d[here], Directions([v[:, here]], per_row=True))
        return values, g

    begin = np.tile(landscape.begin(n), (len(rates) * seeds, 1))
    return descend(begin, np.repeat(list(rates.values()), seeds), gradient, landscape.value, steps, report)
