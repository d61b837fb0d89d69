"""Optimisers and schedules by the names that `fwdad.train` and its command line choose them by.

Add one of your own: ``OPTIMIZERS.register("mine", OptimizerRow(mine, {}, lambda perturb, combiner: 1e-3))``, or without
settings and without a default of the learning rate ``OPTIMIZERS.register("mine", mine)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from fwdad.optim.adam import adam, adamw
from fwdad.optim.core import Optimizer
from fwdad.optim.rmsprop import rmsprop
from fwdad.optim.schedules import Plateau, Schedule, constant, cosine, exponential, linear, step_decay
from fwdad.optim.sgd import sgd
from fwdad.registry import Registry


class OptimizerRow(NamedTuple):
    """An optimiser that can be chosen by name.

    Parameters
    ----------
    make
        Called with the learning rate, a number or a schedule, and with the settings by keyword.
    settings
        Which of the settings ``momentum`` and ``weight_decay`` it takes, with the values where none are given.
    learning_rate
        ``learning_rate(perturb, combiner)`` where none is given, with "units" as the combiner where every unit is a
        direction; None where nothing is known.
    """

    make: Callable[..., Optimizer]
    settings: Mapping[str, float]
    learning_rate: Callable[[str, str], float | None]


class ScheduleRow(NamedTuple):
    """A schedule that can be chosen by name.

    Parameters
    ----------
    make
        ``make(learning_rate, steps, warmup)``, for a run of so many steps.
    spans_run
        Whether its course depends on the number of steps, so that a run cannot be made longer.
    """

    make: Callable[[float, int, int], Schedule]
    spans_run: bool = True


# Measured by benchmarks/learning_rates.py. The steps of adam and rmsprop hardly depend on the length of the gradient,
# those of sgd do: its rates by (perturb, combiner) are for k = 16 and networks of 10^4 to 10^6 parameters.
ADAPTIVE_RATE = 5e-3
SGD_RATES: dict[tuple[str, str], float] = {
    ("activity", "units"): 5e-2,
    ("activity", "projection"): 1e-1,
    ("activity", "mean"): 1e-2,
    ("activity", "sum"): 1e-3,
    ("activity", "mean-times-dimension"): 1e-4,
    ("activity", "max"): 2e-3,
    ("activity", "max-normalised"): 1e-1,
    ("activity", "mean-of-near-best"): 2e-3,
    ("weight", "projection"): 1.0,
    ("weight", "mean"): 3e-4,
    ("weight", "sum"): 2e-5,
    ("weight", "mean-times-dimension"): 1e-8,
    ("weight", "max"): 5e-5,
    ("weight", "max-normalised"): 1.0,
    ("weight", "mean-of-near-best"): 5e-5,
}

OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd"]
"""The names of `OPTIMIZERS` that are there from the start."""

ScheduleName = Literal["constant", "cosine", "linear", "step", "exponential", "plateau"]
"""The names of `SCHEDULES` that are there from the start."""

_OPTIMIZERS: dict[str, OptimizerRow] = {
    "adam": OptimizerRow(adam, {}, lambda *method: ADAPTIVE_RATE),
    "adamw": OptimizerRow(adamw, {"weight_decay": 0.0}, lambda *method: ADAPTIVE_RATE),
    "rmsprop": OptimizerRow(rmsprop, {"momentum": 0.0}, lambda *method: ADAPTIVE_RATE),
    "sgd": OptimizerRow(sgd, {"momentum": 0.9, "weight_decay": 0.0}, lambda *method: SGD_RATES.get(method)),
}

_SCHEDULES: dict[str, ScheduleRow] = {
    "constant": ScheduleRow(lambda rate, steps, warmup: constant(rate, warmup), spans_run=False),
    "cosine": ScheduleRow(cosine),
    "linear": ScheduleRow(linear),
    "step": ScheduleRow(lambda rate, steps, warmup: step_decay(rate, math.ceil(steps / 3), warmup=warmup)),
    "exponential": ScheduleRow(lambda rate, steps, warmup: exponential(rate, 0.01, every=steps, warmup=warmup)),
    "plateau": ScheduleRow(lambda rate, steps, warmup: Plateau(rate, 5, 0.1, warmup), spans_run=False),
}


def _optimizer_row(given: Any) -> OptimizerRow:
    return given if isinstance(given, OptimizerRow) else OptimizerRow(given, {}, lambda *method: None)


def _schedule_row(given: Any) -> ScheduleRow:
    return given if isinstance(given, ScheduleRow) else ScheduleRow(given)


OPTIMIZERS = Registry("fwdad.optimizers", _OPTIMIZERS, _optimizer_row)
SCHEDULES = Registry("fwdad.schedules", _SCHEDULES, _schedule_row)
