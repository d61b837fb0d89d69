"""NumPy's functions of polynomials: np.polyval, np.polyfit, np.roots, ...; coefficients from the highest power down."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import composed, of_dtype, of_one_dtype, rule_for


@composed(np.polyval)
def _polyval(p: Array, x: Array) -> Array:
    """Horner's scheme."""
    y: Array = np.zeros_like(plain(x))
    for coefficient in p:
        y = y * x + coefficient
    return y


def _padded(a: Array, size: int) -> Array:
    """Put zeros in front, up to a size."""
    a = np.atleast_1d(a)
    return np.concatenate([np.zeros(size - a.shape[0], a.dtype), a]) if a.shape[0] < size else a


@composed(np.polyadd)
def _polyadd(a1: Array, a2: Array) -> Array:
    size = max(np.size(a1), np.size(a2))
    return _padded(a1, size) + _padded(a2, size)


@composed(np.polysub)
def _polysub(a1: Array, a2: Array) -> Array:
    a1, a2 = of_one_dtype(a1, a2)
    return np.polyadd(a1, np.negative(a2))


@composed(np.polymul)
def _polymul(a1: Array, a2: Array) -> Array:
    return np.convolve(np.trim_zeros(np.atleast_1d(a1), "f"), np.trim_zeros(np.atleast_1d(a2), "f"))


@composed(np.polydiv)
def _polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Long division."""
    u, v = np.atleast_1d(u), np.atleast_1d(v)
    steps = u.shape[0] - v.shape[0] + 1
    quotient = []
    rest = u
    for i in range(max(steps, 0)):
        q = rest[i] / v[0]
        quotient.append(q)
        rest = rest - np.pad(q * v, (i, steps - 1 - i))
    values = plain(rest)
    first = max(steps, 0) if quotient else 0
    while first < len(values) - 1 and np.isclose(values[first], 0, rtol=1e-14):
        first += 1
    return np.stack(quotient) if quotient else np.zeros(1, values.dtype), rest[min(first, len(values) - 1) :]


@composed(np.polyder)
def _polyder(p: Array, m: int = 1) -> Array:
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@composed(np.polyint)
def _polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    constants = [0.0] * m if k is None else list(np.broadcast_to(k, (m,)))
    for constant in constants:
        p = np.append(p / np.arange(p.shape[0], 0, -1).astype(p.dtype), constant)
    return p


@composed(np.vander)
def _vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    columns = x.shape[0] if N is None else N
    x = of_dtype(x, np.promote_types(x.dtype, int))
    powers = [np.power(x, i) for i in range(columns)]
    if not powers:
        return np.zeros((x.shape[0], 0), x.dtype)
    return np.stack(powers if increasing else powers[::-1], -1)


@composed(np.polyfit)
def _polyfit(
    x: Array, y: Array, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """Least squares on a Vandermonde matrix whose columns have length one."""
    matrix = np.vander(x if isinstance(x, Dual) else np.asarray(x, np.float64), deg + 1)
    if w is not None:
        weights = w if isinstance(w, Dual) else np.asarray(w)
        matrix, y = matrix * weights[:, np.newaxis], (y.T * weights).T
    scale = np.sqrt(np.sum(np.square(matrix), axis=0))
    rcond = np.shape(x)[0] * np.finfo(plain(matrix).dtype).eps if rcond is None else rcond
    solution, residuals, rank, s = np.linalg.lstsq(matrix / scale, y, rcond)
    coefficients = (solution.T / scale).T
    if full:
        return coefficients, residuals, rank, s, rcond
    if not cov:
        return coefficients
    base = np.linalg.inv(np.matmul(matrix.T, matrix))
    if isinstance(cov, str) and cov == "unscaled":
        return coefficients, base
    free = np.shape(x)[0] - deg - 1
    if free <= 0:
        raise ValueError("np.polyfit: cov=True needs more points than coefficients")
    factor = residuals / free
    return coefficients, base * factor if np.ndim(y) == 1 else base[..., np.newaxis] * factor


@composed(np.poly)
def _poly(seq_of_zeros: Array) -> Array:
    """``prod_r (x - r)`` over the roots; of a matrix, its characteristic polynomial."""
    roots = np.linalg.eigvals(seq_of_zeros) if np.ndim(seq_of_zeros) == 2 else seq_of_zeros
    roots = of_dtype(roots, np.mintypecode(plain(roots).dtype.char))
    p: Array = np.ones(1, roots.dtype)
    for root in roots:
        p = np.pad(p, (0, 1)) - np.pad(p, (1, 0)) * root
    values = np.poly(plain(seq_of_zeros))
    return np.real(p) if np.iscomplexobj(plain(p)) and not np.iscomplexobj(values) else p


@rule_for(np.roots, singular="infinite at repeated roots")
def _roots(p: Dual) -> Dual:
    """``dr = -sum_j dp_j r^(n-j) / p'(r)``, which follows from p(r) = 0."""
    trimmed = np.trim_zeros(plain(p), "f")
    if len(trimmed) != p.shape[0]:
        raise LostDerivativeError(
            "np.roots on a Dual: the first coefficient is 0; a moving one would bring a root from infinity"
        )
    roots = np.roots(p.primal)
    change = np.matmul(p.tangent, np.vander(roots, p.shape[0]).T) / np.polyval(np.polyder(p.primal), roots)
    return Dual(roots, -np.astype(change, roots.dtype), p.level)
