"""NumPy's functions that look for Duals in all their arguments, and np.vectorize, are else what they were."""

import inspect
import pickle

import numpy as np
import pytest

import fwdad


@pytest.mark.parametrize("wide", [np.pad, np.diag])
def test_a_wide_function_stands_for_numpys_own(wide):
    original = wide.function
    assert wide == original
    assert {wide: 1}[original] == {original: 1}[wide] == 1
    assert np.pad != np.diag
    assert (wide.__name__, repr(wide)) == (original.__name__, repr(original))
    assert inspect.signature(wide) == inspect.signature(original)
    assert pickle.loads(pickle.dumps(wide)) is wide


class Other:
    """An array of another library, which knows NumPy's functions by its own table."""

    def __array_function__(self, function, types, args, kwargs):
        return {np.diag: "diag", np.pad: "pad"}[function]


def test_other_libraries_find_the_function_in_their_tables():
    assert (np.diag(Other()), np.pad(Other(), 1)) == ("diag", "pad")


def test_a_name_taken_before_works_as_numpys_own():
    diag = np.diag.function
    assert fwdad.derivative(lambda t: diag(np.stack([t, 2 * t])))(1.0).tolist() == [[1, 0], [0, 2]]


def test_vectorize_of_plain_numbers_is_numpys_own():
    calls = []
    assert np.vectorize(lambda a: calls.append(a) or str(a))([1, 2]).tolist() == ["1", "2"]
    assert len(calls) == 3  # the first twice, to find the dtype


def test_vectorize_says_what_numpy_says():
    with pytest.raises(ValueError, match="size 0"):
        fwdad.jvp(np.vectorize(np.sin), (np.ones(0),), (np.ones(0),))
    with pytest.raises(TypeError, match="expected 2, got 1"):
        fwdad.jvp(np.vectorize(np.dot, signature="(n),(n)->()"), (np.ones(2),), (np.ones(2),))
    with pytest.raises(ZeroDivisionError):
        fwdad.jvp(np.vectorize(lambda a: 1 / 0), (np.ones(2),), (np.ones(2),))
