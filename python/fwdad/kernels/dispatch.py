"""A kernel is a contract with several bodies; this file says what that means and finds the native bodies.

The module `fwdad._native` holds the C++ bodies. Where it was not built, every kernel still runs by its NumPy reference.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """One row of the list of kernels.

    `bodies` maps a body's name to a function; all of them take the same, already validated, arguments and keep the same
    `contract`. The first is always the NumPy reference, which is the specification; a faster body comes after it. The
    body "cuda" takes arrays on a CUDA device.
    """

    name: str
    contract: str
    bodies: dict[str, Callable[..., Any]]

    @functools.cached_property
    def best(self) -> Callable[..., Any]:
        """The last body of the list that takes arrays in main memory: each is faster than those before it."""
        return [body for name, body in self.bodies.items() if name != "cuda"][-1]

    def on(self, device: str) -> Callable[..., Any]:
        """The body for arrays on a device, "cpu" or "cuda:N"."""
        return self.best if device == "cpu" else self.bodies["cuda"]


def load(name: str) -> ModuleType | None:
    """An extension module, or None where it was not built."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


native: ModuleType | None = load("fwdad._native")
"""The extension module, or None where it was not built."""

cuda: ModuleType | None = load("fwdad._cuda")
"""The extension module for CUDA devices, or None where it was not built; importing it asks for no driver."""


def bodies(reference: Callable[..., Any], native_body: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The table of bodies of one kernel: the reference, then the native body where the extension was built."""
    return {"reference": reference} | ({} if native is None else {"native": native_body})


def set_num_threads(n: int) -> None:
    """Use `n` threads in native kernels from now on (results have the same bits for any `n`).

    The default is `$FWDAD_NUM_THREADS`, or else the number of cores that this process may run on. The variable is read
    when a kernel first runs; a bad value is a ValueError there.

    Raises:
        TypeError: `n` is not an integer.
        ValueError: `n` is below 1.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: n: expected an int, given {type(n).__name__}")
    if not 1 <= n <= 1024:
        raise ValueError(f"set_num_threads: n: expected 1 <= n <= 1024, given {n}")
    if native is not None:
        native.set_num_threads(n)


def get_num_threads() -> int:
    """The number of threads that native kernels use; 1 where there are none (NumPy's threads are its own matter)."""
    return 1 if native is None else int(native.get_num_threads())


def info() -> dict[str, Any]:
    """What the kernels run on: `isa` (the one chosen), `isas` (built), `threads`, `compiler`, `cuda`.

    `cuda` says what for the CUDA kernels were built, or why not. Without native kernels `isa` and `compiler` are None.
    """
    if native is None:
        return {"isa": None, "isas": [], "threads": 1, "compiler": None, "cuda": "not built: no native kernels were"}
    about = native.info()
    about["cuda"] = f"not built: {about['cuda']}" if cuda is None else f"built by {cuda.built()}"
    return {**about, "threads": get_num_threads()}
