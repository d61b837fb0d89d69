"""A kernel is a contract with several bodies: what that means, the list of all kernels, and the native modules.

The module `fwdad._native` holds the C++ bodies, `fwdad._cuda` those for CUDA devices. Where `fwdad._native` was not
built, every kernel still runs by its NumPy reference.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

Body = TypeVar("Body", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kernel(Generic[Body]):
    """One row of the list of kernels.

    Attributes
    ----------
    name : str
        Also the name of its public function, and of its files.
    computes : str
        The equation, in Markdown.
    contract : str
        Shapes and dtypes of arguments and results, and how sums are rounded.
    bodies : dict
        From "reference", "native" and "cuda" to functions of the same, already validated, arguments, which all keep the
        contract. "reference" is NumPy and the specification; "cuda" takes arrays on a CUDA device.
    """

    name: str
    computes: str
    contract: str
    bodies: dict[str, Body]

    @functools.cached_property
    def best(self) -> Body:
        """The fastest body for arrays in main memory."""
        return self.bodies.get("native", self.bodies["reference"])

    def on(self, device: str) -> Body:
        """Return the body for arrays on a device, "cpu" or "cuda:N"."""
        if device == "cpu":
            return self.best
        if "cuda" not in self.bodies:
            raise NotImplementedError(
                f"{self.name}: no body for arrays on {device}; move them to the cpu with fwdad.kernels.to_device"
            )
        return self.bodies["cuda"]


KERNELS: dict[str, Kernel[Any]] = {}
"""All kernels by name: each file of a kernel adds its row when it is imported."""


def register(
    name: str, computes: str, contract: str, reference: Body, native_body: Body, cuda_body: Body | None = None
) -> Kernel[Body]:
    """Add a kernel to the list; the native body is left out where `fwdad._native` was not built."""
    bodies = {"reference": reference}
    if native is not None:
        bodies["native"] = native_body
    if cuda_body is not None:
        bodies["cuda"] = cuda_body
    KERNELS[name] = Kernel(name, computes, contract, bodies)
    return KERNELS[name]


def load(name: str) -> ModuleType | None:
    """Import an extension module; None where it was not built."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


if TYPE_CHECKING:  # mypy checks calls of the modules against their stubs
    from fwdad import _cuda, _native

    cuda, native = _cuda, _native
else:  # None where a module was not built; importing `cuda` asks for no driver
    native = load("fwdad._native")
    cuda = load("fwdad._cuda")


def set_num_threads(n: int) -> None:
    """Use `n` threads in native kernels from now on; results have the same bits for any `n`.

    The default is ``$FWDAD_NUM_THREADS``, or else the number of cores that this process may run on. The variable is
    read when a kernel first runs; a bad value is a ValueError there.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is out of range.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: n: expected an int, given {type(n).__name__}")
    if not 1 <= n <= 1024:
        raise ValueError(f"set_num_threads: n: expected 1 <= n <= 1024, given {n}")
    if native is not None:
        native.set_num_threads(n)


def get_num_threads() -> int:
    """Return the number of threads that native kernels use.

    Returns
    -------
    int
        1 where there are no native kernels; how many threads NumPy uses is not counted.
    """
    return 1 if native is None else native.get_num_threads()


def info() -> dict[str, Any]:
    """Say what the kernels run on.

    Returns
    -------
    dict
        `isa`, the instruction set in use; `isas`, those that were built; `threads`; `compiler`; `cuda`, what built the
        CUDA kernels, or why they are missing. Without native kernels `isa` and `compiler` are None.
    """
    if native is None:
        return {"isa": None, "isas": [], "threads": 1, "compiler": None, "cuda": "not built: no native kernels were"}
    about = native.info()
    about["cuda"] = f"not built: {about['cuda']}" if cuda is None else f"built by {cuda.built()}"
    return {**about, "threads": get_num_threads()}
