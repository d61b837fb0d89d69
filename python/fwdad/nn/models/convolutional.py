"""Small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.nn.conv import Conv2d
from fwdad.nn.linear import Linear
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.module import Module
from fwdad.nn.pooling import MaxPool2d
from fwdad.tree import static


class ConvNet(Module):
    """3x3 convolutions of stride 2, then one linear layer: few units, which is what forward gradients need.

    Every convolution halves the image, so no unit is computed only to be thrown away by a pooling.
    channels : outputs of each convolution.

    >>> ConvNet((1, 28, 28), 10).parameters
    20490
    """

    convs: list[Conv2d]
    fc: Linear
    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        seed: int = 0,
        dtype: Any = np.float32,
        *,
        channels: Sequence[int] = (16, 32),
        activation: str = "relu",
    ) -> None:
        seeds = np.random.SeedSequence(seed).spawn(len(channels) + 1)
        self.shape = shape
        self.convs, inputs, (height, width) = [], shape[0], shape[1:]
        for outputs, child in zip(channels, seeds[1:], strict=True):
            self.convs.append(
                Conv2d(inputs, outputs, 3, stride=2, padding=1, activation=activation, seed=child, dtype=dtype)
            )
            inputs, (height, width) = outputs, self.convs[-1].at.output(height, width)
        self.fc = Linear(inputs * height * width, classes, seed=seeds[0], dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = as_images(x, self.shape)
        for conv in self.convs:
            x = conv(x)
        return self.fc(np.reshape(x, (x.shape[0], -1)))


class LeNet5(Module):
    """Two 5x5 convolutions with max pooling, three linear layers: LeCun et al., Proc. IEEE 86(11), 1998, with relu.

    For images of 28 x 28 (padded by 2) or 32 x 32, or any other size of at least 16 x 16.

    >>> LeNet5((1, 28, 28), 10).parameters
    61706
    """

    conv1: Conv2d
    conv2: Conv2d
    fc1: Linear
    fc2: Linear
    fc3: Linear
    pool: MaxPool2d
    shape: Shape = static()

    def __init__(self, shape: Shape, classes: int, seed: int = 0, dtype: Any = np.float32) -> None:
        seeds = np.random.SeedSequence(seed).spawn(5)
        channels, height, width = self.shape = shape
        padding = 2 if min(height, width) < 32 else 0
        self.conv1 = Conv2d(channels, 6, 5, padding=padding, activation="relu", seed=seeds[0], dtype=dtype)
        self.conv2 = Conv2d(6, 16, 5, activation="relu", seed=seeds[1], dtype=dtype)
        self.pool = MaxPool2d(2)
        for layer in (self.conv1, self.pool, self.conv2, self.pool):
            height, width = layer.at.output(height, width)
        self.fc1 = Linear(16 * height * width, 120, activation="relu", seed=seeds[2], dtype=dtype)
        self.fc2 = Linear(120, 84, activation="relu", seed=seeds[3], dtype=dtype)
        self.fc3 = Linear(84, classes, seed=seeds[4], dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = as_images(x, self.shape)
        x = self.pool(self.conv2(self.pool(self.conv1(x))))
        return self.fc3(self.fc2(self.fc1(np.reshape(x, (x.shape[0], -1)))))
