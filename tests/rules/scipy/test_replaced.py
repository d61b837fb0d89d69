"""How SciPy's functions hear of Duals, and what they say where they cannot."""

import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad.dual import name_of
from fwdad.rules.forms import ENTRIES

linalg = pytest.importorskip("scipy.linalg", reason="SciPy is not installed")
optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


DIFFERENTIATE = "import numpy as np; fwdad.jvp({}, (np.eye(2),), (np.eye(2),))"


@pytest.mark.parametrize(
    "program",
    [
        "import fwdad, sys; assert not any(name.startswith('scipy') for name in sys.modules); "
        f"from scipy.linalg import expm; {DIFFERENTIATE.format('expm')}",
        "import scipy.linalg; import fwdad; " + DIFFERENTIATE.format("scipy.linalg.expm"),
    ],
    ids=["after", "before"],
)
def test_scipy_is_imported_by_the_program(program):
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_a_function_imported_by_name_before_says_what_to_do():
    done = run("from scipy.linalg import expm; import fwdad; " + DIFFERENTIATE.format("expm"))
    assert "scipy.linalg.expm was imported by name before fwdad" in done.stderr
    solve = "fwdad.derivative(lambda a: solve_ivp(lambda t, y: a * y, (0, 1), [1.0]).y[0, -1])(2.0)"
    done = run(f"from scipy.integrate import solve_ivp; import fwdad; {solve}")
    assert "scipy.integrate.solve_ivp was imported by name before fwdad" in done.stderr


def test_plain_arrays_meet_scipys_own_function():
    original = linalg.expm.__wrapped__
    assert linalg.expm.__module__ == "scipy.linalg"
    assert inspect.signature(linalg.expm) == inspect.signature(original)
    assert pickle.loads(pickle.dumps(linalg.expm)) is linalg.expm
    a = np.random.default_rng(0).standard_normal((4, 4))
    assert np.array_equal(linalg.expm(a), original(a))


@pytest.mark.parametrize(
    ("name", "call"),
    [("scipy.linalg.schur", lambda x: linalg.schur(x)), ("scipy.linalg.ldl", lambda x: linalg.ldl(x))],
)
def test_a_function_without_a_rule_is_named(name, call):
    with pytest.raises(fwdad.LostDerivativeError, match=name + ".*fwdad.linear"):
        fwdad.jvp(call, (np.eye(2),), (np.eye(2),))


@pytest.mark.parametrize(
    ("instead", "call"),
    [
        ("root", lambda x: optimize.brentq(lambda y: y - x[0, 0], -1.0, 2.0)),
        ("root", lambda x: optimize.newton(lambda y: y - 1.0, x[0, 0])),
        ("minimum", lambda x: optimize.minimize(lambda y: np.sum((y - x[0]) ** 2), np.zeros(2))),
        ("minimum", lambda x: optimize.minimize_scalar(lambda y: (y - x[0, 0]) ** 2)),
        ("minimum", lambda x: optimize.least_squares(lambda y: y - x[0], np.zeros(2))),
    ],
)
def test_a_solver_says_what_to_use_instead(instead, call):
    with pytest.raises(fwdad.LostDerivativeError, match=rf"scipy.optimize.\w+ computes .* fwdad.custom_{instead}"):
        fwdad.jvp(call, (np.eye(2),), (np.eye(2),))


def test_the_page_names_every_function():
    page = (Path(__file__).parents[3] / "docs" / "scipy.md").read_text(encoding="utf-8")
    names = {name_of(f).rpartition(".")[2] for f in ENTRIES if name_of(f).startswith("scipy.")}
    assert names, "no table was read"
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
