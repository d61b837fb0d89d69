"""Dual as an ndarray-like: operators, methods, attributes, printing, and conversions that raise."""

import copy
import math
import operator
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fwdad
from fwdad import Dual, LostDerivativeError, derivative, jvp
from fwdad.dual import new_level
from fwdad.testing import check_jvp, expect_close

X = np.random.default_rng(3).uniform(0.5, 2.0, (3, 4))
Y = np.random.default_rng(4).uniform(0.5, 2.0, (3, 4))


def dual(primal, k=2, seed=0):
    primal = np.asarray(primal)[()]
    return Dual(
        primal, np.random.default_rng(seed).standard_normal((k, *primal.shape)).astype(primal.dtype), new_level()
    )


SMOOTH = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.mod,
    lambda x, y: divmod(x, y)[1],
    lambda x, y: x @ y.T,
]


@pytest.mark.parametrize("f", SMOOTH)
@pytest.mark.parametrize("other", [Y, Y[0], 2.37, 2, np.float64(1.3)])
def test_operators_and_their_reflections(f, other):
    if f is SMOOTH[-1] and np.ndim(other) < 2:
        other = Y
    check_jvp(f, [X, Y])
    check_jvp(lambda x: f(x, other), [X])
    check_jvp(lambda x: f(other, x), [X])
    check_jvp(lambda x: f(other, x[0, 0]) if np.ndim(other) == 0 else f(other, x), [X])


@pytest.mark.parametrize("f", [operator.neg, operator.pos, abs])
def test_unary_operators(f):
    check_jvp(f, [X])


COMPARE = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.floordiv]


@pytest.mark.parametrize("f", COMPARE)
def test_comparisons_are_of_primals_and_plain(f):
    x = dual(X)
    for args, expected in (((x, Y), f(X, Y)), ((Y, x), f(Y, X)), ((x, 1), f(X, 1)), ((x, x), f(X, X))):
        answer = f(*args)
        assert isinstance(answer, np.ndarray)
        assert answer.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "f", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, operator.iand, operator.ixor]
)
def test_bit_operators_say_what_to_do(f):
    for args in ((dual(X), 1), (1, dual(X)), (dual(X), dual(X))):
        with pytest.raises(TypeError, match="combine comparisons"):
            f(*args)
    with pytest.raises(TypeError, match="combine comparisons"):
        ~dual(X)


class Deferring:
    __array_ufunc__ = None

    def __radd__(self, other):
        return "theirs"


def test_an_operand_that_asks_for_it_decides():
    assert dual(X) + Deferring() == "theirs"


METHODS = {
    "sum": lambda x: x.sum(axis=1),
    "mean": lambda x: x.mean(0),
    "prod": lambda x: x.prod(axis=0),
    "max": lambda x: x.max(axis=1, keepdims=True),
    "min": lambda x: x.min(),
    "var": lambda x: x.var(ddof=1),
    "std": lambda x: x.std(axis=0),
    "cumsum": lambda x: x.cumsum(axis=1),
    "cumprod": lambda x: x.cumprod(axis=0),
    "ravel": lambda x: x.ravel(),
    "flatten": lambda x: x.flatten(),
    "reshape": lambda x: x.reshape(2, 6),
    "transpose": lambda x: x.transpose(1, 0),
    "transpose none": lambda x: x.transpose(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "take": lambda x: x.take([2, 1]),
    "clip": lambda x: x.clip(0.7, 1.2),
    "dot": lambda x: x.dot(Y.T),
    "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(float),
    "real": lambda x: x.real,
    "conj": lambda x: x.conj(),
    "conjugate": lambda x: x.conjugate(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "np.copy": np.copy,
    "flat": lambda x: sum(i * v for i, v in enumerate(x.flat)),
    "flat item": lambda x: x.flat[5] * x.flat[2:4],
    "rows": lambda x: sum(i * row for i, row in enumerate(x)),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    check_jvp(METHODS[name], [X], tolerance=1e-6)
    f = METHODS[name]
    check_jvp(lambda x: jvp(f, (x,), (np.cos(X),))[1], [X], tolerance=1e-5)


def test_methods_without_derivative_are_plain():
    x = dual(X)
    for f in (
        lambda x: x.argmax(axis=1),
        lambda x: x.argmin(),
        lambda x: x.argsort(),
        lambda x: x.nonzero()[0],
        lambda x: x.all(),
        lambda x: x.any(axis=0),
        lambda x: x.round(1),
        lambda x: x.astype(int),
        lambda x: x[0].searchsorted(1.0),
        lambda x: x.argpartition(1),
        lambda x: np.zeros_like(x, int),
        lambda x: round(x[0, 0]),
    ):
        answer, expected = f(x), f(X)
        assert type(answer) is not Dual
        assert np.array_equal(answer, expected)


def test_attributes_are_the_primals():
    x = dual(X)
    for name in ("shape", "ndim", "size", "dtype", "itemsize", "nbytes", "device"):
        assert getattr(x, name) == getattr(X, name)
    assert x.k == 2
    assert len(x) == 3
    assert X[1, 2] in x
    assert 7.0 not in x
    assert x.to_device("cpu") is x


def test_a_number_has_no_length_and_no_entries():
    x = dual(2.0)
    for f in (len, iter, lambda x: x.__setitem__(0, 1.0)):
        with pytest.raises(TypeError):
            f(x)
    with pytest.raises(IndexError):
        x[0]


def test_truth_is_the_primals():
    assert dual(2.0)
    assert not dual(0.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(dual(X))


def test_astype_drops_nothing_in_silence():
    z = dual(X + 0j)
    assert np.array_equal(z.imag.primal, np.zeros((3, 4)))
    assert dual(X).astype(np.complex128).tangent.dtype == np.complex128
    with pytest.raises(LostDerivativeError, match=r"\.real"):
        z.astype(float)


def test_printing_shows_primal_and_tangent():
    x = Dual(np.float64(2.0), np.array([1.0, 0.5]), new_level())
    assert repr(x) == str(x) == f"{x}" == "Dual(primal=2.0, tangent=[1.  0.5])"
    assert f"{x:.2f}" == "Dual(primal=2.00, tangent=[1.00, 0.50])"
    nested = Dual(x, np.ones(1), new_level())
    assert repr(nested) == "Dual(primal=Dual(primal=2.0, tangent=[1.  0.5]), tangent=[1.])"
    with pytest.raises(TypeError):
        f"{dual(X):.2f}"


WAYS_OUT = {
    "float": float,
    "int": int,
    "complex": complex,
    "index": operator.index,
    "math.exp": math.exp,
    "math.floor": math.floor,
    "asarray": np.asarray,
    "np.array of duals": lambda x: np.array([x, x]),
    "from_dlpack": np.from_dlpack,
    "dlpack device": lambda x: x.__dlpack_device__(),
    "slice": lambda x: [1, 2][:x],
    "range": range,
    **{f"x.{name}": operator.methodcaller(name) for name in ("item", "tolist", "tobytes", "view", "byteswap", "dumps")},
}


@pytest.mark.parametrize("name", WAYS_OUT)
def test_every_way_out_raises(name):
    with pytest.raises(LostDerivativeError):
        WAYS_OUT[name](dual(1.0))


def test_hash_pickle_and_buffers():
    x = dual(X)
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(x)
    with pytest.raises(TypeError, match="bytes-like"):
        memoryview(x)
    for name in ("__array_interface__", "__array_struct__", "__buffer__", "ctypes", "data"):
        assert not hasattr(x, name)


SINGULAR = np.array([0.0, -0.0, 1.0, -2.0, 1e200, 1e-200, np.inf, -np.inf, np.nan])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("f", [np.divide, np.multiply, np.maximum, np.minimum])
def test_a_shortcut_is_the_partials(f):
    """Entry by entry: the shortcut is taken for regular entries, the row's partials decide for all together."""
    for y in SINGULAR:
        together = [
            f(*(Dual(a, np.ones((2, *SINGULAR.shape)) * v, 1) for a, v in ((SINGULAR, 1.5), (y + 0 * SINGULAR, w))))
            for w in (0.0, 1.0)
        ]
        for i, x in enumerate(SINGULAR):
            for total, w in zip(together, (0.0, 1.0), strict=True):
                alone = f(Dual(np.float64(x), np.array([1.5]), 1), Dual(np.float64(y + 0 * x), np.array([w]), 1))
                if np.isfinite(alone.primal):
                    expected, got = total.tangent[0, i], alone.tangent[0]
                    assert np.array_equal(expected, got, equal_nan=True) or abs(got - expected) <= 1e-14 * abs(
                        expected
                    ), (x, y)


@pytest.mark.parametrize(
    "f", [np.sqrt, np.cbrt, np.log, np.log2, np.log10, np.log1p, lambda x: 1 / x, lambda x: x**-1.0]
)
def test_what_does_not_move_stays_zero(f):
    for x in (0.0, -1.0, 1e-310, 1e-200, np.inf, np.nan, 1.0):
        with np.errstate(all="ignore"):
            dy = jvp(f, (np.array([x, 2.0]),), (np.array([[0.0, 0.0], [0.0, 1.0]]),))[1]
        assert dy[0].tolist() == [0, 0], x
        assert dy[1, 0] == 0
        assert dy[1, 1] == pytest.approx(derivative(f)(2.0), rel=1e-15)


def test_threads():
    def work(seed):
        x = np.random.default_rng(seed).uniform(0.5, 2, 50)

        def f(x):
            y = x.copy()
            for i in range(1, 50):
                y[i] = y[i] * y[i - 1] / (1 + y[i])
            y[::2] *= 3
            return y

        return jvp(f, (x,), (np.eye(50),))[1]

    with ThreadPoolExecutor(4) as pool:
        for seed, jacobian in enumerate(pool.map(work, range(12))):
            expect_close(jacobian, work(seed), 1e-15, "threads")


def test_a_dual_is_exported():
    assert fwdad.Dual is Dual


SHOWN = {
    "several lines": (
        lambda: said(np.zeros((2, 2)), np.ones((1, 2, 2))),
        "Dual(\n  primal=[[0. 0.]\n          [0. 0.]],\n  tangent=[[[1. 1.]\n            [1. 1.]]])",
    ),
    "many entries": (
        lambda: said(np.zeros((5, 20)), np.ones((3, 5, 20))),
        "Dual(primal=<float64 (5, 20)>, tangent=<float64 (3, 5, 20)>)",
    ),
    "an inner level": (
        lambda: said(np.zeros(2), np.ones((1, 2)), lambda x: fwdad.Dual(x, x[np.newaxis], 10**9)),
        "Dual(primal=Dual(primal=[0. 0.], tangent=[[1. 1.]]), tangent=Dual(primal=[[0. 0.]], tangent=[[[1. 1.]]]))",
    ),
    "a linear map": (
        lambda: repr(fwdad.linearize(lambda x, y: (np.sin(x), np.sum(y), 1.0), np.zeros(2), np.zeros((2, 3)))[1]),
        "LinearMap((2,), (2, 3) -> (2,), (), (); 2 steps)",
    ),
    "a colouring": (lambda: repr(fwdad.colouring(np.sin, np.ones(3))), "Colouring of sin: 3 x 3, 3 entries"),
    "a custom_jvp": (lambda: repr(fwdad.custom_jvp(np.sin)), "<custom_jvp sin>"),
}


def said(primal, tangent, inner=lambda x: x):
    """What a Dual prints inside f."""
    words = []
    fwdad.jvp(lambda x: words.append(repr(inner(x))), (primal,), (tangent,))
    return words[0]


@pytest.mark.parametrize("name", SHOWN)
def test_what_things_print(name):
    call, expected = SHOWN[name]
    assert call() == expected
