"""The entry point: runs a command and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

import click

import fwdad
from fwdad import kernels
from fwdad.bench import BenchError
from fwdad.cli.bench import bench
from fwdad.cli.download import download
from fwdad.cli.info import info
from fwdad.cli.options import name_of
from fwdad.cli.reproduce import reproduce
from fwdad.cli.runs import curves, evaluation, export
from fwdad.cli.train import train
from fwdad.data import DataError
from fwdad.export import ExportError
from fwdad.train import CheckpointError, ConfigError, RunError, TrainingDiverged

# What a user can cause and mend. Any other exception is a fault of this program, and shows its traceback.
USER_ERRORS = (
    BenchError, ConfigError, DataError, ExportError, RunError, CheckpointError, TrainingDiverged, kernels.CudaError,
    OSError, MemoryError,
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


for command in (train, evaluation, curves, export, download, reproduce, bench, info):
    commands.add_command(command)


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 an error of the user's, 128 + n stopped by signal n."""
    args = sys.argv[1:] if args is None else args
    try:
        code = commands.main(args, prog_name="fwdad", standalone_mode=False)
    except click.ClickException as error:
        code = _fail(error.format_message(), args)
    except ConfigError as error:
        code = _fail(f"{name_of(error.field)} {error.problem}", args)
    except USER_ERRORS as error:
        code = _fail(str(error) or type(error).__name__, args)
    except (click.Abort, KeyboardInterrupt):
        click.echo("fwdad: interrupted", err=True)
        code = 130
    sys.exit(code)


def _fail(message: str, args: list[str]) -> int:
    # Looked up here and not in a parsed option, because parsing may be what failed.
    if {"-v", "--verbose"} & set(args):
        traceback.print_exc()
    click.echo(f"fwdad: error: {' '.join(message.splitlines())}", err=True)
    return 2
