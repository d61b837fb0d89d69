"""scipy.special: ufuncs, which hand their calls to a Dual, and functions.

A ufunc without a row raises NoRuleError with its name; a parameter by which no formula is known here, LostDerivativeError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import numpy as np
import scipy.special as sp

from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.elementwise import KINK, Binary, Unary
from fwdad.rules.forms import (
    ELEMENTWISE,
    STRONG,
    Partial,
    Tangent,
    across_kink,
    align,
    binary,
    broadcast_tangent,
    checked,
    constant,
    enter,
    of_dtype,
    strongly_scaled,
    unary,
)
from fwdad.rules.kinks import kink
from fwdad.rules.replacing import replaces
from fwdad.rules.scipy.slopes import (
    airye_slopes,
    bessel_gap,
    bessel_slope,
    beta_by_x,
    boxcox_by_power,
    dawsn_derivative,
    digamma,
    digamma_gap,
    ellipe_derivative,
    ellipeinc_by_m,
    ellipj_by_m,
    ellipk_derivative,
    ellipkinc_by_m,
    ellipkm1_derivative,
    erfcx_derivative,
    exprel_slope,
    faddeeva_slope,
    i1e_tangent,
    inv_boxcox_by_power,
    inv_boxcox_by_x,
    log_ndtr_derivative,
    log_ratio,
    of_reals,
    ratio,
    rgamma_derivative,
    spence_derivative,
    struve_term,
    voigt_slopes,
    zeta_by_order,
    zeta_derivative,
)

BELL = 2 / math.sqrt(math.pi)
NORMAL = 1 / math.sqrt(2 * math.pi)
DEGREE = math.pi / 180
zeta = sp._ufuncs._zeta


class Several(NamedTuple):
    """A function of several arguments, or with several answers: by each argument its slope, a tuple as the answers are.

    A slope is a function of all arguments and the answer, or the argument's name where no formula is known. `domain` says
    where the arguments are tested.
    """

    function: np.ufunc
    by: tuple[Callable[..., Any] | str, ...]
    domain: tuple[tuple[float, float], ...]
    singular: str = ""


def several(row: Several) -> None:
    """Enter a row."""
    function = row.function

    def rule(*args: Array, **options: Any) -> Any:
        if options:
            checked(function, options)
        level = highest_level(args)
        pairs = [split(arg, level) for arg in args]
        for (_, tangent), by in zip(pairs, row.by, strict=True):
            if tangent is not None and isinstance(by, str):
                refuse(function.__name__, by)
        answers = function(*(p for p, _ in pairs))
        several = isinstance(answers, tuple)
        real = np.real(plain(answers[0] if several else answers)).dtype
        values = [p if t is not None or np.iscomplexobj(p) else of_dtype(p, real) for p, t in pairs]
        totals: list[Any] = [None] * (len(answers) if several else 1)
        for (_, tangent), by in zip(pairs, row.by, strict=True):
            if tangent is None or isinstance(by, str):
                continue
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # as in `strongly_scaled`
                slope: Any = by(*values, answers)
            for n, factor in enumerate(slope if several else (slope,)):
                term = strongly_scaled(align(tangent, factor.ndim), lambda factor=factor: factor)
                totals[n] = term if totals[n] is None else totals[n] + term
        duals = [
            Dual(y, broadcast_tangent(of_dtype(t, y.dtype), y.shape), level)
            for y, t in zip(answers if several else (answers,), totals, strict=True)
        ]
        return tuple(duals) if several else duals[0]

    enter(function, rule, "differentiable", row.singular)
    if function.nout == 1:
        ELEMENTWISE.add(function)


def refuse(function: str, argument: str) -> NoReturn:
    """Raise LostDerivativeError for a parameter by which no formula is known here."""
    raise LostDerivativeError(
        f"scipy.special.{function} has no JVP rule for a moving {argument}; "
        f"if that derivative is not wanted, pass fwdad.stop_gradient({argument})"
    )


def unknown(function: str, argument: str) -> Partial:
    """Make a partial of a binary row that raises."""
    return lambda *_: refuse(function, argument)


def beta_density(a: Array, b: Array, x: Array) -> Array:
    """``x^(a-1) (1-x)^(b-1) / B(a, b)``."""
    return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))


def gamma_density(a: Array, x: Array) -> Array:
    """``x^(a-1) exp(-x) / Gamma(a)``."""
    return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))


def t_density(v: Array, t: Array) -> Array:
    """Return Student's density with v degrees of freedom."""
    log = sp.gammaln((v + 1) / 2) - sp.gammaln(v / 2) - np.log(v * math.pi) / 2
    return np.exp(log - (v + 1) / 2 * np.log1p(t * t / v))


def f_density(m: Array, n: Array, x: Array) -> Array:
    """Return the density of the F distribution."""
    w = m * x / (m * x + n)
    return beta_density(m / 2, n / 2, w) * m * n / np.square(m * x + n)


def lowered(f: Callable[..., Array], n: Array, *args: Array) -> Array:
    """Return a polynomial of degree n - 1, which is 0 for n = 0."""
    constant = np.equal(n, 0)
    return np.where(constant, 0, f(np.where(constant, 0, n - 1), *args))


def degree(n: Array) -> np.ndarray:
    """Return a degree as an integer, for functions that take no other."""
    return np.asarray(n).astype(int)


# fmt: off
UNARY = [
    #     function       derivative                                                domain         singular points
    Unary(sp.erf,        lambda x, y: BELL * np.exp(-x * x)),
    Unary(sp.erfc,       lambda x, y: -BELL * np.exp(-x * x)),
    Unary(sp.erfcx,      lambda x, y: erfcx_derivative(x, y)),
    Unary(sp.erfi,       lambda x, y: BELL * np.exp(x * x)),
    Unary(sp.erfinv,     lambda x, y: np.exp(y * y) / BELL,                        (-0.9, 0.9),   f"{STRONG} at -1, 1"),
    Unary(sp.erfcinv,    lambda x, y: -np.exp(y * y) / BELL,                       (0.1, 1.9),    f"{STRONG} at 0, 2"),
    Unary(sp.dawsn,      lambda x, y: dawsn_derivative(x, y)),
    Unary(sp.ndtr,       lambda x, y: NORMAL * np.exp(-x * x / 2)),
    Unary(sp.ndtri,      lambda x, y: np.exp(y * y / 2) / NORMAL,                  (0.1, 0.9),    f"{STRONG} at 0, 1"),
    Unary(sp.log_ndtr,   lambda x, y: log_ndtr_derivative(x)),
    Unary(sp.expit,      lambda x, y: y * sp.expit(-x)),
    Unary(sp.log_expit,  lambda x, y: sp.expit(-x)),
    Unary(sp.logit,      lambda x, y: 1 / (x * (1 - x)),                           (0.1, 0.9),    f"{STRONG} at 0, 1"),
    Unary(sp.gamma,      lambda x, y: y * digamma(x),                           (0.5, 4.0)),
    Unary(sp.rgamma,     lambda x, y: rgamma_derivative(x, y),                          (0.5, 4.0)),
    Unary(sp.gammaln,    lambda x, y: digamma(x),                               (0.5, 4.0)),
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
    Unary(sp.i0e,        Tangent(lambda dx, x, y: -across_kink(dx, np.sign(plain(x)), x) * bessel_gap(x)),  singular=KINK),
    Unary(sp.i1,         lambda x, y: (sp.i0(x) + sp.iv(2, x)) / 2),
    Unary(sp.i1e,        Tangent(lambda dx, x, y: i1e_tangent(dx, x, y))),
    Unary(sp.j0,         lambda x, y: -sp.j1(x)),
    Unary(sp.j1,         lambda x, y: (sp.j0(x) - sp.jv(2, x)) / 2),
    Unary(sp.y0,         lambda x, y: -sp.y1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
    Unary(sp.y1,         lambda x, y: sp.y0(x) - y / x,                (0.5, 4.0)),
    Unary(sp.k0,         lambda x, y: -sp.k1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
    Unary(sp.k1,         lambda x, y: -sp.k0(x) - y / x,               (0.5, 4.0)),
    Unary(sp.ellipk,     lambda x, y: ellipk_derivative(x, y),      (0.1, 0.8)),
    Unary(sp.ellipe,     lambda x, y: ellipe_derivative(x, y),                (0.1, 0.8)),
    Unary(sp.exprel,     lambda x, y: exprel_slope(x, y)),
    Unary(sp.sindg,      lambda x, y: DEGREE * sp.cosdg(x)),
    Unary(sp.cosdg,      lambda x, y: -DEGREE * sp.sindg(x)),
    Unary(sp.tandg,      lambda x, y: DEGREE * (1 + y * y)),
    Unary(sp.cotdg,      lambda x, y: -DEGREE * (1 + y * y),                        (5.0, 80.0)),
    Unary(sp.ndtri_exp,  lambda x, y: 1 / log_ndtr_derivative(y),                   (-3.0, -0.1)),
    Unary(sp.ellipkm1,   ellipkm1_derivative,    (0.1, 0.8),    f"{STRONG} at 0"),
    Unary(sp.wrightomega, lambda x, y: y / (1 + y)),
    Unary(sp.ber,        lambda x, y: sp.berp(x),                                   (0.5, 4.0)),
    Unary(sp.bei,        lambda x, y: sp.beip(x),                                   (0.5, 4.0)),
    Unary(sp.ker,        lambda x, y: sp.kerp(x),                                   (0.5, 4.0)),
    Unary(sp.kei,        lambda x, y: sp.keip(x),                                   (0.5, 4.0)),
    Unary(sp.berp,       lambda x, y: -sp.bei(x) - y / x,                           (0.5, 4.0)),
    Unary(sp.beip,       lambda x, y: sp.ber(x) - y / x,                            (0.5, 4.0)),
    Unary(sp.kerp,       lambda x, y: -sp.kei(x) - y / x,                           (0.5, 4.0)),
    Unary(sp.keip,       lambda x, y: sp.ker(x) - y / x,                            (0.5, 4.0)),
]
BINARY = [
    #      function         by x                                                   by y
    Binary(sp.xlogy,        lambda x, y, z: np.log(y),                             lambda x, y, z: ratio(x, y),                                 singular=f"{STRONG} at y = 0"),
    Binary(sp.xlog1py,      lambda x, y, z: np.log1p(y),                           lambda x, y, z: ratio(x, 1 + y),                           singular=f"{STRONG} at y = -1"),
    Binary(sp.rel_entr,     lambda x, y, z: log_ratio(x, y) + 1,                     lambda x, y, z: -ratio(x, y),                                singular=f"{STRONG} at x = 0 or y = 0"),
    Binary(sp.kl_div,       lambda x, y, z: log_ratio(x, y),                         lambda x, y, z: 1 - ratio(x, y),                             singular=f"{STRONG} at x = 0 or y = 0"),
    Binary(sp.beta,         lambda x, y, z: beta_by_x(x, y, z),       lambda x, y, z: beta_by_x(y, x, z)),
    Binary(sp.betaln,       lambda x, y, z: -digamma_gap(x, y),             lambda x, y, z: -digamma_gap(y, x)),
    Binary(sp.gammainc,     unknown("gammainc", "a"),                              lambda x, y, z: np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
    Binary(sp.gammaincc,    unknown("gammaincc", "a"),                             lambda x, y, z: -np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
    Binary(zeta,            lambda x, y, z: zeta_by_order(x, y),                   lambda x, y, z: -x * zeta(x + 1, y),                   (1.5, 4.0)),
    Binary(sp.jv,           unknown("jv", "v"),                                    lambda x, y, z: bessel_slope(sp.jv, -1, x, y, z)),
    Binary(sp.yv,           unknown("yv", "v"),                                    lambda x, y, z: (sp.yv(x - 1, y) - sp.yv(x + 1, y)) / 2),
    Binary(sp.iv,           unknown("iv", "v"),                                    lambda x, y, z: bessel_slope(sp.iv, 1, x, y, z)),
    Binary(sp.ive,          unknown("ive", "v"),                                   lambda x, y, z: bessel_slope(sp.ive, 1, x, y, z) - (np.sign(plain(y)) + kink(y)) * z, singular=KINK),
    Binary(sp.kv,           unknown("kv", "v"),                                    lambda x, y, z: -(sp.kv(x - 1, y) + sp.kv(x + 1, y)) / 2),
    Binary(sp.huber,        lambda x, y, z: np.maximum(np.abs(y) - x, 0),             lambda x, y, z: np.clip(y, -x, x),                     singular="none in r"),
    Binary(sp.pseudo_huber, lambda x, y, z: np.where(np.equal(x, 0), 0, 2 * z / np.where(np.equal(x, 0), 1, x) - y * y / np.hypot(x, np.where(np.equal(x, 0), 1, y))), lambda x, y, z: np.where(np.equal(x, 0), 0, y / np.hypot(1, y / np.where(np.equal(x, 0), 1, x)))),
    Binary(sp.boxcox,       lambda x, y, z: np.power(x, y - 1),                    lambda x, y, z: boxcox_by_power(np.log(x), y)),
    Binary(sp.inv_boxcox,   inv_boxcox_by_x,        lambda x, y, z: inv_boxcox_by_power(x, y, z)),
    Binary(sp.powm1,        lambda x, y, z: y * np.power(x, y - 1),                lambda x, y, z: (z + 1) * np.log(x)),
    Binary(sp.boxcox1p,     lambda x, y, z: np.power(1 + x, y - 1),                lambda x, y, z: boxcox_by_power(np.log1p(x), y)),
    Binary(sp.inv_boxcox1p, lambda x, y, z: inv_boxcox_by_x(x, y, z + 1),          lambda x, y, z: inv_boxcox_by_power(x, y, z + 1)),
    Binary(sp.poch,         lambda x, y, z: z * digamma_gap(x, y),                 lambda x, y, z: z * digamma(x + y)),
    Binary(sp.owens_t,      lambda x, y, z: -NORMAL / 2 * np.exp(-x * x / 2) * sp.erf(x * y / math.sqrt(2)), lambda x, y, z: np.exp(-x * x * (1 + y * y) / 2) / (2 * math.pi * (1 + y * y))),
    Binary(sp.kve,          unknown("kve", "v"),                                   lambda x, y, z: z - (sp.kve(x - 1, y) + sp.kve(x + 1, y)) / 2),
    Binary(sp.jve,          unknown("jve", "v"),                                   lambda x, y, z: bessel_slope(sp.jve, -1, x, of_reals("jve", y), z)),
    Binary(sp.yve,          unknown("yve", "v"),                                   lambda x, y, z: (sp.yve(x - 1, y) - sp.yve(x + 1, of_reals("yve", y))) / 2),
    Binary(sp.struve,       unknown("struve", "v"),                                lambda x, y, z: (sp.struve(x - 1, y) - sp.struve(x + 1, y) + struve_term(x, y)) / 2),
    Binary(sp.modstruve,    unknown("modstruve", "v"),                             lambda x, y, z: (sp.modstruve(x - 1, y) + sp.modstruve(x + 1, y) + struve_term(x, y)) / 2),
    Binary(sp.hyp0f1,       unknown("hyp0f1", "v"),                                lambda x, y, z: sp.hyp0f1(x + 1, y) / x),
    Binary(sp.gammaincinv,  unknown("gammaincinv", "a"),                           lambda x, y, z: 1 / gamma_density(x, z),               (0.3, 0.8), f"{STRONG} at 0"),
    Binary(sp.gammainccinv, unknown("gammainccinv", "a"),                          lambda x, y, z: -1 / gamma_density(x, z),              (0.3, 0.8), f"{STRONG} at 0"),
    Binary(sp.stdtr,        unknown("stdtr", "df"),                                lambda x, y, z: t_density(x, y)),
    Binary(sp.chdtr,        unknown("chdtr", "v"),                                 lambda x, y, z: gamma_density(x / 2, y / 2) / 2),
    Binary(sp.chdtrc,       unknown("chdtrc", "v"),                                lambda x, y, z: -gamma_density(x / 2, y / 2) / 2),
    Binary(sp.chdtri,       unknown("chdtri", "v"),                                lambda x, y, z: -2 / gamma_density(x / 2, z / 2),      (0.3, 0.8)),
    Binary(sp.pdtr,         unknown("pdtr", "k"),                                  lambda x, y, z: -gamma_density(np.floor(x) + 1, y)),
    Binary(sp.pdtrc,        unknown("pdtrc", "k"),                                 lambda x, y, z: gamma_density(np.floor(x) + 1, y)),
]
U = (0.2, 0.8)
DEGREES = (0, 3)
SEVERAL = [
    #       function           by each argument                                     domain of each       singular points
    Several(sp.betainc,        ("a", "b", lambda a, b, x, y: beta_density(a, b, x)),        ((0.5, 3.0), (0.6, 2.0), U), f"{STRONG} at 0 and 1"),
    Several(sp.betaincc,       ("a", "b", lambda a, b, x, y: -beta_density(a, b, x)),       ((0.5, 3.0), (0.6, 2.0), U), f"{STRONG} at 0 and 1"),
    Several(sp.betaincinv,     ("a", "b", lambda a, b, x, y: 1 / beta_density(a, b, y)),    ((0.5, 3.0), (0.6, 2.0), U), f"{STRONG} at 0 and 1"),
    Several(sp.betainccinv,    ("a", "b", lambda a, b, x, y: -1 / beta_density(a, b, y)),   ((0.5, 3.0), (0.6, 2.0), U), f"{STRONG} at 0 and 1"),
    Several(sp.fdtr,           ("dfn", "dfd", lambda m, n, x, y: f_density(m, n, x)),       ((1.0, 3.0), (2.0, 4.0), U)),
    Several(sp.fdtrc,          ("dfn", "dfd", lambda m, n, x, y: -f_density(m, n, x)),      ((1.0, 3.0), (2.0, 4.0), U)),
    Several(sp.fdtri,          ("dfn", "dfd", lambda m, n, p, y: 1 / f_density(m, n, y)),   ((1.0, 3.0), (2.0, 4.0), U)),
    Several(sp.gdtr,           (lambda a, b, x, y: x * gamma_density(b, a * x), "b", lambda a, b, x, y: a * gamma_density(b, a * x)),     ((0.5, 2.0), (0.6, 3.0), U)),
    Several(sp.gdtrc,          (lambda a, b, x, y: -x * gamma_density(b, a * x), "b", lambda a, b, x, y: -a * gamma_density(b, a * x)),   ((0.5, 2.0), (0.6, 3.0), U)),
    Several(sp.bdtr,           ("k", "n", lambda k, n, p, y: -beta_density(np.floor(k) + 1, n - np.floor(k), p)),  ((1, 1), (4, 4), U)),
    Several(sp.bdtrc,          ("k", "n", lambda k, n, p, y: beta_density(np.floor(k) + 1, n - np.floor(k), p)),   ((1, 1), (4, 4), U)),
    Several(sp.nbdtr,          ("k", "n", lambda k, n, p, y: beta_density(n, k + 1, p)),    ((1, 1), (4, 4), U)),
    Several(sp.nbdtrc,         ("k", "n", lambda k, n, p, y: -beta_density(n, k + 1, p)),   ((1, 1), (4, 4), U)),
    Several(sp.hyp1f1,         ("a", "b", lambda a, b, x, y: a / b * sp.hyp1f1(a + 1, b + 1, x)),                  ((0.5, 2.0), (0.7, 1.5), U)),
    Several(sp.hyperu,         ("a", "b", lambda a, b, x, y: -a * sp.hyperu(a + 1, b + 1, x)),                     ((0.5, 2.0), (0.7, 1.5), U)),
    Several(sp.hyp2f1,         ("a", "b", "c", lambda a, b, c, z, y: a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, z)), ((0.5, 2.0), (0.7, 1.5), (1.2, 2.0), U)),
    Several(sp.eval_legendre, ("n", lambda n, x, y: (n + 1) / 2 * lowered(sp.eval_jacobi, n, 1.0, 1.0, x)), (DEGREES, U)),
    Several(sp.eval_sh_legendre, ("n", lambda n, x, y: (n + 1) * lowered(sp.eval_jacobi, n, 1.0, 1.0, 2 * x - 1)), (DEGREES, U)),
    Several(sp.eval_chebyt, ("n", lambda n, x, y: n * lowered(sp.eval_chebyu, n, x)), (DEGREES, U)),
    Several(sp.eval_sh_chebyt, ("n", lambda n, x, y: 2 * n * lowered(sp.eval_sh_chebyu, n, x)), (DEGREES, U)),
    Several(sp.eval_chebyc, ("n", lambda n, x, y: n * lowered(sp.eval_chebys, n, x)), (DEGREES, U)),
    Several(sp.eval_chebyu, ("n", lambda n, x, y: 2 * lowered(sp.eval_gegenbauer, n, 2.0, x)), (DEGREES, U)),
    Several(sp.eval_sh_chebyu, ("n", lambda n, x, y: 4 * lowered(sp.eval_gegenbauer, n, 2.0, 2 * x - 1)), (DEGREES, U)),
    Several(sp.eval_chebys, ("n", lambda n, x, y: lowered(sp.eval_gegenbauer, n, 2.0, x / 2)), (DEGREES, U)),
    Several(sp.eval_hermite, ("n", lambda n, x, y: 2 * n * lowered(sp.eval_hermite, degree(n), x)), (DEGREES, U)),
    Several(sp.eval_hermitenorm, ("n", lambda n, x, y: n * lowered(sp.eval_hermitenorm, degree(n), x)), (DEGREES, U)),
    Several(sp.eval_laguerre, ("n", lambda n, x, y: -lowered(sp.eval_genlaguerre, n, 1.0, x)), (DEGREES, U)),
    Several(sp.eval_gegenbauer, ("n", "alpha", lambda n, a, x, y: 2 * a * lowered(sp.eval_gegenbauer, n, a + 1, x)), (DEGREES, (0.7, 1.5), U)),
    Several(sp.eval_genlaguerre, ("n", "alpha", lambda n, a, x, y: -lowered(sp.eval_genlaguerre, n, a + 1, x)),    (DEGREES, (0.7, 1.5), U)),
    Several(sp.eval_jacobi,    ("n", "alpha", "beta", lambda n, a, b, x, y: (n + a + b + 1) / 2 * lowered(sp.eval_jacobi, n, a + 1, b + 1, x)), (DEGREES, (0.7, 1.5), (0.4, 0.9), U)),
    Several(sp.hankel1,        ("v", lambda v, z, y: (sp.hankel1(v - 1, z) - sp.hankel1(v + 1, z)) / 2),  ((0.5, 2.0), U)),
    Several(sp.hankel2,        ("v", lambda v, z, y: (sp.hankel2(v - 1, z) - sp.hankel2(v + 1, z)) / 2),  ((0.5, 2.0), U)),
    Several(sp.hankel1e,       ("v", lambda v, z, y: (sp.hankel1e(v - 1, z) - sp.hankel1e(v + 1, z)) / 2 - 1j * y),  ((0.5, 2.0), U)),
    Several(sp.hankel2e,       ("v", lambda v, z, y: (sp.hankel2e(v - 1, z) - sp.hankel2e(v + 1, z)) / 2 + 1j * y),  ((0.5, 2.0), U)),
    Several(sp.wofz, (faddeeva_slope,), (U,)),
    Several(sp.kn, ("n", lambda n, x, y: -(sp.kv(n - 1, x) + sp.kv(n + 1, x)) / 2), (DEGREES, U), f"{STRONG} at 0"),
    Several(sp.yn, ("n", lambda n, x, y: (sp.yv(n - 1, x) - sp.yv(n + 1, x)) / 2), (DEGREES, U), f"{STRONG} at 0"),
    Several(sp.expn, ("n", lambda n, x, y: np.where(np.less(n, 1), -y * (1 + 1 / x), -sp.expn(np.maximum(degree(n) - 1, 0), x))), (DEGREES, U), f"{STRONG} at 0"),
    Several(sp.binom, (lambda n, k, y: y * (digamma(n + 1) - digamma(n - k + 1)), lambda n, k, y: y * (digamma(n - k + 1) - digamma(k + 1))), ((3.2, 5.0), (0.5, 2.5))),
    Several(sp.stdtrit, ("df", lambda v, p, y: 1 / t_density(v, y)), ((1.0, 3.0), U)),
    Several(sp.ellipkinc, (lambda phi, m, y: 1 / np.sqrt(1 - m * np.square(np.sin(phi))), ellipkinc_by_m), ((-2.0, 2.0), (-0.5, 0.8))),
    Several(sp.ellipeinc, (lambda phi, m, y: np.sqrt(1 - m * np.square(np.sin(phi))), ellipeinc_by_m), ((-2.0, 2.0), (-0.5, 0.8))),
    Several(sp.voigt_profile,  (lambda *args: voigt_slopes(*args)[0], lambda *args: voigt_slopes(*args)[1], lambda *args: voigt_slopes(*args)[2]), ((-1.0, 1.0), U, (0.3, 0.7))),
    Several(sp.radian,         (lambda d, m, s, y: DEGREE + 0 * y, lambda d, m, s, y: DEGREE / 60 + 0 * y, lambda d, m, s, y: DEGREE / 3600 + 0 * y), (U, U, U)),
    Several(sp.airy,           (lambda z, y: (y[1], z * y[0], y[3], z * y[2]),),            ((-2.0, 2.0),)),
    Several(sp.airye,          (lambda z, y: airye_slopes(of_reals("airye", z), y),),       ((0.3, 2.0),)),
    Several(sp.sici,           (lambda x, y: (np.sinc(x / math.pi), np.cos(x) / x),),       ((0.5, 3.0),), f"{STRONG} at 0"),
    Several(sp.shichi,         (lambda x, y: ((sp.exprel(x) + sp.exprel(-x)) / 2, np.cosh(x) / x),),  ((0.5, 3.0),), f"{STRONG} at 0"),
    Several(sp.fresnel,        (lambda z, y: (np.sin(math.pi / 2 * z * z), np.cos(math.pi / 2 * z * z)),),  ((-1.0, 2.0),)),
    Several(sp.ellipj,         (lambda u, m, y: (y[1] * y[2], -y[0] * y[2], -m * y[0] * y[1], y[2]), lambda u, m, y: ellipj_by_m(u, m, *y)),   ((0.1, 1.2), (0.05, 0.8))),
    Several(sp.pbdv,           ("v", lambda v, x, y: (y[1], (x * x / 4 - v - 0.5) * y[0])), ((0.0, 1.5), U)),
    Several(sp.pbvv,           ("v", lambda v, x, y: (y[1], (x * x / 4 - v - 0.5) * y[0])), ((0.0, 1.5), U)),
    Several(sp.pbwa,           ("a", lambda a, x, y: (y[1], (a - x * x / 4) * y[0])),       ((0.3, 1.5), U)),
]
# fmt: on

for _row in UNARY:
    unary(_row.function, _row.derivative, _row.singular)
for _pair in BINARY:
    binary(_pair.function, _pair.by_x, _pair.by_y, _pair.singular)
for _several in SEVERAL:
    several(_several)
constant(sp.round, sp.gammasgn)


# Functions that are no ufuncs.
@replaces(sp, "logsumexp", singular="as a sum")
def _logsumexp(a: Array, axis: Any = None, b: Array = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Compute ``log sum b exp(a - m)``, m the largest entry."""
    largest = np.max(plain(a), axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(largest), largest, 0)
    terms = np.exp(a - shift) if b is None else b * np.exp(a - shift)
    total = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(plain(total))
    log = np.log(sign * total if return_sign else total) + shift
    if not keepdims:
        log, sign = np.squeeze(log, axis), np.squeeze(sign, axis)
    return (log, sign) if return_sign else log


@replaces(sp, "log_softmax")
def _log_softmax(x: Array, axis: Any = None) -> Array:
    return x - sp.logsumexp(x, axis=axis, keepdims=True)


@replaces(sp, "softmax")
def _softmax(x: Array, axis: Any = None) -> Array:
    return np.exp(sp.log_softmax(x, axis))


@replaces(sp, "multigammaln")
def _multigammaln(a: Array, d: int) -> Array:
    """Add gammaln at ``a, a - 1/2, ...``."""
    logs = sp.gammaln(np.expand_dims(a, -1) - np.arange(d) / 2)
    return np.sum(logs, -1) + d * (d - 1) / 4 * math.log(math.pi)


@replaces(sp, "polygamma")
def _polygamma(n: Any, x: Array) -> Array:
    """``(-1)^(n+1) n! zeta(n + 1, x)``."""
    if isinstance(n, Dual):
        refuse("polygamma", "n")
    n = np.asarray(n, float)
    order = np.where(np.equal(n, 0), 1, n)
    factor = (-1.0) ** (order + 1) * sp.gamma(order + 1)
    return np.where(np.equal(n, 0), sp.digamma(x), factor * zeta(order + 1, x))


@replaces(sp, "zeta", "differentiable")
def _zeta(x: Array, q: Array = None, out: None = None) -> Array:
    if q is not None:
        return zeta(x, q)
    y = sp.zeta(of_reals("zeta", x).primal)
    return Dual(y, x.tangent * zeta_derivative(x.primal), x.level)


@replaces(sp, "factorial")
def _factorial(n: Array, exact: bool = False, extend: str = "zero") -> Array:
    """Compute ``gamma(n + 1)``, which is zero below -1 here."""
    return np.where(np.less(plain(n), 0), 0, sp.gamma(n + 1))


@replaces(sp, "comb")
def _comb(N: Array, k: Array, *, exact: bool = False, repetition: bool = False) -> Array:
    return sp.binom(N + k - 1 if repetition else N, k)


@replaces(sp, "lambertw", "differentiable", "infinite at -1/e")
def _lambertw(z: Dual, k: Any = 0, tol: float = 1e-8) -> Dual:
    """``W' = exp(-W) / (1 + W)``."""
    w = sp.lambertw(z.primal, k, tol)
    return Dual(w, align(z.tangent, w.ndim) * (np.exp(-w) / (1 + w)), z.level)


def spherical(name: str, before: int, sign: int) -> None:
    """Enter a spherical Bessel function: ``f_n' = before f_(n-1) - (n + 1)/z f_n``, and ``f_0' = sign f_1``."""

    def slope(n: Any, z: Array) -> Array:
        f, n = getattr(sp, name), np.asarray(n)
        lower = np.maximum(n - 1, 0)
        return np.where(n == 0, sign * f(1, z), before * f(lower, z) - (n + 1) / z * f(n, z))

    def rule(n: Any, z: Array, derivative: bool = False) -> Array:
        if isinstance(n, Dual):
            refuse(name, "n")
        if derivative:
            return slope(n, z)
        y = getattr(sp, name)(n, z.primal)
        return Dual(y, align(z.tangent, y.ndim) * slope(n, z.primal), z.level)

    replaces(sp, name, "differentiable", "not at 0")(rule)


#         function           before   sign
spherical("spherical_jn", 1, -1)
spherical("spherical_yn", 1, -1)
spherical("spherical_in", 1, 1)
spherical("spherical_kn", -1, -1)
