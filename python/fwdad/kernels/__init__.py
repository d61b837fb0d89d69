"""The kernels: what is computed by machine code, each with a contract, a readable NumPy reference and faster bodies.

This layer knows arrays only. A kernel is a file that has its name, and adds itself to `KERNELS`. What kernels share:
`philox` (words, normals, signs), `stream` (directions that need no memory), `layer`, `activations`, `window`, `checks`
of arguments, `memory` for results, `policy` (when a kernel is used instead of NumPy), `dispatch` (kernels and their
bodies), `device` (arrays on a CUDA device), `assume` (conditions that the host does not wait for). `gram_schmidt` is
the projection as one draws it.
"""
# ruff: noqa: I001 -- kernels in reading order: each stands behind those that it uses

from __future__ import annotations

import os
from importlib import import_module

from fwdad.kernels.generate import generate as generate
from fwdad.kernels.stream_product import stream_product as stream_product
from fwdad.kernels.activation_jvp import activation_jvp as activation_jvp
from fwdad.kernels.affine_jvp import affine_jvp as affine_jvp
from fwdad.kernels.gram import gram as gram
from fwdad.kernels.affine_jvp_gram import affine_jvp_gram as affine_jvp_gram
from fwdad.kernels.conv_jvp import conv_jvp as conv_jvp
from fwdad.kernels.matmul import matmul as matmul
from fwdad.kernels.scaled_tangents import scaled_tangents as scaled_tangents
from fwdad.kernels.axpby import axpby as axpby
from fwdad.kernels.outer_update import outer_update as outer_update
from fwdad.kernels.weighted_rows import weighted_rows as weighted_rows
from fwdad.kernels.unit_jvp_thin import unit_jvp_thin as unit_jvp_thin
from fwdad.kernels.conv_unit_jvp_thin import conv_unit_jvp_thin as conv_unit_jvp_thin
from fwdad.kernels.sparse_product import sparse_product as sparse_product
from fwdad.kernels.lif_jvp import lif_jvp as lif_jvp
from fwdad.kernels.cross_entropy_jvp import cross_entropy_jvp as cross_entropy_jvp
from fwdad.kernels.projection_coefficients import projection_coefficients as projection_coefficients
from fwdad.kernels.combine import combine as combine

from fwdad.kernels import policy as policy
from fwdad.kernels.assume import assume as assume
from fwdad.kernels.assume import assuming as assuming
from fwdad.kernels.assume import read as read
from fwdad.kernels.activations import ACTIVATIONS as ACTIVATIONS
from fwdad.kernels.device import CudaError as CudaError
from fwdad.kernels.device import device_of as device_of
from fwdad.kernels.device import is_device_array as is_device_array
from fwdad.kernels.device import to_device as to_device
from fwdad.kernels.dispatch import KERNELS as KERNELS
from fwdad.kernels.dispatch import Kernel as Kernel
from fwdad.kernels.dispatch import get_num_threads as get_num_threads
from fwdad.kernels.dispatch import info as info
from fwdad.kernels.dispatch import set_num_threads as set_num_threads
from fwdad.kernels.gram_schmidt import project_gram_schmidt as project_gram_schmidt
from fwdad.kernels.projection_coefficients import SAFE_MARGIN as SAFE_MARGIN
from fwdad.kernels.stream import Stream as Stream
from fwdad.kernels.window import Window as Window
from fwdad.kernels.window import patches as patches

for _file in sorted(os.listdir(__path__[0])):
    if _file.endswith(".py") and _file != "__init__.py":
        import_module(f"{__name__}.{_file[:-3]}")  # also finds a kernel that is not listed above
