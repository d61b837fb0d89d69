"""autograd's own tests, on plain NumPy and SciPy: its modules stand for theirs, and its derivatives are ours.

    git clone https://github.com/HIPS/autograd
    python benchmarks/autograd_suite.py autograd/tests

A test is portable if it uses functions of functions and NumPy's names, and nothing of autograd's tracer; ``np.array``
of moving values is written with ``like=``. `check_grads` compares our first and second derivatives along random
directions with central differences, for real and complex arguments. The tally counts what passes, what raises and what
is wrong; the last two are listed by name.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Callable
from functools import wraps
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fwdad
from fwdad import Dual, tree

STEP = 1e-6

OWN = {
    "test_grad_complex_output", "test_rfftn_odd_not_implemented", "test_assignment_raises_error", "test_nograd",
    "test_wrapped_name_and_docs", "test_unimplemented_falseyness",
    "test_custom_where_dtypes", "test_custom_where", "test_make_diagonal", "test_diagonal", "test_pinv",
    "test_r_basic", "test_r_double", "test_r_node_and_const", "test_r_mixed", "test_r_slicing", "test_c_",
    "test_c_mixed",
}  # fmt: skip
"""Tests of autograd's own: what it refuses, its names and its np.where, np.linalg._dot, np.r_ and np.c_."""


class NotPortable(Exception):
    """The test uses a part of autograd that is no function of functions."""


def real_parts(x: Any) -> list[Any]:
    """List the real arrays that a tree holds: a complex one gives two."""
    parts = []
    for leaf in tree.leaves(x):
        array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)[()]
        parts += [np.real(array), np.imag(array)] if array.dtype.kind == "c" else [array]
    return parts


def with_parts(x: Any, parts: list[Any]) -> Any:
    """Put real arrays in the places of those that a tree holds."""
    leaves, structure = tree.flatten(x)
    given = iter(parts)
    made = []
    for leaf in leaves:
        is_complex = np.iscomplexobj(leaf)
        made.append(next(given) + 1j * next(given) if is_complex else next(given))
    return tree.unflatten(structure, made)


def as_floats(x: Any) -> Any:
    """Make floats of a tree's integers."""
    return tree.map(lambda leaf: leaf if np.result_type(leaf).kind in "fc" else np.asarray(leaf, float)[()], x)


def random_like(parts: list[Any]) -> list[Any]:
    """Draw a direction."""
    random = np.random.default_rng(0)
    return [random.standard_normal(np.shape(part)).astype(part.dtype) for part in parts]


def numeric(f: Callable[..., list[Any]], parts: list[Any], v: list[Any]) -> list[Any]:
    """Differentiate along v by central differences."""
    there, back = (f(*(x + s * STEP * t for x, t in zip(parts, v, strict=True))) for s in (1, -1))
    return [(a - b) / (2 * STEP) for a, b in zip(there, back, strict=True)]


def compare(found: Any, expected: Any) -> None:
    """Assert that two lists of arrays agree to the accuracy of differences."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        size = 1 + np.max(np.abs(b), initial=0)
        assert np.shape(a) == np.shape(b), f"WRONG: shape {np.shape(a)}, expected {np.shape(b)}"
        assert np.all(np.abs(a - b) <= 2e-4 * size), f"WRONG: {a}, expected {b}"


def check_grads(f: Callable[..., Any], argnum: Any = None, modes: Any = (), order: int = 2) -> Callable[..., None]:
    """Compare first and second derivatives with differences."""

    def check(*args: Any, **kwargs: Any) -> None:
        places = range(len(args)) if argnum is None else [argnum] if isinstance(argnum, int) else argnum
        x = as_floats([args[i] for i in places])
        parts = real_parts(x)

        def of_parts(*moving: Any) -> list[Any]:
            given = list(args)
            for i, value in zip(places, with_parts(x, list(moving)), strict=True):
                given[i] = value
            return real_parts(f(*given, **kwargs))

        v, w = random_like(parts), random_like(parts)

        def along(*moving: Any) -> list[Any]:
            dy = fwdad.jvp(of_parts, tuple(moving), tuple(v))[1]
            return [0.0 if d is None else d for d in dy]

        compare(along(*parts), numeric(of_parts, parts, v))
        if order > 1:
            compare(fwdad.jvp(along, tuple(parts), tuple(w))[1], numeric(along, parts, w))

    return check


def combo_check(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., None]:
    """Check all combinations of arguments."""

    def check(*choices: Any, **named: Any) -> None:
        for given in product(*choices):
            for values in product(*named.values()):
                check_grads(f, *args, **kwargs)(*given, **dict(zip(named, values, strict=True)))

    return check


def check_equivalent(x: Any, y: Any) -> None:
    """Assert that two trees are the same."""
    compare(real_parts(x), real_parts(y))


def of_one_argument(f: Callable[..., Any], argnum: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return f as a function of the argument, or of the tuple of arguments, that argnum names; and that argument."""
    several = isinstance(argnum, (tuple, list))
    places = list(argnum) if several else [argnum]

    def g(moving: Any) -> Any:
        given = list(args)
        for i, value in zip(places, moving if several else [moving], strict=True):
            given[i] = value
        return f(*given, **kwargs)

    return g, as_floats(tuple(args[i] for i in places) if several else args[argnum])


def operator(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operator of functions with argnum of a transform ``(g, x) -> answer``."""

    @wraps(transform)
    def of_function(f: Callable[..., Any], argnum: Any = 0) -> Callable[..., Any]:
        return lambda *args, **kwargs: transform(*of_one_argument(f, argnum, args, kwargs))

    return of_function


def with_vector(transform: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operator of functions whose last argument is a vector, of ``(g, x, v) -> answer``."""

    def of_function(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
        return lambda *args, **kwargs: transform(*of_one_argument(f, argnum, args[:-1], kwargs), args[-1])

    return of_function


def gradient(f: Callable[..., Any], x: Any) -> tuple[Any, Any]:
    """Return f(x) and its gradient; of complex x, ``df/da - i df/db``."""
    parts = real_parts(x)
    y, blocks = fwdad.value_and_jacfwd(lambda parts: f(with_parts(x, parts)))(parts)
    if np.size(y) != 1:
        raise TypeError("Grad only applies to real scalar-output functions")
    blocks = [
        np.zeros_like(p) if b is None else np.real(b).reshape(p.shape)
        for b, p in zip(blocks or [None] * len(parts), parts, strict=True)
    ]
    blocks = [b.astype(p.dtype) for b, p in zip(blocks, parts, strict=True)]
    return y, tree.map(lambda g, leaf: np.conj(g) if np.iscomplexobj(leaf) else g, with_parts(x, blocks), x)


def tree_dot(v: Any, y: Any) -> Any:
    """Return the inner product of two trees."""
    return sum(np.sum(a * b) for a, b in zip(tree.leaves(v), tree.leaves(y), strict=True))


def vector_product(f: Callable[..., Any], x: Any) -> tuple[Callable[[Any], Any], Any]:
    """Return ``v -> J^T v`` and f(x)."""
    return lambda v: gradient(lambda x: tree_dot(v, f(x)), x)[1], f(x)


def gauss_newton(f: Callable[..., Any], g: Any = lambda y: np.dot(y, y) / 2) -> Callable[..., Any]:
    """Return ``x -> v -> J^T H J v``."""

    def at(x: Any) -> Callable[[Any], Any]:
        j, h = fwdad.jacfwd(f)(x), fwdad.hessian(g)(f(x))
        return lambda v: j.T @ (h @ (j @ v))

    return at


def not_portable(*_: Any, **__: Any) -> Any:
    """Stop a test that uses autograd's tracer."""
    raise NotPortable


def autograd() -> ModuleType:
    """Make the module that the suite imports."""
    top = module("autograd", not_portable)
    top.__dict__.update(
        grad=operator(lambda f, x: gradient(f, x)[1]),
        value_and_grad=operator(gradient),
        grad_and_aux=operator(lambda f, x: (gradient(lambda x: f(x)[0], x)[1], f(x)[1])),
        elementwise_grad=operator(lambda f, x: fwdad.jvp(f, (x,), (np.ones_like(x),))[1]),
        deriv=operator(lambda f, x: fwdad.jvp(f, (x,), (np.ones_like(x),))[1]),
        holomorphic_grad=operator(lambda f, x: fwdad.jacfwd(f)(x)),
        jacobian=operator(lambda f, x: fwdad.jacfwd(f)(x)),
        hessian=operator(lambda f, x: fwdad.hessian(f)(x)),
        make_jvp=operator(lambda f, x: lambda v: fwdad.jvp(f, (x,), (v,))),
        make_vjp=operator(vector_product),
        make_hvp=operator(lambda f, x: (lambda v: fwdad.hvp(f, (x,), (v,))[0], None)),
        hessian_tensor_product=with_vector(lambda f, x, v: fwdad.hvp(f, (x,), (v,))[0]),
        tensor_jacobian_product=with_vector(lambda f, x, v: np.tensordot(v, fwdad.jacfwd(f)(x), np.ndim(v))),
        make_ggnvp=gauss_newton,
        checkpoint=lambda f: f,
        tuple=tuple, list=list, dict=dict, isinstance=isinstance, type=type,
    )  # fmt: skip
    return top


def module(name: str, missing: Any) -> ModuleType:
    """Make a module, whose missing names stand for what is not portable."""
    made: Any = ModuleType(name)
    made.__getattr__ = lambda attribute: raising(attribute) if attribute[:2] == "__" else missing
    sys.modules[name] = made
    return made


def raising(name: str) -> Any:
    """Raise AttributeError."""
    raise AttributeError(name)


def array(values: Any, *args: Any, **kwargs: Any) -> Any:
    """Call np.array, with ``like=`` the first Dual among the values."""
    first = next((leaf for leaf in tree.leaves(values) if isinstance(leaf, Dual)), None)
    return np.array(values, *args, **kwargs, like=first)


def namespace(name: str, library: ModuleType) -> ModuleType:
    """Make a module with the names of NumPy or SciPy."""
    made: Any = ModuleType(name)
    made.__getattr__ = lambda attribute: getattr(library, attribute)
    if library is np:
        made.array = array
    made.__path__ = []
    return made


class Libraries:
    """Finds autograd.numpy.NAME and autograd.scipy.NAME: the libraries' own modules."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of a module that is NumPy's or SciPy's."""
        own = name.removeprefix("autograd.")
        if own == name or own.partition(".")[0] not in ("numpy", "scipy"):
            return None
        return importlib.machinery.ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> ModuleType:
        """Return the library's module."""
        parent, _, name = spec.name.removeprefix("autograd.").rpartition(".")
        if not parent:
            return namespace(spec.name, importlib.import_module(name))
        try:
            return importlib.import_module(f"{parent}.{name}")
        except ModuleNotFoundError:
            found: ModuleType = getattr(importlib.import_module(parent), name)
            return found

    def exec_module(self, made: ModuleType) -> None:
        """Leave it as it is."""


class Tally:
    """Counts what the tests did."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.raised: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        self.other: list[str] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Sort a test by its outcome."""
        yield
        if call.when != "call":
            return
        name, error = item.nodeid.rpartition("/")[2], call.excinfo.value if call.excinfo else None
        if error is None and item.originalname not in OWN:
            self.passed.append(name)
        elif isinstance(error, (NotPortable, pytest.skip.Exception)) or item.originalname in OWN:
            self.other.append(name)
        elif isinstance(error, AssertionError):
            self.wrong[name] = str(error).splitlines()[0][:150] if str(error) else "assert"
        else:
            self.raised[name] = f"{type(error).__name__}: {str(error)[:150]}"


def main(folder: str, *options: str) -> None:
    """Run the suite, and print the tally."""
    top: Any = autograd()
    top.__path__ = []
    sys.meta_path.insert(0, Libraries())  # type: ignore[arg-type]
    module("autograd.test_util", not_portable).__dict__.update(
        check_grads=check_grads, combo_check=combo_check, check_equivalent=check_equivalent,
        scalar_close=lambda a, b: abs(a - b) < 1e-5 or abs(a - b) / abs(a + b) < 1e-5,
    )  # fmt: skip
    for name in ("core", "extend", "tracer", "builtins", "misc", "wrap_util", "util", "differential_operators"):
        module(f"autograd.{name}", not_portable).__dict__.update(tuple=tuple, list=list, isinstance=isinstance)
    sys.modules["autograd.core"].__dict__["make_vjp"] = vector_product
    sys.modules["autograd.wrap_util"].__dict__["unary_to_nary"] = operator
    tally = Tally()
    settings = ["-c", os.devnull, f"--rootdir={folder}"]  # the suite's ask for plugins that it does not need here
    quiet = ["-q", "--continue-on-collection-errors", "--no-header", "-p", "no:cacheprovider"]
    pytest.main([folder, *settings, *quiet, *options], plugins=[tally])
    portable = len(tally.passed) + len(tally.raised) + len(tally.wrong)
    for what, names in (("raises", tally.raised), ("wrong", tally.wrong)):
        for name, error in names.items():
            print(f"{what}: {name}: {error}")
    print(
        f"{len(tally.passed)} of {portable} portable tests pass ({len(tally.passed) / portable:.1%}), "
        f"{len(tally.raised)} raise, {len(tally.wrong)} are wrong; {len(tally.other)} are not portable"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
