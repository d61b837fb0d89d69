"""trace: rows are the user's operations, rules are those of the tables, and the numbers are jvp's."""

import html
import re

import numpy as np
import pytest
from scipy.fft import dct

import fwdad
from fwdad import functions
from fwdad.dual import RULES
from fwdad.rules.forms import ENTRIES, unary
from fwdad.transforms.written import LONGEST, UNNAMED, run_rule

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3))
W = RNG.standard_normal((3, 4))
V = np.array([-1.0, 2.0])
LABELS = np.array([1, 0])


@fwdad.custom_jvp
def cube(x):
    return x**3


@cube.defjvp
def cube_rule(primals, tangents):
    """``dy = 3 x^2 dx``."""
    (x,), (dx,) = primals, tangents
    return cube(x), 3 * x**2 * dx


@fwdad.custom_jvp
def nameless(x):
    return x


nameless.defjvp(lambda primals, tangents: (primals[0], tangents[0]))


def calls(f, *primals, **options):
    return [f"{row.name} = {row.call}; {row.rule}" for row in fwdad.trace(f, *primals, **options).rows]


ROWS = {
    "sin": (np.sin, (0.5,), "np.sin(x); dv1 = cos(x) dx"),
    "exp": (np.exp, (0.5,), "np.exp(x); dv1 = v1 dx"),
    "sqrt": (np.sqrt, (0.5,), "np.sqrt(x); dv1 = dx / (2*v1)"),
    "tanh": (np.tanh, (0.5,), "np.tanh(x); dv1 = (1 - v1)*(1 + v1) dx"),
    "arctan": (np.arctan, (0.5,), "np.arctan(x); dv1 = dx / (1 + x^2)"),
    "abs": (lambda x: abs(x), (-0.5,), "np.absolute(x); dv1 = sign(x) dx"),
    "negative": (lambda x: -x, (0.5,), "-x; dv1 = -dx"),
    "power": (lambda x: x**3, (0.5,), "x ** 3; dv1 = 3*x^2 dx"),
    "product": (lambda x, y: x * y, (0.5, 2.0), "x * y; dv1 = y dx + x dy"),
    "product with itself": (lambda x: x * x, (0.5,), "x * x; dv1 = 2*x dx"),
    "quotient": (lambda x, y: x / y, (0.5, 2.0), "x / y; dv1 = (dx - v1 dy) / y"),
    "a number": (lambda x: 1 - x, (0.5,), "1 - x; dv1 = -dx"),
    "maximum, the branch taken": (lambda a, b: np.maximum(a, b), (np.ones(2), 2.0), "np.maximum(a, b); dv1 = db"),
    "matrix product": (lambda x, w: x @ w, (X, W), "x @ w; dv1 = dx @ w + x @ dw"),
    "matrix and vector": (lambda a, b: a @ b, (X, np.ones(3)), "a @ b; dv1 = da @ b + a @ db"),
    "a constant factor": (lambda x: x @ W, (X,), "x @ c1; dv1 = dx @ c1"),
    "sum": (lambda x: x.sum(axis=0), (X,), "np.sum(x, axis=0); dv1 = np.sum(dx, axis=0)"),
    "index": (lambda x: x[1:, None], (np.ones(3),), "x[1:, None]; dv1 = dx[1:, None]"),
    "advanced index": (lambda x: x[LABELS], (np.ones(3),), "x[c1]; dv1 = dx[c1]"),
    "join": (
        lambda x: np.concatenate([x, W[0]]),
        (np.ones(3),),
        "np.concatenate([x, c1]); dv1 = np.concatenate([dx, 0])",
    ),
    "a list of numbers and arrays": (
        lambda x: np.hstack([x, [1, 2.0], x]),
        (np.ones(3),),
        "np.hstack([x, [1, 2], x]); dv1 = np.hstack([dx, [0, 0], dx])",
    ),
    "a derivative of many terms": (np.i0, (0.5,), "np.i0(x); dv1 = i0'(x) dx"),
    "max": (np.max, (np.ones(3),), "np.max(a); dv1 = sum_j share_j da_j"),
    "select": (lambda x: np.where(V > 0, x, 1), (V,), "np.where(c1, x, 1); dv1 = where(c1, dx, 0)"),
    "sum and a number": (lambda x: np.sum(x, initial=3), (V,), "np.sum(x, initial=3); dv1 = sum(dx, axis=(-1,))"),
    "jumps": (np.modf, (V,), "np.modf(x); dv1.0 = dx, dv1.1 = 0"),
    "at rest": (lambda x: x * fwdad.stop_gradient(x), (V,), "x * stop(x); dv1 = stop(x) dx"),
    "a number at rest": (lambda x: x * fwdad.stop_gradient(x), (0.5,), "x * stop(x); dv1 = stop(x) dx"),
    "a negative number": (lambda x: x * np.float64(-2.0), (0.5,), "x * -2; dv1 = -2 dx"),
    "floor": (np.floor, (np.ones(3),), "np.floor(x); dv1 = 0"),
    "cast": (lambda x: x.astype(np.float32), (0.5,), "np.astype(x, float32); dv1 = np.astype(dx, float32)"),
    "like": (lambda x: np.zeros(3, like=x), (X,), "np.zeros(3, like=x); dv1 = 0"),
    "two answers": (lambda x: np.divmod(x, 2.0), (0.5,), "np.divmod(x, 2); dv1.0 = 0, dv1.1 = dx"),
    "equation of a docstring": (
        functions.affine,
        (X, W, np.ones(4)),
        "affine(x, w, b); dv1 = act'(z) (dx w + x dw + db)",
    ),
    "absent argument": (lambda x, w: functions.affine(x, w), (X, W), "affine(x, w); dv1 = act'(z) (dx w + x dw)"),
    "cross-entropy": (
        lambda z: functions.softmax_cross_entropy(z, LABELS),
        (X,),
        "softmax_cross_entropy(z, c1); dv1 = <softmax(z) - e_label, dz>",
    ),
    "NumPy's, in C": (np.linalg.inv, (np.eye(2),), "np.linalg.inv(a); d(A^-1) = -A^-1 dA A^-1"),
    "composed": (np.std, (X,), f"np.std(a); dv1: composed, see {ENTRIES[np.std].place}"),
    "custom_jvp": (cube, (0.5,), "cube(x); dv1 = 3 x^2 dx"),
    "custom_jvp without a word": (nameless, (0.5,), "nameless(x); dv1: its own rule"),
    "linear": (fwdad.linear(lambda x: dct(x)), (np.ones(3),), "<lambda>(x); dv1 = <lambda>(dx)"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_shows_the_call_and_its_rule(name):
    f, primals, expected = ROWS[name]
    assert calls(f, *primals)[-1] == f"v1 = {expected}"


@pytest.mark.parametrize("name", ROWS)
def test_values_and_tangents_are_those_of_jvp(name):
    f, primals, _ = ROWS[name]
    tangents = tuple(RNG.standard_normal((2, *np.shape(x))) for x in primals)
    table = fwdad.trace(f, *primals, tangents=tangents)
    y, dy = fwdad.jvp(f, primals, tangents)
    for mine, theirs in ((table.y, y), (table.dy, dy)):
        for a, b in zip(fwdad.tree.leaves(mine), fwdad.tree.leaves(theirs), strict=True):
            assert np.array_equal(a, b)
    for value, a, b in zip(table.rows[-1].values, fwdad.tree.leaves(y), fwdad.tree.leaves([dy]), strict=True):
        assert np.array_equal(value.primal, a)
        assert np.array_equal(value.tangents, b) if value.tangents is not None else not b.any()


def test_the_rule_is_that_of_the_table(monkeypatch):
    f, x = lambda x: np.sin(x), 0.5
    assert calls(f, x) == ["v1 = np.sin(x); dv1 = cos(x) dx"]
    monkeypatch.delitem(RULES, np.sin)
    monkeypatch.delitem(ENTRIES, np.sin)
    unary(np.sin, lambda x, y: 3 * np.cos(x) - y)
    assert calls(f, x) == ["v1 = np.sin(x); dv1 = (3*cos(x) - v1) dx"]
    assert fwdad.trace(f, x).dy == fwdad.jvp(f, (x,), (1.0,))[1] == 3 * np.cos(x) - np.sin(x)


def network(x, w1, b1, w2, b2):
    hidden = np.tanh(x @ w1 + b1)
    return np.mean(functions.softmax_cross_entropy(hidden @ w2 + b2, LABELS))


NETWORK = X, W, np.ones(4), RNG.standard_normal((4, 3)), np.ones(3)


def test_structural_zeros_and_work_of_a_network():
    k = 5
    tangents = (None, *(RNG.standard_normal((k, *w.shape)) for w in NETWORK[1:]))
    table = fwdad.trace(network, *NETWORK, tangents=tangents)
    rows = {row.call: row for row in table.rows}
    assert [row.call for row in table.rows] == [
        "x @ w1", "v1 + b1", "np.tanh(v2)", "v3 @ w2", "v4 + b2", "softmax_cross_entropy(v5, c1)", "np.mean(v6)",
    ]  # fmt: skip
    assert rows["x @ w1"].rule == "dv1 = x @ dw1"
    assert (rows["x @ w1"].still, rows["v3 @ w2"].still) == (("x",), ())
    assert [value.name for value in table.inputs if value.tangents is None] == ["x"]
    assert (rows["x @ w1"].once, rows["x @ w1"].directions) == (2 * 3 * 4, k * 2 * 3 * 4)
    # two products and their sum
    assert (rows["v3 @ w2"].once, rows["v3 @ w2"].directions) == (2 * 4 * 3, k * (2 * 2 * 4 * 3 + 2 * 3))
    assert (rows["np.mean(v6)"].once, rows["np.mean(v6)"].directions) == (2, 2 * k)
    # tanh and (1 - y) (1 + y), then one product a direction
    assert (rows["np.tanh(v2)"].once, rows["np.tanh(v2)"].directions) == (4 * 8, k * 8)
    assert table.outputs == ("v7",)


@pytest.mark.parametrize(
    ("f", "primals", "k", "once", "directions"),
    [
        (lambda x: x + 1.0, (X,), 1, 6, 0),  # x's own tangents are the answer's
        (lambda x: x * 2.0, (X,), 3, 6, 18),
        (lambda x, y: x * y, (X, X), 3, 6, 3 * 18),
        (np.exp, (X,), 3, 6, 18),
        (lambda x: np.sum(x), (X,), 4, 6, 24),
        (lambda x: x.T[0], (X,), 4, 0, 0),
        (lambda x: np.einsum("ij,kj->ik", x, X), (X,), 4, 12, 48),
        (lambda x: np.linalg.solve(W[:, :3], x), (np.ones(3),), 2, 9 + 9, 9 + 9 + 9),
    ],
)
def test_multiply_adds_by_hand(f, primals, k, once, directions):
    tangents = tuple(np.ones((k, *x.shape)) for x in primals)
    rows = fwdad.trace(f, *primals, tangents=tangents).rows
    if "solve" in rows[-1].function:  # n^3/3 and n^2 for x, and again for all dx together
        assert rows[-1].once + rows[-1].directions == 9 + 9 + 9 + k * 9
    else:
        assert (sum(row.once for row in rows), sum(row.directions for row in rows)) == (once, directions)


def test_what_has_no_formula_is_not_counted_as_nothing():
    table = fwdad.trace(lambda x: np.linalg.svd(x + 1.0)[1], X)
    assert [row.once is None for row in table.rows] == [False, True]
    assert table.summary.endswith("without v2")


@pytest.mark.parametrize(
    ("primals", "k"),
    [((0.5,), 1), ((0.5, np.ones(3)), 4), ((np.ones(5),), 1), ((np.ones(5), 3), 1), ((np.arange(3), {"a": 1.0}), 1)],
)
def test_default_tangents_are_unit_directions_of_few_inputs_else_ones(primals, k):
    table = fwdad.trace(lambda *args: args, *primals)
    moving = [value.tangents for value in table.inputs if value.tangents is not None]
    assert table.k == k
    columns = np.concatenate([t.reshape(k, -1) for t in moving], axis=1)
    n = columns.shape[1]
    assert np.array_equal(columns, np.eye(n) if n <= 4 else np.ones((1, n)))


def test_writes_and_views_have_names():
    def f(x):
        y = np.zeros_like(x)
        part = y[1:]
        y[0] = x[1]
        part[:] = 2.0
        y += x
        return y, part

    table = fwdad.trace(f, np.ones(3))
    assert [row.call for row in table.rows] == [
        "np.zeros_like(x)", "v1[1:]", "x[1]", "v1[0] = v3", "v2'[:] = 2", "v4' + x", "v4'[...] = v6",
    ]  # fmt: skip
    assert [row.rule for row in table.rows][3:] == ["dv1[0] = dv3", "dv2'[:] = 0", "dv6 = dv4' + dx", "dv4'[...] = dv6"]
    assert table.rows[-1].values[0].primal.tolist() == [2, 3, 3]
    assert table.outputs == ("v7", "v5'")


INNER = {
    "jvp": lambda x: fwdad.jvp(lambda y: y * y * x, (x,), (2.0,))[1],
    "hessian": lambda x: fwdad.hessian(lambda y: np.sum(y**3) * x)(np.ones(2) * x),
    "linearize": lambda x: fwdad.linearize(np.sin, x)[1](x),
    "jet": lambda x: fwdad.jet(np.sin, (x,), ([1.0, 0.0],))[1],
    "laplacian": lambda x: fwdad.laplacian(lambda y: np.sum(y**3))(np.ones(2) * x),
    "trace": lambda x: fwdad.trace(lambda y: y * y, x).dy,
}


@pytest.mark.parametrize("name", INNER)
def test_transforms_inside_and_outside(name):
    f = INNER[name]
    expected = fwdad.jvp(f, (0.5,), (1.0,))
    table = fwdad.trace(f, 0.5, tangents=(1.0,))
    nested = fwdad.jvp(lambda x: fwdad.trace(f, x, tangents=(1.0,)).y, (0.5,), (1.0,))
    for got in ((table.y, table.dy), nested):
        for a, b in zip(fwdad.tree.leaves(got), fwdad.tree.leaves(expected), strict=True):
            assert np.array_equal(a, b)
    assert all(type(value.primal) is np.ndarray for row in table.rows for value in row.values)
    assert str(table)


def test_a_text_that_doubles_with_every_step_is_forgotten():
    x = fwdad.Dual(np.eye(2), np.ones((1, 2, 2)), fwdad.dual.new_level())
    _, answer = run_rule(np.linalg.matrix_power, (x, 2**16), {}, "y", lambda value: "x")
    assert UNNAMED in answer.tangent.text.words
    assert len(answer.tangent.text.words) <= LONGEST


def test_what_is_inner_is_named():
    table = fwdad.trace(lambda x: fwdad.derivative(lambda y: y**3 * x)(x), 2.0)
    assert [f"{row.call}; {row.rule}" for row in table.rows] == [
        "x ** 3; dv1 = 3*x^2 dx  (inner transform)",
        "v1 * x; dv2 = x dv1  (inner transform)",
        "v2.tangent[0]; dv3 = dv2.tangent[0]",
    ]
    assert table.rows[-1].values[0].tangents.tolist() == [36.0]


def test_outer_values_are_constants_and_shown_plain():
    tables = []
    fwdad.jvp(lambda a: tables.append(fwdad.trace(lambda x: np.sin(a) * x, 0.5)), (2.0,), (1.0,))
    (row,) = tables[0].rows
    assert (row.call, row.rule) == (f"{np.sin(2.0):.4g} * x", f"dv1 = {np.sin(2.0):.4g} dx")
    fwdad.jvp(lambda a: tables.append(fwdad.trace(lambda x: a * x, 0.5)), (V,), (V,))
    assert (tables[1].rows[0].call, tables[1].rows[0].still) == ("c1 * x", ("c1",))


def test_the_table_fits_100_columns_and_the_html_escapes():
    table = fwdad.trace(network, *NETWORK)
    lines = str(table).splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("v6 = ") for line in lines)
    page = fwdad.trace(lambda x: x < 2.0, 1.0)._repr_html_()
    assert html.escape("<lambda>") in page
    assert html.escape("x < 2") in page
    assert set(re.findall(r"</?(\w+)", page)) == {"table", "caption", "tr", "th", "td"}


def test_names_of_arguments():
    tree = {"w": [np.ones(2), 3.0]}
    assert [value.name for value in fwdad.trace(lambda model, v1: v1, tree, 1.0).inputs] == ["x0.w.0", "x0.w.1", "x1"]
    assert [value.name for value in fwdad.trace(lambda model, y: y, tree, 1.0).inputs] == [
        "model.w.0",
        "model.w.1",
        "y",
    ]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fwdad.trace(np.sin, 3), TypeError, "pass 3.0, not 3"),
        (lambda: fwdad.trace(np.sin, 3.0, tangents=(1.0, 1.0)), ValueError, "1 arguments and 2 tangents"),
        (lambda: fwdad.trace(np.sin, 3.0, tangents=(np.ones((1, 2)),)), ValueError, "argument 0"),
    ],
)
def test_errors_say_what_to_do(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_network_of_layers_shows_their_functions():
    model = fwdad.nn.Sequential([fwdad.nn.Linear(3, 4, seed=0, activation="tanh"), fwdad.nn.Linear(4, 2, seed=1)])
    x = X.astype(np.float32)
    table = fwdad.trace(lambda m: fwdad.nn.cross_entropy(m(x), LABELS), model)
    assert [row.call for row in table.rows] == [
        "affine(c1, m.layers.0.weight, m.layers.0.bias, 'tanh')",
        "affine(v1, m.layers.1.weight, m.layers.1.bias, 'identity')",
        "softmax_cross_entropy(v2, c2)",
    ]
    assert table.rows[1].rule == "dv2 = act'(z) (dv1 m.layers.1.weight + v1 dm.layers.1.weight + dm.layers.1.bias)"
    assert all(row.once is not None for row in table.rows)
