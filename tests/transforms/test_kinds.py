"""No transform loses a derivative: the table of kinds, what its errors say, and a few random programs."""

import importlib.util
import sys
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad import LostDerivativeError, jvp


def load(path):
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


kinds = load(Path(__file__).parent / "kinds.py")
random_programs = load(Path(__file__).parents[2] / "benchmarks" / "random_programs.py")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinite derivatives at the roots
def test_the_table_is_what_the_transforms_do():
    assert kinds.page() == kinds.PAGE.read_text(encoding="utf-8"), "run: python tests/transforms/kinds.py"


def test_random_programs():
    """The first ones of benchmarks/random_programs.py; a program with a kink at its point has no answer."""
    answers = [random_programs.check(seed) for seed in range(15)]
    assert [answer for answer in answers if answer] == []
    assert answers.count({}) >= 12


MASKED = np.ma.masked_array([1.0, 2.0], [False, True])
MATRIX = np.ones((1, 2)).view(np.matrix)
NONE = np.array(None)
ONES = np.ones(2)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("argument 0: MaskedArray has operations of its own.*x.filled", lambda: jvp(np.sum, (MASKED,), (ONES,))),
        ("the tangent of argument 0: an array of dtype <U1", lambda: jvp(np.sum, (ONES,), (np.array(["1", "2"]),))),
        ("np.multiply: matrix", lambda: jvp(lambda x: np.multiply(x, MATRIX), (ONES,), (ONES,))),
        ("an operand: Fraction", lambda: jvp(lambda x: x * kinds.Fraction(1, 2), (1.0,), (1.0,))),
        ("the value: an array of dtype object", lambda: jvp(lambda x: x.__setitem__(0, NONE), (ONES,), (ONES,))),
        ("np.concatenate: an array of dtype datetime64", lambda: fwdad.laplacian(
            lambda x: np.concatenate([x, np.array(["2020-01-01"], "datetime64[D]")]))(ONES)),
        ("an argument that moves: MaskedArray", lambda: fwdad.jacfwd(np.sum)(MASKED)),
        (r"at name, is of type str.*fwdad\.tree\.static", lambda: fwdad.jacfwd(len)({"w": ONES, "name": "x"})),
        (r"argument 1, at a\.0, is of type object", lambda: jvp(len, (ONES, {"a": [object()]}), (ONES, {"a": [ONES]}))),
        (r"at b, has dtype int64", lambda: fwdad.laplacian(len)({"a": ONES, "b": 3})),
        (r"that moves is of type str", lambda: fwdad.jet(len, ("x",), ([1.0],))),
    ],
)  # fmt: skip
def test_arrays_of_other_meaning_are_named(words, call):
    with pytest.raises(TypeError, match=words):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda f: jvp(f, (ONES,), (ONES,)), lambda f: fwdad.jacfwd(f)(ONES), lambda f: fwdad.hessian(f)(ONES),
        lambda f: fwdad.linearize(f, ONES), lambda f: fwdad.jet(f, (ONES,), ([ONES],)),
        lambda f: fwdad.laplacian(f)(ONES), lambda f: fwdad.sparse_jacfwd(f)(ONES),
        lambda f: fwdad.sparse_hessian(f)(ONES), lambda f: fwdad.hvp(f, (ONES,), (ONES,)),
    ],
)  # fmt: skip
def test_a_derivative_does_not_hide_in_an_object(call):
    with pytest.raises(LostDerivativeError, match=r"the result is of type Polynomial.*its coef moves.*x\.coef"):
        call(lambda x: {"p": [np.polynomial.Polynomial(x)]})


def test_dicts_of_all_kinds_are_taken_and_named():
    ours, theirs = defaultdict(float, a=ONES), {"a": ONES}
    answer = fwdad.jacfwd(lambda d: OrderedDict(b=d["a"] * 2 + d["c"]))(ours)
    assert type(answer) is OrderedDict
    assert answer["b"]["a"].tolist() == [[2, 0], [0, 2]]
    with pytest.raises(ValueError, match=r"argument 0 .*defaultdict of 'a'.*got dict of 'a'"):
        jvp(lambda d: d["a"], (ours,), (theirs,))


def test_benign_arrays_are_taken(tmp_path):
    """A memory map is an array of numbers."""
    mapped = np.memmap(tmp_path / "numbers", np.float64, "w+", shape=(2,))
    mapped[...] = [1.0, 2.0]
    assert jvp(lambda x: np.sum(x * mapped), (mapped,), (ONES,)) == (5.0, 3.0)


@pytest.mark.parametrize(
    ("words", "f"),
    [
        ("np.copyto", lambda x: np.copyto(np.ones(2), x)),
        ("np.add.at.*bincount", lambda x: np.add.at(np.ones(2), [0, 1], x)),
        ("np.sin was asked", lambda x: np.sin(x, out=np.ones(2))),
        ("out= is not possible", lambda x: np.round(x, 1, x)),
        ("np.sum: out= is a plain array.*zeros_like", lambda x: np.sum(x, axis=0, out=np.zeros(()))),
    ],
)
def test_lost_writes_are_named(words, f):
    with pytest.raises(LostDerivativeError, match=words):
        jvp(f, (ONES,), (ONES,))
    with pytest.raises(LostDerivativeError, match=words):
        fwdad.laplacian(f)(ONES)
    with pytest.raises(LostDerivativeError, match=words):
        fwdad.jet(f, (ONES,), ([ONES],))


@pytest.mark.parametrize("transform", kinds.TRANSFORMS)
def test_values_can_be_printed(transform):
    """A value shows its numbers, and a number takes a format, within f under every transform."""
    said = []

    def f(x):
        y = np.sum(x * x)
        said.append(f"{x} {y:.2f} {y!r}")
        return y

    kinds.TRANSFORMS[transform][0](f, np.array([1.0, 2.0, 3.0]))
    assert all("[1. 2. 3.]" in words and "14.00" in words for words in said)
