"""Networks by name: each is called as ``model(shape, classes, seed=0, dtype=np.float32)``.

shape : of one input, (channels, height, width). classes : the number of outputs, one logit a class.
Models take images (B, channels, height, width), or flattened to (B, channels * height * width).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fwdad.nn.models.convolutional import ConvNet, LeNet5
from fwdad.nn.models.mlp import ImageMLP
from fwdad.nn.models.resnet import ResNet
from fwdad.nn.models.transformer import MLPMixer, ViT

MODELS: dict[str, Callable[..., Any]] = {
    "mlp": ImageMLP,
    "convnet": ConvNet,
    "lenet5": LeNet5,
    "resnet18": ResNet,
    "vit": ViT,
    "mlp-mixer": MLPMixer,
}

__all__ = ["MODELS", "ConvNet", "ImageMLP", "LeNet5", "MLPMixer", "ResNet", "ViT"]
