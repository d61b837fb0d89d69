"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import fwdad

NO_EXAMPLES = ("__main__", "_native")
MODULES = [
    "fwdad",
    *(m.name for m in pkgutil.walk_packages(fwdad.__path__, "fwdad.") if not m.name.endswith(NO_EXAMPLES)),
]
EXTRAS = {"fwdad.export": "onnx", "fwdad.sklearn": "sklearn"}
"""Modules whose examples need a library that an extra brings."""


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name], reason=f"{EXTRAS[name]} is not installed")
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"np": importlib.import_module("numpy")})
    assert result.failed == 0
