"""The functions of Julia's DiffRules, which ForwardDiff differentiates, written in NumPy and SciPy.

    python benchmarks/diffrules.py

A row is Julia's name, our expression for it, and points. Each derivative by one argument counts once, first and second
ones alike; it is compared with central differences. What DiffRules itself gives as NaN is not asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

import fwdad

Row = tuple[str, Callable[..., Any], tuple[float, ...]]

UNARY: list[Row] = [
    ("+", lambda x: +x, (0.7, -1.3)),
    ("-", lambda x: -x, (0.7, -1.3)),
    ("sqrt", np.sqrt, (0.7, 2.1)),
    ("cbrt", np.cbrt, (0.7, -2.1)),
    ("abs2", lambda x: np.abs(x) ** 2, (0.7, -2.1)),
    ("inv", lambda x: 1 / x, (0.7, -2.1)),
    ("log", np.log, (0.7, 2.1)),
    ("log10", np.log10, (0.7, 2.1)),
    ("log2", np.log2, (0.7, 2.1)),
    ("log1p", np.log1p, (0.7, -0.4)),
    ("exp", np.exp, (0.7, -2.1)),
    ("exp2", np.exp2, (0.7, -2.1)),
    ("exp10", lambda x: 10.0**x, (0.7, -2.1)),
    ("expm1", np.expm1, (0.7, -2.1)),
    ("sin", np.sin, (0.7, -2.1)),
    ("cos", np.cos, (0.7, -2.1)),
    ("tan", np.tan, (0.7, -1.1)),
    ("sec", lambda x: 1 / np.cos(x), (0.7, -1.1)),
    ("csc", lambda x: 1 / np.sin(x), (0.7, -1.1)),
    ("cot", lambda x: 1 / np.tan(x), (0.7, -1.1)),
    ("sind", lambda x: np.sin(np.deg2rad(x)), (40.0, -100.0)),
    ("cosd", lambda x: np.cos(np.deg2rad(x)), (40.0, -100.0)),
    ("tand", lambda x: np.tan(np.deg2rad(x)), (40.0, -60.0)),
    ("secd", lambda x: 1 / np.cos(np.deg2rad(x)), (40.0, -60.0)),
    ("cscd", lambda x: 1 / np.sin(np.deg2rad(x)), (40.0, -60.0)),
    ("cotd", lambda x: 1 / np.tan(np.deg2rad(x)), (40.0, -60.0)),
    ("sinpi", lambda x: x * np.pi * np.sinc(x), (0.7, -1.3)),
    ("cospi", lambda x: np.cos(np.pi * x), (0.7, -1.3)),
    ("sinc", np.sinc, (0.7, -1.3)),
    ("cosc", lambda x: (np.cos(np.pi * x) - np.sinc(x)) / x, (0.7, -1.3)),
    ("asin", np.arcsin, (0.7, -0.3)),
    ("acos", np.arccos, (0.7, -0.3)),
    ("atan", np.arctan, (0.7, -2.3)),
    ("asec", lambda x: np.arccos(1 / x), (1.7, -2.3)),
    ("acsc", lambda x: np.arcsin(1 / x), (1.7, -2.3)),
    ("acot", lambda x: np.arctan(1 / x), (1.7, -2.3)),
    ("asind", lambda x: np.degrees(np.arcsin(x)), (0.7, -0.3)),
    ("acosd", lambda x: np.degrees(np.arccos(x)), (0.7, -0.3)),
    ("atand", lambda x: np.degrees(np.arctan(x)), (0.7, -2.3)),
    ("asecd", lambda x: np.degrees(np.arccos(1 / x)), (1.7, -2.3)),
    ("acscd", lambda x: np.degrees(np.arcsin(1 / x)), (1.7, -2.3)),
    ("acotd", lambda x: np.degrees(np.arctan(1 / x)), (1.7, -2.3)),
    ("sinh", np.sinh, (0.7, -2.1)),
    ("cosh", np.cosh, (0.7, -2.1)),
    ("tanh", np.tanh, (0.7, -2.1)),
    ("sech", lambda x: 1 / np.cosh(x), (0.7, -2.1)),
    ("csch", lambda x: 1 / np.sinh(x), (0.7, -2.1)),
    ("coth", lambda x: 1 / np.tanh(x), (0.7, -2.1)),
    ("asinh", np.arcsinh, (0.7, -2.1)),
    ("acosh", np.arccosh, (1.7, 3.1)),
    ("atanh", np.arctanh, (0.7, -0.3)),
    ("asech", lambda x: np.arccosh(1 / x), (0.7, 0.2)),
    ("acsch", lambda x: np.arcsinh(1 / x), (0.7, -2.1)),
    ("acoth", lambda x: np.arctanh(1 / x), (1.7, -2.1)),
    ("deg2rad", np.deg2rad, (0.7, -2.1)),
    ("rad2deg", np.rad2deg, (0.7, -2.1)),
    ("transpose", np.transpose, (0.7, -2.1)),
    ("adjoint", lambda x: np.conj(np.transpose(x)), (0.7, -2.1)),
    ("abs", np.abs, (0.7, -2.1)),
    ("gamma", sp.gamma, (0.7, 3.1)),
    ("loggamma", sp.gammaln, (0.7, 3.1)),
    ("lgamma", sp.gammaln, (0.9, 2.4)),
    ("logfactorial", lambda x: sp.gammaln(x + 1), (0.7, 3.1)),
    ("erf", sp.erf, (0.7, -1.1)),
    ("erfinv", sp.erfinv, (0.7, -0.3)),
    ("erfc", sp.erfc, (0.7, -1.1)),
    ("erfcinv", sp.erfcinv, (0.7, 1.3)),
    ("erfi", sp.erfi, (0.7, -1.1)),
    ("erfcx", sp.erfcx, (0.7, -1.1)),
    ("logerfc", lambda x: np.log(sp.erfc(x)), (0.7, -1.1)),
    ("logerfcx", lambda x: np.log(sp.erfcx(x)), (0.7, -1.1)),
    ("dawson", sp.dawsn, (0.7, -1.1)),
    ("faddeeva", lambda x: np.real(sp.wofz(x)), (0.7, -1.1)),
    ("digamma", sp.digamma, (0.7, 3.1)),
    ("invdigamma", lambda y: inverse_digamma(y), (0.7, -1.1)),
    ("trigamma", lambda x: sp.polygamma(1, x), (0.7, 3.1)),
    ("airyai", lambda x: sp.airy(x)[0], (0.7, -1.1)),
    ("airyaiprime", lambda x: sp.airy(x)[1], (0.7, -1.1)),
    ("airybi", lambda x: sp.airy(x)[2], (0.7, -1.1)),
    ("airybiprime", lambda x: sp.airy(x)[3], (0.7, -1.1)),
    ("airyaix", lambda x: sp.airye(x)[0], (0.7, 1.1)),
    ("airyaiprimex", lambda x: sp.airye(x)[1], (0.7, 1.1)),
    ("besselj0", sp.j0, (0.7, 3.1)),
    ("besselj1", sp.j1, (0.7, 3.1)),
    ("bessely0", sp.y0, (0.7, 3.1)),
    ("bessely1", sp.y1, (0.7, 3.1)),
    ("jinc", lambda x: 2 * sp.j1(np.pi * x) / (np.pi * x), (0.7, -1.3)),
    ("sinint", lambda x: sp.sici(x)[0], (0.7, 3.1)),
    ("cosint", lambda x: sp.sici(x)[1], (0.7, 3.1)),
    ("ellipk", sp.ellipk, (0.7, -1.1)),
    ("ellipe", sp.ellipe, (0.7, -1.1)),
    ("expint", sp.exp1, (0.7, 2.1)),
    ("expinti", sp.expi, (0.7, -2.1)),
    ("expintx", lambda x: np.exp(x) * sp.exp1(x), (0.7, 2.1)),
    ("eta", lambda s: (1 - 2 ** (1 - s)) * sp.zeta(s, 1.0), (1.7, 3.1)),
    ("zeta", lambda s: sp.zeta(s, 1.0), (1.7, 3.1)),
    ("xlogx", lambda x: sp.xlogy(x, x), (0.7, 2.1)),
    ("logistic", sp.expit, (0.7, -2.1)),
    ("logit", sp.logit, (0.7, 0.2)),
    ("logcosh", lambda x: np.logaddexp(x, -x) - np.log(2), (0.7, -2.1)),
    ("logabssinh", lambda x: np.log(np.abs(np.sinh(x))), (0.7, -2.1)),
    ("log1psq", lambda x: np.log1p(x * x), (0.7, -2.1)),
    ("log1pexp", lambda x: np.logaddexp(0, x), (0.7, -2.1)),
    ("log1mexp", lambda x: np.log(-np.expm1(x)), (-0.7, -2.1)),
    ("log2mexp", lambda x: np.log1p(-np.expm1(x)), (0.3, -2.1)),
    ("logexpm1", lambda x: np.log(np.expm1(x)), (0.7, 2.1)),
    ("log1pmx", lambda x: np.log1p(x) - x, (0.7, -0.4)),
    ("logmxp1", lambda x: np.log(x) - x + 1, (0.7, 2.1)),
    ("loglogistic", lambda x: sp.log_expit(x), (0.7, -2.1)),
    ("NaNMath.pow", lambda x: np.float_power(x, 2.5), (0.7, 2.1)),
    ("NaNMath.log", lambda x: np.log(np.where(x > 0, x, np.nan)), (0.7, 2.1)),
    ("NaNMath.sqrt", lambda x: np.sqrt(np.where(x > 0, x, np.nan)), (0.7, 2.1)),
]  # fmt: skip

BINARY: list[tuple[str, Callable[..., Any], tuple[float, float], str]] = [
    ("+", lambda x, y: x + y, (0.7, 1.9), "xy"),
    ("-", lambda x, y: x - y, (0.7, 1.9), "xy"),
    ("*", lambda x, y: x * y, (0.7, 1.9), "xy"),
    ("/", lambda x, y: x / y, (0.7, 1.9), "xy"),
    ("\\", lambda x, y: y / x, (0.7, 1.9), "xy"),
    ("^", lambda x, y: x**y, (0.7, 1.9), "xy"),
    ("atan", np.arctan2, (0.7, -1.9), "xy"),
    ("hypot", np.hypot, (0.7, -1.9), "xy"),
    ("log", lambda b, x: np.log(x) / np.log(b), (0.7, 1.9), "xy"),
    ("ldexp", lambda x, n: np.ldexp(x, 3), (0.7, 3.0), "x"),
    ("mod", np.mod, (3.3, -1.9), "xy"),
    ("rem", np.fmod, (3.3, -1.9), "xy"),
    ("rem2pi", lambda x, r: x - 2 * np.pi * np.rint(x / (2 * np.pi)), (7.7, 0.0), "x"),
    ("max", np.maximum, (0.7, 1.9), "xy"),
    ("min", np.minimum, (0.7, 1.9), "xy"),
    ("copysign", np.copysign, (0.7, -1.9), "x"),
    ("flipsign", lambda x, y: x * np.sign(y), (0.7, -1.9), "x"),
    ("besselj", sp.jv, (1.3, 1.9), "y"),
    ("besseli", sp.iv, (1.3, 1.9), "y"),
    ("bessely", sp.yv, (1.3, 1.9), "y"),
    ("besselk", sp.kv, (1.3, 1.9), "y"),
    ("besseljx", sp.jve, (1.3, 1.9), "y"),
    ("besselix", sp.ive, (1.3, 1.9), "y"),
    ("besselyx", sp.yve, (1.3, 1.9), "y"),
    ("besselkx", sp.kve, (1.3, 1.9), "y"),
    ("hankelh1", lambda v, x: np.imag(sp.hankel1(v, x)), (1.3, 1.9), "y"),
    ("hankelh2", lambda v, x: np.imag(sp.hankel2(v, x)), (1.3, 1.9), "y"),
    ("hankelh1x", lambda v, x: np.imag(sp.hankel1e(v, x)), (1.3, 1.9), "y"),
    ("hankelh2x", lambda v, x: np.imag(sp.hankel2e(v, x)), (1.3, 1.9), "y"),
    ("polygamma", lambda m, x: sp.polygamma(2, x), (2.0, 1.9), "y"),
    ("beta", sp.beta, (0.7, 1.9), "xy"),
    ("logbeta", sp.betaln, (0.7, 1.9), "xy"),
    ("gamma", lambda a, x: sp.gammaincc(a, x) * sp.gamma(a), (0.7, 1.9), "y"),
    ("gamma_inc p", sp.gammainc, (0.7, 1.9), "y"),
    ("gamma_inc q", sp.gammaincc, (0.7, 1.9), "y"),
    ("expint", lambda n, x: sp.expn(2, x), (2.0, 1.9), "y"),
    ("zeta", lambda s, a: sp.zeta(s, a), (2.3, 1.9), "y"),
    ("erf", lambda x, y: sp.erf(y) - sp.erf(x), (0.7, 1.9), "xy"),
    ("xlogy", sp.xlogy, (0.7, 1.9), "xy"),
    ("xlog1py", sp.xlog1py, (0.7, 1.9), "xy"),
    ("xexpy", lambda x, y: x * np.exp(y), (0.7, 1.9), "xy"),
    ("logaddexp", np.logaddexp, (0.7, 1.9), "xy"),
    ("logsubexp", lambda x, y: np.maximum(x, y) + np.log(-np.expm1(-np.abs(x - y))), (0.7, 1.9), "xy"),
    ("ellipj sn", lambda u, m: sp.ellipj(u, m)[0], (0.7, 0.4), "x"),
]  # fmt: skip


def _newton(y: Any) -> Any:
    """Solve ``digamma(x) = y`` by Newton's method."""
    x = np.exp(y) + 0.5
    for _ in range(50):
        x = x - (sp.digamma(x) - y) / sp.polygamma(1, x)
    return x


inverse_digamma = fwdad.custom_root(lambda x, y: sp.digamma(x) - y, _newton)


def wrong(f: Callable[..., Any], x: float) -> str:
    """Say what is wrong with f's first and second derivative at x; "" where both are right."""
    try:
        with np.errstate(all="ignore"):
            found = fwdad.derivative(f)(x), fwdad.derivative(fwdad.derivative(f))(x)
            h = 1e-4 * max(1.0, abs(x))
            there, back, more, less = f(x + h), f(x - h), f(x + 2 * h), f(x - 2 * h)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {str(error)[:90]}"
    slope = (8 * (there - back) - (more - less)) / (12 * h)
    curve = (16 * (there + back) - (more + less) - 30 * f(x)) / (12 * h * h)
    for name, value, expected, tolerance in (("first", found[0], slope, 1e-8), ("second", found[1], curve, 2e-5)):
        if not abs(value - expected) <= tolerance * (1 + abs(expected)):
            return f"{name} derivative {value}, differences {expected}"
    return ""


def main() -> int:
    """Print what is wrong, and the tally."""
    rows = [(name, f, point) for name, f, points in UNARY for point in points]
    for name, f, (x, y), moves in BINARY:
        rows += [(f"{name} by x", lambda t, f=f, y=y: f(t, y), x)] if "x" in moves else []
        rows += [(f"{name} by y", lambda t, f=f, x=x: f(x, t), y)] if "y" in moves else []
    errors = {name: error for name, f, point in rows if (error := wrong(f, point))}
    for name, error in errors.items():
        print(f"{name}: {error}")
    names = {name for name, *_ in rows}
    print(
        f"{len(names) - len(errors)} of {len(names)} derivatives of {len(UNARY) + len(BINARY)} functions are right, "
        f"at {len(rows)} points"
    )
    return len(errors) > 0


if __name__ == "__main__":
    sys.exit(main())
