"""Defaults that depend on other settings; all others stand in `config`."""

from __future__ import annotations

# Measured by benchmarks/learning_rates.py. The steps of adam and rmsprop hardly depend on the length of the gradient,
# those of sgd do: its rates by (perturb, combine) are for k = 16 and networks of 10^4 to 10^6 parameters.
ADAM_RATE = 5e-3
SGD_RATES: dict[tuple[str, str], float] = {
    ("activity", "projection"): 1e-1,
    ("activity", "mean"): 1e-2,
    ("activity", "sum"): 1e-3,
    ("activity", "mean-times-dimension"): 1e-4,
    ("activity", "max"): 2e-3,
    ("activity", "max-normalised"): 1e-1,
    ("activity", "mean-of-near-best"): 2e-3,
    ("weight", "projection"): 1.0,
    ("weight", "mean"): 3e-4,
    ("weight", "sum"): 2e-5,
    ("weight", "mean-times-dimension"): 1e-8,
    ("weight", "max"): 5e-5,
    ("weight", "max-normalised"): 1.0,
    ("weight", "mean-of-near-best"): 5e-5,
}
SGD_MOMENTUM = 0.9


def learning_rate(optimizer: str, perturb: str, combine: str) -> float:
    """The learning rate where none is given."""
    return SGD_RATES[perturb, combine] if optimizer == "sgd" else ADAM_RATE
