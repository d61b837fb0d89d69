"""Command-line options made from `TrainConfig`, so that defaults, ranges and help stand in one place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fwdad.train.config import TrainConfig, takers

F = TypeVar("F", bound=Callable[..., Any])
verbose = click.option("-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of an error.")
INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


def printable(text: str) -> str:
    r"""Return the text with control characters and lone surrogates escaped: a file's words do not steer a terminal.

    Examples
    --------
    >>> printable(chr(27) + "[31m") == r"\x1b[31m"
    True
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def integers(value: str) -> tuple[int, ...]:
    """Read an option that holds one or more integers, as in ``256 256`` or ``256,256``."""
    words = re.split(r"[\s,]+", value.strip())
    if not all(INTEGER.fullmatch(word) for word in words):
        raise click.BadParameter(f"{value!r} is not a list of integers such as 256 256")
    return tuple(map(int, words))


class TrainCommand(click.Command):
    """A command with an option for each field of `TrainConfig`; those that are not on the command line are None.

    The options are made when the command runs, so that they show what has been added to a registry. ``--hidden`` takes
    all integers that follow it; click's options take a fixed number of values.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the settings, then the options of the command itself."""
        return [*map(_option, dataclasses.fields(TrainConfig)), *super().get_params(ctx)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, the integers of ``--hidden`` in one word."""
        return super().parse_args(ctx, gather("--hidden", args))


def gather(option: str, args: list[str]) -> list[str]:
    """Return the arguments with every integer that follows `option` in one word.

    Examples
    --------
    >>> gather("--hidden", ["--hidden", "256", "256", "--epochs", "3"])
    ['--hidden=256 256', '--epochs', '3']
    """
    gathered: list[str] = []
    open_ended = False
    for word in args:
        if open_ended and INTEGER.fullmatch(word):
            joint = " " if "=" in gathered[-1] else "="
            gathered[-1] += joint + word
        else:
            gathered.append(word)
            open_ended = word == option or word.startswith(f"{option}=")
    return gathered


def name_of(field: str) -> str:
    """Return the option of a setting: ``--batch-size`` for ``batch_size``."""
    return "--" + field.replace("_", "-")


def _option(field: dataclasses.Field[Any]) -> click.Option:
    several = isinstance(field.default, tuple)
    about = field.metadata
    default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    notes = [about["help"]]
    if about["of"]:
        notes.append(f"[{about['of']}: {', '.join(takers(field))}]")
    if default is not None:
        notes.append(f"[default: {default}]")
    return click.Option(
        [name_of(field.name), field.name],
        type=integers if several else click.Choice([*about["choices"]]) if about["choices"] else about["kind"],
        metavar="INTEGER..." if several else None,
        help="  ".join(notes),
    )
