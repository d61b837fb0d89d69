"""The same programs in fwdad, JAX and PyTorch: ``pytest -m oracle``, with the extra fwdad[oracles] installed."""

import numpy as np
import pytest

import fwdad
from fwdad.testing import expect_close

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # PyTorch about itself
]
RNG = np.random.default_rng(21)
X = RNG.permutation(24).reshape(2, 3, 4) / 12 - 0.93
M = RNG.standard_normal((3, 4))
S = RNG.standard_normal((3, 3)) / 2 + 3 * np.eye(3)
V = np.array([0.31, -1.27, 0.83, 1.94, -0.46])
P = np.array([0.7, 1.3, 2.1, 0.4])

# A case is a program of a namespace and arrays, and the points where it is differentiated.
BOTH = {
    **{
        name: (lambda xp, x, name=name: getattr(xp, name)(x), P / 2.5)
        for name in (
            "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "exp",
            "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "square", "reciprocal", "abs", "negative", "sinc",
            "i0", "deg2rad", "rad2deg", "sign",
        )
    },
    "add": (lambda xp, x, y: x + y, M, P),
    "subtract": (lambda xp, x, y: x - y, M, P),
    "multiply": (lambda xp, x, y: x * y, M, P),
    "divide": (lambda xp, x, y: x / y, M, P),
    "power": (lambda xp, x, y: x**y, P, P[::-1].copy()),
    "power constant": (lambda xp, x: x**3 + x**-2 + x**0.5, P),
    "arctan2": (lambda xp, x, y: xp.arctan2(x, y), M, P),
    "hypot": (lambda xp, x, y: xp.hypot(x, y), M, P + 0 * M),
    "logaddexp": (lambda xp, x, y: xp.logaddexp(x, y), M, P + 0 * M),
    "maximum": (lambda xp, x, y: xp.maximum(x, y), M, P + 0 * M),
    "fmod": (lambda xp, x, y: xp.fmod(x, y), M, P),
    "abs at 0": (lambda xp, x: xp.abs(x), np.array([0.0, -1.0, 2.0])),
    "maximum tie": (lambda xp, x, y: xp.maximum(x, y), np.ones(3), np.array([1.0, 2.0, 0.0])),
    "max tie": (lambda xp, x: xp.amax(x, 0), np.array([2.0, 1.0, 2.0])),
    "min tie": (lambda xp, x: xp.amin(x, 0), np.array([2.0, 1.0, 1.0])),
    "where": (lambda xp, x: xp.where(x > 0, xp.sin(x), x * x), X),
    "sum": (lambda xp, x: xp.sum(x, (0, 2)), X),
    "mean": (lambda xp, x: xp.mean(x, 1), X),
    "prod": (lambda xp, x: xp.prod(x, 1), X),
    "cumsum": (lambda xp, x: xp.cumsum(x, 1), X),
    "cumprod": (lambda xp, x: xp.cumprod(x, 2), X),
    "sort": (lambda xp, x: xp.sort(x, 1)[0] if xp.__name__ == "torch" else xp.sort(x, 1), X),
    "matmul": (lambda xp, x, y: x @ y, X, M.T.copy()),
    "einsum": (lambda xp, x, y: xp.einsum("bij,kj->bik", x, y), X, M),
    "tensordot": (lambda xp, x, y: xp.tensordot(x, y, ([2], [1])), X, M),
    "kron": (lambda xp, x, y: xp.kron(x, y), M, S),
    "outer": (lambda xp, x, y: xp.outer(x, y), V, P),
    "reshape": (lambda xp, x: xp.reshape(x, (4, 6)) * 2, X),
    "index": (lambda xp, x: x[..., 1:] * x[:, :1, :-1], X),
    "concatenate": (lambda xp, x, y: xp.concatenate([x[0], y, x[1] * 2]), X, M),
    "stack": (lambda xp, x, y: xp.stack([x[0], y], -1), X, M),
    "tril": (lambda xp, x: xp.tril(x) @ xp.triu(x), S),
    "roll": (lambda xp, x: xp.roll(x, 2, 1), X),
    "flip": (lambda xp, x: xp.flip(x, (0, 2)), X),
    "diff": (lambda xp, x: xp.diff(x), X),
    "inv": (lambda xp, x: xp.linalg.inv(x), S),
    "det": (lambda xp, x: xp.linalg.det(x), S),
    "slogdet": (lambda xp, x: xp.linalg.slogdet(x)[1], S),
    "solve": (lambda xp, x, y: xp.linalg.solve(x, y), S, M),
    "cholesky": (lambda xp, x: xp.linalg.cholesky(x @ x.T), S),
    "qr": (lambda xp, x: xp.linalg.qr(x)[1] ** 2, S),
    "eigvalsh": (lambda xp, x: xp.linalg.eigvalsh(x + x.T), S),
    "eigh": (lambda xp, x: xp.linalg.eigh(x + x.T)[1] ** 2, S),
    "svdvals": (lambda xp, x: xp.linalg.svd(x, full_matrices=False)[1], M),
    "pinv": (lambda xp, x: xp.linalg.pinv(x), M),
    "norm": (lambda xp, x: xp.linalg.norm(x), X),
    "matrix_power": (lambda xp, x: xp.linalg.matrix_power(x, 3), S),
    "fft": (lambda xp, x: xp.real(xp.fft.fft(x)) + xp.imag(xp.fft.fft(x)), X),
    "irfft": (lambda xp, x: xp.fft.irfft(xp.fft.rfft(x) ** 2), X),
}  # fmt: skip
JAX_ONLY = {
    "median": (lambda xp, x: xp.median(x, 2), X),
    "quantile": (lambda xp, x: xp.quantile(x, 0.3, axis=1), X),
    "var": (lambda xp, x: xp.var(x, axis=(0, 1), ddof=1), X),
    "std": (lambda xp, x: xp.std(x, axis=2), X),
    "ptp": (lambda xp, x: xp.ptp(x, axis=1), X),
    "clip": (lambda xp, x: xp.clip(x, -0.5, 0.6), X),
    "interp": (lambda xp, x: xp.interp(x, np.linspace(-2, 2, 9), np.linspace(-2, 2, 9) ** 3), X),
    "convolve": (lambda xp, x, y: xp.convolve(x, y), V, P),
    "cross": (lambda xp, x, y: xp.cross(x, y), S, S.T.copy()),
    "pad": (lambda xp, x: xp.pad(x, 1, mode="reflect"), X),
    "tile": (lambda xp, x: xp.tile(x, (2, 1)), X),
    "repeat": (lambda xp, x: xp.repeat(x, 3, axis=1), X),
    "trapezoid": (lambda xp, x: xp.trapezoid(x, dx=0.3, axis=1), X),
    "take_along_axis": (lambda xp, x: xp.take_along_axis(x, np.argsort(X, 1), 1), X),
    "select": (lambda xp, x: xp.select([x > 0.5, x > 0], [x * x, xp.sin(x)], x), X),
    "polyval": (lambda xp, p, x: xp.polyval(p, x), P, V),
    "cov": (lambda xp, x: xp.cov(x), M),
    "corrcoef": (lambda xp, x: xp.corrcoef(x), M),
    "nanmean": (lambda xp, x: xp.nanmean(xp.where(x > 1, np.nan, x), axis=1), X),
}


NOT_IN_TORCH = {"i0", "sinc", "kron", "reciprocal", "fmod"}


def directions(arrays, k=3):
    rng = np.random.default_rng(4)
    return tuple(rng.standard_normal((k, *x.shape)) for x in arrays)


@pytest.fixture(scope="module")
def jax():
    jax = pytest.importorskip("jax", reason="jax is not installed: pip install 'fwdad[oracles]'")
    jax.config.update("jax_enable_x64", True)
    return jax


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'fwdad[oracles]'")
    torch.set_num_threads(1)
    return torch


@pytest.mark.parametrize(
    "name", [name for name in (*BOTH, *JAX_ONLY) if name != "abs at 0"]
)  # JAX takes the right side
def test_jax(jax, name):
    """Values, JVPs and second derivatives."""
    f, *arrays = {**BOTH, **JAX_ONLY}[name]
    v = directions(arrays)
    y, dy = fwdad.jvp(lambda *x: f(np, *x), tuple(arrays), v)
    theirs = jax.vmap(lambda *t: jax.jvp(lambda *x: f(jax.numpy, *x), tuple(map(jax.numpy.asarray, arrays)), t)[1])
    expect_close(y, f(jax.numpy, *map(jax.numpy.asarray, arrays)), 1e-10, "value")
    expect_close(dy, theirs(*map(jax.numpy.asarray, v)), 1e-9, "jvp")
    if "tie" in name:
        return  # at a kink there is no second derivative
    first = tuple(t[0] for t in v)
    ours = fwdad.jvp(lambda *x: fwdad.jvp(lambda *x: f(np, *x), x, first)[1], tuple(arrays), tuple(t[1] for t in v))[1]

    def inner(*x):
        return jax.jvp(lambda *x: f(jax.numpy, *x), x, tuple(map(jax.numpy.asarray, first)))[1]

    second = jax.jvp(inner, tuple(map(jax.numpy.asarray, arrays)), tuple(jax.numpy.asarray(t[1]) for t in v))[1]
    expect_close(ours, second, 1e-7, "second derivative")


@pytest.mark.parametrize("name", [name for name in BOTH if name not in NOT_IN_TORCH])
def test_torch(torch, name):
    f, *arrays = BOTH[name]
    v = directions(arrays)
    y, dy = fwdad.jvp(lambda *x: f(np, *x), tuple(arrays), v)
    tensors = tuple(map(torch.tensor, arrays))
    expect_close(y, f(torch, *tensors).numpy(), 1e-10, "value")
    for i in range(3):
        theirs = torch.func.jvp(lambda *x: f(torch, *x), tensors, tuple(torch.tensor(t[i]) for t in v))[1]
        expect_close(dy[i], theirs.numpy(), 1e-9, "jvp")


def test_jax_transforms(jax):
    """hessian, jet and linearize of one function."""
    from jax.experimental.jet import jet

    def f(xp, x):
        return xp.sum(xp.sin(x) * xp.exp(x[::-1])) + xp.log(1 + xp.sum(x * x))

    x = V
    expect_close(fwdad.hessian(lambda x: f(np, x))(x), jax.hessian(lambda x: f(jax.numpy, x))(x), 1e-11, "hessian")
    expect_close(
        fwdad.laplacian(lambda x: f(np, x))(x), np.trace(jax.hessian(lambda x: f(jax.numpy, x))(x)), 1e-11, "laplacian"
    )
    series = [V[::-1].copy(), V * 2, 0 * V]
    y, ours = fwdad.jet(lambda x: f(np, x), (x,), (series,))
    value, theirs = jet(lambda x: f(jax.numpy, x), (x,), (series,))
    expect_close(y, value, 1e-12, "value")
    for order, (a, b) in enumerate(zip(ours, theirs, strict=True), start=1):
        expect_close(a, b, 1e-10, f"order {order}")
