"""Splines under every transform: by the point, the coefficients and the data."""

import numpy as np
import pytest

import fwdad

interpolate = pytest.importorskip("scipy.interpolate", reason="SciPy is not installed")

RNG = np.random.default_rng(0)
KNOTS = np.array([0.0, 0.7, 1.5, 2.1, 3.0])
Y, X = RNG.standard_normal(5), np.array([0.2, 1.2, 2.6])
YS = RNG.standard_normal((5, 2))
POINTS = X.reshape(3, 1)
SPLINE = interpolate.make_interp_spline(KNOTS, Y)
TCK = interpolate.splrep(KNOTS, Y)

CASES = {
    "CubicSpline, x": (interpolate.CubicSpline(KNOTS, Y), X),
    "CubicSpline of vectors, x": (interpolate.CubicSpline(KNOTS, YS), POINTS),
    "CubicSpline along axis 1, x": (interpolate.CubicSpline(KNOTS, YS.T, axis=1), X),
    "PchipInterpolator, x": (interpolate.PchipInterpolator(KNOTS, Y), X),
    "Akima1DInterpolator, x": (interpolate.Akima1DInterpolator(KNOTS, Y), X),
    "BSpline, x": (SPLINE, X),
    "BSpline, derivative, x": (lambda x: SPLINE(x, 1), X),
    "UnivariateSpline, x": (interpolate.UnivariateSpline(KNOTS, Y, s=0), X),
    "splev, x": (lambda x: interpolate.splev(x, TCK), X),
    "CubicSpline": (lambda y, x: interpolate.CubicSpline(KNOTS, y)(x), Y, X),
    "CubicSpline of vectors": (lambda y, x: interpolate.CubicSpline(KNOTS, y, bc_type="natural")(x), YS, POINTS),
    "CubicSpline, slopes at the ends": (
        lambda y: interpolate.CubicSpline(KNOTS, y, bc_type=((1, 0.5), (1, -2.0)))(X), Y
    ),
    "CubicSpline, calculus": (
        lambda y, x: [s := interpolate.CubicSpline(KNOTS, y), s.derivative()(x), s.integrate(0.1, x[0])][1:], Y, X
    ),
    "CubicHermiteSpline": (lambda y, d: interpolate.CubicHermiteSpline(KNOTS, y, d)(X), Y, Y[::-1]),
    "make_interp_spline": (lambda y, x: interpolate.make_interp_spline(KNOTS, y, k=2)(x), YS, X),
    "make_interp_spline, calculus": (
        lambda y, x: interpolate.make_interp_spline(KNOTS, y).derivative()(x) ** 2, Y, X
    ),
    "BSpline": (lambda c, x: interpolate.BSpline(SPLINE.t, c, SPLINE.k)(x), SPLINE.c, X),
    "PPoly": (lambda c, x: interpolate.PPoly(c, KNOTS)(x), RNG.standard_normal((3, 4)), X),
    "splrep, splev": (lambda y, x: interpolate.splev(x, interpolate.splrep(KNOTS, y)), Y, X),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case)


@pytest.mark.parametrize(
    "call",
    [
        lambda y: interpolate.PchipInterpolator(KNOTS, y),
        lambda y: interpolate.CubicSpline(y, Y),
        lambda y: interpolate.CubicSpline(KNOTS, y, axis=-1),
        lambda y: interpolate.splrep(KNOTS, y, s=1.0),
        lambda y: interpolate.interp1d(KNOTS, y),
    ],
)
def test_what_is_refused(call):
    with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.interpolate"):
        fwdad.jvp(call, (Y,), (Y,))


def test_what_a_moving_spline_does_not_have():
    with pytest.raises(AttributeError, match="has no roots"):
        fwdad.jvp(lambda y: interpolate.CubicSpline(KNOTS, y).roots(), (Y,), (Y,))
