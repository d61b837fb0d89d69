"""Forward-mode automatic differentiation with k tangents in one pass, and training by forward gradients.

Reading order, from the bottom up:

tree         nested containers of arrays
dual         Dual: a primal with k tangents; how NumPy's calls find their rule
rules/       tables of JVP rules
array_api    the Array API standard's namespace
functions    what networks need and NumPy lacks: relu, logsumexp, affine, ...
transforms   jvp, derivative, jacfwd
tangents/    what a batch of directions can be
estimators/  forward gradients: sampler x combiner
nn, optim    networks and optimisers
data, train  data sets, the trainer, checkpoints
cli          the command line
kernels/     the native kernels, each beside its NumPy reference
"""

__version__ = "0.1.0"

from fwdad import array_api, estimators, functions, nn, optim, rules, tree
from fwdad.dual import Dual
from fwdad.errors import LostDerivativeError, NoRuleError
from fwdad.estimators import ForwardGradient
from fwdad.transforms import derivative, jacfwd, jvp, stop_gradient

__all__ = [
    "Dual",
    "ForwardGradient",
    "LostDerivativeError",
    "NoRuleError",
    "array_api",
    "derivative",
    "estimators",
    "functions",
    "jacfwd",
    "jvp",
    "nn",
    "optim",
    "rules",
    "stop_gradient",
    "tree",
]
