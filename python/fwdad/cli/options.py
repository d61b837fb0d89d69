"""Command-line options made from `TrainConfig`, so that defaults, ranges and help stand in one place."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fwdad.train import TrainConfig

F = TypeVar("F", bound=Callable[..., Any])
INTEGER = re.compile(r"[+-]?\d+")


def integers(value: str) -> tuple[int, ...]:
    """The type of an option that holds one or more integers, as in ``256 256`` or ``256,256``."""
    words = re.split(r"[\s,]+", value.strip())
    if not all(INTEGER.fullmatch(word) for word in words):
        raise click.BadParameter(f"{value!r} is not a list of integers such as 256 256")
    return tuple(map(int, words))


class TrainCommand(click.Command):
    """A command whose ``--hidden`` takes all integers that follow it; click's options take a fixed number of values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, gather("--hidden", args))


def gather(option: str, args: list[str]) -> list[str]:
    """The arguments with every integer that follows `option` in one word.

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
    """The option of a setting: ``--batch-size`` for ``batch_size``."""
    return "--" + field.replace("_", "-")


def settings(command: F) -> F:
    """Give a command one option for each field of `TrainConfig`; options that are not on the command line are None."""
    for field in reversed(dataclasses.fields(TrainConfig)):
        several = isinstance(field.default, tuple)
        about = field.metadata
        default = " ".join(map(str, field.default)) if several else field.default
        command = click.option(
            name_of(field.name),
            field.name,
            type=integers if several else click.Choice(about["choices"]) if about["choices"] else about["kind"],
            metavar="INTEGER..." if several else None,
            help=about["help"] + ("" if default is None else f"  [default: {default}]"),
        )(command)
    return command
