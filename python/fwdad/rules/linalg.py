"""numpy.linalg without the decompositions: inverses, determinants, norms."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.rules.elementwise import squared_size
from fwdad.rules.forms import STRONG, align, composed, constant, of_one_dtype, rule_for
from fwdad.rules.reductions import TIES

constant(np.linalg.matrix_rank)


def adjoint(a: Array) -> Array:
    """Return the conjugate transpose of matrices."""
    transposed = np.matrix_transpose(a)
    return np.conjugate(transposed) if a.dtype.kind == "c" else transposed


@rule_for(np.linalg.inv, singular="LinAlgError at a singular matrix")
def _inv(a: Dual) -> Dual:
    """``d(A^-1) = -A^-1 dA A^-1``."""
    inverse = np.linalg.inv(a.primal)
    return Dual(inverse, -np.matmul(np.matmul(inverse, a.tangent), inverse), a.level)


@rule_for(np.linalg.solve, singular="LinAlgError at a singular matrix")
def _solve(a: Array, b: Array) -> Array:
    """``dx = A^-1 (db - dA x)``, for all k right-hand sides at once: they become columns of one system."""
    if np.ndim(b) == 1:
        return np.linalg.solve(a, np.expand_dims(b, -1))[..., 0]
    level = highest_level((a, b))
    (pa, ta), (pb, tb) = split(a, level), split(b, level)
    x = np.linalg.solve(pa, pb)
    rest: Array = None if tb is None else align(tb, x.ndim)
    if ta is not None:
        moved = np.matmul(align(ta, x.ndim), x)
        rest = -moved if rest is None else rest - moved
    k, columns = rest.shape[0], x.shape[-1]
    rest = np.broadcast_to(rest, (k, *x.shape))
    side_by_side = np.reshape(np.moveaxis(rest, 0, -2), (*x.shape[:-1], k * columns))
    solved = np.reshape(np.linalg.solve(pa, side_by_side), (*x.shape[:-1], k, columns))
    return Dual(x, np.moveaxis(solved, -2, 0), level)


@rule_for(np.linalg.det, singular="none: the adjugate exists at singular matrices")
def _det(a: Dual) -> Dual:
    """``d det A = tr(adj(A) dA)`` (Jacobi), where ``adj(A) = det(A) A^-1`` if no digits are lost in the inverse."""
    answer = np.linalg.det(a.primal)
    inverse = _regular_inverse(a.primal, answer)
    adj = adjugate(a.primal) if inverse is None else answer[..., np.newaxis, np.newaxis] * inverse
    return Dual(answer, np.sum(np.matrix_transpose(adj) * a.tangent, axis=(-2, -1)), a.level)


def _regular_inverse(a: Array, det: Array) -> Array:
    """Return the inverse of plain matrices that are far from singular, and whose determinants do not overflow; else None."""
    if type(a) is not np.ndarray or np.count_nonzero(det) < det.size or a.size == 0:
        return None
    inverse = np.linalg.inv(a)
    size, inverse_size = abs(np.vdot(a, a)), abs(np.vdot(inverse, inverse))
    no_overflow = max(size, inverse_size) < 10 ** (60 / a.shape[-1])  # |det A| <= |A|^n
    return inverse if no_overflow and size * inverse_size < 1e6 else None


def adjugate(a: Array) -> Array:
    """``adj(A) = det(A) A^-1``, which exists where A has no inverse, too.

    Rows and columns are scaled to size 1 by powers of two, which is exact, so that no entry is lost beside a large one.
    """
    size = np.abs(plain(a))
    row = exponent_of(np.max(size, -1, keepdims=True, initial=0))
    column = exponent_of(np.max(size * np.exp2(-row), -2, keepdims=True, initial=0))
    total = np.sum(row, (-2, -1), keepdims=True) + np.sum(column, (-2, -1), keepdims=True)
    back = np.matrix_transpose(total - row - column)
    half = np.rint(back / 2)
    return _adjugate_of_scaled(a * np.exp2(-row) * np.exp2(-column)) * np.exp2(half) * np.exp2(back - half)


def exponent_of(size: np.ndarray) -> np.ndarray:
    """Return the power of two of each size, as a floating array; 0 for what is zero or not finite."""
    regular = np.isfinite(size) & (size > 0)
    exponent = np.frexp(np.where(regular, size, 1))[1]
    return np.clip(exponent, np.finfo(size.dtype).minexp + 2, None).astype(size.dtype)


def _adjugate_of_scaled(a: Array) -> Array:
    if isinstance(a, Dual):
        return _adjugate_of_dual(a)
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., np.newaxis, :])
    phase = np.linalg.det(u) * np.linalg.det(vh)
    middle = np.prod(others, -1)[..., np.newaxis] * adjoint(u)
    return phase[..., np.newaxis, np.newaxis] * np.matmul(adjoint(vh), middle)


def _adjugate_of_dual(a: Dual) -> Array:
    """Compute the adjugate by the inverse; at singular matrices by the Faddeev-LeVerrier recurrence, a polynomial."""
    n = a.shape[-1]
    values = plain(a)
    if n > 0 and np.all(np.linalg.cond(values) * np.finfo(values.dtype).eps < 1):
        return np.linalg.det(a)[..., np.newaxis, np.newaxis] * np.linalg.inv(a)
    identity = np.eye(n, dtype=a.dtype)
    b = np.broadcast_to(identity, a.shape)
    for j in range(1, n):
        product = np.matmul(a, b)
        b = np.trace(product, 0, -2, -1)[..., np.newaxis, np.newaxis] * identity / j - product
    return b


@rule_for(np.linalg.slogdet, singular="LinAlgError at a singular matrix")
def _slogdet(a: Dual) -> Any:
    """``d log|det A| = Re tr(A^-1 dA)``; a real sign is constant, a complex one turns by the imaginary part."""
    answer = np.linalg.slogdet(a.primal)
    change = np.trace(np.linalg.solve(a.primal, a.tangent), 0, -2, -1)
    log = Dual(answer.logabsdet, np.real(change), a.level)
    if not np.iscomplexobj(plain(a)):
        return type(answer)(answer.sign, log)
    return type(answer)(Dual(answer.sign, 1j * np.imag(change) * answer.sign, a.level), log)


@rule_for(np.linalg.pinv, singular="as if the rank were constant")
def _pinv(
    a: Dual,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    rtol: Any = np._NoValue,
) -> Dual:
    """``dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P`` (Golub and Pereyra 1973)."""
    x, t = a.primal, a.tangent
    p = np.linalg.pinv(x, rcond, hermitian, rtol=rtol)
    th, ph = adjoint(t), adjoint(p)
    outside_range = np.eye(x.shape[-2], dtype=x.dtype) - np.matmul(x, p)
    outside_domain = np.eye(x.shape[-1], dtype=x.dtype) - np.matmul(p, x)
    change = np.matmul(np.matmul(p, ph), np.matmul(th, outside_range))
    change = change + np.matmul(outside_domain, np.matmul(th, np.matmul(ph, p)))
    return Dual(p, change - np.matmul(np.matmul(p, t), p), a.level)


@composed(np.linalg.lstsq, singular="as if the rank were constant")
def _lstsq(a: Array, b: Array, rcond: Any = None) -> tuple[Array, Array, Any, Any]:
    """``x = A^+ b``."""
    a, b = of_one_dtype(a, b, least=np.float32)
    _, residuals, rank, s = np.linalg.lstsq(plain(a), plain(b), rcond)
    machine = np.finfo(plain(a).dtype).eps * max(np.shape(a))
    x = np.matmul(np.linalg.pinv(a, machine if rcond is None else rcond), b)
    if residuals.size:
        residual = b - np.matmul(a, x)
        residuals = np.atleast_1d(np.sum(np.square(np.abs(residual)), axis=0))
    return x, residuals, rank, np.linalg.svdvals(a) if isinstance(a, Dual) else s


@composed(np.linalg.matrix_power, singular="LinAlgError at a singular matrix, for a negative power")
def _matrix_power(a: Array, n: int) -> Array:
    """Repeated squaring."""
    if n < 0:
        a, n = np.linalg.inv(a), -n
    power: Array = None
    while n > 0:
        if n % 2:
            power = a if power is None else np.matmul(power, a)
        n //= 2
        if n:
            a = np.matmul(a, a)
    return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy() if power is None else power


@composed(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: None = None) -> Array:
    """Multiply in the order that needs the fewest multiplications."""
    arrays = of_one_dtype(*arrays)
    row, column = np.ndim(arrays[0]) == 1, np.ndim(arrays[-1]) == 1
    if row:
        arrays[0] = np.expand_dims(arrays[0], 0)
    if column:
        arrays[-1] = np.expand_dims(arrays[-1], 1)
    sizes = [a.shape[0] for a in arrays] + [arrays[-1].shape[1]]

    @cache
    def best(i: int, j: int) -> tuple[int, int]:
        """Return the cost of the product of matrices i..j, and the place of its last multiplication."""
        return min(
            ((best(i, m)[0] + best(m + 1, j)[0] + sizes[i] * sizes[m + 1] * sizes[j + 1], m) for m in range(i, j)),
            default=(0, i),
        )

    def product(i: int, j: int) -> Array:
        return arrays[i] if i == j else np.matmul(product(i, best(i, j)[1]), product(best(i, j)[1] + 1, j))

    answer = product(0, len(arrays) - 1)
    answer = answer[..., 0] if column else answer
    return answer[0] if row else answer


# Norms.
NORM = f"0 at 0; {STRONG} where the derivative is infinite; {TIES}"


@composed(np.linalg.norm, singular=NORM)
def _norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    if axis is None:
        if ord is None:
            return _euclidean(x, None, keepdims)
        axis = tuple(range(-x.ndim, 0))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return _vector_norm_along(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError(f"np.linalg.norm: ord={ord!r} is of vectors or matrices; got {len(axes)} axes")
    return _matrix_norm_along(x, "fro" if ord is None else ord, axes, keepdims)


@composed(np.linalg.vector_norm, singular=NORM)
def _vector_norm(x: Array, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    return _vector_norm_along(x, ord, axis, keepdims)


@composed(np.linalg.matrix_norm, singular=NORM)
def _matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    return _matrix_norm_along(x, ord, (-2, -1), keepdims)


def _euclidean(x: Array, axis: Any, keepdims: bool = False) -> Array:
    """Return the root of the sum of squares; of numbers whose squares would overflow or vanish, scaled by a power of two."""
    exponent = exponent_of(np.max(np.abs(plain(x)), initial=0))
    if abs(exponent) < np.finfo(x.dtype).maxexp // 3:
        return np.sqrt(np.sum(squared_size(x), axis=axis, keepdims=keepdims))
    size = np.exp2(exponent)
    return np.sqrt(np.sum(squared_size(x / size), axis=axis, keepdims=keepdims)) * size


def _vector_norm_along(x: Array, order: Any, axis: Any, keepdims: bool) -> Array:
    if order == 2:
        return _euclidean(x, axis, keepdims)
    size = np.abs(x)
    if order == 0:
        return np.sum(np.not_equal(plain(x), 0), axis=axis, keepdims=keepdims).astype(size.dtype)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if isinstance(order, str):
        raise ValueError(f"np.linalg.norm: ord={order!r} is not a norm of vectors")
    return np.power(np.sum(np.power(size, order), axis=axis, keepdims=keepdims), 1 / order)


def _matrix_norm_along(x: Array, order: Any, axes: Any, keepdims: bool) -> Array:
    row, column = (a % x.ndim for a in axes)
    if order == "fro":
        return _euclidean(x, (row, column), keepdims)
    if order in (1, -1, np.inf, -np.inf):
        within, over = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=within, keepdims=True)
        answer = (np.max if order > 0 else np.min)(sums, axis=over, keepdims=True)
    elif order in (2, -2, "nuc"):
        s = np.linalg.svdvals(np.moveaxis(x, (row, column), (-2, -1)))
        answer = np.sum(s, -1) if order == "nuc" else s[..., 0 if order == 2 else -1]
        answer = np.expand_dims(answer, tuple(sorted((row, column))))
    else:
        raise ValueError(f"np.linalg.norm: ord={order!r} is not a norm of matrices")
    return answer if keepdims else np.squeeze(answer, (row, column))


@composed(np.linalg.cond, singular="as the norms")
def _cond(x: Array, p: Any = None) -> Array:
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, (-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, (-2, -1))


@composed(np.linalg.tensorinv, singular="LinAlgError at a singular matrix")
def _tensorinv(a: Array, ind: int = 2) -> Array:
    rows = int(np.prod(a.shape[:ind], dtype=np.int64))
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), a.shape[ind:] + a.shape[:ind])


@composed(np.linalg.tensorsolve, singular="LinAlgError at a singular matrix")
def _tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    if axes is not None:
        back = [i % a.ndim for i in axes]
        a = np.transpose(a, [i for i in range(a.ndim) if i not in back] + back)
    shape = a.shape[np.ndim(b) :]
    return np.reshape(np.linalg.solve(np.reshape(a, (np.size(b), -1)), np.reshape(b, -1)), shape)


def same_as(function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Enter a function that numpy.linalg has under a name of its own."""

    def rule(*args: Any, **options: Any) -> Any:
        return other(*args, **options)

    composed(function)(rule)


same_as(np.linalg.matmul, np.matmul)
same_as(np.linalg.outer, np.outer)
same_as(np.linalg.tensordot, np.tensordot)
same_as(np.linalg.vecdot, np.vecdot)
same_as(np.linalg.matrix_transpose, np.matrix_transpose)
same_as(np.linalg.cross, np.cross)


@composed(np.trace)
def _trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    return np.sum(np.diagonal(a, offset, axis1, axis2), -1, dtype, out)


@composed(np.linalg.trace)
def _linalg_trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    return np.trace(x, offset, -2, -1, dtype)
