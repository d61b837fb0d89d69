"""The CUDA kernels (csrc/kernels.hpp). Every call is checked; fwdad.kernels has better messages. Written by csrc/bindings/stubs.py."""

from collections.abc import Callable
from typing import Any

Array = Any  # with __cuda_array_interface__
Descriptor = tuple[int, int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor
At = tuple[int, int, Callable[[int], Any]]  # device, stream, from bytes to scratch memory

# stream:(k,n...) -> out:(k,n...)
def generate(at: At, stream: Descriptor, out: Array, /) -> None: ...

# x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw?:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy?:(k,m,n)
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

# x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy:(k,m,n) gram:(k,k)
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

# x:(m,p) stream:(k,p,n) -> out:(k,m,n)
def stream_product(at: At, x: Array, stream: Descriptor, out: Array, /) -> None: ...

# activation x:(n...) dx:(k,n...) -> y:(n...) dy:(k,n...)
def activation_jvp(at: At, activation: str, x: Array, dx: Array, y: Array, dy: Array, /) -> None: ...

# a:(n...) dx:(k,n...) b?:(n...) dy?:(k,n...) -> out:(k,n...)
def scaled_tangents(at: At, a: Array, dx: Array, b: Array | None, dy: Array | None, out: Array, /) -> None: ...

# w:(rows,n) dx:(k,rows,n) -> out:(k,rows)
def weighted_rows(at: At, w: Array, dx: Array, out: Array, /) -> None: ...

# z:(rows,n) labels:(rows) dz:(k,rows,n) -> loss:(rows) dloss:(k,rows)
def cross_entropy_jvp(at: At, z: Array, labels: Array, dz: Array, loss: Array, dloss: Array, /) -> None: ...

# v:(k,[rows],n...) exact -> g:([rows],k,k)
def gram(at: At, v: Array | Descriptor, exact: bool, g: Array, /) -> None: ...

# gram:(batch...,k,k) d:(batch...,k) -> c:(batch...,k) rank:(batch...) margin:(batch...)
def projection_coefficients(at: At, gram: Array, d: Array, c: Array, rank: Array, margin: Array, /) -> None: ...

# c:([rows],k) v:(k,[rows],n...) -> out:([rows],n...)
def combine(at: At, c: Array, v: Array | Descriptor, out: Array, /) -> None: ...
def device_count() -> int: ...
def built() -> str: ...
