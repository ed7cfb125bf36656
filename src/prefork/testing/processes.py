"""The processes of one test: found by a mark in their environment or by their session, however often they were re-parented.

Reads `/proc` only, except for `kill_all`, which ends what a failed test left behind. Never matches by name.
"""

import os
import signal

MARK = "KIT_MARK"  # not PREFORK_…: those are the options of the server


def marked(mark: str, session: int) -> list[int]:
    """The pids of all live processes (no zombies) whose environment has `KIT_MARK=mark` or whose session is `session`."""
    wanted = f"{MARK}={mark}".encode()
    return sorted(pid for pid in _pids() if _alive(pid) and (_session(pid) == session or wanted in _environment(pid)))


def describe(pids: list[int]) -> str:
    """One line for each process: its pid, its parent and its command line."""
    return "\n".join(f"  pid {pid}, parent {_field(pid, 1)}: {_command(pid)}" for pid in pids)


def kill_all(pids: list[int]) -> None:
    """Kill each process; one that has already ended is no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _alive(pid: int) -> bool:
    return _field(pid, 0) not in {"", "Z", "X"}


def _session(pid: int) -> int:
    return int(_field(pid, 3) or 0)


def _field(pid: int, number: int) -> str:
    """One field of `/proc/PID/stat`, counted from the state; empty when the process is gone."""
    # The name before the state may hold spaces and brackets; what follows its last bracket may not.
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return fields[number].decode() if len(fields) > number else ""


def _environment(pid: int) -> list[bytes]:
    return _read(pid, "environ").split(b"\0")


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip() or "(gone)"


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
