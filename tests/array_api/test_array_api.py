"""The Array API's namespace on Duals; the standard's own suite runs in tests/array_api_suite."""

import numpy as np
import pytest

import fwdad
from fwdad import Dual, LostDerivativeError, array_api, jvp
from fwdad.testing import check_jvp

X = np.array([[0.3, -1.2, 0.8], [2.0, 0.3, -0.4]])


def xp_of(x):
    return x.__array_namespace__()


CASES = {
    "norm": lambda x: xp_of(x).sqrt(xp_of(x).sum(xp_of(x).square(x))),
    "asarray": lambda x: xp_of(x).asarray(x, copy=True),
    "asarray of a list": lambda x: xp_of(x).asarray([[x[0, 0], 1.0], [2.0, x[1, 1]]]),
    "astype": lambda x: xp_of(x).astype(x, np.float64),
    "full": lambda x: xp_of(x).full((2, 2), x[0, 1]),
    "full_like": lambda x: xp_of(x).full_like(x, x[0, 1]),
    "sort": lambda x: array_api.sort(x, axis=0),
    "sort descending": lambda x: array_api.sort(x, descending=True),
    "NumPy's own": lambda x: xp_of(x).permute_dims(x, (1, 0)),
}


@pytest.mark.parametrize("name", CASES)
def test_jvp(name):
    check_jvp(CASES[name], [X])


def test_functions_of_plain_arrays_are_numpys():
    assert array_api.asarray([1.0, 2.0], dtype=np.float32).dtype == np.float32
    assert array_api.astype(X, np.int64).dtype == np.int64
    assert array_api.full((2,), 3.0).tolist() == [3.0, 3.0]
    assert array_api.full_like(X, 3.0, dtype=np.float32).dtype == np.float32
    assert {"asarray", "sin", "linalg"} <= set(dir(array_api))


def test_integers_carry_no_tangent():
    assert jvp(lambda x: array_api.astype(x, np.int64), (X,), (X,))[1] is None
    assert jvp(lambda x: array_api.asarray(x, dtype=np.float32), (X,), (X,))[1].dtype == np.float32


@pytest.mark.parametrize("stable", [True, False])
def test_descending_keeps_the_order_of_ties(stable):
    x = np.array([1.0, 2.0, 1.0, 2.0])
    order = array_api.argsort(x, descending=True, stable=stable)
    assert order.tolist() == [1, 3, 0, 2]
    assert array_api.argsort(x).tolist() == [0, 2, 1, 3]


def dual():
    return Dual(X.astype(np.complex128), np.ones((1, *X.shape), np.complex128), 1)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "api_version", lambda x: x.__array_namespace__(api_version="1999.01")),
        (ValueError, "without a copy", lambda x: array_api.asarray(x, dtype=np.complex64, copy=False)),
        (ValueError, "without a copy", lambda x: array_api.asarray([x, x], copy=False)),
        (LostDerivativeError, "real", lambda x: array_api.astype(x, np.float64)),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call(dual())


def test_versions():
    assert all(dual().__array_namespace__(api_version=version) is fwdad.array_api for version in array_api.VERSIONS)
