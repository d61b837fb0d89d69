"""Writing into a Dual and its views: values are NumPy's, derivatives are compared with the mathematics."""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwdad
from fwdad import Dual, LostDerivativeError, derivative, jvp
from fwdad.dual import new_level
from fwdad.testing import check_jvp, expect_close

X = np.random.default_rng(3).uniform(0.5, 2.0, (3, 4))
V = np.random.default_rng(4).uniform(0.5, 2.0, 4)


def writing(body):
    """A function of (x, v) that copies x, lets the body write, and returns what it wrote into."""

    def f(x, v):
        x = x.copy()
        return x, body(x, v)

    return f


def items(x, v, index, value):
    x[index] = value(v)


INDEX = {
    "integer": 1,
    "negative": (-1, -2),
    "slice": (slice(None), slice(1, None, 2)),
    "ellipsis": (..., 0),
    "newaxis": (1, None),
    "list": ([0, 2],),
    "pair of lists": ([0, 2, 1], [3, 0, 0]),
    "repeated": ([1, 1, 0, 1],),
    "repeated apart": ([1, 1], slice(None)),
    "boolean": X > 1,
    "boolean rows": np.array([True, False, True]),
    "mixed": ([0, 2], slice(1, 3)),
    "empty": ([],),
    "all": ...,
}


@pytest.mark.parametrize("name", INDEX)
@pytest.mark.parametrize("value", [lambda v: v[0], lambda v: 2.5, lambda v: 3], ids=["dual", "float", "int"])
def test_setitem(name, value):
    index = INDEX[name] if not isinstance(INDEX[name], tuple) or len(INDEX[name]) != 1 else INDEX[name][0]
    check_jvp(writing(lambda x, v: items(x, v, index, value)), [X, V])


def test_setitem_of_arrays():
    for index, value in [
        (1, lambda x, v: v),
        (slice(None), lambda x, v: v),
        (slice(None), lambda x, v: v[None]),
        (0, lambda x, v: [1, 2, 3, 4]),
        ((slice(None), [0, 2]), lambda x, v: x[:, [1, 3]] * v[:2]),
        ([1, 1, 0], lambda x, v: np.stack([v, 2 * v, 3 * v])),
        (X > 1, lambda x, v: np.sin(x[X > 1])),
        ((slice(None, None, -1), 0), lambda x, v: v[:3]),
        (slice(1, None), lambda x, v: x[:-1]),
        (slice(None, -1), lambda x, v: x[1:]),
        (..., lambda x, v: x[::-1, ::-1]),
        ((0, 0), lambda x, v: np.ones(1)[0]),
    ]:
        check_jvp(writing(lambda x, v, i=index, f=value: items(x, v, i, lambda v: f(x, v))), [X, V])


IN_PLACE = {
    "+=": lambda x, v: x.__iadd__(v),
    "-=": lambda x, v: x.__isub__(v),
    "*=": lambda x, v: x.__imul__(v),
    "/=": lambda x, v: x.__itruediv__(v),
    "**=": lambda x, v: x.__ipow__(v),
    "%=": lambda x, v: x.__imod__(v),
    "//=": lambda x, v: x.__ifloordiv__(v),
    "@=": lambda x, v: x.__imatmul__(np.outer(v, v)),
    "fill": lambda x, v: x.fill(v[2]),
    "put": lambda x, v: x.put([3, -1, 3], v[:2]),
    "np.put": lambda x, v: np.put(x, [0, 5], v[0] * v[1]),
    "put wrap": lambda x, v: np.put(x, [13, -20], v, mode="wrap"),
    "copyto": lambda x, v: np.copyto(x, v),
    "copyto where": lambda x, v: np.copyto(x, v, where=X > 1),
    "copyto constant": lambda x, v: np.copyto(x, 2.0, where=X > 1),
    "place": lambda x, v: np.place(x, X > 0.8, v),
    "putmask": lambda x, v: np.putmask(x, X > 0.8, v),
    "put_along_axis": lambda x, v: np.put_along_axis(x, np.argsort(X, axis=1)[:, :2], v[:2], axis=1),
    "fill_diagonal": lambda x, v: np.fill_diagonal(x, v),
    "fill_diagonal constant": lambda x, v: np.fill_diagonal(x, 1.0),
    "sort": lambda x, v: x.sort(),
    "sort axis": lambda x, v: x.sort(axis=0),
    "partition": lambda x, v: x.partition(2, axis=1),
    "add.at": lambda x, v: np.add.at(x, ([0, 0, 2], [1, 1, 3]), v[:3]),
    "subtract.at": lambda x, v: np.subtract.at(x, [1, 1], v),
    "add.at boolean": lambda x, v: np.add.at(x, X > 1, v[1]),
    "add.at constant": lambda x, v: np.add.at(x, [0, 0], 1.0),
    "repeated += counts once": lambda x, v: x.__setitem__([0, 0], x[[0, 0]] + v),
    "out=": lambda x, v: np.add(x, v, out=x) * 2,
    "out= of constants": lambda x, v: np.add(X, 1.0, out=x),
    "flat": lambda x, v: x.flat.__setitem__(slice(2, 6), v),
    "flat item": lambda x, v: x.T.flat.__setitem__(5, v[0]),
    "*= itself": lambda x, v: x.__imul__(x),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name):
    check = IN_PLACE[name]
    f = writing(lambda x, v: check(x, v))
    check_jvp(f, [X, V], tolerance=1e-6)
    check_jvp(lambda x: f(x, V)[0], [X], tolerance=1e-6)
    check_jvp(lambda x, v: jvp(lambda x, v: f(x, v)[0], (x, v), (np.cos(X), np.sin(V)))[1], [X, V], tolerance=1e-5)


TAKEN = {
    "getitem": lambda x: x[1:, ::2],
    "row": lambda x: x[1],
    "newaxis": lambda x: x[None],
    "reversed": lambda x: x[::-1],
    "reshape": lambda x: x.reshape(2, 6),
    "ravel": lambda x: x.ravel(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "squeeze": lambda x: x[:1].squeeze(0),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "flip": lambda x: np.flip(x),
    "real": lambda x: x.real,
    "view of view": lambda x: x.T[1:].reshape(3, 3, 1)[0],
    "atleast_1d": lambda x: np.atleast_1d(x[0]),
    "last row": lambda x: list(x)[-1],
    "same dtype": lambda x: x.astype(float, copy=False),
    "np.astype": lambda x: np.astype(x, float, copy=False),
    "diagonal of einsum": lambda x: np.einsum("ii->i", x[:, :3]),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "rot90": lambda x: np.rot90(x),
    "meshgrid": lambda x: np.meshgrid(x[0], x[1], copy=False, sparse=True)[1],
    # copies in NumPy:
    "flatten": lambda x: x.flatten(),
    "copy": lambda x: x.copy(),
    "advanced": lambda x: x[[0, 1]],
    "boolean": lambda x: x[X > 1],
    "ravel of transpose": lambda x: x.T.ravel(),
    "x + 0": lambda x: x + 0,
    "+x": lambda x: +x,
    "x * 1": lambda x: x * 1,
}


@pytest.mark.parametrize("name", TAKEN)
def test_views_alias_as_numpys_do(name):
    take = TAKEN[name]

    def write_view(x, v):
        y = take(x)
        y *= v[0]
        y[..., 0] = v[1]
        return y

    def write_base(x, v):
        y, z = take(x), take(x)
        x[1:, 2] = v[0]
        x *= v[1]
        z += v[2]
        return y, z, take(x)

    directions = (np.cos(X), np.sin(V))
    for f in (writing(write_view), writing(write_base)):
        check_jvp(f, [X, V])
        check_jvp(lambda x, v, f=f: jvp(f, (x, v), directions)[1], [X, V], tolerance=1e-6)
        second = jvp(lambda x, v, f=f: jvp(f, (x, v), directions)[1], (X, V), directions)[1]
        jet = fwdad.jet(f, (X, V), tuple([d, 0 * d] for d in directions))[1][1]
        linear = fwdad.linearize(lambda x, v, f=f: jvp(f, (x, v), directions)[1], X, V)[1](*directions)
        laplacian = fwdad.laplacian(lambda t, f=f: f(*(x + t * d for x, d in zip((X, V), directions, strict=True))))(
            0.0
        )
        for found in (jet, linear, laplacian):
            for a, b in zip(fwdad.tree.leaves(found), fwdad.tree.leaves(second), strict=True):
                expect_close(a, b, 1e-11, "second derivative")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["view", "T", "reshape", "set", "iadd", "share", "mul"]), st.integers(0, 5), st.integers(0, 5)
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_programs_of_views_and_writes(steps):
    """Any mixture of views, writes and sharing: primal and derivative of the whole program are right."""

    def program(x, v):
        names = [x * 1.0]
        for kind, i, j in steps:
            one, two = names[i % len(names)], names[j % len(names)]
            if kind == "view" and one.ndim and one.shape[0]:
                names.append(one[j % one.shape[0] :])
            elif kind == "T":
                names.append(one.T)
            elif kind == "reshape":
                names.append(one.reshape(-1))
            elif kind == "share":
                names.append(one + 0.5)  # shares one's tangent
            elif kind == "mul":
                one *= v[0] * 0.5
            elif kind == "set" and one.shape and one.shape[0]:
                one[j % one.shape[0]] = v[1]
            elif kind == "iadd" and one.shape == two.shape:
                one += two * v[2]
        return names

    check_jvp(program, [X, V], k=2, tolerance=1e-6)


def test_the_callers_arrays_and_tangents_are_left_alone():
    x, v = X.copy(), np.ones((2, 3, 4))

    def f(x):
        x[0] = 5.0
        x *= 2
        x.T[1] = 7
        return x

    y, dy = jvp(f, (x,), (v,))
    assert np.array_equal(x, X)
    assert np.all(v == 1)
    assert y[0, 0] == 10
    assert not dy[:, 0].any()


def test_a_shared_tangent_is_not_written_through():
    def f(x):
        y = x + 1
        z = np.broadcast_to(x, (2, 3, 4)) + 1
        y[0] = 0
        z[0] = 0
        return x, y, z

    check_jvp(f, [X])


def test_a_row_of_a_loop_is_a_view():
    """Gaussian elimination as it is written in NumPy."""

    def determinant(a):
        a, answer = a.copy(), 1.0
        for i in range(len(a)):
            answer = answer * a[i, i]
            for row in a[i + 1 :]:
                row -= row[i] / a[i, i] * a[i]
        return answer

    check_jvp(determinant, [X[:, :3] + np.eye(3)])


def test_a_number_is_replaced_not_written_into():
    def f(x):
        start = x
        x += 1.0
        x *= x
        return x - start

    assert derivative(f)(3.0) == 7.0
    assert jvp(f, (np.float64(3.0),), (np.float64(1.0),)) == (13.0, 7.0)

    def aliased(x):
        y = x
        y += x
        return x * y

    assert jvp(aliased, (np.float64(3.0),), (np.float64(1.0),)) == (18.0, 12.0)
    assert jvp(aliased, (np.array(3.0),), (np.array(1.0),)) == (36.0, 24.0), "an array of shape () is an array"


def twice(x):
    y = x.copy()
    z = y
    y *= 2
    y *= 3
    return z


def number_of(x):
    m = np.max(x)
    n = m
    m *= 2
    return n + m


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (twice, np.array(1.5), (9, 6)),
        (twice, np.float64(1.5), (1.5, 1)),
        (number_of, np.array([1.5, 0.5]), (4.5, 3)),
        (lambda x: np.sum(x, axis=0) + np.max(x, axis=-1), np.array(1.5), (3, 2)),
        (lambda x: np.cumsum(x, axis=0)[0], np.array(1.5), (1.5, 1)),
    ],
)
def test_arrays_of_no_axes_and_numbers(f, x, expected):
    """An array of shape () is written into, by all its names; a number is replaced."""
    y, dy = jvp(f, (x,), (np.ones_like(x),))
    assert (float(y), float(dy)) == expected
    assert float(f(x)) == expected[0]


COMPLEX = {
    "real part of a view": lambda z, r, c: z[1:].real.__setitem__(..., r[:2]),
    "imaginary entry": lambda z, r, c: z.imag.__setitem__(0, r[1]),
    "imaginary part *=": lambda z, r, c: z[::-1].imag.__imul__(r),
    "a real value": lambda z, r, c: z.__setitem__(1, r[0]),
    "a complex value": lambda z, r, c: z.__setitem__([0, 2], c[:2]),
    "a constant": lambda z, r, c: z.__setitem__(1, 2.0),
    "imaginary constant": lambda z, r, c: z.imag.__setitem__(1, 2.0),
    "*=": lambda z, r, c: z.__imul__(c),
    "add.at": lambda z, r, c: np.add.at(z.real, [0, 0], r[:2]),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_writes_into_complex_arrays(name):
    def f(a, b):
        z = (a + 1j * b) * 1.0
        COMPLEX[name](z, a * b, a - 1j * b)
        return np.real(z), np.imag(z)

    x, v = (V[:3], V[1:] - 1.0), (np.array([0.3, -1.0, 0.2]), np.array([1.0, 0.4, 0.1]))
    check_jvp(f, x)
    check_jvp(lambda a: f(a, x[1]), x[:1])
    dy = jvp(f, x, v)[1]
    second = jvp(lambda a, b: jvp(f, (a, b), v)[1], x, v)[1]
    jet = fwdad.jet(f, x, ([v[0], 0 * v[0]], [v[1], 0 * v[1]]))[1]
    sparse = fwdad.sparse_jacfwd(f, (0, 1))(*x).dense() @ np.concatenate(v)
    for i, linear in enumerate(fwdad.linearize(f, *x)[1](*v)):
        expect_close(linear, dy[i], 1e-13, "linearize")
        expect_close(jet[0][i], dy[i], 1e-13, "jet")
        expect_close(jet[1][i], second[i], 1e-12, "jet, order 2")
        expect_close(sparse[3 * i : 3 * i + 3], dy[i], 1e-13, "sparse_jacfwd")


def test_what_memory_cannot_do_is_refused():
    z = Dual(np.ones(2, complex), np.ones((1, 2), complex), new_level())
    with pytest.raises(LostDerivativeError, match="cannot be written through"):
        np.add.at(z.imag, 0, z.real[1])
    with pytest.raises(TypeError, match="float64 cannot be written into"):
        Dual(np.float64(1.0), np.ones(1), new_level())[...] = 2.0


def test_inner_values_raise_outer_room():
    """Into a Dual of the inner level goes a value of the outer one, also where the inner one did not move outside."""

    def outer(x):
        def inner(y):
            z = y * 2.0
            z[0] = x[1] * x[1]
            z += x
            w = z[1:]
            w *= x[0]
            return z * y

        return jvp(inner, (np.array([1.0, 2.0, 3.0]),), (np.array([1.0, -1.0, 0.5]),))[1]

    check_jvp(outer, [np.array([0.3, 0.7, 1.1])])


LOWER = {
    "setitem": lambda x, v: x.__setitem__(0, v),
    "+=": lambda x, v: x.__iadd__(v),
    "copyto": lambda x, v: np.copyto(x, v),
    "add.at": lambda x, v: np.add.at(x, 0, v),
    "out=": lambda x, v: np.add(v, v, out=x[0, 0:1]),
}


@pytest.mark.parametrize("name", LOWER)
def test_an_inner_dual_does_not_enter_an_outer_one(name):
    x = Dual(X, np.ones((1, 3, 4)), new_level())
    v = Dual(np.float64(1.0), np.ones(1), new_level())
    with pytest.raises(LostDerivativeError, match="lower level"):
        LOWER[name](x, v)


PLAIN = {
    "copyto": lambda a, v: np.copyto(a, v),
    "put": lambda a, v: np.put(a, [0], v),
    "place": lambda a, v: np.place(a, a > 0, v),
    "putmask": lambda a, v: np.putmask(a, a > 0, v),
    "put_along_axis": lambda a, v: np.put_along_axis(a, np.array([0]), v, 0),
    "add.at": lambda a, v: np.add.at(a, [0], v),
    "+=": lambda a, v: a.__iadd__(v),
    "setitem": lambda a, v: a.__setitem__(..., v),
    "out=": lambda a, v: np.add(v, v, out=a),
    "dual as mask": lambda a, v: np.copyto(v, 1.0, where=v),
    "dual as indices": lambda a, v: v.put(v, 1.0),
    "out= where=": lambda a, v: np.add(v, v, out=a, where=np.array([True])),
    "dual as index": lambda a, v: v.__setitem__(v, 1.0),
}


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_is_lost_in_a_plain_array(name):
    v = Dual(np.ones(1), np.ones((1, 1)), new_level())
    array = np.ones(1)
    with pytest.raises(LostDerivativeError):
        PLAIN[name](array, v)
    assert array == 1


def test_mistakes_are_numpys_and_leave_the_values():
    x = Dual(X, np.ones((1, 3, 4)), new_level())
    for error, f in [
        (IndexError, lambda: x.__setitem__(9, 1.0)),
        (ValueError, lambda: x.__setitem__(0, np.ones(3))),
        (ValueError, lambda: x[0].__iadd__(X)),
        (TypeError, lambda: x.__iadd__(1j)),
        (ValueError, lambda: np.broadcast_to(x, (2, 3, 4)).__setitem__(0, 1.0)),
        (ValueError, lambda: np.place(x, X > 0, [])),
    ]:
        with pytest.raises(error):
            f()
    assert np.array_equal(x.primal, X)
    assert np.all(x.tangent == 1)


def test_float32_stays():
    x = Dual(X.astype(np.float32), np.ones((1, 3, 4), np.float32), new_level())
    x += np.ones(4)
    x[0] = np.float64(3)
    assert x.dtype == x.tangent.dtype == np.float32


def test_dead_views_are_forgotten():
    x = Dual(np.ones(4), np.ones((1, 4)), new_level())
    for _ in range(1000):
        x[1:]
    gc.collect()
    assert len(x.views) <= 32
