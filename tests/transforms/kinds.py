"""Kinds of programs that could lose a derivative, under every transform: a table for docs/transforms.md.

Each cell is computed. "right" is what central differences of the plain NumPy program say, or the numbers that a row
gives where there are none; "refused" is an error that says what to do. Anything else raises AssertionError.

`python tests/transforms/kinds.py` writes the table; with --check it only compares.
"""

import copy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

import fwdad

PAGE = Path(__file__).parents[2] / "docs" / "transforms.md"
BEGIN, END = "<!-- kinds: begin -->\n", "<!-- kinds: end -->\n"

X = np.array([0.7, -1.2, 2.1])
V = np.array([0.4, 1.1, -0.3])
N = len(X)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in fwdad.tree.leaves(tree)])


def entries(tree, axes):
    """The rows of a tree of Jacobians or Hessians, one for each entry of the results."""
    return np.concatenate([np.reshape(leaf, (-1, *(N,) * axes)) for leaf in fwdad.tree.leaves(tree)])


def total(f):
    return lambda x: sum(np.sum(np.sin(leaf)) for leaf in fwdad.tree.leaves(f(x)))


TRANSFORMS = {
    "jvp": (lambda f, x: flat(fwdad.jvp(f, (x,), (V,))[1]), lambda j, h, g: j @ V),
    "nested jvp": (
        lambda f, x: flat(fwdad.jvp(lambda x: fwdad.jvp(f, (x,), (V,))[1], (x,), (V,))[1]),
        lambda j, h, g: h @ V @ V,
    ),
    "jacfwd": (lambda f, x: entries(fwdad.jacfwd(f)(x), 1), lambda j, h, g: j),
    "hessian": (lambda f, x: entries(fwdad.hessian(f)(x), 2), lambda j, h, g: h),
    "hvp": (lambda f, x: fwdad.hvp(total(f), (x,), (V,))[0], lambda j, h, g: g @ V),
    "linearize": (lambda f, x: flat(fwdad.linearize(f, x)[1](V)), lambda j, h, g: j @ V),
    "jet": (
        lambda f, x: np.stack([flat(d) for d in fwdad.jet(f, (x,), ([V, 0 * V],))[1]]),
        lambda j, h, g: np.stack([j @ V, h @ V @ V]),
    ),
    "laplacian": (lambda f, x: flat(fwdad.laplacian(f)(x)), lambda j, h, g: np.trace(h, axis1=1, axis2=2)),
    "sparse_jacfwd": (lambda f, x: fwdad.sparse_jacfwd(f)(x).dense(), lambda j, h, g: j),
    "sparse_hessian": (lambda f, x: fwdad.sparse_hessian(total(f))(x).dense(), lambda j, h, g: g),
}
"""Each transform: what it finds for f at x, and what it must be by f's Jacobian and Hessian and total(f)'s Hessian."""


def differences(f, x):
    """Jacobian and Hessian by central differences."""
    step, units = 3e-4, np.eye(N)
    j = np.stack([(f(x + step * u) - f(x - step * u)) / (2 * step) for u in units], -1)
    h = [
        [f(x + step * (a + b)) - f(x + step * (a - b)) - f(x - step * (a - b)) + f(x - step * (a + b)) for a in units]
        for b in units
    ]
    return j, np.moveaxis(np.array(h), (0, 1), (-2, -1)) / (4 * step * step)


def of_numpy(f, x=X):
    """A program whose derivatives are those of NumPy's own run of it."""
    j, h = differences(lambda x: flat(f(x)), x)
    return f, x, j, h, differences(total(f), x)[1]


def written(write):
    """A program that lets `write(y, v)` write into a moving array y."""

    def f(x):
        y, v = x * 1.0, np.sin(x)
        answer = write(y, v)
        return y if answer is None else (y, answer)

    return of_numpy(f)


def refused(f, x=X):
    """A program that must be refused."""
    return f, x, None, None, None


def center(a):
    a -= np.mean(a)


def through_a_view(y, v):
    t = y[1:]
    t += v[:-1] ** 2
    t[::-1][0] *= v[0]


def in_a_matrix(write):
    """A program that lets `write(m, v)` write into a moving matrix."""

    def f(x):
        m = np.outer(x, x)
        write(m, np.sin(x))
        return m

    return of_numpy(f)


def number(write):
    """A program that lets `write(y)` write into a moving array of shape (), which has another name, too."""

    def f(x):
        y = np.sum(x * x, keepdims=True).reshape(())
        z = y
        write(y)
        return z, y

    return of_numpy(f)


def twice(y):
    y *= 2
    y *= 3


def filled(f):
    """A program that writes f's values into a new array like x, one by one."""

    def program(x):
        c = np.empty_like(x)
        for i in range(N):
            c[i] = f(c, x, i)
        return c

    return of_numpy(program)


def of_buffer(make, write):
    """A program that lets `write(c, x)` write into a new array that is made like x."""

    def f(x):
        c = make(x)
        answer = write(c, x)
        return c if answer is None else (c, answer)

    return of_numpy(f)


def euler(c, x):
    for i in range(1, len(c)):
        c[i] = c[i - 1] + 0.1 * np.sin(x[i % N] * c[i - 1])


def read_between(c, x):
    before, other = c * x, c
    c[0] = x[1]
    between = c * x
    other[1] = before[2] + c[0] * x[0]
    return before, between


def copies(c, x):
    kept, saved = c.copy(), copy.deepcopy(c)
    c[0] = x[0] ** 2
    kept[1] = c[0] * x[1]
    return kept, saved + x


def by_closure(c, x):
    def put(i):
        c[i] = x[i - 1] * c[i - 1]

    for i in range(1, N):
        put(i)


def rows_of_views(m, x):
    row, column = m[1], m.T[2]
    row[:] = x
    column += x**2
    m[0, 0] = row[0] * column[0]
    return row * 1, column


def closing_over(z_of, y_of, times=lambda dy, z: z * dy):
    """A program whose custom_jvp is a function of y, and uses z, which moves with x."""

    def f(x):
        z = z_of(x)
        g = fwdad.custom_jvp(lambda y: z * y * y)
        g.defjvp(lambda primals, tangents: (g(primals[0]), times(2 * primals[0] * tangents[0], z)))
        return g(y_of(x))

    return of_numpy(f)


def closing_over_one(z):
    g = fwdad.custom_jvp(lambda y: z * np.sin(y))
    g.defjvp(lambda primals, tangents: (g(primals[0]), z * np.cos(primals[0]) * tangents[0]))
    return g


def in_a_plain_array(x):
    y = np.zeros(3)
    y[0] = x[0]
    return y


MASKED = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])
ODD = {
    "a masked array": MASKED,
    "np.matrix": np.array([[1.0, 2.0, 3.0]]).view(np.matrix),
    "strings": np.array(["1", "2", "3"]),
    "dates": np.array(["2020-01-01"] * 3, "datetime64[D]"),
    "times": np.array([1, 2, 3], "timedelta64[s]"),
    "objects": np.array([1.0, Fraction(1, 2), None], object),
}

WRITES = {
    "`x[i] = v`": [
        written(lambda y, v: y.__setitem__(0, v[1])),
        written(lambda y, v: y.__setitem__([0, 2], y[[2, 1]] * v[:2])),
        written(lambda y, v: y.__setitem__(X > 0, v[0])),
        in_a_matrix(lambda m, v: m[1].__setitem__(slice(1, None), v[:2])),
    ],
    "`op=`, through a view and in a function": [
        written(lambda y, v: y.__imul__(y)),
        written(lambda y, v: center(y)),
        written(through_a_view),
        in_a_matrix(lambda m, v: m.T.__iadd__(v)),
        in_a_matrix(lambda m, v: np.einsum("ii->i", m).__imul__(v)),
    ],
    "`np.copyto`, `put`, `place`, `putmask`, `put_along_axis`, `fill_diagonal`": [
        written(lambda y, v: np.copyto(y, y**3)),
        written(lambda y, v: np.copyto(y, v, where=X > 0)),
        written(lambda y, v: np.put(y, [0, -1], v[:2])),
        written(lambda y, v: np.place(y, X > 0, v)),
        written(lambda y, v: np.putmask(y, X > 0, v**2)),
        written(lambda y, v: np.put_along_axis(y, np.argsort(X)[:1], v[2], 0)),
        in_a_matrix(lambda m, v: np.fill_diagonal(m, v)),
    ],
    "`out=`, `np.add.at`, `x.sort()`, `x.fill(v)`, `x.flat[i] = v`": [
        written(lambda y, v: np.multiply(y, v, out=y)),
        written(lambda y, v: np.add.at(y, [0, 0, 1], v)),
        written(lambda y, v: y.sort()),
        written(lambda y, v: y[1:].fill(v[0])),
        in_a_matrix(lambda m, v: m.T.flat.__setitem__(slice(1, 4), v)),
        written(lambda y, v: np.nan_to_num(y, copy=False)),
    ],
    "arrays of shape () with two names": [
        number(twice),
        number(lambda y: y.__setitem__(..., np.sin(y))),
        number(lambda y: np.add(y, 1.0, out=y)),
        of_numpy(lambda x: np.sum(np.sum(x * x), axis=0)),
    ],
    "`np.zeros_like(x)`, `np.full(n, v, like=x)`, ...: new arrays, written into": [
        filled(lambda c, x, i: x[i] ** 2),
        filled(lambda c, x, i: x[i] * (c[i - 1] if i else 1.0)),
        of_buffer(np.zeros_like, read_between),
        of_buffer(np.ones_like, copies),
        of_buffer(np.ones_like, by_closure),
        of_buffer(np.zeros_like, lambda c, x: np.multiply(x, x, out=c) * c),
        of_buffer(np.zeros_like, lambda c, x: np.add.at(c, [0, 0, 1], x)),
        of_buffer(np.zeros_like, lambda c, x: np.copyto(c, x**2, where=X > 0)),
        of_buffer(np.zeros_like, through_a_view),
        of_buffer(lambda x: np.full_like(x, 2.0), lambda c, x: c.__imul__(x)),
        of_buffer(lambda x: np.full_like(x, x[1]), lambda c, x: c.__setitem__(0, x[2] ** 2)),
        of_buffer(lambda x: np.zeros((N, N), like=x), rows_of_views),
        of_buffer(lambda x: np.eye(N, like=x), lambda c, x: np.fill_diagonal(c, x**2)),
        of_buffer(lambda x: np.full(5, x[0], like=x), euler),
        of_buffer(lambda x: np.array([x[0] ** 2, 1.0, x[2]], like=x), lambda c, x: c.__setitem__(1, x[1] ** 2)),
        of_buffer(lambda x: np.asarray([[1, 2], [x[0], x[1]]], like=x), lambda c, x: c[0].__imul__(x[2])),
    ],
    "a Dual written into a NumPy array": [refused(in_a_plain_array), refused(lambda x: np.zeros(3).__iadd__(x))],
}

CLOSURES = {
    "`custom_jvp` over a moving value": [
        closing_over(lambda x: x[0], lambda x: x[1]),
        closing_over(lambda x: x * x, lambda x: np.sin(x)),
        closing_over(lambda x: x * x, lambda x: np.sin(x), lambda dy, z: dy * z),
    ],
    "`custom_jvp` inside `derivative`, over a value that moves outside": [
        of_numpy(lambda x: fwdad.derivative(lambda t: closing_over_one(np.sum(x * x))(t * t))(1.3)),
    ],
    "`custom_jvp` of a value that moves outside, over one of `derivative`": [
        of_numpy(lambda x: fwdad.derivative(lambda t: closing_over_one(t * t)(x))(1.3)),
    ],
}

BESIDE = [
    lambda x, c: x * c, lambda x, c: c * x, lambda x, c: np.add(c, x), lambda x, c: np.concatenate([x, c]),
    lambda x, c: np.where(X > 0, x, c), lambda x, c: x.__iadd__(c), lambda x, c: (x * 1).__setitem__(..., c),
]  # fmt: skip

ARRAYS = {
    "masked arrays, `np.matrix`, strings, dates, objects as what moves": [refused(np.sin, x) for x in ODD.values()],
    "the same beside a Dual, `Fraction`, `np.datetime64`": [
        *(refused(lambda x, f=f, c=c: f(x, c)) for f in BESIDE for c in ODD.values()),
        *(
            refused(lambda x, f=f, c=c: f(x, c))
            for f in BESIDE[:3]
            for c in (Fraction(1, 2), np.datetime64("2020-01-01"))
        ),
    ],
}


def near_one(x):
    """A matrix whose eigenvalues are equal at X."""
    d = x - X
    return np.eye(2) + np.take(d, [[0, 1], [1, 2]])


def of_equal(f):
    return of_numpy(lambda x: f(near_one(x)))


ZERO, TWO = np.zeros(3), 2 * np.eye(3)
INSIDE = np.array([0.5, 0.2, 1.3])
POINTS = {
    "roots at 0 whose power is smooth: `abs(x)**2`, `norm(x)**2`": [
        (lambda x: np.abs(x) ** 2, ZERO, np.zeros((3, 3)), np.einsum("ij,jk->ijk", TWO, np.eye(3)), TWO),
        (lambda x: np.linalg.norm(x) ** 2, ZERO, np.zeros((1, 3)), TWO[None], TWO),
        (
            lambda x: np.hypot(x[0], x[1]) ** 2,
            ZERO,
            np.zeros((1, 3)),
            np.diag([2.0, 2.0, 0.0])[None],
            np.diag([2.0, 2.0, 0.0]),
        ),
    ],
    "even functions of roots at 0: `cos(norm(x))`, `sinc(abs(x))`": [
        (lambda x: np.cos(np.linalg.norm(x)), ZERO, np.zeros((1, 3)), -TWO[None] / 2, np.cos(1) * -TWO / 2),
        (
            lambda x: np.cosh(np.abs(x)),
            ZERO,
            np.zeros((3, 3)),
            np.einsum("ij,jk->ijk", TWO, np.eye(3)) / 2,
            np.cos(1) * TWO / 2,
        ),
        (
            lambda x: np.sinc(np.sqrt(np.sum(x * x))),
            ZERO,
            np.zeros((1, 3)),
            -(np.pi**2) / 3 * np.eye(3)[None],
            -np.cos(1) * np.pi**2 / 3 * np.eye(3),
        ),
    ],
    "equal eigenvalues and singular values: `V f(w) V^T`, polar factors, projectors": [
        of_equal(lambda a: (lambda w, v: (v * np.sqrt(w)) @ v.T)(*np.linalg.eigh(a))),
        of_equal(lambda a: (lambda u, s, vh: u @ vh)(*np.linalg.svd(a + np.triu(a, 1)))),
        of_equal(lambda a: (lambda v: v @ v.T)(np.linalg.eigh(np.pad(a, (0, 1)))[1][:, 1:])),
    ],
    "single vectors of equal eigenvalues": [(lambda x: np.linalg.eigh(near_one(x))[1][:, 0], X, None, None, None)],
    "constants of narrow or unsigned dtypes": [
        of_numpy(lambda x: np.interp(x, np.arange(3), np.array([200, 100, 0], np.uint8)) / 100, INSIDE),
        of_numpy(lambda x: np.array([3], np.int8) ** x, INSIDE),
        of_numpy(lambda x: np.array([200, 3, 1], np.uint8) * x / 100 - np.uint8(3) / (x + 1), INSIDE),
        of_numpy(lambda x: np.linalg.lstsq(np.array([[1, 2, 0], [0, 3, 1], [5, 0, 1]], np.int16), x)[0]),
    ],
}


def by_two(size, f):
    """A program that writes into a new array like x, of a size."""
    return of_buffer(lambda x: np.zeros(size, like=x), f)


@fwdad.custom_jvp
def scaled(x, y=2.0):
    return np.sin(x) * y


scaled.defjvp(
    lambda primals, tangents: (
        scaled(*primals),
        np.cos(primals[0]) * tangents[0] * primals[1] + np.sin(primals[0]) * tangents[1],
    )
)

TIMES, WEIGHTS = np.linspace(0, 1, 7), np.arange(1.0, 8.0)
CHEBYSHEV = np.polynomial.Chebyshev
IDIOMS = {
    "`order='F'` of `reshape`, `ravel`, `copy`, `zeros_like`": [
        of_numpy(lambda x: np.outer(x, x[:2] ** 2).reshape((2, 3), order="F")),
        of_numpy(lambda x: np.ravel(np.outer(x, x[:2]), order="F")),
        of_numpy(lambda x: np.outer(x, x[:2]).copy(order="F")[1:].ravel("K")),
        of_buffer(lambda x: np.zeros_like(np.outer(x, x), order="F"), lambda c, x: c.T.__setitem__(0, x**2)),
    ],
    "`np.subtract.outer`, `add.reduceat`, `maximum.accumulate`, `logaddexp.reduce`": [
        of_numpy(lambda x: np.subtract.outer(x, x**2)),
        of_numpy(lambda x: np.multiply.reduceat(x * x, [0, 2, 1])),
        of_numpy(lambda x: np.maximum.accumulate(x * x)),
        of_numpy(lambda x: np.logaddexp.reduce(np.outer(x, x), axis=1)),
    ],
    "`where=` with `out=`, `np.dot(out=)`": [
        by_two(3, lambda c, x: np.exp(x, out=c, where=X > 0)),
        by_two((3, 3), lambda c, x: np.dot(np.outer(x, x), np.outer(x, x), out=c)),
    ],
    "`polyfit` with `w=`, `full=`, `cov=`, weighted `quantile`, `np.emath`": [
        of_numpy(lambda x: np.polyfit(TIMES, np.cos(TIMES * x[0]) * x[1], 2, w=WEIGHTS + x[2])),
        of_numpy(lambda x: np.polyfit(TIMES, np.cos(TIMES * x[0]) * x[1], 1, full=True)[1]),
        of_numpy(lambda x: np.polyfit(TIMES, np.cos(TIMES * x[0]) * x[1], 1, cov=True)[1]),
        of_numpy(lambda x: np.quantile(x**2, 0.6, weights=WEIGHTS[:3], method="inverted_cdf")),
        of_numpy(lambda x: np.real(np.emath.sqrt(x) ** 3) + np.imag(np.emath.log(x) * x)),
    ],
    "`np.linalg.norm` of numbers whose squares underflow": [
        (lambda x: np.linalg.norm(1e-200 * x) * 1e200, *of_numpy(np.linalg.norm)[1:]),
    ],
    "`np.vectorize`": [
        of_numpy(lambda x: np.vectorize(lambda a: a * a if a > 0 else np.sin(a))(x)),
        of_numpy(lambda x: np.vectorize(lambda p, a: np.polyval(p, a), excluded={0})(x, x[:2])),
        of_numpy(lambda x: np.vectorize(lambda a, b=1.0: (a * b, np.exp(b)), otypes="dd")(x[:, np.newaxis], b=x[:2])),
        of_numpy(lambda x: np.vectorize(np.dot, signature="(n),(n)->()")(np.outer(x, x), x)),
        of_numpy(lambda x: np.vectorize(lambda t: np.exp(-t * x[0]) * x[1])(TIMES)),
    ],
    "`np.diag([a, b])`; `np.pad` with values that move": [
        of_numpy(lambda x: np.diag([x[0] ** 2, 1.0, x[2] * x[1]], 1)),
        of_numpy(lambda x: np.pad(np.ones((2, 1)), (1, 2), constant_values=(x[0], x[1] ** 2))),
        of_numpy(lambda x: np.pad([1.0, 2.0], (2, 3), "linear_ramp", end_values=(x[0] ** 2, x[1] * x[2]))),
        of_numpy(lambda x: np.pad(x**2, (2, 3), "linear_ramp", end_values=x[2])),
    ],
    '`np.linalg.qr(mode="complete")`': [
        of_numpy(lambda x: tuple(np.linalg.qr(np.stack([x, x**2]).T, mode="complete"))),
        of_numpy(lambda x: tuple(np.linalg.qr(x[:, np.newaxis] * x[0], mode="complete"))),
    ],
    "`np.polynomial`: functions, and `Polynomial`, `Chebyshev`, ...": [
        of_numpy(lambda x: np.polynomial.Polynomial(x).integ(2, lbnd=x[0])(TIMES)),
        of_numpy(lambda x: (CHEBYSHEV(x) * CHEBYSHEV([1.0, x[0]]) - x[1]).deriv()(x / 4)),
        of_numpy(lambda x: np.real(np.polynomial.Legendre.fromroots(x).roots()) ** 2),  # complex from NumPy 2.5 on
        of_numpy(lambda x: np.polynomial.Hermite.fit(TIMES, np.cos(TIMES * x[0]) * x[1], 2)(x[2] / 3)),
        of_numpy(lambda x: np.polynomial.laguerre.lagval2d(x, x[::-1], np.outer(x, x))),
    ],
    "`custom_jvp` functions called by keyword": [
        of_numpy(lambda x: scaled(x=x * x, y=x)),
        of_numpy(lambda x: scaled(y=np.cos(x), x=x)),
    ],
    "a Dual written into an array of integers; integers as what moves": [
        refused(lambda x: np.zeros_like(np.arange(3)).__setitem__(0, x[0])),
        refused(lambda x: np.zeros_like(x, dtype=int).__setitem__(0, x[0])),
        refused(lambda x: np.sum(x), np.arange(3)),
    ],
}

ALONG = {
    "jvp": lambda f, x, v: fwdad.jvp(f, (x,), (v,))[1],
    "nested jvp": lambda f, x, v: fwdad.jvp(lambda x: fwdad.jvp(f, (x,), (v,))[1], (x,), (v,))[1],
    "hvp": lambda f, x, v: fwdad.hvp(f, (x,), (v,)),
    "linearize": lambda f, x, v: fwdad.linearize(f, x)[1](v),
    "jet": lambda f, x, v: fwdad.jet(f, (x,), ([v, v],))[1],
}
"""The transforms that are given tangents."""


def product(d):
    return np.sum(d["a"] ** 2 * d["b"] * d["c"][0])


POINT = {"a": 1.1, "b": 3.0, "c": [X]}
TANGENT = {"a": 0.2, "b": 1.0, "c": [V]}
TREES = {
    "a tangent with its keys in another order": [(POINT, {name: TANGENT[name] for name in "cab"}, TANGENT)],
    "a tangent with other keys, or another container": [
        (POINT, {"a": 0.2, "b": 1.0, "d": [V]}, None),
        (POINT, {"a": 0.2, "b": 1.0}, None),
        (POINT, [0.2, 1.0, [V]], None),
        (POINT, {**TANGENT, "c": (V,)}, None),
    ],
    "None for a part that does not move": [(POINT, {**TANGENT, "c": None}, {**TANGENT, "c": [ZERO]})],
    "masked arrays, `np.matrix`, strings, dates, objects as a tangent": [
        (POINT, {**TANGENT, "c": [v]}, None) for v in ODD.values()
    ],
}
"""Rows of a tree, a tangent as it is given, and the one that it must be; None where it must be refused."""


def outcome(name, run, expected):
    """Say "right" or what the error is; raise AssertionError where a number is wrong."""
    try:
        found = run()
    except (TypeError, ValueError) as error:
        return f"refused: {type(error).__name__}"
    assert expected is not None, f"{name}: not refused; found {found}"
    expected = expected()
    assert isinstance(found, np.ndarray), f"{name}: a {type(found).__name__}"
    assert found.shape == expected.shape, f"{name}: shape {found.shape}, expected {expected.shape}"
    assert np.all(np.abs(found - expected) <= 1e-4 * (1 + np.abs(expected))), f"{name}: {found}, expected {expected}"
    return "right"


def of_programs(programs, transform):
    """What a transform does for each of some programs."""
    find, expect = TRANSFORMS[transform]
    for f, x, *truth in programs:
        expected = None if truth[0] is None else lambda truth=truth: expect(*truth)
        yield outcome(transform, lambda f=f, x=x: find(f, x), expected)


def of_trees(rows, transform):
    """What a transform that is given tangents does for each of some trees."""
    find = ALONG.get(transform)
    for x, given, right in rows if find else ():
        expected = None if right is None else lambda x=x, right=right: flat(find(product, x, right))
        yield outcome(transform, lambda x=x, given=given: flat(find(product, x, given)), expected)


ROWS = {**WRITES, **IDIOMS, **CLOSURES, **POINTS, **ARRAYS, **TREES}


def cell(kind, transform):
    """The cell of the table; raises AssertionError where a derivative is wrong."""
    outcomes = sorted(set((of_trees if kind in TREES else of_programs)(ROWS[kind], transform)))
    return ", ".join(outcomes).replace(", refused:", ",")


def table():
    """The table, in Markdown."""
    lines = [f"| | {' | '.join(TRANSFORMS)} |", "|---" * (len(TRANSFORMS) + 1) + "|"]
    lines += [f"| {kind} | {' | '.join(cell(kind, transform) for transform in TRANSFORMS)} |" for kind in ROWS]
    return "\n".join(lines) + "\n"


def page():
    """The page's text, with the table in its place."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(page() != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page(), encoding="utf-8")
