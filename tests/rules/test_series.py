"""numpy.polynomial: each function of its six bases against differences, the classes under every transform."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial, polyutils

import fwdad
from fwdad import LostDerivativeError
from fwdad.testing import check_jvp

RNG = np.random.default_rng(0)
C, D = np.array([0.3, -1.2, 0.7, 1.9]), np.array([1.1, 0.4, -0.8])
ROOTS, T = np.array([0.6, -1.3, 0.2, 2.0, -0.4]), np.array([-0.9, -0.5, 0.1, 0.3, 0.6, 0.8, 1.0])
POINTS, S, W = RNG.uniform(-1, 1, (3, 2, 3)), np.sin(3 * T), np.linspace(0.5, 2.0, 7)
MATRIX, CUBE = RNG.standard_normal((3, 2)), RNG.standard_normal((3, 2, 2))
ONE = [np.array(v) for v in (0.7, -0.4)]

ARGUMENTS = {
    "line": (lambda f: f, *ONE),
    "fromroots": (lambda f: f, ROOTS),
    "add": (lambda f: lambda a, b: (f(a, b), f(b, [1.0, 2, 3, 4]), f(2.0, b)), C, D),
    "sub": (lambda f: lambda a, b: (f(a, b), f(b, a), f([1.0, 2], b)), C, D),
    "mulx": (lambda f: f, C),
    "mul": (lambda f: lambda a, b: (f(a, b), f(b, [1.0, 2, 3])), C, D),
    "div": (lambda f: lambda a, b: (*f(a, b), *f([1.0, 2, 3, 4], b), f(b, a)[1]), C, D),
    "pow": (lambda f: lambda a: (f(a, 3), f(a, 1)), D),
    "der": (lambda f: lambda c, s, m: (f(c, 2, s), f(m, axis=1)), C, ONE[0], MATRIX),
    "int": (
        lambda f: lambda c, k, b, s: (f(c, 2, [k, 1.0], b, s), f([1.0, 2], k=k), f([3.0], lbnd=b)),
        C,
        *ONE,
        ONE[0],
    ),
    "val": (
        lambda f: lambda x, c, m: (f(x, m), f(x, c), f(0.3, c), f(c, [1, 2, 3]), f([c[0], 1], m)),
        POINTS[0],
        C,
        MATRIX,
    ),
    "val2d": (lambda f: lambda p, c: f(p[0], p[1], c), POINTS, MATRIX),
    "val3d": (lambda f: lambda p, c: f(p[0], p[1], p[2], c), POINTS, CUBE),
    "valnd": (lambda f: lambda p, c: (f((p[0], p[1]), MATRIX), f(p, c)), POINTS, CUBE),  # from NumPy 2.5 on
    "grid2d": (lambda f: lambda p, c: f(p[0, 0], p[1, 0], c), POINTS, MATRIX),
    "grid3d": (lambda f: lambda p, c: f(p[0, 0], p[1, 0], p[2, 0], c), POINTS, CUBE),
    "vander": (lambda f: lambda x: f(x, 3), POINTS[0]),
    "vander2d": (lambda f: lambda p: f(p[0], p[1], [2, 1]), POINTS),
    "vander3d": (lambda f: lambda p: f(p[0], 0.5 * p[1], p[2], [1, 2, 1]), POINTS),
    "fit": (
        lambda f: lambda x, y, w: (f(x, y, 2), f(T, y, [0, 2], w=w), f(x, np.stack([y, S], 1), 2, full=True)[0]),
        T,
        S,
        W,
    ),
    "companion": (lambda f: f, C),
    "roots": (lambda f: f, np.array([0.3, -1.2, -0.7, 1.9, 0.2])),
    "weight": (lambda f: f, POINTS[0] / 2),
    "trim": (lambda f: lambda c: (f(c * [1, 1, 1e-9, 0], 1e-6), f(c)), C),
    "poly2": (lambda f: f, C),
    "2poly": (lambda f: f, C),
    "interpolate": (lambda f: lambda a: f(lambda x, b: np.exp(b * x), 3, (a,)), ONE[0]),
    "valfromroots": (
        lambda f: lambda x, r: (f(x, r), f(0.3, r), f(x[0, :2], MATRIX * r[0], tensor=False)),
        POINTS[0],
        ROOTS,
    ),
}
"""Each function of a basis by its name without the basis's own: a program that calls it, and what moves."""

BASES = {"poly": polynomial, "cheb": chebyshev, "leg": legendre, "herm": hermite, "herme": hermite_e, "lag": laguerre}
CASES = {
    name: (ARGUMENTS[name.replace(prefix, "", 1)], getattr(module, name))
    for prefix, module in BASES.items()
    for name in module.__all__
    if inspect.isroutine(getattr(module, name)) and not name.endswith(("gauss", "pts1", "pts2"))
}
UTILITIES = {
    "as_series": (lambda a, b: polyutils.as_series([a, b, [1.0, 2]]), C, D),
    "trimseq": (lambda c: polyutils.trimseq(c * [1, 1, 1, 0]), C),
    "trimcoef": (lambda c: (polyutils.trimcoef(c * [1, 1, 1e-9, 0], 1e-6), polyutils.trimcoef(c)), C),
    "getdomain": (polyutils.getdomain, C),
    "getdomain, complex": (lambda c: polyutils.getdomain(c + 1j * c**2), C),
    "mapdomain": (lambda x, d: (polyutils.mapdomain(x, d, [0, 1]), polyutils.mapdomain(0.5, [0, 1], d)), C, D[:2]),
    "mapparms": (lambda d: polyutils.mapparms(d, [-1, 2.0]), D[:2]),
}


@pytest.mark.parametrize("name", CASES)
def test_functions(name, under_every_transform):
    """All by jvp, and one of each kind of program under every transform: Laguerre's, and those that others lack."""
    (program, *arrays), function = CASES[name]
    if name.endswith("weight"):
        arrays = [np.abs(arrays[0])]
    check_jvp(program(function), arrays, tolerance=1e-6)
    if name.startswith("lag") or name in ("polyvalfromroots", "polyval2d", "chebdiv", "chebpow", "chebinterpolate"):
        under_every_transform(program(function), *arrays, tolerance=1e-6)


@pytest.mark.parametrize("name", UTILITIES)
def test_utilities(name):
    program, *arrays = UTILITIES[name]
    check_jvp(program, arrays, tolerance=1e-6)


KINDS = [np.polynomial.Polynomial, np.polynomial.Chebyshev, np.polynomial.Legendre, np.polynomial.Hermite,
         np.polynomial.HermiteE, np.polynomial.Laguerre]  # fmt: skip
METHODS = {
    "call": (lambda P: lambda c, x: P(c, [-2, 1])(x), D, POINTS[0, 0]),
    "arithmetic": (
        lambda P: lambda c: (2 * P(c) - P([1.0, c[1]]) * c[0] + c[2] / 2 - (-P(c))).coef / (P(c) / c[1]).coef,
        D,
    ),
    "division": (
        lambda P: lambda c, d: [p.coef for p in (*divmod(P(c), P(d)), P(c) // P(d), P(c) % 2.0, P(c) ** 2)],
        C,
        D,
    ),
    "deriv and integ": (
        lambda P: lambda c, k: P(c, [0, 3]).integ(1, [k], k).deriv(2)(k) * P(c).integ(2, lbnd=k)(k),
        D,
        ONE[0],
    ),
    "domain": (lambda P: lambda c, d: P(c, d, [0, d[1]])(0.3) + P.identity(d)(d[0]) + P.basis(2, d)(0.1), D, D[:2]),
    "roots": (lambda P: lambda c: P(c, [0, 2]).roots(), np.array([0.3, -1.2, -0.7, 1.9])),
    "fromroots": (lambda P: lambda r: (P.fromroots(r, [0, 2]).coef, P.fromroots(r, None)(r[0] / 2)), ROOTS[:3]),
    "fit": (lambda P: lambda x, y, w: (P.fit(x, y, 2)(0.2), P.fit(T, y, 2, w=w).convert().coef), T, S, W),
    "convert and cast": (
        lambda P: (
            lambda c: (
                P(c, [0, 2]).convert(kind=np.polynomial.Polynomial).coef,
                P.cast(np.polynomial.Polynomial(c)).coef,
            )
        ),
        D,
    ),
    "cut": (lambda P: lambda c: (P(c).cutdeg(1).coef, P(c).truncate(2)(0.4), P(c).trim().coef, P(c).linspace(3)[1]), C),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_classes(kind, method, under_every_transform):
    program, *arrays = METHODS[method]
    check_jvp(program(kind), arrays, tolerance=1e-6)
    if kind is np.polynomial.Chebyshev and method in ("call", "division", "deriv and integ", "roots", "fit"):
        under_every_transform(program(kind), *arrays, tolerance=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_zero_that_moves_is_no_missing_coefficient(kind):
    """NumPy drops a last coefficient that is 0 at this point alone; p(1) still moves with it."""
    c, one = np.array([1.0, 0.0]), kind([0, 1.0])(1.0)
    moved = kind.basis(1)(1.0)
    assert fwdad.derivative(lambda t: (kind([1.0, t]) + kind([2.0]))(1.0))(0.0) == moved
    assert fwdad.derivative(lambda t: kind([1.0, t]).trim()(1.0))(0.0) == moved
    assert np.allclose(fwdad.derivative(lambda t: (kind([t]) * kind([0, 1.0]))(1.0))(0.0), one)
    assert fwdad.jvp(lambda c: (kind(c) + kind(c)).coef, (c,), (c,))[0].tolist() == [2.0]
    for f in (lambda t: kind([t]).integ()(1.0), lambda t: kind._line(1.0, t)):
        with pytest.raises(LostDerivativeError, match="a coefficient is 0 and moves"):
            fwdad.derivative(f)(0.0)


def test_zeros_under_other_transforms():
    def f(x):
        return (np.polynomial.Chebyshev(x) - np.polynomial.Chebyshev([1.0]))(0.5)

    x, expected = np.array([1.0, 2.0, 0.0]), np.array([1.0, 0.5, -0.5])
    assert np.allclose(fwdad.jacfwd(f)(x), expected)
    assert np.allclose(fwdad.sparse_jacfwd(lambda x: f(x)[np.newaxis])(x).dense(), [expected])
    assert np.allclose(fwdad.jet(f, (x,), ([np.ones(3), np.zeros(3)],))[1][0], 1.0)
    assert fwdad.laplacian(f)(x) == 0
    y, change = fwdad.linearize(f, x)
    assert (y, change(np.array([1.0, 2.0, 0.0]))) == (1.0, 2.0)
    with pytest.raises(LostDerivativeError, match="dropped a last coefficient that is 0 at this point"):
        change(np.ones(3))


def test_numpys_tables_are_read_when_the_program_imports_the_package():
    script = (
        "import sys, fwdad; assert 'numpy.polynomial' not in sys.modules and 'fwdad.rules.series' not in sys.modules\n"
        "import numpy as np; print(fwdad.derivative(lambda t: np.polynomial.Polynomial([0, 0, t])(3.0))(1.0))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "9.0\n"


def test_a_name_taken_before_fwdad_says_so():
    with pytest.raises(LostDerivativeError, match=r"numpy\.polynomial\.chebyshev\.chebval was imported by name before"):
        fwdad.derivative(lambda t: chebyshev.chebval.__wrapped__(t, [t, 1.0]))(1.0)


def test_a_polynomial_can_be_printed():
    said = []
    fwdad.derivative(lambda t: said.append(f"{np.polynomial.Polynomial([1.0, t])} {np.polynomial.Polynomial([t])!r}"))(
        2.0
    )
    assert "Dual(primal=2.0, tangent=[1.])·x" in said[0]
    assert "Polynomial(coef=Dual(primal=[2.], tangent=[[1.]]), domain=array([-1.,  1.]), window=" in said[0]
    assert repr(np.polynomial.Polynomial([1.0, 2.0])).startswith("Polynomial([1., 2.], domain=[-1.,  1.], window=")
