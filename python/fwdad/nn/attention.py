"""MultiHeadAttention: attention between the positions of a sequence."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array
from fwdad.functions import attention
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, spawn
from fwdad.tree import static


class MultiHeadAttention(Module):
    """Self-attention of several heads.

    ``q, k, v = x W_in + b_in`` are split into heads of embed_dim / num_heads. `attention` acts in each head, and its
    results, side by side, become ``y = [...] W_out + b_out``. Both products are `Linear` layers.

    Parameters
    ----------
    embed_dim : int
        The size of a token.
    num_heads : int
        How many heads there are.
    seed, dtype
        As in `Linear`.

    Raises
    ------
    ValueError
        Unless embed_dim is a multiple of num_heads, and both are at least 1.

    References
    ----------
    arXiv 1706.03762, section 3.2.2.

    Examples
    --------
    >>> MultiHeadAttention(8, 2)(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    torch_names: ClassVar[dict[str, str]] = {"in_proj": "in_proj_"}

    in_proj: Linear
    out_proj: Linear
    num_heads: int = static()

    def __init__(self, embed_dim: int, num_heads: int, *, seed: Seed = None, dtype: Any = np.float32) -> None:
        if min(embed_dim, num_heads) < 1 or embed_dim % num_heads:
            raise ValueError(
                f"embed_dim must be a multiple of num_heads, and both at least 1; got {embed_dim} and {num_heads}"
            )
        first, second = spawn(seed, 2)
        self.in_proj = Linear(embed_dim, 3 * embed_dim, seed=first, dtype=dtype)
        self.out_proj = Linear(embed_dim, embed_dim, seed=second, dtype=dtype)
        self.num_heads = num_heads

    def __call__(self, x: Array) -> Array:
        """Return y (B, T, embed_dim) for x (B, T, embed_dim)."""
        examples, positions, width = x.shape
        split = np.reshape(self.in_proj(x), (examples, positions, 3, self.num_heads, width // self.num_heads))
        q, k, v = np.transpose(split, (2, 0, 3, 1, 4))
        together = np.transpose(attention(q, k, v), (0, 2, 1, 3))
        return self.out_proj(np.reshape(together, x.shape))
