"""jacfwd, hessian, hvp and their value_and_ forms: trees, argnums, aux, chunks, dtypes."""

import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

import fwdad
from fwdad import hessian, hvp, jacfwd, jvp
from fwdad.testing import expect_close
from fwdad.tree import Buffer, static

RNG = np.random.default_rng(5)
A = RNG.standard_normal((3, 4))


@dataclass
class Layer:
    weight: np.ndarray
    bias: np.ndarray
    name: str = static("layer")


LAYER = Layer(RNG.standard_normal((4, 2)), RNG.standard_normal(2))


def layer(p, x):
    return {"y": np.tanh(x @ p.weight + p.bias), "n": 3, "mean": [np.mean(p.weight)]}


@pytest.mark.parametrize("chunk_size", [None, 1, 3, 4, 7, 10, 99])
def test_jacobian_of_a_tree_by_a_tree(chunk_size):
    x = RNG.standard_normal(4)
    y, j = fwdad.value_and_jacfwd(layer, chunk_size=chunk_size)(LAYER, x)
    assert j["n"] is None
    assert j["y"].name == "layer"
    slope = 1 - y["y"] ** 2
    expect_close(j["y"].bias, np.diag(slope), 1e-14, "by bias")
    expect_close(j["y"].weight, np.einsum("j,i,jk->jik", slope, x, np.eye(2)), 1e-14, "by weight")
    expect_close(j["mean"][0].weight, np.full((4, 2), 1 / 8), 1e-14, "mean by weight")
    expect_close(j["mean"][0].bias, np.zeros(2), 1e-14, "mean by bias")


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_several_arguments_and_aux(chunk_size):
    def f(a, n, b, scale=1.0):
        return scale * a**n * b, {"n": n, "a": a}

    a, b = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    (by_b, by_a), aux = jacfwd(f, argnums=(2, 0), has_aux=True, chunk_size=chunk_size)(a, 2, b, scale=10.0)
    expect_close(by_b, np.diag(10 * a**2), 1e-14, "by b")
    expect_close(by_a, np.diag(20 * a * b), 1e-14, "by a")
    assert aux["n"] == 2
    assert aux["a"] is a
    (y, aux), j = fwdad.value_and_jacfwd(f, -1, has_aux=True, chunk_size=chunk_size)(a, 2, b)
    assert (y.tolist(), j.tolist(), aux["n"]) == ([20, 63], [[4, 0], [0, 9]], 2)


def test_aux_of_jvp_and_derivative():
    assert jvp(lambda x: (x * x, (x, "text")), (3.0,), (1.0,), has_aux=True) == (9.0, 6.0, (3.0, "text"))
    assert fwdad.derivative(lambda x: (x * x, 2 * x), has_aux=True)(3.0) == (6.0, 6.0)
    assert fwdad.derivative(lambda a, x: a * x, argnums=1)(5.0, 3.0) == 5.0
    assert fwdad.value_and_derivative(lambda x: (x * x, 2 * x), has_aux=True)(3.0) == ((9.0, 6.0), 6.0)
    # aux keeps the tangents of outer transforms
    assert fwdad.derivative(lambda x: jvp(lambda y: (y, x * y), (2.0,), (1.0,), has_aux=True)[2])(3.0) == 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_dtypes(dtype):
    x = RNG.standard_normal(4).astype(dtype) * dtype(1 + 0.5j if np.issubdtype(dtype, np.complexfloating) else 1)
    j = jacfwd(lambda x: np.sin(x) * x[0], chunk_size=3)(x)
    assert j.dtype == dtype
    expected = np.diag(np.cos(x) * x[0])
    expected[:, 0] += np.sin(x)
    assert np.all(np.abs(j - expected) <= 10 * np.finfo(dtype).eps * (1 + np.abs(expected)))


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_hessian(chunk_size):
    x = RNG.standard_normal(4)
    q = A.T @ A

    def f(x):
        return 0.5 * x @ q @ x + np.sum(x) ** 3

    y, h = fwdad.value_and_hessian(f, chunk_size=chunk_size)(x)
    expect_close(y, f(x), 1e-14, "value")
    expect_close(h, q + 6 * np.sum(x), 1e-13, "hessian")
    expect_close(hessian(f, has_aux=False)(x), h, 1e-14, "hessian")
    v = RNG.standard_normal((3, 4))
    expect_close(hvp(f, (x,), (v,), chunk_size)[0], v @ h, 1e-13, "hvp, k directions")
    expect_close(hvp(f, (x,), (v[0],), chunk_size)[0], h @ v[0], 1e-13, "hvp")


def test_hessian_of_trees_and_aux():
    h, aux = hessian(lambda p: (p["a"] * np.sum(p["b"] ** 2), "aux"), has_aux=True)({"a": 2.0, "b": np.ones(2)})
    assert aux == "aux"
    assert (h["a"]["a"], h["a"]["b"].tolist(), h["b"]["a"].tolist()) == (0, [2, 2], [2, 2])
    assert h["b"]["b"].tolist() == [[4, 0], [0, 4]]
    primals, tangents = ({"a": 2.0, "b": np.ones(2)}, 3.0), ({"a": 1.0, "b": np.zeros(2)}, None)
    by_p, by_c = hvp(lambda p, c: c * p["a"] * np.sum(p["b"] ** 2), primals, tangents)
    assert (by_p["a"], by_p["b"].tolist(), by_c) == (0, [6, 6], 2)


def test_jacobian_inside_another_transform():
    """The blocks hold Duals of the outer level."""
    x = np.array([1.0, 2.0, 3.0])
    for chunk_size in (None, 2):
        dj = jvp(jacfwd(lambda x: x**3, chunk_size=chunk_size), (x,), (np.eye(3),))[1]
        expect_close(dj, np.einsum("ij,jk->ijk", np.diag(6 * x), np.eye(3)), 1e-14, "third order")


def test_no_entries_and_no_dependence():
    assert jacfwd(lambda x: 2 * x)(np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert jacfwd(lambda x: np.ones((2, 3)))(np.zeros(4)).shape == (2, 3, 4)
    assert jacfwd(lambda x: 1.0)(np.zeros(2)).tolist() == [0, 0]


def test_chunks_see_the_primal_once_each_and_bound_the_tangents():
    seen = []

    def f(x):
        seen.append(x.k)
        return x

    jacfwd(f, chunk_size=4)(np.zeros(10))
    assert seen == [4, 4, 2]


def test_chunks_bound_the_memory():
    """The Jacobian of an R^4096 map, 134 MB, in less than 200 MB: nothing of an earlier chunk is kept."""

    def f(x):
        return np.tanh(x + np.roll(x, 1) * np.roll(x, -1))

    x = RNG.standard_normal(4096)
    tracemalloc.start()
    j = jacfwd(f, chunk_size=64)(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    rows = np.arange(1, 4096)
    expect_close(j[rows, rows - 1], ((1 - f(x) ** 2) * np.roll(x, -1))[1:], 1e-14, "below the diagonal")


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "leave it out of argnums", lambda: jacfwd(np.sin)(3)),
        (TypeError, "leave it out of argnums", lambda: jacfwd(lambda t: t["x"])({"x": 1.0, "n": 3})),
        (ValueError, "argnums=2", lambda: jacfwd(np.add, argnums=2)(1.0, 2.0)),
        (ValueError, "twice", lambda: jacfwd(np.add, argnums=(0, -2))(1.0, 2.0)),
        (ValueError, "hold no array", lambda: jacfwd(lambda t: 1.0)({})),
        (ValueError, "chunk_size", lambda: jacfwd(np.sin, chunk_size=0)),
        (TypeError, "pair", lambda: jacfwd(np.sin, has_aux=True)(1.0)),
        (ValueError, "fwdad.hessian", lambda: hvp(np.sin, (np.ones(2),), (np.ones(2),))),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("transform", [fwdad.jacfwd, fwdad.hessian, fwdad.laplacian, fwdad.sparse_jacfwd])
def test_buffers_of_a_model_do_not_move(transform):
    """Also integers are taken, which carry no tangent."""
    x = np.array([0.3, -1.2])

    def loss(model):
        assert model["count"].value.dtype == np.int64
        return np.sum(model["w"] ** 3 * model["mean"].value)

    model = {"w": x, "mean": Buffer(np.array([2.0, 3.0])), "count": Buffer(np.zeros((), np.int64))}
    found, expected = (
        fwdad.tree.leaves(transform(f)(y))[0] for f, y in ((loss, model), (lambda w: np.sum(w**3 * [2, 3]), x))
    )
    assert np.allclose(found, expected)


def test_hessian_by_blocks():
    """Many summands that depend on all inputs: blocks of directions, of which each moves one leaf."""
    rng = np.random.default_rng(24)
    w = rng.standard_normal((600, 20))
    x = {"a": rng.standard_normal(20), "b": rng.standard_normal((3, 5)), "c": np.array(0.3)}

    def f(x):
        return np.sum(np.tanh(w @ x["a"] + np.sum(np.sin(x["b"] * x["c"]))) * x["c"])

    found, expected = fwdad.hessian(f)(x), fwdad.hessian(f, chunk_size=36)(x)
    for one, other in zip(fwdad.tree.leaves(found), fwdad.tree.leaves(expected), strict=True):
        expect_close(one, other, 1e-12, "a block")
