"""Second derivatives at kinks: right where they exist, NaN or infinite where they do not, under every transform."""

import numpy as np
import pytest

import fwdad
from fwdad import derivative, jvp

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, where there is no derivative


def times_itself(y):
    return y * y


# function of two numbers -> its Hessian at (0, 0)
SMOOTH = {
    "abs ** 2": (lambda x: np.sum(np.abs(x) ** 2), 2 * np.eye(2)),
    "abs squared": (lambda x: np.sum(np.square(abs(x))), 2 * np.eye(2)),
    "abs times itself": (lambda x: np.sum(times_itself(np.abs(x))), 2 * np.eye(2)),
    "abs ** 3": (lambda x: np.sum(np.abs(x) ** 3), np.zeros((2, 2))),
    "abs ** 2.5": (lambda x: np.sum(np.power(np.abs(x), 2.5)), np.zeros((2, 2))),
    "abs ** 4": (lambda x: np.sum(abs(x) ** np.int64(4)), np.zeros((2, 2))),
    "fabs": (lambda x: np.sum(np.fabs(x) ** 2), 2 * np.eye(2)),
    "abs of a sum": (lambda x: np.abs(x[0] + x[1]) ** 2, np.full((2, 2), 2.0)),
    "abs of complex": (lambda x: np.abs(x[0] + 2j * x[1]) ** 2, np.diag([2.0, 8.0])),
    "norm": (lambda x: np.linalg.norm(x) ** 2, 2 * np.eye(2)),
    "norm keepdims": (lambda x: np.sum(np.linalg.norm(x, keepdims=True) ** 2), 2 * np.eye(2)),
    "vector_norm": (lambda x: np.linalg.vector_norm(x) ** 2, 2 * np.eye(2)),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x[None]) ** 2, 2 * np.eye(2)),
    "hypot": (lambda x: np.hypot(x[0], 3 * x[1]) ** 2, np.diag([2.0, 18.0])),
    "sqrt": (lambda x: np.sqrt(np.sum(x * x)) ** 2, 2 * np.eye(2)),
    "float_power": (lambda x: np.float_power(np.sqrt(np.sum(x * x)), 2), 2 * np.eye(2)),
    "std": (lambda x: np.std(x) ** 2, np.array([[0.5, -0.5], [-0.5, 0.5]])),
    "exp of a norm": (lambda x: np.exp(-(np.linalg.norm(x) ** 2) / 2), -np.eye(2)),
    "another entry": (lambda x: np.abs(x[0]) ** 2 + np.sin(x[1]) * x[1], 2 * np.eye(2)),
}  # fmt: skip

# functions that have no second derivative at (0, 0), or whose second derivative is not found: never a finite number
KINKED = {
    "abs": lambda x: np.sum(np.abs(x)),
    "x abs": lambda x: np.sum(x * np.abs(x)),
    "abs times another": lambda x: np.sum(np.abs(x) * np.abs(2 * x)),
    "exp of abs": lambda x: np.sum(np.exp(np.abs(x))),
    "softplus by hand": lambda x: np.sum(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))),
    "fabs": lambda x: np.sum(np.fabs(x)),
    "copysign": lambda x: np.sum(np.copysign(x, 1.0) ** 2),
    "abs of complex": lambda x: np.sum(np.abs(x * (1 + 2j))),
    "norm": np.linalg.norm,
    "norm 1": lambda x: np.linalg.norm(x, 1) ** 2,
    "scaled norm": lambda x: (2 * np.linalg.norm(x)) ** 2,
    "sqrt": lambda x: np.sqrt(np.sum(x * x)),
    "root by a power": lambda x: (np.sum(x * x) ** 0.5) ** 2,
    "hypot": lambda x: np.hypot(x[0], x[1]),
    "std": lambda x: np.std(x * np.array([1.0, 2.0])),
    "written after": lambda x: np.sum(written_after(np.abs(x))),
}  # fmt: skip


def written_after(y):
    """A square that is not y's any more: y has been written into."""
    y[...] = y * 3
    return y**2


ZERO, V = np.zeros(2), np.array([1.0, 2.0])


def by_jet(f):
    """The second derivative along (1, 2)."""
    return fwdad.jet(f, (ZERO,), ([V, np.zeros(2)],))[1][1]


TRANSFORMS = {
    "hessian": lambda f: V @ fwdad.hessian(f)(ZERO) @ V,
    "nested jvp": lambda f: jvp(lambda x: jvp(f, (x,), (V,))[1], (ZERO,), (V,))[1],
    "nested derivative": lambda f: derivative(derivative(lambda t: f(t * V)))(0.0),
    "hvp": lambda f: V @ fwdad.hvp(f, (ZERO,), (V,))[0],
    "jacfwd of jacfwd": lambda f: V @ fwdad.jacfwd(fwdad.jacfwd(f))(ZERO) @ V,
    "linearize of jacfwd": lambda f: V @ fwdad.linearize(fwdad.jacfwd(f), ZERO)[1](V),
    "jet": by_jet,
}  # fmt: skip
"""Ways to the second derivative of f at 0 along (1, 2)."""


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", SMOOTH)
def test_a_power_of_a_root_has_the_derivatives_of_the_square(name, transform):
    f, expected = SMOOTH[name]
    assert TRANSFORMS[transform](f) == pytest.approx(V @ expected @ V, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("name", SMOOTH)
def test_hessian_and_laplacian_of_a_power_of_a_root(name):
    f, expected = SMOOTH[name]
    assert fwdad.hessian(f)(ZERO) == pytest.approx(expected, abs=1e-15)
    assert fwdad.laplacian(f)(ZERO) == pytest.approx(np.trace(expected), abs=1e-15)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", KINKED)
def test_a_second_derivative_that_does_not_exist_is_no_number(name, transform):
    try:
        value = TRANSFORMS[transform](KINKED[name])
    except fwdad.LostDerivativeError:  # a write, under a transform that refuses them
        assert name == "written after"
    else:
        assert not np.isfinite(value)


@pytest.mark.parametrize("name", [name for name in KINKED if name != "written after"])
def test_a_laplacian_that_does_not_exist_is_no_number(name):
    assert not np.isfinite(fwdad.laplacian(KINKED[name])(ZERO))


def test_first_derivatives_at_kinks_stay():
    for f in (np.abs, np.fabs, lambda x: np.copysign(x, 1.0), lambda x: np.abs(x * 1j)):
        assert derivative(f)(0.0) == 0
        assert fwdad.jet(f, (0.0,), ([1.0, 0.0],))[1][0] == 0
        assert jvp(derivative(f), (0.0,), (1.0,))[0] == 0
    assert fwdad.jacfwd(np.linalg.norm)(ZERO).tolist() == [0, 0]
    assert derivative(lambda x: np.sqrt(x) ** 2)(0.0) == 1
    assert fwdad.jacfwd(lambda x: np.hypot(x[0], x[1]) ** 2)(ZERO).tolist() == [0, 0]


def test_away_from_the_kink_nothing_changes():
    x = np.array([0.0, -2.0, 3.0])
    second = np.diagonal(fwdad.hessian(lambda x: np.sum(np.abs(x) ** 3))(x))
    assert second.tolist() == [0, 12, 18]
    bent = np.diagonal(fwdad.hessian(lambda x: np.sum(x * np.abs(x)))(x))
    assert np.isnan(bent[0])
    assert bent[1:].tolist() == [-2, 2]


def test_a_direction_that_does_not_cross_the_kink_has_its_derivatives():
    def f(x):
        return np.abs(x[0]) * x[1] + np.linalg.norm(x[:1]) + x[1] ** 2

    hessian = fwdad.hessian(f)(np.array([0.0, 3.0]))
    assert not np.isfinite(hessian[0, 0])
    assert hessian[1, 1] == 2
    assert hessian[0, 1] == hessian[1, 0] == 0  # of the derivative at the kink, which is 0 for every x[1]


def test_a_regular_entry_beside_a_singular_one_keeps_all_its_derivatives():
    def beside(t):
        return np.log(np.stack([1 + t**3, 0 * t]))[0]

    third = derivative(derivative(derivative(beside)))
    assert third(0.0) == pytest.approx(6)


def test_a_root_forgets_its_square_when_it_is_written_into():
    def f(x):
        y = np.sqrt(x)
        y += 3
        return y**2

    def g(x):
        y = np.sqrt(x)
        square = y**2
        square += 1
        return square + y**2

    x = np.array([4.0, 1.0])
    assert jvp(f, (x,), (np.ones(2),))[1].tolist() == [1 + 3 / 2, 1 + 3]
    assert jvp(g, (np.zeros(1),), (np.ones(1),))[1].tolist() == [2]
    assert not np.isfinite(jvp(f, (np.zeros(1),), (np.ones(1),))[1])
