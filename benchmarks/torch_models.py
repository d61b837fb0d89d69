"""The models of fwdad.nn.models as PyTorch modules, under torchvision's and timm's names: an oracle and a peer."""

from __future__ import annotations

import itertools

import torch
from torch import nn


class ConvNet(nn.Module):
    def __init__(self, shape, classes, channels=(16, 32)):
        super().__init__()
        sizes = [shape[0], *channels]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, 2, 1) for i, o in itertools.pairwise(sizes))
        height, width = shape[1:]
        for _ in channels:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.fc = nn.Linear(sizes[-1] * height * width, classes)

    def forward(self, x):
        for conv in self.convs:
            x = conv(x).relu()
        return self.fc(x.flatten(1))


class LeNet5(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        padding = 2 if min(shape[1:]) < 32 else 0
        self.conv1, self.conv2, self.pool = (
            nn.Conv2d(shape[0], 6, 5, padding=padding),
            nn.Conv2d(6, 16, 5),
            nn.MaxPool2d(2),
        )
        flat = self.features(torch.zeros(1, *shape)).shape[1]
        self.fc1, self.fc2, self.fc3 = nn.Linear(flat, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def features(self, x):
        return self.pool(self.conv2(self.pool(self.conv1(x).relu())).relu()).flatten(1)

    def forward(self, x):
        return self.fc3(self.fc2(self.fc1(self.features(x)).relu()).relu())


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet18(nn.Module):
    def __init__(self, shape, classes, widths=(64, 128, 256, 512)):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(shape[0], widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = widths[0]
        for stage, outputs in enumerate(widths, start=1):
            blocks = BasicBlock(inputs, outputs, 1 if stage == 1 else 2), BasicBlock(outputs, outputs, 1)
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            inputs = outputs
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self, tokens, depth, width, heads, hidden):
        super().__init__()
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(1, tokens + 1, width))
        self.layers = nn.ModuleDict({f"encoder_layer_{i}": EncoderLayer(width, heads, hidden) for i in range(depth)})
        self.ln = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        x = x + self.pos_embedding
        for layer in self.layers.values():
            x = layer(x)
        return self.ln(x)


class ViT(nn.Module):
    def __init__(self, shape, classes, patch=4, depth=6, heads=4, width=256, hidden=512):
        super().__init__()
        self.conv_proj = nn.Conv2d(shape[0], width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = Encoder(shape[1] // patch * (shape[2] // patch), depth, width, heads, hidden)
        self.heads = nn.Sequential()
        self.heads.add_module("head", nn.Linear(width, classes))

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


class Perceptron(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class MixerBlock(nn.Module):
    def __init__(self, tokens, width, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.mlp_tokens, self.mlp_channels = Perceptron(tokens, hidden[0]), Perceptron(width, hidden[1])

    def forward(self, x):
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class MLPMixer(nn.Module):
    def __init__(self, shape, classes, patch=4, depth=6, width=256, hidden=(128, 512)):
        super().__init__()
        self.stem = nn.Module()
        self.stem.proj = nn.Conv2d(shape[0], width, patch, patch)
        tokens = shape[1] // patch * (shape[2] // patch)
        self.blocks = nn.Sequential(*(MixerBlock(tokens, width, hidden) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem.proj(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


def mlp(shape, classes, hidden=(128, 128)):
    sizes = [shape[0] * shape[1] * shape[2], *hidden, classes]
    layers = [
        nn.Flatten(),
        *(m for i, o in itertools.pairwise(sizes) for m in (nn.Linear(i, o), nn.ReLU())),
    ]
    # Flatten has no parameters; it stands outside so that names count from the first Linear.
    inner = nn.Sequential(*layers[1:-1])
    inner.register_forward_pre_hook(lambda module, args: (args[0].flatten(1),))
    return inner


MODELS = {
    "mlp": mlp,
    "convnet": ConvNet,
    "lenet5": LeNet5,
    "resnet18": ResNet18,
    "vit": ViT,
    "mlp-mixer": MLPMixer,
}
