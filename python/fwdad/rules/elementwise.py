"""The elementwise functions: a row is a function, its derivative, the domain of its tests, and its singular points.

x is the argument, y the answer. The last column names the singular points and what happens there: kinks take the value
given; a strong zero means that a direction in which the argument does not move gives a zero tangent although the
derivative is infinite.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fwdad.dual import RULES, Array, Dual, plain, primitive
from fwdad.rules.forms import (
    ELEMENTWISE,
    STRONG,
    OneOver,
    Partial,
    Shortcut,
    Tangent,
    across_kink,
    align,
    binary,
    binary_rule,
    broadcast_tangent,
    composed,
    constant,
    enter,
    linear,
    rule_for,
    scaled,
    scaled_sum,
    surely_finite,
    unary,
)
from fwdad.rules.kinks import EVEN, has_kink, jump, kink, kink_rule, with_square


class Unary(NamedTuple):
    """A row: y = f(x)."""

    function: Any
    derivative: Partial
    domain: tuple[float, float] = (-2.0, 2.0)
    singular: str = ""
    activation: str = ""
    square: Any = None


class Binary(NamedTuple):
    """A row: z = f(x, y)."""

    function: np.ufunc
    by_x: Partial
    by_y: Partial
    domain: tuple[float, float] = (0.5, 2.0)
    singular: str = ""
    shortcut: Shortcut | None = None
    square: Any = None
    same: Any = None


def product(x: Array, y: Array, z: Array, dx: Array, dy: Array) -> Array:
    """``dz = dx y + x dy``, in one call."""
    if dy is None:
        return scaled(dx, y)
    return scaled(dy, x) if dx is None else scaled_sum(dx, y, dy, x)


def quotient(x: Array, y: Array, z: Array, dx: Array, dy: Array) -> Array:
    """``dz = (dx - z dy) / y``, where z is finite: there y is neither 0 nor NaN."""
    if not surely_finite(z):
        return None
    if dx is None:
        return dy * -z / y
    return (dx if dy is None else dx - z * dy) / y


def winner(x: Array, y: Array, z: Array, dx: Array, dy: Array) -> Array:
    """Select the tangent of the argument that is the answer, if no entry is a tie or NaN."""
    mine = np.equal(x, z)
    if np.count_nonzero(np.not_equal(mine, np.equal(y, z))) != z.size:
        return None
    return np.where(mine, 0 if dx is None else dx, 0 if dy is None else dy)


def share(mine: Array, other: Array, answer: Array) -> Array:
    """1 where the answer is mine alone, 1/2 at a tie, 0 elsewhere."""
    won, tied = np.equal(mine, answer), np.equal(mine, other)
    return won * np.where(tied, 0.5, 1.0).astype(answer.dtype)


@primitive
def still_sign(x: Array) -> Array:
    """Return sign(x), which never moves: its jumps are `across_kink`'s."""
    return np.sign(x)


def absolute(dx: Array, x: Array, y: Array) -> Array:
    """``d|x| = sign(x) dx``; for complex x, where |x| is not holomorphic, ``Re(conj(x) dx) / |x|``."""
    if x.dtype.kind != "c":
        return across_kink(dx, still_sign(x), x) if isinstance(x, Dual) else scaled(dx, np.sign(x))
    change = np.conjugate(np.sign(x)) * dx
    return np.real(change + jump(dx, x) if has_kink(x) else change)


def squared_size(x: Array) -> Array:
    """``|x|^2``."""
    return np.square(np.real(x)) + np.square(np.imag(x)) if x.dtype.kind == "c" else np.square(x)


def radial(x: Array, y: Array, z: Array, dx: Array, dy: Array) -> Array:
    """``dz = (x dx + y dy) / z``, where z is finite and not zero."""
    if np.count_nonzero(z) < z.size or not surely_finite(z):
        return None
    if dx is None:
        return dy * (y / z)
    return dx * (x / z) if dy is None else dx * (x / z) + dy * (y / z)


def signed(x: Array, y: Array, z: Array, dx: Array, dy: Array) -> Array:
    """``d copysign(x, y) = sign(x) sign(z) dx``; the sign of y is constant."""
    return None if dx is None else across_kink(dx, still_sign(x) * still_sign(z), x)


KINK = "0 at the kink 0"

# fmt: off
UNARY = [
    #     function        derivative                                    domain          singular points
    Unary(np.positive,    1),
    Unary(np.negative,    -1),
    Unary(np.absolute,    Tangent(absolute),                            (-2.0, 2.0),    KINK, square=squared_size),
    Unary(np.fabs,        Tangent(absolute),                            (-2.0, 2.0),    KINK, square=np.square),
    Unary(np.square,      lambda x, y: x + x),
    Unary(np.sqrt,        OneOver(lambda x, y: y + y),                      (0.1, 4.0),     f"{STRONG} at 0", square=lambda x: x),
    Unary(np.cbrt,        OneOver(lambda x, y: 3 * y * y),                  (0.1, 4.0),     f"{STRONG} at 0"),
    Unary(np.reciprocal,  lambda x, y: -y * y,                          (0.2, 3.0),     f"{STRONG} at 0"),
    Unary(np.exp,         lambda x, y: y),
    Unary(np.exp2,        lambda x, y: y * math.log(2)),
    Unary(np.expm1,       lambda x, y: np.exp(x)),
    Unary(np.log,         OneOver(lambda x, y: x),                          (0.1, 4.0),     f"{STRONG} at 0"),
    Unary(np.log2,        OneOver(lambda x, y: x * math.log(2)),            (0.1, 4.0),     f"{STRONG} at 0"),
    Unary(np.log10,       OneOver(lambda x, y: x * math.log(10)),           (0.1, 4.0),     f"{STRONG} at 0"),
    Unary(np.log1p,       OneOver(lambda x, y: 1 + x),                      (-0.8, 4.0),    f"{STRONG} at -1"),
    Unary(np.sin,         lambda x, y: np.cos(x)),
    Unary(np.cos,         lambda x, y: -np.sin(x)),
    Unary(np.tan,         lambda x, y: 1 + y * y,                       (-1.2, 1.2)),
    Unary(np.arcsin,      lambda x, y: 1 / (root_to_one(x) * np.sqrt(1 + x)),  (-0.9, 0.9),    f"{STRONG} at -1, 1"),
    Unary(np.arccos,      lambda x, y: -1 / (root_to_one(x) * np.sqrt(1 + x)), (-0.9, 0.9),    f"{STRONG} at -1, 1"),
    Unary(np.arctan,      lambda x, y: square_sum(x)),
    Unary(np.sinh,        lambda x, y: np.cosh(x)),
    Unary(np.cosh,        lambda x, y: np.sinh(x)),
    Unary(np.tanh,        lambda x, y: (1 - y) * (1 + y),               activation="tanh"),
    Unary(np.arcsinh,     lambda x, y: 1 / root_of_square_sum(x)),
    Unary(np.arccosh,     lambda x, y: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),  (1.2, 4.0),     f"{STRONG} at 1"),
    Unary(np.arctanh,     lambda x, y: 1 / ((1 - x) * (1 + x)),         (-0.8, 0.8),    f"{STRONG} at -1, 1"),
    Unary(np.degrees,     lambda x, y: 180 / math.pi),
    Unary(np.rad2deg,     lambda x, y: 180 / math.pi),
    Unary(np.radians,     lambda x, y: math.pi / 180),
    Unary(np.deg2rad,     lambda x, y: math.pi / 180),
    Unary(np.sinc,        lambda x, y: sinc_derivative(x)),
    Unary(np.i0,          lambda x, y: bessel_i1(x),                    (-3.0, 3.0)),
]

BINARY = [
    #      function         by x                                        by y
    Binary(np.add,          1,                                          1),
    Binary(np.subtract,     1,                                          -1),
    Binary(np.multiply,     lambda x, y, z: y,                          lambda x, y, z: x,                    shortcut=product, same=np.square),
    Binary(np.true_divide,  lambda x, y, z: np.true_divide(1, y),       lambda x, y, z: -z / y,               singular=f"{STRONG} at y = 0", shortcut=quotient),
    Binary(np.maximum,      share,                                      lambda x, y, z: share(y, x, z),       singular="ties split evenly", shortcut=winner),
    Binary(np.minimum,      share,                                      lambda x, y, z: share(y, x, z),       singular="ties split evenly", shortcut=winner),
    Binary(np.fmax,         share,                                      lambda x, y, z: share(y, x, z),       singular="ties split evenly"),
    Binary(np.fmin,         share,                                      lambda x, y, z: share(y, x, z),       singular="ties split evenly"),
    Binary(np.logaddexp,    lambda x, y, z: weight(x, y, z, np.logaddexp, np.exp),    lambda x, y, z: weight(y, x, z, np.logaddexp, np.exp),    singular="ties at infinity split evenly"),
    Binary(np.logaddexp2,   lambda x, y, z: weight(x, y, z, np.logaddexp2, np.exp2),  lambda x, y, z: weight(y, x, z, np.logaddexp2, np.exp2),  singular="ties at infinity split evenly"),
    Binary(np.hypot,        lambda x, y, z: x / z,                      lambda x, y, z: y / z,                singular=f"{STRONG} at (0, 0)", shortcut=radial, square=lambda x, y: np.square(x) + np.square(y)),
    Binary(np.arctan2,      lambda x, y, z: over_square(y, x, y),       lambda x, y, z: -over_square(x, x, y),    singular=f"{STRONG} at (0, 0)"),
    Binary(np.copysign,     1,                                          lambda x, y, z: np.zeros_like(z),     singular=KINK, shortcut=signed),
    Binary(np.heaviside,    lambda x, y, z: np.zeros_like(z),           lambda x, y, z: np.equal(x, 0).astype(z.dtype), singular="0 at the jump 0"),
    Binary(np.nextafter,    1,                                          lambda x, y, z: np.zeros_like(z)),
]
# fmt: on

CONSTANT: list[Any] = [
    np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
    np.isnan, np.isinf, np.isfinite, np.signbit, np.floor, np.ceil, np.trunc, np.rint,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.floor_divide, np.spacing,
    np.around, np.round, np.fix, np.isposinf, np.isneginf, np.isreal, np.iscomplex,
    still_sign,
]  # fmt: skip


def square_sum(x: Array) -> Array:
    """Return ``1 / (1 + x^2)``, which is 0 where the square overflows."""
    with np.errstate(over="ignore"):
        return 1 / (1 + x * x)


def root_of_square_sum(x: Array) -> Array:
    """Return ``sqrt(1 + x^2)``, without overflow of the square where x is real."""
    return np.sqrt(1 + x * x) if x.dtype.kind == "c" else np.hypot(1, x)


def root_to_one(x: Array) -> Array:
    """Return ``sqrt(1 - x)``; of a complex x > 1 on the side of the cut that the sign of its imaginary zero says."""
    return np.sqrt(-(x - 1)) if x.dtype.kind == "c" else np.sqrt(1 - x)


def over_square(numerator: Array, x: Array, y: Array) -> Array:
    """Return ``numerator / (x^2 + y^2)``, without overflow of the squares."""
    radius = np.hypot(x, y)
    return numerator / radius / radius


def weight(mine: Array, other: Array, answer: Array, log_sum: Any, exp: Any) -> Array:
    """``1 / (1 + exp(other - mine))``, the share of one term in log(exp(x) + exp(y)); infinite terms share as ties do."""
    infinite = np.isinf(plain(answer))
    gap = np.where(infinite, 0, other) - np.where(infinite, 0, mine)
    return np.where(infinite, share(mine, other, answer), exp(-log_sum(0, gap)))


def sinc_derivative(x: Array) -> Array:
    """``(cos(pi x) - sinc(x)) / x``.

    Where that cancels it is the Taylor series ``-pi^2 x sum_n (-q)^n (2n+2)/(2n+3)!``, q = (pi x)^2.
    """
    near = np.less(np.abs(x), 0.25)
    q = np.square(math.pi * np.where(near, x, 0))
    series = 0 * q
    for n in reversed(range(9)):
        series = (2 * n + 2) / math.factorial(2 * n + 3) - q * series
    far = np.where(near, 1, x)
    cosine = np.cos(math.pi * (far - 2 * np.rint(np.real(plain(far)) / 2)))  # pi x of a large x has lost its phase
    return np.where(near, -(math.pi**2) * x * series, (cosine - np.sinc(far)) / far)


def bessel_i1(x: Array) -> Array:
    """``I_1(x) = 2/pi int_0^(pi/2) sinh(x cos t) cos t dt``, by the midpoint rule.

    The integrand is periodic and analytic, so 64 points give all digits until I_1 overflows.
    """
    points = 64
    total = 0 * x
    for j in range(points):
        c = math.cos((j + 0.5) * math.pi / (2 * points))
        total = total + c * np.sinh(c * x)
    return total / points


rule_for(kink)(kink_rule)
ELEMENTWISE.update((kink, still_sign))
for _row in UNARY:
    unary(_row.function, _row.derivative, _row.singular, _row.activation, _row.square)
for _pair in BINARY:
    binary(_pair.function, _pair.by_x, _pair.by_y, _pair.singular, _pair.shortcut, _pair.square, _pair.same)
constant(*CONSTANT)
for _function in (np.conjugate, np.real, np.imag):
    linear(_function)


def power_by_exponent(x: Array, y: Array, z: Array) -> Array:
    """``d(x^y)/dy = x^y log x``; zero at x = 0 and y >= 0. The logarithm is taken of positive numbers only."""
    positive = np.not_equal(x, 0) if np.iscomplexobj(plain(z)) else np.greater(x, 0)
    log = np.log(np.where(positive, x, 1))
    elsewhere = np.where(np.equal(x, 0) & np.greater_equal(np.real(y), 0), 0.0, np.nan)
    return np.where(positive, z * log, elsewhere).astype(z.dtype)


def power_by_base(x: Array, y: Array, z: Array) -> Array:
    """``d(x^y)/dx = y x^(y-1)``; zero where y = 0, for every x."""
    nonzero = np.not_equal(y, 0)
    if np.all(nonzero):
        return y * np.power(x, y - 1)
    return np.where(nonzero, y * np.power(x, np.where(nonzero, y - 1, 1)), 0).astype(z.dtype)


def _square(*args: Array, **options: Any) -> Array:
    answer = _ordinary_square(*args, **options)
    return with_square(np.square, args, answer) if hasattr(args[0], "square") else answer


_ordinary_square, RULES[np.square] = RULES[np.square], _square


def _even(function: Any) -> None:
    """Let a smooth even function look for the square of a root that is zero."""
    ordinary = RULES[function]

    def rule(x: Dual, **options: Any) -> Array:
        answer = ordinary(x, **options)
        return with_square(function, (x,), answer) if hasattr(x, "square") else answer

    RULES[function] = rule


for _function in EVEN:
    _even(_function)


def power_like(function: np.ufunc) -> None:
    """Enter np.power or np.float_power."""
    general = binary_rule(function, power_by_base, power_by_exponent, strong_zero=True)

    def rule(x: Array, y: Array, **options: Any) -> Array:
        if type(y) in (int, float) and y >= 1 and type(x) is Dual and not options:
            # dz = y x^(y-1) dx is finite where z is
            primal = x.primal
            answer = function(primal, y)
            if surely_finite(answer):
                slope = primal + primal if y == 2 else y * np.power(primal, y - 1)
                if slope.dtype == answer.dtype:
                    power = Dual(answer, x.tangent * slope, x.level)
                    return with_square(function, (x, y), power) if hasattr(x, "square") else power
        answer = general(x, y, **options)
        return with_square(function, (x, y), answer) if hasattr(x, "square") else answer

    enter(function, rule, "differentiable", f"{STRONG} at x = 0; by y: 0 at x = 0 <= y, NaN at x < 0")
    ELEMENTWISE.add(function)


power_like(np.power)
power_like(np.float_power)


def remainder_by_divisor(x: Array, y: Array, z: Array) -> Array:
    """``d(x mod y)/dy = -floor(x / y)``: the quotient is constant between its jumps."""
    return -np.floor_divide(x, y)


JUMPS = "jumps count as constant"
binary(np.remainder, 1, remainder_by_divisor, JUMPS)
binary(np.fmod, 1, lambda x, y, z: -np.rint((x - z) / y), JUMPS)  # x / y may round across an integer


@composed(np.divmod, singular=JUMPS)
def _divmod(x: Array, y: Array) -> tuple[Array, Dual]:
    return np.floor_divide(x, y), np.remainder(x, y)


@rule_for(np.sign, singular="0 at 0")
def _sign(x: Dual) -> Array:
    """Sign is constant for real numbers, and z / |z| for complex ones."""
    if not np.iscomplexobj(x.primal):
        return np.sign(plain(x))
    length = np.absolute(x)
    zero = np.equal(length, 0)
    return np.where(zero, 0, x / np.where(zero, 1, length))


@composed(np.angle, singular=f"{STRONG} at 0")
def _angle(z: Dual, deg: bool = False) -> Array:
    angle = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(angle) if deg else angle


@composed(np.nan_to_num, singular="0 where a NaN or an infinity is replaced")
def _nan_to_num(x: Dual, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    numbers = np.where(np.isfinite(x), x, np.nan_to_num(plain(x), True, nan, posinf, neginf))[()]
    if copy:
        return numbers
    x[...] = numbers
    return x


@composed(np.real_if_close)
def _real_if_close(x: Dual, tol: float = 100) -> Array:
    real = not np.iscomplexobj(np.real_if_close(plain(x), tol))
    return np.real(x) if real else x


@rule_for(np.ldexp, kind="linear")
def _ldexp(x: Dual, exponent: Array) -> Dual:
    """``x 2^exponent``."""
    answer = np.ldexp(x.primal, exponent)
    return Dual(answer, broadcast_tangent(np.ldexp(align(x.tangent, answer.ndim), exponent), answer.shape), x.level)


@rule_for(np.frexp, kind="linear", singular=JUMPS)
def _frexp(x: Dual) -> tuple[Dual, Array]:
    """``x = mantissa 2^exponent``."""
    mantissa, exponent = np.frexp(x.primal)
    return Dual(mantissa, np.ldexp(x.tangent, -exponent), x.level), exponent


@rule_for(np.modf, kind="linear", singular=JUMPS)
def _modf(x: Dual) -> tuple[Dual, Array]:
    fraction, whole = np.modf(x.primal)
    return Dual(fraction, x.tangent, x.level), whole
