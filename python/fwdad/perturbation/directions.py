"""k directions over several arrays at once: what a sampler draws, a pass carries and a combiner combines."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fwdad.tangents import Tangent, as_dense, kind_of

EXACT_BELOW = 2**14
"""Parts of fewer entries are always multiplied exactly: it costs little, and errors average out in long sums only."""


class Template(Protocol):
    """What a direction needs to know of the array that it moves: the parameter itself, or anything like it."""

    @property
    def shape(self) -> Any:
        """The array's shape."""

    @property
    def dtype(self) -> Any:
        """The array's dtype."""


class ShapeDtype(NamedTuple):
    """A template that is nothing but a shape and a dtype."""

    shape: tuple[int, ...]
    dtype: Any


class Directions:
    """k directions, the rows of V (k x n), as one tangent for each array that they move.

    Lengths and G are computed when first asked for, and kept.

    Parameters
    ----------
    parts : list of tangents
        One of any kind for each array, (k, *shape). With `per_row`, (k, B, n_s): every row b has directions of its own,
        V_b (k x n) with n the sum of the n_s, and all that follows has a leading axis B.
    per_row : bool
        Whether every row has directions of its own.
    unit : bool
        Whether the directions are the parts divided by their length over all parts together.
    scale : (k,) or (B, k), optional
        What the directions are the parts multiplied by. Entries stay as they are and streams stay streams: `along`,
        `gram` and `combine` scale k numbers.
    dimension : int or (B,), optional
        n where it is not the number of entries; with `per_row` it may differ by row.

    Examples
    --------
    >>> v = Directions([np.array([[3.0], [0.0]]), np.array([[4.0], [1.0]])])
    >>> v.k, v.n, v.gram().tolist()
    (2, 2, [[25.0, 4.0], [4.0, 1.0]])
    >>> [part.tolist() for part in v.combine(np.array([1.0, 10.0]))]
    [[3.0], [14.0]]
    """

    def __init__(
        self,
        parts: Sequence[Tangent],
        per_row: bool = False,
        unit: bool = False,
        scale: np.ndarray | None = None,
        dimension: Any = None,
    ) -> None:
        self.parts = list(parts)
        self.kinds = [kind_of(v) for v in self.parts]
        self.per_row = per_row
        self.unit = unit
        self._given_scale = scale
        self._grams: dict[bool, np.ndarray] = {}  # by whether they are exact
        self.n = sum(math.prod(v.shape[1 + per_row :]) for v in self.parts) if dimension is None else dimension

    @property
    def k(self) -> int:
        """The number of directions."""
        return int(self.parts[0].shape[0]) if self.parts else 0

    @functools.cached_property
    def approximate(self) -> list[bool]:
        """Which parts ``gram(exact=False)`` does not multiply exactly: large ones in float32."""
        return [
            not self.per_row and v.dtype == np.float32 and math.prod(v.shape[1:]) >= EXACT_BELOW for v in self.parts
        ]

    def _raw_gram(self, exact: bool) -> np.ndarray:
        exact = exact or not any(self.approximate)
        if exact not in self._grams:
            # Directions are concatenated, so inner products add up.
            both = zip(self.kinds, self.approximate, strict=True)
            parts = (v.gram(self.per_row, exact or not approximate) for v, approximate in both)
            self._grams[exact] = functools.reduce(np.add, parts)
        return self._grams[exact]

    @functools.cached_property
    def scale(self) -> np.ndarray | None:
        """What the parts are multiplied by, (k,) or (B, k); None for 1. A direction of length 0 stays 0."""
        if not (self.unit and self.parts):
            return self._given_scale
        squares = np.diagonal(self._raw_gram(exact=False), axis1=-2, axis2=-1)
        return np.where(squares == 0, 0, 1 / np.sqrt(np.where(squares == 0, 1, squares)))

    def with_gram_slots(self) -> Directions:
        """Return the same directions, whose large parts have room for a Gram matrix that a kernel of the pass forms."""
        both = zip(self.kinds, self.parts, self.approximate, strict=True)
        parts = [kind.with_gram_slot() if approximate else v for kind, v, approximate in both]
        return Directions(parts, self.per_row, self.unit, self._given_scale, self.n)

    def gram(self, exact: bool = True) -> np.ndarray:
        """Return ``G = V V^T``, (k, k) or (B, k, k), float64; k^2 n operations, and no memory for streams.

        Parameters
        ----------
        exact : bool
            Whether large float32 parts are multiplied in float64 too; see `fwdad.kernels.gram`.
        """
        gram = self._raw_gram(exact)
        if self.scale is None:
            return gram
        scaled: np.ndarray = self.scale[..., :, None] * gram * self.scale[..., None, :]
        return scaled

    def lengths(self) -> np.ndarray:
        """Return the lengths of the directions, (k,) or (B, k)."""
        lengths: np.ndarray = np.sqrt(np.diagonal(self.gram(exact=False), axis1=-2, axis2=-1))
        return lengths

    def along(self, d: np.ndarray) -> np.ndarray:
        """Return derivatives along the directions from derivatives along the parts, (..., k)."""
        return d if self.scale is None else d * self.scale

    def combine(self, c: np.ndarray) -> list[np.ndarray]:
        """Return ``V^T c``, one array a part: c (k,) gives its shape, c (B, k) with `per_row` gives (B, n_s).

        For directions that all rows share, c (B, k) gives (B, *shape): one combination a row.
        """
        c = self.along(c)
        if c.ndim == 1 or self.per_row:
            return [v.combine(c) for v in self.kinds]
        return [v.combine_each(c) for v in self.kinds]

    @property
    def generated(self) -> bool:
        """Whether each use of a part makes its entries again, which costs more than reading them."""
        return any(v.generated for v in self.kinds)

    def inner(self, g: Sequence[np.ndarray]) -> np.ndarray:
        """Return ``V g``, (k,) float64, of arrays like those of `combine`; summed as ``gram(exact=False)`` is."""
        return self.along(functools.reduce(np.add, (v.inner(part) for v, part in zip(self.kinds, g, strict=True))))

    def alone(self) -> list[Directions]:
        """Return each part by itself, as directions of one array."""
        return [Directions([v], self.per_row, scale=self.scale) for v in self.parts]

    def separate(self, g: np.ndarray) -> list[np.ndarray]:
        """Return vectors (..., n) in this space as arrays like those of `combine`."""
        shapes = [v.shape[1 + self.per_row :] for v in self.parts]
        pieces = np.split(g, np.cumsum([math.prod(shape) for shape in shapes])[:-1], axis=-1)
        return [
            piece.reshape(*g.shape[:-1], *shape).astype(v.dtype, copy=False)
            for piece, shape, v in zip(pieces, shapes, self.parts, strict=True)
        ]

    def realised(self) -> list[np.ndarray]:
        """Return the parts as ndarrays, with their scale."""
        parts = [as_dense(v) for v in self.parts]
        if self.scale is None:
            return parts
        scale = self.scale.T if self.per_row else self.scale
        return [
            (v * scale.reshape(scale.shape + (1,) * (v.ndim - scale.ndim))).astype(v.dtype, copy=False) for v in parts
        ]

    def dense(self) -> np.ndarray:
        """Return V as an array, (k, n) or (B, k, n)."""
        return join(self.realised(), self.per_row)


def join(parts: Sequence[np.ndarray], per_row: bool = False) -> np.ndarray:
    """Return parts (k, *shape) side by side, (k, n); with `per_row`, parts (k, B, n_s) as (B, k, n).

    Examples
    --------
    >>> join([np.ones((2, 3)), np.zeros((2, 1, 2))]).shape
    (2, 5)
    """
    if per_row:
        return np.concatenate([np.moveaxis(v, 0, 1) for v in parts], axis=-1)
    return np.concatenate([v.reshape(v.shape[0], -1) for v in parts], axis=-1)


def separate(v: np.ndarray, templates: Sequence[Template], per_row: bool = False) -> list[np.ndarray]:
    """Undo `join`: return parts in their templates' shapes and dtypes.

    Examples
    --------
    >>> [part.shape for part in separate(np.ones((2, 5)), [np.ones(3), np.ones((1, 2))])]
    [(2, 3), (2, 1, 2)]
    """
    sizes = [math.prod(t.shape[per_row:]) for t in templates]
    pieces = np.split(v, np.cumsum(sizes)[:-1], axis=-1)
    if per_row:
        pieces = [np.moveaxis(piece, -2, 0) for piece in pieces]
    return [
        np.ascontiguousarray(piece, t.dtype).reshape(piece.shape[0], *t.shape)
        for piece, t in zip(pieces, templates, strict=True)
    ]
