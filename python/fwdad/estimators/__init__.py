"""Forward gradients: directions from a sampler, one forward pass, a combiner.

    sampler   -> V (k directions), drawn for all parameters or for the layers' activities
    one pass  -> d = V grad f
    combiner  -> g = V^T c(d, V V^T)

samplers          where directions come from
combiners         how V and d become a gradient
activity          where layers let noise in, and get their gradients back
forward_gradient  the estimator: both perturbation modes
"""

from fwdad.estimators.combiners import COMBINERS, Combiner, Mean, Projection, Sum
from fwdad.estimators.forward_gradient import ForwardGradient
from fwdad.estimators.samplers import SAMPLERS, Normal, Rademacher, Sampler

__all__ = [
    "COMBINERS",
    "SAMPLERS",
    "Combiner",
    "ForwardGradient",
    "Mean",
    "Normal",
    "Projection",
    "Rademacher",
    "Sampler",
    "Sum",
]
