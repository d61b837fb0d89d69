"""The rows of scipy.special's table, against the mathematics; a derivative that is not known raises by name."""

import numpy as np
import pytest

import fwdad
from fwdad.testing import check_jvp

sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")
from fwdad.rules.scipy.special import BINARY, SEVERAL, UNARY  # noqa: E402


def name(row):
    return row.function.__name__


@pytest.mark.parametrize("row", UNARY, ids=name)
def test_unary(row):
    x = np.linspace(*row.domain, 6)
    check_jvp(row.function, [x], tolerance=1e-6)
    y, dy = fwdad.jvp(row.function, (x.astype(np.float32),), (np.ones((2, 6), np.float32),))
    assert y.dtype == dy.dtype == np.float32


UNKNOWN = {row.function.__name__: "x" for row in BINARY if getattr(row.by_x, "__qualname__", "").startswith("unknown")}
"""The argument by which a row has no derivative."""


@pytest.mark.parametrize("row", BINARY, ids=name)
@pytest.mark.parametrize("by", ["x", "y"])
def test_binary(row, by):
    x, y = np.linspace(*row.domain, 6), np.linspace(*row.domain, 6)[::-1] + 0.1
    f, point = (lambda x: row.function(x, y), x) if by == "x" else (lambda y: row.function(x, y), y)
    if UNKNOWN.get(name(row)) == by:
        with pytest.raises(fwdad.LostDerivativeError, match=name(row).lstrip("_") + r" .*stop_gradient"):
            fwdad.jvp(f, (point,), (point,))
    else:
        check_jvp(f, [point], tolerance=1e-6)


@pytest.mark.parametrize("row", BINARY, ids=name)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_, np.float16])
def test_constants_of_narrow_dtypes(row, dtype):
    moving = np.array([0.3, 0.7]) + (name(row) == "_zeta")  # which begins at 1
    constant = np.array([1, 2]).astype(dtype)

    def by_x(c):
        return fwdad.jvp(lambda x: row.function(x, c), (moving,), (np.ones(2),))

    def by_y(c):
        return fwdad.jvp(lambda y: row.function(c, y), (moving,), (np.ones(2),))

    for argument, along in {"x": by_x, "y": by_y}.items():
        if UNKNOWN.get(name(row)) != argument:
            assert np.allclose(along(constant), along(constant.astype(np.float64)), rtol=1e-12, atol=0)


def test_constants_are_plain():
    seen = []
    fwdad.jvp(lambda x: (seen.extend((sp.round(x), sp.gammasgn(x))), x)[1], (np.array([0.6, -1.5]),), (np.ones(2),))
    assert [answer.tolist() for answer in seen] == [[1, -2], [1, 1]]


@pytest.mark.parametrize("row", SEVERAL, ids=name)
def test_several(row):
    points = [np.linspace(low, high, 4).astype(type(low)) for low, high in row.domain]
    for place, by in enumerate(row.by):

        def f(x, place=place):
            return row.function(*(x if i == place else p for i, p in enumerate(points)))

        if isinstance(by, str):
            moving = points[place].astype(float)
            with pytest.raises(fwdad.LostDerivativeError, match=rf"scipy.special.{name(row)} .* moving {by}"):
                fwdad.jvp(f, (moving,), (moving,))
        else:
            check_jvp(f, [points[place]], tolerance=1e-6)


A = np.array([[0.3, -1.0, 2.0], [1.2, 0.1, -0.4]])
FUNCTIONS = {
    "logsumexp": (sp.logsumexp, A),
    "logsumexp, weights": (lambda a, b: sp.logsumexp(a, axis=1, b=b, return_sign=True)[0], A, A - 3),
    "softmax": (lambda a: sp.softmax(a, axis=0), A),
    "log_softmax": (lambda a: sp.log_softmax(a, axis=-1), A),
    "multigammaln": (lambda a: sp.multigammaln(a, 3), A[0] + 3),
    "polygamma": (lambda x: sp.polygamma(np.array([0, 1, 2]), x), A[0] + 2),
    "zeta": (sp.zeta, A[0] + 3, A[1] + 2),
    "zeta of Riemann": (sp.zeta, np.array([-4.0, -0.5, 0.4, 2.0])),
    "airye": (lambda z: np.stack(sp.airye(z)), A[0] + 1.2),
    "factorial": (sp.factorial, A[0] + 2),
    "comb": (lambda n: sp.comb(n, 2.3), A[0] + 4),
    "lambertw": (lambda z: np.real(sp.lambertw(z)), A[0] + 1.2),
    **{
        f.__name__: (lambda z, f=f: f(np.array([0, 1, 3]), z), A[0] + 2)
        for f in (sp.spherical_jn, sp.spherical_yn, sp.spherical_in, sp.spherical_kn)
    },
    "spherical_jn, derivative": (lambda z: sp.spherical_jn(2, z, derivative=True), A[0] + 2),
    "airy": (lambda z: np.stack(sp.airy(z)), A[0]),
    "ellipj": (lambda u, m: np.stack(sp.ellipj(u, m)), A[0], np.array([0.05, 0.3, 0.15])),
    "sici": (lambda x: np.stack(sp.sici(x)), A[0] + 2),
    "shichi": (lambda x: np.stack(sp.shichi(x)), A[0] + 2),
    "ellipkm1": (sp.ellipkm1, np.array([0.2, 0.95, 1.05])),
    "betainc": (lambda x: sp.betainc(2.0, 3.0, x), np.array([0.2, 0.4, 0.7])),
    "hyp2f1": (lambda z: sp.hyp2f1(0.5, 1.5, 2.0, z), np.array([0.2, 0.4, 0.7])),
    "ellipeinc": (sp.ellipeinc, A[0], np.array([0.0, 0.3, 0.05])),
    "kn": (lambda x: sp.kn(2, x), A[0] + 2),
    "boxcox": (sp.boxcox, A[0] + 2, np.array([0.0, 0.2, 1.5])),
}


@pytest.mark.parametrize("case", FUNCTIONS.values(), ids=FUNCTIONS)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case, tolerance=1e-6)


def test_a_function_without_a_rule_is_named():
    with pytest.raises(fwdad.NoRuleError, match=r"scipy.special.itairy"):
        fwdad.jvp(sp.itairy, (A[0],), (A[0],))
    with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.special.diric has no JVP rule"):
        fwdad.jvp(lambda x: sp.diric(x, 3), (A[0],), (A[0],))


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (sp.ellipkm1, 1.0, -np.pi / 8),
        (sp.zeta, 0.0, -np.log(2 * np.pi) / 2),
        (sp.zeta, -2.0, -1.2020569031595942 / (4 * np.pi**2)),
        (sp.exprel, 0.0, 0.5),
        (lambda x: sp.shichi(x)[0], 0.0, 1.0),
        (lambda x: sp.sici(x)[0], 0.0, 1.0),
        (lambda m: sp.ellipkinc(0.7, m), 0.0, (0.7 - np.sin(1.4) / 2) / 4),
        (lambda p: sp.boxcox(3.0, p), 0.0, np.log(3.0) ** 2 / 2),
        (lambda p: sp.inv_boxcox(0.4, p), 0.0, -np.exp(0.4) * 0.08),
    ],
)
def test_removable_points(f, x, slope):
    assert np.isclose(fwdad.derivative(f)(x), slope, rtol=1e-14)
