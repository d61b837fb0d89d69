"""Functions that networks need and NumPy lacks: each is one operation with a JVP rule, as NumPy's own have one.

activations   relu, sigmoid, gelu, ...: the table of activations, one row each
softmax       logsumexp, softmax, the cross-entropy
affine        act(x w + b)
convolution   act(conv(x, w) + b)
attention     softmax(q k^T) v
standardise   (x - mean) / standard deviation
goodness      the mean square
spiking       spikes with surrogate derivatives, leaky integrate-and-fire neurons

They take and return arrays or Duals, of any floating dtype, and nest to any depth.
"""

from fwdad.functions.activations import (
    ACTIVATIONS,
    Activation,
    ActivationName,
    activation_row,
    elu,
    erf,
    gelu,
    identity,
    leaky_relu,
    relu,
    sigmoid,
    silu,
    softplus,
)
from fwdad.functions.affine import affine
from fwdad.functions.attention import attention
from fwdad.functions.convolution import conv2d
from fwdad.functions.goodness import mean_square
from fwdad.functions.softmax import at_labels, log_softmax, logsumexp, softmax, softmax_cross_entropy
from fwdad.functions.spiking import SURROGATES, SpikesOutput, SurrogateName, lif, spike, surrogate_row
from fwdad.functions.standardise import standardise

__all__ = [
    "ACTIVATIONS",
    "SURROGATES",
    "Activation",
    "ActivationName",
    "SpikesOutput",
    "SurrogateName",
    "activation_row",
    "affine",
    "at_labels",
    "attention",
    "conv2d",
    "elu",
    "erf",
    "gelu",
    "identity",
    "leaky_relu",
    "lif",
    "log_softmax",
    "logsumexp",
    "mean_square",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "spike",
    "standardise",
    "surrogate_row",
]
