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
    """Where k directions over all arrays that move come from.

    A subclass draws one array after the other and defines `draw`; or it is `joint`, draws all arrays together, and
    defines `directions`. In activity perturbation the arrays are the layers' pre-activations, whose shapes are known
    once the layers have run: a joint sampler costs a pass without tangents before the pass with its directions.

    Examples
    --------
    >>> import fwdad
    >>> class Ones(Sampler):
    ...     def draw(self, parameter, shape, dtype, step):
    ...         return np.ones((1, *shape), dtype)
    >>> fwdad.ForwardGradient(Ones(), perturb="weight")(lambda x: np.sum(x**2), np.array([1.0, 3.0]))
    (10.0, array([4., 4.]))
    """

    joint: ClassVar[bool] = False  # whether it draws all arrays together: where it defines `directions`
    shared: ClassVar[bool] = False  # whether all examples have the same directions, whatever the perturbation says
    exact: ClassVar[bool] = False  # whether the directions are all coordinates
    aligned: ClassVar[bool] = False  # whether the directions follow the units' slopes, and leave out silent units
    needs_outputs: ClassVar[bool] = False  # whether templates must be fresh: a `Survey` of layers' outputs
    unit: ClassVar[bool] = False  # whether directions are divided by their length, see `Directions`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Find out whether the subclass draws all arrays together."""
        super().__init_subclass__(**kwargs)
        cls.joint = cls.directions is not Sampler.directions

    def default_combiner(self) -> Combiner | None:
        """Return the combiner where none is given; None for the projection."""
        return None

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """Return the k directions of one array at one step, (k, *shape); `parameter` is the array's number."""
        raise TypeError(
            f"{type(self).__name__} must define draw(parameter, shape, dtype, step), which gives the directions of one "
            "array; or directions(templates, step, per_row), which gives those of all arrays"
        )

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return the directions at one step, over arrays of the templates' shapes and dtypes.

        With `per_row` all shapes are (B, n_s), and every row has directions of its own over the sum of the n_s.
        """
        return Directions([self.draw(p, t.shape, t.dtype, step) for p, t in enumerate(templates)], per_row, self.unit)

    def observe(self, estimate: Sequence[np.ndarray]) -> None:
        """Hear of the estimate that the directions gave, one array a template; most samplers have no use for it."""

    def state(self) -> dict[str, np.ndarray]:
        """Return what the sampler has learnt from estimates, as arrays by name; nothing for most samplers."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the `state` of a sampler with the same arguments: the next draws are those that it would make.

        Raises
        ------
        ValueError
            For a state of another kind of sampler.
        """
        if state:
            raise ValueError(f"{type(self).__name__} has no state, but was given {', '.join(state)}")


@dataclass(frozen=True)
class Random(Sampler):
    """A sampler of k random directions that is a pure function of (seed, step); for subclasses."""

    k: int
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        """Check k and seed."""
        if not isinstance(self.k, (int, np.integer)) or not 1 <= self.k <= 2**16:
            raise ValueError(f"k, the number of tangents, must be an integer from 1 to 65,536; got {self.k!r}")
        if not isinstance(self.seed, (int, np.integer)) or not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2^64 - 1; got {self.seed!r}")

    def stream(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int, distribution: str) -> StreamTangent:
        """Return the stream of a distribution for one array."""
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
    """Random directions whose entries are independent, of mean 0 and variance 1."""

    distribution: ClassVar[str]

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """Return a stream."""
        return self.stream(parameter, shape, dtype, step, self.distribution)


class Normal(Independent):
    """Directions with entries from N(0, 1): the paper's choice.

    Parameters
    ----------
    k : int
        The number of directions, from 1 to 65,536.
    seed : int
        With the step, what the directions follow from; from 0 to 2^64 - 1.

    Raises
    ------
    ValueError
        For k or seed out of range.

    References
    ----------
    arXiv 2410.17764, section 3; arXiv 2202.08587, section 3.

    Examples
    --------
    >>> Normal(k=3, seed=1).draw(0, (4, 5), "float32", step=0).shape
    (3, 4, 5)
    """

    distribution = "normal"


class Rademacher(Independent):
    """Directions with entries +1 or -1, each with probability 1/2: the least variance of all with independent entries.

    Parameters
    ----------
    k, seed
        As of `Normal`.

    Examples
    --------
    >>> np.unique(Rademacher(k=3, seed=1).draw(0, (40,), "float32", step=0).dense())
    array([-1.,  1.], dtype=float32)
    """

    distribution = "rademacher"


@dataclass(frozen=True)
class Normalised(Independent):
    """Directions ``v / |v|`` of length 1, by default uniform on the sphere (v normal); they stay streams.

    The length is that over all arrays together; in activity perturbation over the units that a direction can move.

    Parameters
    ----------
    k, seed
        As of `Normal`.
    of : type
        `Normal` or `Rademacher`.

    References
    ----------
    arXiv 2410.17764, section 4.1 (normalised tangents).

    Examples
    --------
    >>> v = Normalised(k=3, seed=1).directions([np.zeros((4, 5)), np.zeros(5)], step=0)
    >>> np.linalg.norm(v.dense(), axis=1).round(12)
    array([1., 1., 1.])
    """

    of: type[Independent] = Normal
    unit: ClassVar[bool] = True

    def draw(self, parameter: int, shape: tuple[int, ...], dtype: Any, step: int) -> Tangent:
        """Return a stream, of another length than that of the directions."""
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
        """Check k, seed and rank."""
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

    ``d_i`` is then one entry of the gradient, and `MeanTimesDimension` is unbiased.

    Parameters
    ----------
    k, seed
        As of `Normal`.

    Examples
    --------
    >>> v = StandardBasis(k=4, seed=1).directions([np.zeros(3), np.zeros(())], step=0)
    >>> np.sort(v.dense().argmax(axis=1))
    array([0, 1, 2, 3])
    """

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return unit vectors: basis tangents, or arrays where each row has its own."""
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
    """Return k numbers below n, each n in a row distinct."""
    rounds = [random.choice(n, min(n, k - i), replace=False) for i in range(0, k, n)]
    return np.concatenate(rounds)
