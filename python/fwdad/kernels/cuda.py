"""The bodies of the kernels for arrays on a CUDA device: one more entry in the bodies of each.

Results and scratch memory come from CuPy's pool; kernels are queued on CuPy's current stream and not waited for. Arrays
are read by their `__cuda_array_interface__`, without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from fwdad.kernels.affine import AFFINE_JVP, AFFINE_JVP_GRAM, STREAM_PRODUCT
from fwdad.kernels.conv import CONV_JVP, Window, by_patches
from fwdad.kernels.device import device_of, has_cublas, require
from fwdad.kernels.elementwise import ACTIVATION_JVP, AXPBY, CROSS_ENTROPY_JVP, SCALED_TANGENTS, WEIGHTED_ROWS
from fwdad.kernels.products import MATMUL
from fwdad.kernels.projection import COMBINE, GRAM, PROJECTION_COEFFICIENTS
from fwdad.kernels.stream import GENERATE, Stream

Array = Any
"""A CuPy array."""

CUBLAS_FROM = 2**28
"""Multiply-adds of dense tangents from which cuBLAS makes the products of `affine_jvp`: arithmetic then takes longer
than launches, of which this way needs a few more. An estimate: nothing has been measured."""


@contextmanager
def _place(device: str) -> Iterator[tuple[ModuleType, ModuleType, tuple[Any, ...]]]:
    """CuPy, the kernels, and what these need to know of where they run; the device is CuPy's current one inside."""
    cupy, kernels = require()
    number = int(device[5:])
    with cupy.cuda.Device(number):
        stream = cupy.cuda.get_current_stream().ptr
        yield cupy, kernels, (number, stream, lambda size: cupy.empty(size, np.uint8))


def generate_cuda(stream: Stream) -> Array:
    """CUDA: see csrc/cuda/generate.cu."""
    with _place(stream.device) as (cupy, kernels, at):
        out = cupy.empty(stream.shape, stream.dtype)
        kernels.generate(at, stream.dtype.name, stream.descriptor, out)
        return out


def affine_jvp_cuda(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """CUDA: see csrc/cuda/affine.cu; large dense products by cuBLAS, where CuPy finds it."""
    dense = sum(len(t) for t in (dx, dw) if t is not None and not isinstance(t, Stream))
    if dense * x.size * w.shape[1] >= CUBLAS_FROM and has_cublas():
        return _affine_jvp_by_cublas(x, w, b, dx, dw, db, activation)
    with _place(device_of(x)) as (cupy, kernels, at):
        y = cupy.empty((x.shape[0], w.shape[1]), x.dtype)
        first = next((t for t in (dx, dw, db) if t is not None), None)
        dy = None if first is None else cupy.empty((first.shape[0], *y.shape), x.dtype)
        dw = dw.descriptor if isinstance(dw, Stream) else dw
        kernels.affine_jvp(at, x.dtype.name, x, w, b, dx, dw, db, activation, y, dy, None)
        return y, dy


def _affine_jvp_by_cublas(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Array | Stream | None, db: Array | None, activation: str
) -> tuple[Array, Array | None]:
    """The same, with dx or a dense dw: `@` of CuPy's arrays is cuBLAS, and bias and activation follow by themselves."""
    with _place(device_of(x)):
        z = x @ w
        if b is not None:
            z += b
        terms = []
        if dx is not None:
            k, m, depth = dx.shape
            terms.append((dx.reshape(k * m, depth) @ w).reshape(k, *z.shape))
        if dw is not None:
            terms.append(stream_product_cuda(x, dw) if isinstance(dw, Stream) else x @ dw)
        dz = terms[0]
        for term in (*terms[1:], *(() if db is None else (db if db.ndim == 3 else db[:, None],))):
            dz += term
        return (z, dz) if activation == "identity" else activation_jvp_cuda(z, dz, activation)


def affine_jvp_gram_cuda(
    x: Array, w: Array, b: Array | None, dx: Array | None, dw: Stream, db: Array | None, activation: str
) -> tuple[Array, Array | None, Array]:
    """CUDA: one after the other."""
    return *affine_jvp_cuda(x, w, b, dx, dw, db, activation), gram_cuda(dw, per_row=False, exact=False)


def stream_product_cuda(x: Array, v: Stream) -> Array:
    """CUDA: see csrc/cuda/affine.cu."""
    with _place(device_of(x)) as (cupy, kernels, at):
        out = cupy.empty((v.shape[0], x.shape[0], v.shape[2]), x.dtype)
        kernels.stream_product(at, x.dtype.name, x, v.descriptor, out)
        return out


def matmul_cuda(x: Array, y: Array) -> Array:
    """CUDA: cuBLAS, by CuPy."""
    with _place(device_of(x)):
        product: Array = x @ y
        return product


def conv_jvp_cuda(
    x: Array,
    w: Array,
    b: Array | None,
    dx: Array | None,
    dw: Array | Stream | None,
    db: Array | None,
    at: Window,
    activation: str,
) -> tuple[Array, Array | None]:
    """CUDA: the affine JVP on patches."""
    return by_patches(affine_jvp_cuda, x, w, b, dx, dw, db, at, activation)


def activation_jvp_cuda(x: Array, dx: Array, activation: str) -> tuple[Array, Array]:
    """CUDA: see csrc/cuda/elementwise.cu."""
    with _place(device_of(x)) as (cupy, kernels, at):
        y, dy = cupy.empty(x.shape, x.dtype), cupy.empty(dx.shape, x.dtype)
        kernels.activation_jvp(at, x.dtype.name, activation, x, dx, y, dy)
        return y, dy


def scaled_tangents_cuda(a: Array, dx: Array, b: Array | None, dy: Array | None) -> Array:
    """CUDA: see csrc/cuda/elementwise.cu."""
    with _place(device_of(a)) as (cupy, kernels, at):
        out = cupy.empty(dx.shape, a.dtype)
        kernels.scaled_tangents(at, a.dtype.name, a, dx, b, dy, out)
        return out


def axpby_cuda(a: float, x: Array, b: float, y: Array) -> Array:
    """CUDA: CuPy's own operations."""
    with _place(device_of(x)):
        total: Array = a * x + b * y
        return total


def weighted_rows_cuda(w: Array, dx: Array) -> Array:
    """CUDA: see csrc/cuda/elementwise.cu."""
    with _place(device_of(w)) as (cupy, kernels, at):
        out = cupy.empty(dx.shape[:-1], w.dtype)
        kernels.weighted_rows(at, w.dtype.name, w, dx, out)
        return out


def cross_entropy_jvp_cuda(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """CUDA: see csrc/cuda/elementwise.cu."""
    with _place(device_of(z)) as (cupy, kernels, at):
        loss, dloss = cupy.empty(len(z), z.dtype), cupy.empty(dz.shape[:2], z.dtype)
        kernels.cross_entropy_jvp(at, z.dtype.name, z, labels, dz, loss, dloss)
        return loss, dloss


def gram_cuda(v: Array | Stream, per_row: bool, exact: bool) -> Array:
    """CUDA: see csrc/cuda/gram.cu."""
    with _place(device_of(v)) as (cupy, kernels, at):
        k = v.shape[0]
        g = cupy.empty((v.shape[1], k, k) if per_row else (k, k), np.float64)
        kernels.gram(at, v.dtype.name, _source(v), per_row, exact, g)
        return g


def projection_coefficients_cuda(gram: Array, d: Array) -> tuple[Array, Array, Array]:
    """CUDA: see csrc/cuda/coefficients.cu."""
    with _place(device_of(gram)) as (cupy, kernels, at):
        c = cupy.empty(d.shape, np.float64)
        rank = cupy.empty(d.shape[:-1], np.int64)
        margin = cupy.empty(d.shape[:-1], np.float64)
        d = _c_order(d.astype(np.float64, copy=False))
        kernels.projection_coefficients(at, _c_order(gram), d, c, rank, margin)
        return c, rank, margin


def combine_cuda(c: Array, v: Array | Stream) -> Array:
    """CUDA: see csrc/cuda/combine.cu."""
    with _place(device_of(c)) as (cupy, kernels, at):
        out = cupy.empty(v.shape[1:], v.dtype)
        kernels.combine(at, v.dtype.name, _c_order(c), _source(v), out)
        return out


def _source(v: Array | Stream) -> Any:
    return v.descriptor if isinstance(v, Stream) else _c_order(v)


def _c_order(array: Array) -> Array:
    return array if array.flags.c_contiguous else array.copy(order="C")


for kernel, body in (
    (GENERATE, generate_cuda),
    (AFFINE_JVP, affine_jvp_cuda),
    (AFFINE_JVP_GRAM, affine_jvp_gram_cuda),
    (STREAM_PRODUCT, stream_product_cuda),
    (MATMUL, matmul_cuda),
    (CONV_JVP, conv_jvp_cuda),
    (ACTIVATION_JVP, activation_jvp_cuda),
    (SCALED_TANGENTS, scaled_tangents_cuda),
    (AXPBY, axpby_cuda),
    (WEIGHTED_ROWS, weighted_rows_cuda),
    (CROSS_ENTROPY_JVP, cross_entropy_jvp_cuda),
    (GRAM, gram_cuda),
    (PROJECTION_COEFFICIENTS, projection_coefficients_cuda),
    (COMBINE, combine_cuda),
):
    kernel.bodies["cuda"] = body
