"""scipy.special's ufuncs, for programs that import SciPy; this library does not import it.

The table is filled when the first ufunc without a rule arrives.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from fwdad.dual import OPTIONAL_TABLES, Array, plain
from fwdad.errors import LostDerivativeError
from fwdad.rules.elementwise import KINK, Binary, Unary
from fwdad.rules.forms import ENTRIES, STRONG, Partial, Tangent, across_kink, binary, constant, unary
from fwdad.rules.kinks import kink


def rows(sp: Any) -> tuple[list[Unary], list[Binary]]:
    """Return the tables, given the module scipy.special."""
    bell = 2 / math.sqrt(math.pi)
    normal = 1 / math.sqrt(2 * math.pi)
    zeta = sp._ufuncs._zeta
    # fmt: off
    unary_rows = [
        #     function       derivative                                                domain         singular points
        Unary(sp.erf,        lambda x, y: bell * np.exp(-x * x)),
        Unary(sp.erfc,       lambda x, y: -bell * np.exp(-x * x)),
        Unary(sp.erfcx,      lambda x, y: erfcx_derivative(x, y)),
        Unary(sp.erfi,       lambda x, y: bell * np.exp(x * x)),
        Unary(sp.erfinv,     lambda x, y: np.exp(y * y) / bell,                        (-0.9, 0.9),   f"{STRONG} at -1, 1"),
        Unary(sp.erfcinv,    lambda x, y: -np.exp(y * y) / bell,                       (0.1, 1.9),    f"{STRONG} at 0, 2"),
        Unary(sp.dawsn,      lambda x, y: dawsn_derivative(x, y)),
        Unary(sp.ndtr,       lambda x, y: normal * np.exp(-x * x / 2)),
        Unary(sp.ndtri,      lambda x, y: np.exp(y * y / 2) / normal,                  (0.1, 0.9),    f"{STRONG} at 0, 1"),
        Unary(sp.log_ndtr,   lambda x, y: log_ndtr_derivative(x, sp)),
        Unary(sp.expit,      lambda x, y: y * sp.expit(-x)),
        Unary(sp.log_expit,  lambda x, y: sp.expit(-x)),
        Unary(sp.logit,      lambda x, y: 1 / (x * (1 - x)),                           (0.1, 0.9),    f"{STRONG} at 0, 1"),
        Unary(sp.gamma,      lambda x, y: y * digamma(x, sp),                           (0.5, 4.0)),
        Unary(sp.rgamma,     lambda x, y: rgamma_derivative(x, y, sp),                          (0.5, 4.0)),
        Unary(sp.gammaln,    lambda x, y: digamma(x, sp),                               (0.5, 4.0)),
        Unary(sp.loggamma,   lambda x, y: sp.digamma(x),                               (0.5, 4.0)),
        Unary(sp.digamma,    lambda x, y: zeta(2.0, x),                                (0.5, 4.0)),
        Unary(sp.entr,       lambda x, y: -np.log(x) - 1,                              (0.1, 4.0),    f"{STRONG} at 0"),
        Unary(sp.exp2,       lambda x, y: y * math.log(2)),
        Unary(sp.exp10,      lambda x, y: y * math.log(10)),
        Unary(sp.expm1,      lambda x, y: np.exp(x)),
        Unary(sp.log1p,      lambda x, y: 1 / (1 + x),                                 (-0.8, 4.0),   f"{STRONG} at -1"),
        Unary(sp.cosm1,      lambda x, y: -np.sin(x)),
        Unary(sp.cbrt,       lambda x, y: 1 / (3 * y * y),                             (0.1, 4.0),    f"{STRONG} at 0"),
        Unary(sp.exp1,       lambda x, y: -np.exp(-x) / x,                             (0.2, 4.0),    f"{STRONG} at 0"),
        Unary(sp.expi,       lambda x, y: np.exp(x) / x,                               (0.2, 4.0),    f"{STRONG} at 0"),
        Unary(sp.spence,     lambda x, y: spence_derivative(x),                         (0.1, 0.9),    f"{STRONG} at 0"),
        Unary(sp.i0,         lambda x, y: sp.i1(x)),
        Unary(sp.i0e,        Tangent(lambda dx, x, y: -across_kink(dx, np.sign(plain(x)), x) * bessel_gap(x, sp)),  singular=KINK),
        Unary(sp.i1,         lambda x, y: (sp.i0(x) + sp.iv(2, x)) / 2),
        Unary(sp.i1e,        Tangent(lambda dx, x, y: i1e_tangent(dx, x, y, sp))),
        Unary(sp.j0,         lambda x, y: -sp.j1(x)),
        Unary(sp.j1,         lambda x, y: (sp.j0(x) - sp.jv(2, x)) / 2),
        Unary(sp.y0,         lambda x, y: -sp.y1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
        Unary(sp.y1,         lambda x, y: sp.y0(x) - y / x,                (0.5, 4.0)),
        Unary(sp.k0,         lambda x, y: -sp.k1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
        Unary(sp.k1,         lambda x, y: -sp.k0(x) - y / x,               (0.5, 4.0)),
        Unary(sp.ellipk,     lambda x, y: ellipk_derivative(x, y, sp),      (0.1, 0.8)),
        Unary(sp.ellipe,     lambda x, y: ellipe_derivative(x, y, sp),                (0.1, 0.8)),
    ]
    binary_rows = [
        #      function         by x                                                   by y
        Binary(sp.xlogy,        lambda x, y, z: np.log(y),                             lambda x, y, z: ratio(x, y),                                 singular=f"{STRONG} at y = 0"),
        Binary(sp.xlog1py,      lambda x, y, z: np.log1p(y),                           lambda x, y, z: ratio(x, 1 + y),                           singular=f"{STRONG} at y = -1"),
        Binary(sp.rel_entr,     lambda x, y, z: log_ratio(x, y) + 1,                     lambda x, y, z: -ratio(x, y),                                singular=f"{STRONG} at x = 0 or y = 0"),
        Binary(sp.kl_div,       lambda x, y, z: log_ratio(x, y),                         lambda x, y, z: 1 - ratio(x, y),                             singular=f"{STRONG} at x = 0 or y = 0"),
        Binary(sp.beta,         lambda x, y, z: beta_by_x(x, y, z, sp),       lambda x, y, z: beta_by_x(y, x, z, sp)),
        Binary(sp.betaln,       lambda x, y, z: -digamma_gap(x, y, sp),             lambda x, y, z: -digamma_gap(y, x, sp)),
        Binary(sp.gammainc,     unknown("gammainc", "a"),                              lambda x, y, z: np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
        Binary(sp.gammaincc,    unknown("gammaincc", "a"),                             lambda x, y, z: -np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
        Binary(zeta,            unknown("zeta", "x"),                                  lambda x, y, z: -x * zeta(x + 1, y),                   (1.5, 4.0)),
        Binary(sp.jv,           unknown("jv", "v"),                                    lambda x, y, z: bessel_slope(sp.jv, -1, x, y, z)),
        Binary(sp.yv,           unknown("yv", "v"),                                    lambda x, y, z: (sp.yv(x - 1, y) - sp.yv(x + 1, y)) / 2),
        Binary(sp.iv,           unknown("iv", "v"),                                    lambda x, y, z: bessel_slope(sp.iv, 1, x, y, z)),
        Binary(sp.ive,          unknown("ive", "v"),                                   lambda x, y, z: bessel_slope(sp.ive, 1, x, y, z) - (np.sign(plain(y)) + kink(y)) * z, singular=KINK),
        Binary(sp.kv,           unknown("kv", "v"),                                    lambda x, y, z: -(sp.kv(x - 1, y) + sp.kv(x + 1, y)) / 2),
        Binary(sp.huber,        unknown("huber", "delta"),                             lambda x, y, z: np.clip(y, -x, x),                     singular="none in r"),
        Binary(sp.pseudo_huber, unknown("pseudo_huber", "delta"),                      lambda x, y, z: np.where(np.equal(x, 0), 0, y / np.hypot(1, y / np.where(np.equal(x, 0), 1, x)))),
        Binary(sp.boxcox,       lambda x, y, z: np.power(x, y - 1),                    unknown("boxcox", "lmbda")),
        Binary(sp.inv_boxcox,   inv_boxcox_by_x,        unknown("inv_boxcox", "lmbda")),
    ]
    # fmt: on
    return unary_rows, binary_rows


# Derivatives whose formula cancels or divides zero by zero somewhere. There a series takes over; a series is a polynomial,
# so higher derivatives are right too. Each is computed at points where it is good, and np.where picks.
def series(coefficients: list[float], x: Array) -> Array:
    """Return ``sum_n c_n x^n``."""
    total: Array = 0 * x + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = c + x * total
    return total


TAIL = [float(math.prod(range(1, 2 * n + 2, 2))) for n in range(12)]
"""(2n + 1)!!, the coefficients of the asymptotic series of erfcx' and dawsn' in -1 / 2x^2 and 1 / 2x^2."""


def erfcx_derivative(x: Array, y: Array) -> Array:
    """``2 x y - 2 / sqrt(pi)``; far out ``-S(-1 / 2x^2) / (sqrt(pi) x^2)``, plus ``4 x exp(x^2)`` where Re x < 0."""
    far = np.greater(np.abs(plain(x)), 15)
    left = far & np.less(np.real(plain(x)), 0)
    inverse = 1 / np.where(far, x, 16)
    q = inverse * inverse
    there = np.where(left, x, 0)
    tail = 4 * there * np.exp(there * there) - series(TAIL, -q / 2) * q / math.sqrt(math.pi)
    return np.where(far, tail, np.where(far, 0, x) * y * 2 - 2 / math.sqrt(math.pi))


def dawsn_derivative(x: Array, y: Array) -> Array:
    """``1 - 2 x y``; far out ``-S(1 / 2x^2) / 2x^2``, where ``exp(-x^2)`` is nothing beside it."""
    value = plain(x)
    far = np.greater(np.abs(value), 15) & np.greater(np.real(value * value), 50)
    inverse = 1 / np.where(far, x, 16)
    q = inverse * inverse / 2
    return np.where(far, -q * series(TAIL, q), 1 - 2 * np.where(far, 0, x) * y)


def log_ndtr_derivative(x: Array, sp: Any) -> Array:
    """``sqrt(2 / pi) / erfcx(-x / sqrt(2))``, which is zero where erfcx overflows."""
    value = plain(x)
    none = np.greater(np.real(value), 0) & np.greater(np.real(value * value), 1400)
    return np.where(none, 0, math.sqrt(2 / math.pi) / sp.erfcx(-math.sqrt(0.5) * np.where(none, 0, x)))


def half_turns(x: Array) -> tuple[Array, Array]:
    """Return ``sin(pi x)`` and ``cos(pi x)``, with all digits near integers, and of large x."""
    whole = np.rint(np.real(plain(x)))
    sign, rest = 1 - 2 * np.remainder(whole, 2), math.pi * (x - whole)
    return sign * np.sin(rest), sign * np.cos(rest)


def digamma(x: Array, sp: Any) -> Array:
    """Return the digamma function; for negative x by reflection, which keeps all digits near its poles."""
    if x.dtype.kind == "c":
        return sp.digamma(x)
    left = np.less(x, 0)
    sine, cosine = half_turns(np.where(left, x, 0.5))
    return np.where(
        left, sp.digamma(np.where(left, 1 - x, x)) - math.pi * cosine / sine, sp.digamma(np.where(left, 1, x))
    )


def rgamma_derivative(x: Array, y: Array, sp: Any) -> Array:
    """``-y digamma(x)``; left of 1/2, with its poles, the derivative of ``sin(pi x) gamma(1 - x) / pi``."""
    left = np.less(np.real(x), 0.5)
    there = np.where(left, x, 0)
    sine, cosine = half_turns(there)
    reflected = sp.gamma(1 - there) * (cosine - sine / math.pi * sp.digamma(1 - there))
    return np.where(left, reflected, -y * sp.digamma(np.where(left, 1, x)))


def spence_derivative(x: Array) -> Array:
    """``log(x) / (1 - x)``, which is -1 at 1."""
    near = np.less(np.abs(plain(x) - 1), 0.1)
    around = -series([1 / (n + 1) for n in range(18)], np.where(near, 1 - x, 0))
    elsewhere = np.where(near, 2, x)
    return np.where(near, around, np.log(elsewhere) / (1 - elsewhere))


def ratio(x: Array, y: Array) -> Array:
    """``x / y``, and 0 at (0, 0): it is the derivative by y of a function that is zero, or y, along x = 0."""
    return np.where(np.equal(x, 0) & np.equal(y, 0), kink(x, np.inf), x / y)


def log_ratio(x: Array, y: Array) -> Array:
    """``log(x / y)``, with all digits where x is near y, and where the ratio over- or underflows."""
    quotient = plain(x) / plain(y)
    near = np.greater(quotient, 0.5) & np.less(quotient, 2)
    ordinary = np.greater(quotient, 1e-30) & np.less(quotient, 1e30)
    above, below = np.where(ordinary, x, 1), np.where(ordinary, y, 1)
    middle = np.where(near, np.log1p(np.where(near, above - below, 0) / below), np.log(above / below))
    return np.where(ordinary, middle, np.log(x) - np.log(y))


BERNOULLI = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12]
"""B_2k / 2k, the coefficients of digamma's asymptotic series ``log s - 1 / 2s - sum_k B_2k / (2k s^2k)``."""


def digamma_gap(x: Array, y: Array, sp: Any) -> Array:
    """Return ``digamma(x + y) - digamma(x)``, without cancellation where both have one sign: every term has the factor y.

    ``sum_(k<10) y / ((x + k) (x + k + y))`` leads to s = x + 10 and t = s + y, where the asymptotic series holds.
    Negative arguments are reflected: digamma(1 - x) - digamma(x) = pi cot(pi x).
    """
    right = np.greater(plain(x), 0) & np.greater(plain(x) + plain(y), 0)
    left = np.less(plain(x), 0) & np.less(plain(x) + plain(y), 0)
    reflected = [half_turns(np.where(left, angle, 0.5))[0] for angle in (y, x, x + y)]
    turn = np.where(left, math.pi * reflected[0] / reflected[1] / reflected[2], 0)
    opposite = np.where(left | right, 1, x), np.where(left | right, 1, y)
    direct = digamma(opposite[0] + opposite[1], sp) - digamma(opposite[0], sp)
    x, y = np.where(right, x, np.where(left, 1 - x, 1)), np.where(right, y, np.where(left, -y, 1))
    s, t = x + 10, x + 10 + y
    gap = np.log1p(y / s) + y / t / s / 2
    for k in range(10):
        gap = gap + y / (x + k + y) / (x + k)
    a, b = 1 / (s * s), 1 / t / t
    difference, powers = (y / t) * ((s + t) / t) * a, 1.0  # a - b, and (a^k - b^k) / (a - b)
    for c in BERNOULLI:
        gap = gap + c * difference * powers
        powers, b = powers * a + b, b / t / t
    return np.where(left | right, gap + turn, direct)


def beta_by_x(x: Array, y: Array, z: Array, sp: Any) -> Array:
    """``z (digamma(x) - digamma(x + y))``; where 1 / gamma(x + y) is zero, ``gamma(x) gamma(y)`` times its derivative."""
    zero = np.less_equal(x + y, 0) & np.equal(x + y, np.rint(plain(x + y)))
    there = (
        sp.gamma(np.where(zero, x, 1))
        * sp.gamma(np.where(zero, y, 1))
        * rgamma_derivative(np.where(zero, x + y, 0), z, sp)
    )
    return np.where(zero, there, -z * digamma_gap(np.where(zero, 1, x), np.where(zero, 1, y), sp))


def bessel_slope(f: Any, sign: int, v: Array, x: Array, y: Array) -> Array:
    """``(f(v-1) + sign f(v+1)) / 2``; near order 0, where v - 1 loses v, ``v/x f(v) + sign f(v+1)``."""
    small = np.less(np.abs(v), 0.5) & np.not_equal(v, 0) & np.not_equal(x, 0)
    by_order = v / np.where(small, x, 1) * y + sign * f(v + 1, x)
    return np.where(small, by_order, (f(v - 1, x) + sign * f(v + 1, x)) / 2)


def inv_boxcox_by_x(x: Array, y: Array, z: Array) -> Array:
    """``z / (x y + 1)``, which is exp(x) for y = 0; where the base is 0, ``0^(1/y - 1)``."""
    base = x * y + 1
    end = np.equal(base, 0)
    at_end = np.power(np.where(end, base, 1), 1 / np.where(end, y, 1) - 1)
    return np.where(end, at_end, z / np.where(end, 1, base))


def bessel_gap(x: Array, sp: Any) -> Array:
    """Return ``i0e(x) - |i1e(x)|``, by the asymptotic series of both far out: ``sqrt(2 pi x) I e^-x = sum_n a_n / (8x)^n``."""
    far = np.greater(np.abs(plain(x)), 200)
    sign = np.sign(plain(x))
    size = np.where(far, x, 201) * np.where(far, sign, 1)
    terms = [(1.0, 1.0)]
    for n in range(1, 12):
        odd = (2 * n - 1) ** 2
        terms.append((terms[-1][0] * odd / n, terms[-1][1] * (odd - 4) / n))
    tail = series([a - b for a, b in terms], 1 / (8 * size)) / np.sqrt(2 * math.pi * size)
    near = np.where(far, 0, x)
    return np.where(far, tail, sp.i0e(near) - sign * sp.i1e(near))


def i1e_tangent(dx: Array, x: Array, y: Array, sp: Any) -> Array:
    """``(i0e(x) + ive(2, x)) / 2 - sign(x) y``; far out ``i0e(x) - |y| - y / x``. Its own derivative jumps at 0."""
    far = np.greater(np.abs(plain(x)), 200)
    near = np.where(far, 0, x)
    change = np.where(far, bessel_gap(x, sp) - y / np.where(far, x, 1), (sp.i0e(near) + sp.ive(2, near)) / 2)
    return dx * change - across_kink(dx, np.where(far, 0, np.sign(plain(x))), x) * y


ELLIPTIC = [math.pi / 2 * n * (math.comb(2 * n, n) / 4**n) ** 2 for n in range(1, 22)]
"""The coefficients of ellipk' around 0: ``K = pi/2 sum_n ((2n-1)!! / (2n)!!)^2 m^n``."""


def ellipk_derivative(m: Array, y: Array, sp: Any) -> Array:
    """``(E / (1 - m) - K) / 2m``, which is pi / 8 at 0."""
    near = np.less(np.abs(plain(m)), 0.1)
    elsewhere = np.where(near, 0.5, m)
    direct = (sp.ellipe(elsewhere) / (1 - elsewhere) - y) / (2 * elsewhere)
    return np.where(near, series(ELLIPTIC, np.where(near, m, 0)), direct)


def ellipe_derivative(m: Array, y: Array, sp: Any) -> Array:
    """``(E - K) / 2m``, which is -pi / 8 at 0."""
    near = np.less(np.abs(plain(m)), 0.1)
    around = series([c / (1 - 2 * n) for n, c in enumerate(ELLIPTIC, start=1)], np.where(near, m, 0))
    elsewhere = np.where(near, 0.5, m)
    return np.where(near, around, (y - sp.ellipk(elsewhere)) / (2 * elsewhere))


def unknown(function: str, argument: str) -> Partial:
    """Make the partial by a parameter for which no formula is known here: it raises LostDerivativeError."""

    def partial(*_: Array) -> Array:
        raise LostDerivativeError(
            f"scipy.special.{function} has no JVP rule for a moving {argument}; "
            f"if that derivative is not wanted, pass fwdad.stop_gradient({argument})"
        )

    return partial


def load() -> None:
    """Enter the rows, once, if the program has imported scipy.special."""
    sp = sys.modules.get("scipy.special")
    if sp is None or sp.erf in ENTRIES:
        return
    unary_rows, binary_rows = rows(sp)
    for row in unary_rows:
        unary(row.function, row.derivative, row.singular)
    for pair in binary_rows:
        binary(pair.function, pair.by_x, pair.by_y, pair.singular)
    constant(sp.round, sp.gammasgn)


OPTIONAL_TABLES.append(load)
