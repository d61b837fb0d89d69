"""A Dual in 30 lines: a value and a slope that travel together."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, expect

TEXT = """
`f` is a Python program that computes with a number `x`. What is its slope at `x`, that is, how fast does `f(x)` grow
when `x` grows? Let every number of the program carry its own slope. The pair of a value and its slope is called a
*dual number*. Begin with the pair `(x, 1)`, since `x` grows as fast as itself. Each operation takes pairs and returns
a pair. So the program's answer is a pair as well, and its second part is the slope that you want.

You know the rules from school. For pairs `(a, da)` and `(b, db)`:

    (a, da) + (b, db)  =  (a + b,  da + db)
    (a, da) * (b, db)  =  (a b,    da b + a db)
    sin (a, da)        =  (sin a,  cos(a) da)

The last line is the chain rule: the slope of the sine, times the slope of what it is taken of. A plain number, such
as the 3 in `3 * x`, does not move: its slope is 0.

**Write** the operators `- * / **` of the class `Dual`, the functions `sin` and `exp`, and `derivative(f, x)`, which
calls `f` once. `+` is there already. A plain number may stand on either side of an operator: for `3 - x` Python calls
`x.__rsub__(3)`. The exponent of `**` is always a plain number.
"""

BEGIN = '''\
import math


class Dual:
    """A value, and its slope."""

    def __init__(self, value, slope=0.0):
        self.value = value
        self.slope = slope

    def __add__(self, other):
        other = dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    __radd__ = __add__

'''

STARTER = (
    BEGIN
    + '''\
    # Yours: __sub__, __rsub__, __mul__, __rmul__, __truediv__, __rtruediv__, __pow__


def dual(x):
    """Return x if it is a Dual, and a Dual that does not move if it is a plain number."""
    return x if isinstance(x, Dual) else Dual(x)


def sin(x):
    """Return the sine of a Dual: a Dual."""
    raise NotImplementedError("sin is yours to write")


def exp(x):
    """Return e to the power of a Dual: a Dual."""
    raise NotImplementedError("exp is yours to write")


def derivative(f, x):
    """Return the slope of f at the number x: a number. f returns a Dual, or a plain number that does not move."""
    raise NotImplementedError("derivative is yours to write")
'''
)

SOLUTION = (
    BEGIN
    + '''\
    def __sub__(self, other):
        return self + -1.0 * dual(other)

    def __rsub__(self, other):
        return dual(other) - self

    def __mul__(self, other):
        other = dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self * dual(other) ** -1

    def __rtruediv__(self, other):
        return dual(other) / self

    def __pow__(self, n):
        return Dual(self.value**n, n * self.value ** (n - 1) * self.slope)


def dual(x):
    """Return x if it is a Dual, and a Dual that does not move if it is a plain number."""
    return x if isinstance(x, Dual) else Dual(x)


def sin(x):
    """Return the sine of a Dual: a Dual."""
    return Dual(math.sin(x.value), math.cos(x.value) * x.slope)


def exp(x):
    """Return e to the power of a Dual: a Dual."""
    return Dual(math.exp(x.value), math.exp(x.value) * x.slope)


def derivative(f, x):
    """Return the slope of f at the number x: a number. f returns a Dual, or a plain number that does not move."""
    return dual(f(Dual(x, 1.0))).slope
'''
)

HINTS = (
    "`derivative` needs three steps: make the Dual of `x` with slope 1, call `f`, return the slope of what comes back.",
    "The slope of `a / b` is `(da b - a db) / b**2`, and that of `a**n` is `n a**(n-1) da`. For `3 - x` and `3 / x` "
    "the order matters: make a Dual of the 3, and use the operators that you have.",
    "`exp` and `sin` are alike: the slope of the function at `x.value`, *times* `x.slope`. In `sin(x * x)` the inner "
    "slope is `2 x`, not 1. A function such as `f(x) = 7` returns a plain number: its slope is 0.",
)

WRONG = {
    "3 - x is taken for x - 3": ("return dual(other) - self", "return self - other"),
    "the chain rule is forgotten, which sin(x) does not show": (
        "math.cos(x.value) * x.slope",
        "math.cos(x.value)",
    ),
    "a product's slope is the product of the slopes": (
        "self.slope * other.value + self.value * other.slope",
        "self.slope * other.slope",
    ),
    "differences in place of a Dual": (
        "return dual(f(Dual(x, 1.0))).slope",
        "return (dual(f(Dual(x + 1e-6))).value - dual(f(Dual(x - 1e-6))).value) / 2e-6",
    ),
}


def _newton(x: Any) -> Any:
    y = x
    for _ in range(8):
        y = (y + x / y) / 2
    return y


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Compare slopes of programs with those on paper."""
    derivative, dual = answer.function("derivative"), answer.function("Dual")
    if not isinstance(dual, type):
        raise Wrong("a class Dual in your file", f"something of type {type(dual).__name__}")
    sin, exp = answer.function("sin"), answer.function("exp")
    programs: dict[str, tuple[Any, Any]] = {
        "x + 2": (lambda x: x + 2, lambda x: 1.0),
        "2 + x + x": (lambda x: 2 + x + x, lambda x: 2.0),
        "7, which does not depend on x,": (lambda x: 7.0, lambda x: 0.0),
        "x - 5": (lambda x: x - 5, lambda x: 1.0),
        "3 - x": (lambda x: 3 - x, lambda x: -1.0),
        "4 * x": (lambda x: 4 * x, lambda x: 4.0),
        "x * x * 3": (lambda x: x * x * 3, lambda x: 6 * x),
        "x - x * x": (lambda x: x - x * x, lambda x: 1 - 2 * x),
        "x / 4": (lambda x: x / 4, lambda x: 0.25),
        "3 / x": (lambda x: 3 / x, lambda x: -3 / x**2),
        "x / (1 + x * x)": (lambda x: x / (1 + x * x), lambda x: (1 - x * x) / (1 + x * x) ** 2),
        "x ** 3": (lambda x: x**3, lambda x: 3 * x * x),
        "(2 * x) ** 2.5": (lambda x: (2 * x) ** 2.5, lambda x: 5 * (2 * x) ** 1.5),
        "sin(x)": (lambda x: sin(x), np.cos),
        "sin(x * x)": (lambda x: sin(x * x), lambda x: 2 * x * np.cos(x * x)),
        "exp(3 * x)": (lambda x: exp(3 * x), lambda x: 3 * np.exp(3 * x)),
        "x * exp(sin(x))": (
            lambda x: x * exp(sin(x)),
            lambda x: np.exp(np.sin(x)) * (1 + x * np.cos(x)),
        ),
        "the root of x, by 8 steps y = (y + x / y) / 2": (_newton, lambda x: 0.5 / np.sqrt(x)),
    }
    for text, (program, slope) in programs.items():
        x = float(rng.uniform(0.5, 2.0))
        yield f"the slope of {text} at x = {x:.4f}"
        expect(derivative(program, x), slope(x))

    yield "derivative(f, 2.0) calls f once, with a Dual of value 2"
    seen: list[Any] = []

    def watched(x: Any) -> Any:
        seen.append(x)
        return x

    derivative(watched, 2.0)
    if len(seen) != 1 or not isinstance(seen[0], dual):
        raise Wrong("one call, with a Dual", f"{len(seen)} calls, with {', '.join(type(x).__name__ for x in seen)}")
    expect(getattr(seen[0], "value", None), 2.0)
    yield Remark("fwdad.Dual is the same with arrays in place of numbers, and any number of slopes: fwdad.jvp uses it.")


EXERCISE = Exercise(1, "dual", "A Dual in 30 lines", TEXT, STARTER, SOLUTION, HINTS, WRONG, check)
