"""Small convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.functions import ActivationName
from fwdad.nn.conv import Conv2d
from fwdad.nn.linear import Linear
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.module import Module
from fwdad.nn.pooling import MaxPool2d
from fwdad.nn.seeds import Seed, spawn
from fwdad.tree import static


class ConvNet(Module):
    """Convolutions of 3x3 with stride 2, then one linear layer.

    Every convolution halves the image, so that no pooling discards units that were computed. A network of few units is
    what forward gradients need.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    channels : sequence of int
        The output channels of each convolution.
    activation : str
        The activation of the convolutions.

    Examples
    --------
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
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        channels: Sequence[int] = (16, 32),
        activation: ActivationName = "relu",
    ) -> None:
        seeds = spawn(seed, len(channels) + 1)
        self.shape = shape
        self.convs, inputs, (height, width) = [], shape[0], shape[1:]
        for outputs, child in zip(channels, seeds[1:], strict=True):
            self.convs.append(
                Conv2d(inputs, outputs, 3, stride=2, padding=1, activation=activation, seed=child, dtype=dtype)
            )
            inputs, (height, width) = outputs, self.convs[-1].window.output(height, width)
        self.fc = Linear(inputs * height * width, classes, seed=seeds[0], dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        x = as_images(x, self.shape)
        for conv in self.convs:
            x = conv(x)
        return self.fc(np.reshape(x, (x.shape[0], -1)))


class LeNet5(Module):
    """Two 5x5 convolutions with max pooling and three linear layers, with relu.

    Images are at least 16 x 16; those below 32 x 32 are padded by 2.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.

    References
    ----------
    LeCun et al., Proc. IEEE 86(11), 1998.

    Examples
    --------
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

    def __init__(self, shape: Shape, classes: int, *, seed: Seed = 0, dtype: Any = np.float32) -> None:
        seeds = spawn(seed, 5)
        channels, height, width = self.shape = shape
        padding = 2 if min(height, width) < 32 else 0
        self.conv1 = Conv2d(channels, 6, 5, padding=padding, activation="relu", seed=seeds[0], dtype=dtype)
        self.conv2 = Conv2d(6, 16, 5, activation="relu", seed=seeds[1], dtype=dtype)
        self.pool = MaxPool2d(2)
        for layer in (self.conv1, self.pool, self.conv2, self.pool):
            height, width = layer.window.output(height, width)
        self.fc1 = Linear(16 * height * width, 120, activation="relu", seed=seeds[2], dtype=dtype)
        self.fc2 = Linear(120, 84, activation="relu", seed=seeds[3], dtype=dtype)
        self.fc3 = Linear(84, classes, seed=seeds[4], dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        x = as_images(x, self.shape)
        x = self.pool(self.conv2(self.pool(self.conv1(x))))
        return self.fc3(self.fc2(self.fc1(np.reshape(x, (x.shape[0], -1)))))
