"""Has the cases of Autobahn|Testsuite, which are written for Python 2, read by Python 3.

What Python 2 had as strings are bytes. Here each byte is a character of Latin-1, in the sources as well as in what `fuzz.py` sends
and receives for a case; so what is sent, expected and compared stays as it is written. Without the cases about compression.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HEXED = """
def hexed(text):
    return (text.encode("latin-1") if isinstance(text, str) else text or b"").hex()
"""
REPLACED = {
    "binascii.b2a_hex(": "hexed(",
    "(object, Case, )": "(Case, )",  # all classes are of the new kind
    '.encode("utf-8")': '.encode("utf-8", "surrogatepass").decode("latin-1")',
    "v.validate(vss[:i])": 'v.validate(vss[:i].encode("latin-1"))',
    "len(self.payload) / ": "len(self.payload) // ",
    # The same text twice in a list is pickled otherwise than two texts that are equal.
    "pickle.dumps(obj1) == pickle.dumps(obj2)": "obj1 == obj2",
    "from case9_9_1 import *": "",  # not among the cases
    "from case12_x_x import *": "",
    "Cases.extend(Case12_X_X)": "",
    "Cases.extend(Case13_X_X)": "",
    "CaseSubCategories.update(Case12_X_X_CaseSubCategories)": "",
    "CaseSubCategories.update(Case13_X_X_CaseSubCategories)": "",
}
LEFT_OUT = ("case9_9_1.py", "case12_x_x.py")


def translate(cases: Path, place: Path) -> None:
    """Put the cases of an installed suite into a directory, as modules; `suite` is the one that has all of them."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(cases, place, ignore=shutil.ignore_patterns("__pycache__", *LEFT_OUT))
    (place / "__init__.py").rename(place / "suite.py")
    modules = sorted(place.glob("*.py"))
    command = [sys.executable, "-W", "ignore", "-m", "lib2to3", "--write", "--nobackups", *map(str, modules)]
    subprocess.run(command, check=True, capture_output=True)
    for module in modules:
        module.write_bytes(adapted(module.read_text("latin-1")).encode("latin-1"))


def adapted(text: str) -> str:
    """A module's text, of which `lib2to3` has translated the syntax."""
    for old, new in REPLACED.items():
        text = text.replace(old, new)
    lines = [line for line in text.splitlines() if not (line.startswith("#") and "coding" in line)]
    return "\n".join(["# coding: latin-1", HEXED, *lines, ""])
