"""Learning rates as functions of the step: step 0 is the first update."""

from __future__ import annotations

import math
from collections.abc import Callable

from fwdad.optim.core import check_number

Schedule = Callable[[int], float]


def constant(learning_rate: float, warmup: int = 0) -> Schedule:
    """Keep one learning rate, after `warmup` steps of linear rise to it.

    Raises
    ------
    ValueError
        A negative learning rate or warm-up.

    Examples
    --------
    >>> [constant(0.1, warmup=2)(step) for step in range(3)]
    [0.05, 0.1, 0.1]
    """
    check_number("learning_rate", learning_rate, 0)
    return with_warmup(lambda step: learning_rate, warmup)


def cosine(learning_rate: float, steps: int, warmup: int = 0, final: float = 0.0) -> Schedule:
    """Follow half a cosine from `learning_rate` at the end of the warm-up to `final` at `steps`, and stay there.

    ``lr(t) = final + (lr - final) (1 + cos(pi (t - warmup) / (steps - warmup))) / 2``.

    Raises
    ------
    ValueError
        A negative learning rate, or a warm-up that does not end before `steps`.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR, arXiv 1608.03983, eq. 5.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(step), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("final", final, 0)
    check_number("steps", steps, warmup + 1)

    def schedule(step: int) -> float:
        passed = min(max((step - warmup) / (steps - warmup), 0.0), 1.0)
        return final + (learning_rate - final) * (1 + math.cos(math.pi * passed)) / 2

    return with_warmup(schedule, warmup)


def linear(learning_rate: float, steps: int, warmup: int = 0) -> Schedule:
    """Fall in a straight line from `learning_rate` at the end of the warm-up to 0 at `steps`, and stay there.

    ``lr(t) = lr (1 - (t - warmup) / (steps - warmup))``.

    Raises
    ------
    ValueError
        A negative learning rate, or a warm-up that does not end before `steps`.

    Examples
    --------
    >>> [linear(1.0, steps=4)(step) for step in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("steps", steps, warmup + 1)
    return with_warmup(lambda step: learning_rate * min(max((steps - step) / (steps - warmup), 0.0), 1.0), warmup)


def step_decay(learning_rate: float, every: int, factor: float = 0.1, warmup: int = 0) -> Schedule:
    """Multiply the learning rate by `factor` after every `every` steps: ``lr(t) = lr factor^floor(t / every)``.

    Raises
    ------
    ValueError
        A negative learning rate or factor, or `every` below 1.

    Examples
    --------
    >>> [step_decay(1.0, every=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("factor", factor, 0)
    check_number("every", every, 1)
    return with_warmup(lambda step: learning_rate * factor ** (step // every), warmup)


def exponential(learning_rate: float, factor: float, every: int = 1, warmup: int = 0) -> Schedule:
    """Let the learning rate fall smoothly, by `factor` in every `every` steps: ``lr(t) = lr factor^(t / every)``.

    Raises
    ------
    ValueError
        A negative learning rate, a factor outside (0, 1], or `every` below 1.

    Examples
    --------
    >>> [exponential(1.0, factor=0.25, every=2)(step) for step in range(3)]
    [1.0, 0.5, 0.25]
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("every", every, 1)
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, got {factor}")
    return with_warmup(lambda step: learning_rate * factor ** (step / every), warmup)


class Plateau:
    """Multiply the learning rate by `factor` whenever a loss has not fallen for `patience` observations in a row.

    Call ``observe(loss)`` when there is a new one, say after each epoch's validation. This schedule remembers what it
    has seen: to resume, observe the same losses again.

    Raises
    ------
    ValueError
        A negative learning rate, a factor outside (0, 1), or a patience below 1.

    Examples
    --------
    >>> schedule = Plateau(1.0, patience=2, factor=0.5)
    >>> for loss in (3.0, 2.0, 2.5, 2.0):
    ...     schedule.observe(loss)
    >>> schedule(0)
    0.5
    """

    def __init__(self, learning_rate: float, patience: int = 10, factor: float = 0.1, warmup: int = 0) -> None:
        check_number("learning_rate", learning_rate, 0)
        check_number("patience", patience, 1)
        check_number("factor", factor, 1e-30, 1)
        self.learning_rate, self.patience, self.factor = learning_rate, patience, factor
        self._course = with_warmup(lambda step: self.learning_rate, warmup)
        self._best, self._waited = math.inf, 0

    def observe(self, loss: float) -> None:
        """Take notice of a loss; NaN counts as one that has not fallen."""
        if loss < self._best:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited == self.patience:
            self.learning_rate *= self.factor
            self._waited = 0

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self._course(step)


def with_warmup(schedule: Schedule, warmup: int) -> Schedule:
    """Return the schedule times a ramp that reaches 1 at step ``warmup - 1``."""
    check_number("warmup", warmup, 0)
    return schedule if warmup == 0 else lambda step: schedule(step) * min((step + 1) / warmup, 1.0)
