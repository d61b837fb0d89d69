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


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": importlib.import_module("numpy")})
    assert result.failed == 0
