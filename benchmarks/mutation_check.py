"""Do the tests of the engine notice a broken rule? Ten are broken at random, one by one, by sign or by a factor.

Run: python benchmarks/mutation_check.py [--count 10] [--seed 0]. Each time the suite must fail.
"""

import argparse
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from fwdad import tree
from fwdad.dual import RULES, Dual, name_of
from fwdad.rules.forms import ENTRIES

FACTORS = (-1.0, 2.0, 1.01)
VARIABLE = "FWDAD_BROKEN_RULE"
TESTS = ("tests/dual", "tests/rules", "tests/transforms")


def names():
    """The functions of which a rule carries a tangent, by name."""
    mine = {name_of(f): f for f, entry in ENTRIES.items() if entry.kind in ("differentiable", "linear", "write")}
    return {name: f for name, f in sorted(mine.items()) if name.startswith(("np.", "fwdad.functions."))}


def break_rule(function, factor):
    """The tangents that the function's rule gives, or writes into its first argument, are multiplied by a factor."""
    rule = RULES[function]

    def scaled(leaf):
        moves = type(leaf) is Dual
        return Dual(leaf.primal, leaf.tangent * np.asarray(factor, leaf.dtype), leaf.level) if moves else leaf

    def broken(*args, **kwargs):
        answer = rule(*args, **kwargs)
        if answer is None and type(args[0]) is Dual:
            args[0].tangent = scaled(args[0]).tangent
        return tree.map(scaled, answer)

    RULES[function] = broken


def pytest_configure():
    """As a pytest plugin: break what the environment names."""
    name, _, factor = os.environ[VARIABLE].rpartition(" ")
    break_rule(names()[name], float(factor))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    here = Path(__file__).resolve().parent
    survivors = []
    for name in rng.sample(list(names()), options.count):
        factor = rng.choice(FACTORS)
        plugins = ["-p", "mutation_check", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *plugins, *TESTS],
            env={
                **os.environ,
                VARIABLE: f"{name} {factor}",
                "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
            },
            cwd=here.parent,
            capture_output=True,
            text=True,
        )
        failures = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if run.returncode != 1 or not failures:
            survivors.append(name)
        print(f"{name:32} x {factor:5}  {failures[0][:90] if failures else 'NOT NOTICED'}", flush=True)
    print(f"{options.count - len(survivors)} of {options.count} broken rules were noticed")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
