"""custom_root, custom_minimum and linear, under every transform; and what they refuse."""

import numpy as np
import pytest

import fwdad
from fwdad.testing import check_jvp

RNG = np.random.default_rng(3)
A = RNG.standard_normal((2, 2)) + 4 * np.eye(2)


def newton(residual, y):
    """A root of a function of one vector, by a solver that needs plain numbers."""
    for _ in range(50):
        y = y - np.linalg.solve(fwdad.jacfwd(residual)(y), np.array(residual(y)))
    return y


def residual(y, x):
    return A @ y + y**3 - np.sin(x)


def objective(y, x):
    return np.sum(y**4) / 4 + y @ (A @ A.T) @ y / 2 - y @ np.sin(x)


root = fwdad.custom_root(residual, lambda x: newton(lambda y: residual(y, np.array(x)), np.zeros(2)))
minimum = fwdad.custom_minimum(
    objective, lambda x: newton(lambda y: fwdad.jacfwd(objective)(y, np.array(x)), np.zeros(2))
)
OPERATORS = {
    "a matrix": lambda x: A.dot(np.array(x)),
    "to a number": lambda x: np.dot(np.array(x), A[0]),
    "to a matrix": lambda x: np.outer(np.array(x), A[0]),
}
CASES = {
    "custom_root": root,
    "custom_minimum": minimum,
    "custom_root of one": lambda x: root(root(x)),
    **{f"linear, {name}": lambda x, f=f: np.sin(fwdad.linear(f)(x * x)) for name, f in OPERATORS.items()},
}


@pytest.mark.parametrize("f", CASES.values(), ids=CASES)
def test_under_every_transform(f, under_every_transform):
    under_every_transform(f, np.array([0.3, -0.8]))


def test_trees_and_several_arguments():
    def lines(y, a, b):
        return {"u": y["u"] * a + y["v"] - b, "v": y["u"] - y["v"] * a}

    def solver(a, b):
        v = np.array(b) / (np.array(a) ** 2 + 1)
        return {"u": v * np.array(a), "v": v}

    solve = fwdad.custom_root(lines, solver)
    check_jvp(solve, [np.array([1.0, 2.0]), np.array([3.0, -1.0])])
    check_jvp(lambda b: solve(np.array([1.0, 2.0]), b)["v"], [np.array([3.0, -1.0])])
    assert solve(1.0, 2.0) == {"u": 1.0, "v": 1.0}


def test_of_one_order_after_another():
    """The derivatives of the cube root at 8: 1/12, -1/144, 5/3456."""
    cube_root = fwdad.custom_root(lambda y, x: y**3 - x, lambda x: float(x) ** (1 / 3))
    f, found = cube_root, []
    for _ in range(3):
        f = fwdad.derivative(f)
        found.append(float(f(8.0)))
    assert np.allclose(found, [1 / 12, -1 / 144, 5 / 3456], rtol=1e-12)
    assert np.allclose(fwdad.jet(cube_root, (8.0,), ([1.0, 0.0, 0.0],))[1], found, rtol=1e-12)


@pytest.mark.parametrize("where", [lambda a: root_with(a)(8.0), lambda a: root_with(a)(8.0 * a)])
def test_a_residual_over_a_moving_value_is_refused(where):
    with pytest.raises(fwdad.LostDerivativeError, match="pass the value as an argument"):
        fwdad.derivative(where)(1.0)


def root_with(a):
    return fwdad.custom_root(lambda y, x: y**3 - x * a, lambda x: 2.0)


def test_an_answer_that_does_not_depend_on_what_moves():
    still = fwdad.custom_root(lambda y, x, c: y - c, lambda x, c: c)
    assert fwdad.derivative(lambda x: still(x, 2.0) * x)(3.0) == 2


def test_a_residual_of_another_size():
    with pytest.raises(ValueError, match="the residual has 2 entries, and the root 1"):
        fwdad.derivative(fwdad.custom_root(lambda y, x: np.stack([y, x]), lambda x: 1.0))(1.0)


@pytest.mark.parametrize("f", [np.square, np.abs, lambda x: x + 1.0, lambda x: np.maximum(x, 0.0) - 1e-2])
def test_what_is_not_linear_is_refused(f):
    x = np.array([0.5, -2.0])
    assert np.array_equal(fwdad.linear(f)(x), f(x))
    with pytest.raises(ValueError, match="f is not linear"):
        fwdad.jvp(fwdad.linear(f), (x,), (x,))
