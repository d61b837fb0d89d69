"""linearize: the primal once, then a linear map. Every rule goes through it in tests/rules/test_rules.py."""

from dataclasses import dataclass

import numpy as np
import pytest

import fwdad
from fwdad import functions, jvp, linearize
from fwdad.testing import expect_close

RNG = np.random.default_rng(8)
X = RNG.standard_normal((3, 4))
W = RNG.standard_normal((4, 4))


@dataclass
class Point:
    x: np.ndarray
    n: int


def f(p, w):
    z = np.tanh(p.x @ w)
    return {"z": z * p.n, "n": p.n, "sum": [np.sum(z, axis=0)], "constant": 2.0}


@pytest.mark.parametrize("k", [1, 2, 5])
def test_map_is_jvp_for_any_number_of_directions(k):
    primals = (Point(X, 3), W)
    tangents = (Point(RNG.standard_normal((k, 3, 4)), None), RNG.standard_normal((k, 4, 4)))
    y, linear = linearize(f, *primals)
    expected = jvp(f, primals, tangents)
    assert y["n"] == 3
    got = linear(*tangents)
    assert got["n"] is None
    assert got["constant"].tolist() == [0] * k
    for a, b in zip(fwdad.tree.leaves(got), fwdad.tree.leaves(expected[1]), strict=True):
        expect_close(a, b, 1e-14, "map")
    single = linear(Point(tangents[0].x[0], None), tangents[1][0])
    expect_close(single["z"], expected[1]["z"][0], 1e-14, "one direction")
    assert single["constant"] == 0
    only_w = linear(None, tangents[1])
    expect_close(only_w["z"], jvp(f, primals, (None, tangents[1]))[1]["z"], 1e-14, "None does not move")


def test_primal_is_not_computed_again():
    calls = []

    @fwdad.custom_jvp
    def costly(x):
        calls.append("primal")
        return np.sin(x)

    @costly.defjvp
    def rule(primals, tangents):
        calls.append("rule")
        return np.sin(primals[0]), tangents[0] * np.cos(primals[0])

    _, linear = linearize(lambda x: costly(x) * 2, X)
    assert calls == ["rule"]
    for _ in range(3):
        expect_close(linear(np.ones((2, *X.shape))), np.stack([2 * np.cos(X)] * 2), 1e-14, "map")
    assert calls == ["rule"]


def test_what_no_result_needs_is_not_repeated():
    _, linear = linearize(lambda x: (np.exp(x) * np.cos(x), np.sin(x) * 3)[1], X)
    assert [step.function for step, _ in linear._program.steps] == [np.multiply, np.multiply]


def test_aux_dtype_and_constant_results():
    _, linear, aux = linearize(lambda x: (x, (x, "aux")), X.astype(np.float32), has_aux=True)
    assert aux == (aux[0], "aux")
    assert type(aux[0]) is np.ndarray
    assert linear(X).dtype == np.float32
    _, linear = linearize(lambda x: np.ones(2), X)
    assert linear(np.ones((3, *X.shape))).tolist() == [[0, 0]] * 3


def test_a_value_can_be_printed_on_the_way():
    texts = []
    linearize(lambda x: (texts.append(f"{x}"), x)[1], np.ones(2))
    fwdad.jacobian_pattern(lambda x: (texts.append(f"{x}"), x)[1])(np.ones(1))
    assert texts == [
        "Dual(primal=[1. 1.], tangent=Traced(shape=(k, 2), dtype=float64))",
        "Depends(primal=[1.], words=[[1]])",
    ]


def test_writes_on_the_way():
    def g(x):
        y = 0 * x
        y[1:] = x[:-1] ** 2
        y[0] += np.sum(x[-1])
        return y

    v = RNG.standard_normal((2, 3, 4))
    expect_close(linearize(g, X)[1](v), jvp(g, (X,), (v,))[1], 1e-14, "writes")

    def through_views(x):
        y = x * 1
        z, corner = y[1:], y[::-1, ::2].T[0]
        y[...] = 2 * x
        z[:, 1] *= x[:-1, 0]
        corner[1:] = z[0, :2] * 3
        return y * z[0], corner * x[0, 0]

    for a, b in zip(linearize(through_views, X)[1](v), jvp(through_views, (X,), (v,))[1], strict=True):
        expect_close(a, b, 1e-14, "writes through views")


def test_the_map_is_that_of_the_numbers_at_x():
    """Arrays that change afterwards, in f or out of it, do not reach the map."""
    x, w = X.copy(), np.full(4, 2.0)

    def g(x):
        y = x * w
        w[...] = 100
        return y * x + np.sum(np.broadcast_to(w, (3, 4)) * x)

    _, linear = linearize(g, x)
    v = RNG.standard_normal((2, 3, 4))
    w[...] = 7
    x[...] = 0
    expect_close(linear(v), v * 4 * X + np.sum(100 * v, axis=(1, 2), keepdims=True), 1e-13, "map")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_strong_zeros_are_found_in_each_direction():
    _, linear = linearize(np.sqrt, np.array([0.0, 4.0]))
    assert linear(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist() == [[0, 0.25], [np.inf, 0]]


def test_levels():
    """A map made inside an outer transform, applied to directions that move, and the other way round."""
    v = RNG.standard_normal((3, 4))

    def outer(x):
        _, linear = linearize(lambda y: np.sum(x * np.sin(y), axis=1), 2 * x)
        return linear(v * x)

    def expected(x):
        return np.sum(x * np.cos(2 * x) * v * x, axis=1)

    u = RNG.standard_normal((2, 3, 4))
    expect_close(jvp(outer, (X,), (u,))[1], jvp(expected, (X,), (u,))[1], 1e-13, "inside jvp")
    _, linear = linearize(outer, X)
    expect_close(linear(u), jvp(expected, (X,), (u,))[1], 1e-13, "inside linearize")
    gradient = fwdad.jacfwd(lambda x: np.sum(x**3))
    expect_close(linearize(gradient, X)[1](u), 6 * u * X, 1e-13, "of a gradient")


def test_network_layers():
    def g(x):
        return functions.logsumexp(functions.relu(functions.affine(x, W, W[0], "tanh")))

    v = RNG.standard_normal((5, 3, 4))
    expect_close(linearize(g, X)[1](v), jvp(g, (X,), (v,))[1], 1e-14, "affine")


@fwdad.custom_jvp
def by_value(x):
    return x


by_value.defjvp(lambda primals, tangents: (primals[0], abs(tangents[0]) if np.any(tangents[0] < 0) else tangents[0]))


@fwdad.custom_jvp
def one_by_one(x):
    return 2 * x


@one_by_one.defjvp
def _one_by_one(primals, tangents):
    return 2 * primals[0], np.stack([2 * t for t in tangents[0]])


@fwdad.custom_jvp
def by_count(x):
    return 2 * x


@by_count.defjvp
def _by_count(primals, tangents):
    return 2 * primals[0], np.stack([2 * tangents[0][i] for i in range(tangents[0].shape[0])])


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "takes 1 tangents", lambda: linearize(np.sin, X)[1](X, X)),
        (ValueError, "k directions", lambda: linearize(np.sin, X)[1](np.ones(3))),
        (TypeError, "fwdad.jvp", lambda: linearize(by_value, np.ones(3))),
        (TypeError, "asks how many there are", lambda: linearize(one_by_one, np.ones(3))),
        (TypeError, "asks how many there are", lambda: linearize(by_count, np.ones(3))),
    ],
)
def test_limits_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()
