"""SQL by name. Each statement stands in a `.sql` file beside this module, below a line `-- name: what it does`.

Where a file in another dialect stands beside, as `jobs.sqlite.sql` beside `jobs.sql`, it has the same names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADING = re.compile(r"^-- (\w+): .+$", re.MULTILINE)
POSTGRES, SQLITE = "postgres", "sqlite"


def dialect(connection: Any) -> str:
    """What is spoken at the other end."""
    spoken: str = getattr(connection, "dialect", POSTGRES)
    return spoken


class Statements:
    """The statements of a room, in both dialects."""

    def __init__(self, room: str) -> None:
        self._texts = {POSTGRES: statements(f"{room}.sql"), SQLITE: statements(f"{room}.sqlite.sql")}

    def run(self, connection: Any, name: str, values: Mapping[str, Any] | None = None) -> Any:
        """Execute one; returns the driver's cursor."""
        return connection.execute(self._texts[dialect(connection)][name], values)


def statements(file: str) -> dict[str, bytes]:
    """The statements of a file by name, as the driver takes them."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    _, *parts = HEADING.split(text)
    return {name: body.strip().encode() for name, body in zip(parts[::2], parts[1::2])}
