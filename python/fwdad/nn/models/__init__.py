"""Networks by name, each made by one call: ``MODELS[name](shape, classes, seed=0, dtype=np.float32)``.

A network takes images (B, channels, height, width) or (B, channels * height * width), and returns logits (B, classes).
What all of them share:

Parameters
----------
shape : (int, int, int)
    Channels, height and width of an image.
classes : int
    How many outputs there are, one logit a class.
seed : int, numpy.random.SeedSequence or None
    Its children are the seeds of the layers; see `fwdad.nn.seeds`.
dtype : dtype
    The floating dtype of the parameters.

Add one of your own: ``MODELS.register("mine", Mine)``, or a `ModelRow` if it takes settings. A class by itself takes
images and tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fwdad.nn.models.convolutional import ConvNet, LeNet5
from fwdad.nn.models.forward_forward import FFMLP, FFSNN, ForwardForward
from fwdad.nn.models.mlp import ImageMLP
from fwdad.nn.models.resnet import ResNet
from fwdad.nn.models.transformer import MLPMixer, ViT
from fwdad.registry import Registry


@dataclass(frozen=True)
class ModelRow:
    """A network that can be chosen by name; called as the network's class is.

    Parameters
    ----------
    make
        The class, or a function that is called as one.
    settings
        Which of the settings ``hidden``, ``activation``, ``beta`` and ``theta`` of `fwdad.train.TrainConfig` it takes,
        by keyword.
    tables
        Whether it takes the rows of a table too, with a shape of (columns,).
    local
        Whether each layer has an objective of its own, as `ForwardForward` networks have, and
        `fwdad.estimators.Local` trains it.
    """

    make: Callable[..., Any]
    settings: tuple[str, ...] = ()
    tables: bool = False
    local: bool = False

    def __call__(self, shape: tuple[int, ...], classes: int, **options: Any) -> Any:
        """Make the network."""
        return self.make(shape, classes, **options)


ModelName = Literal["mlp", "convnet", "lenet5", "resnet18", "vit", "mlp-mixer", "ff-mlp", "ff-snn"]
"""The names of `MODELS` that are there from the start."""

_MODELS: dict[str, ModelRow] = {
    "mlp": ModelRow(ImageMLP, ("hidden", "activation"), tables=True),
    "convnet": ModelRow(ConvNet),
    "lenet5": ModelRow(LeNet5),
    "resnet18": ModelRow(ResNet),
    "vit": ModelRow(ViT),
    "mlp-mixer": ModelRow(MLPMixer),
    "ff-mlp": ModelRow(FFMLP, ("hidden",), tables=True, local=True),
    "ff-snn": ModelRow(FFSNN, ("hidden", "beta", "theta"), tables=True, local=True),
}


def _row(given: Any) -> ModelRow:
    return given if isinstance(given, ModelRow) else ModelRow(given, tables=True)


MODELS = Registry("fwdad.models", _MODELS, _row)

__all__ = [
    "FFMLP",
    "FFSNN",
    "MODELS",
    "ConvNet",
    "ForwardForward",
    "ImageMLP",
    "LeNet5",
    "MLPMixer",
    "ModelRow",
    "ResNet",
    "ViT",
]
