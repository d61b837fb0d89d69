"""The exercises: each file of this folder has one, `EXERCISE`."""

import importlib
import pkgutil

from fwdad.learn.exercise import Exercise
from fwdad.registry import Registry

_FOUND: list[Exercise] = [
    importlib.import_module(f"{__name__}.{module.name}").EXERCISE for module in pkgutil.iter_modules(__path__)
]
EXERCISES: Registry[Exercise] = Registry(
    "fwdad.exercises", {exercise.name: exercise for exercise in sorted(_FOUND, key=lambda exercise: exercise.number)}
)
"""All exercises by name, in the order in which they are best done; packages add theirs by entry points."""
