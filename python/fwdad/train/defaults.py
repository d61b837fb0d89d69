"""Defaults that depend on other settings; all others stand in `config`."""

from __future__ import annotations

# Learning rate by (optimizer, perturb, combine); adamw takes adam's. First guesses: to be measured.
LEARNING_RATES: dict[tuple[str, str, str], float] = {
    ("adam", "activity", "projection"): 1e-3,
    ("adam", "activity", "mean"): 1e-3,
    ("adam", "activity", "sum"): 1e-3,
    ("adam", "weight", "projection"): 1e-3,
    ("adam", "weight", "mean"): 1e-3,
    ("adam", "weight", "sum"): 1e-3,
    ("sgd", "activity", "projection"): 1e-2,
    ("sgd", "activity", "mean"): 1e-2,
    ("sgd", "activity", "sum"): 1e-3,
    ("sgd", "weight", "projection"): 1e-1,
    ("sgd", "weight", "mean"): 1e-3,
    ("sgd", "weight", "sum"): 1e-4,
}

SGD_MOMENTUM = 0.9


def learning_rate(optimizer: str, perturb: str, combine: str) -> float:
    """The learning rate where none is given."""
    return LEARNING_RATES["adam" if optimizer == "adamw" else optimizer, perturb, combine]
