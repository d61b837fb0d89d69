"""Dense directions: an ndarray, the reference for all other kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad import kernels
from fwdad.tangents.duck import Array, DuckTangent, Duties, Tangent


class DenseTangent(Duties, name="dense"):
    """The duties of k directions that are an array (k, *primal.shape), of NumPy's or CuPy's.

    Layers and rules see the array itself: this only answers for it.

    Parameters
    ----------
    array : (k, *primal.shape)
        The directions.

    Examples
    --------
    >>> DenseTangent(np.array([[3.0, 4.0], [1.0, 0.0]])).gram().tolist()
    [[25.0, 3.0], [3.0, 1.0]]
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    @classmethod
    def example(cls, k: int, primal_shape: tuple[int, ...], dtype: Any, seed: int) -> Tangent:
        """Return k normal directions."""
        return np.random.default_rng(seed).standard_normal((k, *primal_shape)).astype(dtype)

    def dense(self) -> np.ndarray:
        """Return the array."""
        array: np.ndarray = self.array
        return array

    def to(self, device: str) -> Tangent:
        """Return the array on a device: itself if it is there."""
        return kernels.to_device(self.array, device)

    def with_gram_slot(self) -> Tangent:
        """Return the array: no kernel forms its Gram matrix on the way."""
        return self.array

    def affine(
        self, x: Array, w: Array, b: Array | None, dx: Array | None, db: Array | None, activation: str
    ) -> tuple[Array, Array]:
        """Return y and dy of ``act(x w + b)`` by one kernel."""
        y, dy = kernels.affine_jvp(x, w, b, dx, self.array, db, activation)
        assert dy is not None, "w moves"
        return y, dy


def kind_of(tangent: Tangent) -> Duties:
    """Return what answers for a tangent: itself, or a `DenseTangent` for an array.

    Examples
    --------
    >>> kind_of(np.eye(2)).combine(np.array([2.0, -1.0])).tolist()
    [2.0, -1.0]
    """
    return tangent if isinstance(tangent, DuckTangent) else DenseTangent(tangent)
