"""The unit that `prefork render` writes, under the restrictions that it sets."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from server import SYSTEM, Server, await_fact, get, held, prefork, shown, systemctl

FILES = Path("/payload/rendered/server/etc")
UNIT = SYSTEM / "system.slice/hardened.service"
CONFIGURATION = Path("/etc/hardened/prefork.conf")


def it_gets_ready_under_its_own_restrictions(server: Server) -> None:
    shutil.copytree(FILES / "hardened", "/etc/hardened")
    shutil.copy(FILES / "systemd/system/hardened.service", "/etc/systemd/system/hardened.service")
    systemctl("daemon-reload")
    systemctl("enable", "--now", "hardened")  # comes back when the server has said that it is ready
    assert server.events("server_ready")
    print(f"   {shown('hardened', 'StatusText')}", flush=True)
    for pid in {server.status()["pid"], *server.pids()}:
        state = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert state["NoNewPrivs"] == "1", state
        assert int(state["CapBnd"], 16) == 0, state
        assert state["Seccomp"] == "2", state
        assert state["Uid"].split()[0] != "0", state
    assert held("hardened.service") == 540 << 20, "nine tenths of its node's memory"
    analysis = subprocess.run(["systemd-analyze", "security", "hardened"], check=False, capture_output=True, text=True).stdout
    print(f"   {analysis.strip().splitlines()[-1]}", flush=True)


def its_application_writes_to_its_data_directory_alone(_server: Server) -> None:
    status, said = get("/write")
    refused = {path: error for path, error in said["made"].items() if error}
    assert status == 200, said
    assert set(refused.values()) == {"Read-only file system"}, said
    assert set(said["made"]) - set(refused) == {"/var/lib/hardened/left"}, said


def its_limits_kill_and_leave_incidents(server: Server) -> None:
    """Each needs rights that a restriction could have taken: signals, `/proc`, stacks, children, control groups."""
    broken = {
        "/stay?seconds=600": ("limit_time_real", 504, "do_stay"),
        "/burn": ("limit_time_cpu", 504, "do_burn"),
        "/leak?mib=105&seconds=600": ("limit_memory_hard", 503, "do_leak"),
        "/crash": ("crash", 502, "do_crash"),
        "/child?mib=300": ("fuse", 503, ""),
    }
    for target, (cause, expected, line) in broken.items():
        await_fact(lambda: len(server.pids()) == 2, "two workers")
        status, page = get(target)
        assert status == expected, (target, status, page)
        await_fact(
            lambda found=page["incident"]: found in {event["incident"] for event in server.events("incident_recorded")}, target
        )
        incident = server.incident(page["incident"])
        assert incident["cause"] == cause, incident
        assert incident["request"]["target"] == target, incident
        assert line in incident["stacks"], incident
        print(f"   {incident['cause']}: {incident['reason']}", flush=True)
    assert get("/fast")[0] == 200
    assert shown("hardened", "ActiveState") == "active"
    assert shown("hardened", "NRestarts") == "0"


def above_its_soft_limit_a_worker_is_replaced(server: Server) -> None:
    await_fact(lambda: len(server.pids()) == 2, "two workers")
    _, said = get("/leak?mib=78")
    await_fact(lambda: said["pid"] in {event["pid"] for event in server.events("limit_reached")}, "its limit")
    await_fact(lambda: len(server.pids()) == 2 and said["pid"] not in server.pids(), "a replacement")


def its_stacks_can_be_asked_for(server: Server) -> None:
    said = subprocess.run(prefork("stacks", "--data-dir", str(server.data)), check=True, capture_output=True, text=True).stdout
    assert said.count("most recent call first") >= 2, said


def a_reload_comes_back_with_new_workers(server: Server) -> None:
    before = server.pids()
    systemctl("reload", "hardened")
    assert server.events("reload_done")
    await_fact(lambda: len(server.pids()) == 2 and server.pids().isdisjoint(before), "new workers")


def a_reload_that_is_refused_has_failed_and_changes_nothing(server: Server) -> None:
    text, before = CONFIGURATION.read_text(), server.pids()
    CONFIGURATION.write_text(text.replace("app = app:app", "app = app:missing"))
    refused = subprocess.run(["systemctl", "reload", "hardened"], check=False, capture_output=True, text=True)
    CONFIGURATION.write_text(text)
    assert refused.returncode != 0, refused
    assert shown("hardened", "ActiveState") == "active"
    assert "missing" in shown("hardened", "StatusText"), shown("hardened", "StatusText")
    assert server.pids() == before
    assert get("/fast")[0] == 200


def its_log_is_rotated_by_the_rendered_file(server: Server) -> None:
    shutil.copy(FILES / "logrotate.d/hardened", "/etc/logrotate.d/hardened")
    old = server.log.stat().st_ino
    subprocess.run(["logrotate", "--force", "/etc/logrotate.d/hardened"], check=True)
    assert get("/crash")[0] == 502
    await_fact(lambda: server.events("incident_recorded"), "a line in the new file")
    assert server.log.stat().st_ino != old
    assert Path(f"{server.log}.1").stat().st_ino == old


def systemd_restarts_a_master_that_hangs(server: Server) -> None:
    hung = server.status()["pid"]
    os.kill(hung, signal.SIGSTOP)
    await_fact(lambda: shown("hardened", "NRestarts") == "1", "the watchdog")
    await_fact(lambda: shown("hardened", "ActiveState") == "active", "the new server")
    assert server.status()["pid"] != hung
    assert get("/fast")[0] == 200


def its_end_leaves_nothing(server: Server) -> None:
    systemctl("disable", "--now", "hardened")
    assert shown("hardened", "Result") == "success"
    assert not UNIT.exists()
    assert server.events("stopped")


def the_plain_unit_serves_too(_server: Server) -> None:
    shutil.copy(FILES / "systemd/system/hardened-simple.service", "/etc/systemd/system/hardened-simple.service")
    systemctl("daemon-reload")
    systemctl("start", "hardened-simple")
    await_fact(answers, "an answer")
    systemctl("start", "hardened")
    assert shown("hardened-simple", "ActiveState") in {"inactive", "failed"}, "one of the two"
    assert get("/fast")[0] == 200
    systemctl("stop", "hardened")


def answers() -> bool:
    try:
        return get("/fast")[0] == 200
    except OSError:
        return False


def checks() -> list[tuple]:
    """In their order."""
    server = Server(Path("/var/lib/hardened"), log=Path("/var/log/hardened/hardened.log"))
    each = (
        it_gets_ready_under_its_own_restrictions,
        its_application_writes_to_its_data_directory_alone,
        its_limits_kill_and_leave_incidents,
        above_its_soft_limit_a_worker_is_replaced,
        its_stacks_can_be_asked_for,
        a_reload_comes_back_with_new_workers,
        a_reload_that_is_refused_has_failed_and_changes_nothing,
        its_log_is_rotated_by_the_rendered_file,
        systemd_restarts_a_master_that_hangs,
        its_end_leaves_nothing,
        the_plain_unit_serves_too,
    )
    return [(check, server) for check in each]
