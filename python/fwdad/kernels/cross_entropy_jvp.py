"""cross_entropy_jvp: the softmax cross-entropy of a batch and k tangents of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch

Array = NDArray[Any]


def cross_entropy_jvp(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """Compute ``loss_r = logsumexp(z_r) - z_r[label_r]`` and ``dloss_ir = <softmax(z_r) - e_label, dz_ir>``.

    Parameters
    ----------
    z : ndarray, (B, classes)
        Logits, float32 or float64, of at least one class.
    labels : ndarray, (B,)
        Integers from 0 to classes - 1.
    dz : ndarray, (k, B, classes)
        Tangents of `z`.

    Returns
    -------
    loss : ndarray, (B,)
        C-contiguous, of the dtype of `z`. Where a row of `z` holds an infinity or NaN, it may be NaN.
    dloss : ndarray, (k, B)
        As `loss`.

    Raises
    ------
    TypeError
        If z and dz are not arrays of one common float dtype, or labels are not integers.
    ValueError
        If shapes do not fit together, or a label is out of range. On a CUDA device labels are not read before the
        kernel runs: loss and tangents of such a row are NaN.

    Examples
    --------
    >>> loss, dloss = cross_entropy_jvp(np.zeros((1, 2)), np.array([1]), np.array([[[0.0, 1.0]]]))
    >>> loss.round(3).tolist(), dloss.tolist()
    ([0.693], [[-0.5]])
    """
    where = "cross_entropy_jvp"
    z = checks.contiguous(where, "z", z)
    checks.ndim(where, "z", z, 2, "(B, classes)")
    classes = z.shape[1]
    if classes == 0:
        raise ValueError(f"{where}: z: expected at least one class, given {z.shape}")
    on_host = isinstance(labels, np.ndarray)
    if not (on_host or device.is_device_array(labels)) or labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: labels: expected an array of integers, given {getattr(labels, 'dtype', labels)}")
    checks.shape(where, "labels", labels.shape, z.shape[:1], why=f"z is {z.shape}")
    if on_host and labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"{where}: labels: expected 0 to {classes - 1}, given {labels.min()} to {labels.max()}")
    dz = checks.tangents(where, "dz", dz, "z", z)
    body = KERNEL.on(checks.one_device(where, z=z, labels=labels, dz=dz))
    integers = labels.astype(np.int64, copy=on_host and not labels.flags.aligned)
    return body(z, checks.c_order(integers), dz)


def cross_entropy_jvp_reference(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """Compute the two equations, with the largest logit taken out so that nothing overflows."""
    rows = np.arange(len(labels))
    top = z.max(axis=1)
    p = np.exp(z - top[:, None])
    total = p.sum(axis=1)
    weights = p / total[:, None]
    weights[rows, labels] -= 1
    return np.log(total) + (top - z[rows, labels]), np.sum(weights * dz, axis=-1)


def cross_entropy_jvp_native(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """C++: csrc/cpu/cross_entropy_jvp.cpp."""
    loss, dloss = np.empty(len(z), z.dtype), np.empty(dz.shape[:2], z.dtype)
    dispatch.native.cross_entropy_jvp(z, labels, dz, loss, dloss)
    return loss, dloss


def cross_entropy_jvp_cuda(z: Array, labels: Array, dz: Array) -> tuple[Array, Array]:
    """CUDA: csrc/cuda/cross_entropy_jvp.cu."""
    with device.launch(z) as launch:
        loss, dloss = device.empty(z.shape[:1], z.dtype), device.empty(dz.shape[:2], z.dtype)
        dispatch.cuda.cross_entropy_jvp(launch, z, labels, dz, loss, dloss)
        return loss, dloss


KERNEL = dispatch.register(
    "cross_entropy_jvp",
    "the softmax cross-entropy and its tangents",
    "z (B, n), labels (B,) int64, dz (k, B, n) -> loss (B,), dloss (k, B)",
    cross_entropy_jvp_reference,
    cross_entropy_jvp_native,
    cross_entropy_jvp_cuda,
)
