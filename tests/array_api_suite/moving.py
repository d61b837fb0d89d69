"""NumPy for the Array API test suite, in which every floating array is a Dual.

The suite (github.com/data-apis/array-api-tests, no package) creates arrays by the functions of the namespace under
test and compares values. Here the creation functions attach two tangents, so that the whole suite judges the primals
that come out of the rules. See README.md in this folder.
"""

import functools
import operator
import sys
from types import ModuleType

import numpy as np

import fwdad
from fwdad.dual import Dual, new_level, plain
from fwdad.transforms.repeated import SplittingLevel

LEVEL = SplittingLevel(new_level())  # as in jvp
CREATION = [
    "asarray", "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "zeros",
    "zeros_like", "astype", "tril", "triu", "meshgrid",
]  # fmt: skip


def moving(array):
    """A floating array as a Dual; anything else as it is."""
    if isinstance(array, (list, tuple)):
        return type(array)(moving(a) for a in array)
    if not isinstance(array, (np.ndarray, np.generic)) or not np.issubdtype(array.dtype, np.inexact):
        return array
    tangent = np.random.default_rng(0).standard_normal((2, *array.shape)).astype(array.dtype)
    return Dual(np.asarray(array), tangent, LEVEL)


def _creating(function):
    return functools.wraps(function)(lambda *args, **kwargs: moving(function(*args, **kwargs)))


class Namespace(ModuleType):
    def __getattr__(self, name):
        return getattr(fwdad.array_api, name)


# The suite reads numbers out of its results, which is just what a Dual forbids.
for _name, _convert in {"float": float, "int": int, "complex": complex, "index": operator.index}.items():
    setattr(Dual, f"__{_name}__", lambda self, _convert=_convert: _convert(plain(self)))
Dual.__array_namespace__ = lambda self, *, api_version=None: xp

xp = Namespace("moving")
for _name in CREATION:
    setattr(xp, _name, _creating(getattr(fwdad.array_api, _name)))
sys.modules["moving_namespace"] = xp
