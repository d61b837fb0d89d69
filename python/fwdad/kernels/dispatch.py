"""A kernel is a contract with several bodies; this file says what that means and finds the native bodies.

The module `fwdad._native` holds the C++ bodies. Where it was not built, every kernel still runs by its NumPy reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """One row of the list of kernels.

    `bodies` maps a body's name to a function; all of them take the same, already validated, arguments and keep the same
    `contract`. The first is always the NumPy reference, which is the specification; a faster body comes after it.
    """

    name: str
    contract: str
    bodies: Mapping[str, Callable[..., Any]]

    @property
    def best(self) -> Callable[..., Any]:
        """The last body of the list: each one that this machine has is faster than those before it."""
        return list(self.bodies.values())[-1]


def _load_native() -> ModuleType | None:
    try:
        _native = import_module("fwdad._native")
    except ModuleNotFoundError as error:
        if error.name != "fwdad._native":
            raise
        return None
    return _native


native: ModuleType | None = _load_native()
"""The extension module, or None where it was not built."""


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
    """What the kernels run on: `isa` (the one chosen), `isas` (built), `threads`, `compiler`.

    Without native kernels `isa` and `compiler` are None.
    """
    if native is None:
        return {"isa": None, "isas": [], "threads": 1, "compiler": None}
    return {**native.info(), "threads": get_num_threads()}
