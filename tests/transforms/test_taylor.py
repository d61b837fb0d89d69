"""jet: known series, trees, nesting. Every rule goes through it in tests/rules/test_rules.py."""

import math

import numpy as np
import pytest

import fwdad
from fwdad import derivative, functions, jet


@pytest.mark.parametrize(
    ("f", "x", "derivatives"),
    [
        (np.exp, 0.3, [math.exp(0.3)] * 10),
        (np.sin, 0.0, [1, 0, -1, 0, 1, 0, -1, 0, 1, 0]),
        (np.log, 2.0, [(-1) ** (j - 1) * math.factorial(j - 1) / 2.0**j for j in range(1, 11)]),
        (lambda x: 1 / (1 - x), 0.0, [math.factorial(j) for j in range(1, 11)]),
        (lambda x: x**5, 2.0, [80, 160, 240, 240, 120, 0, 0, 0, 0, 0]),
        (np.sqrt, 1.0, [math.prod(0.5 - i for i in range(j)) for j in range(1, 11)]),
        (np.tanh, 0.0, [1, 0, -2, 0, 16, 0, -272, 0, 7936, 0]),
        (functions.sigmoid, 0.0, [0.25, 0, -0.125, 0, 0.25, 0, -1.0625, 0, 7.75, 0]),
    ],
)  # fmt: skip
def test_known_series(f, x, derivatives):
    y, found = jet(f, (x,), ([1.0] + [0.0] * 9,))
    assert y == pytest.approx(f(x), rel=1e-15)
    assert [float(d) for d in found] == pytest.approx(derivatives, rel=1e-12, abs=1e-9)


def test_cost_of_a_high_order_is_no_power_of_two():
    """Order 40 through a chain of functions: 40 nested transforms would never end."""
    _, found = jet(lambda t: np.sin(np.exp(t) * np.cos(t)) / (1 + t * t), (0.0,), ([1.0] + [0.0] * 39,))
    inverse = jet(lambda t: np.exp(-np.log(1 - t)), (0.0,), ([1.0] + [0.0] * 39,))[1]
    assert len(found) == 40
    assert float(inverse[-1]) == pytest.approx(float(math.factorial(40)), rel=1e-12)


def test_jet_of_trees():
    x = {"a": np.array([1.0, 2.0]), "b": np.float32(3.0)}
    v = {"a": np.array([1.0, 0.0]), "b": np.float32(0.5)}
    y, (first, second) = jet(lambda x, n: (np.sum(x["a"] ** n) * x["b"], n, 1.0), (x, 3), ([v, v], []))
    assert y == (27.0, 3, 1.0)
    assert (float(first[0]), first[1], float(first[2])) == (3 * 3 + 9 * 0.5, None, 0)
    # second along a' = a'' = v: (6 a0 + 3 a0^2) b + 2 (3 a0^2) b' + s b''
    assert float(second[0]) == pytest.approx(9 * 3 + 2 * 3 * 0.5 + 9 * 0.5)


def test_jet_nests():
    def third(x):
        return jet(lambda t: t * np.sin(x * t), (x,), ([1.0, 0.0, 0.0],))[1][2]

    def expected(x):
        return derivative(derivative(derivative(lambda t: t * np.sin(x * t))))(x)

    assert derivative(third)(0.7) == pytest.approx(derivative(expected)(0.7), rel=1e-13)

    def slope(t):
        return derivative(lambda y: np.exp(y * t))(t)

    assert jet(slope, (0.5,), ([1.0, 0.0],))[1][1] == pytest.approx(derivative(derivative(slope))(0.5), rel=1e-13)


def test_series_in_branches_and_tables():
    y, found = jet(lambda x: np.where(x > 0, x**2, np.nan * x) if x > 0 else x, (2.0,), ([1.0, 0.0],))
    assert [float(d) for d in (y, *found)] == [4, 4, 2]


@fwdad.custom_jvp
def doubled(x):
    return 2 * x


@doubled.defjvp
def _doubled(primals, tangents):
    dy = 1.0 * tangents[0]
    dy *= 2
    return doubled(primals[0]), dy


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (ValueError, "no derivative", lambda: jet(np.sin, (1.0,), ([],))),
        (ValueError, "one length", lambda: jet(np.sin, (1.0,), ())),
        (ValueError, "derivative 2", lambda: jet(np.sin, (1.0,), ([1.0, np.ones(2)],))),
        (TypeError, "floating|float", lambda: jet(np.sin, (1,), ([1.0],))),
        (fwdad.LostDerivativeError, "a rule writes in place", lambda: jet(doubled, (np.ones(2),), ([np.ones(2)],))),
        (fwdad.LostDerivativeError, "float", lambda: jet(math.sin, (1.0,), ([1.0],))),
        (fwdad.NoRuleError, "np.gcd", lambda: jet(lambda x: np.gcd(x, 2), (1.0,), ([1.0],))),
    ],
)  # fmt: skip
def test_mistakes_are_named(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_rule_may_take_the_absolute_value_of_its_own_answer():
    @fwdad.custom_jvp
    def g(x):
        return np.exp(x)

    @g.defjvp
    def rule(primals, tangents):
        y = g(primals[0])
        return y, tangents[0] * np.abs(y)

    y, derivatives = fwdad.jet(g, (0.3,), ([1.0, 0.0, 0.0],))
    assert derivatives == pytest.approx([y, y, y])
