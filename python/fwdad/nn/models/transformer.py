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
from fwdad.nn.seeds import Seed, spawn
from fwdad.nn.tokens import ClassToken, PatchEmbedding
from fwdad.tree import static

EPS = 1e-6


class EncoderLayer(Module):
    """A layer of the transformer: ``x += attention(ln_1(x)); x += fc2(gelu(fc1(ln_2(x))))``.

    References
    ----------
    arXiv 2010.11929, eqs. 2 and 3.
    """

    torch_names: ClassVar[dict[str, str]] = {"fc1": "mlp.0", "fc2": "mlp.3"}

    ln_1: LayerNorm
    self_attention: MultiHeadAttention
    ln_2: LayerNorm
    fc1: Linear
    fc2: Linear

    def __init__(self, width: int, heads: int, hidden: int, *, seed: Seed, dtype: Any) -> None:
        first, second, third = spawn(seed, 3)
        self.ln_1 = LayerNorm(width, eps=EPS, dtype=dtype)
        self.self_attention = MultiHeadAttention(width, heads, seed=first, dtype=dtype)
        self.ln_2 = LayerNorm(width, eps=EPS, dtype=dtype)
        self.fc1 = Linear(width, hidden, activation="gelu", seed=second, dtype=dtype)
        self.fc2 = Linear(hidden, width, seed=third, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return y (B, T, width) for x (B, T, width)."""
        x = x + self.self_attention(self.ln_1(x))
        return x + self.fc2(self.fc1(self.ln_2(x)))


class ViT(Module):
    """The vision transformer, under torchvision's names; the default sizes are those of arXiv 2410.17764, section 4.5.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    patch : int
        The side of a patch.
    depth : int
        How many layers there are.
    heads : int
        How many heads the attention of a layer has.
    width : int
        The size of a token.
    hidden : int
        The size between the two linear maps of a layer.

    Raises
    ------
    ValueError
        For an image that is no multiple of the patch.

    References
    ----------
    arXiv 2010.11929, section 3.1.

    Examples
    --------
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
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        patch: int = 4,
        depth: int = 6,
        heads: int = 4,
        width: int = 256,
        hidden: int = 512,
    ) -> None:
        first, second, last, *seeds = spawn(seed, 3 + depth)
        self.shape = shape
        self.conv_proj = PatchEmbedding(shape[0], width, patch, seed=first, dtype=dtype)
        self.tokens = ClassToken(_patches(shape, patch), width, seed=second, dtype=dtype)
        self.layers = [EncoderLayer(width, heads, hidden, seed=child, dtype=dtype) for child in seeds]
        self.ln = LayerNorm(width, eps=EPS, dtype=dtype)
        self.head = Linear(width, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        x = self.tokens(self.conv_proj(as_images(x, self.shape)))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.ln(x[:, 0]))


class Perceptron(Module):
    """Two linear maps with an activation between them: ``y = fc2(gelu(fc1(x)))``."""

    fc1: Linear
    fc2: Linear

    def __init__(self, width: int, hidden: int, *, seed: Seed, dtype: Any) -> None:
        first, second = spawn(seed, 2)
        self.fc1 = Linear(width, hidden, activation="gelu", seed=first, dtype=dtype)
        self.fc2 = Linear(hidden, width, seed=second, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return y (..., width) for x (..., width)."""
        return self.fc2(self.fc1(x))


class MixerBlock(Module):
    """A block of the mixer: ``x += mlp_tokens(norm1(x)^T)^T; x += mlp_channels(norm2(x))``.

    References
    ----------
    arXiv 2105.01601, eq. 1.
    """

    norm1: LayerNorm
    mlp_tokens: Perceptron
    norm2: LayerNorm
    mlp_channels: Perceptron

    def __init__(self, positions: int, width: int, hidden: tuple[int, int], *, seed: Seed, dtype: Any) -> None:
        first, second = spawn(seed, 2)
        self.norm1 = LayerNorm(width, eps=EPS, dtype=dtype)
        self.mlp_tokens = Perceptron(positions, hidden[0], seed=first, dtype=dtype)
        self.norm2 = LayerNorm(width, eps=EPS, dtype=dtype)
        self.mlp_channels = Perceptron(width, hidden[1], seed=second, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return y (B, positions, width) for x (B, positions, width)."""
        x = x + np.swapaxes(self.mlp_tokens(np.swapaxes(self.norm1(x), -1, -2)), -1, -2)
        return x + self.mlp_channels(self.norm2(x))


class MLPMixer(Module):
    """The MLP-mixer, under timm's names: perceptrons across positions and across channels in turn.

    Parameters
    ----------
    shape, classes, seed, dtype
        As for all `fwdad.nn.models`.
    patch : int
        The side of a patch.
    depth : int
        How many blocks there are.
    width : int
        The size of a token.
    hidden : (int, int)
        The sizes inside the perceptrons across positions and across channels.

    Raises
    ------
    ValueError
        For an image that is no multiple of the patch.

    References
    ----------
    arXiv 2105.01601, section 2.

    Examples
    --------
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
        *,
        seed: Seed = 0,
        dtype: Any = np.float32,
        patch: int = 4,
        depth: int = 6,
        width: int = 256,
        hidden: tuple[int, int] = (128, 512),
    ) -> None:
        first, last, *seeds = spawn(seed, 2 + depth)
        self.shape = shape
        self.stem = PatchEmbedding(shape[0], width, patch, seed=first, dtype=dtype)
        positions = _patches(shape, patch)
        self.blocks = [MixerBlock(positions, width, hidden, seed=child, dtype=dtype) for child in seeds]
        self.norm = LayerNorm(width, eps=EPS, dtype=dtype)
        self.head = Linear(width, classes, seed=last, dtype=dtype)

    def __call__(self, x: Array) -> Array:
        """Return logits (B, classes) for images x."""
        x = self.stem(as_images(x, self.shape))
        for block in self.blocks:
            x = block(x)
        return self.head(np.mean(self.norm(x), axis=1))


def _patches(shape: Shape, patch: int) -> int:
    """Return how many patches an image has."""
    _, height, width = shape
    if height % patch or width % patch:
        raise ValueError(f"height and width must be multiples of the patch; got {height} x {width} and {patch}")
    return height // patch * (width // patch)
