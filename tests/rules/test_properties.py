"""Rules on random shapes, strides, dtypes and numbers of directions, by hypothesis."""

import numpy as np
import pytest

import fwdad
from fwdad import functions, jvp
from fwdad.rules.elementwise import BINARY, UNARY
from fwdad.testing import check_jvp, expect_close

pytest.importorskip("hypothesis", reason="hypothesis is not installed: pip install 'fwdad[test]'")
from hypothesis import given, settings
from hypothesis import strategies as st

few = settings(max_examples=10, deadline=None, derandomize=True, database=None)
many = settings(max_examples=60, deadline=None, derandomize=True, database=None)

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
full_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
layouts = st.sampled_from(["C", "F", "reversed", "every second", "broadcast"])
directions = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def laid_out(x, layout):
    """The same values in another memory layout; a broadcast one repeats the first row."""
    if x.ndim == 0 or layout == "C":
        return x
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed":
        return np.flip(np.flip(x).copy())
    if layout == "every second":
        wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan)
        wide[..., ::2] = x
        return wide[..., ::2]
    return np.broadcast_to(x[:1], x.shape)


def numbers(domain, shape, seed, layout="C"):
    """Values that are not near each other, so that no tie and no kink is within a finite difference."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    low, high = domain
    grid = low + (high - low) * (rng.permutation(size) + rng.uniform(0.3, 0.7, size)) / max(size, 1)
    return laid_out(grid.reshape(shape), layout)


def complex_step(f, x, v):
    """f'(x) v to the last digits, for functions that are analytic as NumPy programs."""
    h = 1e-30
    return np.imag(f(x + 1j * h * v)) / h


COMPLEX_STEP = {
    np.square, np.reciprocal, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.sin, np.cos, np.tan,
    np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.sqrt,
}  # fmt: skip


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.function.__name__)
@few
@given(shape=shapes, layout=layouts, k=directions, seed=seeds, second=st.booleans())
def test_unary(row, shape, layout, k, seed, second):
    x = numbers(row.domain, shape, seed, layout)
    x = np.where(np.abs(x) < 0.01, 0.01, x) if "kink" in row.singular else x
    v = np.random.default_rng(seed + 1).standard_normal((k, *shape))
    if row.function in COMPLEX_STEP:
        _, dy = jvp(row.function, (x,), (v,))
        expect_close(dy, complex_step(row.function, x, v), 1e-12, "complex step")
    if second:
        check_jvp(lambda x: jvp(row.function, (x,), (v[0],))[1], [x], k=k, seed=seed, tolerance=1e-5)
    else:
        check_jvp(row.function, [x], k=k, seed=seed, tolerance=1e-6)


@pytest.mark.parametrize("row", UNARY, ids=lambda row: row.function.__name__)
@few
@given(shape=shapes, layout=layouts, k=directions, seed=seeds)
def test_unary_float32_is_near_float64(row, shape, layout, k, seed):
    x = laid_out(numbers(row.domain, shape, seed).astype(np.float32), "C" if layout == "every second" else layout)
    v = np.random.default_rng(seed + 1).standard_normal((k, *shape)).astype(np.float32)
    y, dy = jvp(row.function, (x,), (v,))
    assert y.dtype == dy.dtype == np.float32
    _, truth = jvp(row.function, (x.astype(np.float64),), (v.astype(np.float64),))
    assert np.all(np.abs(dy - truth) <= 2e-5 * (1 + np.abs(truth)))


@st.composite
def broadcasting(draw):
    """Two shapes that broadcast: axes of length 1, and leading axes that are missing."""
    whole = draw(st.lists(st.integers(0, 4), max_size=3))
    sides = []
    for _ in range(2):
        axes = [1 if draw(st.booleans()) and draw(st.booleans()) else n for n in whole]
        sides.append(tuple(axes[draw(st.integers(0, len(axes))) if draw(st.booleans()) else 0 :]))
    return sides


@pytest.mark.parametrize("row", BINARY, ids=lambda row: row.function.__name__)
@few
@given(
    sides=broadcasting(), layout=layouts, k=directions, seed=seeds, which=st.sampled_from(["both", "x", "y", "second"])
)
def test_binary(row, sides, layout, k, seed, which):
    low, high = row.domain
    middle = (low + high) / 2  # x and y are never equal: extrema have no ties
    x = numbers((low, middle - 0.02), sides[0], seed, layout)
    y = numbers((middle + 0.02, high), sides[1], seed + 1, layout)
    if seed % 2:
        x, y = y, x
    f = row.function
    if which == "x":
        check_jvp(lambda x: f(x, y), [x], k=k, seed=seed, tolerance=1e-6)
    elif which == "y":
        check_jvp(lambda y: f(x, y), [y], k=k, seed=seed, tolerance=1e-6)
    elif which == "both":
        check_jvp(f, [x, y], k=k, seed=seed, tolerance=1e-6)
    else:
        rng = np.random.default_rng(seed)
        v = tuple(rng.standard_normal(a.shape) for a in (x, y))
        check_jvp(lambda x, y: jvp(f, (x, y), v)[1], [x, y], k=k, seed=seed, tolerance=1e-5)


@st.composite
def axes_of(draw, ndim):
    """None, one axis, or several, counted from either end."""
    kind = draw(st.sampled_from(["none", "one", "tuple"]))
    if kind == "none":
        return None
    if kind == "one":
        return draw(st.integers(-ndim, ndim - 1))
    chosen = draw(st.lists(st.integers(0, ndim - 1), unique=True, min_size=1))
    return tuple(a - ndim if draw(st.booleans()) else a for a in chosen)


REDUCTIONS = [
    np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.median, functions.logsumexp, np.ptp, np.nansum,
    np.nanmean,
]  # fmt: skip


@pytest.mark.parametrize("f", REDUCTIONS, ids=lambda f: f.__name__)
@few
@given(data=st.data(), shape=full_shapes, layout=layouts, k=directions, seed=seeds)
def test_reductions(f, data, shape, layout, k, seed):
    axis, keepdims = data.draw(axes_of(len(shape))), data.draw(st.booleans())
    x = numbers((-2.0, 2.0), shape, seed, "C" if layout == "broadcast" else layout)
    reduced = tuple(range(len(shape))) if axis is None else tuple(np.atleast_1d(axis))
    if f is np.std and np.prod([shape[a] for a in reduced]) == 1:
        return  # constant: a singular point
    check_jvp(lambda x: f(x, axis=axis, keepdims=keepdims), [x], k=k, seed=seed, tolerance=1e-5)


@many
@given(data=st.data(), shape=full_shapes, layout=layouts, k=directions, seed=seeds)
def test_moving(data, shape, layout, k, seed):
    """Functions that move entries, along any axis of any layout; linear, so that one call says all."""
    ndim, x = len(shape), numbers((-2.0, 2.0), shape, seed, layout)
    axis = data.draw(st.integers(-ndim, ndim - 1))
    order = data.draw(st.permutations(range(ndim)))
    shift = data.draw(st.integers(-5, 5))
    constant = np.ones(shape)
    index = np.random.default_rng(seed).integers(0, shape[axis], 3)
    along = np.random.default_rng(seed).integers(0, shape[axis], shape)
    f = data.draw(
        st.sampled_from(
            [
                lambda x: np.transpose(x, order),
                lambda x: np.roll(x, shift, axis),
                lambda x: np.roll(x, shift),
                lambda x: np.flip(x, axis),
                lambda x: np.concatenate([x, constant, 2 * x], axis),
                lambda x: np.stack([constant, x], axis),
                lambda x: np.repeat(x, 2, axis),
                lambda x: np.tile(x, (2, 1)),
                lambda x: np.moveaxis(x, axis, 0),
                lambda x: np.expand_dims(x, axis),
                lambda x: np.take(x, index, axis),
                lambda x: np.take_along_axis(x, along, axis),
                lambda x: np.sort(x, axis),
                lambda x: np.cumsum(x, axis),
                lambda x: np.diff(x, axis=axis),
                lambda x: np.pad(x, 1, mode="edge"),
                lambda x: np.where(constant > x, x, 3.0),
                lambda x: np.reshape(x, -1),
                lambda x: np.split(x, [1], axis),
                lambda x: x[np.abs(constant) > 0],
                lambda x: np.insert(x, 1, 5.0, axis),
                lambda x: np.delete(x, 0, axis),
            ]
        )
    )
    check_jvp(f, [x], k=k, seed=seed)


@st.composite
def indices(draw, shape):
    """Slices with any step, integers, Ellipsis and newaxis, integer and boolean arrays."""
    items = []
    advanced = draw(st.booleans())
    for n in shape:
        kind = draw(st.sampled_from(["slice", "integer", "all", "array" if advanced else "slice", "newaxis"]))
        if kind == "newaxis":
            items.append(np.newaxis)
            kind = "all"
        if kind == "slice":
            start, stop = (draw(st.none() | st.integers(-n - 1, n + 1)) for _ in range(2))
            items.append(slice(start, stop, draw(st.sampled_from([None, 1, -1, 2, -2]))))
        elif kind == "integer":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            items.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=2, max_size=2))))
        else:
            items.append(slice(None))
    if draw(st.booleans()) and items and isinstance(items[-1], slice) and items[-1] == slice(None):
        items[-1] = Ellipsis
    return tuple(items)


@many
@given(data=st.data(), shape=full_shapes, layout=layouts, k=directions, seed=seeds)
def test_indexing_and_writing(data, shape, layout, k, seed):
    index = data.draw(indices(shape))
    x = numbers((-2.0, 2.0), shape, seed, layout)
    check_jvp(lambda x: x[index], [x], k=k, seed=seed)

    def written(x):
        y = x * x
        y[index] = 3 * x[index]
        y[index] *= x[index]
        return y

    check_jvp(written, [x], k=k, seed=seed, tolerance=1e-6)


@many
@given(
    batch=broadcasting(), sizes=st.tuples(*3 * [st.integers(0, 3)]), vectors=st.integers(0, 3), k=directions, seed=seeds
)
def test_matmul(batch, sizes, vectors, k, seed):
    m, n, p = sizes
    left = (n,) if vectors & 1 else (*batch[0], m, n)
    right = (n,) if vectors & 2 else (*batch[1], n, p)
    rng = np.random.default_rng(seed)
    check_jvp(np.matmul, [rng.standard_normal(left), rng.standard_normal(right)], k=k, seed=seed)


@st.composite
def einsums(draw):
    """One to three operands with labels i, j, l, some repeated, some summed, some behind an ellipsis."""
    sizes = {"i": 2, "j": 3, "l": 2}
    operands = [draw(st.text("ijl", max_size=3)) for _ in range(draw(st.integers(1, 3)))]
    ellipsis = draw(st.booleans())
    used = sorted(set("".join(operands)))
    output = "".join(draw(st.permutations([label for label in used if draw(st.booleans())])))
    dots = "..." if ellipsis else ""
    texts = ",".join(dots + labels for labels in operands)
    shape = [tuple(sizes[label] for label in labels) for labels in operands]
    return f"{texts}->{dots}{output}", [((2,) if ellipsis and i == 0 else ()) + s for i, s in enumerate(shape)]


@many
@given(case=einsums(), k=directions, seed=seeds)
def test_einsum(case, k, seed):
    subscripts, sides = case
    rng = np.random.default_rng(seed)
    operands = [rng.standard_normal(side) for side in sides]
    check_jvp(lambda *x: np.einsum(subscripts, *x), operands, k=k, seed=seed, tolerance=1e-6)


@few
@given(n=st.integers(1, 4), batch=st.sampled_from([(), (1,), (2,)]), k=directions, seed=seeds, data=st.data())
def test_linear_algebra(n, batch, k, seed, data):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((*batch, n, n)) / 4 + np.diag(np.arange(2.0, 2.0 + n))
    b = rng.standard_normal((*batch, n, 2))
    symmetric = (lambda a: a + np.matrix_transpose(a), lambda a: a @ np.matrix_transpose(a) + np.eye(n))
    f, args = data.draw(
        st.sampled_from(
            [
                (np.linalg.inv, [a]),
                (np.linalg.det, [a]),
                (np.linalg.solve, [a, b]),
                (lambda a: np.linalg.slogdet(a)[1], [a]),
                (lambda a: np.linalg.cholesky(symmetric[1](a)), [a]),
                (lambda a: np.linalg.eigvalsh(symmetric[0](a)), [a]),
                (lambda a: np.linalg.eigh(symmetric[0](a))[1] ** 2, [a]),
                (lambda a: tuple(np.linalg.qr(a)), [a]),
                (np.linalg.svdvals, [a]),
                (np.linalg.pinv, [b]),
                (lambda a: np.linalg.matrix_power(a, 3), [a]),
            ]
        )
    )
    check_jvp(f, args, k=k, seed=seed, tolerance=1e-5)


@few
@given(shape=full_shapes, k=directions, seed=seeds)
def test_transforms_agree(shape, k, seed):
    """One function by every transform: linearize, jacfwd in chunks, sparse_jacfwd, jet, laplacian against jvp."""
    x = numbers((0.3, 2.0), shape, seed)

    def f(x):
        return np.sin(x) * np.sum(np.log(x) ** 2) / (1 + x[..., :1] ** 3)

    v = np.random.default_rng(seed).standard_normal((k, *shape))
    _, dy = jvp(f, (x,), (v,))
    expect_close(fwdad.linearize(f, x)[1](v), dy, 1e-13, "linearize")
    j = fwdad.jacfwd(f, chunk_size=k)(x)
    expect_close(np.tensordot(v, j, (list(range(1, x.ndim + 1)), list(range(x.ndim, 2 * x.ndim)))), dy, 1e-12, "jacfwd")
    expect_close(fwdad.sparse_jacfwd(f)(x).dense(), j.reshape(x.size, x.size), 1e-12, "sparse_jacfwd")
    expect_close(fwdad.jet(f, (x,), ([v[0], 0 * v[0]],))[1][0], dy[0], 1e-13, "jet")
    second = jvp(lambda x: jvp(f, (x,), (v[0],))[1], (x,), (v[0],))[1]
    expect_close(fwdad.jet(f, (x,), ([v[0], 0 * v[0]],))[1][1], second, 1e-11, "jet, order 2")
    h = fwdad.hessian(f)(x).reshape(*shape, x.size, x.size)
    expect_close(fwdad.laplacian(f)(x), np.trace(h, axis1=-2, axis2=-1), 1e-11, "laplacian")
