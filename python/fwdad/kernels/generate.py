"""generate: the entries of a stream."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import device, dispatch, philox
from fwdad.kernels.memory import empty
from fwdad.kernels.stream import Stream
from fwdad.kernels.stream import stream as checked_stream


def generate(stream: Stream) -> NDArray[Any]:
    """Return all entries of a stream as an array.

    Bit-identical in every body on machines with fused multiply-add; the native body of an instruction set without one
    differs by a few units in the last place (normals only).

    Parameters
    ----------
    stream : Stream
        Which directions.

    Returns
    -------
    ndarray, (k, *primal_shape)
        Of the stream's dtype, C-contiguous.

    Raises
    ------
    TypeError
        If `stream` is not a Stream.

    Examples
    --------
    >>> generate(Stream(seed=7, step=0, parameter=0, distribution="rademacher", k=2, primal_shape=(4,))).tolist()
    [[-1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, 1.0, 1.0]]
    """
    return KERNEL.on(checked_stream("generate", "stream", stream).device)(stream)


def generate_reference(stream: Stream) -> NDArray[Any]:
    """Make one direction at a time, all blocks of R rows at once."""
    rows, columns = stream.matrix_shape
    blocks = -(-rows // stream.rows_per_call)
    key = stream.seed & 0xFFFFFFFF, stream.seed >> 32
    out = np.empty(stream.shape, stream.dtype)
    for i in range(stream.k):
        counter = np.arange(columns), np.arange(blocks)[:, None], stream.step, i | stream.parameter << 16
        words = philox.philox4x32(counter, key)
        if stream.distribution == "normal":
            parts = [*philox.normals_from_words(*words[:2]), *philox.normals_from_words(*words[2:])]
            values = np.stack(parts, axis=1)  # (blocks, 4, columns)
        else:
            values = np.concatenate([philox.signs_from_words(word) for word in words], axis=1)  # (blocks, 128, columns)
        matrix = values.reshape(blocks * stream.rows_per_call, columns)
        vector = len(stream.primal_shape) < 2
        entries = matrix.T.ravel()[: prod(stream.primal_shape)] if vector else matrix[:rows]
        out[i] = entries.reshape(stream.primal_shape)
    return out


def generate_native(stream: Stream) -> NDArray[Any]:
    """C++: csrc/cpu/generate.cpp."""
    out = empty(stream.shape, stream.dtype)
    dispatch.native.generate(stream.descriptor, out)
    return out


def generate_cuda(stream: Stream) -> NDArray[Any]:
    """CUDA: csrc/cuda/generate.cu."""
    with device.launch(stream) as launch:
        out = device.empty(stream.shape, stream.dtype)
        dispatch.cuda.generate(launch, stream.descriptor, out)
        return out


def dense(v: NDArray[Any] | Stream) -> NDArray[Any]:
    """Return `v` as an array, for references: itself, or all entries of the stream by the reference."""
    return generate_reference(v) if isinstance(v, Stream) else v


KERNEL = dispatch.register(
    "generate",
    "the entries of a stream of directions",
    "Stream -> (k, *primal_shape), C-contiguous; float32 operations, each rounded once; float64 holds the same values",
    generate_reference,
    generate_native,
    generate_cuda,
)
