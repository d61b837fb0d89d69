"""Optimisers as small (init, update) pairs, and learning-rate schedules.

core        Optimizer, apply_updates
sgd, adam   the update rules
schedules   learning rate as a function of the step
"""

from fwdad.optim.adam import adam, adamw
from fwdad.optim.core import Optimizer, apply_updates
from fwdad.optim.schedules import Schedule, constant, cosine, step_decay
from fwdad.optim.sgd import sgd

__all__ = ["Optimizer", "Schedule", "adam", "adamw", "apply_updates", "constant", "cosine", "sgd", "step_decay"]
