# ruff: noqa: E501  a mistake is a row
"""Samplers, combiners and perturbations of one's own: the registries take them, and missing methods are named."""

import numpy as np
import pytest

from fwdad import ForwardGradient, nn
from fwdad.estimators import COMBINERS, SAMPLERS, Combiner, Mixed, Normal, Projection, Sampler
from fwdad.estimators.frames import Frame
from fwdad.perturbation import PERTURBATIONS, Directions, Perturbation, Weights
from fwdad.tangents import DuckTangent
from fwdad.testing import expect_close

X = np.array([1.0, -2.0, 3.0])


def square(x):
    return np.sum(x**2)


class Signs(Sampler):
    """Directions drawn array by array."""

    def __init__(self, k, *, seed=0):
        self.k, self.seed = k, seed

    def draw(self, parameter, shape, dtype, step):
        random = np.random.default_rng((self.seed, step, parameter))
        return random.choice([-1.0, 1.0], (self.k, *shape)).astype(dtype)


class Half(Combiner):
    """Half of what the directions say."""

    def coefficients(self, d, directions):
        return d / 2


class Scaled(Weights):
    """The gradient of twice the loss."""

    def gradient(self, model, outcome, parts):
        return super().gradient(model, outcome, [2 * part for part in parts])


def test_names_of_ones_own(monkeypatch):
    monkeypatch.setitem(SAMPLERS, "signs", Signs)
    monkeypatch.setitem(COMBINERS, "half", Half)
    monkeypatch.setitem(PERTURBATIONS, "scaled", Scaled)
    fg = ForwardGradient(SAMPLERS["signs"](1, seed=5), COMBINERS["half"](), "scaled")
    v = Signs(1, seed=5).draw(0, (3,), np.float64, 0)[0]
    _, g = fg(square, X)
    expect_close(g, (v @ (2 * X)) * v, 1e-14, "gradient")
    with pytest.raises(ValueError, match="weight, activity, scaled; got 'other'"):
        ForwardGradient(Normal(1), perturb="other")


@pytest.mark.parametrize("perturb", ["weight", "activity"])
def test_directions_drawn_array_by_array(perturb):
    """They work in a pass, and among other samplers' directions."""
    layer, x = nn.Linear(3, 2, seed=1, dtype=np.float64), X[None]
    for sampler in (Signs(40), Mixed(Signs(20), Normal(20))):
        _, g = ForwardGradient(sampler, Projection(), perturb)(lambda m, x: np.sum(m(x) ** 2, axis=1), layer, x)
        expect_close(g.bias, 2 * layer(x)[0], 1e-10, "gradient")


class Nothing(Sampler):
    pass


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, r"Nothing must define draw\(.*; or directions\(", lambda: Nothing().directions([X], 0)),
        (TypeError, r"Nothing must define draw\(", lambda: ForwardGradient(Nothing(), perturb="weight")(square, X)),
        (TypeError, r"sampler must be an object such as estimators.Normal\(k=16\); got 'normal'", lambda: ForwardGradient("normal")),
        (TypeError, r"got the class Normal; call it", lambda: ForwardGradient(Normal)),
        (TypeError, r"combiner must be .* estimators.Projection\(\); got the class Projection; call it", lambda: ForwardGradient(Normal(1), Projection)),
        (TypeError, r"Normal2 must define draw\(", lambda: type("Normal2", (Nothing,), {})().draw(0, (3,), float, 0)),
        (NotImplementedError, r"Frame must define arrange\(", lambda: Frame(2).directions([X], 0)),
        (NotImplementedError, r"Combiner must define coefficients\(", lambda: Combiner().gradient(X, Directions([X]))),
        (NotImplementedError, r"Perturbation must define run\(", lambda: ForwardGradient(Normal(1), perturb=Perturbation())(square, X)),
        (NotImplementedError, r"Perturbation must define templates\(", lambda: ForwardGradient(Frame(2), perturb=Perturbation())(square, X)),
        (NotImplementedError, r"Perturbation must define gradient\(", lambda: Perturbation().gradient(X, None, [])),
        (NotImplementedError, r"DuckTangent must define dense\(", lambda: np.asarray(DuckTangent())),
        (NotImplementedError, r"DuckTangent must define the class method example\(", lambda: DuckTangent.example(1, (), float, 0)),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(error, words, call):
    with pytest.raises(error, match=words):
        call()
