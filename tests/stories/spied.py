"""Prefork with the program in its first argument for py-spy, which has the seconds in the second one for the stacks of a worker."""

import sys
from pathlib import Path

from prefork import cli
from prefork.master import enforce, spies

program, enforce.READ_BY = Path(sys.argv.pop(1)), float(sys.argv.pop(1))
spies.installed = lambda: program
sys.exit(cli.main())
