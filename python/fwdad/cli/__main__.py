"""``python -m fwdad.cli``: as ``python -m fwdad``."""

from fwdad.cli.main import main

main()
