"""`python -m prefork.lab.keeper DIR`: the first process of a node. It makes the node's own files, and keeps its services.

It holds a lock on its directory for as long as it lives: who holds that lock is the node's process, and nobody else ever is. Until
its starter has connected the node and says so, the end of the starter is its own end, too.
"""

from __future__ import annotations

import fcntl
import grp
import json
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

OVERLAID = ("/etc", "/opt", "/srv", "/var")
EMPTY = {"/run": "755", "/dev/shm": "1777", "/tmp": "1777"}  # noqa: S108  file systems of the node's own, and their modes
SYSCTL = "/etc/sysctl.d/"
RESTART = 2.0  # seconds, as RestartSec= of our unit
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READY, GO = b"ready\n", b"go\n"


def main(directory: Path) -> None:
    """Never returns while the node lives."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    logs = os.open(directory / "log", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    node = json.loads((directory / "node.json").read_text())
    socket.sethostname(directory.name)
    mount(directory, node)
    install(node["files"], node["links"])
    os.write(1, READY)
    if os.read(0, len(GO)) != GO:
        return
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(quiet, descriptor)
    os.chdir("/")
    keep(node["services"], logs)


def mount(directory: Path, node: dict[str, Any]) -> None:
    """The node's own files: those of the machine with its own ones over them, and what it shares with others."""
    for place in OVERLAID:
        upper, work = directory / "upper" / place[1:], directory / "work" / place[1:]
        for each in (upper, work):
            each.mkdir(parents=True, exist_ok=True)
        shutil.copystat(place, upper)
        layers = f"lowerdir={node['below']}{place},upperdir={upper},workdir={work},userxattr"
        tell("mount", "-t", "overlay", "overlay", "-o", layers, place)
    for source, target in node["shared"]:
        Path(target).mkdir(parents=True, exist_ok=True)
        tell("mount", "--bind", source, target)
    for place, mode in EMPTY.items():
        if not any(each.startswith(f"{place}/") for each in node["programs"]):
            tell("mount", "-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", place)
    open_ways(node["programs"])


def open_ways(programs: list[str]) -> None:
    """Show other accounts the directories of our interpreters, and nothing else of the closed ones that they are in."""
    closed = {top: [each for each in programs if each.startswith(f"{top}/")] for top in map(first_closed, programs) if top}
    for top, inside in closed.items():
        for number, each in enumerate(inside):
            held = f"/run/held/{number}"
            os.makedirs(held)
            tell("mount", "--rbind", each, held)
        tell("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", top)
        for number, each in enumerate(inside):
            os.makedirs(each, exist_ok=True)
            tell("mount", "--move", f"/run/held/{number}", each)


def first_closed(path: str) -> str:
    """The outermost directory above a path that other accounts may not pass; empty where there is none."""
    above = [each for each in reversed(Path(path).parents) if not each.stat().st_mode & 0o001]
    return str(above[0]) if above else ""


def install(files: list[dict[str, Any]], links: dict[str, str]) -> None:
    """Copy the rendered tree and what the lab adds onto the root directory."""
    for file in files:
        target = Path(file["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file["text"])
        target.chmod(file["mode"])
        shutil.chown(target, file["account"], file["account"])
        if file["path"].startswith(SYSCTL):
            tell("sysctl", "--quiet", "--load", file["path"])
    for path, target_name in links.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        Path(path).symlink_to(target_name)


def keep(services: list[dict[str, Any]], logs: int) -> None:
    """Start every service, again when it has ended, and bury whatever nobody else does."""
    running = {start(service, logs): service for service in services}
    while not running:
        signal.pause()
    while True:
        pid, _ = os.wait()
        service = running.pop(pid, None)
        if service is not None:
            time.sleep(RESTART)
            running[start(service, logs)] = service


def start(service: dict[str, Any], logs: int) -> int:
    """A service's process, as its own account, with what it says in a file of its name."""
    for place in service["places"]:
        made = Path(place["path"])
        made.mkdir(parents=True, exist_ok=True)
        made.chmod(place["mode"])
        shutil.chown(made, place["account"], place["account"])
    log = os.open(f"{service['name']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600, dir_fd=logs)
    account = pwd.getpwnam(service["account"])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(service["descriptors"], hard), hard))  # which the process inherits
    try:
        process = subprocess.Popen(
            service["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[each.gr_gid for each in grp.getgrall() if account.pw_name in each.gr_mem],
            env=environment(account, service["variables"]) | dict(each.split("=", 1) for each in service["environment"]),
            start_new_session=True,
        )
    finally:
        os.close(log)
    process.returncode = 0  # it is buried in `keep`
    return process.pid


def environment(account: pwd.struct_passwd, files: list[str]) -> dict[str, str]:
    """What systemd would give it: its account, and the variables of its EnvironmentFile=."""
    found = {"PATH": SEARCHED, "HOME": account.pw_dir, "LOGNAME": account.pw_name, "USER": account.pw_name, "LANG": "C.UTF-8"}
    for file in files:
        for line in Path(file).read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found[name] = value.strip('"')
    return found


def tell(*command: str) -> None:
    """Run a program that has to succeed. Raises CalledProcessError."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
