"""Rows: which examples' tangents are pushed at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fwdad.perturbation import Activities, Draw, Loss, Model, Outcome, Rows, check_coupling
from fwdad.tangents import DiagonalTangent, Tangent, as_dense


class _Errors(Activities):
    """The last layer's derivatives alone: losses must not couple examples, all else is allowed."""

    def check_model(self, nodes: Sequence[Any]) -> None:
        """Allow parameters of any kind."""

    def check(self, loss: Loss, model: Model, batch: tuple[Any, ...], examples: int) -> None:
        """Raise where an example's loss depends on another example."""
        check_coupling(loss, model, batch, examples)


class ByError:
    """Draw examples by the size of their error, so that the estimate stays unbiased.

    An example is drawn with probability ``p = min(1, c |e|)``, where ``e = dL/dz`` of the last layer, by one systematic
    draw, and its loss is divided by p. Only the drawn examples' derivatives are worked out. Where every unit is a
    direction (`Units`), one pass is enough: most of a derivative's cost comes after e is known. Otherwise a pass in
    which nothing but the last layer moves comes first, and a pass of the drawn examples follows.

    Parameters
    ----------
    share : float
        The share of examples to draw, in (0, 1].
    seed : int
        With the step it fixes the draw.

    Raises
    ------
    ValueError
        For a share outside (0, 1], a model of which no layer is called, or a loss that couples examples.

    References
    ----------
    Probabilities proportional to a bound of the gradient's norm: A. Katharopoulos, F. Fleuret, arXiv 1803.00942.
    """

    def __init__(self, share: float, *, seed: int = 0) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must lie in (0, 1]; got {share!r}")
        self.share = share
        self.seed = seed
        self._errors = _Errors("batch")
        self._last = -1  # the number of the last layer's call, in the program seen last

    def of_units(self, d: Tangent, n: int, step: int) -> Rows:
        """Return the examples of one step, chosen by derivatives (k, B) along all units, the last layer's last."""
        return self._drawn(np.linalg.norm(as_dense(d[d.shape[0] - n : d.shape[0]]), axis=0), step)

    def draw(self, loss: Loss, model: Model, batch: tuple[Any, ...], step: int) -> tuple[Rows, float]:
        """Return the examples of one step, and the mean loss of all, by a pass of its own."""
        outcome = self._move_last(loss, model, batch)
        if self._last != len(outcome.moved) - 1:
            self._last = len(outcome.moved) - 1
            outcome = self._move_last(loss, model, batch)
        if self._last < 0:
            raise ValueError("rows=ByError needs a layer whose output moves the loss, but the loss calls none")
        return self._drawn(np.linalg.norm(outcome.d, axis=1), step), outcome.value

    def _drawn(self, size: np.ndarray, step: int) -> Rows:
        p = probabilities(size, self.share)
        index = systematic(p, np.random.default_rng((self.seed, step)).random())
        return Rows(index, len(index) / (len(p) * p[index]))

    def _move_last(self, loss: Loss, model: Model, batch: tuple[Any, ...]) -> Outcome:
        def part(number: int, template: Any) -> Any:
            return DiagonalTangent(np.ones(template.shape, template.dtype)) if number == self._last else None

        return self._errors.run(loss, model, batch, Draw(part, exact=True))


def probabilities(size: np.ndarray, share: float) -> np.ndarray:
    """Return ``min(1, c size)`` for the c with which they add up to a whole number near ``share B``, at least 1.

    >>> probabilities(np.array([1.0, 1.0, 6.0, 0.0]), 0.5).round(3).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    wanted = max(1, round(share * len(size)))
    if wanted >= len(size) or not np.any(size > 0):
        return np.full(len(size), min(1.0, wanted / len(size)))
    wanted = min(wanted, int(np.count_nonzero(size)))
    p = np.zeros(len(size))
    order = np.argsort(-size)
    rest = float(size.sum())
    for taken, b in enumerate(order):  # the largest are certain, until the others can share what is left
        if size[b] * (wanted - taken) < rest:
            p[order[taken:]] = size[order[taken:]] * ((wanted - taken) / rest)
            break
        p[b] = 1.0
        rest -= size[b]
    return p


def systematic(p: np.ndarray, u: float) -> np.ndarray:
    """Return which of the examples one number u in [0, 1) draws: example b with probability p_b, as many as sum p.

    >>> systematic(np.array([0.5, 0.5, 1.0]), 0.6).tolist()
    [1, 2]
    """
    ends = np.cumsum(p)
    ends = np.rint(ends[-1]) * ends / ends[-1]  # a whole number to the last bit
    counts = np.floor(ends - u)
    return np.flatnonzero(np.diff(counts, prepend=np.floor(-u)))


def on_rows(loss: Loss, rows: Rows) -> Callable[..., Any]:
    """Return the loss of the examples drawn, or of the first of them, weighted."""

    def weighted(model: Model, *batch: Any) -> Any:
        losses = loss(model, *batch)
        return losses * rows.weights[: losses.shape[0]].astype(losses.dtype, copy=False)

    return weighted
