"""Prefork on a machine whose memory is what the files below the first argument say, and whose processes are this one's."""

import sys
from functools import partial
from pathlib import Path

from prefork import cli
from prefork.master import guard, headroom, loop

root = Path(sys.argv.pop(1))
loop.Guard = partial(guard.Guard, read=partial(headroom.read_headroom, root))  # type: ignore[misc, assignment]
sys.exit(cli.main())
