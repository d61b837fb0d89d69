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
from fwdad.tree import static

WIDTHS = (64, 128, 256, 512)


class BasicBlock(Module):
    """``relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))``, 3x3 convolutions, the first with the stride.

    The shortcut is x, or a 1x1 convolution and a BatchNorm where the shape changes. Source: arXiv 1512.03385, figure 2.
    """

    conv1: Conv2d
    bn1: BatchNorm
    conv2: Conv2d
    bn2: BatchNorm
    downsample: tuple[Conv2d, BatchNorm] | None

    def __init__(
        self, inputs: int, outputs: int, stride: int, seed: np.random.SeedSequence, dtype: Any = np.float32
    ) -> None:
        def conv(inputs: int, kernel: int, stride: int, child: Any) -> Conv2d:
            padding = kernel // 2
            return Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False, seed=child, dtype=dtype)

        first, second, third = seed.spawn(3)
        self.conv1, self.bn1 = conv(inputs, 3, stride, first), BatchNorm(outputs, dtype=dtype)
        self.conv2, self.bn2 = conv(outputs, 3, 1, second), BatchNorm(outputs, dtype=dtype)
        same = stride == 1 and inputs == outputs
        self.downsample = None if same else (conv(inputs, 1, stride, third), BatchNorm(outputs, dtype=dtype))

    def __call__(self, x: Array) -> Array:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            conv, norm = self.downsample
            x = norm(conv(x))
        return relu(x + y)


class ResNet(Module):
    """torchvision's ResNet of basic blocks: a 7x7 convolution and a max pooling, both of stride 2, then four stages.

    blocks : how many blocks each stage has; widths : their channels. Each stage but the first halves the image.
    Source: arXiv 1512.03385, table 1.

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
        seed: int = 0,
        dtype: Any = np.float32,
        *,
        blocks: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        first, last, *seeds = np.random.SeedSequence(seed).spawn(2 + sum(blocks))
        self.shape = shape
        self.conv1 = Conv2d(
            shape[0], widths[0], 7, stride=2, padding=3, bias=False, activation="identity", seed=first, dtype=dtype
        )
        self.bn1 = BatchNorm(widths[0], dtype=dtype)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        inputs = widths[0]
        stages: list[list[BasicBlock]] = []
        for stage, (count, outputs) in enumerate(zip(blocks, widths, strict=True)):
            stages.append([])
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                stages[-1].append(BasicBlock(inputs, outputs, stride, seeds.pop(0), dtype))
                inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = Linear(inputs, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = self.maxpool(relu(self.bn1(self.conv1(as_images(x, self.shape)))))
        for block in (*self.layer1, *self.layer2, *self.layer3, *self.layer4):
            x = block(x)
        return self.fc(np.reshape(self.avgpool(x), (x.shape[0], -1)))
