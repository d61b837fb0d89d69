"""Networks: models are pytrees whose leaves are parameters, so a model with Dual leaves is just a model.

module      Module: a dataclass that is a tree
linear      Linear
sequential  Sequential, MLP
losses      per-example losses, accuracy
"""

from fwdad.nn.linear import Linear
from fwdad.nn.losses import accuracy, binary_cross_entropy, cross_entropy, squared_error, top_accuracy
from fwdad.nn.module import Module
from fwdad.nn.sequential import MLP, Activation, Sequential

__all__ = [
    "MLP",
    "Activation",
    "Linear",
    "Module",
    "Sequential",
    "accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "squared_error",
    "top_accuracy",
]
