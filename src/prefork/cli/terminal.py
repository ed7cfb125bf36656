"""Where commands draw their tables."""

from __future__ import annotations

import sys
from typing import Any


def console() -> Any:
    """Where tables are drawn: as wide as the terminal, or as they like where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 120)
