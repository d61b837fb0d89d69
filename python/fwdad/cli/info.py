"""fwdad info: what is installed, and what it runs on."""

from __future__ import annotations

import platform

import click
import numpy as np

import fwdad
from fwdad import kernels


@click.command()
def info() -> None:
    """Show versions, platform and kernels."""
    rows = {
        "fwdad": fwdad.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
    } | kernels.info()
    width = max(map(len, rows))
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}")
