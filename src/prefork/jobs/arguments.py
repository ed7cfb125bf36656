"""What a run is called with, as every store keeps it: JSON. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it


def keepable(arguments: dict[str, Any]) -> None:
    """Refuse what Python takes for JSON and PostgreSQL does not. Raises TypeError, ValueError."""
    text = json.dumps(arguments, allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text among the arguments has half of a surrogate pair, which no UTF-8 has") from None
    if NUL.search(text):
        raise ValueError("a text among the arguments has a NUL, which PostgreSQL does not keep")
