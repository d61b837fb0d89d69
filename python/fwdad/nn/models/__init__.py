"""Networks by name: each is called as ``model(shape, classes, seed=0, dtype=np.float32)``.

shape : of one input, (channels, height, width). classes : the number of outputs, one logit a class.
Models take images (B, channels, height, width), or flattened to (B, channels * height * width).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fwdad.nn.models.convolutional import ConvNet, LeNet5
from fwdad.nn.models.mlp import mlp

MODELS: dict[str, Callable[..., Any]] = {
    "mlp": mlp,
    "convnet": ConvNet,
    "lenet5": LeNet5,
}

__all__ = ["MODELS", "ConvNet", "LeNet5", "mlp"]
