"""What the benchmark runs on: the peers' environment, wrk, and the facts of the machine that belong beside every figure.

A peer that cannot be installed is named with the reason and left out; it is never left out silently.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nginx
from servers import PEERS, PREFORK, ROOT

ENVIRONMENT = PEERS.parent
REQUIREMENTS = ROOT / "bench" / "requirements.txt"
COMPILED = ROOT / "src" / "prefork" / "_compiled"


class Missing(Exception):
    """Something the benchmark cannot do without; the message says what to do."""


def pinned(file: Path = REQUIREMENTS) -> list[str]:
    """The requirements, `name==version`."""
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def install() -> dict[str, str]:
    """Have all peers in their environment; packages that could not be installed, with the reason."""
    failures = prepared(REQUIREMENTS)
    if reason := compile_echo():
        failures["echo.c"] = reason
        print(f"!! echo.c cannot be compiled and is LEFT OUT: {reason}", flush=True)
    return failures


def compile_echo() -> str:
    """Compile the C loop that others are measured by; the reason where that failed, else nothing."""
    if shutil.which("gcc") is None:
        return "gcc is missing"
    command = ["gcc", "-O2", "-o", str(PEERS / "echo"), str(ROOT / "bench" / "apps" / "echo.c")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()[:120]


def gcc_version() -> str:
    """The number that gcc calls itself by."""
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def prepared(requirements: Path) -> dict[str, str]:
    """Make the environment where there is none, and have a file's packages in it; those that could not be, with the reason."""
    if not (PEERS / "pip").exists():
        print("making .venv-bench …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    have = installed(PEERS)
    failures = {}
    for requirement in pinned(requirements):
        name, _, version = requirement.partition("==")
        if have.get(canonical(name)) != version and (reason := install_one(requirement)):
            failures[name] = reason
            print(f"!! {requirement} cannot be installed and is LEFT OUT: {reason}", flush=True)
    return failures


def install_one(requirement: str) -> str:
    """Install one package without its dependencies (they are pinned too); the reason where it failed, else nothing."""
    print(f"installing {requirement} …", flush=True)
    command = [str(PEERS / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    errors = re.findall(r"(?:fatal error|error|ERROR): (?!subprocess-exited).+", result.stdout + result.stderr)
    hint = " (bjoern needs libev-dev, uWSGI a compiler and python3-dev)" if requirement.startswith(("bjoern", "uWSGI")) else ""
    return (errors[0][:120] if errors else "pip failed") + hint


def installed(directory: Path) -> dict[str, str]:
    """The packages of the environment whose programs are in `directory`: canonical name → version."""
    script = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    result = subprocess.run([str(directory / "python"), "-c", script], capture_output=True, text=True, check=True)
    return {canonical(name): version for name, version in json.loads(result.stdout).items()}


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compile_ours() -> None:
    """Have Prefork's compiled form, of the source as it is. Raises Missing."""
    look = "import sys; from prefork import compiled; sys.exit(not compiled.modules() or bool(compiled.changed()))"
    if subprocess.run([str(PREFORK / "python"), "-c", look], check=False).returncode == 0:
        return
    print("compiling Prefork …", flush=True)
    made = subprocess.run([str(PREFORK / "python"), str(ROOT / "hatch_build.py"), str(COMPILED)], check=False)
    if made.returncode:
        raise Missing("Prefork cannot be compiled, for the reason above; --servers leaves out the rows that need it")


def versions() -> dict[str, str]:
    """The version of every package that serves, Prefork's included if `make setup` has been run."""
    prefork = installed(PREFORK).get("prefork") if (PREFORK / "python").exists() else None
    echo = {"echo-c": f"by gcc {gcc_version()}"} if (PEERS / "echo").exists() else {}
    return installed(PEERS) | echo | ({"prefork": prefork} if prefork else {})


def require_wrk() -> None:
    """Raise Missing without the load generator of the hello scenario."""
    if shutil.which("wrk") is None:
        raise Missing("wrk is missing: apt-get install wrk")


def require_nginx() -> None:
    """Raise Missing without the measure of the transfer scenario."""
    if nginx.program() is None:
        raise Missing("nginx is missing: apt-get install nginx")


def machine() -> dict[str, str]:
    """The machine in the words the report prints."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": f"{len(os.sched_getaffinity(0))} × {model[1] if model else platform.machine()}",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "wrk": wrk_version(),
        "nginx": nginx.version(),
    }


def wrk_version() -> str:
    """What `wrk --version` calls itself."""
    if shutil.which("wrk") is None:
        return "not installed"
    text = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    return text.split("Copyright")[0].strip().removeprefix("wrk ").split(" [")[0]
