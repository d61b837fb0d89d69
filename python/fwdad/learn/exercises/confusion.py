"""Perturbation confusion: two derivatives at once must not share a slope."""

from collections.abc import Iterator

import numpy as np

from fwdad.learn.exercise import Answer, Exercise, Remark, expect

TEXT = """
A derivative may stand inside another:

    derivative(lambda x: x * derivative(lambda y: x + y, 1.0), 1.0)

The inner one is the slope of `x + y` as `y` grows while `x` stays as it is: that is 1, whatever `x` is. So the outer
one is the slope of `x * 1`, which is 1. Your file has a small `Dual` with `+` and `*` that is right for one
derivative, and often for two. Here it says 2.

Why? Inside, `x` and `y` are both Duals with slope 1. The two slopes belong to different derivatives, but a Dual does
not say to which, and `x + y` adds them up. This is called *perturbation confusion*.

**Mend it.** Every call of `derivative` must tell its own slopes from those of all other calls. The value and the
slope of a Dual may be Duals themselves, of a derivative further out. `derivative(f, x)` and the operators `+` and `*`
are judged, with numbers on either side; change the rest of the file as you like.
"""

STARTER = '''\
class Dual:
    """A value, and its slope. Both may be Duals themselves."""

    def __init__(self, value, slope):
        self.value = value
        self.slope = slope

    def __add__(self, other):
        (a, da), (b, db) = parts(self), parts(other)
        return Dual(a + b, da + db)

    def __mul__(self, other):
        (a, da), (b, db) = parts(self), parts(other)
        return Dual(a * b, da * b + a * db)

    __radd__ = __add__
    __rmul__ = __mul__


def parts(x):
    """Return value and slope of a Dual; a number does not move."""
    return (x.value, x.slope) if isinstance(x, Dual) else (x, 0.0)


def derivative(f, x):
    """Return the slope of f at x."""
    y = f(Dual(x, 1.0))
    return parts(y)[1]
'''

SOLUTION = '''\
import itertools

levels = itertools.count()


class Dual:
    """A value, its slope, and the level: which call of `derivative` the slope belongs to."""

    def __init__(self, value, slope, level):
        self.value = value
        self.slope = slope
        self.level = level

    def __add__(self, other):
        level = highest(self, other)
        (a, da), (b, db) = parts(self, level), parts(other, level)
        return Dual(a + b, da + db, level)

    def __mul__(self, other):
        level = highest(self, other)
        (a, da), (b, db) = parts(self, level), parts(other, level)
        return Dual(a * b, da * b + a * db, level)

    __radd__ = __add__
    __rmul__ = __mul__


def highest(a, b):
    """Return the level of the innermost derivative that moves a or b."""
    return max(x.level for x in (a, b) if isinstance(x, Dual))


def parts(x, level):
    """Return value and slope at this level: what belongs to another level does not move here."""
    return (x.value, x.slope) if isinstance(x, Dual) and x.level == level else (x, 0.0)


def derivative(f, x):
    """Return the slope of f at x."""
    level = next(levels)
    y = f(Dual(x, 1.0, level))
    return parts(y, level)[1]
'''

HINTS = (
    "Give every Dual a third field that says which call of `derivative` made it. A counter that grows with each call "
    "is enough.",
    "In `x + y` with different numbers, the *inner* one, the larger, is at work now. To it, the other operand is a "
    "plain value that does not move, although that value is itself a Dual and must stay one.",
    "At its end, `derivative` must look at the number of what comes back. If it is not its own, `f` did not depend on "
    "its argument, and the slope is 0.",
)

WRONG = {
    "the slope that comes back may be another's": (
        "return parts(y, level)[1]",
        "return y.slope if isinstance(y, Dual) else 0.0",
    ),
    "what belongs to another level is stripped to a number": (
        "else (x, 0.0)",
        "else (number(x), 0.0)\n\n\ndef number(x):\n    return number(x.value) if isinstance(x, Dual) else x",
    ),
    "the outer level goes first": ("return max(", "return min("),
    "one level for all": ("level = next(levels)", "level = 0"),
}


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Compare nested derivatives with those on paper."""
    d = answer.function("derivative")
    a, b, c = (float(x) for x in np.round(rng.uniform(1.1, 3.0, 3), 2))

    yield f"derivative(lambda x: 2 * x * x + 5, {a})"
    expect(d(lambda x: 2 * x * x + 5, a), 4 * a)
    yield f"derivative(lambda x: 7.0, {a})"
    expect(d(lambda x: 7.0, a), 0)
    yield f"derivative(lambda x: derivative(lambda y: y * y * y, x), {a})"
    expect(d(lambda x: d(lambda y: y * y * y, x), a), 6 * a)
    yield f"derivative(lambda x: x * derivative(lambda y: x + y, {b}), {a})"
    expect(d(lambda x: x * d(lambda y: x + y, b), a), 1)
    yield f"derivative(lambda x: x * derivative(lambda y: x * x, {b}), {a}), where the inner one is 0"
    expect(d(lambda x: x * d(lambda y: x * x, b), a), 0)
    yield f"derivative(lambda x: derivative(lambda y: x * y, {b}), {a}), where the inner one is x"
    expect(d(lambda x: d(lambda y: x * y, b), a), 1)
    yield f"derivative(lambda x: x * x * derivative(lambda y: y * x * y, {b}), {a})"
    expect(d(lambda x: x * x * d(lambda y: y * x * y, b), a), 6 * b * a**2)
    yield f"derivative(lambda x: derivative(lambda y: x * x * y, x), {a}), where y begins at x"
    expect(d(lambda x: d(lambda y: x * x * y, x), a), 2 * a)
    yield f"three levels: derivative of x * (derivative of y * (derivative of x * y * z at {c}) at {b}) at {a}"
    expect(d(lambda x: x * d(lambda y: y * d(lambda z: x * y * z, c), b), a), 4 * a * b)
    yield Remark("The Duals of fwdad have a level, too, so its transforms nest in any order.")


EXERCISE = Exercise(3, "confusion", "Perturbation confusion", TEXT, STARTER, SOLUTION, HINTS, WRONG, check)
