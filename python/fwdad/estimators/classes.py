"""Class directions: for early layers, one direction for each output, and every unit of the last layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, new_level, split
from fwdad.estimators.combiners import Combiner, Projection
from fwdad.estimators.samplers import Sampler
from fwdad.perturbation import Directions, Site, Survey, Template, layer_pass
from fwdad.tangents import DiagonalTangent, Group, StackedTangent, as_dense

EXACT = 3
"""Layers at the end whose units each have a direction: at most one large product lies between them and the outputs."""


class ClassDirections(Sampler):
    """Directions that the gradient of an early layer is mostly made of: the mean Jacobian of the outputs, by columns.

    An example's gradient in the activations y of a layer is ``J e``, for the Jacobian J (n, c) of the c outputs by y
    and the loss's gradient e (c,) in the outputs. J differs little between examples. So c directions for each layer and
    example, ``act'(z) M_j`` for the columns of a running mean M of J, span most of the gradient, and the projection
    takes what they span. The last three layers have a direction for each unit, which is exact (`Units`).

    M is learnt from a pass with every unit of the early layers for a few examples a step. This sampler has a state: M.
    It is for activity perturbation of layers whose z is a matrix (B, n).

    Parameters
    ----------
    examples, every : int
        M is learnt from so many examples, at every so many steps; the first step takes eight times as many.
    decay : float
        ``M <- decay M + (1 - decay) J`` each time, from 0 to below 1.

    Raises
    ------
    ValueError
        For examples or every below 1, or a decay out of range.
    TypeError
        Outside activity perturbation, and for layers whose z is no matrix.

    Examples
    --------
    >>> import fwdad
    >>> from fwdad import nn
    >>> model = nn.MLP((5, 8, 8, 8, 3), seed=0)
    >>> x, y = np.random.default_rng(0).standard_normal((6, 5)).astype("float32"), np.arange(6) % 3
    >>> loss = lambda m, x, y: nn.cross_entropy(m(x), y)
    >>> _, gradient = fwdad.ForwardGradient(ClassDirections())(loss, model, x, y)
    >>> _, exact = fwdad.estimators.exact_gradient(loss, model, x, y)
    >>> bool(np.allclose(gradient.layers[1].weight, exact.layers[1].weight, atol=1e-6))
    True
    """

    needs_outputs = True
    aligned = True

    def __init__(self, examples: int = 2, every: int = 8, decay: float = 0.8) -> None:
        if min(examples, every) < 1 or not 0 <= decay < 1:
            raise ValueError(
                "examples and every must be at least 1, and decay at least 0 and below 1; "
                f"got {examples!r}, {every!r} and {decay!r}"
            )
        self.examples = examples
        self.every = every
        self.decay = decay
        self.means: list[np.ndarray] = []  # (n, c) for each early layer, float64

    def default_combiner(self) -> Combiner:
        """Return the projection of each layer by itself."""
        return ByLayer()

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return c directions for each early layer, and one for each unit of the last layers."""
        surveys = [t for t in templates if isinstance(t, Survey) and len(t.z_shape) == 2]
        if len(surveys) < len(templates) or not per_row:
            raise TypeError(
                "ClassDirections moves the outputs (B, n) of layers, by directions of each example: perturb='activity'"
            )
        early = surveys[:-EXACT]
        if early and (not self.means or step % self.every == 0):
            self._learn(surveys, len(early))
        c = surveys[-1].z_shape[1]
        sizes = [c] * len(early) + [survey.z_shape[1] for survey in surveys[len(early) :]]
        k, parts, start = sum(sizes), [], 0
        for number, (survey, size) in enumerate(zip(surveys, sizes, strict=True)):
            if number < len(early):
                part: Any = survey.slope * self.means[number].T.astype(survey.dtype)[:, np.newaxis]
            else:
                part = DiagonalTangent(np.ones(survey.shape, survey.dtype))
            parts.append(StackedTangent([Group(start, part)], k))
            start += size
        return Directions(parts, per_row)

    def _learn(self, surveys: Sequence[Survey], early: int) -> None:
        """Take the Jacobians of a few examples into the means."""
        shapes = [(survey.z_shape[1], surveys[-1].z_shape[1]) for survey in surveys[:early]]
        first = not self.means
        if not first and [mean.shape for mean in self.means] != shapes:
            raise ValueError(f"the layers had Jacobians of shapes {[m.shape for m in self.means]}; now {shapes}")
        examples = self.examples * 8 if first else self.examples
        found = jacobians(surveys[-1], early, len(surveys) - 1, [n for n, _ in shapes], examples)
        decay = 0.0 if first else self.decay
        means = self.means or found
        self.means = [decay * mean + (1 - decay) * new for mean, new in zip(means, found, strict=True)]

    def state(self) -> dict[str, np.ndarray]:
        """Return the means."""
        return {f"mean.{number}": mean.copy() for number, mean in enumerate(self.means)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the means of another sampler."""
        if set(state) != {f"mean.{number}" for number in range(len(state))}:
            raise ValueError(f"expected a state of arrays mean.0, mean.1, ...; given {', '.join(state)}")
        self.means = [state[f"mean.{number}"].copy() for number in range(len(state))]


class ByLayer(Combiner):
    """The projection for each layer by itself, of directions that move one layer each; unit vectors are exact.

    Directions of different layers are at right angles, so that this is the projection on the span of all.
    """

    def gradient(self, d: np.ndarray, directions: Directions) -> list[np.ndarray]:
        """Return the estimate, one array for each layer."""
        parts = []
        for part in directions.parts:
            (group,) = part.groups
            own = d[..., group.start : group.stop]
            if isinstance(group.part, DiagonalTangent):
                parts.append(own.astype(group.part.dtype))
            else:
                parts += Projection().gradient(own, Directions([group.part], directions.per_row))
        return parts


class _Outputs(Site):
    """A site whose output y moves, each unit in a direction of its own; the last one notes how its z moves."""

    group: tuple[int, int] | None = None  # where its directions start, of how many
    seen: Any = None
    last: bool = False

    def settled(self, y: Array) -> Array:
        primal, tangent = split(y, self.level)
        if self.last:
            self.seen = tangent
            return primal
        if self.group is None:
            return y
        start, k = self.group
        own = StackedTangent([Group(start, DiagonalTangent(np.ones(primal.shape, primal.dtype)))], k)
        return Dual(primal, own if tangent is None else tangent + own, self.level)


def jacobians(survey: Survey, early: int, last: int, sizes: Sequence[int], examples: int) -> list[np.ndarray]:
    """Return the mean Jacobian of the last layer's output by that of each early layer, (n, c) float64, by one pass."""
    starts = np.cumsum([0, *sizes])
    rows = min(examples, survey.z_shape[0])

    def prepare(number: int, site: _Outputs) -> None:
        site.last = number == last
        site.group = (int(starts[number]), int(starts[-1])) if number < early else None

    with layer_pass(_Outputs, survey.model, new_level(), prepare) as running:
        survey.loss(survey.model, *(array[:rows] for array in survey.batch))
    seen = running.sites[last].seen
    mean = np.asarray(np.mean(as_dense(seen), axis=1, dtype=np.float64))
    return [mean[start : start + n] for start, n in zip(starts, sizes, strict=False)]
