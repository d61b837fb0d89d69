"""The rows of scipy.special's table, against the mathematics; a derivative that is not known raises by name."""

import sys

import numpy as np
import pytest

import fwdad
from fwdad.dual import RULES
from fwdad.rules import special
from fwdad.rules.forms import ENTRIES
from fwdad.testing import check_jvp

sp = pytest.importorskip("scipy.special", reason="SciPy is not installed")
UNARY, BINARY = special.rows(sp)


def name(row):
    return row.function.__name__


@pytest.mark.parametrize("row", UNARY, ids=name)
def test_unary(row):
    x = np.linspace(*row.domain, 6)
    check_jvp(row.function, [x], tolerance=1e-6)
    y, dy = fwdad.jvp(row.function, (x.astype(np.float32),), (np.ones((2, 6), np.float32),))
    assert y.dtype == dy.dtype == np.float32


UNKNOWN = {
    "gammainc": "x", "gammaincc": "x", "_zeta": "x", "jv": "x", "yv": "x", "iv": "x", "ive": "x", "kv": "x",
    "huber": "x", "pseudo_huber": "x", "boxcox": "y", "inv_boxcox": "y",
}  # fmt: skip
"""The argument by which a row has no derivative."""


@pytest.mark.parametrize("row", BINARY, ids=name)
@pytest.mark.parametrize("by", ["x", "y"])
def test_binary(row, by):
    x, y = np.linspace(*row.domain, 6), np.linspace(*row.domain, 6)[::-1] + 0.1
    f, point = (lambda x: row.function(x, y), x) if by == "x" else (lambda y: row.function(x, y), y)
    if UNKNOWN.get(name(row)) == by:
        with pytest.raises(fwdad.LostDerivativeError, match=name(row).strip("_") + r" .*stop_gradient"):
            fwdad.jvp(f, (point,), (point,))
    else:
        check_jvp(f, [point], tolerance=1e-6)


@pytest.mark.parametrize("row", BINARY, ids=name)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_, np.float16])
def test_constants_of_narrow_dtypes(row, dtype):
    moving, constant = np.array([0.5, 1.5]), np.array([1, 3]).astype(dtype)

    def by_x(c):
        return fwdad.jvp(lambda x: row.function(x, c), (moving,), (np.ones(2),))

    def by_y(c):
        return fwdad.jvp(lambda y: row.function(c, y), (moving,), (np.ones(2),))

    for argument, along in {"x": by_x, "y": by_y}.items():
        if UNKNOWN.get(name(row)) != argument:
            assert np.array_equal(along(constant), along(constant.astype(np.float64)))


def test_constants_are_plain():
    seen = []
    fwdad.jvp(lambda x: (seen.extend((sp.round(x), sp.gammasgn(x))), x)[1], (np.array([0.6, -1.5]),), (np.ones(2),))
    assert [answer.tolist() for answer in seen] == [[1, -2], [1, 1]]


def test_the_table_is_read_once(monkeypatch):
    special.load()
    assert sp.erf in ENTRIES
    before = dict(RULES)
    special.load()
    assert before == RULES
    monkeypatch.delitem(sys.modules, "scipy.special")
    special.load()
