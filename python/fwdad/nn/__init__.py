"""Networks: models are pytrees whose leaves are parameters, so a model with Dual leaves is just a model.

module      Module: a dataclass that is a tree
linear      Linear
windows     Window: where a kernel looks
conv        Conv2d
pooling     MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Flatten
sequential  Sequential, MLP
checks      check_layer: are a layer's derivatives right?
losses      per-example losses, accuracy
models/     whole networks by name
"""

from fwdad.nn import models
from fwdad.nn.checks import check_layer
from fwdad.nn.conv import Conv2d
from fwdad.nn.linear import Linear
from fwdad.nn.losses import accuracy, binary_cross_entropy, cross_entropy, squared_error, top_accuracy
from fwdad.nn.models import MODELS
from fwdad.nn.module import Module
from fwdad.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, Flatten, MaxPool2d
from fwdad.nn.sequential import MLP, Activation, Sequential

__all__ = [
    "MLP",
    "MODELS",
    "Activation",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "Conv2d",
    "Flatten",
    "Linear",
    "MaxPool2d",
    "Module",
    "Sequential",
    "accuracy",
    "binary_cross_entropy",
    "check_layer",
    "cross_entropy",
    "models",
    "squared_error",
    "top_accuracy",
]
