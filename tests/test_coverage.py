"""The tables against NumPy: the pages in docs/ are true, and what has no rule raises by name."""

from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad import LostDerivativeError, NoRuleError, coverage
from fwdad.dual import RULES, no_rule
from fwdad.rules.forms import ENTRIES

DOCS = Path(__file__).parents[1] / "docs"
ROWS = coverage.table()


@pytest.mark.skipif(not np.__version__.startswith("2.4."), reason="the pages list the functions of NumPy 2.4")
@pytest.mark.parametrize("name", coverage.PAGES)
def test_pages_are_what_the_tables_say(name):
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == coverage.PAGES[name](), "run: python -m fwdad.coverage docs"


def test_writes_the_pages(tmp_path):
    coverage.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(coverage.PAGES)


def test_nearly_all_differentiable_functions_have_a_rule():
    have, total = coverage.share_of_differentiable(ROWS)
    assert have >= 0.95 * total


def test_every_rule_has_an_entry():
    missing = [f for f in RULES if f not in ENTRIES]
    assert missing == []


def test_every_function_without_a_rule_says_why():
    for row in ROWS:
        if row.kind.startswith("no "):
            assert len(row.remark) > len("raises: "), row.name


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind.startswith("no ")], ids=lambda row: row.name)
def test_a_function_without_a_rule_raises_its_name(row):
    function = dict(coverage.dispatched())[row.name]
    with pytest.raises(NoRuleError, match=row.name.replace("np.linalg", "linalg")):
        no_rule(function)
    if not isinstance(function, np.ufunc):
        return

    def call(x):
        return function(*[x] * function.nin)

    with pytest.raises(NoRuleError):
        fwdad.jvp(call, (np.ones(2),), (np.ones(2),))


TAKES_PLAIN_DATA = {
    "array": lambda x: np.array(x),
    "array of a list": lambda x: np.array([x, x]),
    "full": lambda x: np.full(3, x[0]),
    "full_like": lambda x: np.full_like(np.ones(3), x[0]),
    "arange": lambda x: np.arange(x[0]),
    "frompyfunc": lambda x: np.frompyfunc(lambda v: v, 1, 1)(x),
    "fromiter": lambda x: np.fromiter(x, float),
    "r_": lambda x: np.r_[x, 1.0],
    "random": lambda x: np.random.default_rng(0).normal(x),
    "add.at": lambda x: np.add.at(np.ones(3), [0, 0], x),
    "histogram": lambda x: np.histogram(x),
    "histogram of moving edges": lambda x: np.histogram([0.5], bins=x),
    "moving quantile": lambda x: np.quantile([1.0, 2.0], x),
    "polyfit cov": lambda x: np.polyfit(x, x, 1, cov=True),
    "qr raw": lambda x: np.linalg.qr(x[:, np.newaxis], "raw"),
    "pad with a function": lambda x: np.pad(x, 1, lambda *_: None),
    "gradient of moving spacing": lambda x: np.gradient(x, x),
    "roots from infinity": lambda x: np.roots(x * [0.0, 1.0]),
    "clip out": lambda x: np.clip(x, 0, 1, out=np.ones(2)),
    "max out": lambda x: np.max(x, out=np.ones(())),
    "prod out": lambda x: np.prod(x, out=np.ones(())),
    "cumprod out": lambda x: np.cumprod(x, out=np.ones(2)),
    "nansum out": lambda x: np.nansum(x, out=np.ones(())),
    "einsum out": lambda x: np.einsum("i->", x, out=np.ones(())),
    "trace out": lambda x: np.trace(np.diag(x), out=np.ones(())),
}


@pytest.mark.parametrize("name", TAKES_PLAIN_DATA)
def test_what_wants_plain_data_raises(name):
    with pytest.raises((TypeError, ValueError)):
        fwdad.jvp(TAKES_PLAIN_DATA[name], (np.ones(2),), (np.ones(2),))


def test_add_at_says_what_to_write_instead():
    with pytest.raises(LostDerivativeError, match="bincount"):
        fwdad.jvp(TAKES_PLAIN_DATA["add.at"], (np.ones(2),), (np.ones(2),))
