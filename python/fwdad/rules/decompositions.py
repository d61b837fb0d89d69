"""Matrix decompositions: cholesky, qr, eigh, eig, svd and their values alone.

Where eigenvalues or singular values repeat, their vectors are not unique and have no derivative. There the values move
as in JAX, each with its own diagonal entry, so that their sum is right. What does not depend on single vectors has
derivatives, which transforms/repeated finds; the rest raises LinAlgError.
Source of the formulas: M. Giles, An extended collection of matrix derivative results, 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.errors import LostDerivativeError, RepeatedValuesError
from fwdad.rules.forms import rule_for
from fwdad.rules.linalg import adjoint, exponent_of


def hermitian_from(a: Array, triangle: str) -> Array:
    """Complete a Hermitian matrix from the triangle that LAPACK reads, "L" or "U"; leading axes may be k or batch."""
    strict = np.tril(a, -1) if triangle == "L" else np.triu(a, 1)
    diagonal = np.real(a) * np.eye(a.shape[-1], dtype=np.real(a).dtype)
    return strict + adjoint(strict) + diagonal


def equal_values(x: Array) -> np.ndarray:
    """Return which pairs of values are equal up to rounding; each with itself, too."""
    values = plain(x)
    size = np.max(np.abs(values), axis=-1, initial=0)[..., np.newaxis, np.newaxis]
    same: np.ndarray = np.abs(differences(values)) <= values.shape[-1] * np.finfo(values.dtype).eps * size
    return same


def parted(a: Dual, values: Array, change: Array) -> Array:
    """Part the values of a matrix by ``delta (1, 2, ...)``, if some are equal and its change mixes their vectors.

    `change` is the change of the matrix in the basis of its vectors. Delta is a symbol of transforms/repeated, below all
    that moves. The change need not mix vectors at every level, so it is at the first that does.
    Raises RepeatedValuesError where the transform has no such symbol.
    """
    n = values.shape[-1]
    repeated = equal_values(values) & ~np.eye(n, dtype=bool)
    if is_parted(values) or not np.any(repeated) or not _mixes(change, repeated):
        return values
    level: Any = lowest_level(a)
    if not hasattr(level, "delta"):
        raise RepeatedValuesError(
            "two eigenvalues or singular values are equal where a transform needs the derivative of their vectors, which "
            "does not exist; jvp finds the derivative of what does not depend on single vectors"
        )
    size = np.abs(plain(values))
    scale = np.exp2(exponent_of(np.max(size, -1, keepdims=True, initial=0)))
    return values + level.delta(np.arange(1, n + 1, dtype=size.dtype) * scale)


def is_parted(values: Array) -> bool:
    """Whether values are parted already."""
    return hasattr(lowest(values), "parted")


def lowest(value: Array) -> Array:
    """Return what the Duals of all levels are made of: an array, or what another transform carries in its place."""
    while type(value) is Dual:
        value = value.primal
    return value


def lowest_level(value: Array) -> float:
    """Return the lowest level at which a value moves."""
    if type(value) is not Dual:
        return getattr(value, "level", np.inf)
    return min(value.level, lowest_level(value.primal), lowest_level(value.tangent))


def divided_by_gaps(change: Array, gaps: Array, same: np.ndarray) -> Array:
    """Return ``change_ij / gaps_ij``: how much vector i enters vector j; 0 for vectors of the same value that do not mix."""
    if not is_parted(gaps):
        return np.where(same, 0, change / np.where(same, 1, gaps))
    gaps = gaps - np.where(same, plain(gaps), 0)  # delta times a number
    itself = np.eye(same.shape[-1], dtype=bool)
    return np.where(itself, 0, change / np.where(itself, 1, gaps))


def differences(x: Array) -> Array:
    """Return ``x_j - x_i``."""
    return np.expand_dims(x, -2) - np.expand_dims(x, -1)


def _mixes(change: Array, repeated: np.ndarray) -> bool:
    """Whether a change, or its own change, is more than rounding where values repeat."""
    if type(change) is Dual:
        return _mixes(change.primal, repeated) or _mixes(change.tangent, repeated)
    if isinstance(change, Dual):  # what another transform carries may be anything
        return True
    size = np.abs(change)
    rounding = 100 * change.shape[-1] * np.finfo(change.dtype).eps * np.max(size, initial=0)
    return bool(np.any(repeated & (size > rounding)))


def diagonal(a: Array) -> Array:
    """Return the diagonals of matrices."""
    return np.diagonal(a, 0, -2, -1)


@rule_for(np.linalg.cholesky, singular="reads one triangle; LinAlgError unless positive definite")
def _cholesky(a: Dual, /, *, upper: bool = False) -> Array:
    """``dL = L low(L^-1 dA L^-H)``, low: the lower triangle with half its diagonal."""
    if upper:
        return adjoint(np.linalg.cholesky(hermitian_from(a, "U")))
    lower = np.linalg.cholesky(a.primal)
    inverse = np.linalg.inv(lower)
    inner = np.matmul(np.matmul(inverse, hermitian_from(a.tangent, "L")), adjoint(inverse))
    half = np.tril(np.ones(inner.shape[-2:]), -1) + np.eye(inner.shape[-1]) / 2
    return Dual(lower, np.matmul(lower, inner * half.astype(lower.dtype)), a.level)


@rule_for(
    np.linalg.qr,
    singular="LinAlgError unless the leading columns are independent; the further ones of mode='complete' move as those of "
    "LAPACK's reflections",
)
def _qr(a: Dual, mode: str = "reduced") -> Any:
    """``dQ = Q Omega``, ``dR = (M - Omega) R``.

    ``M = Q^H dA R^-1 = Omega + dR R^-1``; Omega = Q^H dQ is skew, and its strict lower part is that of M. Where A has
    more rows than columns, dQ also has a part outside of the columns of Q.
    """
    m, n = a.shape[-2:]
    if mode == "raw":
        raise LostDerivativeError("np.linalg.qr on a Dual has no mode='raw'; use 'reduced' or 'complete'")
    if mode == "complete" and m > n:
        return _by_reflections(a)
    result: Any = np.linalg.qr(a.primal)
    q, r = result
    square = min(m, n)
    inverse = np.linalg.inv(r[..., :square])
    moved = np.matmul(a.tangent[..., :square], inverse)
    inner = np.matmul(adjoint(q), moved)
    below = np.tril(inner, -1)
    omega = below - adjoint(below)
    if inner.dtype.kind == "c":
        omega = omega + 1j * np.imag(inner) * np.eye(square, dtype=np.real(plain(r)).dtype)
    dq = np.matmul(q, omega) + moved - np.matmul(q, inner)
    # Q^H dA = Omega R + dR for all columns, also those right of the square
    dr = np.matmul(adjoint(q), a.tangent) - np.matmul(omega, r)
    dr = np.triu(dr)
    if mode == "r":
        return Dual(r, dr, a.level)
    return type(result)(Dual(q, dq, a.level), Dual(r, dr, a.level))


def _by_reflections(a: Dual) -> Any:
    """Return the complete Q and R as LAPACK makes them, so that the columns that are orthogonal to A move as its do.

    Q is a product of reflections; number j takes x, what is left of column j, to beta e_j, where ``|beta| = ||x||``:
    ``H = I + w w^H / (beta conj(w_j))``, ``w = x - beta e_j``. A column that is beta e_j already LAPACK leaves as it is.
    There H takes it to -beta e_j, and the sign is turned back, so that nothing jumps.
    """
    h, taus = np.linalg.qr(plain(a), "raw")
    result: Any = np.linalg.qr(plain(a), "complete")
    m, n = a.shape[-2:]
    r: Array = a
    q: Array = np.broadcast_to(np.eye(m, dtype=a.dtype), (*a.shape[:-1], m))
    for j in range(n):
        here = np.arange(m) == j
        left = taus[..., j, np.newaxis] == 0
        side = np.where((np.real(h[..., j, j, np.newaxis]) < 0) != left, -1, 1).astype(h.real.dtype)
        x = np.where(np.arange(m) < j, np.zeros((), a.dtype), r[..., :, j])
        beta = side * np.linalg.norm(x, axis=-1, keepdims=True)
        w = x - beta * here
        first = w[..., j, np.newaxis]
        if np.any(plain(first) == 0):
            raise np.linalg.LinAlgError("np.linalg.qr on a Dual: the leading columns are not independent")
        by, along = (w / beta)[..., np.newaxis], np.conjugate(w / first)[..., np.newaxis, :]
        turned = np.where(here & left, -1, 1).astype(a.dtype)
        r = r + np.matmul(by, np.matmul(np.conjugate(w / np.conjugate(first))[..., np.newaxis, :], r))
        r = r * turned[..., np.newaxis]
        q = (q + np.matmul(np.matmul(q, by), along)) * turned[..., np.newaxis, :]
    return type(result)(q, np.triu(r))


REPEATED = "repeated values: each moves by its own diagonal entry (their sum is right)"
REPEATED_VECTORS = (
    f"{REPEATED}; what depends on single vectors raises LinAlgError, unless the direction does not mix them"
)


@rule_for(np.linalg.eigh, singular=f"reads one triangle; {REPEATED_VECTORS}")
def _eigh(a: Dual, UPLO: Any = "L") -> Any:
    """``dw = diag(V^H dA V)``, ``dV = V (V^H dA V / (w_j - w_i))``."""
    result: Any = np.linalg.eigh(a.primal, UPLO)
    w, v, change = _in_eigenvectors(a, result, UPLO)
    mixing = divided_by_gaps(change, differences(w), equal_values(w))
    return type(result)(Dual(w, np.real(diagonal(change)), a.level), Dual(v, np.matmul(v, mixing), a.level))


def _in_eigenvectors(a: Dual, result: Any, triangle: str) -> tuple[Array, Array, Array]:
    """Return eigenvalues, vectors, and the change of a Hermitian matrix in their basis."""
    w, v = result
    change = np.matmul(np.matmul(adjoint(v), hermitian_from(a.tangent, triangle.upper())), v)
    return parted(a, w, change), v, change


@rule_for(np.linalg.eigvalsh, singular=f"reads one triangle; {REPEATED}")
def _eigvalsh(a: Dual, UPLO: Any = "L") -> Dual:
    """``dw = diag(V^H dA V)``."""
    w, _, change = _in_eigenvectors(a, np.linalg.eigh(a.primal, UPLO), UPLO)
    return Dual(w, np.real(diagonal(change)), a.level)


@rule_for(np.linalg.eig, singular=REPEATED_VECTORS)
def _eig(a: Dual) -> Any:
    """``dw = diag(V^-1 dA V)``, ``dV = V (V^-1 dA V / (w_j - w_i))``.

    As eigh with V^-1 for V^H; the vectors keep their length, and their largest entry keeps its phase, as in LAPACK.
    """
    result: Any = np.linalg.eig(a.primal)
    w, v = result
    change = np.linalg.solve(v, np.matmul(a.tangent, v))
    w = parted(a, w, change)
    dv = np.matmul(v, divided_by_gaps(change, differences(w), equal_values(w)))
    along = np.sum(np.conjugate(v) * dv, -2, keepdims=True)
    dv = dv - v * np.real(along)
    if np.iscomplexobj(plain(v)):
        largest = np.argmax(np.abs(plain(v)), -2)[..., np.newaxis, :]
        turn = np.take_along_axis(dv, largest[np.newaxis], -2)
        dv = dv - v * 1j * np.imag(turn / np.take_along_axis(v, largest, -2))
    return type(result)(Dual(w, diagonal(change), a.level), Dual(v, dv, a.level))


@rule_for(np.linalg.eigvals, singular=REPEATED)
def _eigvals(a: Dual) -> Dual:
    """``dw = diag(V^-1 dA V)``."""
    w, v = np.linalg.eig(a.primal)
    change = np.linalg.solve(v, np.matmul(a.tangent, v))
    return Dual(parted(a, w, change), diagonal(change), a.level)


@rule_for(np.linalg.svd, singular=f"{REPEATED_VECTORS}; values as svdvals; complex vectors up to a phase")
def _svd(a: Dual, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    """``P = U^H dA V``, ``dS = diag(P)``, ``dU = U Omega``, Omega = (P S + S P^H) / (s_j^2 - s_i^2); dV likewise."""
    if hermitian:
        return np.linalg.svd(hermitian_from(a, "L"), full_matrices, compute_uv)
    if not compute_uv:
        return np.linalg.svdvals(a)
    m, n = a.shape[-2:]
    full = bool(full_matrices) and m != n
    result: Any = np.linalg.svd(a.primal, full_matrices=full)
    u, s, vh = result
    rank, t = s.shape[-1], a.tangent
    others_u, others_v = u[..., rank:], adjoint(vh)[..., rank:]
    u, v = u[..., :rank], adjoint(vh)[..., :rank]
    p = np.matmul(np.matmul(adjoint(u), t), v)
    s = parted(a, s, p)
    scale = np.exp2(exponent_of(np.max(plain(s), -1, keepdims=True, initial=0)))  # squares of small numbers vanish
    x, change = s / scale, p / scale[..., np.newaxis]
    row, column, transposed = np.expand_dims(x, -2), np.expand_dims(x, -1), adjoint(change)
    same = equal_values(s)
    gaps = differences(x) * (row + column)
    turn_u = divided_by_gaps(change * row + column * transposed, gaps, same)
    turn_v = divided_by_gaps(column * change + transposed * row, gaps, same)
    if p.dtype.kind == "c":
        turn_u = turn_u + 1j * np.imag(change) * np.eye(rank, dtype=plain(s).dtype) / row
    du, dv = np.matmul(u, turn_u), np.matmul(v, turn_v)
    if m > n:
        moved = np.matmul(t, v) / np.expand_dims(s, -2)
        du = du + moved - np.matmul(u, np.matmul(adjoint(u), moved))
    if n > m:
        moved = np.matmul(adjoint(t), u) / np.expand_dims(s, -2)
        dv = dv + moved - np.matmul(v, np.matmul(vh[..., :rank, :], moved))
    if full:
        u, du = with_others(u, du, others_u, a)
        v, dv = with_others(v, dv, others_v, a)
        vh = adjoint(v)
    values = Dual(s, np.real(diagonal(p)), a.level)
    return type(result)(Dual(u, du, a.level), values, Dual(vh, adjoint(dv), a.level))


def with_others(u: Array, du: Array, others: Array, a: Dual) -> tuple[Array, Array]:
    """Join vectors that belong to no value of a matrix: they stay orthogonal to u, and may else turn among themselves.

    How they turn is unknown, unless it is one real vector. So their turn is divided by delta: see `parted`.
    Raises RepeatedValuesError where the transform has no delta.
    """
    count = others.shape[-1]
    if count == 0:
        return u, du
    change = -np.matmul(u, np.matmul(adjoint(du), others))
    if count > 1 or others.dtype.kind == "c":
        level: Any = lowest_level(a)
        if not hasattr(level, "over_delta"):
            raise RepeatedValuesError(
                "np.linalg.svd with full_matrices=True: the vectors that belong to no value are arbitrary, so their "
                "derivative does not exist; use full_matrices=False, or jvp or jacfwd for what does not depend on them"
            )
        turn = np.sign(differences(np.arange(count))) + (1j * np.eye(count) if others.dtype.kind == "c" else 0)
        angle = np.max(np.abs(plain(a.tangent)), (-2, -1), keepdims=True, initial=0)
        change = change + np.matmul(others, level.over_delta(turn.astype(others.dtype) * angle))
    return np.concatenate([u, others], -1), np.concatenate([du, change], -1)


@rule_for(np.linalg.svdvals, singular=f"{REPEATED}; at 0 the sign is that of LAPACK's vectors")
def _svdvals(x: Dual, /) -> Dual:
    """``dS = Re diag(U^H dA V)``."""
    u, s, vh = np.linalg.svd(x.primal, full_matrices=False)
    change = np.matmul(np.matmul(adjoint(u), x.tangent), adjoint(vh))
    return Dual(parted(x, s, change), np.real(diagonal(change)), x.level)
