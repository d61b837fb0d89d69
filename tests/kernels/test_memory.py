"""Memory that is used again: never while an array still has it."""

import gc

import numpy as np
import pytest

from fwdad.kernels import dispatch
from fwdad.kernels.memory import LARGE, empty

F32 = np.dtype(np.float32)
N = LARGE // 4  # entries
pytestmark = pytest.mark.skipif(dispatch.native is None, reason="fwdad._native was not built")


def address(array):
    return array.ctypes.data


def test_large_arrays_take_the_memory_of_those_that_are_gone():
    first = empty((3, N), F32)
    where = address(first)
    assert first.flags.c_contiguous
    assert first.flags.writeable
    assert where % 64 == 0
    del first
    assert address(empty((N, 3), F32)) == where
    assert address(empty((N, 5), F32)) != where  # too large for it
    assert address(empty((N,), F32)) != where  # too small: most of it would lie idle


def test_memory_is_not_given_away_while_a_view_has_it():
    first = empty((4, N), F32)
    view = first.reshape(2, -1)[1:, ::2].T
    where = address(first)
    first[...] = 7
    del first
    gc.collect()
    others = [empty((4, N), F32) for _ in range(4)]
    for other in others:
        other[...] = 0
    assert where not in map(address, others)
    assert np.all(view == 7)
    assert len({address(other) for other in others}) == 4


@pytest.mark.parametrize("shape", [(), (0, N), (2, 3)])
def test_small_ones_are_numpys(shape):
    assert empty(shape, F32).flags.owndata


def test_more_than_is_kept_goes_back_to_the_system():
    """Nine arrays of 32 MB: the memory of eight is kept, and that of the first is not among it."""
    empty((64, 2**20), F32)  # as large as all that is kept: it takes the place of what other tests left
    shape = (8, 2**20)
    arrays = [empty(shape, F32) for _ in range(9)]
    where = [address(array) for array in arrays]
    while arrays:
        del arrays[0]
    again = [empty(shape, F32) for _ in range(8)]
    assert [address(array) for array in again] == where[:0:-1]
