"""The multilayer perceptron under the models' common call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.nn.models.images import Shape
from fwdad.nn.sequential import MLP


def mlp(
    shape: Shape,
    classes: int,
    seed: int = 0,
    dtype: Any = np.float32,
    *,
    hidden: Sequence[int] = (128, 128),
    activation: str = "relu",
) -> MLP:
    """An `MLP` for inputs of this shape, flattened; `hidden` are the widths between input and logits.

    >>> mlp((1, 8, 8), 10).parameters
    26122
    """
    return MLP((math.prod(shape), *hidden, classes), activation, seed, dtype)
