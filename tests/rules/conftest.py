"""A check of one function under every transform."""

import numpy as np
import pytest

import fwdad
from fwdad.testing import check_jvp


def _flat(f, xs):
    """f as a function of one vector to one vector, and that vector."""
    shapes = [np.shape(x) for x in xs]
    stops = np.cumsum([0, *(int(np.prod(s)) for s in shapes)])

    def g(z):
        parts = [np.reshape(z[a:b], s) for a, b, s in zip(stops, stops[1:], shapes, strict=False)]
        leaves = [y for y in fwdad.tree.leaves(f(*parts)) if np.asarray(fwdad.stop_gradient(y)).dtype.kind in "fc"]
        return np.concatenate([np.reshape(y, -1) for y in leaves])

    return g, np.concatenate([np.ravel(x) for x in xs]).astype(float)


@pytest.fixture(scope="session")
def under_every_transform():
    """Check a function's first and second derivatives against differences, under each transform."""

    def check(f, *xs, tolerance=1e-7, step=1e-3):
        check_jvp(f, xs, tolerance=tolerance, step=step)
        g, x = _flat(f, xs)
        v = np.random.default_rng(0).standard_normal(x.shape)
        jacobian, hessian = fwdad.jacfwd(g)(x), fwdad.hessian(g)(x)
        first, second = jacobian @ v, hessian @ v @ v
        h = step / 2
        numeric = (
            8 * (fwdad.jacfwd(g)(x + h * v) - fwdad.jacfwd(g)(x - h * v))
            - (fwdad.jacfwd(g)(x + 2 * h * v) - fwdad.jacfwd(g)(x - 2 * h * v))
        ) / (12 * h)
        y, orders = fwdad.jet(g, (x,), ([v, 0 * v],))
        found = {
            "hessian": (hessian @ v, numeric),
            "jet, the value": (y, g(x)),
            "jet, the first order": (orders[0], first),
            "jet, the second order": (orders[1], second),
            "nested jvp": (fwdad.jvp(lambda x: fwdad.jvp(g, (x,), (v,))[1], (x,), (v,))[1], second),
            "linearize": (fwdad.linearize(g, x)[1](v), first),
            "linearize of a jvp": (fwdad.linearize(lambda x: fwdad.jvp(g, (x,), (v,))[1], x)[1](v), second),
            "sparse_jacfwd": (fwdad.sparse_jacfwd(g)(x).dense(), jacobian),
            "laplacian": (fwdad.laplacian(g)(x), np.trace(hessian, axis1=-2, axis2=-1)),
        }
        for name, (answer, expected) in found.items():
            scale = 1 + np.max(np.abs(expected), initial=0)
            assert np.max(np.abs(answer - expected), initial=0) <= 100 * tolerance * scale, name

    return check
