"""The CPU kernels (csrc/kernels.hpp). Every call is checked; fwdad.kernels has better messages. Written by csrc/bindings/stubs.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Descriptor = tuple[int, int, int, int, int, int, int, int, int]  # see fwdad.kernels.Stream.descriptor
Pair = tuple[int, int]
Window = tuple[Pair, Pair, Pair, Pair]  # kernel, stride, padding, dilation

# stream:(k,n...) -> out:(k,n...)
def generate(stream: Descriptor, out: Array, /) -> None: ...

# x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw?:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy?:(k,m,n)
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

# x:(m,p) w:(p,n) b?:([m],n) dx?:(k,m,p) dw:(k,p,n) db?:(k,[m],n) activation -> y:(m,n) dy:(k,m,n) gram:(k,k)
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

# x:(m,p) stream:(k,p,n) -> out:(k,m,n)
def stream_product(x: Array, stream: Descriptor, out: Array, /) -> None: ...

# x:(k,m,p) y:(k,p,n) -> out:(k,m,n)
def matmul(x: Array, y: Array, out: Array, /) -> None: ...

# x:(i,h,w,c) w:(kh*kw*c,n) b?:([i*rows*columns],n) dx?:(k,i,h,w,c) dw?:(k,kh*kw*c,n) db?:(k,[i*rows*columns],n) window:(kh,kw,h,w,rows,columns) activation -> y:(i,rows,columns,n) dy?:(k,i,rows,columns,n)
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

# activation x:(n...) dx:(k,n...) -> y:(n...) dy:(k,n...)
def activation_jvp(activation: str, x: Array, dx: Array, y: Array, dy: Array, /) -> None: ...

# a:(n...) dx:(k,n...) b?:(n...) dy?:(k,n...) -> out:(k,n...)
def scaled_tangents(a: Array, dx: Array, b: Array | None, dy: Array | None, out: Array, /) -> None: ...

# a x:(n...) b y:(n...) -> out:(n...)
def axpby(a: float, x: Array, b: float, y: Array, out: Array, /) -> None: ...

# w:(rows,n) dx:(k,rows,n) -> out:(k,rows)
def weighted_rows(w: Array, dx: Array, out: Array, /) -> None: ...

# z:(rows,n) labels:(rows) dz:(k,rows,n) -> loss:(rows) dloss:(k,rows)
def cross_entropy_jvp(z: Array, labels: Array, dz: Array, loss: Array, dloss: Array, /) -> None: ...

# v:(k,[rows],n...) exact -> g:([rows],k,k)
def gram(v: Array | Descriptor, exact: bool, g: Array, /) -> None: ...

# gram:(batch...,k,k) d:(batch...,k) -> c:(batch...,k) rank:(batch...) margin:(batch...)
def projection_coefficients(gram: Array, d: Array, c: Array, rank: Array, margin: Array, /) -> None: ...

# c:([rows],k) v:(k,[rows],n...) -> out:([rows],n...)
def combine(c: Array, v: Array | Descriptor, out: Array, /) -> None: ...

# rounds -> sink:(tasks) operations:(1)
def probe_fma(rounds: int, sink: Array, operations: Array, /) -> None: ...

# a:(n) -> sink:(1)
def probe_read(a: Array, sink: Array, /) -> None: ...

# a:(n) -> b:(n)
def probe_copy(a: Array, b: Array, /) -> None: ...
def empty(dtype: np.dtype[Any], shape: Sequence[int], /) -> Array: ...
def set_num_threads(n: int, /) -> None: ...
def get_num_threads() -> int: ...
def select_isa(name: str, /) -> None: ...
def info() -> dict[str, Any]: ...
