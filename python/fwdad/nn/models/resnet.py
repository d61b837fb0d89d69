"""Residual networks of basic blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.functions import relu
from fwdad.nn.conv import Conv2d
from fwdad.nn.linear import Linear
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.module import Module
from fwdad.nn.normalisation import BatchNorm
from fwdad.nn.pooling import AdaptiveAvgPool2d, MaxPool2d
from fwdad.nn.seeds import Seed, spawn
from fwdad.tree import static

WIDTHS = (64, 128, 256, 512)


class BasicBlock(Module):
    """``y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))``, with 3x3 convolutions, the first with the stride.

    Where the shape changes, the shortcut is a 1x1 convolution and a BatchNorm, elsewhere it is x.

    References
    ----------
    arXiv 1512.03385, figure 2.
    """

    conv1: Conv2d
    bn1: BatchNorm
    conv2: Conv2d
    bn2: BatchNorm
    downsample: tuple[Conv2d, BatchNorm] | None

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, seed: Seed, dtype: Any) -> None:
        def conv(channels: int, size: int, stride: int, child: Seed) -> Conv2d:
            padding = size // 2
            return Conv2d(
                channels, out_channels, size, stride=stride, padding=padding, bias=False, seed=child, dtype=dtype
            )

        first, second, third = spawn(seed, 3)
        self.conv1, self.bn1 = conv(in_channels, 3, stride, first), BatchNorm(out_channels, dtype=dtype)
        self.conv2, self.bn2 = conv(out_channels, 3, 1, second), BatchNorm(out_channels, dtype=dtype)
        same = stride == 1 and in_channels == out_channels
        self.downsample = None if same else (conv(in_channels, 1, stride, third), BatchNorm(out_channels, dtype=dtype))

    def __call__(self, x: Array) -> Array:
        """Return y for x (B, in_channels, H, W)."""
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            conv, norm = self.downsample
            x = norm(conv(x))
        return relu(x + y)


class ResNet(Module):
    """The ResNet of basic blocks, ResNet-18 by default, under torchvision's names.

    A 7x7 convolution and a max pooling, both of stride 2, are followed by four stages. Each stage but the first halves
    the image.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    blocks : sequence of int
        How many blocks each stage has.
    widths : sequence of int
        The channels of each stage.

    References
    ----------
    arXiv 1512.03385, table 1.

    Examples
    --------
    >>> ResNet((3, 32, 32), 1000).parameters
    11689512
    """

    conv1: Conv2d
    bn1: BatchNorm
    maxpool: MaxPool2d
    layer1: list[BasicBlock]
    layer2: list[BasicBlock]
    layer3: list[BasicBlock]
    layer4: list[BasicBlock]
    avgpool: AdaptiveAvgPool2d
    fc: Linear
    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        blocks: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        first, last, *seeds = spawn(seed, 2 + sum(blocks))
        self.shape = shape
        self.conv1 = Conv2d(shape[0], widths[0], 7, stride=2, padding=3, bias=False, seed=first, dtype=dtype)
        self.bn1 = BatchNorm(widths[0], dtype=dtype)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        channels = widths[0]
        stages: list[list[BasicBlock]] = []
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            stages.append([])
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                stages[-1].append(BasicBlock(channels, width, stride, seed=seeds.pop(0), dtype=dtype))
                channels = width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = Linear(channels, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        x = self.maxpool(relu(self.bn1(self.conv1(as_images(x, self.shape)))))
        for block in (*self.layer1, *self.layer2, *self.layer3, *self.layer4):
            x = block(x)
        return self.fc(np.reshape(self.avgpool(x), (x.shape[0], -1)))
