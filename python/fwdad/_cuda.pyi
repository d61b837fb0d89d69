"""The CUDA kernels; fwdad.kernels validates the arguments. Sources: csrc/. Arrays are CuPy's."""

from collections.abc import Callable
from typing import Any

Descriptor = tuple[int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor
At = tuple[int, int, Callable[[int], Any]]  # device, stream, from bytes to scratch memory

def generate(at: At, stream: Descriptor, dtype: str, out: Any) -> None: ...
def affine_jvp(
    at: At,
    x: Any,
    w: Any,
    b: Any | None,
    dx: Any | None,
    dw: Any | Descriptor | None,
    db: Any | None,
    activation: str,
    dtype: str,
    y: Any,
    dy: Any | None,
) -> None: ...
def gram(at: At, v: Any | Descriptor, dtype: str, per_row: bool, exact: bool, g: Any) -> None: ...
def combine(at: At, c: Any, v: Any | Descriptor, dtype: str, out: Any) -> None: ...
def projection_coefficients(at: At, gram: Any, d: Any, c: Any, rank: Any, margin: Any) -> None: ...
def device_count() -> int: ...
def built() -> str: ...
