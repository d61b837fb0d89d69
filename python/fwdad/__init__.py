"""Forward-mode automatic differentiation with k tangents in one pass, and training by forward gradients.

Reading order, from the bottom up:

tree         nested containers of arrays
dual         Dual: a primal with k tangents; how NumPy's calls find their rule
rules/       tables of JVP rules
tangents/    what a batch of directions can be
array_api    the Array API standard's namespace
functions/   what networks need and NumPy lacks: relu, logsumexp, affine, convolution, ...
transforms/  jvp, jacfwd, hessian, linearize, ...
perturbation/  what the directions move: weights, activities
estimators/  forward gradients: sampler x perturbation x combiner
nn, optim    networks and optimisers
data, train  data sets, the trainer, checkpoints
cli          the command line
kernels/     the native kernels, each beside its NumPy reference

What derivatives alone do not need is imported when it is first used: `LATER`, `NAMES_LATER`.
"""

__version__ = "0.2.0"

import importlib
from typing import TYPE_CHECKING, Any

from fwdad import functions, rules, tangents, tree
from fwdad.dual import Dual
from fwdad.errors import LostDerivativeError, NaNError, NoRuleError
from fwdad.kernels import get_num_threads, set_num_threads
from fwdad.transforms import (
    colouring,
    custom_jvp,
    custom_minimum,
    custom_root,
    debug_nans,
    derivative,
    directional_derivative,
    hessian,
    hvp,
    jacfwd,
    jacobian_pattern,
    jet,
    jvp,
    laplacian,
    laplacian_estimate,
    linear,
    linearize,
    sparse_hessian,
    sparse_jacfwd,
    stop_gradient,
    value_and_derivative,
    value_and_hessian,
    value_and_jacfwd,
    value_and_laplacian,
)

LATER = ("array_api", "estimators", "nn", "optim", "perturbation")
NAMES_LATER = {
    "ForwardGradient": "fwdad.estimators", "counting": "fwdad.transforms.counting", "trace": "fwdad.transforms.trace",
}  # fmt: skip
"""Packages that are imported when they are first used, and names with the modules that they come from."""

if TYPE_CHECKING:
    from fwdad import array_api, estimators, nn, optim, perturbation
    from fwdad.estimators import ForwardGradient
    from fwdad.transforms.counting import counting
    from fwdad.transforms.trace import trace
else:

    def __getattr__(name: str) -> Any:
        """Import what is named above. A type checker does not see this, and so reports a misspelt name."""
        if name in LATER:
            return importlib.import_module(f"fwdad.{name}")
        if name in NAMES_LATER:
            return getattr(importlib.import_module(NAMES_LATER[name]), name)
        raise AttributeError(f"module 'fwdad' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List those, too."""
    return sorted({*globals(), *__all__})


__all__ = [
    "Dual",
    "ForwardGradient",
    "LostDerivativeError",
    "NaNError",
    "NoRuleError",
    "array_api",
    "colouring",
    "counting",
    "custom_jvp",
    "custom_minimum",
    "custom_root",
    "debug_nans",
    "derivative",
    "directional_derivative",
    "estimators",
    "functions",
    "get_num_threads",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian_pattern",
    "jet",
    "jvp",
    "laplacian",
    "laplacian_estimate",
    "linear",
    "linearize",
    "nn",
    "optim",
    "perturbation",
    "rules",
    "set_num_threads",
    "sparse_hessian",
    "sparse_jacfwd",
    "stop_gradient",
    "tangents",
    "trace",
    "tree",
    "value_and_derivative",
    "value_and_hessian",
    "value_and_jacfwd",
    "value_and_laplacian",
]
