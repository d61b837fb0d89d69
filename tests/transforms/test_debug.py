"""debug_nans: a NaN in a primal or a tangent is named at the operation that makes it, under every transform."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fwdad
from fwdad import NaNError, derivative, jvp
from fwdad.dual import RULES
from fwdad.transforms.carriers import Carrier

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, about the same NaN


def f(x):
    return np.sum(np.exp(np.log(x) * 0))


def bare_sqrt(x):
    return np.sqrt(x - 2)


MAKES_A_NAN = {
    "tangent of k directions": (
        r"np\.multiply .* 1 of 6 entries of the tangents",
        lambda: jvp(lambda x: np.sqrt(x) * 0, (np.array([0.0, 1.0, 2.0]),), (np.array([[1.0, 1, 1], [0, 1, 1]]),)),
    ),
    "tangent of an inner level": (
        r"np\.absolute .* tangents",
        lambda: jvp(lambda x: derivative(lambda y: np.abs(x[0] * y))(1.0), (np.zeros(1),), (np.ones(1),)),
    ),
    "primal": (
        r"np\.sqrt .* 1 of 2 entries of the primal",
        lambda: jvp(bare_sqrt, (np.array([1.0, 3.0]),), (np.zeros((3, 2)),)),
    ),
    "primal of an inner level": (r"np\.log .* primal", lambda: derivative(derivative(lambda x: np.log(x) * x))(-1.0)),
    "inf - inf": (r"np\.subtract .* primal", lambda: derivative(lambda x: np.exp(x) - np.exp(x))(1000.0)),
    "composed function": (
        r"np\.std .* primal",
        lambda: jvp(np.std, (np.array([np.inf, -np.inf]),), (np.ones(2),)),
    ),
    "function of this library": (
        r"logsumexp .* tangents",
        lambda: jvp(fwdad.functions.logsumexp, (np.array([1.0, -np.inf]),), (np.array([1.0, np.inf]),)),
    ),
    "in-place operator": (r"np\.subtract", lambda: jvp(subtract_in_place, (np.full(2, np.inf),), (np.ones(2),))),
    "linearize": (r"np\.sqrt", lambda: fwdad.linearize(bare_sqrt, 1.0)),
    "jacobian_pattern": (r"np\.sqrt", lambda: fwdad.jacobian_pattern(bare_sqrt)(np.ones(2))),
    "jet": (r"np\.multiply .* primal", lambda: fwdad.jet(lambda x: np.exp(x) * 0, (1000.0,), ([1.0],))),
    "jet, a coefficient": (r"np\.multiply .* tangents", lambda: fwdad.jet(lambda x: np.sqrt(x) * 0, (0.0,), ([1.0],))),
    "laplacian": (r"np\.sqrt .* primal", lambda: fwdad.laplacian(bare_sqrt)(1.0)),
    "laplacian, a tangent": (r"np\.multiply .* tangents", lambda: fwdad.laplacian(lambda x: np.sqrt(x) * 0)(0.0)),
}


def subtract_in_place(x):
    y = x * 1
    y -= x
    return y


@pytest.mark.parametrize("name", MAKES_A_NAN)
def test_the_operation_that_made_the_first_nan_is_named(name):
    words, call = MAKES_A_NAN[name]
    with fwdad.debug_nans(), pytest.raises(NaNError, match=words):
        call()


MAKES_NONE = {
    "none": lambda: jvp(f, (np.array([0.5]),), (np.ones((2, 1)),)),
    "a constant's": lambda: jvp(lambda x: x * np.array([np.nan, 1.0]), (np.ones(2),), (np.ones(2),)),
    "the argument's": lambda: jvp(lambda x: np.sin(x) - 1, (np.array([np.nan, 1.0]),), (np.ones(2),)),
    "the direction's": lambda: jvp(lambda x: np.sin(x) - 1, (np.ones(2),), (np.array([np.nan, 1.0]),)),
    "one that is selected": lambda: jvp(lambda x: np.where(x > 0, x, np.nan), (np.array([-1.0]),), (np.ones(1),)),
    "0 / 0 in a rule": lambda: derivative(lambda x: jvp(np.arctan2, (0 * x, 0 * x), (0 * x, 0 * x))[1])(1.0),
    "memory": lambda: jvp(lambda x: (np.empty_like(x), x), (np.ones(2),), (np.ones(2),)),
}


@pytest.mark.parametrize("name", MAKES_NONE)
def test_nobody_is_blamed_for_a_nan_that_was_there_or_is_masked(name):
    with fwdad.debug_nans():
        MAKES_NONE[name]()


def test_watching_ends_and_other_threads_do_not_notice():
    before, operates = dict(RULES), [carrier.operate for carrier in Carrier.__subclasses__()]

    def nan(_):
        with np.errstate(all="ignore"):
            return jvp(lambda x: np.log(x) * 0, (0.0,), (1.0,))[1]

    with ThreadPoolExecutor(1) as pool:
        with fwdad.debug_nans(), fwdad.debug_nans():
            assert np.isnan(next(iter(pool.map(nan, [0]))))
            with pytest.raises(NaNError):
                nan(0)
        assert before == RULES
        assert operates == [carrier.operate for carrier in Carrier.__subclasses__()]
    assert np.isnan(nan(0))
