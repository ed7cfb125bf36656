"""Compiles the way of a request, for a wheel when it is asked for, or into a checkout: MODULES with mypyc, NATIVE with Cython.

    HATCH_BUILD_HOOK_ENABLE_CUSTOM=true python -m hatchling build -t wheel
    python hatch_build.py src/prefork/_compiled

MODULES are the same source that runs without it. Where there is no compiler the wheel is made without, and the build says so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
# Not those with coroutines or threads of others, not what people subclass, nothing that only an event now and then needs, and
# nothing that takes what an application says: compiled code refuses a list in a tuple's place where the source does not mind.
MODULES = """
    dispatcher/accounts dispatcher/adoption dispatcher/answers dispatcher/assignments dispatcher/attendance dispatcher/bills
    dispatcher/buffered dispatcher/connection dispatcher/departures dispatcher/door dispatcher/download dispatcher/drain
    dispatcher/estate dispatcher/exchange dispatcher/fairness dispatcher/idle dispatcher/inbound dispatcher/intake dispatcher/lanes
    dispatcher/ledger dispatcher/lender dispatcher/lingering dispatcher/live dispatcher/loan dispatcher/loans dispatcher/loop
    dispatcher/loop_loans dispatcher/loops dispatcher/newcomers dispatcher/notices dispatcher/orders dispatcher/outbox
    dispatcher/poller dispatcher/queue dispatcher/receipts dispatcher/relief dispatcher/routes dispatcher/settlement
    dispatcher/states dispatcher/streaming dispatcher/tally dispatcher/terms dispatcher/traffic dispatcher/upload
    dispatcher/verdict dispatcher/wires dispatcher/words dispatcher/workers histogram http/chunks http/framing http/head
    http/identity http/paths http/proxies http/repertoire lending lines messages scoreboard trace worker/asgi/borrowing
    worker/borrowing worker/client worker/http worker/known worker/stamps
""".split()
# Shortcuts for what comes most often: whatever they do not know goes the way that MODULES are.
NATIVE = """
    dispatcher/entries worker/shortcut
""".split()
SETUP = """
import sys
from Cython.Build import cythonize
from mypyc.build import mypycify
from setuptools import Extension, setup
modules, native = (part.split() for part in sys.argv[1:3])
sys.argv[1:] = ["--quiet", "build_ext", "--inplace"]
made = mypycify(modules, opt_level="2", debug_level="0", group_name="prefork") if len(modules) > 2 else []
made += cythonize([Extension(file[:-4].replace("/", "."), [file]) for file in native], quiet=True)
setup(name="prefork", packages=[], ext_modules=made)
"""


class Uncompiled(Exception):
    """It could not be compiled; the sentence says why."""


def compile_into(place: Path, modules: list[str] = MODULES) -> None:
    """Put the compiled modules below `place`, as they lie in the package. Raises Uncompiled."""
    files = [*(f"{name}.py" for name in modules), *(f"{name}.pyx" for name in NATIVE)]
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "src")
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("_compiled", "*.so", "__pycache__"))
        mypyc = ["--config-file=", "--ignore-missing-imports", *(f"prefork/{file}" for file in files if file.endswith(".py"))]
        cython = [f"prefork/{file}" for file in files if file.endswith(".pyx")]
        command = [sys.executable, "-c", SETUP, " ".join(mypyc), " ".join(cython)]
        done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise Uncompiled(f"mypyc, Cython or the C compiler has failed:\n{done.stdout[-2000:]}")
        shutil.rmtree(place, ignore_errors=True)
        for found in [*source.glob("*.so"), *source.glob("prefork/**/*.so")]:
            inside = found.relative_to(source / "prefork") if source / "prefork" in found.parents else Path(found.name)
            (place / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, place / inside)
        made = {file: zlib.crc32((source / "prefork" / file).read_bytes()) for file in files}
        (place / "sources.json").write_text(json.dumps(made))


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled modules to a wheel, which is then for one Python and one platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless this is an editable installation."""
        if version == "editable":
            return
        place = Path(tempfile.mkdtemp(), "_compiled")
        try:
            compile_into(place)
        except Uncompiled as error:
            self.app.display_warning(f"Prefork is not compiled, and works all the same: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {str(place): "prefork/_compiled"}


if __name__ == "__main__":
    try:
        compile_into(Path(os.path.abspath(sys.argv[1])))
    except Uncompiled as error:
        sys.exit(f"prefork: {error}")
