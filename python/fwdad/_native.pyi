"""The CPU kernels of csrc/kernels.hpp; every call is checked. Written by csrc/bindings/stubs.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Descriptor = tuple[int, int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor
Pair = tuple[int, int]
Window = tuple[Pair, Pair, Pair, Pair]  # kernel, stride, padding, dilation

def generate(stream: Descriptor, out: Array, /) -> None: ...
def affine_jvp(
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
def stream_product(x: Array, stream: Descriptor, out: Array, /) -> None: ...
def matmul(x: Array, y: Array, out: Array, /) -> None: ...
def conv_jvp(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Descriptor | None,
    db: Array | None,
    window: Window,
    activation: str,
    y: Array,
    dy: Array | None,
    /,
) -> None: ...
def activation_jvp(activation: str, x: Array, dx: Array, y: Array, dy: Array, /) -> None: ...
def scaled_tangents(a: Array, dx: Array, b: Array | None, dy: Array | None, out: Array, /) -> None: ...
def axpby(a: float, x: Array, b: float, y: Array, out: Array, /) -> None: ...
def outer_update(
    x: Array,
    g: Array,
    w: Array,
    v: Array | None,
    learning_rate: float,
    momentum: float,
    w_new: Array,
    v_new: Array | None,
    /,
) -> None: ...
def weighted_rows(w: Array, dx: Array, out: Array, /) -> None: ...
def unit_jvp_thin(w: Array, r: Array, s: Array, v: Array, e: Array | None, d: Array, /) -> None: ...
def conv_unit_jvp_thin(w: Array, r: Array, s: Array, v: Array, e: Array, window: Window, d: Array, /) -> None: ...
def lif_jvp(
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
def sparse_product(x: Array, w: Array, out: Array, /) -> None: ...
def cross_entropy_jvp(z: Array, labels: Array, dz: Array, loss: Array, dloss: Array, /) -> None: ...
def gram(v: Array | Descriptor, exact: bool, g: Array, /) -> None: ...
def projection_coefficients(gram: Array, d: Array, c: Array, rank: Array, margin: Array, /) -> None: ...
def combine(c: Array, v: Array | Descriptor, out: Array, /) -> None: ...
def probe_fma(rounds: int, sink: Array, operations: Array, /) -> None: ...
def probe_read(a: Array, sink: Array, /) -> None: ...
def probe_copy(a: Array, b: Array, /) -> None: ...
def empty(dtype: np.dtype[Any], shape: Sequence[int], /) -> Array: ...
def set_num_threads(n: int, /) -> None: ...
def get_num_threads() -> int: ...
def select_isa(name: str, /) -> None: ...
def info() -> dict[str, Any]: ...
