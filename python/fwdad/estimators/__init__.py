"""Forward gradients: an estimate is sampler x perturbation x combiner.

    sampler       -> V (k directions) over what the perturbation moves (`fwdad.perturbation`)
    one pass      -> d = V grad f
    combiner      -> g = V^T c(d, V V^T)

samplers          where directions come from: independent entries, unit vectors
frames            ... at right angles, or at a fixed angle
guesses           ... not random: given, the previous estimates, local classifiers; mixed with random ones
theory            what to expect of an estimate
combiners         how V and d become a gradient
diagnostics       a report on an estimate and its directions
forward_gradient  the estimator
units, classes    every unit, or for early layers one direction for each output; `choose` says what units cost
exact             the gradient itself, from passes that cover all coordinates
local             each layer's gradient from its own objective: Forward-Forward, or a classifier of its own
"""

from collections.abc import Callable
from typing import Literal

from fwdad.estimators import theory
from fwdad.estimators.blocks import Blocks
from fwdad.estimators.choose import best_directions, cost_of_units
from fwdad.estimators.classes import ClassDirections
from fwdad.estimators.combiners import (
    COMBINERS,
    Combiner,
    CombinerName,
    Max,
    MaxNormalised,
    Mean,
    MeanOfNearBest,
    MeanTimesDimension,
    Projection,
    Sum,
)
from fwdad.estimators.diagnostics import Report
from fwdad.estimators.exact import exact_gradient
from fwdad.estimators.forward_gradient import ForwardGradient
from fwdad.estimators.frames import FixedAngle, Haar, Orthogonal
from fwdad.estimators.guesses import Given, LocalClassifier, Mixed, Previous
from fwdad.estimators.local import OBJECTIVES, Local, LocalLosses, Logistic, Objective, SiluGap, SymBa
from fwdad.estimators.rows import ByError
from fwdad.estimators.samplers import (
    Independent,
    LowRank,
    Normal,
    Normalised,
    Rademacher,
    Random,
    Sampler,
    StandardBasis,
)
from fwdad.estimators.units import Units
from fwdad.registry import Registry

SamplerName = Literal[
    "normal", "rademacher", "normalised", "basis", "low-rank", "haar", "orthogonal", "fixed-angle", "blocks"
]  # fmt: skip
"""The names of `SAMPLERS` that are there from the start."""

_SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "normal": Normal,
    "rademacher": Rademacher,
    "normalised": Normalised,
    "basis": StandardBasis,
    "low-rank": LowRank,
    "haar": Haar,
    "orthogonal": Orthogonal,
    "fixed-angle": FixedAngle,
    "blocks": Blocks,
}
SAMPLERS = Registry("fwdad.samplers", _SAMPLERS)
"""Samplers by their names on the command line; each is called as ``sampler(k, seed=seed)``."""

STRUCTURED: dict[str, Callable[[], Sampler]] = {"units": Units, "classes": ClassDirections}
"""Samplers that know the network, whose directions are no choice of k, by their names on the command line."""

__all__ = [
    "COMBINERS",
    "OBJECTIVES",
    "SAMPLERS",
    "STRUCTURED",
    "Blocks",
    "ByError",
    "ClassDirections",
    "Combiner",
    "CombinerName",
    "FixedAngle",
    "ForwardGradient",
    "Given",
    "Haar",
    "Independent",
    "Local",
    "LocalClassifier",
    "LocalLosses",
    "Logistic",
    "LowRank",
    "Max",
    "MaxNormalised",
    "Mean",
    "MeanOfNearBest",
    "MeanTimesDimension",
    "Mixed",
    "Normal",
    "Normalised",
    "Objective",
    "Orthogonal",
    "Previous",
    "Projection",
    "Rademacher",
    "Random",
    "Report",
    "Sampler",
    "SamplerName",
    "SiluGap",
    "StandardBasis",
    "Sum",
    "SymBa",
    "Units",
    "best_directions",
    "cost_of_units",
    "exact_gradient",
    "theory",
]
