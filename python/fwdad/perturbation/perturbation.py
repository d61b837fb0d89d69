"""What a perturbation is: the third factor of an estimate, beside the sampler and the combiner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fwdad import kernels
from fwdad.dual import Array
from fwdad.errors import undefined
from fwdad.perturbation.directions import Directions, Template
from fwdad.tangents import Tangent

Model = Any
Loss = Callable[..., Array]


class Rows(NamedTuple):
    """Examples that were drawn.

    Parameters
    ----------
    numbers : (R,)
        Which they are.
    weights : (R,)
        The factors of their losses: ``R / (B p_b)`` where b was drawn with probability p_b, so that the mean over the
        drawn is unbiased.
    """

    numbers: np.ndarray
    weights: np.ndarray


class Draw(NamedTuple):
    """Where the directions of a pass come from.

    Parameters
    ----------
    part : callable
        ``(number, template) -> tangent`` for each array that moves, in order; None for one that does not.
    unit : bool
        Whether directions are divided by their length over all arrays; see `Directions`.
    scale : (k,) or (B, k), optional
        What the directions are multiplied by.
    joint : bool
        Whether they were drawn for all arrays together, and so for units that turn out to be silent too.
    exact : bool
        Whether silent units are left out already: the directions are all coordinates, or follow the units' slopes.
    rows : callable, optional
        ``(d, n) -> rows``: which examples' derivatives are worth their cost, chosen by those along the last n
        directions (k, B); see `Rows`. None for all.
    """

    part: Callable[[int, Template], Tangent | None]
    unit: bool = False
    scale: np.ndarray | None = None
    joint: bool = False
    exact: bool = False
    rows: Callable[[Tangent, int], Rows] | None = None


class StaleShapes(Exception):
    """The arrays that move have other shapes than those that directions were drawn for: draw again."""


class Outcome(NamedTuple):
    """What one pass gave.

    Parameters
    ----------
    value : float
        The mean loss.
    d : (k,) or (B, k) float64
        The derivatives of the loss, or of each example's loss, along the directions.
    directions : Directions
        What moved.
    moved : list of Template
        The arrays that were asked for directions, in order, with what `Perturbation.gradient` needs to know of them.
    rows : (R,), optional
        The numbers of the examples that the rows of d stand for, where they are not all.
    """

    value: float
    d: np.ndarray
    directions: Directions
    moved: Sequence[Any]
    rows: np.ndarray | None = None


def mean_loss(losses: Array) -> float:
    """Return the mean of real losses, of which there must be one at least.

    Raises
    ------
    ValueError
        For an empty batch, or complex losses.
    """
    size, kind = getattr(losses, "size", 1), np.dtype(getattr(losses, "dtype", float)).kind
    if size == 0 or kind == "c":
        raise ValueError(f"the loss must be real, of one example at least; got {losses.dtype}{list(losses.shape)}")
    return kernels.read(np.mean(losses, dtype=np.float64))


class Perturbation:
    """What the directions move; a subclass defines `templates`, `run` and `gradient`.

    An estimate is sampler x perturbation x combiner: the sampler draws directions for `templates`, `run` pushes them
    through the loss, the combiner makes one array a template of directions and derivatives, and `gradient` turns these
    into a gradient of the model.
    """

    per_row: bool = False
    """Whether each example has directions of its own; see `Directions`."""

    def shared(self) -> Perturbation:
        """Return the same perturbation with directions that all examples share."""
        return self

    def templates(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Sequence[Template]:
        """Return the arrays that move, one template each, in the order in which `run` asks for directions."""
        raise undefined(self, "templates(loss, model, batch)")

    def shapes(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Sequence[Template]:
        """Return the shapes and dtypes of the arrays that move, which may be remembered from an earlier pass.

        `run` raises `StaleShapes` where they are others by now.
        """
        return self.templates(loss, model, batch)

    def run(self, loss: Loss, model: Model, batch: tuple[Any, ...], draw: Draw, gram: bool = False) -> Outcome:
        """Return what one pass with the drawn directions gives.

        Parameters
        ----------
        loss, model, batch
            What to run: ``loss(model, *batch)``.
        draw : Draw
            Where the directions come from.
        gram : bool
            Whether the directions' Gram matrix will be asked for, so that kernels may form it on the way.
        """
        raise undefined(self, "run(loss, model, batch, draw, gram)")

    def gradient(self, model: Model, outcome: Outcome, parts: Sequence[np.ndarray]) -> Model:
        """Return a tree like the model from one array a template, of its shape or, for d (B, k), (B, n)."""
        raise undefined(self, "gradient(model, outcome, parts)")
