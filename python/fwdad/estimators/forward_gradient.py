"""The forward gradient: a gradient estimate from one forward pass."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fwdad import kernels, tree
from fwdad.estimators.combiners import Combiner, Projection
from fwdad.estimators.diagnostics import Report, report
from fwdad.estimators.rows import ByError, on_rows
from fwdad.estimators.samplers import Sampler
from fwdad.perturbation import (
    DEFAULT,
    Draw,
    Loss,
    Model,
    Outcome,
    Perturbation,
    PerturbationName,
    StaleShapes,
    perturbation_of,
    some_rows,
)
from fwdad.registry import Name

M = TypeVar("M")
Part = TypeVar("Part")


class Estimate(NamedTuple):
    """What one call gave: the mean loss, the gradient, and how it came about."""

    value: float
    gradient: Model  # a tree like the model
    parts: list[np.ndarray]  # the estimate where the directions are, one array a part
    outcome: Outcome


class ForwardGradient:
    """Gradients from k directional derivatives, without backward pass: ``value, grads = fg(loss, model, *batch)``.

    loss(model, *batch) returns the losses per example, (B,), or one number (weight perturbation only). The value is
    their mean, a float; the gradients are a tree like the model, for that mean, in the parameters' dtypes.

    `step` counts the calls: with the sampler's seed it fixes every draw, and it is the only state unless the sampler
    has its own. A `joint` sampler costs one more pass, without tangents, in activity perturbation.

    Parameters
    ----------
    sampler : Sampler
        Where the k directions come from.
    combiner : Combiner, optional
        How directions and derivatives become a gradient; by default `Projection`.
    perturb : {"activity", "weight"} or Perturbation
        What the directions move: each layer's pre-activations (`fwdad.perturbation.Activities`), for networks; or all
        parameters at once (`fwdad.perturbation.Weights`), for any function.
    rows : ByError, optional
        Which examples' tangents are pushed at all; by default those of all.

    Raises
    ------
    ValueError
        For an unknown perturbation, or a loss of the wrong shape.
    TypeError
        For what is no sampler or no combiner, and, with activity perturbation, for a parameter whose gradient it cannot
        estimate.

    References
    ----------
    arXiv 2410.17764, section 3 (multi-tangent, weight), 4.4 (activity); arXiv 2210.03310 (activity).

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> from fwdad import estimators
    >>> fg = fwdad.ForwardGradient(estimators.Normal(k=3), estimators.Projection(), perturb="weight")
    >>> value, grads = fg(lambda p: np.sum(p["x"] ** 2), {"x": np.array([1.0, -2.0])})
    >>> value, np.allclose(grads["x"], [2.0, -4.0])  # three directions span the plane: exact
    (5.0, True)
    """

    def __init__(
        self,
        sampler: Sampler,
        combiner: Combiner | None = None,
        perturb: PerturbationName | Name | Perturbation = DEFAULT,
        rows: ByError | None = None,
    ) -> None:
        self.sampler = _checked(sampler, Sampler, "Normal(k=16)")
        self.combiner = _checked(combiner or sampler.default_combiner() or Projection(), Combiner, "Projection()")
        self.perturbation = perturbation_of(perturb)
        if sampler.shared:
            self.perturbation = self.perturbation.shared()
        self.rows = rows
        self.step = 0

    def __call__(self, loss: Loss, model: M, *batch: Any) -> tuple[float, M]:
        """Return the mean loss and the gradient of one step."""
        estimate = self.estimate(loss, model, *batch)
        return estimate.value, estimate.gradient

    def diagnose(self, loss: Loss, model: M, *batch: Any, reference: M | None = None) -> tuple[float, M, Report]:
        """Return what a call of the estimator does, and a report on the estimate and its directions.

        Parameters
        ----------
        loss, model, batch
            As of a call.
        reference : optional
            The true gradient, a tree like the model (see `exact_gradient`), to compare the estimate with.

        Raises
        ------
        ValueError
            Where nothing moved, or for a reference that is not a tree like the model.

        Examples
        --------
        >>> import numpy as np, fwdad
        >>> fg = fwdad.ForwardGradient(fwdad.estimators.Normal(k=2), perturb="weight")
        >>> x = np.array([1.0, -2.0])
        >>> _, _, report = fg.diagnose(lambda x: np.sum(x**2), x, reference=2 * x)
        >>> report.rank, round(report.cosine, 6), float(report.expected.cosine_squared)
        (2.0, 1.0, 1.0)
        """
        value, gradient, parts, outcome = self.estimate(loss, model, *batch)
        if not parts:
            raise ValueError("there is nothing to report on: no layer of the model was called")
        compared = None
        if reference is not None:
            structure = tree.flatten(gradient)[1]
            of_reference = tree.leaves_like(reference, structure, "the reference (a tree like the model)")
            compared = _parameters(tree.leaves(gradient)), _parameters(of_reference)
        return value, gradient, report(outcome.d, outcome.directions, self.combiner, compared)

    def estimate(self, loss: Loss, model: Model, *batch: Any) -> Estimate:
        """Return all that a call of the estimator finds out: draw, push forward, combine, turn into a gradient."""
        if self.rows is None or self.sampler.exact:
            outcome = self._run(loss, model, batch)
        else:
            rows, value = self.rows.draw(loss, model, batch, self.step)
            with some_rows():
                outcome = self._run(on_rows(loss, rows), model, tuple(array[rows.numbers] for array in batch))
            outcome = outcome._replace(value=value)
        parts = self.combiner.gradient(outcome.d, outcome.directions) if outcome.directions.parts else []
        gradient = self.perturbation.gradient(model, outcome, parts)
        if parts:
            self.sampler.observe(parts)
        self.step += 1
        return Estimate(outcome.value, gradient, parts, outcome)

    def state(self) -> dict[str, np.ndarray]:
        """Return what the sampler has learnt; `step` is not part of it."""
        return self.sampler.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over the state of another."""
        self.sampler.restore(state)

    def _run(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Outcome:
        """Return what this step's pass gives."""
        for attempt in range(2):
            draw = self._draw(loss, model, batch)
            try:
                run = functools.partial(self.perturbation.run, loss, model, batch, draw, gram=self.combiner.uses_gram)
                return kernels.assuming(run)
            except StaleShapes:
                if attempt:
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _draw(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Draw:
        """Return this step's directions: drawn array by array during the pass, or for all arrays before it."""
        sampler = self.sampler
        if not sampler.joint:
            return Draw(lambda number, t: sampler.draw(number, t.shape, t.dtype, self.step), sampler.unit)
        perturbation = self.perturbation
        templates = (perturbation.templates if sampler.needs_outputs else perturbation.shapes)(loss, model, batch)
        if not templates:
            return Draw(lambda number, t: None)
        drawn = sampler.directions(templates, self.step, per_row=self.perturbation.per_row)
        rows = None
        if self.rows is not None and sampler.exact:
            rows = functools.partial(self.rows.of_units, step=self.step)
        exact = sampler.exact or sampler.aligned
        return Draw(lambda number, t: drawn.parts[number], scale=drawn.scale, joint=True, exact=exact, rows=rows)


def _checked(given: Part, kind: type[Part], example: str) -> Part:
    """Return what was given; TypeError unless it is of this kind."""
    if not isinstance(given, kind):
        shown = f"the class {given.__name__}; call it" if isinstance(given, type) else repr(given)
        raise TypeError(f"{kind.__name__.lower()} must be an object such as estimators.{example}; got {shown}")
    return given


def _parameters(leaves: list[Any]) -> np.ndarray:
    """Return all entries of a gradient's leaves in one vector, float64."""
    return np.concatenate([np.ravel(leaf) for leaf in leaves if tree.is_parameter(leaf)], dtype=np.float64)
