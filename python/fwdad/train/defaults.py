"""Defaults that depend on other settings; all others stand in `config`."""

from __future__ import annotations

# Learning rate by (optimizer, perturb, combine), measured by benchmarks/learning_rates.py; adamw takes adam's.
# sgd's with weight and projection suits 10^4 to 10^6 parameters: what it can bear grows with parameters per tangent.
LEARNING_RATES: dict[tuple[str, str, str], float] = {
    ("adam", "activity", "projection"): 4e-3,
    ("adam", "activity", "mean"): 4e-3,
    ("adam", "activity", "sum"): 4e-3,
    ("adam", "weight", "projection"): 4e-3,
    ("adam", "weight", "mean"): 4e-3,
    ("adam", "weight", "sum"): 4e-3,
    ("sgd", "activity", "projection"): 1e-1,
    ("sgd", "activity", "mean"): 1e-2,
    ("sgd", "activity", "sum"): 1e-3,
    ("sgd", "weight", "projection"): 1.0,
    ("sgd", "weight", "mean"): 3e-4,
    ("sgd", "weight", "sum"): 2e-5,
}

SGD_MOMENTUM = 0.9


def learning_rate(optimizer: str, perturb: str, combine: str) -> float:
    """The learning rate where none is given."""
    return LEARNING_RATES["adam" if optimizer == "adamw" else optimizer, perturb, combine]
