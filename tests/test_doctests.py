"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import fwdad

NO_EXAMPLES = ("__main__", "_native", ".by_torch", ".by_jax")  # the last two need optional libraries
MODULES = [
    "fwdad",
    *(m.name for m in pkgutil.walk_packages(fwdad.__path__, "fwdad.") if not m.name.endswith(NO_EXAMPLES)),
]
EXTRAS = ("fwdad.sklearn",)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    # A module that needs an extra says so in its ImportError.
    module = pytest.importorskip(name, exc_type=ImportError) if name in EXTRAS else importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": importlib.import_module("numpy")})
    assert result.failed == 0
