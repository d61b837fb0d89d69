"""Write the stubs python/fwdad/_native.pyi and _cuda.pyi from the modules' own docstrings, or check them.

The first line of a docstring is the function's signature, which comes from csrc/kernels.hpp.
Where `fwdad._cuda` was not built, its build for the host (tests/cuda) tells the same.

    python csrc/bindings/stubs.py [--check]
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 120
SHARED = "Descriptor = tuple[int, int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor"
HEADERS = {
    "_native": f"""
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
{SHARED}
Pair = tuple[int, int]
Window = tuple[Pair, Pair, Pair, Pair]  # kernel, stride, padding, dilation
""",
    "_cuda": f"""
from collections.abc import Callable
from typing import Any

Array = Any  # with __cuda_array_interface__
{SHARED}
At = tuple[int, int, Callable[[int], Any]]  # device, stream, from bytes to scratch memory
""",
}


def load(name: str) -> ModuleType:
    """Import the module; the CUDA kernels as they were built, or else for the host."""
    try:
        return import_module(f"fwdad.{name}")
    except ModuleNotFoundError:
        if name != "_cuda":
            raise
        sys.path.insert(0, str(ROOT / "tests" / "cuda"))
        module: ModuleType = import_module("host_module").load()
        return module


def function(signature: str) -> str:
    """Make a stub's function, as ruff formats it."""
    line = f"def {signature}: ..."
    if len(line) > WIDTH:
        head, _, rest = signature.partition("(")
        parameters, _, result = rest.rpartition(")")
        line = f"def {head}(\n" + "".join(f"    {p},\n" for p in parameters.split(", ")) + f"){result}: ..."
    return f"{line}\n"


def stub(name: str) -> str:
    """Make the text of a module's stub; functions of tests have no signature and are left out."""
    module = load(name)
    first_lines = [(f.__doc__ or "").partition("\n")[0] for f in vars(module).values() if callable(f)]
    functions = [function(line) for line in first_lines if " -> " in line]
    return f'"""{module.__doc__} Written by csrc/bindings/stubs.py."""\n{HEADERS[name]}\n{"".join(functions)}'


def main() -> int:
    """Write both stubs; with --check, exit with 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a stub differs from its module")
    check = parser.parse_args().check
    differs = 0
    for name in HEADERS:
        path = ROOT / "python" / "fwdad" / f"{name}.pyi"
        text = stub(name)
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.stdout.write(f"{path.relative_to(ROOT)} differs from its module: run csrc/bindings/stubs.py\n")
            differs = 1
    return differs


if __name__ == "__main__":
    sys.exit(main())
