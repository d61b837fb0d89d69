"""fwdad download: gets a published data set."""

from __future__ import annotations

import os
from pathlib import Path

import click

from fwdad import data
from fwdad.cli.options import verbose


@click.command()
@click.argument("name", metavar="DATA", type=click.Choice([*data.SOURCES]))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder to put it in; without it $FWDAD_DATA.")
@verbose
def download(name: str, data_dir: Path | None) -> None:
    """Get a published data set, and check it by its checksums.

    DATA is mnist, fashion-mnist, kmnist, cifar10 or cifar100. Needs the extra: pip install 'fwdad[download]'.
    """
    folder = data_dir or os.environ.get(data.VARIABLE)
    if not folder:
        raise data.DataError(f"name a folder for {name} by --data-dir or ${data.VARIABLE}")
    home = data.download(name, Path(folder))
    click.echo(f"{name} is in {home}. To train on it:\n  fwdad train --data {name} --data-dir {folder}")
