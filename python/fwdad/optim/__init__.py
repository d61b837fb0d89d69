"""Optimisers as pairs of pure functions, and learning-rate schedules.

core                 Optimizer, apply_updates
sgd, adam, rmsprop   the update rules
wrappers             optimisers made from optimisers: clipped, grouped, averaged
schedules            learning rate as a function of the step
registry             OPTIMIZERS, SCHEDULES: both by name
"""

from fwdad.optim.adam import adam, adamw
from fwdad.optim.core import Optimizer, Scaled, apply_updates
from fwdad.optim.registry import OPTIMIZERS, SCHEDULES, OptimizerName, OptimizerRow, ScheduleName, ScheduleRow
from fwdad.optim.rmsprop import rmsprop
from fwdad.optim.schedules import Plateau, Schedule, constant, cosine, exponential, linear, step_decay
from fwdad.optim.sgd import sgd
from fwdad.optim.wrappers import averaged, clipped, grouped

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Optimizer",
    "OptimizerName",
    "OptimizerRow",
    "Plateau",
    "Scaled",
    "Schedule",
    "ScheduleName",
    "ScheduleRow",
    "adam",
    "adamw",
    "apply_updates",
    "averaged",
    "clipped",
    "constant",
    "cosine",
    "exponential",
    "grouped",
    "linear",
    "rmsprop",
    "sgd",
    "step_decay",
]
