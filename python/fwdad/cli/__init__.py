"""The command line. The only part of fwdad that prints.

main       the entry point: errors and exit codes
train      fwdad train
options    ... its options, made from TrainConfig
progress   ... its progress bar
runs       fwdad eval, predict, plot, export: what is done with a finished run
download   fwdad download
reproduce  fwdad reproduce
bench      fwdad bench
learn      fwdad learn
trace      fwdad trace: the table and the page
layers     ... where the nodes of its graph are drawn
info       fwdad info
signals    stopping by a signal
"""

from fwdad.cli.main import main

__all__ = ["main"]
