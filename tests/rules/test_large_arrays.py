"""Rules that call kernels where arrays are large: the derivatives are those of NumPy's way."""

import functools

import numpy as np
import pytest

import fwdad
from fwdad import functions, kernels
from fwdad.kernels import policy

K, ROWS, COLUMNS = 4, 128, 256  # 131072 entries of tangents


def inputs(dtype, order="C"):
    rng = np.random.default_rng(0)
    x, y = (np.asarray(rng.standard_normal((ROWS, COLUMNS)), dtype, order=order) for _ in range(2))
    dx, dy = (np.asarray(rng.standard_normal((K, ROWS, COLUMNS)), dtype, order=order) for _ in range(2))
    return x, y, dx, dy


@pytest.fixture
def called(monkeypatch):
    """The names of the kernels that were called."""
    names = []
    for name in ("activation_jvp", "scaled_tangents", "weighted_rows", "cross_entropy_jvp"):

        def watched(name, real, *args):
            names.append(name)
            return real(*args)

        monkeypatch.setattr(kernels, name, functools.partial(watched, name, getattr(kernels, name)))
    return names


UNARY = [
    (np.tanh, "activation_jvp"), (functions.relu, "activation_jvp"), (functions.sigmoid, "activation_jvp"),
    (functions.softplus, "activation_jvp"), (np.sin, "scaled_tangents"), (np.square, "scaled_tangents"),
    (functions.silu, "scaled_tangents"), (lambda x: x * x, "scaled_tangents"),
    (lambda x: functions.logsumexp(x), "weighted_rows"), (lambda x: functions.logsumexp(x, -1, True), "weighted_rows"),
    (lambda x: functions.softmax_cross_entropy(x, np.arange(ROWS)), "cross_entropy_jvp"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "kernel"), UNARY)
def test_kernels_take_over_and_agree(called, monkeypatch, f, kernel):
    x, _, dx, _ = inputs(np.float32)
    y, dy = fwdad.jvp(f, (x,), (dx,))
    assert kernel in called
    monkeypatch.setattr(policy, "use_elementwise", lambda tangent, factor: False)
    exact, dexact = fwdad.jvp(f, (x.astype(np.float64),), (dx.astype(np.float64),))
    assert y.dtype == dy.dtype == np.float32
    assert dy.shape == dexact.shape
    for given, true in ((y, exact), (dy, dexact)):
        assert np.max(np.abs(given - true)) < 1e-5 * (1 + np.max(np.abs(true)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_binary_rules_agree_in_any_layout(monkeypatch, dtype, order):
    x, y, dx, dy = inputs(dtype, order)
    rows, drows = x[:, :1], dx[:, :, :1]  # broadcast against y
    for arguments, tangents in (((x, y), (dx, dy)), ((rows, y), (drows, dy)), ((x, y[0]), (dx, dy[:, 0]))):
        _, fast = fwdad.jvp(np.multiply, arguments, tangents)
        with monkeypatch.context() as plain:
            plain.setattr(policy, "use_elementwise", lambda tangent, factor: False)
            _, slow = fwdad.jvp(np.multiply, arguments, tangents)
        assert fast.dtype == dtype
        assert np.max(np.abs(fast - slow)) <= 4 * np.finfo(dtype).eps * np.max(np.abs(slow))


def test_a_product_of_two_moving_arrays_is_one_kernel(called):
    x, y, dx, dy = inputs(np.float32)
    fwdad.jvp(np.multiply, (x, y), (dx, dy))
    assert called == ["scaled_tangents"]


def test_other_dtypes_and_small_arrays_stay_with_numpy(called):
    x, _, dx, _ = inputs(np.float64)
    fwdad.jvp(np.tanh, (x.astype(np.longdouble),), (dx.astype(np.longdouble),))
    fwdad.jvp(lambda x: functions.softmax_cross_entropy(x, np.arange(ROWS)), (x.astype("g"),), (dx.astype("g"),))
    fwdad.jvp(np.tanh, (x[:3],), (dx[:, :3],))
    assert called == []


def test_nested_transforms_agree_with_closed_forms():
    x, _, _, _ = inputs(np.float32)
    ones = np.ones((2, *x.shape), np.float32)  # large at both levels

    def slope(x):
        return fwdad.jvp(np.tanh, (x,), (ones,))[1][0]

    _, second = fwdad.jvp(slope, (x,), (ones,))
    t = np.tanh(x.astype(np.float64))
    assert np.max(np.abs(second - -2 * t * (1 - t * t))) < 1e-5


def test_nested_cross_entropy_is_the_hessian():
    z, labels = np.random.default_rng(0).standard_normal((1, 5)), np.array([2])
    eye = np.eye(5)[:, None]

    def gradient(z):
        return fwdad.jvp(lambda z: functions.softmax_cross_entropy(z, labels), (z,), (eye,))[1][:, 0]

    p = np.exp(z[0]) / np.exp(z[0]).sum()
    assert np.allclose(gradient(z), p - eye[2, 0])
    _, hessian = fwdad.jvp(gradient, (z,), (eye,))
    assert np.allclose(hessian, np.diag(p) - np.outer(p, p))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_infinite_logits_go_the_plain_way():
    z, labels = np.array([[np.inf, 0.0, 1.0], [0.0, -np.inf, 1.0], [0.0, -np.inf, 1.0]]), np.array([1, 0, 1])
    dz = np.random.default_rng(0).standard_normal((2, 3, 3))
    loss, dloss = fwdad.jvp(lambda z: functions.softmax_cross_entropy(z, labels), (z,), (dz,))
    plain, dplain = fwdad.jvp(lambda z: functions.logsumexp(z) - z[np.arange(3), labels], (z,), (dz,))
    assert np.array_equal(loss, plain)
    assert np.array_equal(dloss, dplain, equal_nan=True)
