# ruff: noqa: E501  a reference is a row
"""Every elementwise derivative over wide grids, in all quadrants for complex numbers, against mpmath."""

import mpmath as mp
import numpy as np
import pytest

import fwdad
from fwdad.rules.elementwise import BINARY, UNARY

sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")
special = pytest.importorskip("fwdad.rules.scipy.special", reason="SciPy is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at poles and of what overflows


with mp.workdps(80):
    PI, ROOT_PI, HALF_TURN = +mp.pi, mp.sqrt(mp.pi), mp.pi / 180


def dawsn(x):
    return ROOT_PI / 2 * mp.exp(-x * x) * mp.erfi(x)


def phi(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * PI)


def beta_by_x(x, y):
    """``gamma(x) gamma(y) (digamma(x) / gamma(x + y) + (1 / gamma)'(x + y))``."""
    return mp.gamma(x) * mp.gamma(y) * (mp.digamma(x) * mp.rgamma(x + y) + FIRST["rgamma"](x + y))


def by_x(bessel, order):
    """The derivative of a Bessel function of order 1, from f' = sign f_0 - f_1 / x."""
    return lambda x: order * bessel(0, x) - bessel(1, x) / x


# fmt: off
FIRST = {
    "positive": lambda x: 1, "negative": lambda x: -1, "absolute": mp.sign, "fabs": mp.sign, "square": lambda x: 2 * x,
    "sqrt": lambda x: 1 / (2 * mp.sqrt(x)), "cbrt": lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2), "reciprocal": lambda x: -1 / x**2,
    "exp": mp.exp, "exp2": lambda x: mp.exp(x * mp.log(2)) * mp.log(2), "exp10": lambda x: mp.exp(x * mp.log(10)) * mp.log(10), "expm1": mp.exp,
    "log": lambda x: 1 / x, "log2": lambda x: 1 / x / mp.log(2), "log10": lambda x: 1 / x / mp.log(10), "log1p": lambda x: 1 / (1 + x),
    "sin": mp.cos, "cos": lambda x: -mp.sin(x), "cosm1": lambda x: -mp.sin(x), "tan": lambda x: mp.sec(x) ** 2,
    "arcsin": lambda x: 1 / mp.sqrt(1 - x * x), "arccos": lambda x: -1 / mp.sqrt(1 - x * x), "arctan": lambda x: 1 / (1 + x * x),
    "sinh": mp.cosh, "cosh": mp.sinh, "tanh": lambda x: mp.sech(x) ** 2,
    "arcsinh": lambda x: 1 / mp.sqrt(1 + x * x), "arccosh": lambda x: 1 / (mp.sqrt(x - 1) * mp.sqrt(x + 1)), "arctanh": lambda x: 1 / (1 - x * x),
    "degrees": lambda x: 1 / HALF_TURN, "rad2deg": lambda x: 1 / HALF_TURN, "radians": lambda x: HALF_TURN, "deg2rad": lambda x: HALF_TURN,
    "sinc": lambda x: (mp.cospi(x) - mp.sincpi(x)) / x if x else 0, "i0": lambda x: mp.besseli(1, x),
    "erf": lambda x: 2 / ROOT_PI * mp.exp(-x * x), "erfc": lambda x: -2 / ROOT_PI * mp.exp(-x * x), "erfi": lambda x: 2 / ROOT_PI * mp.exp(x * x),
    "erfcx": lambda x: 2 * x * mp.exp(x * x) * mp.erfc(x) - 2 / ROOT_PI, "dawsn": lambda x: 1 - 2 * x * dawsn(x),
    "erfinv": lambda x: ROOT_PI / 2 * mp.exp(mp.erfinv(x) ** 2), "erfcinv": lambda x: -ROOT_PI / 2 * mp.exp(mp.erfinv(1 - x) ** 2),
    "ndtr": phi, "ndtri": lambda x: mp.sqrt(2 * PI) * mp.exp(mp.erfinv(2 * x - 1) ** 2), "log_ndtr": lambda x: phi(x) / (mp.erfc(-x / mp.sqrt(2)) / 2),
    "expit": lambda x: 1 / (2 + 2 * mp.cosh(x)), "log_expit": lambda x: 1 / (1 + mp.exp(x)), "logit": lambda x: 1 / (x * (1 - x)),
    "gamma": lambda x: mp.gamma(x) * mp.digamma(x), "gammaln": mp.digamma, "loggamma": mp.digamma, "psi": lambda x: mp.psi(1, x),
    "rgamma": lambda x: mp.gamma(1 - x) * (mp.cospi(x) - mp.sinpi(x) / PI * mp.digamma(1 - x)) if mp.re(x) < 0.5 else -mp.rgamma(x) * mp.digamma(x),
    "entr": lambda x: -mp.log(x) - 1, "exp1": lambda x: -mp.exp(-x) / x, "expi": lambda x: mp.exp(x) / x,
    "spence": lambda x: mp.log(x) / (1 - x) if x != 1 else -1,
    "i0e": lambda x: mp.exp(-abs(x)) * (mp.besseli(1, x) - mp.sign(x) * mp.besseli(0, x)), "i1": lambda x: mp.besseli(1, x, derivative=1) if x else mp.mpf(0.5),
    "i1e": lambda x: mp.exp(-abs(x)) * (mp.besseli(1, x, derivative=1) - mp.sign(x) * mp.besseli(1, x)) if x else mp.mpf(0.5),
    "j0": lambda x: -mp.besselj(1, x), "j1": lambda x: mp.besselj(1, x, derivative=1),
    "y0": lambda x: -mp.bessely(1, x), "y1": by_x(mp.bessely, 1), "k0": lambda x: -mp.besselk(1, x), "k1": by_x(mp.besselk, -1),
    "ellipk": lambda x: (mp.ellipe(x) / (1 - x) - mp.ellipk(x)) / (2 * x) if x else PI / 8,
    "ellipe": lambda x: (mp.ellipe(x) - mp.ellipk(x)) / (2 * x) if x else -PI / 8,
}
"""Function -> its derivative."""

MAXIMUM = lambda x, y: 1 if x > y else 0.5 if x == y else 0  # noqa: E731
MINIMUM = lambda x, y: MAXIMUM(y, x)  # noqa: E731
POWER = lambda x, y: y * x ** (y - 1) if y else 0, lambda x, y: x**y * mp.log(x) if x > 0 else 0 if x == 0 <= y else mp.nan
SECOND = {
    "add": (lambda x, y: 1, lambda x, y: 1), "subtract": (lambda x, y: 1, lambda x, y: -1), "multiply": (lambda x, y: y, lambda x, y: x),
    "divide": (lambda x, y: 1 / y, lambda x, y: -x / y**2), "power": POWER, "float_power": POWER,
    "remainder": (lambda x, y: 1, lambda x, y: -mp.floor(x / y)), "fmod": (lambda x, y: 1, lambda x, y: -mp.sign(x / y) * mp.floor(abs(x / y))),
    "maximum": (MAXIMUM, MINIMUM), "minimum": (MINIMUM, MAXIMUM), "fmax": (MAXIMUM, MINIMUM), "fmin": (MINIMUM, MAXIMUM),
    "logaddexp": (lambda x, y: 1 / (1 + mp.exp(y - x)), lambda x, y: 1 / (1 + mp.exp(x - y))),
    "logaddexp2": (lambda x, y: 1 / (1 + mp.mpf(2) ** (y - x)), lambda x, y: 1 / (1 + mp.mpf(2) ** (x - y))),
    "hypot": (lambda x, y: x / mp.hypot(x, y), lambda x, y: y / mp.hypot(x, y)), "arctan2": (lambda x, y: y / (x * x + y * y), lambda x, y: -x / (x * x + y * y)),
    "copysign": (lambda x, y: mp.sign(x) * (mp.sign(y) or 1), lambda x, y: 0), "heaviside": (lambda x, y: 0, lambda x, y: int(x == 0)), "nextafter": (lambda x, y: 1, lambda x, y: 0),
    "xlogy": (lambda x, y: mp.log(y), lambda x, y: x / y if x else 0), "xlog1py": (lambda x, y: mp.log1p(y), lambda x, y: x / (1 + y) if x else 0),
    "rel_entr": (lambda x, y: mp.log(x / y) + 1, lambda x, y: -x / y if x else 0), "kl_div": (lambda x, y: mp.log(x / y), lambda x, y: 1 - x / y if x else 1),
    "beta": (lambda x, y: beta_by_x(x, y), lambda x, y: beta_by_x(y, x)),
    "betaln": (lambda x, y: mp.digamma(x) - mp.digamma(x + y), lambda x, y: mp.digamma(y) - mp.digamma(x + y)),
    "gammainc": (None, lambda x, y: y ** (x - 1) * mp.exp(-y) * mp.rgamma(x) if x else 0), "gammaincc": (None, lambda x, y: -(y ** (x - 1)) * mp.exp(-y) * mp.rgamma(x) if x else 0),
    "_zeta": (None, lambda x, y: -x * mp.zeta(x + 1, y)),
    "jv": (None, lambda v, x: mp.besselj(v, x, derivative=1)), "yv": (None, lambda v, x: v / x * mp.bessely(v, x) - mp.bessely(v + 1, x)),
    "iv": (None, lambda v, x: mp.besseli(v, x, derivative=1)), "kv": (None, lambda v, x: v / x * mp.besselk(v, x) - mp.besselk(v + 1, x)),
    "ive": (None, lambda v, x: mp.exp(-x) * (mp.besseli(v, x, derivative=1) - mp.besseli(v, x))),
    "huber": (None, lambda d, r: min(max(r, -d), d)), "pseudo_huber": (None, lambda d, r: r / mp.sqrt(1 + (r / d) ** 2) if d else 0),
    "boxcox": (lambda x, y: x ** (y - 1), None), "inv_boxcox": (lambda x, y: (x * y + 1) ** (1 / y - 1) if y else mp.exp(x), None),
}
"""Function -> its derivatives by both arguments; None where there is no rule."""
# fmt: on

SIZES = [
    0,
    1e-20,
    1e-8,
    1e-5,
    0.01,
    0.09,
    0.11,
    0.3,
    0.5,
    0.7,
    0.999,
    1 - 1e-8,
    1,
    1 + 1e-8,
    1.01,
    1.5,
    2,
    3,
    3.7,
    5,
    10,
]
LARGE = [14.9, 15.1, 20, 26, 40, 100, 199, 201, 700, 1e4, 1e8, 1e160]
REAL = np.array(sorted({sign * float(x) for x in SIZES + LARGE for sign in (1, -1)}))
ANGLES = [0.02, 0.3, 0.77, 0.8, 1.2, 1.55, 1.6, 1.9, 2.34, 2.38, 2.8, 3.1]
RADII = [1e-8, 0.3, 0.999, 1.4, 3.3, 7.7, 14.9, 15.1, 40, 1e3, 1e8]
COMPLEX = np.array([r * np.exp(1j * sign * angle) for r in RADII for angle in ANGLES for sign in (1, -1)])
PAIRS = [0, 1e-20, 2e-8, 0.1, 0.3, 0.6, 1, 1.0001, 2, 3, 3.7, 25.5, 120, 1e8, 1e160]
PLANE = np.array(sorted({sign * float(x) for x in PAIRS for sign in (1, -1)}))
ORDERS = np.array([0, 1e-8, 0.3, 0.5, 1, 1.5, 2, 3.7, 10, 25.5])

# Of SciPy's functions those that have a reference here; tests/rules/scipy holds the others against differences.
UNARY_ROWS = {
    **{row.function.__name__: row.function for row in UNARY},
    **{row.function.__name__: row.function for row in special.UNARY if row.function.__name__ in FIRST},
}
BINARY_ROWS = {
    **{row.function.__name__: row.function for row in BINARY},
    **{row.function.__name__: row.function for row in special.BINARY if row.function.__name__ in SECOND},
    **{f.__name__: f for f in (np.power, np.float_power, np.remainder, np.fmod)},
}

BESSEL = ("i0", "i1", "j0", "j1", "y0", "y1", "k0", "k1", "i0e", "i1e", "jv", "yv", "iv", "ive", "kv")
UP_TO = {
    "j0": 1e4,
    "j1": 1e4,
    "y0": 1e4,
    "y1": 1e4,
    **dict.fromkeys(("beta", "betaln", "gammainc", "gammaincc", "_zeta", *BESSEL[-5:]), 130),
}
"""Where SciPy's own values have lost their digits further out, or mpmath takes long."""
POSITIVE = ("_zeta", "jv", "yv", "iv", "ive", "kv")
"""Where SciPy's own values are wrong, or complex, for a negative argument."""
TO_ROUNDING_OF_ONE = ("tan", "tanh")
"""1 + y^2 and 1 - y^2 of an answer near i or 1: the derivative is right to the last digits of 1, not to its own."""


def expected(reference, *arguments):
    """The reference at a point: NaN where the answer is complex or has no limit, infinity at a pole."""
    try:
        value = reference(*(mp.mpmathify(a) for a in arguments))
    except (ZeroDivisionError, ValueError):
        return np.inf
    value = mp.mpmathify(value)
    if not any(np.iscomplexobj(a) for a in arguments):
        if abs(mp.im(value)) > 1e-20 * abs(value):
            return np.nan
        value = mp.re(value)
    if abs(value) > 1e306:
        return np.inf
    return complex(value)


def differences(name, found, references):
    """The places where a derivative is not the reference."""
    slack = 1e-15 if name in TO_ROUNDING_OF_ONE else 1e-307
    for place, d, r in zip(range(len(found)), found, references, strict=True):
        if np.isnan(r) or not np.isfinite(r):
            wrong = np.isfinite(d) and abs(d) < 1e300
        else:
            wrong = not abs(d - r) <= 1e-9 * abs(r) + slack
        if wrong:
            yield place, d, r


def scan(name, f, reference, points):
    """Compare f's derivative with the reference wherever f is finite."""
    points = points[np.isfinite(f(points)) & (np.abs(points) <= UP_TO.get(name, np.inf))]
    dy = fwdad.jvp(f, (points,), (np.ones_like(points),))[1]
    with mp.workdps(30 if name in BESSEL else 60):
        references = [expected(reference, x) for x in points.tolist()]
    return [(points[i], d, r) for i, d, r in differences(name, dy, references)]


@pytest.mark.parametrize("name", UNARY_ROWS)
def test_real(name):
    large = not name.startswith(
        ("erf", "ndtr", "dawsn", "log_ndtr", "ellip", "spence", "gamma", "rgamma", "loggamma", "psi", *BESSEL)
    )
    points = REAL if large else REAL[np.abs(REAL) <= 1e8]
    assert scan(name, UNARY_ROWS[name], FIRST[name], points) == []


def takes_complex(f):
    return any("D" in types.split("->")[0] for types in getattr(f, "types", ()))


NO_SECOND = ("psi", "absolute")
"""zeta of complex numbers is not in SciPy; |z| is not holomorphic."""


@pytest.mark.parametrize("name", [name for name, f in UNARY_ROWS.items() if takes_complex(f) and name not in NO_SECOND])
def test_complex(name):
    assert scan(name, UNARY_ROWS[name], FIRST[name], COMPLEX) == []


@pytest.mark.parametrize("name", BINARY_ROWS)
def test_binary(name):
    f = BINARY_ROWS[name]
    plane = PLANE[np.abs(PLANE) <= UP_TO.get(name, np.inf)]
    plane = plane[plane > 0] if name in POSITIVE else plane
    x, y = (a.ravel() for a in np.meshgrid(ORDERS if name in POSITIVE[1:] else plane, plane))
    x, y = x[np.isfinite(f(x, y))], y[np.isfinite(f(x, y))]
    ones = np.ones_like(x)
    for which, reference in enumerate(SECOND[name]):
        if reference is None:
            continue
        by = (lambda x: f(x, y)) if which == 0 else (lambda y: f(x, y))
        dy = fwdad.jvp(by, ((x, y)[which],), (ones,))[1]
        with mp.workdps(30 if name in BESSEL else 60):
            references = [expected(reference, a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        assert [(x[i], y[i], which, d, r) for i, d, r in differences(name, dy, references)] == []


@pytest.mark.parametrize("name", ["multiply", "divide", "power", "float_power", "xlogy", "xlog1py"])
def test_complex_binary(name):
    f = BINARY_ROWS[name]
    some = COMPLEX[np.abs(COMPLEX) < 20][::5]
    x, y = (a.ravel() for a in np.meshgrid(some, [2.0, -1.0, 0.5 + 1j, -1.5 - 0.5j, 3j]))
    for which in (0, 1):
        by = (lambda x: f(x, y)) if which == 0 else (lambda y: f(x, y))
        dy = fwdad.jvp(by, ((x, y)[which],), (np.ones_like(x),))[1]
        by_base, by_exponent = (lambda x, y: y * x ** (y - 1)), (lambda x, y: x**y * mp.log(x))
        reference = (by_base, by_exponent)[which] if "power" in name else SECOND[name][which]
        references = [expected(reference, a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        assert [(x[i], y[i], which, d, r) for i, d, r in differences(name, dy, references)] == []


REMOVABLE = {
    "ellipk at 0": (sp.ellipk, mp.ellipk, 0.0), "ellipe at 0": (sp.ellipe, mp.ellipe, 0.0),
    "spence at 1": (sp.spence, lambda x: mp.polylog(2, 1 - x), 1.0), "spence near 1": (sp.spence, lambda x: mp.polylog(2, 1 - x), 1.0 + 1e-8),
    "rgamma at 0": (sp.rgamma, mp.rgamma, 0.0), "rgamma at -3": (sp.rgamma, mp.rgamma, -3.0), "sinc at 0": (np.sinc, mp.sincpi, 0.0),
    "erfcx far out": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), 40.0), "dawsn far out": (sp.dawsn, dawsn, 40.0),
    "gamma near -1": (sp.gamma, mp.gamma, -1.0 + 1e-4), "inv_boxcox of 0": (lambda x: sp.inv_boxcox(x, 0.0), mp.exp, 0.7),
    "inv_boxcox of 2": (lambda x: sp.inv_boxcox(x, 2.0), lambda x: mp.sqrt(2 * x + 1), 0.7),
    "i0e far out": (sp.i0e, lambda x: mp.exp(-x) * mp.besseli(0, x), 300.0), "i1e far out": (sp.i1e, lambda x: mp.exp(-x) * mp.besseli(1, x), 300.0),
    "beta of a small argument": (lambda x: sp.beta(x, 1e-6), lambda x: mp.beta(x, mp.mpf(1e-6)), 2.5), "xlogy": (lambda x: sp.xlogy(x, x + 1.5), lambda x: x * mp.log(x + 1.5), 0.0),
    "logaddexp": (lambda x: np.logaddexp(x, 1e8), lambda x: mp.log(mp.exp(x - 1e8) + 1), 1e8),
}  # fmt: skip


@pytest.mark.parametrize("name", REMOVABLE)
def test_higher_derivatives_where_a_formula_cancels(name):
    f, exact, x = REMOVABLE[name]
    with mp.workdps(60):
        taylor = mp.taylor(exact, mp.mpf(x), 3)
        truth = [float(c * mp.factorial(k)) for k, c in enumerate(taylor)][1:]
    assert fwdad.jet(f, (x,), ([1.0, 0.0, 0.0],))[1] == pytest.approx(truth, rel=1e-7)
    nested = [fwdad.derivative(f), fwdad.derivative(fwdad.derivative(f))]
    assert [g(x) for g in nested] == pytest.approx(truth[:2], rel=1e-9)


def test_derivatives_at_corners():
    slope = fwdad.derivative
    assert slope(lambda y: sp.xlogy(0.0, y))(0.0) == 0
    assert slope(lambda x: sp.xlogy(x, 0.0))(0.0) == -np.inf
    assert slope(lambda y: slope(lambda x: sp.xlogy(x, y))(0.0))(2.0) == 0.5
    assert not np.isfinite(slope(lambda x: slope(lambda y: sp.xlogy(x, y))(0.0))(0.0))
    assert slope(lambda y: sp.kl_div(0.0, y))(0.0) == 1
    assert slope(lambda y: np.fmod(5.0, y))(0.1) == -49
    assert slope(lambda x: sp.inv_boxcox(x, 2.0))(-0.5) == np.inf
    assert slope(lambda x: sp.inv_boxcox(x, 0.5))(-2.0) == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_det_of_badly_scaled_matrices(dtype):
    big = 1e200 if dtype == np.float64 else 1e25
    small = dtype(1) / dtype(big)
    for a, expected in (
        (np.diag([small, big]), np.diag([big, small])),
        ([[big, 1], [1, 2 * small]], [[2 * small, -1], [-1, big]]),
        ([[3 * big, 2], [3 * big, 2]], [[2, -3 * big], [-2, 3 * big]]),
        (np.diag([small, 1, 1]), np.diag([1, small, small])),
        (np.zeros((2, 2)), np.zeros((2, 2))),
    ):
        found = fwdad.jacfwd(np.linalg.det)(np.array(a, dtype))
        assert np.allclose(found, np.array(expected, dtype), rtol=20 * np.finfo(dtype).eps, atol=0)
