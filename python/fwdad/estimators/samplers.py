"""Samplers: where directions come from. Here: those whose arrays are drawn one by one, and unit vectors.

independent entries   Normal, Rademacher, and Normalised to unit length: streams, nothing is stored
one coordinate each   StandardBasis
all arrays at once    Haar, Orthogonal, FixedAngle: `frames`
not random            Given, Previous, LocalClassifier, and Mixed with others: `guesses`
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from fwdad.estimators.combiners import Combiner
from fwdad.perturbation import Directions, Template
from fwdad.tangents import BasisTangent, LowRankTangent, StreamTangent, Tangent


class Sampler:
    """Draws k directions over all arrays that move.

    A subclass gives `directions`. In activity perturbation the arrays are the layers' pre-activations, whose shapes are
    known only once the layers have run: a sampler that is `joint` gets them all at once after a first pass without
    noise; the others, `Independent`, are asked layer by layer and need none.
    """

    joint: ClassVar[bool] = True
    shared: ClassVar[bool] = False  # whether all examples have the same directions, whatever the perturbation says
    exact: ClassVar[bool] = False  # whether the directions are all coordinates
    needs_outputs: ClassVar[bool] = False  # whether templates must be fresh: a `Survey` of layers' outputs
    unit: ClassVar[bool] = False  # whether directions are divided by their length, see `Directions`

    def default_combiner(self) -> Combiner | None:
        """The combiner where none is given; None for the projection."""
        return None

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """The k directions of one array at one step, as tangents of shape (k, *shape); unless the sampler is joint."""
        raise NotImplementedError

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """The directions at one step, over arrays of the templates' shapes and dtypes.

        With `per_row` all shapes are (B, n_s), and every row has directions of its own over the sum of the n_s; the
        arrays of a joint sampler are then fresh: they are written to.
        """
        raise NotImplementedError

    def observe(self, estimate: Sequence[np.ndarray]) -> None:
        """Hears of the estimate, one array a template, that its directions gave; most samplers have no use for it."""

    def state(self) -> dict[str, np.ndarray]:
        """What the sampler has learnt from estimates, as arrays by name; empty for a function of (seed, step)."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` of a sampler made alike has given, so that the next draws are those it would make.

        Raises ValueError for a state of another kind of sampler.
        """
        if state:
            raise ValueError(f"{type(self).__name__} has no state, but was given {', '.join(state)}")


@dataclass(frozen=True)
class Random(Sampler):
    """k random directions; a pure function of (seed, step).

    Raises ValueError for k or seed out of range.
    """

    k: int
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.k, (int, np.integer)) or not 1 <= self.k <= 2**16:
            raise ValueError(f"k, the number of tangents, must be an integer from 1 to 65,536; got {self.k!r}")
        if not isinstance(self.seed, (int, np.integer)) or not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2^64 - 1; got {self.seed!r}")

    def stream(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int, distribution: str) -> StreamTangent:
        """This sampler's stream of a distribution for one array."""
        return StreamTangent(
            seed=int(self.seed),
            step=step,
            parameter=parameter,
            distribution=distribution,
            k=int(self.k),
            primal_shape=tuple(shape),
            dtype=np.dtype(dtype),
        )


@dataclass(frozen=True)
class Independent(Random):
    """k independent random directions whose entries have mean 0 and variance 1; a pure function of (seed, step).

    Raises ValueError for k or seed out of range.
    """

    distribution: ClassVar[str]
    joint: ClassVar[bool] = False

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        return self.stream(parameter, shape, dtype, step, self.distribution)

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        parts = [self.draw(p, t.shape, t.dtype, step) for p, t in enumerate(templates)]
        return Directions(parts, per_row, self.unit)


class Normal(Independent):
    """Directions with entries from N(0, 1): the paper's choice.

    Source: arXiv 2410.17764, section 3; arXiv 2202.08587, section 3.

    >>> Normal(k=3, seed=1).draw(0, (4, 5), "float32", step=0).shape
    (3, 4, 5)
    """

    distribution = "normal"


class Rademacher(Independent):
    """Directions with entries +1 or -1, each with probability 1/2: the least variance of all with independent entries.

    >>> np.unique(Rademacher(k=3, seed=1).draw(0, (40,), "float32", step=0).dense())
    array([-1.,  1.], dtype=float32)
    """

    distribution = "rademacher"


@dataclass(frozen=True)
class Normalised(Independent):
    """Directions ``v / |v|`` of length 1, by default uniform on the sphere (v normal); they stay streams.

    of : `Normal` or `Rademacher`. The length is that over all arrays together; in activity perturbation over the units
    that a direction can move.
    Source: arXiv 2410.17764, section 4.1 (normalised tangents).

    >>> v = Normalised(k=3, seed=1).directions([np.zeros((4, 5)), np.zeros(5)], step=0)
    >>> np.linalg.norm(v.dense(), axis=1).round(12)
    array([1., 1., 1.])
    """

    of: type[Independent] = Normal
    unit: ClassVar[bool] = True

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        return self.stream(parameter, shape, dtype, step, self.of.distribution)


@dataclass(frozen=True)
class LowRank(Random):
    """Directions of matrices that are products ``a b^T`` with normal factors; vectors move by normal directions.

    Entries have mean 0 and variance 1 and are uncorrelated, so that the mean is unbiased; a direction costs a matrix
    (K, N) only K + N random numbers, and its product with x next to nothing. For weight perturbation.

    Parameters
    ----------
    rank : int
        The number of outer products in each direction, whose sum is divided by the square root of it.

    Raises
    ------
    ValueError
        For a rank below 1.

    References
    ----------
    arXiv 2511.16652 (there for evolution strategies).

    Examples
    --------
    >>> LowRank(k=3, seed=1).draw(0, (4, 5), "float32", step=0).shape
    (3, 4, 5)
    """

    rank: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.rank, (int, np.integer)) or self.rank < 1:
            raise ValueError(f"rank must be an integer of at least 1; got {self.rank!r}")

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """Return the directions of one array."""
        if len(shape) < 2:
            return self.stream(parameter, shape, dtype, step, "normal")
        rows, rank = math.prod(shape[:-1]), int(self.rank)
        a = self.stream(parameter, (rows, rank), dtype, step, "normal").dense()
        b = self.stream(parameter + SECOND_FACTOR, (rank, shape[-1]), dtype, step, "normal").dense()
        return LowRankTangent(a if rank == 1 else a / np.asarray(math.sqrt(rank), a.dtype), b, shape)

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the directions of all arrays; TypeError for examples with directions of their own."""
        if per_row:
            raise TypeError("LowRank moves weights, and not the units of each example: perturb='weight'")
        return Directions([self.draw(p, t.shape, t.dtype, step) for p, t in enumerate(templates)])


SECOND_FACTOR = 2**15
"""What the random contract's number of a parameter is raised by for the factor b."""


class StandardBasis(Random):
    """Unit vectors e_j of distinct coordinates j, all equally likely; for k > n every n in a row are distinct.

    ``d_i`` is then one entry of the gradient, and `Mean` times n is unbiased.

    >>> v = StandardBasis(k=4, seed=1).directions([np.zeros(3), np.zeros(())], step=0)
    >>> np.sort(v.dense().argmax(axis=1))
    array([0, 1, 2, 3])
    """

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        random = np.random.default_rng((int(self.seed), step))
        sizes = [int(np.prod(t.shape[per_row:], dtype=np.int64)) for t in templates]
        ends = np.cumsum(sizes)
        rows = templates[0].shape[0] if per_row else 1
        chosen = np.stack([_distinct(random, int(ends[-1]), int(self.k)) for _ in range(rows)])  # (rows, k)
        parts: list[Tangent] = []
        for t, size, end in zip(templates, sizes, ends, strict=True):
            start = end - size
            here = np.where((chosen >= start) & (chosen < end), chosen - start, -1)
            if per_row:
                v = np.zeros((rows, self.k, size), t.dtype)
                v[(*np.nonzero(here >= 0), here[here >= 0])] = 1
                parts.append(np.ascontiguousarray(np.moveaxis(v, 0, 1)))
            else:
                parts.append(BasisTangent(here[0], t.shape, t.dtype))
        return Directions(parts, per_row)


def _distinct(random: np.random.Generator, n: int, k: int) -> np.ndarray:
    """k numbers below n, each n in a row distinct."""
    rounds = [random.choice(n, min(n, k - i), replace=False) for i in range(0, k, n)]
    return np.concatenate(rounds)
