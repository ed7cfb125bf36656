"""Starts, kills and reaps processes. Nothing else in the master does.

Dispatcher, templates and watcher are exec'd, each with exactly one descriptor: its channel. Workers are forked by a template and
adopted (child subreaper), so that every process of the server is the master's child and none is waited for by anybody else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prefork.channel import Channel
from prefork.kernel import PADDING
from prefork.messages import pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TEMPLATE = Path(__file__).parent.parent / "worker" / "__main__.py"
WITHHELD = ("NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID")


class Owner(NamedTuple):
    """Whom a process belongs to: numeric user and group, None for our own."""

    user: int | None
    group: int | None


class Helper:
    """An exec'd process and our end of its channel."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self.process = process
        self.pid = process.pid
        self.channel = channel

    def buried(self, code: int) -> None:
        """It has been reaped by `reap`, so that Popen must not try."""
        self.process.returncode = code


def start_dispatcher(owner: Owner, log: int, *, compiled: bool) -> Helper:
    """Start a dispatcher in our own interpreter."""
    return execute([sys.executable, "-P", "-m", "prefork.dispatcher", "compiled" if compiled else "pure"], owner, log)


def start_console(owner: Owner, log: int) -> Helper:
    """Start a console in our own interpreter."""
    return execute([sys.executable, "-P", "-m", "prefork.console"], owner, log)


def start_watcher(owner: Owner, log: int) -> Helper:
    """Start a watcher in our own interpreter."""
    return execute([sys.executable, "-P", "-m", "prefork.watcher"], owner, log)


def start_template(python: Path, owner: Owner, log: int, *, at_terminal: bool, compiled: bool) -> Helper:
    """Start a template in the application's interpreter. Raises OSError when that cannot be executed."""
    return execute([str(python), str(TEMPLATE), "compiled" if compiled else "pure"], owner, log, at_terminal=at_terminal)


def execute(command: Sequence[str], owner: Owner, log: int, *, at_terminal: bool = False) -> Helper:
    """Exec a command with one end of a new channel, its number as the last argument; its output goes to the log.

    `at_terminal`: it may read from our terminal, and gets the signals of its keys.
    """
    ours, theirs = pair()
    environment = {name: value for name, value in os.environ.items() if name not in WITHHELD}
    number = theirs.fileno()
    with theirs:
        process = subprocess.Popen(
            [*command, str(number), PADDING],
            pass_fds=(number,),
            stdin=None if at_terminal else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            process_group=None if at_terminal else 0,  # Ctrl-C at a terminal is for the master alone
            user=owner.user,
            group=owner.group,
            extra_groups=[] if owner.user is not None else None,
        )
    return Helper(process, Channel(ours))


def start_spy(program: Path, pid: int, owner: Owner, found: int, complaint: int) -> subprocess.Popen[bytes]:
    """Exec py-spy to read the stacks of a process: its output goes to two files. Raises OSError.

    As the owner of that process, not as root: it follows what it finds there. `--nonblocking`: without attaching, which a process
    that is stopped or hangs in the kernel would never answer.
    """
    return subprocess.Popen(
        [str(program), "dump", "--nonblocking", "--json", "--pid", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=found,
        stderr=complaint,
        env={},
        process_group=0,
        user=owner.user,
        group=owner.group,
        extra_groups=[] if owner.user is not None else None,
    )


def start_database(
    command: Sequence[str], owner: Owner, log: int, reads: int, descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Exec a database, or what makes one: no channel, and of ours these descriptors only, `reads` as its input. Raises OSError."""
    environment = {name: value for name, value in os.environ.items() if name not in WITHHELD}
    return subprocess.Popen(
        command,
        pass_fds=descriptors,
        stdin=reads,
        stdout=subprocess.DEVNULL,
        stderr=log,
        cwd="/",
        env=environment,
        process_group=0,
        user=owner.user,
        group=owner.group,
        extra_groups=[] if owner.user is not None else None,
    )


def end_database(pid: int) -> None:
    """Have a PostgreSQL write down what it has, cut its clients off, and leave: its fast shutdown."""
    os.kill(pid, signal.SIGINT)


class Death(NamedTuple):
    """A child that has ended and is not reaped yet: its pid still belongs to it."""

    pid: int
    code: int  # exit status, or minus the signal

    def how(self) -> str:
        """In words."""
        if self.code >= 0:
            return f"exit status {self.code}"
        try:
            return f"signal {-self.code} ({signal.Signals(-self.code).name})"
        except ValueError:
            return f"signal {-self.code}"


def deaths() -> Iterator[Death]:
    """Children that have ended. Each is reaped when the next one is asked for; until then its pid belongs to nobody else."""
    while death := _ended(os.P_ALL, 0):
        yield death
        os.waitpid(death.pid, 0)


def deaths_of(pids: Iterable[int]) -> Iterator[Death]:
    """Those of these pids; others stay as they are."""
    for pid in pids:
        if death := _ended(os.P_PID, pid):
            yield death
            os.waitpid(pid, 0)


def is_child(pid: int) -> bool:
    """Whether this is a child of ours that has not been reaped."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def _ended(kind: int, pid: int) -> Death | None:
    try:
        ended = os.waitid(kind, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return Death(ended.si_pid, ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)


def strangers() -> list[int]:
    """Pids of our children, adopted ones among them: what applications have left behind, once all others are gone."""
    me = os.getpid()
    with open(f"/proc/{me}/task/{me}/children") as children:
        return [int(pid) for pid in children.read().split()]


def hasten(pid: int) -> None:
    """Have a process that is to end stand back for nobody: to write its stacks and to die it needs a processor, as others do.

    All its threads have to die. Only root may give them more than they have (sched(7)); elsewhere it ends when it gets its turn.
    """
    with contextlib.suppress(OSError):  # it is gone
        for thread in map(int, os.listdir(f"/proc/{pid}/task")):
            with contextlib.suppress(OSError):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                os.setpriority(os.PRIO_PROCESS, thread, 0)


def kill_group(leader: int) -> None:
    """SIGKILL to a process and the group it leads. Only for children that have not been reaped."""
    hasten(leader)
    for kill in (os.killpg, os.kill):
        try:
            kill(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
