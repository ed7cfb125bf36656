"""SQL by name. Each statement stands in a `.sql` file beside this module, below a line `-- name: what it does`."""

from __future__ import annotations

import re
from pathlib import Path

HEADING = re.compile(r"^-- (\w+): .+$", re.MULTILINE)


def statements(file: str) -> dict[str, bytes]:
    """The statements of a file by name, as the driver takes them."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    _, *parts = HEADING.split(text)
    return {name: body.strip().encode() for name, body in zip(parts[::2], parts[1::2])}
