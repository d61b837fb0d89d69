"""Optimisers as a few pure functions each, and learning-rate schedules.

core                 Optimizer, apply_updates
sgd, adam, rmsprop   the update rules
wrappers             optimisers made from optimisers: clipped, grouped, averaged
schedules            learning rate as a function of the step
"""

from fwdad.optim.adam import adam, adamw
from fwdad.optim.core import Optimizer, apply_updates
from fwdad.optim.rmsprop import rmsprop
from fwdad.optim.schedules import Plateau, Schedule, constant, cosine, exponential, step_decay
from fwdad.optim.sgd import sgd
from fwdad.optim.wrappers import averaged, clipped, grouped

__all__ = [
    "Optimizer",
    "Plateau",
    "Schedule",
    "adam",
    "adamw",
    "apply_updates",
    "averaged",
    "clipped",
    "constant",
    "cosine",
    "exponential",
    "grouped",
    "rmsprop",
    "sgd",
    "step_decay",
]
