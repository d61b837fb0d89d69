"""Training mode: what a layer does otherwise in a training step, and what it remembers of it.

Modules are values and hold no mode. Inside ``with nn.training(step, seed) as run`` layers train: BatchNorm uses the
statistics of the batch, Dropout drops. Outside they evaluate. A new value of a `fwdad.tree.Buffer` is not
written into the model but collected by ``run``; ``run.updated(model)`` is the model that has it.
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
    """A training step under way. step, seed : from them follows all that is random in it."""

    def __init__(self, step: int, seed: int) -> None:
        self.step = step
        self.seed = seed
        self._collected: dict[int, tuple[Array, Array]] = {}  # id of the old array -> old, new

    def keep(self, buffer: Buffer, value: Array) -> None:
        """Collect the next value of a buffer: the last one given in a step is kept, without tangents."""
        old = plain(buffer.value)
        self._collected[id(old)] = old, plain(value)

    def updated(self, model: Model) -> Model:
        """The model, as it was or after `fwdad.optim.apply_updates`, with its buffers' new values.

        Raises ValueError when a layer was called in this step whose buffers are not the model's.
        """
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
    """The training step under way in this thread or task; None in evaluation."""
    return _current.get()


@contextmanager
def training(step: int, seed: int = 0) -> Iterator[Training]:
    """Layers called inside the block train; each thread and task has its own mode.

    >>> import numpy as np
    >>> from fwdad import nn
    >>> model = nn.BatchNorm(2)
    >>> with nn.training(step=0) as run:
    ...     y = model(np.array([[0.0, 1.0], [2.0, 1.0]], np.float32))
    >>> y.round(3).tolist(), run.updated(model).running_mean
    ([[-1.0, 0.0], [1.0, 0.0]], Buffer(value=array([0.1, 0.1], dtype=float32)))

    The running statistics of a step are the same however often its loss is evaluated (a sampler may need two passes).
    """
    run = Training(step, seed)
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)
