"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import fwdad

MODULES = [
    "fwdad",
    *(m.name for m in pkgutil.walk_packages(fwdad.__path__, "fwdad.") if not m.name.endswith(("__main__", "_native"))),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": importlib.import_module("numpy")})
    assert result.failed == 0
