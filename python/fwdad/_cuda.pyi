"""The CUDA kernels of csrc/kernels.hpp; every call is checked. Written by csrc/bindings/stubs.py."""

from collections.abc import Callable
from typing import Any

Array = Any  # with __cuda_array_interface__
Descriptor = tuple[int, int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor
At = tuple[int, int, Callable[[int], Any]]  # device, stream, from bytes to scratch memory

def generate(at: At, stream: Descriptor, out: Array, /) -> None: ...
def affine_jvp(
    at: At,
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Descriptor | None,
    db: Array | None,
    activation: str,
    y: Array,
    dy: Array | None,
    /,
) -> None: ...
def affine_jvp_gram(
    at: At,
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Descriptor,
    db: Array | None,
    activation: str,
    y: Array,
    dy: Array,
    gram: Array,
    /,
) -> None: ...
def stream_product(at: At, x: Array, stream: Descriptor, out: Array, /) -> None: ...
def activation_jvp(at: At, activation: str, x: Array, dx: Array, y: Array, dy: Array, /) -> None: ...
def scaled_tangents(at: At, a: Array, dx: Array, b: Array | None, dy: Array | None, out: Array, /) -> None: ...
def weighted_rows(at: At, w: Array, dx: Array, out: Array, /) -> None: ...
def unit_jvp_thin(at: At, w: Array, r: Array, s: Array, v: Array, e: Array | None, d: Array, /) -> None: ...
def lif_jvp(
    at: At,
    current: Array,
    beta: Array,
    theta: Array,
    bias: Array | None,
    steps: int,
    sharpness: float,
    squared: bool,
    counts: Array,
    by_current: Array | None,
    by_beta: Array | None,
    by_theta: Array | None,
    train: Array | None,
    slopes: Array | None,
    /,
) -> None: ...
def cross_entropy_jvp(at: At, z: Array, labels: Array, dz: Array, loss: Array, dloss: Array, /) -> None: ...
def gram(at: At, v: Array | Descriptor, exact: bool, g: Array, /) -> None: ...
def projection_coefficients(at: At, gram: Array, d: Array, c: Array, rank: Array, margin: Array, /) -> None: ...
def combine(at: At, c: Array, v: Array | Descriptor, out: Array, /) -> None: ...
def device_count() -> int: ...
def built() -> str: ...
