"""Kinds of direction: what a batch of k directions of one array can be, shape (k, *primal.shape).

duck      what every kind shares: the duties and their defaults
dense     an ndarray: the reference for all others
stream    random entries that a counter-based generator makes tile by tile: nothing is stored
basis     unit vectors: one integer a direction
columns   a unit vector behind an activation: one column of a matrix a direction

A new kind is one file here and one line in `KINDS`; one conformance suite holds every kind against its own `dense()`.
"""

from __future__ import annotations

from fwdad.tangents.basis import BasisTangent
from fwdad.tangents.columns import ColumnTangent
from fwdad.tangents.dense import DenseTangent
from fwdad.tangents.duck import DuckTangent, Duties, Tangent, as_dense
from fwdad.tangents.stream import GramSlot, StreamTangent

KINDS: dict[str, type[DenseTangent] | type[DuckTangent]] = {
    "dense": DenseTangent,
    "stream": StreamTangent,
    "basis": BasisTangent,
    "columns": ColumnTangent,
}
"""Every kind by its name."""


def is_kind(tangent: object) -> bool:
    """Whether a tangent is of a kind of its own, and not an ndarray (nor a CuPy array, a Dual or None)."""
    return isinstance(tangent, DuckTangent)


def kind_of(tangent: Tangent) -> Duties:
    """Return what answers for a tangent: itself, or a `DenseTangent` for an array.

    >>> import numpy as np
    >>> kind_of(np.eye(2)).combine(np.array([2.0, -1.0])).tolist()
    [2.0, -1.0]
    """
    return tangent if isinstance(tangent, DuckTangent) else DenseTangent(tangent)


__all__ = [
    "KINDS",
    "BasisTangent",
    "ColumnTangent",
    "DenseTangent",
    "DuckTangent",
    "Duties",
    "GramSlot",
    "StreamTangent",
    "Tangent",
    "as_dense",
    "is_kind",
    "kind_of",
]
