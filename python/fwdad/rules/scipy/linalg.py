"""scipy.linalg: systems of equations, functions of matrices, decompositions, matrices of a special form.

The options overwrite_a, overwrite_b and check_finite have no effect on Duals.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg as linalg

from fwdad import tree
from fwdad.dual import Array, Dual, highest_level, plain, primitive, split
from fwdad.rules.decompositions import hermitian_from
from fwdad.rules.forms import STRONG, align, rule_for, zeros
from fwdad.rules.linalg import adjoint
from fwdad.rules.replacing import replaces

SINGULAR = "LinAlgError at a singular matrix"
IGNORED = {"overwrite_a", "overwrite_b", "overwrite_ab", "check_finite"}


# Systems of equations: A(data) x = b. From dA x + A dx = db,  dx = A^-1 (db - dA x).
def solves(name: str, product: Callable[..., Array]) -> None:
    """Enter a solver, given ``product(x, **data) = A(data) x``; `data` are its arguments but b, by their names."""
    if not hasattr(linalg, name):
        return
    signature = inspect.signature(getattr(linalg, name))

    def rule(*args: Any, **kwargs: Any) -> Array:
        given = signature.bind(*args, **kwargs)
        for option in IGNORED:
            given.arguments.pop(option, None)
        b, data = given.arguments["b"], {k: v for k, v in given.arguments.items() if k != "b"}

        def solve(data: dict[str, Any], b: Array) -> Array:
            given.arguments.update(data, b=b)
            return getattr(linalg, name)(*given.args, **given.kwargs)

        if np.ndim(b) == 1:
            return solve(data, np.expand_dims(b, -1))[..., 0]
        level = highest_level(tree.leaves((data, b)))
        still = tree.map(lambda leaf: split(leaf, level)[0], data)
        pb, rest = split(b, level)
        x = solve(still, pb)
        moved = split(product(x, **data), level)[1]
        rest = None if rest is None else align(rest, x.ndim)
        if moved is not None:
            rest = -moved if rest is None else rest - moved
        # the k right-hand sides become columns of one system
        k, columns = rest.shape[0], x.shape[-1]
        rest = np.broadcast_to(rest, (k, *x.shape))
        side_by_side = np.reshape(np.moveaxis(rest, 0, -2), (*x.shape[:-1], k * columns))
        solved = np.reshape(solve(still, side_by_side), (*x.shape[:-1], k, columns))
        return Dual(x, np.moveaxis(solved, -2, 0), level)

    replaces(linalg, name, "differentiable", SINGULAR)(rule)


def _transposed(a: Array, how: Any) -> Array:
    """Apply `trans`: 0 or "N", 1 or "T", 2 or "C"."""
    return a if how in (0, "N") else np.matrix_transpose(a) if how in (1, "T") else adjoint(a)


def _as_read(a: Array, assume_a: str | None = None, lower: bool = False, transposed: bool = False) -> Array:
    """Return the matrix that `solve` and `inv` take a for: they read a triangle or a band of it."""
    if assume_a in ("her", "hermitian", "pos", "positive definite"):
        a = hermitian_from(a, "L" if lower else "U")
    elif assume_a in ("sym", "symmetric"):
        strict = np.tril(a, -1) if lower else np.triu(a, 1)
        a = strict + np.matrix_transpose(strict) + a * np.eye(a.shape[-1])
    elif assume_a in ("upper triangular", "lower triangular"):
        a = np.triu(a) if assume_a.startswith("upper") else np.tril(a)
    elif assume_a in ("diagonal", "tridiagonal"):
        width = 0 if assume_a == "diagonal" else 1
        a = np.triu(np.tril(a, width), -width)
    return np.matrix_transpose(a) if transposed else a


def _triangle(a: Array, lower: bool, unit_diagonal: bool = False) -> Array:
    side, inside = (np.tril, -1) if lower else (np.triu, 1)
    return side(a, inside) + np.eye(a.shape[-1], dtype=a.dtype) if unit_diagonal else side(a)


def _cholesky_product(x: Array, c_and_lower: Any) -> Array:
    c, lower = c_and_lower
    factor = _triangle(c, lower)
    return factor @ (adjoint(factor) @ x) if lower else adjoint(factor) @ (factor @ x)


def _order(pivots: np.ndarray) -> np.ndarray:
    """Return the order of rows that LAPACK's interchanges make."""
    order = np.arange(len(pivots))
    for i, p in enumerate(pivots):
        order[[i, p]] = order[[p, i]]
    return order


def _lu_product(x: Array, lu_and_piv: Any, trans: int = 0) -> Array:
    lu, pivots = lu_and_piv
    order = _order(plain(pivots))
    a = (_triangle(lu, True, True) @ np.triu(lu))[np.argsort(order)]
    return _transposed(a, trans) @ x


def _banded_product(x: Array, l_and_u: Any, ab: Array) -> Array:
    """``ab[u + i - j, j] = A[i, j]``."""
    n = x.shape[-2]
    total: Array = 0
    for row in range(l_and_u[0] + l_and_u[1] + 1):
        ahead = l_and_u[1] - row  # j - i
        terms = ab[..., row, :, np.newaxis] * x
        zero = np.zeros_like(terms[..., : abs(ahead), :])
        kept = terms[..., max(0, ahead) : n + min(0, ahead), :]
        total = total + np.concatenate([zero, kept] if ahead < 0 else [kept, zero], -2)
    return total


def _hermitian_banded_product(x: Array, ab: Array, lower: bool = False) -> Array:
    """One half of the bands as they are given, and their adjoint without the diagonal."""
    width, n = ab.shape[-2] - 1, x.shape[-2]
    half = _banded_product(np.eye(n), (width, 0) if lower else (0, width), ab)
    strict = half * (1 - np.eye(n))
    return (half + adjoint(strict)) @ x


solves("solve", lambda x, a, **how: _as_read(a, **how) @ x)
solves(
    "solve_triangular",
    lambda x, a, trans=0, lower=False, unit_diagonal=False: _transposed(_triangle(a, lower, unit_diagonal), trans) @ x,
)
solves("cho_solve", _cholesky_product)
solves("lu_solve", _lu_product)
solves("solve_banded", _banded_product)
solves("solveh_banded", _hermitian_banded_product)
solves(
    "solve_toeplitz", lambda x, c_or_cr: linalg.toeplitz(*(c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr,))) @ x
)


def _each(function: Callable[..., Array], *matrices: Array) -> Array:
    """Call a function for each of many matrices; SciPy before 1.16 takes one."""
    front = np.broadcast_shapes(*(m.shape[:-2] for m in matrices))
    rows = [np.broadcast_to(m, front + m.shape[-2:]).reshape(-1, *m.shape[-2:]) for m in matrices]
    answers = np.stack([function(*row) for row in zip(*rows, strict=True)])
    return answers.reshape(front + answers.shape[1:])


@primitive
def sylvester(a: Array, b: Array, q: Array) -> Array:
    """Return X with ``A X + X B = Q``, for one matrix or many."""
    return _each(linalg.solve_sylvester, a, b, q)


@replaces(linalg, "solve_sylvester", singular="LinAlgError where a and -b share an eigenvalue")
def _solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    return sylvester(*(v if isinstance(v, Dual) else np.asarray(v) for v in (a, b, q)))


@rule_for(sylvester)
def _sylvester(a: Array, b: Array, q: Array) -> Dual:
    """By ``A dX + dX B = dQ - dA X - X dB``."""
    level = highest_level((a, b, q))
    (a, ta), (b, tb), (q, tq) = (split(v, level) for v in (a, b, q))
    x = sylvester(a, b, q)
    terms = [] if tq is None else [align(tq, x.ndim)]
    terms += [] if ta is None else [-(align(ta, x.ndim) @ x)]
    terms += [] if tb is None else [-(x @ align(tb, x.ndim))]
    return Dual(x, sylvester(a, b, sum(terms[1:], start=terms[0])), level)


@replaces(linalg, "solve_continuous_lyapunov", singular="as solve_sylvester")
def _solve_continuous_lyapunov(a: Array, q: Array) -> Array:
    return linalg.solve_sylvester(a, adjoint(a), q)


@replaces(linalg, "solve_discrete_lyapunov", singular=SINGULAR)
def _solve_discrete_lyapunov(a: Array, q: Array, method: Any = None) -> Array:
    """``(1 - A x conj(A)) vec X = vec Q``."""
    n = a.shape[-1]
    system = np.eye(n * n, dtype=a.dtype) - np.kron(a, np.conjugate(a))
    return np.reshape(np.linalg.solve(system, np.reshape(q, -1)), (n, n))


# Analytic functions of a matrix: f([[A, E], [0, A]]) = [[f(A), Df(A) E], [0, f(A)]]  (Mathias 1996).
@primitive
def of_matrices(function: Callable[[np.ndarray], np.ndarray], a: Array) -> Array:
    """Return a function of one matrix, or of each of many; it sees plain arrays."""
    return function(a) if a.ndim == 2 else _each(function, a)


@rule_for(of_matrices)
def _of_matrices(function: Callable[[np.ndarray], np.ndarray], a: Dual) -> Dual:
    y = of_matrices(function, a.primal)
    change = along_direction(function, a.primal, a.tangent)
    return Dual(y, np.real(change) if y.dtype.kind == "f" else change, a.level)


@primitive
def along_direction(function: Callable[[np.ndarray], np.ndarray], a: Array, t: Array) -> Array:
    """Return ``Df(A) t_i`` for directions t (k, ..., n, n)."""
    n = a.shape[-1]
    size = np.max(np.abs(plain(t)), (-2, -1), initial=0, keepdims=True) / (np.max(np.abs(plain(a)), initial=0) or 1)
    size = np.where(np.equal(size, 0), 1, size)  # a direction of the matrix's own size loses no digits
    corner = a + zeros(t, a.shape, a.dtype)
    above = np.concatenate([corner, t / size], -1)
    below = np.concatenate([np.zeros_like(corner), corner], -1)

    def quiet(a: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():  # logm warns at 1000 roundings, which are nothing beside those of A itself
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(a)

    return size * of_matrices(quiet, np.concatenate([above, below], -2))[..., :n, n:]


rule_for(along_direction, kind="composed")(along_direction.__wrapped__)  # type: ignore[attr-defined]


def analytic(name: str, singular: str = "") -> None:
    """Enter an analytic function of a matrix."""
    if hasattr(linalg, name):
        original = getattr(linalg, name)

        def rule(A: Dual, *args: Any, **options: Any) -> Array:
            return of_matrices(lambda a: original(a, *args, **options), A)

        replaces(linalg, name, singular=singular)(rule)


for _name in ("expm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm"):
    analytic(_name)
for _name in ("logm", "fractional_matrix_power"):
    analytic(_name, "not at eigenvalues that are zero or negative")


@replaces(linalg, "sqrtm", "differentiable", "LinAlgError at a singular matrix; not at negative eigenvalues")
def _sqrtm(A: Dual, *args: Any, **options: Any) -> Dual:
    """``X dX + dX X = dA``."""
    x = linalg.sqrtm(A.primal, *args, **options)
    return Dual(x, sylvester(x, x, A.tangent), A.level)


# Decompositions.
@replaces(linalg, "lu", "differentiable", "LinAlgError where a pivot is zero; the pivots are those at A")
def _lu(a: Dual, permute_l: bool = False, p_indices: bool = False, **_: Any) -> Any:
    """``F = L^-1 P^T dA U^-1``, ``dL = L low(F)``, ``dU = up(F) U``; what sticks out of the square follows from dA."""
    rows, lower, upper = linalg.lu(a.primal, p_indices=True)
    order = np.argsort(plain(rows))
    r = min(a.shape[-2:])
    t = a.tangent[..., order, :]
    square_l, square_u = lower[..., :r, :], upper[..., :r]
    inner = np.linalg.solve(square_l, t[..., :r, :r]) @ np.linalg.inv(square_u)
    dl, du = square_l @ np.tril(inner, -1), np.triu(inner) @ square_u
    if a.shape[-2] > r:
        rest = (t[..., r:, :] - lower[..., r:, :] @ du) @ np.linalg.inv(square_u)
        dl = np.concatenate([dl, rest], -2)
    if a.shape[-1] > r:
        rest = np.linalg.solve(square_l, t[..., r:] - dl @ upper[..., r:])
        du = np.concatenate([du, rest], -1)
    lower, upper = Dual(lower, dl, a.level), Dual(upper, du, a.level)
    if permute_l:
        return lower[rows], upper
    return (rows if p_indices else np.eye(a.shape[-2], dtype=a.dtype)[rows]), lower, upper


@replaces(linalg, "lu_factor", singular="as lu")
def _lu_factor(a: Array, **_: Any) -> tuple[Array, np.ndarray]:
    _, pivots = linalg.lu_factor(plain(a))
    _, lower, upper = linalg.lu(a)
    r = min(a.shape[-2:])
    strict = np.tril(lower, -1)
    if a.shape[-1] > r:
        strict = np.concatenate([strict, np.zeros((r, a.shape[-1] - r))], -1)
    if a.shape[-2] > r:
        upper = np.concatenate([upper, np.zeros((a.shape[-2] - r, r))], -2)
    return strict + upper, pivots


@replaces(linalg, "cholesky", singular="reads one triangle; LinAlgError unless positive definite")
def _cholesky(a: Array, lower: bool = False, **_: Any) -> Array:
    factor = np.linalg.cholesky(hermitian_from(a, "L" if lower else "U"))
    return factor if lower else adjoint(factor)


@replaces(linalg, "cho_factor", singular="as cholesky; the other triangle is zero")
def _cho_factor(a: Array, lower: bool = False, **_: Any) -> tuple[Array, bool]:
    return linalg.cholesky(a, lower), lower


def with_phase_of(vectors: Array, reference: np.ndarray) -> Array:
    """Turn vectors in columns so that they point as those of SciPy, which may have other signs than NumPy's."""
    overlap = np.sum(np.conjugate(plain(vectors)) * reference, -2, keepdims=True)
    return vectors * (overlap / np.abs(overlap))


@replaces(linalg, "eigh", singular="as np.linalg.eigh")
def _eigh(a: Array, b: Array = None, *, lower: bool = True, eigvals_only: bool = False, **options: Any) -> Any:
    """Find v: ``A v = w B v`` is ``(L^-1 A L^-H) u = w u`` with ``B = L L^H``, ``u = L^H v``."""
    _only(linalg.eigh, options, "subset_by_index", "driver")
    triangle, given = "L" if lower else "U", (plain(a), plain(b))
    a = hermitian_from(a, triangle)
    if b is not None:
        inverse = np.linalg.inv(np.linalg.cholesky(hermitian_from(b, triangle)))
        a = inverse @ a @ adjoint(inverse)
    first, last = options.get("subset_by_index") or (0, a.shape[-1] - 1)
    if eigvals_only:
        return np.linalg.eigvalsh(a)[..., first : last + 1]
    w, u = np.linalg.eigh(a)
    v = u if b is None else adjoint(inverse) @ u
    v = with_phase_of(v, linalg.eigh(*given, lower=lower)[1])
    return w[..., first : last + 1], v[..., first : last + 1]


@replaces(linalg, "eigvalsh", singular="as np.linalg.eigvalsh")
def _eigvalsh(a: Array, b: Array = None, **options: Any) -> Array:
    return linalg.eigh(a, b, eigvals_only=True, **options)


@replaces(linalg, "eig", singular="as np.linalg.eig")
def _eig(a: Array, b: Array = None, **options: Any) -> Any:
    _only(linalg.eig, options if b is None else {"b": b, **options})
    w, v = np.linalg.eig(a)
    return w.astype(np.result_type(w.dtype, np.complex64)), v


@replaces(linalg, "eigvals", singular="as np.linalg.eigvals")
def _eigvals(a: Array, b: Array = None, **options: Any) -> Array:
    _only(linalg.eigvals, options)
    w = np.linalg.eigvals(a if b is None else np.linalg.solve(b, a))
    return w.astype(np.result_type(w.dtype, np.complex64))


@replaces(linalg, "svd", singular="as np.linalg.svd")
def _svd(a: Array, full_matrices: bool = True, compute_uv: bool = True, **_: Any) -> Any:
    if not compute_uv:
        return np.linalg.svdvals(a)
    u, s, vh = np.linalg.svd(a, full_matrices)
    return u, s, vh


@replaces(linalg, "qr", singular="as np.linalg.qr")
def _qr(a: Array, mode: str = "full", pivoting: bool = False, **_: Any) -> Any:
    order: Any = slice(None)
    rest: tuple[np.ndarray, ...] = ()
    if pivoting:
        order = linalg.qr(plain(a), mode="r", pivoting=True)[1]
        rest = (order,)
    names: dict[str, Any] = {"full": "complete", "economic": "reduced", "r": "r"}
    if mode not in names:
        raise ValueError(f"scipy.linalg.qr on a Dual takes mode 'full', 'economic' or 'r', got {mode!r}")
    m, n = a.shape[-2:]
    answer = np.linalg.qr(a[..., order], "reduced" if m <= n and mode == "full" else names[mode])
    return (answer, *rest) if mode == "r" else (*answer, *rest)


def _only(function: Callable[..., Any], options: dict[str, Any], *known: str) -> None:
    """Raise TypeError for an option that has no derivative here."""
    given = {k for k, v in options.items() if v is not None and k not in IGNORED and k not in known}
    defaults = inspect.signature(function).parameters
    unknown = sorted(k for k in given if k not in defaults or options[k] is not defaults[k].default)
    if unknown:
        raise TypeError(f"scipy.linalg.{function.__name__} on a Dual takes no {', '.join(unknown)}=")


# What NumPy has as well.
@replaces(linalg, "inv", singular=SINGULAR)
def _inv(a: Array, *, assume_a: str | None = None, lower: bool = False, **_: Any) -> Array:
    return np.linalg.inv(_as_read(a, assume_a, lower))


@replaces(linalg, "det", singular="as np.linalg.det")
def _det(a: Array, **_: Any) -> Array:
    return np.linalg.det(a)


@replaces(linalg, "pinv", singular="as if the rank were constant")
def _pinv(a: Array, *, atol: Any = None, rtol: Any = None, **options: Any) -> Array:
    _only(linalg.pinv, {"atol": atol, **options})
    return np.linalg.pinv(a, rtol=max(a.shape[-2:]) * np.finfo(a.dtype).eps if rtol is None else rtol)


@replaces(linalg, "lstsq", singular="as if the rank were constant")
def _lstsq(a: Array, b: Array, cond: Any = None, **_: Any) -> Any:
    return np.linalg.lstsq(a, b, np.finfo(plain(a).dtype).eps if cond is None else cond)


@replaces(linalg, "norm", singular=f"as np.linalg.norm; {STRONG} where the derivative is infinite")
def _norm(a: Array, ord: Any = None, axis: Any = None, keepdims: bool = False, **_: Any) -> Array:
    return np.linalg.norm(a, ord, axis, keepdims)


# Matrices of a special form: entries in other places.
@replaces(linalg, "block_diag")
def _block_diag(*arrs: Array) -> Array:
    blocks = [np.atleast_2d(a) for a in arrs]
    widths = [b.shape[-1] for b in blocks]
    left = np.cumsum([0, *widths])
    padded = [
        np.concatenate([np.zeros((len(b), left[i])), b, np.zeros((len(b), left[-1] - left[i + 1]))], -1)
        for i, b in enumerate(blocks)
    ]
    return np.concatenate(padded, 0)


@replaces(linalg, "toeplitz")
def _toeplitz(c: Array, r: Array = None) -> Array:
    c = np.reshape(c, -1) if np.ndim(c) == 0 else c
    r = np.conjugate(c) if r is None else np.atleast_1d(r)
    n, m = c.shape[-1], r.shape[-1]
    values = np.concatenate([np.flip(c, -1), r[..., 1:]], -1)
    return np.take(values, n - 1 + np.arange(m) - np.arange(n)[:, np.newaxis], -1)


@replaces(linalg, "hankel")
def _hankel(c: Array, r: Array = None) -> Array:
    r = np.zeros_like(plain(c)) if r is None else r
    values = np.concatenate([c, r[1:]])
    return values[np.arange(np.size(c))[:, np.newaxis] + np.arange(np.size(r))]


@replaces(linalg, "circulant")
def _circulant(c: Array) -> Array:
    n = c.shape[-1]
    return np.take(c, (np.arange(n)[:, np.newaxis] - np.arange(n)) % n, -1)
