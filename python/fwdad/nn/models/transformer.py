"""Networks on the patches of an image: the vision transformer and the MLP-mixer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array
from fwdad.nn.attention import MultiHeadAttention
from fwdad.nn.linear import Linear
from fwdad.nn.models.images import Shape, as_images
from fwdad.nn.module import Module
from fwdad.nn.normalisation import LayerNorm
from fwdad.nn.tokens import ClassToken, PatchEmbedding
from fwdad.tree import static

EPSILON = 1e-6


class EncoderLayer(Module):
    """``x += attention(ln_1(x)); x += fc2(gelu(fc1(ln_2(x))))``: arXiv 2010.11929, eqs. 2 and 3."""

    torch_names: ClassVar[dict[str, str]] = {"fc1": "mlp.0", "fc2": "mlp.3"}

    ln_1: LayerNorm
    self_attention: MultiHeadAttention
    ln_2: LayerNorm
    fc1: Linear
    fc2: Linear

    def __init__(self, width: int, heads: int, hidden: int, seed: np.random.SeedSequence, dtype: Any) -> None:
        first, second, third = seed.spawn(3)
        self.ln_1 = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.self_attention = MultiHeadAttention(width, heads, seed=first, dtype=dtype)
        self.ln_2 = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.fc1 = Linear(width, hidden, activation="gelu", seed=second, dtype=dtype)
        self.fc2 = Linear(hidden, width, seed=third, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = x + self.self_attention(self.ln_1(x))
        return x + self.fc2(self.fc1(self.ln_2(x)))


class ViT(Module):
    """The vision transformer; its defaults are those of arXiv 2410.17764, section 4.5. Names as torchvision's.

    Raises ValueError for an image that is no multiple of the patch. Source: arXiv 2010.11929, section 3.1.

    >>> ViT((3, 32, 32), 10).parameters
    3195146
    """

    torch_names: ClassVar[dict[str, str]] = {
        "tokens": "",
        "layers": "encoder.layers.encoder_layer_",
        "ln": "encoder.ln",
        "head": "heads.head",
    }

    conv_proj: PatchEmbedding
    tokens: ClassToken
    layers: list[EncoderLayer]
    ln: LayerNorm
    head: Linear
    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        seed: int = 0,
        dtype: Any = np.float32,
        *,
        patch: int = 4,
        depth: int = 6,
        heads: int = 4,
        width: int = 256,
        hidden: int = 512,
    ) -> None:
        first, second, last, *seeds = np.random.SeedSequence(seed).spawn(3 + depth)
        self.shape = shape
        self.conv_proj = PatchEmbedding(shape[0], width, patch, seed=first, dtype=dtype)
        self.tokens = ClassToken(_patches(shape, patch), width, seed=second, dtype=dtype)
        self.layers = [EncoderLayer(width, heads, hidden, child, dtype) for child in seeds]
        self.ln = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.head = Linear(width, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = self.tokens(self.conv_proj(as_images(x, self.shape)))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln(x[:, 0]))


class Perceptron(Module):
    """``fc2(gelu(fc1(x)))``."""

    fc1: Linear
    fc2: Linear

    def __init__(self, width: int, hidden: int, seed: np.random.SeedSequence, dtype: Any) -> None:
        first, second = seed.spawn(2)
        self.fc1 = Linear(width, hidden, activation="gelu", seed=first, dtype=dtype)
        self.fc2 = Linear(hidden, width, seed=second, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        return self.fc2(self.fc1(x))


class MixerBlock(Module):
    """``x += mlp_tokens(norm1(x)^T)^T; x += mlp_channels(norm2(x))``: arXiv 2105.01601, eq. 1."""

    norm1: LayerNorm
    mlp_tokens: Perceptron
    norm2: LayerNorm
    mlp_channels: Perceptron

    def __init__(
        self, positions: int, width: int, hidden: tuple[int, int], seed: np.random.SeedSequence, dtype: Any
    ) -> None:
        first, second = seed.spawn(2)
        self.norm1 = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.mlp_tokens = Perceptron(positions, hidden[0], first, dtype)
        self.norm2 = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.mlp_channels = Perceptron(width, hidden[1], second, dtype)

    def __call__(self, x: Array) -> Array:
        x = x + np.swapaxes(self.mlp_tokens(np.swapaxes(self.norm1(x), -1, -2)), -1, -2)
        return x + self.mlp_channels(self.norm2(x))


class MLPMixer(Module):
    """The MLP-mixer: perceptrons across positions and across channels in turn. Names as timm's.

    hidden : widths inside the perceptrons across positions and across channels.

    Raises ValueError for an image that is no multiple of the patch. Source: arXiv 2105.01601, section 2.

    >>> MLPMixer((3, 32, 32), 10).parameters
    1698698
    """

    torch_names: ClassVar[dict[str, str]] = {"stem": "stem.proj"}

    stem: PatchEmbedding
    blocks: list[MixerBlock]
    norm: LayerNorm
    head: Linear
    shape: Shape = static()

    def __init__(
        self,
        shape: Shape,
        classes: int,
        seed: int = 0,
        dtype: Any = np.float32,
        *,
        patch: int = 4,
        depth: int = 6,
        width: int = 256,
        hidden: tuple[int, int] = (128, 512),
    ) -> None:
        first, last, *seeds = np.random.SeedSequence(seed).spawn(2 + depth)
        self.shape = shape
        self.stem = PatchEmbedding(shape[0], width, patch, seed=first, dtype=dtype)
        self.blocks = [MixerBlock(_patches(shape, patch), width, hidden, child, dtype) for child in seeds]
        self.norm = LayerNorm(width, epsilon=EPSILON, dtype=dtype)
        self.head = Linear(width, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        x = self.stem(as_images(x, self.shape))
        for block in self.blocks:
            x = block(x)
        return self.head(np.mean(self.norm(x), axis=1))


def _patches(shape: Shape, patch: int) -> int:
    """How many patches an image has."""
    _, height, width = shape
    if height % patch or width % patch:
        raise ValueError(f"the image must be a multiple of the patch; got {height} x {width} and {patch}")
    return height // patch * (width // patch)
