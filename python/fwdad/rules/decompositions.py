"""Matrix decompositions: cholesky, qr, eigh, eig, svd and their values alone.

Where eigenvalues or singular values repeat, their vectors are not unique and have no derivative. There the values move
as in JAX, each with its own diagonal entry, so that their sum is right. What does not depend on single vectors has a
derivative, which jvp finds by transforms/repeated; else LinAlgError, unless the direction does not mix them. Source of the formulas: M. Giles, An extended collection of matrix derivative results, 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import rule_for
from fwdad.rules.linalg import adjoint, exponent_of


def hermitian_from(a: Array, triangle: str) -> Array:
    """Complete a Hermitian matrix from the triangle that LAPACK reads, "L" or "U"; leading axes may be k or batch."""
    strict = np.tril(a, -1) if triangle == "L" else np.triu(a, 1)
    diagonal = np.real(a) * np.eye(a.shape[-1], dtype=np.real(a).dtype)
    return strict + adjoint(strict) + diagonal


class FirstOrder(NamedTuple):
    """How the numbers of `divided_by_gaps` change where repeated values part: values s, changes c, x + delta x1 + ..."""

    spread: Array
    change: Array
    x1: Array
    x2: Array


def divided_by_gaps(
    change: Array, x: Array, what: str, level: Any, parted: Callable[[], FirstOrder]
) -> tuple[Array, bool]:
    """Return ``change_ij / (x_j - x_i)``, 0 on the diagonal, and whether it is split: how much vector i enters vector j.

    Where a gap is zero and the change is not, the vectors have no derivative: see transforms/repeated, which jvp provides.
    Raises LinAlgError there in higher derivatives and under other transforms.
    """
    gaps = differences(x)
    values = plain(gaps)
    size = np.max(np.abs(plain(x)), axis=-1, initial=0)[..., np.newaxis, np.newaxis]
    n = values.shape[-1]
    same = np.abs(values) <= n * np.finfo(values.dtype).eps * size
    change = np.where(np.eye(n, dtype=bool), 0, change)
    repeated = same & ~np.eye(n, dtype=bool)
    regular = np.where(same, 0, change / np.where(same, 1, gaps))
    if not np.any(repeated) or not _mixes(plain(change), repeated):
        return regular, False
    order = parted()
    slope = np.where(repeated, differences(order.x1), 1)
    if not hasattr(level, "split") or isinstance(change, Dual) or isinstance(x, Dual) or np.any(slope == 0):
        raise np.linalg.LinAlgError(
            f"{what}: two of the values are equal, so the derivative of their vectors does not exist. If only the values "
            "are needed, call eigvalsh, eigvals or svdvals; else write the function without vectors. A first derivative "
            "by jvp or jacfwd takes what does not depend on single vectors"
        )
    divided = np.where(repeated, change / slope, 0)
    rest = np.where(repeated, (order.change - divided * differences(order.x2)) / slope, regular)
    return level.split(divided, rest), True


def in_first_order(level: Any, x: Array, change: Array) -> Array:
    """Return the values ``x + delta change`` that go with split vectors."""
    return level.to_first_order(x, change)


def differences(x: Array) -> Array:
    """Return ``x_j - x_i``."""
    return np.expand_dims(x, -2) - np.expand_dims(x, -1)


def _mixes(change: np.ndarray, repeated: np.ndarray) -> bool:
    """Whether a change is more than rounding where values repeat."""
    size = np.abs(change)
    rounding = 1e3 * change.shape[-1] * np.finfo(change.dtype).eps * np.max(size, initial=0)
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


@rule_for(np.linalg.qr, singular="LinAlgError unless the leading columns are independent")
def _qr(a: Dual, mode: str = "reduced") -> Any:
    """``M = Q^H dA R^-1 = Omega + dR R^-1``; Omega = Q^H dQ is skew, and its strict lower part is that of M."""
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
    f"{REPEATED}; single vectors raise LinAlgError, unless the direction does not mix them; what does not depend on single "
    "vectors has its first derivative by jvp, jacfwd and derivative, and raises elsewhere"
)


def apart(w: Array) -> FirstOrder:
    """Part eigenvalues by 1, 2, ... times delta; the vectors stay."""
    spread = np.arange(w.shape[-1], dtype=w.dtype)
    return FirstOrder(spread, 0, spread, np.zeros_like(spread))


@rule_for(np.linalg.eigh, singular=f"reads one triangle; {REPEATED_VECTORS}")
def _eigh(a: Dual, UPLO: Any = "L") -> Any:
    """``dw = diag(V^H dA V)``, ``dV = V (V^H dA V / (w_j - w_i))``."""
    result: Any = np.linalg.eigh(a.primal, UPLO)
    w, v = result
    inner = np.matmul(np.matmul(adjoint(v), hermitian_from(a.tangent, UPLO.upper())), v)
    mixing, split = divided_by_gaps(inner, w, "np.linalg.eigh", a.level, lambda: apart(w))
    values = in_first_order(a.level, w, apart(w).spread) if split else w
    return type(result)(Dual(values, np.real(diagonal(inner)), a.level), Dual(v, np.matmul(v, mixing), a.level))


@rule_for(np.linalg.eigvalsh, singular=f"reads one triangle; {REPEATED}")
def _eigvalsh(a: Dual, UPLO: Any = "L") -> Dual:
    w, v = np.linalg.eigh(a.primal, UPLO)
    inner = np.matmul(np.matmul(adjoint(v), hermitian_from(a.tangent, UPLO.upper())), v)
    return Dual(w, np.real(diagonal(inner)), a.level)


def _in_eigenvectors(v: Array, t: Array) -> Array:
    return np.linalg.solve(v, np.matmul(t, v))


@rule_for(np.linalg.eig, singular=REPEATED_VECTORS)
def _eig(a: Dual) -> Any:
    """As eigh with V^-1 for V^H; the vectors keep their length, and their largest entry keeps its phase, as in LAPACK."""
    result: Any = np.linalg.eig(a.primal)
    w, v = result
    inner = _in_eigenvectors(v, a.tangent)
    mixing, split = divided_by_gaps(inner, w, "np.linalg.eig", a.level, lambda: apart(w))
    values = in_first_order(a.level, w, apart(w).spread) if split else w
    dv = np.matmul(v, mixing)
    along = np.sum(np.conjugate(v) * dv, -2, keepdims=True)
    dv = dv - v * np.real(along)
    if np.iscomplexobj(plain(v)):
        largest = np.argmax(np.abs(plain(v)), -2)[..., np.newaxis, :]
        turn = np.take_along_axis(dv, largest[np.newaxis], -2)
        dv = dv - v * 1j * np.imag(turn / np.take_along_axis(v, largest, -2))
    return type(result)(Dual(values, diagonal(inner), a.level), Dual(v, dv, a.level))


@rule_for(np.linalg.eigvals, singular=REPEATED)
def _eigvals(a: Dual) -> Dual:
    w, v = np.linalg.eig(a.primal)
    return Dual(w, diagonal(_in_eigenvectors(v, a.tangent)), a.level)


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
    ds = np.real(diagonal(p))
    scale = np.exp2(exponent_of(np.max(plain(s), -1, keepdims=True, initial=0)))  # squares of small numbers vanish
    x, part = s / scale, np.arange(1, rank + 1, dtype=s.dtype)
    p = p / scale[..., np.newaxis]
    ph, row, column = adjoint(p), np.expand_dims(x, -2), np.expand_dims(x, -1)

    def parted(left: Array, right: Array) -> FirstOrder:
        return FirstOrder(part, left * part + np.expand_dims(part, -1) * right, 2 * x * part, part * part)

    squares = x * x
    turn_u, split = divided_by_gaps(p * row + column * ph, squares, "np.linalg.svd", a.level, lambda: parted(p, ph))
    turn_v, _ = divided_by_gaps(column * p + ph * row, squares, "np.linalg.svd", a.level, lambda: parted(ph, p))
    values = in_first_order(a.level, s, scale * part) if split else s
    if p.dtype.kind == "c":
        turn_u = turn_u + 1j * np.imag(p) * np.eye(rank, dtype=plain(s).dtype) / row
    du, dv = np.matmul(u, turn_u), np.matmul(v, turn_v)
    if m > n:
        moved = np.matmul(t, v) / np.expand_dims(s, -2)
        du = du + moved - np.matmul(u, np.matmul(adjoint(u), moved))
    if n > m:
        moved = np.matmul(adjoint(t), u) / np.expand_dims(s, -2)
        dv = dv + moved - np.matmul(v, np.matmul(vh[..., :rank, :], moved))
    if full:
        u, du = with_others(u, du, others_u, t, a.level)
        v, dv = with_others(v, dv, others_v, t, a.level)
        vh = adjoint(v)
    return type(result)(Dual(u, du, a.level), Dual(values, ds, a.level), Dual(vh, adjoint(dv), a.level))


def with_others(u: Array, du: Array, others: Array, t: Array, level: int) -> tuple[Array, Array]:
    """Join vectors that belong to no value: they stay orthogonal to u, and are else undetermined unless it is one real one.

    Raises LinAlgError where vectors cannot be marked as undetermined.
    """
    count = others.shape[-1]
    if count == 0:
        return u, du
    change = -np.matmul(u, np.matmul(adjoint(du), others))
    if count > 1 or others.dtype.kind == "c":
        if not hasattr(level, "split") or isinstance(t, Dual) or isinstance(others, Dual):
            raise np.linalg.LinAlgError(
                "np.linalg.svd with full_matrices=True: the vectors that belong to no value are arbitrary, so their "
                "derivative does not exist; use full_matrices=False, or jvp or jacfwd for what does not depend on them"
            )
        turn = np.sign(differences(np.arange(count))) + (1j * np.eye(count) if others.dtype.kind == "c" else 0)
        moved = np.max(np.abs(t), (-2, -1), keepdims=True, initial=0)
        change = change + level.split(np.matmul(others, turn.astype(others.dtype)) * moved, 0 * change)
    return np.concatenate([u, others], -1), np.concatenate([du, change], -1)


@rule_for(np.linalg.svdvals, singular=f"{REPEATED}; at 0 the sign is that of LAPACK's vectors")
def _svdvals(x: Dual, /) -> Dual:
    u, s, vh = np.linalg.svd(x.primal, full_matrices=False)
    p = np.matmul(np.matmul(adjoint(u), x.tangent), adjoint(vh))
    return Dual(s, np.real(diagonal(p)), x.level)
