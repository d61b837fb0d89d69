"""lif_jvp: every body against the equations in float64, and against what they say of single neurons."""

import numpy as np
import pytest
from elementwise import DTYPES, normal, unit_of

from fwdad.kernels.lif_jvp import DERIVATIVES, KERNEL, SERIES, SURROGATES
from fwdad.kernels.lif_jvp import lif_jvp as public_lif_jvp

ALL = (*DERIVATIVES, *SERIES)


def draw(rows, n, steps, dtype, series=True, bias=None, seed=0):
    """Currents in which most units fire now and then."""
    shape = (rows, steps, n) if series else (rows, 1, n)
    current = np.abs(normal(seed, shape, dtype)) * dtype(0.5)
    beta, theta = (np.linspace(a, b, n).astype(dtype) for a, b in ((0.5, 0.99), (1.0, 0.7)))
    bias = None if bias is None else normal(1, bias, dtype) * dtype(0.1)
    return current, beta, theta, bias


def examples(dtype):
    """Of the steeper surrogate few steps alone: it multiplies the rounding errors of u."""
    dtype = dtype.type
    for rows, n, steps in [(0, 3, 2), (2, 0, 1), (1, 1, 1), (3, 7, 2), (4, 301, 10)]:
        surrogate = "arctan" if steps > 2 else "fast-sigmoid"
        for series, bias in [(True, (n,)), (False, None), (False, (rows, n))]:
            current, beta, theta, b = draw(rows, n, steps, dtype, series, bias)
            yield current, beta, theta, steps, b, surrogate, ALL


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("n", [1, 7, 8, 15, 16, 17, 33])
def test_all_results(lif_jvp, assert_within, n, surrogate, dtype):
    """A slope's error is that of u, times its own slope of at most 2 a; what sums it up has `steps` of them."""
    steps = 12
    given = draw(5, n, steps, dtype, bias=(n,))
    sharpness, squared = SURROGATES[surrogate]
    truth = KERNEL.bodies["reference"](*(a.astype(np.float64) for a in given), steps, sharpness, squared, ALL)
    answer = lif_jvp(*given, steps, sharpness, squared, ALL)
    for name, mine, exact in zip(("counts", *ALL), answer, truth, strict=True):
        assert mine.dtype == dtype
        bound = 0 if name in ("counts", "train") else 40 * sharpness * steps * unit_of(dtype) * (1 + np.abs(exact))
        assert_within(mine, exact, bound)


@pytest.mark.parametrize("give", [(), ("by_current",), ("train",), ("slopes", "by_theta")])
def test_what_is_asked_for_and_nothing_else(lif_jvp, give):
    given = draw(3, 20, 6, np.float32)
    everything = dict(zip(ALL, lif_jvp(*given, 6, 25.0, False, ALL)[1:], strict=True))
    answer = dict(zip(ALL, lif_jvp(*given, 6, 25.0, False, give)[1:], strict=True))
    for name in ALL:
        assert (answer[name] is None) == (name not in give)
        assert name not in give or np.array_equal(answer[name], everything[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_current_is_a_series_of_it(lif_jvp, dtype):
    current, beta, theta, _ = draw(3, 20, 9, dtype, series=False)
    constant = lif_jvp(current, beta, theta, None, 9, 25.0, False, ALL)
    series = lif_jvp(np.repeat(current, 9, axis=1), beta, theta, None, 9, 25.0, False, ALL)
    assert all(np.array_equal(a, b) for a, b in zip(constant, series, strict=True))


def test_at_the_threshold_a_neuron_is_silent(lif_jvp):
    one = np.ones(1)
    below = lif_jvp(np.ones((1, 1, 1)), one, one, None, 1, 25.0, False, ALL)
    above = lif_jvp(np.full((1, 1, 1), np.nextafter(1, 2)), one, one, None, 1, 25.0, False, ALL)
    assert (below[0].item(), above[0].item()) == (0, 1)
    assert below[5].item() == 1  # the surrogate's peak


@pytest.mark.parametrize("place", range(4))
def test_nan_is_not_hidden(lif_jvp, place):
    given = [a.copy() for a in draw(2, 20, 4, np.float32, bias=(20,))]
    given[place].reshape(-1)[3] = np.nan
    by_current = lif_jvp(*given, 4, 25.0, False, ALL)[1]
    assert np.isnan(by_current[0, 3])
    assert np.isfinite(np.delete(by_current, 3, axis=1)).all()


X, B = np.ones((4, 3), np.float32), np.ones(3, np.float32)
BAD = [
    (ValueError, "steps: expected 1 to 2.24, given 0", (X, B, B, 0)),
    (ValueError, "surrogate: expected one of fast-sigmoid, arctan, given 'step'", (X, B, B, 1, None, "step")),
    (ValueError, "give: expected names of by_current, .*, given 'counts'", (X, B, B, 1, None, "arctan", ["counts"])),
    (ValueError, r"current: expected shape \(B, n\) or \(B, steps, n\), given \(3,\)", (B, B, B, 1)),
    (ValueError, r"current: expected shape .* \(steps is 2\), given \(4, 3, 3\)", (np.ones((4, 3, 3)), B, B, 2)),
    (TypeError, "beta: expected dtype float32", (X, B.astype(float), B, 1)),
    (ValueError, r"theta: expected shape \(3,\) .*, given \(4,\)", (X, B, np.ones(4, np.float32), 1)),
    (ValueError, r"bias: expected shape \(3,\) or \(4, 3\)", (X, B, B, 1, np.ones((3, 3), np.float32))),
]


@pytest.mark.parametrize(("error", "message", "arguments"), BAD, ids=[message for _, message, _ in BAD])
def test_bad_arguments(error, message, arguments):
    with pytest.raises(error, match="lif_jvp: " + message):
        public_lif_jvp(*arguments)
