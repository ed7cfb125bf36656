"""The README's five minutes with the shop are played: its commands are typed in order, and what each is there for is seen."""

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.conftest import ROOT
from tests.docs.pages import blocks
from tests.docs.transcript import PATIENCE, Player

from prefork.testing import free_port

pytestmark = pytest.mark.timeout(180)
SERVE = ".venv/bin/prefork serve -c examples/shop/prefork.conf"  # what `make run` runs
LOOKS = ("status", "jobs list", "incidents", "routes", "saturation")  # these change nothing, and may be typed again
SAYS = {
    "curl -so report.pdf": "",
    "curl -w": " s",
    "prefork status": r"cron\.1 +(idle|busy)",
    "prefork jobs list": "shop.jobs",
    "curl 127.0.0.1:8069/crash": "served on the second attempt",
    "prefork incidents": "GET /crash",
    "prefork reload": "the server is at generation 2",
    "prefork scale 4": "",
    "curl 127.0.0.1:8069/_prefork/saturation": '"workers": 4',
    "prefork top": "^{",
    "prefork routes": "GET /fast",
    "prefork doctor": "passed",
    "prefork stop": "",
}


def test_the_five_minutes_are_as_they_are_told(tmp_path: Path) -> None:
    for name in (".venv", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    shown = next(block.text for block in blocks(ROOT / "README.md") if "report.pdf" in block.text)
    lines = [line.partition("  #")[0].strip() for line in shown.splitlines() if line.startswith(("curl ", ".venv/"))]
    assert [next(begin for begin in SAYS if begin in line) for line in lines] == list(SAYS)
    with TemporaryDirectory(prefix="prefork-") as short:  # the path of a socket is
        play(tmp_path, lines, short)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def play(directory: Path, lines: list[str], data: str) -> None:
    """Type the lines in turn, after the server's; each has to say what it is there for."""
    ports = {"8069": free_port()}
    own = {
        "PREFORK_HTTP_PORT": str(ports["8069"]),
        "PREFORK_WEBSOCKET_PORT": str(free_port()),
        "PREFORK_CONSOLE": "False",
        "XDG_DATA_HOME": data,
    }
    with Player(directory, ports, own) as player:
        player.serve(SERVE)
        for line, said in zip(lines, SAYS.values(), strict=True):
            seen = player.type(alone(line), fails=False)
            deadline = time.monotonic() + PATIENCE
            while not re.search(said, seen) and any(look in line for look in LOOKS) and time.monotonic() < deadline:
                seen = player.type(alone(line), fails=False)
            assert re.search(said, seen), f"{line}\n{seen}"
        assert player.server
        assert player.server.wait(30) == 0


def alone(line: str) -> str:
    """The line so that it ends here: what goes on behind it has let go of our pipes, and what goes on for ever stops."""
    if line.endswith("&"):
        return f"{line.removesuffix('&')} > /dev/null 2>&1 &"
    return f"{line} --count 1" if " top " in line else line
