"""What is written for Cython, built once for a run of tests, whichever of its processes comes first."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import runpy
from typing import TYPE_CHECKING, Any

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def native(name: str, directories: pytest.TempPathFactory) -> Any:
    """A module, by its place in the package: `worker/shortcut`."""
    base = directories.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "native"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = place / "built"
        if not built.exists():
            runpy.run_path(str(ROOT / "hatch_build.py"))["compile_into"](built, [])
    return loaded(name, built)


def loaded(name: str, built: Path) -> Any:
    """A module that was built. It is not the one that others import."""
    (file,) = built.glob(f"{name}.*.so")
    spec = importlib.util.spec_from_file_location("prefork." + name.replace("/", "."), file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
