"""counting: figures of programs whose work is known."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fwdad
from fwdad import estimators, nn
from fwdad.kernels.dispatch import Kernel

K = 5
X, W = np.ones((2, 3)), np.ones((3, 4))


def along(*arrays):
    return tuple(np.ones((K, *x.shape)) for x in arrays)


def affine(x, w):
    return fwdad.functions.affine(x, w, None, "identity")


PROGRAMS = {
    # name: (f, arguments, once, for the tangents)
    "matrix product with a constant": (lambda x: x @ W, (X,), 24, K * 24),
    "matrix product": (lambda x, w: x @ w, (X, W), 24, K * (2 * 24 + 8)),
    "a kernel's product": (affine, (X, W), 24, K * (2 * 24 + 8)),
    "exp": (np.exp, (X,), 6, K * 6),
    "cos": (np.cos, (X,), 6 + 12, K * 6),  # the derivative -sin(x): once, for every k
    "composed": (lambda x: np.vdot(x, X), (X,), 6 + 6, K * (6 + 6)),  # a product and a sum
    "two operations": (lambda x: np.sum(np.exp(x)), (X,), 6 + 6, K * (6 + 6)),
    "floor": (np.floor, (X,), 6, 0),
    "moved only": (lambda x: x.T[:, :1], (X,), 0, 0),
    "a constant program": (lambda x: (np.exp(W), x)[1], (X,), 0, 0),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_multiply_adds(name):
    f, arguments, once, directions = PROGRAMS[name]
    with fwdad.counting() as c:
        fwdad.jvp(f, arguments, along(*arguments))
    assert (c.once, c.directions) == (once, directions)
    assert not c.uncounted


def test_one_plus_k_times():
    def cost(k):
        with fwdad.counting() as c:
            fwdad.jvp(lambda w: X @ w, (W,), (np.ones((k, *W.shape)),))
        return c.once + c.directions

    assert [cost(k) / 24 for k in (1, 4, 16)] == [2, 5, 17]


def test_second_derivatives_count_what_they_differentiate():
    with fwdad.counting() as c:
        fwdad.hessian(lambda x: np.sum(x * W))(np.ones(4) * W)  # linear: n directions of n directions that are zero
    with fwdad.counting() as twice:
        fwdad.jvp(lambda x: fwdad.jvp(lambda y: y @ W, (x,), (x,))[1], (X,), along(X))
    assert c.once == 12 + 12
    # y W and its tangent's product once; both again along K directions
    assert (twice.once, twice.directions) == (24, 24 + 2 * K * 24)


def test_bytes():
    with fwdad.counting() as c:
        fwdad.jvp(np.exp, (X,), along(X))
    n = X.nbytes
    assert (c.bytes_read, c.bytes_written) == (n + K * n + n, n + K * n)  # exp(x); dx and y


def test_random_numbers_of_a_training_step():
    model = nn.Linear(30, 40, seed=0)
    x, labels = np.ones((2, 30), np.float32), np.array([0, 1])

    def loss(m):
        return nn.cross_entropy(m(x), labels)

    for combiner, passes in ((estimators.Mean(), 2), (estimators.Projection(), 3)):
        fg = fwdad.ForwardGradient(estimators.Normal(K), combiner, perturb="weight")
        with fwdad.counting() as c:
            fg(loss, model)
        # the pass and the combination, and of the projection the Gram matrix
        assert c.random_numbers == passes * K * (30 * 40 + 40)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: fwdad.jvp(np.linalg.svdvals, (X,), along(X)), "np.linalg.svd"),
        (lambda: fwdad.jvp(fwdad.linear(lambda x: 2 * x), (X,), along(X)), "apply_operator"),
        (lambda: fwdad.jet(np.sin, (0.5,), ([1.0],)), "np.sin"),
        (lambda: fwdad.linearize(np.sin, 0.5), "np.sin"),
        (lambda: fwdad.laplacian(np.sin)(0.5), "np.sin"),
    ],
)
def test_what_is_not_counted_is_named(call, name):
    with fwdad.counting() as c:
        call()
    assert any(name in each for each in c.uncounted)
    assert "not counted" in str(c)


def test_answers_are_the_same_and_the_end_is_the_end():
    on, rule = Kernel.on, fwdad.dual.RULES[np.sin]
    expected = fwdad.jvp(np.sin, (X,), along(X))[1]
    with fwdad.counting() as outer:
        with fwdad.counting() as inner:
            got = fwdad.jvp(np.sin, (X,), along(X))[1]
        fwdad.jvp(np.sin, (X,), along(X))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(fwdad.jvp, np.sin, (X,), along(X)).result()
    assert np.array_equal(got, expected)
    assert (inner.once, outer.once) == (12, 24)
    assert (Kernel.on, fwdad.dual.RULES[np.sin]) == (on, rule)
    assert str(inner).splitlines()[0] == "multiply-adds   12 once + 30 for the tangents"
