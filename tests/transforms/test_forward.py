"""jvp, derivative, jacfwd: trees, levels, and the mistakes a user can make."""

from dataclasses import dataclass
from threading import Barrier, Thread

import numpy as np
import pytest

import fwdad
from fwdad import derivative, jacfwd, jvp
from fwdad.testing import check_jvp, expect_close
from fwdad.tree import static


def test_one_direction_and_k():
    x = np.array([1.0, 2.0])
    y, dy = jvp(lambda x: x * x, (x,), (np.array([1.0, 0.0]),))
    assert dy.tolist() == [2, 0]
    y, dy = jvp(lambda x: x * x, (x,), (np.eye(2),))
    assert (y.tolist(), dy.tolist()) == ([1, 4], [[2, 0], [0, 4]])


@dataclass
class Pair:
    a: np.ndarray
    b: np.ndarray
    name: str = static("pair")


def test_trees_in_and_out():
    x = {"p": Pair(np.array([2.0]), np.array([3.0]), "given"), "n": [np.array(5.0)]}
    v = {"p": Pair(np.array([[1.0], [0.0]]), None, "given"), "n": [np.array([0.0, 1.0])]}
    y, dy = jvp(lambda t: (t["p"].a * t["p"].b, {"n": t["n"][0], "name": None}, 1.0), (x,), (v,))
    assert y[0].tolist() == [6]
    assert dy[0].tolist() == [[3], [0]]
    assert dy[1]["n"].tolist() == [0, 1]
    assert dy[2].tolist() == [0, 0]


def test_primal_is_computed_once():
    calls = []

    def f(x):
        calls.append(1)
        return x * 2

    jvp(f, (np.ones(3),), (np.ones((100, 3)),))
    assert len(calls) == 1


def test_constants_and_inputs_as_results():
    x = np.ones(3)
    assert jvp(lambda x: 7.0, (x,), (np.ones((2, 3)),))[1].tolist() == [0, 0]
    assert jvp(lambda x: x, (x,), (np.eye(3),))[1].tolist() == np.eye(3).tolist()
    assert jvp(lambda x: (x > 0, 3), (x,), (x,))[1] == (None, None)


def test_nesting_has_no_perturbation_confusion():
    assert derivative(lambda x: x * derivative(lambda y: x + y)(1.0))(3.0) == 1.0
    assert derivative(lambda x: x * derivative(lambda y: x * y)(2.0))(3.0) == 6.0
    assert derivative(lambda x: derivative(lambda y: x * x * y)(5.0))(3.0) == 6.0

    def captured_twice(x):
        return derivative(lambda y: derivative(lambda z: x * y * z + x)(1.0) * y)(2.0)

    assert derivative(captured_twice)(3.0) == 4.0


def test_higher_derivatives():
    f = np.exp
    for _ in range(5):
        f = derivative(f)
    assert f(0.5) == pytest.approx(np.exp(0.5), rel=1e-14)


def test_different_k_at_two_levels():
    x = np.array([1.0, 2.0, 3.0])

    def gradient(x):
        return jvp(lambda x: np.sum(x**3), (x,), (np.eye(3),))[1]

    hessian = jvp(gradient, (x,), (np.ones((5, 3)),))[1]
    expect_close(hessian, np.tile(6 * x, (5, 1)), 1e-14, "hessian times ones")


def test_jacfwd_shapes():
    rng = np.random.default_rng(0)
    a, x = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))
    jacobian = jacfwd(lambda x: {"y": a @ x})(x)["y"]
    expect_close(jacobian, np.einsum("abi,jl->abjil", a, np.eye(5)), 1e-14, "jacobian")
    assert jacfwd(lambda a, x: a * x, argnums=1)(2.0, np.array([1.0])).tolist() == [[2.0]]
    expect_close(jacfwd(jacfwd(lambda x: np.sum(x**3)))(np.array([1.0, 2.0])), np.diag([6.0, 12.0]), 1e-14, "hessian")


def test_float32_stays_and_other_tangents_are_cast():
    y, dy = jvp(lambda x: 2 * x + 1.5, (np.float32(1),), (np.float64(1),))
    assert y.dtype == dy.dtype == np.float32


def test_numpy_scalars_reach_the_dual():
    check_jvp(lambda x: np.float64(2) * x + x * np.float64(3) - np.float64(1) / x, [np.array([1.0, 2.0])])
    check_jvp(lambda x: np.array([1.0, 2.0]) ** x @ np.ones(2), [np.array([1.0, 2.0])])


def test_stop_gradient():
    assert derivative(lambda x: x * fwdad.stop_gradient(x))(3.0) == 3.0


def test_an_exception_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        derivative(lambda x: 1 // 0)(1.0)
    assert derivative(lambda x: x * derivative(lambda y: x + y)(1.0))(3.0) == 1.0


def test_threads_do_not_see_each_other():
    barrier, results = Barrier(2, timeout=30), {}

    def work(name):
        def f(x):
            barrier.wait()
            return x * derivative(lambda y: x * y * y)(3.0)

        results[name] = derivative(f)(float(name))

    threads = [Thread(target=work, args=(name,)) for name in (2, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {2: 24.0, 5: 60.0}


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "3.0, not 3", lambda: derivative(lambda x: x)(3)),
        (ValueError, "k directions", lambda: jvp(np.sin, (np.ones(3),), (np.ones(4),))),
        (ValueError, "same k", lambda: jvp(np.add, (np.ones(3), np.ones(3)), (np.ones((2, 3)), np.ones((4, 3))))),
        (ValueError, "same k", lambda: jvp(np.add, (np.ones(3), np.ones(3)), (np.ones((1, 3)), np.ones(3)))),
        (ValueError, "at least one", lambda: jvp(np.sin, (np.ones(3),), (np.ones((0, 3)),))),
        (ValueError, "tuples of one length", lambda: jvp(np.sin, (np.ones(3),), ())),
        (ValueError, "structure", lambda: jvp(lambda t: t[0], ((np.ones(3),),), ((np.ones(3), np.ones(3)),))),
        (ValueError, "functions of one number", lambda: derivative(np.sin)(np.ones(3))),
        (TypeError, "is complex", lambda: jvp(np.sin, (np.ones(3),), (1j * np.ones(3),))),
    ],
)
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_dual_that_escaped_is_caught():
    kept = []

    def f(x):
        derivative(lambda y: kept.append(y) or y)(1.0)
        return kept[0]

    with pytest.raises(ValueError, match="already ended"):
        derivative(f)(1.0)


def test_the_checker_rejects_a_wrong_rule_and_nan():
    with pytest.raises(AssertionError, match="central differences"):
        check_jvp(lambda x: x * fwdad.stop_gradient(x), [np.ones(2)])
    with pytest.raises(AssertionError, match="not finite"):
        expect_close(np.nan, np.nan, 1.0, "nan")
