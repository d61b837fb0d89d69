"""Directions, for the kernels that take k of them as an array or a stream."""

import numpy as np

from fwdad.kernels import Stream

DTYPES = [np.float32, np.float64]
UNIT = 2.0**-53

SHAPES = [(0,), (1,), (7,), (8,), (9,), (1000,), (5000,), (3, 50), (130, 60), (5, 4, 6), (40, 300), (3, 9000), (0, 4)]
PER_ROW = [
    (1, (1, 1)), (3, (5, 7)), (4, (1, 300)), (5, (130, 17)), (17, (9, 64)), (2, (3, 9000)), (2, (0, 3)), (2, (3, 0)),
]  # fmt: skip
COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 17]


def directions(k, shape, dtype, kind="dense"):
    if kind == "dense":
        return np.random.default_rng([k, *shape]).standard_normal((k, *shape)).astype(dtype)
    return Stream(5, 6, 7, kind, k, shape, np.dtype(dtype))
