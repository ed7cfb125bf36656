"""Prefork with the program in its first argument for py-spy."""

import sys
from pathlib import Path

from prefork import cli
from prefork.master import spies

program = Path(sys.argv.pop(1))
spies.installed = lambda: program
sys.exit(cli.main())
