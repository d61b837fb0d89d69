"""custom_jvp: a user's own rule, under every transform."""

import gc
import math
import weakref

import numpy as np
import pytest

import fwdad
from fwdad import custom_jvp, jet, jvp, laplacian
from fwdad.testing import check_jvp

RNG = np.random.default_rng(9)


@custom_jvp
def scaled_sum(p, c):
    return {"y": math.fsum(np.ravel(p["x"]).tolist()) * c, "n": 2}


@scaled_sum.defjvp
def _scaled_sum(primals, tangents):
    (p, c), (dp, dc) = primals, tangents
    terms = [] if dp["x"] is None else [np.sum(dp["x"], axis=tuple(range(1, dp["x"].ndim))) * c]
    terms += [] if dc is None else [dc * np.sum(p["x"])]
    return {"y": np.sum(p["x"]) * c, "n": 2}, {"y": sum(terms), "n": None}


def test_custom_rule_of_trees():
    x = RNG.standard_normal((2, 3))
    check_jvp(lambda x, c: scaled_sum({"x": x}, c)["y"], [x, np.array(2.0)])
    check_jvp(lambda c: scaled_sum({"x": x}, c)["y"], [np.array(2.0)])
    check_jvp(lambda x: jvp(lambda x, c: scaled_sum({"x": x}, c)["y"], (x, 2.0), (x, 1.0))[1], [x])
    assert scaled_sum({"x": np.ones(3)}, 2)["y"] == 6
    found = jet(lambda t: scaled_sum({"x": t * np.ones(2)}, t)["y"], (3.0,), ([1.0, 0.0],))
    assert [float(d) for d in (found[0], *found[1])] == [18, 12, 4]
    assert float(laplacian(lambda x, c: scaled_sum({"x": x}, c)["y"], (0, 1))(x, 2.0)) == 0


def product(z):
    """y -> z y, with z from outside."""
    g = custom_jvp(lambda y: z * y)
    g.defjvp(lambda primals, tangents: (g(primals[0]), z * tangents[0]))
    return g


def test_a_function_may_close_over_what_moves():
    x = np.array([3.0, 5.0])
    assert fwdad.jacfwd(lambda v: product(v[0])(v[1]))(x).tolist() == [5, 3]
    assert fwdad.hessian(lambda v: product(v[0])(v[1]))(x).tolist() == [[0, 1], [1, 0]]
    for f in (
        lambda z: fwdad.derivative(lambda y: product(z)(y) ** 2)(x[1]),  # z moves outside
        lambda z: fwdad.derivative(lambda y: product(y)(z) ** 2)(x[1]),  # and inside
        lambda z: fwdad.derivative(lambda y: product(z * y)(z))(x[1]) * x[1] ** 2 / 5,
    ):
        check_jvp(f, [np.array(3.0)])


def test_what_is_not_needed_any_more_is_forgotten():
    g = product(2.0)
    forgotten = weakref.ref(g)
    assert fwdad.derivative(g)(3.0) == 2
    del g
    gc.collect()
    assert forgotten() is None


def test_the_tangent_is_matched_by_key():
    f = custom_jvp(lambda x: {"a": x, "b": 2 * x})
    f.defjvp(lambda primals, tangents: (f(*primals), {"b": 2 * tangents[0], "a": tangents[0]}))
    assert jvp(f, (1.0,), (1.0,))[1] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("error", "words", "rule"),
    [
        (TypeError, "no rule yet", None),
        (ValueError, r"shape \(2,\)", lambda p, t: (p[0], np.ones(2))),
        (ValueError, "another structure", lambda p, t: ((p[0], p[0]), t[0])),
        (ValueError, "int64", lambda p, t: (np.ones(2, np.int64), t[0])),
    ],
)
def test_custom_rules_are_checked(error, words, rule):
    f = custom_jvp(np.sin)
    if rule is not None:
        f.defjvp(rule)
    with pytest.raises(error, match=words):
        jvp(f, (np.ones(2),), (np.ones((3, 2)),))


def test_arguments_by_keyword():
    @fwdad.custom_jvp
    def product(x, y=2.0, z=1.0):
        return x * y * z

    @product.defjvp
    def rule(primals, tangents):
        parts = [np.prod([*primals[:i], *primals[i + 1 :]]) * t for i, t in enumerate(tangents) if t is not None]
        return product(*primals), sum(parts)

    assert fwdad.derivative(lambda x: product(x, z=x))(3.0) == 12.0
    assert fwdad.derivative(lambda x: product(y=x, x=5.0))(3.0) == 5.0

    with pytest.raises(TypeError, match=r"by position.*scale"):
        fwdad.derivative(lambda x: fwdad.custom_jvp(lambda x, *, scale: x)(x, scale=2.0))(1.0)
