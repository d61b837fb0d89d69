"""Every kind of direction is the ndarray that its `dense()` gives, in all that is done with it."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from fwdad import Dual, functions, jacfwd, jvp, kernels, laplacian, tree
from fwdad.dual import new_level, split
from fwdad.kernels import Window
from fwdad.tangents import KINDS, DuckTangent, as_dense, is_kind, kind_of
from fwdad.testing import expect_close

SHAPES = [(5, 6), (6,), (), (0, 6), (5, 1), (2, 5, 6), (3, 3, 2, 4)]
RNG = np.random.default_rng(5)


def example(kind, k, shape, dtype=np.float64, seed=1):
    return KINDS[kind].example(k, shape, dtype, seed)


def fits(kind, *shapes):
    """Whether a kind can be directions of arrays of these shapes."""
    return all(example(kind, 1, shape) is not None for shape in shapes)


kinds_and_shapes = pytest.mark.parametrize(
    ("kind", "shape"), [(kind, shape) for kind in KINDS for shape in SHAPES if fits(kind, shape)], ids=str
)


@kinds_and_shapes
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_looks_like_its_array(kind, k, shape, dtype):
    t = example(kind, k, shape, dtype)
    v = kind_of(t).dense()
    assert type(v) is np.ndarray
    k = len(t)  # some kinds have as many directions as columns
    assert t.shape == kind_of(t).shape == v.shape == (k, *shape)
    assert t.dtype == v.dtype == dtype
    assert (t.ndim, t.size, len(t)) == (v.ndim, v.size, k)
    assert np.array_equal(np.asarray(t), v)
    assert is_kind(t) == isinstance(t, DuckTangent)
    if is_kind(t):
        with pytest.raises(ValueError, match="no memory to share"):
            np.asarray(t, copy=False)


@kinds_and_shapes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_an_estimator_asks(kind, shape, dtype):
    t = example(kind, 4, shape, dtype)
    duties, v = kind_of(t), np.asarray(t, np.float64)
    k = len(t)
    flat = v.reshape(k, math.prod(shape))
    c, g = RNG.standard_normal(k), RNG.standard_normal(shape).astype(dtype)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    # Low-rank directions are never multiplied out, and so not rounded as their arrays are.
    exact = 1e-6 if dtype == np.float32 and kind == "low-rank" else 1e-12
    expect_close(duties.gram(), flat @ flat.T, exact, "gram")
    expect_close(duties.gram(exact=False), flat @ flat.T, tolerance, "gram, not exact")
    expect_close(duties.combine(c), np.tensordot(c, v, 1), tolerance, "combine")
    each = RNG.standard_normal((3, k))
    expect_close(duties.combine_each(each), np.tensordot(each, v, 1), tolerance, "combine each")
    expect_close(duties.inner(g), flat @ g.astype(np.float64).ravel(), tolerance, "inner")
    expect_close(np.asarray(duties.with_gram_slot()), v, 0, "with a slot")
    assert duties.to("cpu") is t
    if len(shape) == 2:
        rows = v.transpose(1, 0, 2)
        expect_close(duties.gram(per_row=True), rows @ rows.swapaxes(-1, -2), 1e-12, "gram per row")
        per_row = RNG.standard_normal((shape[0], k))
        expect_close(duties.weighted_rows(g), np.sum(v * g, axis=-1), tolerance, "weighted rows")
        expect_close(duties.combine(per_row), np.einsum("bk,kbn->bn", per_row, v), tolerance, "combine per row")


OPERATIONS = {
    "t + 1": lambda t: t + 1,
    "2 - t": lambda t: 2 - t,
    "t * row": lambda t: t * np.arange(6.0),
    "matrix * t": lambda t: np.arange(30.0).reshape(5, 6) * t,
    "t * narrow": lambda t: t * np.arange(5.0)[:, None],
    "x @ t": lambda t: np.arange(10.0).reshape(2, 5) @ t,
    "t @ w": lambda t: t @ np.arange(18.0).reshape(6, 3),
    "t @ vector": lambda t: t @ np.arange(6.0),
    "t @ wrong": lambda t: t @ np.arange(5.0),
    "t[1]": lambda t: t[1],
    "t[1:]": lambda t: t[1:],
    "t[:1]": lambda t: t[:1],
    "some rows": lambda t: t[:, np.array([3, 0, 3])],
    "no rows": lambda t: t[:, np.zeros(0, int)],
    "t[..., None, :]": lambda t: t[..., None, :],
    "reshape": lambda t: t.reshape(len(t), 30),
    "reshape by a tuple": lambda t: t.reshape((len(t), 1, 30)),
    "other k": lambda t: t.reshape(len(t) // 2, 60),
    "any": lambda t: np.any(t, axis=0),
    "any of all": lambda t: np.any(t),
    "sum": lambda t: np.sum(t, axis=(1, 2)),
    "concatenate": lambda t: np.concatenate([t, t], axis=1),
    "astype": lambda t: t.astype(np.float32),
    "t + t": lambda t: t + t,
    "broadcast": lambda t: np.broadcast_to(t[:, :1], t.shape),
    "equal": lambda t: np.equal(t, 0),
    "reduce": lambda t: np.add.reduce(t, axis=1),
    "iterate": lambda t: np.stack(list(t)),
    "copy": lambda t: t.copy(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_operations(kind, operation):
    shape = next(shape for shape in [(5, 6), (5,), (5, 6, 1, 1)] if fits(kind, shape))
    compare(example(kind, 4, shape), OPERATIONS[operation])


PADDING = [(0, 0), (0, 0), (1, 0), (0, 2), (0, 0)]
OF_IMAGES = {
    "t * image": lambda t: np.arange(60.0).reshape(2, 5, 3, 2) * t,
    "channels first": lambda t: np.transpose(t, (0, 1, 4, 2, 3)),
    "examples last": lambda t: np.transpose(t, (0, 2, 3, 4, 1)),
    "every second": lambda t: t[..., ::2, 1:, :],
    "of each example": lambda t: t[:, :, 1:4, ::-1],
    "one channel": lambda t: t[..., 1],
    "one example": lambda t: t[:, 0],
    "later examples": lambda t: t[:, 1:],
    "pad": lambda t: np.pad(t, PADDING, "constant"),
    "pad by edges": lambda t: np.pad(t, PADDING, "edge"),
    "pad by ones": lambda t: np.pad(t, PADDING, "constant", constant_values=1),
    "pad directions": lambda t: np.pad(t, [(1, 0), *PADDING[1:]], "constant"),
    "flat": lambda t: t.reshape(len(t), 2, 30),
    "flat, channels first": lambda t: np.transpose(t, (0, 1, 4, 2, 3)).reshape(len(t), 2, 30),
    "flat @ w": lambda t: t.reshape(len(t), 2, 30) @ np.arange(90.0).reshape(30, 3),
    "flat @ wide": lambda t: t.reshape(len(t), 2, 30) @ np.ones((30, 65)),
    "some of them @ w": lambda t: t[:, :, ::2, 1:].reshape(len(t), 2, 12) @ np.arange(36.0).reshape(12, 3),
    "flat @ w, some rows": lambda t: (t.reshape(len(t), 2, 30) @ np.arange(90.0).reshape(30, 3))[:, np.array([1, 1])],
    "the larger": lambda t: np.where(np.arange(20).reshape(2, 5, 2, 1) % 3 > 0, t[..., 1:, :], t[..., :-1, :]),
    "the larger @ w": lambda t: (
        np.where(np.arange(20).reshape(2, 5, 2, 1) % 3 > 0, t[..., 1:, :], t[..., :-1, :]).reshape(len(t), 2, 20)
        @ np.arange(60.0).reshape(20, 3)
    ),
    "where, by one mask": lambda t: np.where(np.arange(3)[:, None] > 1, t, 2 * t),
    "where, of an array": lambda t: np.where(np.ones((2, 5, 3, 2)) > 0, t, np.ones((len(t), 2, 5, 3, 2))),
    "where, of a number": lambda t: np.where(np.arange(60).reshape(2, 5, 3, 2) % 3 > 0, t, 0.0),
    "where, of others": lambda t: np.where(np.arange(60).reshape(2, 5, 3, 2) % 3 > 0, t, t[::-1]),
    "some rows": lambda t: t[:, np.array([1, 0, 1])],
    "no rows": lambda t: t[:, np.zeros(0, int)],
    "one more axis": lambda t: t[:, :, None],
    "one for all": lambda t: np.broadcast_to(t[:, np.array([1])], (len(t), 3, 5, 3, 2)),
    "one for all, scaled": lambda t: np.ones((3, 5, 3, 2)) * np.broadcast_to(t[:, np.array([1])], (len(t), 3, 5, 3, 2)),
    "convolved": lambda t: kind_of(t).convolved(np.arange(36.0).reshape(3, 2, 2, 3), Window((3, 2))),
}


@pytest.mark.parametrize("operation", OF_IMAGES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if fits(kind, (2, 5, 3, 2))])
def test_operations_of_images(kind, operation):
    compare(example(kind, 4, (2, 5, 3, 2)), OF_IMAGES[operation])


def compare(t, apply):
    """Compare what an operation makes of directions and of their array."""
    operation = "the operation"
    try:
        expected = apply(as_dense(t))
    except (ValueError, IndexError) as error:
        with pytest.raises(type(error)):  # each library says it in its own words
            apply(t)
        return
    found = np.asarray(apply(t))
    assert found.dtype == expected.dtype
    expect_close(found.astype(float), expected.astype(float), 1e-12, operation)


def both(f, moving, values):
    """f of Duals whose tangents are the kinds, and their arrays."""
    level = new_level()
    answers = []
    for make in (lambda t: t, as_dense):
        duals = {name: Dual(x, make(moving[name]), level) if name in moving else x for name, x in values.items()}
        answers.append(f(**duals))
    return answers


AFFINE = {"x": {2: (5, 6), 3: (2, 5, 6)}, "w": (6, 6), "b": (6,)}


def shape_of(name, axes):
    return AFFINE[name][axes] if name == "x" else AFFINE[name]


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "elu"])
@pytest.mark.parametrize(
    ("kind", "moving", "axes"),
    [
        (kind, moving, axes)
        for kind in KINDS
        for moving in ("x", "w", "b", "x b", "x w", "w b", "x w b")
        for axes in (2, 3)
        if fits(kind, shape_of(moving[0], axes))
    ],
)
@pytest.mark.parametrize("other", ["dense", "stream", "basis"])
def test_affine_layers(kind, other, moving, activation, axes):
    """Each argument moves by the kind; where several do, the first by the kind, the others by another."""
    values = {name: RNG.standard_normal(shape_of(name, axes)) for name in AFFINE}
    first, *rest = moving.split()
    tangents = {first: example(kind, 4, values[first].shape)}
    k = len(tangents[first])
    tangents |= {name: KINDS[other].example(k, values[name].shape, np.float64, 2) for name in rest}

    def two_layers(x, w, b):
        return functions.affine(functions.affine(x, w, b, activation), values["w"], None, activation)

    found, expected = both(two_layers, tangents, values)
    expect_close(found.primal, expected.primal, 1e-14, "y")
    expect_close(np.asarray(found.tangent), expected.tangent, 1e-11, "dy")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", ["none", "(N,)", "(1, N)", "all rows"])
@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (0, 3), (2, 0), (2, 4, 3), (2, 0, 3)], ids=str)
def test_affine_layers_of_odd_shapes(kind, bias, n, shape):
    """Vectors, no rows, no columns, one column, biases by row: as the plain NumPy program."""
    biases = {"none": None, "(N,)": (n,), "(1, N)": (1,) * (len(shape) - 1) + (n,), "all rows": (*shape[:-1], n)}
    shapes = {"x": shape, "w": (shape[-1], n), "b": biases[bias]}
    values = {name: None if s is None else RNG.standard_normal(s) for name, s in shapes.items()}
    for moving in ("x", "w", "b", "xwb"):
        first, *rest = moving
        if shapes[first] is None or not fits(kind, shapes[first]):
            continue
        tangents = {first: example(kind, 3, shapes[first])}
        k = len(tangents[first])
        tangents |= {name: RNG.standard_normal((k, *shapes[name])) for name in rest if shapes[name] is not None}
        found, dense = both(lambda x, w, b: functions.affine(x, w, b, "tanh"), tangents, values)
        _, plain = both(lambda x, w, b: np.tanh(x @ w if b is None else x @ w + b), tangents, values)
        for y in (found, dense):
            expect_close(y.primal, plain.primal, 1e-14, "y")
            expect_close(np.asarray(y.tangent), plain.tangent, 1e-12, "dy")


CONVOLUTION = {"x": (9, 5, 6, 2), "w": (3, 3, 2, 4), "b": (4,)}


@pytest.mark.parametrize(
    ("kind", "moving"),
    [
        (kind, moving)
        for kind in KINDS
        for moving in ("x", "w", "b", "x w", "w b")
        if fits(kind, CONVOLUTION[moving[0]])
    ],
)
def test_convolutions(kind, moving):
    values = {name: RNG.standard_normal(shape) for name, shape in CONVOLUTION.items()}
    first, *rest = moving.split()
    tangents = {first: example(kind, 3, values[first].shape)}
    tangents |= {name: example("dense", len(tangents[first]), values[name].shape) for name in rest}
    window = Window((3, 3), padding=(1, 1))
    found, expected = both(lambda x, w, b: functions.conv2d(x, w, b, window, "tanh"), tangents, values)
    expect_close(found.primal, expected.primal, 1e-14, "y")
    expect_close(np.asarray(found.tangent), expected.tangent, 1e-11, "dy")


def test_a_slot_is_filled_by_a_layer():
    v = KINDS["stream"].example(4, (200, 192), np.float32, 1).with_gram_slot()
    x = RNG.standard_normal((3, 200)).astype(np.float32)
    w = RNG.standard_normal((200, 192)).astype(np.float32)
    level = new_level()
    y = functions.affine(x, Dual(w, v, level), None, "relu")
    assert v.slot.gram is not None
    assert v.gram(exact=False) is v.slot.gram
    expect_close(v.slot.gram, kernels.gram(v), 1e-5, "the Gram matrix")
    assert v.gram() is not v.slot.gram
    again = functions.affine(x, Dual(w, v, level), None, "relu")  # the slot is full: the product alone
    expect_close(again.tangent, y.tangent, 1e-5, "dy")


def cases_of_the_rules():
    """The cases that the rules' own tests have."""
    path = Path(__file__).parents[1] / "rules" / "test_rules.py"
    spec = importlib.util.spec_from_file_location("cases_of_the_rules", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES | module.WRITES


IMAGE, PATCHES = RNG.standard_normal((1, 3, 3, 1)), RNG.standard_normal((2, 2, 1, 2))
FUNCTIONS = {
    "affine": (functions.affine, RNG.standard_normal((2, 3)), np.ones((3, 2)), np.ones(2)),
    **{name: (row.value, RNG.standard_normal((2, 3))) for name, row in functions.ACTIVATIONS.items()},
    "softmax_cross_entropy of rows": (lambda z: functions.softmax_cross_entropy(z, np.array([1, 0])), np.ones((2, 3))),
    "attention": (functions.attention, *RNG.standard_normal((3, 4, 2))),
    "standardise": (lambda x: functions.standardise(x, (-1,), 1e-3), RNG.standard_normal((2, 3))),
    "conv2d": (lambda x, w: functions.conv2d(x, w, None, Window((2, 2)), "relu"), IMAGE, PATCHES),
}
CASES = cases_of_the_rules() | FUNCTIONS


@pytest.mark.parametrize("name", CASES)
def test_rules(name):
    """Every case of every rule, with one argument after the other moving by each kind, and the others by arrays."""
    f, *arrays = CASES[name]
    for which, x in enumerate(arrays):
        for kind in KINDS:
            moving = example(kind, 2, x.shape)
            if moving is None:
                continue
            tangents = [RNG.standard_normal((len(moving), *array.shape)) for array in arrays]
            tangents[which] = moving
            level = new_level()
            by_kind, by_array = (
                tree.leaves(f(*(Dual(x, make(t), level) for x, t in zip(arrays, tangents, strict=True))))
                for make in (lambda t: t, as_dense)
            )
            for found, expected in zip(by_kind, by_array, strict=True):
                (y, dy), (expected_y, expected_dy) = (split(answer, level) for answer in (found, expected))
                np.testing.assert_allclose(y, expected_y, 1e-14, 1e-14)
                assert (dy is None) == (expected_dy is None)
                if dy is not None:
                    expect_close(np.asarray(dy), expected_dy, 1e-12, f"argument {which} moves by {kind}")


INNER = {
    "jvp": lambda f, x: jvp(f, (x,), (np.ones_like(x),))[1],
    "second": lambda f, x: jvp(lambda x: jvp(f, (x,), (x,))[1], (x,), (np.ones_like(x),))[1],
    "jacfwd": lambda f, x: jacfwd(f)(x),
    "laplacian": lambda f, x: laplacian(f)(x),
}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if fits(kind, (2, 3))])
def test_a_parameter_moves_by_a_kind_around_an_inner_transform(kind, inner):
    x = RNG.standard_normal((2, 3))
    values = {"w": RNG.standard_normal((3, 4)), "b": RNG.standard_normal((2, 4)), "v": RNG.standard_normal((4, 2))}

    def program(w, b, v):
        return INNER[inner](lambda x: functions.affine(functions.affine(x, w, b, "tanh"), v, None, "sigmoid"), x)

    for name, value in values.items():
        found, expected = both(program, {name: example(kind, 3, value.shape)}, values)
        expect_close(found.primal, expected.primal, 1e-14, "primal")
        expect_close(np.asarray(found.tangent), expected.tangent, 1e-12, name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_direction_at_all(name):
    f, *arrays = FUNCTIONS[name]
    y = f(*(Dual(x, np.zeros((0, *x.shape)), 1) for x in arrays))
    assert y.tangent.shape == (0, *y.shape)
