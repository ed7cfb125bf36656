"""The data directory: the database file appears in it whole, or not at all.

Two workers may start at the same instant on an empty directory. Each writes a private file and then links it into
place; whoever comes second uses what the first one made.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Callable

DATA = Path(__file__).resolve().parent.parent / "data"
DATABASE = "shop.db"


def place() -> Path:
    """Return the data directory: $SHOP_DATA, or beside the package."""
    return Path(os.environ.get("SHOP_DATA") or DATA)


def prepare(directory: Path) -> Path:
    """Make the directory (mode 0700) and return it; RuntimeError with one sentence if that is impossible."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(
            f"the shop cannot make its data directory {directory}: {error.strerror}; name another one in SHOP_DATA"
        ) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise RuntimeError(f"the shop may not write in {directory}; change its owner or name another one in SHOP_DATA")
    return directory


def place_once(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a private draft (mode 0600) and link it to `path`, unless somebody was faster."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    os.close(descriptor)
    draft = Path(name)
    try:
        write(draft)
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
