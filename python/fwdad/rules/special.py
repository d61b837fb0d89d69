"""scipy.special's ufuncs, for programs that import SciPy; this library does not import it.

The table is filled when the first ufunc without a rule arrives.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from fwdad.dual import OPTIONAL_TABLES, Array
from fwdad.errors import LostDerivativeError
from fwdad.rules.elementwise import Binary, Unary
from fwdad.rules.forms import ENTRIES, STRONG, Partial, binary, constant, unary


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
        Unary(sp.erfcx,      lambda x, y: 2 * x * y - bell),
        Unary(sp.erfi,       lambda x, y: bell * np.exp(x * x)),
        Unary(sp.erfinv,     lambda x, y: np.exp(y * y) / bell,                        (-0.9, 0.9),   f"{STRONG} at -1, 1"),
        Unary(sp.erfcinv,    lambda x, y: -np.exp(y * y) / bell,                       (0.1, 1.9),    f"{STRONG} at 0, 2"),
        Unary(sp.dawsn,      lambda x, y: 1 - 2 * x * y),
        Unary(sp.ndtr,       lambda x, y: normal * np.exp(-x * x / 2)),
        Unary(sp.ndtri,      lambda x, y: np.exp(y * y / 2) / normal,                  (0.1, 0.9),    f"{STRONG} at 0, 1"),
        Unary(sp.log_ndtr,   lambda x, y: math.sqrt(2 / math.pi) / sp.erfcx(-x * math.sqrt(0.5))),
        Unary(sp.expit,      lambda x, y: y * sp.expit(-x)),
        Unary(sp.log_expit,  lambda x, y: sp.expit(-x)),
        Unary(sp.logit,      lambda x, y: 1 / (x * (1 - x)),                           (0.1, 0.9),    f"{STRONG} at 0, 1"),
        Unary(sp.gamma,      lambda x, y: y * sp.digamma(x),                           (0.5, 4.0)),
        Unary(sp.rgamma,     lambda x, y: -y * sp.digamma(x),                          (0.5, 4.0)),
        Unary(sp.gammaln,    lambda x, y: sp.digamma(x),                               (0.5, 4.0)),
        Unary(sp.loggamma,   lambda x, y: sp.digamma(x),                               (0.5, 4.0)),
        Unary(sp.digamma,    lambda x, y: zeta(2.0, x),                                (0.5, 4.0)),
        Unary(sp.entr,       lambda x, y: -np.log(x) - 1,                              (0.1, 4.0),    f"{STRONG} at 0"),
        Unary(sp.exp2,       lambda x, y: y * math.log(2)),
        Unary(sp.exp10,      lambda x, y: y * math.log(10)),
        Unary(sp.expm1,      lambda x, y: y + 1),
        Unary(sp.log1p,      lambda x, y: 1 / (1 + x),                                 (-0.8, 4.0),   f"{STRONG} at -1"),
        Unary(sp.cosm1,      lambda x, y: -np.sin(x)),
        Unary(sp.cbrt,       lambda x, y: 1 / (3 * y * y),                             (0.1, 4.0),    f"{STRONG} at 0"),
        Unary(sp.exp1,       lambda x, y: -np.exp(-x) / x,                             (0.2, 4.0),    f"{STRONG} at 0"),
        Unary(sp.expi,       lambda x, y: np.exp(x) / x,                               (0.2, 4.0),    f"{STRONG} at 0"),
        Unary(sp.spence,     lambda x, y: np.log(x) / (1 - x),                         (0.1, 0.9),    f"{STRONG} at 0"),
        Unary(sp.i0,         lambda x, y: sp.i1(x)),
        Unary(sp.i0e,        lambda x, y: sp.i1e(x) - np.sign(x) * y),
        Unary(sp.i1,         lambda x, y: (sp.i0(x) + sp.iv(2, x)) / 2),
        Unary(sp.i1e,        lambda x, y: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * y),
        Unary(sp.j0,         lambda x, y: -sp.j1(x)),
        Unary(sp.j1,         lambda x, y: (sp.j0(x) - sp.jv(2, x)) / 2),
        Unary(sp.y0,         lambda x, y: -sp.y1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
        Unary(sp.y1,         lambda x, y: (sp.y0(x) - sp.yv(2, x)) / 2,                (0.5, 4.0)),
        Unary(sp.k0,         lambda x, y: -sp.k1(x),                                   (0.5, 4.0),    f"{STRONG} at 0"),
        Unary(sp.k1,         lambda x, y: -(sp.k0(x) + sp.kv(2, x)) / 2,               (0.5, 4.0)),
        Unary(sp.ellipk,     lambda x, y: (sp.ellipe(x) / (1 - x) - y) / (2 * x),      (0.1, 0.8)),
        Unary(sp.ellipe,     lambda x, y: (y - sp.ellipk(x)) / (2 * x),                (0.1, 0.8)),
    ]
    binary_rows = [
        #      function         by x                                                   by y
        Binary(sp.xlogy,        lambda x, y, z: np.log(y),                             lambda x, y, z: x / y,                                 singular=f"{STRONG} at y = 0"),
        Binary(sp.xlog1py,      lambda x, y, z: np.log1p(y),                           lambda x, y, z: x / (1 + y),                           singular=f"{STRONG} at y = -1"),
        Binary(sp.rel_entr,     lambda x, y, z: np.log(x / y) + 1,                     lambda x, y, z: -x / y,                                singular=f"{STRONG} at x = 0 or y = 0"),
        Binary(sp.kl_div,       lambda x, y, z: np.log(x / y),                         lambda x, y, z: 1 - x / y,                             singular=f"{STRONG} at x = 0 or y = 0"),
        Binary(sp.beta,         lambda x, y, z: z * (sp.psi(x) - sp.psi(x + y)),       lambda x, y, z: z * (sp.psi(y) - sp.psi(x + y))),
        Binary(sp.betaln,       lambda x, y, z: sp.psi(x) - sp.psi(x + y),             lambda x, y, z: sp.psi(y) - sp.psi(x + y)),
        Binary(sp.gammainc,     unknown("gammainc", "a"),                              lambda x, y, z: np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
        Binary(sp.gammaincc,    unknown("gammaincc", "a"),                             lambda x, y, z: -np.exp(sp.xlogy(x - 1, y) - y - sp.gammaln(x))),
        Binary(zeta,            unknown("zeta", "x"),                                  lambda x, y, z: -x * zeta(x + 1, y),                   (1.5, 4.0)),
        Binary(sp.jv,           unknown("jv", "v"),                                    lambda x, y, z: (sp.jv(x - 1, y) - sp.jv(x + 1, y)) / 2),
        Binary(sp.yv,           unknown("yv", "v"),                                    lambda x, y, z: (sp.yv(x - 1, y) - sp.yv(x + 1, y)) / 2),
        Binary(sp.iv,           unknown("iv", "v"),                                    lambda x, y, z: (sp.iv(x - 1, y) + sp.iv(x + 1, y)) / 2),
        Binary(sp.ive,          unknown("ive", "v"),                                   lambda x, y, z: (sp.ive(x - 1, y) + sp.ive(x + 1, y)) / 2 - np.sign(y) * z),
        Binary(sp.kv,           unknown("kv", "v"),                                    lambda x, y, z: -(sp.kv(x - 1, y) + sp.kv(x + 1, y)) / 2),
        Binary(sp.huber,        unknown("huber", "delta"),                             lambda x, y, z: np.clip(y, -x, x),                     singular="none in r"),
        Binary(sp.pseudo_huber, unknown("pseudo_huber", "delta"),                      lambda x, y, z: y / np.sqrt(1 + (y / x) * (y / x))),
        Binary(sp.boxcox,       lambda x, y, z: np.power(x, y - 1),                    unknown("boxcox", "lmbda")),
        Binary(sp.inv_boxcox,   lambda x, y, z: np.power(x * y + 1, 1 / y - 1),        unknown("inv_boxcox", "lmbda")),
    ]
    # fmt: on
    return unary_rows, binary_rows


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
