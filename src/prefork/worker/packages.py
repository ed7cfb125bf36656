"""Packages of Prefork's own environment that an application's interpreter is lent, where its environment has none of that name.

The one package becomes importable and nothing else of that environment.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefork.worker.borrowing import Borrower
    from prefork.worker.shortcut import Shortcut


def lend(name: str, package: str) -> None:
    """Make a package importable from its directory. Raises ImportError, or whatever its import raises."""
    spec = importlib.util.spec_from_file_location(name, package + "/__init__.py", submodule_search_locations=[package])
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} holds no package")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for each in [each for each in sys.modules if each == name or each.startswith(name + ".")]:
            del sys.modules[each]
        raise


def borrower(orders: dict[str, Any] | None) -> type[Borrower] | None:
    """Who reads requests in workers, where this interpreter can have the dispatcher's own parser (`package`, `version`).

    None where it cannot, or has another version of it: a request is to be read in one way only.
    """
    if orders is None:
        return None
    try:
        if importlib.util.find_spec("httptools") is None:
            lend("httptools", orders["package"])
        import httptools

        if httptools.__version__ != orders["version"]:
            return None
        from prefork.worker.borrowing import Borrower
    except Exception:  # noqa: BLE001 - whatever is wrong with it: requests are handed over then
        return None
    return Borrower


def shortcut() -> type[Shortcut] | None:
    """Who answers the commonest of these requests; None where compiled code does not know this machine's order of bytes."""
    try:
        from prefork.worker.shortcut import Shortcut
    except ImportError:
        return None
    return Shortcut
