"""Kinds of direction: what a batch of k directions of one array can be, shape (k, *primal.shape).

duck      what every kind shares: the duties and their defaults
dense     an ndarray: the reference for all others
stream    random entries that a counter-based generator makes tile by tile: nothing is stored
basis     unit vectors: one integer a direction
columns   a unit vector behind an activation: one column of a matrix a direction

A new kind is one file here and one line below; one conformance suite holds every kind against its own `dense()`.
"""

from fwdad.tangents.basis import BasisTangent as BasisTangent
from fwdad.tangents.columns import ColumnTangent as ColumnTangent
from fwdad.tangents.dense import DenseTangent as DenseTangent
from fwdad.tangents.dense import kind_of as kind_of
from fwdad.tangents.duck import KINDS as KINDS
from fwdad.tangents.duck import DuckTangent as DuckTangent
from fwdad.tangents.duck import Duties as Duties
from fwdad.tangents.duck import Tangent as Tangent
from fwdad.tangents.duck import as_dense as as_dense
from fwdad.tangents.duck import is_kind as is_kind
from fwdad.tangents.stream import GramSlot as GramSlot
from fwdad.tangents.stream import StreamTangent as StreamTangent
