"""The measurement behind the default learning rates: validation accuracy by learning rate, for every method.

    python benchmarks/learning_rates.py [--data mnist --data-dir DIR] [--epochs N] [--optimizer sgd]

Trains a network for every (optimizer, perturb, combiner) at its default learning rate and at 0.1 to 10 times that,
with two seeds, and prints a table of mean validation accuracies in per cent; a dash is a run that did not stay finite.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from fwdad.optim import OPTIMIZERS
from fwdad.optim.registry import SGD_RATES
from fwdad.train import TrainConfig, Trainer, TrainingDiverged

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS = (0, 1)


def accuracy(config: TrainConfig) -> float:
    """Validation accuracy of the final model; nan if the run diverged."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer.new(config, Path(folder) / "run")
        try:
            trainer.run()
        except TrainingDiverged:
            return float("nan")
        return float(trainer.progress.rows[-1].validation_accuracy)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--optimizer", nargs="+", default=["adam", "rmsprop", "sgd"])
    given = parser.parse_args()
    for optimizer, (perturb, combiner) in itertools.product(given.optimizer, SGD_RATES):
        default = OPTIMIZERS[optimizer].learning_rate(perturb, combiner)
        cells = []
        for rate in (factor * default for factor in FACTORS):
            found = [
                accuracy(
                    TrainConfig(
                        data=given.data,
                        data_dir=given.data_dir,
                        epochs=given.epochs,
                        hidden=tuple(given.hidden),
                        optimizer=optimizer,
                        perturb=perturb,
                        combiner=combiner,
                        learning_rate=rate,
                        seed=seed,
                    )
                )
                for seed in SEEDS
            ]
            mean = sum(found) / len(found)
            cells.append(f"{rate:g}: {'-' if mean != mean else format(100 * mean, '.1f')}")
        print(f"{optimizer:7} {perturb:8} {combiner:20}  " + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
