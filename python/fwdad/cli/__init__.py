"""The command line: ``fwdad train``, ``bench``, ``download``, ``info``. The only part of fwdad that prints.

main      the entry point: errors and exit codes
options   options made from TrainConfig
train     fwdad train
progress  the progress bar
runs      fwdad eval, plot, export
download  fwdad download
bench     fwdad bench
info      fwdad info
"""

from fwdad.cli.main import main

__all__ = ["main"]
