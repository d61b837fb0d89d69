"""``python -m fwdad``: the command line where no script is installed."""

from fwdad.cli.main import main

main()
