"""Augmentation: images shifted and mirrored at random, by draws that are a function of (seed, epoch, example) alone."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Augmentation = Literal["none", "crop", "flip", "crop-flip"]
AUGMENTATIONS = get_args(Augmentation)
PADDING = 4  # pixels on each side, of normalised value 0, from which a crop takes its window


class Augmenter:
    """Crops and mirrors images anew every epoch; all cases are equally likely.

    Parameters
    ----------
    kind
        ``crop`` takes a window of the image's size from the image padded by 4 pixels of value 0, the mean colour;
        ``flip`` mirrors it left to right, or not; ``crop-flip`` does both; ``none`` neither.
    n
        Number of examples.
    shape
        Of an image, (C, H, W).

    Raises
    ------
    ValueError
        An unknown kind, or anything but ``none`` with a shape that is not an image's.

    Examples
    --------
    >>> augmenter = Augmenter("crop-flip", n=100, shape=(3, 32, 32), seed=0)
    >>> rows = np.array([5, 17])
    >>> augmenter(np.zeros((2, 3072), np.float32), rows, epoch=3).shape
    (2, 3072)
    """

    def __init__(self, kind: Augmentation, n: int, shape: tuple[int, ...], *, seed: int = 0) -> None:
        if kind not in AUGMENTATIONS:
            raise ValueError(f"augmentation must be one of {', '.join(AUGMENTATIONS)}; got {kind!r}")
        if kind != "none" and len(shape) != 3:
            raise ValueError(f"augmentation {kind!r} is for images (C, H, W); these examples are {shape}")
        self.kind, self.n, self.shape, self.seed = kind, n, shape, seed
        self._epoch = -1
        self._draws = np.empty((0, 3), np.uint64)

    def __call__(self, inputs: NDArray[np.float32], rows: NDArray[np.int64], epoch: int) -> NDArray[np.float32]:
        """Return the images `inputs` (B, D) of the examples `rows` (B,) as training sees them in an epoch, (B, D)."""
        if self.kind == "none":
            return inputs
        if epoch != self._epoch:  # only a cache: the draws are a function of (seed, epoch)
            words = np.random.Philox(np.random.SeedSequence((self.seed, epoch, 1))).random_raw(3 * self.n)
            self._epoch, self._draws = epoch, words.reshape(self.n, 3)
        images, draws = inputs.reshape(-1, *self.shape), self._draws[rows]
        if self.kind != "flip":
            images = _crop(images, draws[:, :2])
        if self.kind != "crop":
            mirrored = draws[:, 2] % 2 == 1
            images = np.where(mirrored[:, None, None, None], images[..., ::-1], images)
        return images.reshape(inputs.shape)


def _crop(images: NDArray[np.float32], draws: NDArray[np.uint64]) -> NDArray[np.float32]:
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    top, left = (draws % (2 * PADDING + 1)).astype(np.int64).T
    return windows[np.arange(len(images)), :, top, left]
