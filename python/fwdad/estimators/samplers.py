"""Samplers: where directions come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fwdad.tangents import StreamTangent, Tangent


@dataclass(frozen=True)
class Sampler:
    """k independent random directions whose entries have mean 0 and variance 1; a pure function of (seed, step).

    Raises ValueError for k or seed out of range.
    """

    k: int
    seed: int = 0
    distribution: ClassVar[str]

    def __post_init__(self) -> None:
        if not isinstance(self.k, (int, np.integer)) or not 1 <= self.k <= 2**16:
            raise ValueError(f"k, the number of tangents, must be an integer from 1 to 65,536; got {self.k!r}")
        if not isinstance(self.seed, (int, np.integer)) or not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2^64 - 1; got {self.seed!r}")

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """The k directions of one parameter at one step, as tangents of shape (k, *shape)."""
        return StreamTangent(
            seed=int(self.seed),
            step=step,
            parameter=parameter,
            distribution=self.distribution,
            k=int(self.k),
            primal_shape=tuple(shape),
            dtype=np.dtype(dtype),
        )


class Normal(Sampler):
    """Directions with entries from N(0, 1): the paper's choice.

    Source: arXiv 2410.17764, section 3; arXiv 2202.08587, section 3.

    >>> Normal(k=3, seed=1).draw(0, (4, 5), "float32", step=0).shape
    (3, 4, 5)
    """

    distribution = "normal"


class Rademacher(Sampler):
    """Directions with entries +1 or -1, each with probability 1/2: the least variance of all with independent entries.

    >>> np.unique(Rademacher(k=3, seed=1).draw(0, (40,), "float32", step=0).dense())
    array([-1.,  1.], dtype=float32)
    """

    distribution = "rademacher"


SAMPLERS: dict[str, type[Sampler]] = {"normal": Normal, "rademacher": Rademacher}
"""Samplers by their names on the command line."""
