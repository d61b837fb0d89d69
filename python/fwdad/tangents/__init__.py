"""Kinds of direction: what a batch of k directions of one array can be, shape ``(k, *primal.shape)``.

duck      what every kind shares: the duties and their defaults
dense     an ndarray: the reference for all others
stream    random entries that a counter-based generator makes tile by tile: nothing is stored
basis     unit vectors: one integer a direction
blocks    groups of neighbouring units, each a direction
columns   a unit vector behind an activation: one column of a matrix a direction
diagonal  all units of a layer, each a direction
scaled_rows  ... and behind the next layer: its rows of weights, scaled
images    the same for convolutional layers
low_rank  outer products a b^T
stacked   groups of directions, each of a kind of its own: what several layers move
weighted  what a loss of each example makes of its input's directions

A new kind is one file here and one line below; one conformance suite holds every kind against its own `dense()`.
"""

from fwdad.tangents.basis import BasisTangent as BasisTangent
from fwdad.tangents.blocks import BlocksTangent as BlocksTangent
from fwdad.tangents.columns import ColumnTangent as ColumnTangent
from fwdad.tangents.dense import DenseTangent as DenseTangent
from fwdad.tangents.dense import kind_of as kind_of
from fwdad.tangents.diagonal import DiagonalTangent as DiagonalTangent
from fwdad.tangents.duck import KINDS as KINDS
from fwdad.tangents.duck import DuckTangent as DuckTangent
from fwdad.tangents.duck import Duties as Duties
from fwdad.tangents.duck import Tangent as Tangent
from fwdad.tangents.duck import as_dense as as_dense
from fwdad.tangents.duck import is_kind as is_kind
from fwdad.tangents.images import ConvolvedTangent as ConvolvedTangent
from fwdad.tangents.images import RenamedTangent as RenamedTangent
from fwdad.tangents.images import SelectedTangent as SelectedTangent
from fwdad.tangents.images import ThinImageTangent as ThinImageTangent
from fwdad.tangents.low_rank import LowRankTangent as LowRankTangent
from fwdad.tangents.scaled_rows import ScaledRowsTangent as ScaledRowsTangent
from fwdad.tangents.scaled_rows import ThinTangent as ThinTangent
from fwdad.tangents.stacked import Group as Group
from fwdad.tangents.stacked import StackedTangent as StackedTangent
from fwdad.tangents.stream import GramSlot as GramSlot
from fwdad.tangents.stream import StreamTangent as StreamTangent
from fwdad.tangents.weighted import WeightedTangent as WeightedTangent
