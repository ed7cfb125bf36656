"""What is written for Cython, built once and kept until it changes: by `make test`, or by the first test that asks for it."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import runpy
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".pytest_cache" / "native"


def native(name: str) -> Any:
    """A module, by its place in the package: `worker/shortcut`. It is not the one that others import."""
    build()
    (file,) = PLACE.glob(f"{name}.*.so")
    spec = importlib.util.spec_from_file_location("prefork." + name.replace("/", "."), file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build() -> None:
    """Build all, unless that is done. Processes of one run wait for each other."""
    PLACE.parent.mkdir(exist_ok=True)
    with PLACE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not current():
            runpy.run_path(str(ROOT / "hatch_build.py"))["compile_into"](PLACE, [])


def current() -> bool:
    """Whether what was built is that of the source as it is now."""
    sources = PLACE / "sources.json"
    made = json.loads(sources.read_text()) if sources.exists() else {}
    package = ROOT / "src" / "prefork"
    return bool(made == {str(file.relative_to(package)): zlib.crc32(file.read_bytes()) for file in package.rglob("*.pyx")})


if __name__ == "__main__":
    build()
