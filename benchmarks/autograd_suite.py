"""autograd's test suite on plain NumPy and SciPy: its modules stand for NumPy's, its derivatives are ours.

    git clone https://github.com/HIPS/autograd
    python benchmarks/autograd_suite.py autograd/tests

A test is portable if it uses autograd's functions of functions, and nothing of its tracer. `check_grads` compares our
first and second derivatives along random directions with central differences, for real and for complex arguments. The
tally counts what passes, what raises, and what is wrong; the names of the last two are printed.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fwdad
from fwdad import tree


class NotPortable(ImportError):
    """The suite asks for a part of autograd that is no function of functions."""


def numbers(x: Any) -> np.ndarray:
    """Return all real numbers in a tree; a complex one is two."""
    parts = [np.reshape(part, -1) for leaf in tree.leaves(x) for part in halves(leaf)]
    return np.concatenate(parts) if parts else np.zeros(0)


def halves(leaf: Any) -> list[Any]:
    """Return the real and the imaginary part of what is complex."""
    complex_one = getattr(leaf, "dtype", np.asarray(0)).kind == "c" or isinstance(leaf, complex)
    if complex_one:
        return [np.real(leaf), np.imag(leaf)]
    return [leaf if hasattr(leaf, "shape") else np.asarray(leaf, float)]


def rebuilt(x: Any, vector: Any) -> Any:
    """Put numbers back into a tree."""
    leaves, structure = tree.flatten(x)
    made, at = [], 0
    for leaf in leaves:
        parts = []
        for half in halves(leaf):
            shape = np.shape(half)
            size = int(np.prod(shape, dtype=int))
            parts.append(np.reshape(vector[at : at + size], shape)[()] if shape == () else np.reshape(vector[at : at + size], shape))
            at += size
        made.append(parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0])
    return tree.unflatten(structure, made)
