"""activation_jvp: every body and activation against float64."""

import numpy as np
import pytest
from elementwise import DTYPES, MANY, assert_tangents_are_alone, normal, unit_of, with_a_nan

from fwdad.kernels import ACTIVATIONS
from fwdad.kernels import activation_jvp as public_activation_jvp


def examples(dtype):
    for shape, k in [((0,), 1), ((1,), 2), ((), 3), ((7, 5), 2), ((3, 4, 5), 300), ((70, 301), 5)]:
        for activation in ACTIVATIONS if k == 2 else ["tanh"]:
            yield normal(0, shape, dtype), normal(1, (k, *shape), dtype), activation


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation_jvp(activation_jvp, assert_within, activation, dtype):
    value, slope = ACTIVATIONS[activation]
    for n in (1, 17, 2049, 5000):
        x, dx = normal(0, n, dtype), normal(1, (3, n), dtype)
        y, dy = activation_jvp(x, dx, activation)
        assert (y.dtype, dy.dtype, y.shape, dy.shape) == (dtype, dtype, (n,), (3, n))
        x64 = x.astype(np.float64)
        bound = 16 * unit_of(dtype)
        assert_within(y, value(x64), bound * (np.abs(value(x64)) + np.abs(x64 * slope(x64))))
        true = slope(x64) * dx
        assert_within(dy, true, bound * (np.abs(true) + np.abs(dx)))


@MANY
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_tangents_of_an_activation(activation_jvp, k, dtype):
    z, dz = normal(0, (3, 13), dtype), normal(1, (k, 3, 13), dtype)
    assert_tangents_are_alone(lambda i: activation_jvp(z, dz[i], "tanh")[1], k)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nan_is_not_hidden_by_an_activation(activation_jvp):
    for part in activation_jvp(*with_a_nan(), "tanh"):
        assert np.isnan(part[..., 1, 4]).all()
        assert np.isnan(part).sum() == part.size // 60


X, D = np.ones((2, 3), np.float32), np.ones((4, 2, 3), np.float32)
BAD = [
    (TypeError, "x: expected a NumPy array, given list", ([1.0], D, "relu")),
    (ValueError, r"dx: expected shape \(k, 2, 3\) \(x is \(2, 3\)\), given \(2, 3\)", (X, X, "relu")),
    (ValueError, "activation: expected one of identity, .*, given 'softmax'", (X, D, "softmax")),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="activation_jvp: " + message):
        public_activation_jvp(*arguments)
