"""Instances as units of systemd: what systemctl is told, by a stand-in that notes it, and whether the unit is one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.render.checkers import accepted

from prefork.provision.files import Place
from prefork.provision.process import Process
from prefork.provision.systemd import Systemd

SYSTEMCTL = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
    *"show --property MainPID"*) cat {pid};;
    *"show --property Result"*) echo exit-code;;
    *refused*) echo "Unit is masked." >&2; exit 1;;
esac
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl was told."""
    program, log, pid = tmp_path / "bin" / "systemctl", tmp_path / "told", tmp_path / "pid"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL.format(log=log, pid=pid))
    program.chmod(0o755)
    pid.write_text("0\n")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return log


@pytest.fixture
def systemd(tmp_path: Path, told: Path) -> Systemd:
    """A runner with directories of its own."""
    for name in ("units", "instances"):
        (tmp_path / name).mkdir()
    return Systemd([sys.executable, "-m", "prefork"], tmp_path / "instances", "site", tmp_path / "units")


def test_a_unit_is_written_once_started_stopped_and_forgotten(systemd: Systemd, told: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "instances" / "shop")
    systemd.start("shop", place)
    systemd.start("shop", place)
    assert systemd.process("shop", place, None) is None
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    found = systemd.process("shop", place, None)
    assert found == Process.of(os.getpid())
    assert found
    systemd.bound("shop", 2 << 30)
    systemd.bound("shop", None)
    systemd.stop("shop", found)
    systemd.stop("shop", None)
    assert systemd.how("shop") == "systemd says: exit-code"
    systemd.forget("shop")
    main = "show --property MainPID --value prefork@shop.service"
    assert told.read_text().splitlines() == [
        "daemon-reload",
        "enable --now --no-block prefork@shop.service",
        "enable --now --no-block prefork@shop.service",
        main,
        main,
        "set-property prefork@shop.service MemoryMax=2147483648",
        "set-property prefork@shop.service MemoryMax=infinity",
        "disable --now --no-block prefork@shop.service",
        "disable --now --no-block prefork@shop.service",
        "show --property Result --value prefork@shop.service",
        "disable prefork@shop.service",
        "revert prefork@shop.service",
    ]


def test_who_is_asked_to_stop_again_is_told_to_do_so_at_once(systemd: Systemd) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as server:
        process = Process.of(server.pid)
        systemd.stop("shop", process)
        assert server.poll() is None, "systemd says it the first time"
        systemd.stop("shop", process)
        assert server.wait(10) == -signal.SIGTERM


def test_what_systemd_refuses_is_said_in_its_words(systemd: Systemd, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="systemctl enable has failed: Unit is masked"):
        systemd.start("refused", Place(tmp_path / "instances" / "refused"))


def test_systemd_has_nothing_to_say_about_the_unit(systemd: Systemd, tmp_path: Path) -> None:
    systemd.start("shop", Place(tmp_path / "instances" / "shop"))
    file = tmp_path / "units" / "prefork@.service"
    assert f"ReadWritePaths={tmp_path}/instances/%i/data\n" in file.read_text()
    assert "User=site\n" in file.read_text()
    assert accepted("systemd-analyze", "verify", "--man=no", file) == ""
