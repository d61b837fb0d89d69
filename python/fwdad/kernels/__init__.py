"""The kernels: what is computed by machine code, each with a contract, a readable NumPy reference and faster bodies.

This layer knows arrays only. In reading order: `philox` (words, normals, signs), `stream` (directions that need no
memory), `affine` (a layer and its k tangents), `products` (of batches of matrices), `conv` (a convolution and its k
tangents), `elementwise` (activations, scaled tangents, sums, reductions, cross-entropy), `projection` (from directional
derivatives to a gradient), `memory` (of results), `dispatch`; `device` (arrays on a CUDA device), `cuda` (the
kernels there).
"""

from __future__ import annotations

from fwdad.kernels import cuda  # noqa: F401 -- adds its bodies to the kernels
from fwdad.kernels.affine import (
    ACTIVATIONS,
    AFFINE_JVP,
    AFFINE_JVP_GRAM,
    STREAM_PRODUCT,
    affine_jvp,
    affine_jvp_gram,
    stream_product,
)
from fwdad.kernels.conv import CONV_JVP, Window, conv_jvp, patches
from fwdad.kernels.device import CudaError, device_of, is_device_array, to_device
from fwdad.kernels.dispatch import Kernel, get_num_threads, info, set_num_threads
from fwdad.kernels.elementwise import (
    ACTIVATION_JVP,
    AXPBY,
    CROSS_ENTROPY_JVP,
    SCALED_TANGENTS,
    WEIGHTED_ROWS,
    activation_jvp,
    axpby,
    axpby_pays,
    cross_entropy_jvp,
    pays,
    scaled_tangents,
    weighted_rows,
)
from fwdad.kernels.products import MATMUL, matmul, matmul_pays
from fwdad.kernels.projection import (
    COMBINE,
    GRAM,
    PROJECTION_COEFFICIENTS,
    SAFE_MARGIN,
    combine,
    gram,
    orthonormalise,
    project_gram_schmidt,
    projection_coefficients,
)
from fwdad.kernels.stream import GENERATE, Stream, generate
from fwdad.kernels.unit_jvp_thin import unit_jvp_thin as unit_jvp_thin

KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        GENERATE,
        AFFINE_JVP,
        AFFINE_JVP_GRAM,
        STREAM_PRODUCT,
        MATMUL,
        CONV_JVP,
        ACTIVATION_JVP,
        SCALED_TANGENTS,
        AXPBY,
        WEIGHTED_ROWS,
        CROSS_ENTROPY_JVP,
        GRAM,
        PROJECTION_COEFFICIENTS,
        COMBINE,
    )
}
"""The list of all kernels. A body for another device is one more entry in a kernel's `bodies`."""

__all__ = [
    "ACTIVATIONS",
    "KERNELS",
    "SAFE_MARGIN",
    "CudaError",
    "Kernel",
    "Stream",
    "Window",
    "activation_jvp",
    "affine_jvp",
    "affine_jvp_gram",
    "axpby",
    "axpby_pays",
    "combine",
    "conv_jvp",
    "cross_entropy_jvp",
    "device_of",
    "generate",
    "get_num_threads",
    "gram",
    "info",
    "is_device_array",
    "matmul",
    "matmul_pays",
    "orthonormalise",
    "patches",
    "pays",
    "project_gram_schmidt",
    "projection_coefficients",
    "scaled_tangents",
    "set_num_threads",
    "stream_product",
    "to_device",
    "weighted_rows",
]
