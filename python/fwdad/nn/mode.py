"""Training mode: what layers do only in a training step, and the running statistics that they collect there.

Modules are values and hold no mode. Inside ``with nn.training(step, seed=seed) as run`` layers train: BatchNorm uses
the statistics of the batch, Dropout sets units to zero. Outside they evaluate. The new value of a `fwdad.tree.Buffer`
is not written into the model: ``run`` collects it, and ``run.updated(model)`` returns the model that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from fwdad import tree
from fwdad.dual import Array, plain
from fwdad.tree import Buffer

Model = TypeVar("Model")


class Training:
    """A training step under way; all that is random in it follows from its number and the seed."""

    def __init__(self, step: int, seed: int) -> None:
        self.step = step
        self.seed = seed
        self._collected: dict[int, tuple[Array, Array]] = {}  # id of the old array -> old, new

    def keep(self, buffer: Buffer, value: Array) -> None:
        """Collect the next value of a buffer, without tangents; of several in one step, the last counts."""
        old = plain(buffer.value)
        self._collected[id(old)] = old, plain(value)

    def updated(self, model: Model) -> Model:
        """Return the model with the new values of its buffers.

        Parameters
        ----------
        model : pytree
            The model that ran in this step, or what `fwdad.optim.apply_updates` made of it.

        Raises
        ------
        ValueError
            If a layer ran in this step whose buffers are not the model's.
        """
        if not self._collected:
            return model
        found = set()

        def update(leaf: Any) -> Any:
            if not tree.is_buffer(leaf) or id(leaf.value) not in self._collected:
                return leaf
            found.add(id(leaf.value))
            return Buffer(self._collected[id(leaf.value)][1])

        new: Model = tree.map(update, model, is_leaf=tree.is_buffer)
        if len(found) < len(self._collected):
            raise ValueError(
                f"{len(self._collected) - len(found)} buffers were updated that this model does not have: call "
                "updated() on the model that ran in this step, or on the result of fwdad.optim.apply_updates for it"
            )
        return new


_current: ContextVar[Training | None] = ContextVar("training", default=None)


def current() -> Training | None:
    """Return the training step under way in this thread or task; None in evaluation."""
    return _current.get()


@contextmanager
def training(step: int, *, seed: int = 0) -> Iterator[Training]:
    """Let the layers that are called inside the block train.

    Each thread and task has its own mode. The running statistics of a step are the same however often its loss is
    evaluated: a sampler may need two passes.

    Parameters
    ----------
    step : int
        The number of the training step.
    seed : int
        With `step`, what all that is random in the layers follows from.

    Examples
    --------
    >>> import numpy as np
    >>> from fwdad import nn
    >>> model = nn.BatchNorm(2)
    >>> with nn.training(step=0) as run:
    ...     y = model(np.array([[0.0, 1.0], [2.0, 1.0]], np.float32))
    >>> y.round(3).tolist(), run.updated(model).running_mean
    ([[-1.0, 0.0], [1.0, 0.0]], Buffer(value=array([0.1, 0.1], dtype=float32)))
    """
    run = Training(step, seed)
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)
