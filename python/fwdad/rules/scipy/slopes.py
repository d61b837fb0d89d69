"""Derivatives of special functions whose formula cancels, or divides zero by zero, somewhere.

There a series takes over; a series is a polynomial, so higher derivatives are right too. Each is computed at points where
it is good, and np.where picks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from fwdad.dual import Array, plain
from fwdad.rules.forms import across_kink
from fwdad.rules.kinks import kink


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


def log_ndtr_derivative(x: Array) -> Array:
    """``sqrt(2 / pi) / erfcx(-x / sqrt(2))``, which is zero where erfcx overflows."""
    value = plain(x)
    none = np.greater(np.real(value), 0) & np.greater(np.real(value * value), 1400)
    return np.where(none, 0, math.sqrt(2 / math.pi) / sp.erfcx(-math.sqrt(0.5) * np.where(none, 0, x)))


def half_turns(x: Array) -> tuple[Array, Array]:
    """Return ``sin(pi x)`` and ``cos(pi x)``, with all digits near integers, and of large x."""
    whole = np.rint(np.real(plain(x)))
    sign, rest = 1 - 2 * np.remainder(whole, 2), math.pi * (x - whole)
    return sign * np.sin(rest), sign * np.cos(rest)


def digamma(x: Array) -> Array:
    """Return the digamma function; for negative x by reflection, which keeps all digits near its poles."""
    if x.dtype.kind == "c":
        return sp.digamma(x)
    left = np.less(x, 0)
    sine, cosine = half_turns(np.where(left, x, 0.5))
    return np.where(
        left, sp.digamma(np.where(left, 1 - x, x)) - math.pi * cosine / sine, sp.digamma(np.where(left, 1, x))
    )


def rgamma_derivative(x: Array, y: Array) -> Array:
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


def digamma_gap(x: Array, y: Array) -> Array:
    """Return ``digamma(x + y) - digamma(x)``, without cancellation where both have one sign: every term has the factor y.

    ``sum_(k<10) y / ((x + k) (x + k + y))`` leads to s = x + 10 and t = s + y, where the asymptotic series holds.
    Negative arguments are reflected: digamma(1 - x) - digamma(x) = pi cot(pi x).
    """
    right = np.greater(plain(x), 0) & np.greater(plain(x) + plain(y), 0)
    left = np.less(plain(x), 0) & np.less(plain(x) + plain(y), 0)
    reflected = [half_turns(np.where(left, angle, 0.5))[0] for angle in (y, x, x + y)]
    turn = np.where(left, math.pi * reflected[0] / reflected[1] / reflected[2], 0)
    opposite = np.where(left | right, 1, x), np.where(left | right, 1, y)
    direct = digamma(opposite[0] + opposite[1]) - digamma(opposite[0])
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


def zeta_by_order(s: Array, q: Array) -> Array:
    """Differentiate Hurwitz's ``sum_k (q + k)^-s`` by s: ten terms, and the rest by Euler's and Maclaurin's formula.

    The rest is ``a^-s (a / (s - 1) + 1/2 + sum_j B_2j / (2j)! s (s+1) ... (s+2j-2) a^(1-2j))``, a = q + 10.
    """
    total: Array = 0.0
    for k in range(10):
        total = total - np.power(q + k, -s) * np.log(q + k)
    a = q + 10
    rest, change = a / (s - 1) + 0.5, -a / np.square(s - 1)
    product, slope = s, 1 + 0 * s
    for j, c in enumerate(BERNOULLI, start=1):
        factor = c / math.factorial(2 * j - 1) / np.power(a, 2 * j - 1)
        rest, change = rest + factor * product, change + factor * slope
        for i in (2 * j - 1, 2 * j):
            product, slope = product * (s + i), slope * (s + i) + product
    return total + np.power(a, -s) * (change - np.log(a) * rest)


def zeta_derivative(s: Array) -> Array:
    """Differentiate Riemann's zeta function; left of 0 by ``zeta(s) = 2 (2 pi)^(s-1) sin(pi s / 2) G(1-s) zeta(1-s)``."""
    left = np.less(plain(s), 0)
    t = np.where(left, 1 - s, 2)
    size, angle = 2 * np.power(2 * math.pi, -t) * sp.gamma(t), math.pi / 2 * (1 - t)
    value = sp.zeta(t, 1.0)
    by_size = (math.log(2 * math.pi) - sp.digamma(t)) * value - zeta_by_order(t, 1.0)
    reflected = size * (np.sin(angle) * by_size + math.pi / 2 * np.cos(angle) * value)
    return np.where(left, reflected, zeta_by_order(np.where(left, 2, s), 1.0))


def airye_slopes(z: Array, y: tuple[Array, ...]) -> tuple[Array, ...]:
    """Differentiate ``Ai e^w, Ai' e^w, Bi e^-w, Bi' e^-w``, w = 2/3 z^(3/2); left of 0 the last two are Bi and Bi'."""
    w, grows = np.sqrt(z), np.sqrt(np.where(np.less(plain(z), 0), 0, z))
    return y[1] + w * y[0], z * y[0] + w * y[1], y[3] - grows * y[2], z * y[2] - grows * y[3]


def beta_by_x(x: Array, y: Array, z: Array) -> Array:
    """``z (digamma(x) - digamma(x + y))``; where 1 / gamma(x + y) is zero, ``gamma(x) gamma(y)`` times its derivative."""
    zero = np.less_equal(x + y, 0) & np.equal(x + y, np.rint(plain(x + y)))
    there = (
        sp.gamma(np.where(zero, x, 1)) * sp.gamma(np.where(zero, y, 1)) * rgamma_derivative(np.where(zero, x + y, 0), z)
    )
    return np.where(zero, there, -z * digamma_gap(np.where(zero, 1, x), np.where(zero, 1, y)))


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


def bessel_gap(x: Array) -> Array:
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


def i1e_tangent(dx: Array, x: Array, y: Array) -> Array:
    """``(i0e(x) + ive(2, x)) / 2 - sign(x) y``; far out ``i0e(x) - |y| - y / x``. Its own derivative jumps at 0."""
    far = np.greater(np.abs(plain(x)), 200)
    near = np.where(far, 0, x)
    change = np.where(far, bessel_gap(x) - y / np.where(far, x, 1), (sp.i0e(near) + sp.ive(2, near)) / 2)
    return dx * change - across_kink(dx, np.where(far, 0, np.sign(plain(x))), x) * y


ELLIPTIC = [math.pi / 2 * n * (math.comb(2 * n, n) / 4**n) ** 2 for n in range(1, 22)]
"""The coefficients of ellipk' around 0: ``K = pi/2 sum_n ((2n-1)!! / (2n)!!)^2 m^n``."""


def ellipk_derivative(m: Array, y: Array) -> Array:
    """``(E / (1 - m) - K) / 2m``, which is pi / 8 at 0."""
    near = np.less(np.abs(plain(m)), 0.1)
    elsewhere = np.where(near, 0.5, m)
    direct = (sp.ellipe(elsewhere) / (1 - elsewhere) - y) / (2 * elsewhere)
    return np.where(near, series(ELLIPTIC, np.where(near, m, 0)), direct)


def ellipkm1_derivative(p: Array, y: Array) -> Array:
    """``(K - E / p) / (2 (1 - p))`` for K and E at m = 1 - p, which is -pi / 8 at 1."""
    near = np.less(np.abs(plain(p) - 1), 0.1)
    elsewhere = np.where(near, 0.5, p)
    direct = (y - sp.ellipe(1 - elsewhere) / elsewhere) / (2 * (1 - elsewhere))
    return np.where(near, -series(ELLIPTIC, np.where(near, 1 - p, 0)), direct)


def ellipe_derivative(m: Array, y: Array) -> Array:
    """``(E - K) / 2m``, which is -pi / 8 at 0."""
    near = np.less(np.abs(plain(m)), 0.1)
    around = series([c / (1 - 2 * n) for n, c in enumerate(ELLIPTIC, start=1)], np.where(near, m, 0))
    elsewhere = np.where(near, 0.5, m)
    return np.where(near, around, (y - sp.ellipk(elsewhere)) / (2 * elsewhere))


def exprel_slope(x: Array, y: Array) -> Array:
    """``(exp(x) - y) / x``, which is 1/2 at 0."""
    near = np.less(np.abs(plain(x)), 1)
    around = series([(n + 1) / math.factorial(n + 2) for n in range(20)], np.where(near, x, 0))
    elsewhere = np.where(near, 2, x)
    return np.where(near, around, (np.exp(elsewhere) - y) / elsewhere)


def boxcox_by_power(log: Array, power: Array) -> Array:
    """Differentiate ``(exp(p L) - 1) / p = L exprel(p L)`` by the power p."""
    product = power * log
    return log * log * exprel_slope(product, sp.exprel(product))


def inv_boxcox_by_power(y: Array, power: Array, z: Array) -> Array:
    """Differentiate ``z = exp(log1p(p y) / p)`` by the power p: ``z y^2 (u / (1 + u) - log1p(u)) / u^2``, u = p y."""
    u = power * y
    near = np.less(np.abs(plain(u)), 0.1)
    around = -series([(-1) ** n * (1 - 1 / (n + 2)) for n in range(20)], np.where(near, u, 0))
    elsewhere = np.where(near, 1, u)
    direct = (elsewhere / (1 + elsewhere) - np.log1p(elsewhere)) / (elsewhere * elsewhere)
    return z * y * y * np.where(near, around, direct)


def _elliptic_terms(phi: Array) -> list[Array]:
    """Return ``c_n int sin^2n`` from 0 to phi, n = 1, 2, ...; the factors of m^n in F(phi | m), c_n = (2n-1)!! / (2n)!!."""
    sine, cosine = np.sin(phi), np.cos(phi)
    integral, power, factor, terms = phi, cosine * sine, 1.0, []
    for n in range(1, 22):
        integral = ((2 * n - 1) * integral - power) / (2 * n)
        power, factor = power * sine * sine, factor * (2 * n - 1) / (2 * n)
        terms.append(factor * integral)
    return terms


def _polynomial(coefficients: list[Array], m: Array) -> Array:
    total: Array = 0.0
    for c in reversed(coefficients):
        total = c + m * total
    return total


def ellipkinc_by_m(phi: Array, m: Array, y: Array) -> Array:
    """``(E / (1 - m) - F) / 2m - sin(2 phi) / 4 (1 - m) sqrt(1 - m sin^2)``; around m = 0 by the series in m."""
    near = np.less(np.abs(plain(m)), 0.1)
    terms = [n * term for n, term in enumerate(_elliptic_terms(phi), 1)]
    other = np.where(near, 0.5, m)
    root = np.sqrt(1 - other * np.square(np.sin(phi)))
    direct = (sp.ellipeinc(phi, other) / (1 - other) - y) / (2 * other) - np.sin(2 * phi) / (4 * (1 - other) * root)
    return np.where(near, _polynomial(terms, np.where(near, m, 0)), direct)


def ellipeinc_by_m(phi: Array, m: Array, y: Array) -> Array:
    """``(E - F) / 2m``; around m = 0 by the series in m."""
    near = np.less(np.abs(plain(m)), 0.1)
    terms = [n / (1 - 2 * n) * term for n, term in enumerate(_elliptic_terms(phi), 1)]
    other = np.where(near, 0.5, m)
    return np.where(near, _polynomial(terms, np.where(near, m, 0)), (y - sp.ellipkinc(phi, other)) / (2 * other))


def ellipj_by_m(u: Array, m: Array, sn: Array, cn: Array, dn: Array, phi: Array) -> tuple[Array, ...]:
    """Differentiate sn, cn, dn and the amplitude phi by m, where ``F(phi | m) = u`` stays."""
    turn = -dn * ellipkinc_by_m(phi, m, u)
    return cn * turn, -sn * turn, -(sn * sn / 2 + m * sn * cn * turn) / dn, turn


def faddeeva_slope(z: Array, w: Array) -> Array:
    """``2i / sqrt(pi) - 2 z w``."""
    return 2j / math.sqrt(math.pi) - 2 * z * w


def voigt_slopes(x: Array, sigma: Array, gamma: Array, y: Array) -> tuple[Array, Array, Array]:
    """Differentiate ``V = Re w(z) / sigma sqrt(2 pi)``, ``z = (x + i gamma) / sigma sqrt(2)``, by x, sigma and gamma."""
    width = sigma * math.sqrt(2)
    z = (x + 1j * gamma) / width
    slope = faddeeva_slope(z, sp.wofz(z)) / (width * sigma * math.sqrt(2 * math.pi))
    return np.real(slope), -y / sigma - np.real(slope * z) * math.sqrt(2), -np.imag(slope)


def struve_term(v: Array, x: Array) -> Array:
    """``(x / 2)^v / sqrt(pi) Gamma(v + 3/2)``, in the slopes of Struve functions."""
    return np.power(x / 2, v) * sp.rgamma(v + 1.5) / math.sqrt(math.pi)


def of_reals(name: str, x: Array) -> Array:
    """Return x; raise TypeError for a complex one, at which the function has no complex derivative."""
    if np.iscomplexobj(plain(x)):
        raise TypeError(f"scipy.special.{name} has no complex derivative: differentiate it at real arguments")
    return x
