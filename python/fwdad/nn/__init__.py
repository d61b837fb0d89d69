"""Networks: a model is a pytree whose leaves are parameters, so that a model whose leaves are Duals is a model too.

module         Module: a dataclass that is a tree
mode           training: inside it layers train, outside they evaluate
dtypes         float32 and float64
seeds          what initial values follow from
linear         Linear
windows        the geometry of convolution and pooling
conv           Conv2d
pooling        MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Flatten
normalisation  BatchNorm, LayerNorm, GroupNorm
dropout        Dropout
embedding      Embedding
attention      MultiHeadAttention
tokens         PatchEmbedding, ClassToken
residual       Residual
sequential     Activation, Sequential, MLP
spiking        LIF, NormalisedLIF, RLIF
recurrent      LRU
models/        whole networks by name
torch_format   weights under PyTorch's names, in safetensors files
losses         per-example losses, accuracy
"""

from fwdad.nn import models
from fwdad.nn.attention import MultiHeadAttention
from fwdad.nn.conv import Conv2d
from fwdad.nn.dropout import Dropout
from fwdad.nn.embedding import Embedding
from fwdad.nn.linear import Linear
from fwdad.nn.losses import accuracy, binary_cross_entropy, cross_entropy, squared_error, top_accuracy
from fwdad.nn.mode import training
from fwdad.nn.models import MODELS, ModelName, ModelRow
from fwdad.nn.module import Module
from fwdad.nn.normalisation import BatchNorm, GroupNorm, LayerNorm
from fwdad.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, Flatten, MaxPool2d
from fwdad.nn.recurrent import LRU
from fwdad.nn.residual import Residual
from fwdad.nn.sequential import MLP, Activation, Sequential
from fwdad.nn.spiking import LIF, RLIF, NormalisedLIF
from fwdad.nn.summary import Summary, summary
from fwdad.nn.tokens import ClassToken, PatchEmbedding
from fwdad.nn.torch_format import load_torch, save_torch, state_dict, with_state_dict

__all__ = [
    "LIF",
    "LRU",
    "MLP",
    "MODELS",
    "RLIF",
    "Activation",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm",
    "ClassToken",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "MaxPool2d",
    "ModelName",
    "ModelRow",
    "Module",
    "MultiHeadAttention",
    "NormalisedLIF",
    "PatchEmbedding",
    "Residual",
    "Sequential",
    "Summary",
    "accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "load_torch",
    "models",
    "save_torch",
    "squared_error",
    "state_dict",
    "summary",
    "top_accuracy",
    "training",
    "with_state_dict",
]
