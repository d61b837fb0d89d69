"""Do the tests of the engine notice a broken rule? Some are broken at random, one by one; each time a test must fail.

A rule is broken by its sign, by a factor, by a dropped term (one argument that moves is taken for a constant), or by a
lost write (a function that writes into its first argument writes the primal alone).

Run: python benchmarks/mutation_check.py [--count 50] [--seed 0]
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

FACTORS = {"sign": -1.0, "twice": 2.0, "a hundredth more": 1.01}
VARIABLE = "FWDAD_BROKEN_RULE"
FIRST = ("tests/rules/test_rules.py", "-k", "test_jvp")
"""Where most are noticed; what passes goes through `TESTS`."""
TESTS = ("tests/dual", "tests/rules", "tests/transforms")


def names():
    """The functions of which a rule carries a tangent, by name."""
    mine = {name_of(f): f for f, entry in ENTRIES.items() if entry.kind in ("differentiable", "linear", "write")}
    return {name: f for name, f in sorted(mine.items()) if name.startswith(("np.", "fwdad.", "_operator."))}


def scaled(answer, factor):
    """The answer with tangents multiplied by a factor."""

    def leaf(x):
        return Dual(x.primal, x.tangent * np.asarray(factor, x.dtype), x.level) if type(x) is Dual else x

    return tree.map(leaf, answer)


def without_a_term(args, kwargs):
    """The arguments, the last one that moves taken for a constant at its level."""
    leaves, structure = tree.flatten((args, kwargs))
    top = max((leaf.level for leaf in leaves if type(leaf) is Dual), default=0)
    for i in reversed(range(len(leaves))):
        if type(leaves[i]) is Dual and leaves[i].level == top:
            leaves[i] = leaves[i].primal
            break
    return tree.unflatten(structure, leaves)


def break_rule(function, how):
    """Replace the function's rule by one that is wrong."""
    rule = RULES[function]

    def broken(*args, **kwargs):
        target = args[0] if args and type(args[0]) is Dual else None
        before = None if target is None else target.tangent
        if how == "a term":
            some_args, some_kwargs = without_a_term(args, kwargs)
            moving = any(type(leaf) is Dual for leaf in tree.leaves((some_args, some_kwargs)))
            return (rule if moving else function)(*some_args, **some_kwargs)
        answer = rule(*args, **kwargs)
        if answer is None and target is not None:
            same = target.tangent.shape == np.shape(before)
            target.tangent = before if how == "a write" and same else target.tangent * FACTORS.get(how, 0.0)
        return scaled(answer, FACTORS.get(how, 0.0))

    RULES[function] = broken


def pytest_configure():
    """As a pytest plugin: break what the environment names."""
    name, how = os.environ[VARIABLE].split(":")
    break_rule(names()[name], how)


def ways(name):
    """How a rule can be broken."""
    return [*FACTORS, "a write" if ENTRIES[names()[name]].kind == "write" else "a term"]


def failure(name, how, *tests):
    """The first test that fails with the rule broken so, or None."""
    here = Path(__file__).resolve().parent
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "mutation_check", "-p", "no:cacheprovider", *tests],
        env={
            **os.environ,
            VARIABLE: f"{name}:{how}",
            "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]),
        },
        cwd=here.parent,
        capture_output=True,
        text=True,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0] if run.returncode == 1 and lines else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    noticed = 0
    for name in rng.sample(list(names()), options.count):
        how = rng.choice(ways(name))
        found = failure(name, how, *FIRST) or failure(name, how, *TESTS)
        noticed += found is not None
        print(f"{name:36} {how:16} {found[:90] if found else 'NOT NOTICED'}", flush=True)
    print(f"{noticed} of {options.count} broken rules were noticed")
    sys.exit(noticed < options.count)


if __name__ == "__main__":
    main()
