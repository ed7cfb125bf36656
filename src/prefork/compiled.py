"""Modules of ours in compiled form, where the installation has them: the same source, made into extensions by mypyc, and a few
that exist in this form only.

They lie in a tree of their own, `_compiled/`, for one interpreter. A process prefers them by saying so before it has imported any;
what is not there comes from its source. Standard library only, Python 3.9+: it may run inside an application's interpreter, which
sees none of them unless it is the same as ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import zlib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

PLACE = Path(__file__).with_name("_compiled")
SUFFIX = EXTENSION_SUFFIXES[0]
LIBRARY = "prefork__mypyc"  # has the code of all; their own files only begin it
SOURCES = "sources.json"  # CRC-32 of the files that they were made from


def modules(place: Path = PLACE) -> list[str]:
    """The names of the modules that are compiled for this interpreter: `prefork.http.head`."""
    if not (place / (LIBRARY + SUFFIX)).exists():
        return []
    files = [file.relative_to(place) for file in place.rglob(f"*{SUFFIX}") if file.name != LIBRARY + SUFFIX]
    return sorted(".".join(("prefork", *file.parent.parts, file.name.removesuffix(SUFFIX))) for file in files)


def changed(place: Path = PLACE) -> list[str]:
    """Those whose source is not the one that they were made from, as in a checkout that is worked on."""
    try:
        made = json.loads((place / SOURCES).read_text())
    except FileNotFoundError:
        made = {}
    same = {file.partition(".")[0] for file, crc in made.items() if zlib.crc32((PLACE.parent / file).read_bytes()) == crc}
    return [name for name in modules(place) if name.removeprefix("prefork.").replace(".", "/") not in same]


def prefer(place: Path = PLACE) -> None:
    """Have this process import compiled modules where there are any; none where one is not what its source says.

    All are linked together: there is no taking some of them.
    """
    if not (found := modules(place)) or changed(place):
        return
    spec = importlib.util.spec_from_file_location(LIBRARY, place / (LIBRARY + SUFFIX))
    assert spec
    assert spec.loader
    library = sys.modules[LIBRARY] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    for room in sorted({name.rpartition(".")[0] for name in found}):
        importlib.import_module(room).__path__.insert(0, str(place.joinpath(*room.split(".")[1:])))
