"""The shop's own directory, for what nobody else keeps: under Prefork with PostgreSQL nothing is kept in it."""

from __future__ import annotations

import os
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"


def directory() -> Path:
    """Return $SHOP_DATA, or `data` beside the package, made with mode 0700; RuntimeError with one sentence if it cannot be."""
    place = Path(os.environ.get("SHOP_DATA") or DATA)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(
            f"the shop cannot make its data directory {place}: {error.strerror}; name another one in SHOP_DATA"
        ) from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise RuntimeError(f"the shop may not write in {place}; change its owner or name another one in SHOP_DATA")
    return place
