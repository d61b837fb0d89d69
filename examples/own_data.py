"""One's own data: a table in a CSV file, a network that learns from it, and predictions for new rows.

The program writes a table of flowers that do not exist, with numbers and words in its columns, and calls the same
commands that one types: `fwdad train`, `fwdad eval`, `fwdad predict`. Columns are found by their names and
standardised; words become columns of their own. The truth is the rule by which the flowers were named.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SOILS = ("clay", "sand", "peat")
rng = np.random.default_rng(0)


def flowers(count):
    """Return rows of height in cm, petals and soil, and their names."""
    height, petals, soil = rng.uniform(5, 60, count), rng.integers(3, 9, count), rng.integers(0, 3, count)
    tall, many = height > 20 + 10 * soil, petals > 5  # what counts as tall depends on the soil
    names = np.where(tall, np.where(many, "lordly", "slender"), np.where(many, "cushion", "creeper"))
    return [[f"{h:.2f}", str(p), SOILS[s]] for h, p, s in zip(height, petals, soil, strict=True)], names.tolist()


def write(file, rows, *header):
    """Write a CSV file."""
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([header, *rows])


def fwdad(command, folder):
    """Run a command as in a terminal, show it, and return what it prints."""
    print(f"$ fwdad {command}")
    words = [sys.executable, "-m", "fwdad", *command.split()]
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


with tempfile.TemporaryDirectory() as folder:
    rows, names = flowers(1000)
    named = [[*row, name] for row, name in zip(rows, names, strict=True)]
    write(Path(folder) / "flowers.csv", named, "height", "petals", "soil", "name")
    rows, truth = flowers(500)
    write(Path(folder) / "new.csv", rows, "height", "petals", "soil")

    trained = fwdad("train --data flowers.csv --target name --epochs 20 --seed 0 --out run", folder)
    print(trained.splitlines()[0], "...", sep="\n")
    print(fwdad("eval run", folder).strip())
    predictions = list(csv.reader(fwdad("predict run new.csv", folder).splitlines()))

header, *lines = predictions
found = [line[-1] for line in lines]
print(f"{len(found)} predictions, the first ones: {', '.join(found[:4])}")
accuracy = np.mean(np.array(found) == truth)
print(f"{accuracy:.1%} of the new flowers have their right names")
assert len(found) == 500
assert accuracy > 0.93
