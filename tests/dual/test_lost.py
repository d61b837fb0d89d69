"""A derivative is never silently lost: every conversion to plain numbers raises, by name."""

import cmath
import math

import numpy as np
import pytest

import fwdad
from fwdad import LostDerivativeError, NoRuleError
from fwdad.estimators import Normal

LOST = {
    "float": float,
    "int": int,
    "complex": complex,
    "math.sin": math.sin,
    "cmath.sin": cmath.sin,
    "asarray": np.asarray,
    "array of duals": lambda x: np.array([x, x]),
    "index": lambda x: [1, 2, 3][x],
    "dual as index": lambda x: (x * np.ones(3))[x],
    "assignment of an array": lambda x: np.zeros(3).__setitem__(slice(None), x * np.ones(3)),
    "in place": lambda x: np.zeros(3).__iadd__(x),
    "out=": lambda x: np.sin(x, out=np.zeros(())),
    "sum out=": lambda x: np.sum(x * np.ones(3), out=np.zeros(())),
    "ufunc where=": lambda x: np.sin(x, where=np.array(False)),
    "ufunc dtype=": lambda x: np.sin(x, dtype=np.float32),
    "shape": lambda x: np.roll(np.ones(3) * x, x),
}


@pytest.mark.parametrize("name", LOST)
def test_lost(name):
    with pytest.raises(LostDerivativeError):
        fwdad.jvp(LOST[name], (np.float64(1.0),), (np.float64(1.0),))


FIND = {
    "jvp": lambda f, x: fwdad.jvp(f, (x,), (x,)),
    "linearize": fwdad.linearize,
    "jet": lambda f, x: fwdad.jet(f, (x,), ([x],)),
    "laplacian": lambda f, x: fwdad.laplacian(f)(x),
    "jacobian_pattern": lambda f, x: fwdad.jacobian_pattern(f)(x),
    "ForwardGradient": lambda f, x: fwdad.ForwardGradient(Normal(2, seed=0), perturb="weight")(f, x),
}


@pytest.mark.parametrize("name", FIND)
def test_assignment_of_a_number_says_what_to_do(name):
    """NumPy says "setting an array element with a sequence"; a transform says what that comes from."""
    with pytest.raises(LostDerivativeError, match="zeros_like"):
        FIND[name](lambda x: np.zeros(3).__setitem__(0, x[0]), np.ones(2))


def test_other_errors_stay():
    with pytest.raises(ValueError, match="mine"):
        fwdad.jvp(lambda x: exec("raise ValueError('mine')"), (1.0,), (1.0,))


@pytest.mark.parametrize(
    ("name", "f"),
    [
        ("np.intersect1d", lambda x: np.intersect1d(x, x)),
        ("np.bitwise_count", np.bitwise_count),
        ("np.multiply.at", lambda x: np.multiply.at(np.ones(3), [0], x)),
    ],
)
def test_a_function_without_a_rule_is_named(name, f):
    with pytest.raises(NoRuleError, match=name.replace(".", r"\.")):
        fwdad.jvp(f, (np.float64(1.0),), (np.float64(1.0),))
