"""What moves: the third factor of an estimate, sampler x perturbation x combiner.

directions    k directions over several arrays: V, with G = V V^T and V^T c
perturbation  the three duties of a perturbation
weights       all parameters at once
activities    each layer's pre-activations
sites         where layers let noise in

A layer of one's own asks for its `site` in each call, and has a method `local_gradient`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fwdad.perturbation.activities import NOISES, Activities, NoiseName, check_coupling, check_leaks
from fwdad.perturbation.directions import Directions, Template, join, separate
from fwdad.perturbation.perturbation import Draw, Loss, Model, Outcome, Perturbation, Rows, StaleShapes
from fwdad.perturbation.sites import (
    Perturbable,
    Site,
    Survey,
    is_perturbable,
    layer_pass,
    site,
    some_rows,
    unperturbed,
)
from fwdad.perturbation.weights import Weights
from fwdad.registry import Name, Registry

PerturbationName = Literal["activity", "weight"]
"""The names of `PERTURBATIONS` that are there from the start."""

_PERTURBATIONS: dict[str, Callable[[], Perturbation]] = {"weight": Weights, "activity": Activities}
PERTURBATIONS = Registry("fwdad.perturbations", _PERTURBATIONS)
"""Perturbations by their spellings; each is called without arguments."""

DEFAULT: PerturbationName = "activity"
"""The perturbation where none is given, everywhere."""


def perturbation_of(perturb: PerturbationName | Name | Perturbation) -> Perturbation:
    """Return a perturbation by its spelling, or as given.

    Raises
    ------
    ValueError
        For an unknown spelling.
    """
    if isinstance(perturb, Perturbation):
        return perturb
    if perturb not in PERTURBATIONS:
        raise ValueError(f"perturb must be one of {', '.join(PERTURBATIONS)}; got {perturb!r}")
    return PERTURBATIONS[perturb]()


__all__ = [
    "DEFAULT",
    "NOISES",
    "PERTURBATIONS",
    "Activities",
    "Directions",
    "Draw",
    "Loss",
    "Model",
    "NoiseName",
    "Outcome",
    "Perturbable",
    "Perturbation",
    "PerturbationName",
    "Rows",
    "Site",
    "StaleShapes",
    "Survey",
    "Template",
    "Weights",
    "check_coupling",
    "check_leaks",
    "is_perturbable",
    "join",
    "layer_pass",
    "perturbation_of",
    "separate",
    "site",
    "some_rows",
    "unperturbed",
]
