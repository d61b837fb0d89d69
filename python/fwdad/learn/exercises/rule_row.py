"""The missing rows: what a table of rules holds, and what a good row is."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import fwdad
from fwdad.dual import primitive
from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, expect
from fwdad.rules.forms import binary, unary

TEXT = """
In `fwdad` the value of a `Dual` is a whole NumPy array. Instead of one slope it has k of them, arrays of the same
shape, which are called *tangents*. An elementwise function does the same to each tangent as in the exercise before:
`dy` is `f'(x) * dx`. Only the slope `f'` differs from function to function, so the rules are a table. These are three
rows:

    np.sin    lambda x, y: np.cos(x)
    np.exp    lambda x, y: y
    np.tanh   lambda x, y: (1 - y) * (1 + y)

A row gets the argument `x` and the answer `y = f(x)`, which has been computed already. The slope of `exp` is `exp`
itself, so its row computes nothing at all. A function of two arguments, `z = f(x, y)`, has two slopes: one for `x`
while `y` stays as it is, and one for `y` while `x` stays. Each may use `x`, `y` and the answer `z`.

**Write** two rows that are missing here:

    y = 1 / (1 + exp(-x))             the logistic function: one slope
    z = log(exp(x) + exp(y))          the smooth maximum: two slopes

They are called with arrays, and must be right everywhere. In floating point `exp(1000)` is infinite, but both
functions have ordinary slopes at 1000, and the answers `y` and `z` that you are given are right there, too. Rows are
themselves differentiated to get second derivatives, so write them in NumPy.
"""

STARTER = '''\
import numpy as np


def logistic_slope(x, y):
    """Return dy/dx, where y = 1 / (1 + exp(-x)) is given."""
    raise NotImplementedError("logistic_slope is yours to write")


def smooth_maximum_slopes(x, y, z):
    """Return the pair dz/dx, dz/dy, where z = log(exp(x) + exp(y)) is given."""
    raise NotImplementedError("smooth_maximum_slopes is yours to write")
'''

SOLUTION = '''\
import numpy as np


def logistic_slope(x, y):
    """Return dy/dx, where y = 1 / (1 + exp(-x)) is given."""
    return y * (1 - y)


def smooth_maximum_slopes(x, y, z):
    """Return the pair dz/dx, dz/dy, where z = log(exp(x) + exp(y)) is given."""
    return np.exp(x - z), np.exp(y - z)
'''

HINTS = (
    "Differentiate on paper first: `exp(-x) / (1 + exp(-x))**2`, and `exp(x) / (exp(x) + exp(y))`. Then look for the "
    "answer in it.",
    "`exp(-x) / (1 + exp(-x))` is `1 - y`. And `exp(x) + exp(y)` is `exp(z)`.",
    "`exp(a) / exp(b)` is `exp(a - b)`, which is finite even if both are not.",
)

WRONG = {
    "the formula from paper, which is NaN far out": ("y * (1 - y)", "np.exp(-x) / (1 + np.exp(-x)) ** 2"),
    "the row of tanh": ("y * (1 - y)", "(1 - y) * (1 + y)"),
    "the two slopes change places": ("np.exp(x - z), np.exp(y - z)", "np.exp(y - z), np.exp(x - z)"),
    "a quotient that is NaN far out": (
        "np.exp(x - z), np.exp(y - z)",
        "np.exp(x) / (np.exp(x) + np.exp(y)), np.exp(y) / (np.exp(x) + np.exp(y))",
    ),
    "the second derivative is lost": (
        "return y * (1 - y)",
        "import fwdad; y = fwdad.stop_gradient(y); return y * (1 - y)",
    ),
}


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Call the rows, then enter them into fwdad's own table and differentiate by them."""
    row, rows = answer.function("logistic_slope"), answer.function("smooth_maximum_slopes")

    @primitive
    def logistic(x: Any) -> Any:
        return np.exp(-np.logaddexp(0, -x))

    @primitive
    def smooth_maximum(x: Any, y: Any) -> Any:
        return np.logaddexp(x, y)

    def slope(x: Any) -> Any:
        small = np.exp(-np.abs(x))
        return small / (1 + small) ** 2

    def pair(x: Any, y: Any, z: Any) -> tuple[Any, Any]:
        found = rows(x, y, z)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            raise Wrong("a pair of slopes", f"a value of type {type(found).__name__}")
        return found[0], found[1]

    def check_pair(x: np.ndarray, y: np.ndarray) -> None:
        expect(pair(x, y, np.logaddexp(x, y)), [logistic(x - y), logistic(y - x)])

    x = np.round(rng.uniform(0.2, 2, 3) * [1, -1, 1], 2)  # at 0 the second derivative of the first is 0
    yield f"logistic_slope at x = {x}"
    expect(row(x, logistic(x)), slope(x))
    far = np.array([-1000.0, 1000.0])
    yield f"logistic_slope at x = {far}"
    with np.errstate(all="ignore"):
        expect(row(far, logistic(far)), [0, 0])

    y = np.round(rng.normal(size=3), 2)
    yield f"smooth_maximum_slopes at x = {x}, y = {y}: dz/dx, then dz/dy"
    check_pair(x, y)
    yield "smooth_maximum_slopes at x = [1000. 1000.], y = [1000.  999.]: dz/dx, then dz/dy"
    with np.errstate(all="ignore"):
        check_pair(np.array([1000.0, 1000.0]), np.array([1000.0, 999.0]))

    unary(logistic, row)
    binary(smooth_maximum, lambda x, y, z: pair(x, y, z)[0], lambda x, y, z: pair(x, y, z)[1])
    v = np.round(rng.normal(size=(2, 3)), 2)
    yield f"in fwdad's table: 2 tangents through the logistic function at x = {x}"
    expect(fwdad.jvp(logistic, (x,), (v,))[1], slope(x) * v)
    yield f"in fwdad's table: the second derivative of the logistic function at x = {x[0]}"
    s = float(logistic(x[0]))
    expect(fwdad.hessian(logistic)(x[0]), s * (1 - s) * (1 - 2 * s))
    yield f"in fwdad's table: the second derivatives of the smooth maximum at x = {x[0]}, y = {y[0]}"
    second = slope(x[0] - y[0])
    expect(
        fwdad.hessian(lambda w: smooth_maximum(w[0], w[1]))(np.array([x[0], y[0]])),
        [[second, -second], [-second, second]],
    )
    yield Remark("fwdad's own tables are in fwdad/rules; fwdad.custom_jvp gives a rule to a function of yours.")


EXERCISE = Exercise(2, "rule-row", "The missing rows of a rule table", TEXT, STARTER, SOLUTION, HINTS, WRONG, check)
