"""affine_jvp_gram: every body, every shape, the layer and its Gram matrix against float64."""

import itertools

import numpy as np
import pytest
from layers import affine as problem

from fwdad.kernels import affine_jvp_gram as public_affine_jvp_gram
from fwdad.kernels import generate
from fwdad.kernels.affine_jvp import affine_jvp_reference as reference

DTYPES = [np.float32, np.float64]


def examples(dtype):
    for m, depth, n, k in [(0, 3, 4, 1), (1, 1, 1, 1), (3, 0, 5, 2), (9, 25, 150, 3), (2, 3, 5, 300)]:
        yield *problem(m, depth, n, k, dtype, dw="normal"), "gelu"
    yield *problem(9, 25, 50, 3, dtype, bias=None, dx=False, dw="rademacher", db=2), "tanh"
    yield *problem(70, 300, 130, 5, dtype, dw="normal", db=None), "tanh"


@pytest.fixture
def check(check_layer, dense64, assert_within):
    """A check of the layer, and of the Gram matrix, of sums of 1024 float32 products, then of float64 ones."""

    def both(body, arguments, activation):
        _, _, gram = check_layer(body, reference, arguments, activation)
        v = dense64(arguments[4]).reshape(arguments[4].k, -1)
        assert gram.dtype == np.float64
        assert np.array_equal(gram, gram.T)
        sizes = np.abs(v) @ np.abs(v).T
        assert_within(gram, v @ v.T, 1026 * np.finfo(arguments[0].dtype).eps / 2 * sizes)

    return both


EDGES = {
    "m": [0, 1, 7, 8, 9, 65],
    "depth": [0, 1, 3, 4, 5, 20, 21, 22, 85, 171, 910],
    "n": [0, 1, 16, 95, 96, 97, 143, 144, 145, 160, 192, 193],
    "k": [1, 2, 5, 16, 31, 32, 33],
}
SHAPES = [
    {"m": 9, "depth": 25, "n": 150, "k": 3} | {axis: size} for axis, sizes in EDGES.items() for size in sizes
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "x".join(str(n) for n in s.values()))
def test_shapes(affine_jvp_gram, check, shape, dtype):
    arguments = problem(**shape, dtype=dtype, dw="normal")
    check(affine_jvp_gram, arguments, "silu")


@pytest.mark.parametrize("dw", ["normal", "rademacher"])
def test_with_structural_zeros(affine_jvp_gram, check, dw):
    for bias, dx, db in itertools.product((None, 2), (False, True), (None, 2)):
        arguments = problem(9, 25, 150, 3, np.float32, bias=bias, dx=dx, dw=dw, db=db)
        check(affine_jvp_gram, arguments, "identity")


def test_the_gram_matrix_is_off_by_a_hundred_millionth(affine_jvp_gram, dense64):
    arguments = problem(3, 100, 200, 16, np.float32, dw="normal")
    _, _, gram = affine_jvp_gram(*arguments, "relu")
    v = dense64(arguments[4]).reshape(16, -1)
    lengths = np.linalg.norm(v, axis=1)
    assert np.max(np.abs(gram - v @ v.T) / np.outer(lengths, lengths)) < 5e-8


def test_bad_arguments():
    arguments = problem(3, 20, 20, 4, np.float32, dw="normal")
    with pytest.raises(TypeError, match="affine_jvp_gram: dw: expected a Stream, given ndarray"):
        public_affine_jvp_gram(*arguments[:4], generate(arguments[4]), None)
