"""Folders of images, by Pillow: ``class/*.png``, or ``train/class/*.png`` beside ``test/class/*.png``. Extra `images`.

Images are of 8 bits a channel and of one size. They are grey if all files are, else red, green and blue; a fourth
channel is dropped. A photograph is turned as its camera says.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.arrays import Arrays
from fwdad.data.dataset import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
PARTS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
GREY, COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB")


def read_images(path: Path) -> Arrays:
    """Read the images in a folder, or one image; their classes are the folders that they are in.

    Raises
    ------
    DataError
        There is none, one is damaged, they differ in size, or Pillow is missing; the message names the file.
    """
    if importlib.util.find_spec("PIL") is None:
        raise DataError(f"to read the images in {path}, install Pillow: pip install 'fwdad[images]'")
    if not path.exists():
        raise DataError(f"cannot read {path}: there is no such file")
    parts = {f"_{name}": path / folder for folder, name in PARTS.items() if (path / folder).is_dir()}
    if not {"_train", "_test"} <= parts.keys():
        parts = {"": path}
    found = {part: _files(folder) for part, folder in parts.items()}
    files = [file for part in found.values() for file in part]
    if not files:
        raise DataError(f"{path} holds no images ({', '.join(SUFFIXES)}), and no arrays x.npy and y.npy")
    images = _pixels(files)
    arrays: dict[str, Any] = {}
    start = 0
    for part, members in found.items():
        arrays[f"x{part}"] = images[start : start + len(members)]
        start += len(members)
        if members and all(file.parent not in (parts[part], parts[part].parent) for file in members):
            arrays[f"y{part}"] = np.array([file.parent.name for file in members])
    names = {part: [str(file.relative_to(path.parent)) for file in members] for part, members in found.items()}
    return Arrays(path, arrays, names)


def _files(folder: Path) -> list[Path]:
    """Return the images in a folder and in the folders in it, in the order of their names."""
    if folder.is_file():
        return [folder]
    within = [folder, *(each for each in sorted(folder.iterdir()) if each.is_dir())]
    return [file for each in within for file in sorted(each.iterdir()) if file.suffix.lower() in SUFFIXES]


def _pixels(files: list[Path]) -> NDArray[np.uint8]:
    """Return the pixels of images of one size, (N, H, W) if all are grey, else (N, H, W, 3)."""
    grey = all(_opened(file).mode in GREY for file in files)
    images: NDArray[np.uint8] | None = None
    for i, file in enumerate(files):
        image = np.asarray(_opened(file).convert("L" if grey else "RGB"))
        if images is None:
            images = np.empty((len(files), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            sizes = [" x ".join(map(str, shape[:2])) for shape in (image.shape, images.shape[1:])]
            raise DataError(f"{file} is {sizes[0]} pixels, but {files[0]} {sizes[1]}; give all images one size")
        images[i] = image
    assert images is not None
    return images


def _opened(file: Path) -> Any:
    from PIL import Image, ImageOps

    try:
        image = ImageOps.exif_transpose(Image.open(file))
        image.load()
    except Exception as error:  # what Pillow says of a damaged file has no common name
        raise DataError(f"cannot read the image {file}: {error or type(error).__name__}") from error
    if image.mode not in GREY + COLOUR:
        raise DataError(f"{file} has pixels of kind {image.mode}; needed are 8 bits a channel: convert the image first")
    return image
