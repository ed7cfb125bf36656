"""What a process that the application forks can do with what is its worker's."""

import subprocess
import sys
import textwrap

import pytest

WORKER = """
import mmap, os, socket
from prefork.worker.offspring import family

ours, theirs = socket.socketpair()
memory = mmap.mmap(-1, 5000)
memory[:1] = b"w"
family.withhold(lambda: [1])  # this is no worker yet
family.found()
family.withhold(lambda: [theirs.fileno(), -1], memory, then=lambda: print("parted", flush=True))
if (child := os.fork()) == 0:
{child}
print("ended with", os.waitpid(child, 0)[1] >> 8, flush=True)
family.end(ValueError("of the worker's own"))
assert memory[:1] == b"w"
try:
    print("said", ours.recv(10, socket.MSG_DONTWAIT))
except BlockingIOError:
    print("said nothing")
"""


def told(child: str) -> tuple[list[str], str]:
    """What a worker prints whose child does this, and what it complains of."""
    script = WORKER.format(child=textwrap.indent(textwrap.dedent(child), "    "))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines(), done.stderr


def test_what_it_says_and_stores_nobody_hears_or_sees() -> None:
    child = """
        memory[:1] = b"c"
        assert theirs.recv(10) == b"", "as if the other side had gone"
        try:
            theirs.send(b"x")
        except BrokenPipeError:
            os._exit(7)
    """
    assert told(child) == (["parted", "ended with 7", "said nothing"], "")


def test_its_own_children_keep_what_it_has_put_there() -> None:
    """A daemon closes all that it has inherited, opens its own, and forks once more."""
    child = """
        reading, writing = os.pipe()
        os.dup2(writing, theirs.fileno())
        if (other := os.fork()) == 0:
            os.write(theirs.fileno(), b"x")
            os._exit(0)
        os.waitpid(other, 0)
        os._exit(ord(os.read(reading, 1)))
    """
    assert told(child) == (["parted", f"ended with {ord('x')}", "said nothing"], "")


@pytest.mark.parametrize(
    ("error", "status", "complaint"),
    [
        ("SystemExit()", 0, ""),
        ("SystemExit(4)", 4, ""),
        ("SystemExit('enough')", 1, "SystemExit: enough"),
        ("ValueError('wrong')", 1, "ValueError: wrong"),
        ("None", 1, "came back, and ends\n"),
    ],
)
def test_it_ends_when_it_comes_back(error: str, status: int, complaint: str) -> None:
    printed, complained = told(f"family.end({error})")
    assert printed == ["parted", f"ended with {status}", "said nothing"]
    assert complaint in complained
    assert bool(complained) is bool(complaint)
