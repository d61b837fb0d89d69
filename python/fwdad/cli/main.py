"""The entry point: runs a command and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import traceback
import warnings
from typing import Any, NoReturn

import click

import fwdad
from fwdad import kernels
from fwdad.bench import BenchError
from fwdad.cli.bench import bench
from fwdad.cli.download import download
from fwdad.cli.info import info
from fwdad.cli.learn import learn
from fwdad.cli.options import name_of, printable
from fwdad.cli.reproduce import reproduce
from fwdad.cli.runs import curves, evaluation, export, prediction
from fwdad.cli.trace import trace
from fwdad.cli.train import train
from fwdad.data import DataError
from fwdad.export import ExportError
from fwdad.learn import LearnError
from fwdad.registry import PluginError
from fwdad.train import CheckpointError, ConfigError, RunError, TrainingDiverged

# What a user can cause and mend. Any other exception is a fault of this program, and shows its traceback.
USER_ERRORS = (
    BenchError, ConfigError, DataError, ExportError, LearnError, PluginError, RunError, CheckpointError,
    TrainingDiverged, kernels.CudaError, OSError,
)  # fmt: skip


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fwdad.__version__, package_name="fwdad")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Forward-mode automatic differentiation, and training by forward gradients."""
    try:
        kernels.info()  # reads $FWDAD_ISA and $FWDAD_NUM_THREADS
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (train, evaluation, prediction, curves, export, download, reproduce, bench, trace, learn, info):
    commands.add_command(command)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 an error of the user's, 128 + n stopped by signal n.

    Where the reader of the output has gone, as with ``| head``, the command ends without a word, as by SIGPIPE.
    """
    args = sys.argv[1:] if args is None else args
    _open_closed_streams()
    warnings.showwarning = _show_warning
    try:
        code = commands.main(args, prog_name="fwdad", standalone_mode=False)
    except SystemExit:  # click's answer to a BrokenPipeError
        code = 128 + signal.SIGPIPE
    except click.ClickException as error:
        code = _fail(error.format_message(), args)
    except ConfigError as error:
        code = _fail(f"{name_of(error.field)} {error.problem}", args)
    except MemoryError as error:
        asked = shlex.join(["fwdad", *args])
        code = _fail(f"not enough memory for {asked} ({str(error) or 'no size is known'}); ask for less", args)
    except USER_ERRORS as error:
        code = _fail(str(error) or type(error).__name__, args)
    except (click.Abort, KeyboardInterrupt):
        _say("fwdad: interrupted")
        code = 130
    _flush()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Give the streams that the caller has closed a place to go, so that no file takes their numbers."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115


def _flush() -> None:
    """Write what is left, here and not at Python's end, where it would be a traceback if nobody reads it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(line: str) -> None:
    """Print a line for the user, whatever is in it; where nobody listens, nothing."""
    with contextlib.suppress(OSError):
        click.echo(printable(line), err=True)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    _say(f"fwdad: warning: {message}")


def _fail(message: str, args: list[str]) -> int:
    # Looked up here and not in a parsed option, because parsing may be what failed.
    if {"-v", "--verbose"} & set(args):
        traceback.print_exc()
    _say(f"fwdad: error: {' '.join(message.splitlines())}")
    return 2
