"""One training step, shared by the trainer, the scikit-learn estimators and the experiments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad import nn, tree
from fwdad.optim import Optimizer
from fwdad.train.evaluation import beside


class Learner:
    """A model with all that makes the next one of it: loss, estimator and optimiser.

    Parameters
    ----------
    model
        A pytree; its arrays decide on which device the steps run.
    loss
        ``loss(model, *batch)``, the loss of each example, (B,).
    estimator
        ``estimator(loss, model, *batch) -> value, gradient``, such as `fwdad.ForwardGradient`.
    optimizer
        Moves the parameters; buffers get the values that the layers give them.
    state
        The optimiser's state; by default that of the beginning.
    seed
        Of layers that draw in training, such as `fwdad.nn.Dropout`.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> from fwdad import estimators, nn, optim
    >>> estimator = fwdad.ForwardGradient(estimators.Normal(8), perturb="activity")
    >>> loss = lambda model, x, y: nn.squared_error(model(x), y)
    >>> learner = Learner(nn.Linear(2, 1), loss, estimator, optim.sgd(0.1))
    >>> x, y = np.ones((4, 2), np.float32), np.full((4, 1), 3, np.float32)
    >>> losses = [learner.step(i, x, y)[0] for i in range(20)]
    >>> losses[-1] < 0.01 * losses[0]
    True
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[..., Any],
        estimator: Callable[..., tuple[float, Any]],
        optimizer: Optimizer,
        *,
        state: Any = None,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.loss, self.estimator, self.optimizer, self.seed = loss, estimator, optimizer, seed
        self.state = optimizer.init(tree.learned(model)) if state is None else state

    def step(self, number: int, *batch: np.ndarray) -> tuple[float, Any]:
        """Take the step of this number on a batch; return the loss that it began from, and the gradient.

        An overflow shows in the loss, or in the new parameters, and not as a warning of NumPy's.
        """
        there = beside(self.model, *batch)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"), nn.training(number, seed=self.seed) as run:
            value, gradient = self.estimator(self.loss, self.model, *there)
            parameters, state = self.optimizer.step(tree.learned(gradient), self.state, tree.learned(self.model))
        model = run.updated(tree.with_learned(self.model, parameters))
        # In C order, as a checkpoint gives arrays back: another memory order could mean another order of additions.
        self.model, self.state = _in_c_order(model), _in_c_order(state)
        return value, gradient


def _in_c_order(arrays: Any) -> Any:
    """Return a tree of C-contiguous arrays: itself, where they are."""
    if all(array.flags.c_contiguous for array in tree.leaves(arrays)):
        return arrays
    return tree.map(lambda array: array if array.flags.c_contiguous else array.copy(order="C"), arrays)
