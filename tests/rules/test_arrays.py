"""Shaping, joining, indexing, reductions and products, against the mathematics."""

import numpy as np
import pytest

import fwdad
from fwdad import functions
from fwdad.testing import check_jvp

X = np.random.default_rng(3).standard_normal((2, 3, 4))
M = np.random.default_rng(4).standard_normal((3, 4))

ONE_ARGUMENT = {
    "sum": lambda x: np.sum(x),
    "sum axis": lambda x: x.sum(0),
    "sum axes keepdims": lambda x: np.sum(x, axis=(0, -1), keepdims=True),
    "sum initial": lambda x: np.sum(x, initial=3.0),
    "sum where": lambda x: np.sum(x, where=X > 0, axis=1),
    "add.reduce": lambda x: np.add.reduce(x),
    "mean": lambda x: x.mean(axis=(1, 2)),
    "cumsum": lambda x: np.cumsum(x),
    "cumsum axis": lambda x: np.cumsum(x, axis=0),
    "max": lambda x: np.max(x, axis=1),
    "max all": lambda x: x.max(),
    "min keepdims": lambda x: np.min(x, axis=(0, 2), keepdims=True),
    "prod": lambda x: np.prod(x),
    "prod axis": lambda x: np.prod(x, axis=1, keepdims=True),
    "prod axes": lambda x: np.prod(x, axis=(0, 2)),
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "cumprod flat": lambda x: np.cumprod(x),
    "var": lambda x: np.var(x, axis=1, ddof=1),
    "std": lambda x: x.std(keepdims=True),
    "flip": lambda x: np.flip(x),
    "flip axis": lambda x: np.flip(x, axis=(0, 1)),
    "roll": lambda x: np.roll(x, 5),
    "roll axis": lambda x: np.roll(x, (1, 2), axis=(0, 2)),
    "moveaxis": lambda x: np.moveaxis(x, 0, 2),
    "moveaxis two": lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
    "swapaxes": lambda x: x.swapaxes(0, 2),
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x),
    "reshape": lambda x: x.reshape(4, -1),
    "reshape tuple": lambda x: np.reshape(x, (6, 4)),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
    "squeeze": lambda x: np.squeeze(x[:1], 0),
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: x.transpose(1, 0, 2),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "broadcast_to": lambda x: np.broadcast_to(x[0], (5, 3, 4)),
    "concatenate": lambda x: np.concatenate([x, M[np.newaxis], x * x]),
    "concatenate flat": lambda x: np.concatenate([x, M], axis=None),
    "stack": lambda x: np.stack([M, x[0], x[1]], axis=1),
    "where": lambda x: np.where(M > 0, x, 2.0),
    "where other": lambda x: np.where(M > 0, M, x * x),
    "clip": lambda x: np.clip(x, -0.5, 0.6),
    "basic index": lambda x: x[1, ..., ::-2],
    "newaxis": lambda x: x[:, np.newaxis, 1],
    "integer array": lambda x: x[:, [2, 0, 2]],
    "two arrays": lambda x: x[[0, 1], [2, 0]],
    "arrays apart": lambda x: x[[0, 1], :, [2, 0]],
    "array and integer apart": lambda x: x[0, :, [2, 0]],
    "array at the back": lambda x: x[..., [[3, 0], [1, 1]]],
    "boolean": lambda x: x[X > 0],
    "boolean axis": lambda x: x[:, np.array([True, False, True])],
    "take": lambda x: np.take(x, [3, 1], axis=2),
    "take flat": lambda x: np.take(x, [[3, 1]]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.argsort(X, axis=1), axis=1),
    "iteration": lambda x: sum(row * i for i, row in enumerate(x)),
    "astype": lambda x: x.astype(np.float64),
    "copy": lambda x: x.copy(),
    "outer": lambda x: np.outer(x[0], x[1, 0]),
    "vdot": lambda x: np.vdot(x, x * x),
    "inner": lambda x: np.inner(x, M),
    "dot scalar": lambda x: np.dot(x, 2.0),
    "dot": lambda x: np.dot(x, M.T),
    "tensordot": lambda x: np.tensordot(x, M, axes=([1, 2], [0, 1])),
    "tensordot one": lambda x: np.tensordot(M, x, axes=(0, 1)),
    "logsumexp": lambda x: functions.logsumexp(x, axis=1),
    "softmax": lambda x: functions.softmax(x),
    "log_softmax": lambda x: functions.log_softmax(x, axis=0),
    "norm by hand": lambda x: np.sqrt(np.sum(x * x, axis=-1)),
}


@pytest.mark.parametrize("name", ONE_ARGUMENT)
@pytest.mark.parametrize("layout", ["C", "Fortran", "negative stride"])
def test_one_argument(name, layout):
    f = ONE_ARGUMENT[name]
    x = {"C": X, "Fortran": np.asfortranarray(X), "negative stride": X[::-1].copy()[::-1]}[layout]
    check_jvp(f, [x], tolerance=1e-6)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_one_argument_nested_and_float32(name):
    f = ONE_ARGUMENT[name]
    check_jvp(lambda x: fwdad.jvp(f, (x,), (np.cos(X),))[1], [X], tolerance=1e-5)
    dy = fwdad.jvp(lambda x: f(x).astype(np.float32), (X.astype(np.float32),), (np.ones((2, *X.shape)),))[1]
    assert dy.dtype == np.float32


@pytest.mark.parametrize(
    "shapes",
    [((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (4,)), ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2)),
     ((5, 1, 3, 4), (2, 4, 2)), ((4,), (5, 4, 2)), ((5, 3, 4), (4,)), ((0, 4), (4, 2)), ((3, 0), (0, 2))],
)  # fmt: skip
def test_matmul(shapes):
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal(shape) for shape in shapes)
    for k in (1, 2, 5):
        check_jvp(np.matmul, [x, y], k=k)
        check_jvp(lambda x: x @ y, [x], k=k)
        check_jvp(lambda y: x @ y, [y], k=k)


@pytest.mark.parametrize("activation", list(functions.ACTIVATIONS))
@pytest.mark.parametrize("rest", [(5,), (2, 3), ()])
def test_affine(activation, rest):
    rng = np.random.default_rng(6)
    x, w, b = rng.standard_normal((*rest, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    check_jvp(lambda x, w, b: functions.affine(x, w, b, activation), [x, w, b], tolerance=1e-6)
    check_jvp(lambda w: functions.affine(x, w, None, activation), [w], tolerance=1e-6)
    check_jvp(lambda b: functions.affine(x, w, np.broadcast_to(b, (*rest, 3)), activation), [b], tolerance=1e-6)


def test_affine_nested_is_the_plain_program():
    rng = np.random.default_rng(6)
    x, w = rng.standard_normal((5, 4)), rng.standard_normal((4, 3))

    def inner(w):
        return fwdad.jvp(lambda w: functions.affine(x, w, None, "tanh"), (w,), (np.ones((4, 3)),))[1]

    check_jvp(inner, [w])


def test_extrema_share_ties():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    v = np.arange(6.0).reshape(2, 3)
    assert fwdad.jvp(lambda x: np.max(x, axis=1), (x,), (v,))[1] == pytest.approx([1.5, 4.0])
    assert fwdad.jvp(np.min, (x,), (v,))[1] == 0


def test_prod_with_zeros_needs_no_division():
    check_jvp(np.prod, [np.array([2.0, 0.0, 3.0])])
    check_jvp(np.prod, [np.array([0.0, 0.0, 3.0])])
    check_jvp(np.cumprod, [np.array([2.0, 0.0, 3.0, 0.0])])


def test_where_keeps_nan_in_the_branch_not_taken():
    def f(x):
        return np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0) + np.where(x > 0, np.log(np.abs(x)), 0.0)

    with np.errstate(all="ignore"):
        y, dy = fwdad.jvp(f, (np.array([0.0, 4.0]),), (np.ones(2),))
    assert np.all(np.isfinite(y))
    assert dy[0] == 0
    assert dy[1] == pytest.approx(0.5)


def test_logsumexp_at_infinity():
    y, dy = fwdad.jvp(functions.logsumexp, (np.array([-np.inf, 0.0]),), (np.ones(2),))
    assert (y, dy) == (0.0, 1.0)
