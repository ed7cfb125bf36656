"""Odoo as what a lab serves: where it is on this machine. It is not imported here, and its directories are only read."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.config.tree import version
from prefork.lab.changes import Unfit

if TYPE_CHECKING:
    from pathlib import Path

PREFIXES = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"


@dataclass(frozen=True)
class Odoo:
    """An installed Odoo: version, tree, interpreter, directories of further add-ons, and the modules that its database gets."""

    version: str
    tree: str
    python: str
    addons: tuple[str, ...] = ()
    modules: tuple[str, ...] = ("mail",)

    def places(self) -> set[str]:
        """The directories that nodes have to see. Raises Unfit."""
        return {self.tree, *self.addons, *prefixes(self.python)}


def found(tree: Path, python: Path, addons: tuple[Path, ...] = (), modules: tuple[str, ...] = ("mail",)) -> Odoo:
    """The Odoo of a directory, with its interpreter. Raises Unfit."""
    number = version(tree)
    if number is None:
        raise Unfit(f"{tree} does not hold Odoo: there is no odoo/release.py in it")
    prefixes(str(python))
    return Odoo(".".join(map(str, number)), str(tree.absolute()), str(python.absolute()), tuple(map(str, addons)), modules)


def kept(said: dict[str, Any]) -> Odoo:
    """As it was written down."""
    return Odoo(said["version"], said["tree"], said["python"], tuple(said["addons"]), tuple(said["modules"]))


def prefixes(python: str) -> list[str]:
    """Where an interpreter and its packages are. Raises Unfit."""
    try:
        said = subprocess.run([python, "-c", PREFIXES], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise Unfit(f"{python} is no interpreter that runs here; name Odoo's own, which has its requirements") from None
    return said.stdout.splitlines()
