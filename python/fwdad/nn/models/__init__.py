"""Networks by name: each is called as ``model(shape, classes, seed=0, dtype=np.float32)``.

shape : of one input, (channels, height, width). classes : the number of outputs, one logit a class.
Models take images (B, channels, height, width), or flattened to (B, channels * height * width).
Add a row for one of your own: ``MODELS["mine"] = ModelRow(Mine)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fwdad.nn.models.convolutional import ConvNet, LeNet5
from fwdad.nn.models.mlp import ImageMLP
from fwdad.nn.models.resnet import ResNet
from fwdad.nn.models.transformer import MLPMixer, ViT


@dataclass(frozen=True)
class ModelRow:
    """A network that can be chosen by name; called as the network's class is.

    Parameters
    ----------
    make
        The class, or a function that is called as one.
    settings
        Which of the settings ``hidden`` and ``activation`` of `fwdad.train.TrainConfig` it takes, by keyword.
    tables
        Whether it takes the rows of a table too, with a shape of (columns,).
    """

    make: Callable[..., Any]
    settings: tuple[str, ...] = ()
    tables: bool = False

    def __call__(self, shape: tuple[int, ...], classes: int, *args: Any, **options: Any) -> Any:
        """Make the network."""
        return self.make(shape, classes, *args, **options)


MODELS: dict[str, ModelRow] = {
    "mlp": ModelRow(ImageMLP, ("hidden", "activation"), tables=True),
    "convnet": ModelRow(ConvNet),
    "lenet5": ModelRow(LeNet5),
    "resnet18": ModelRow(ResNet),
    "vit": ModelRow(ViT),
    "mlp-mixer": ModelRow(MLPMixer),
}

__all__ = ["MODELS", "ConvNet", "ImageMLP", "LeNet5", "MLPMixer", "ModelRow", "ResNet", "ViT"]
