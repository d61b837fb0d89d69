"""MultiHeadAttention: attention between the positions of a sequence."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fwdad.dual import Array
from fwdad.functions import attention
from fwdad.nn.linear import Linear
from fwdad.nn.module import Module
from fwdad.tree import static


class MultiHeadAttention(Module):
    """Self-attention of `heads` heads: x (B, T, width) to (B, T, width).

    ``q, k, v = x W_in + b_in``, each split into heads of width / heads; `attention` in each head; the heads side by
    side, times W_out. Both products let noise in (`fwdad.nn.Linear`).

    Raises ValueError unless width is a multiple of heads. Source: arXiv 1706.03762, section 3.2.2.

    >>> MultiHeadAttention(8, 2)(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    torch_names: ClassVar[dict[str, str]] = {"in_proj": "in_proj_"}

    in_proj: Linear
    out_proj: Linear
    heads: int = static()

    def __init__(
        self, width: int, heads: int, *, seed: int | np.random.SeedSequence = 0, dtype: Any = np.float32
    ) -> None:
        if min(width, heads) < 1 or width % heads:
            raise ValueError(f"width must be a multiple of heads, and both at least 1; got {width} and {heads}")
        first, second = np.random.SeedSequence(seed).spawn(2) if isinstance(seed, int) else seed.spawn(2)
        self.in_proj = Linear(width, 3 * width, seed=first, dtype=dtype)
        self.out_proj = Linear(width, width, seed=second, dtype=dtype)
        self.heads = heads

    def __call__(self, x: Array) -> Array:
        examples, positions, width = x.shape
        split = np.reshape(self.in_proj(x), (examples, positions, 3, self.heads, width // self.heads))
        q, k, v = np.transpose(split, (2, 0, 3, 1, 4))
        together = np.transpose(attention(q, k, v), (0, 2, 1, 3))
        return self.out_proj(np.reshape(together, x.shape))
