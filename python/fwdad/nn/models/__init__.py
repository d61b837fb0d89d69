"""Networks by name, each made by one call: ``MODELS[name](shape, classes, seed=0, dtype=np.float32)``.

A network takes images (B, channels, height, width) or (B, channels * height * width), and returns logits (B, classes).
What all of them share:

Parameters
----------
shape : (int, int, int)
    Channels, height and width of an image.
classes : int
    How many outputs there are, one logit a class.
seed : int, numpy.random.SeedSequence or None
    Its children are the seeds of the layers; see `fwdad.nn.seeds`.
dtype : dtype
    The floating dtype of the parameters.
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
