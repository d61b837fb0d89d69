"""What type checkers know of names is what the tables hold."""

from typing import get_args

import pytest

from fwdad import estimators, functions, nn, optim, perturbation
from fwdad.estimators import combiners
from fwdad.nn import models
from fwdad.optim import registry
from fwdad.train import config

# The tables themselves: what tests and installed packages enter is in the registries alone.
NAMES = {
    "activation": (functions.ActivationName, functions.ACTIVATIONS),
    "surrogate": (functions.SurrogateName, functions.SURROGATES),
    "sampler": (estimators.SamplerName, estimators._SAMPLERS),
    "combiner": (estimators.CombinerName, combiners._COMBINERS),
    "model": (nn.ModelName, models._MODELS),
    "optimizer": (optim.OptimizerName, registry._OPTIMIZERS),
    "schedule": (optim.ScheduleName, registry._SCHEDULES),
    "perturbation": (perturbation.PerturbationName, perturbation._PERTURBATIONS),
    "directions": (config.Directions, ("auto", *estimators.STRUCTURED, "random")),
}


@pytest.mark.parametrize("kind", NAMES)
def test_type_checkers_know_the_names_of(kind):
    known, rows = NAMES[kind]
    assert sorted(get_args(known)) == sorted(rows)
