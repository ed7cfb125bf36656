"""The fuse and the guard: control groups of version 2 under a unit of systemd, and of either version where they are named."""

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from server import SYSTEM, V1, Server, await_fact, get, shown, systemctl

HARD = 100 << 20
FUSE = HARD * 5 // 4
OWN = SYSTEM / "memory/prefork" if V1 else SYSTEM / "prefork"  # made for the server, as an administrator would
UNIT = SYSTEM / "system.slice/fused.service"
ME = SYSTEM / "system.slice/payload.service"


def groups(ground: Path) -> set[str]:
    return {each.name for each in ground.iterdir() if each.is_dir() and each.name.startswith("prefork-")}


# A unit of systemd, version 2, not as root.


def a_unit_with_delegation_has_a_fuse(server: Server) -> None:
    shutil.copy("/payload/fused.service", "/run/systemd/system/fused.service")
    systemctl("daemon-reload")
    systemctl("start", "fused")
    ready = server.wait("fuse_ready")
    assert (ready["path"], ready["version"]) == (str(UNIT), 2), ready
    assert server.status()["fuse"] == {"path": str(UNIT), "version": 2, "reason": None}
    assert (UNIT / "cgroup.procs").read_text() == "", "version 2 wants no process in a group that is divided"
    await_fact(lambda: rated() == 2, "two fuses")
    for pid in server.pids():
        (group,) = UNIT.glob(f"prefork-*-{pid}")
        assert (group / "cgroup.procs").read_text().split() == [str(pid)]
        assert (group / "memory.oom.group").read_text().strip() == "1"
    assert Path(f"/proc/{server.status()['pid']}").stat().st_uid != 0
    print(f"   groups: {sorted(groups(UNIT))}", flush=True)


def above_the_soft_limit_it_is_replaced_as_ever(server: Server) -> None:
    _, said = get("/leak?mib=78")
    reached = server.wait("limit_reached")
    assert reached["pid"] == said["pid"], (reached, said)
    assert "limit_memory_soft" in reached["reason"], reached
    await_fact(lambda: len(server.pids()) == 2 and said["pid"] not in server.pids(), "a replacement")
    assert not server.events("worker_died")


def a_subprocess_that_takes_too_much_ends_with_its_worker_and_nobody_else(server: Server) -> None:
    """Its memory is none of the worker's, so that only the fuse can be the reason."""
    blow(server, "/child?mib=300")


def with_the_master_stopped_the_kernel_alone_ends_it(server: Server) -> None:
    blow(server, "/hog?mib=300", stopped=server.status()["pid"])


def blow(server: Server, path: str, stopped: int = 0) -> None:
    await_fact(lambda: len(server.pids()) == 2, "two workers")
    before, kept = server.pids(), len(server.events("incident_recorded"))
    await_fact(lambda: rated() == 2, "two fuses")
    if stopped:
        os.kill(stopped, signal.SIGSTOP)
    status, page = get(path)
    if stopped:
        assert get("/fast")[0] == 200, "the other one serves on"
        os.kill(stopped, signal.SIGCONT)
    assert status == 503, (status, page)
    recorded = server.wait("incident_recorded", kept + 1)
    incident = server.incident(page["incident"])
    assert incident["id"] == recorded["incident"], (incident, recorded)
    assert (incident["cause"], incident["status"]) == ("fuse", 503), incident
    assert "125 MiB" in incident["reason"], incident
    assert "oom_kill" in incident["reason"], incident
    assert incident["request"]["target"] == path, incident
    await_fact(lambda: len(server.pids()) == 2, "a replacement")
    assert len(before & server.pids()) == 1, "the sibling lives"
    assert get("/fast")[0] == 200
    print(f"   {incident['id']} {incident['cause']}: {incident['reason']}", flush=True)


def ground() -> Path:
    return UNIT if (UNIT / "prefork-main").exists() else OWN


def rated() -> int:
    name = "memory.limit_in_bytes" if V1 else "memory.max"
    found = [ground() / group for group in groups(ground()) if occupants(ground() / group)]
    return sum((group / name).read_text().strip() == str(FUSE) for group in found if group.name != "prefork-main")


def systemd_saw_it_and_let_the_service_live(server: Server) -> None:
    assert shown("fused", "ActiveState") == "active"
    assert shown("fused", "NRestarts") == "0"


def a_stop_leaves_nothing(server: Server) -> None:
    systemctl("stop", "fused")
    assert shown("fused", "Result") == "success"
    assert not UNIT.exists()
    assert server.events("stopped")


# Scarce memory: the service has little, and the machine enough.

LITTLE = """[Service]
MemoryHigh=304M
MemoryMax=320M
ExecStart=
ExecStart=/usr/bin/python3 -m prefork serve -c /payload/prefork.conf --no-console --limit-memory-soft 0 --limit-memory-hard 0
"""


def under_real_pressure_the_idle_worker_that_has_grown_makes_room(server: Server) -> None:
    """Two have grown. One of them takes what is left, and waits for memory until the other one, which is idle, has gone."""
    amend("fused", LITTLE)
    server.log.unlink()
    try:
        systemctl("start", "fused")
        server.wait("server_ready")
        with ThreadPoolExecutor() as clients:
            grown = {said["pid"] for _, said in clients.map(get, ["/leak?mib=70&seconds=5"] * 2)}
        assert grown == server.pids(), grown
        status, squeezed = get("/squeeze?mib=310")
        retired = server.wait("worker_retiring")
        print(f"   {server.events('memory_scarce')[0]['message']}", flush=True)
        print(f"   {(UNIT / 'memory.pressure').read_text().splitlines()[0]}", flush=True)
        print(f"   {(UNIT / 'memory.events').read_text().split()}", flush=True)
        assert status == 200, squeezed
        assert grown == {squeezed["pid"], retired["pid"]}, (grown, squeezed, retired)
        assert not server.events("limit_reached")
        assert not server.events("worker_died")
    finally:
        systemctl("stop", "fused")
        amend("fused", "")


def amend(unit: str, text: str) -> None:
    """Set what a unit's file does not."""
    more = Path(f"/run/systemd/system/{unit}.service.d/more.conf")
    more.parent.mkdir(exist_ok=True)
    more.write_text(text)
    systemctl("daemon-reload")


# Without delegation.


def where_nothing_was_delegated_the_start_says_so_once(server: Server) -> None:
    server.start()
    (said,) = server.events("no_fuse")
    print(f"   {said['reason']}", flush=True)
    assert said["level"] == "info", said
    assert V1 or "not delegated" in said["reason"], said
    assert server.status()["fuse"]["reason"] == said["reason"]
    assert V1 or not groups(ME)
    server.stop()


# A group that the option names.


def the_named_group_is_divided(server: Server) -> None:
    OWN.mkdir(exist_ok=True)
    server.start()
    assert server.wait("fuse_ready")["path"] == str(OWN)
    await_fact(lambda: rated() == 2, "two fuses")
    print(f"   groups: {sorted(groups(OWN))}", flush=True)


def after_kill_9_the_next_start_removes_what_is_left_but_what_is_in_use(server: Server) -> None:
    assert get("/daemon?seconds=1000")[0] == 200
    server.kill()
    left = groups(OWN)
    assert left, "a master that is killed cannot tidy up"
    await_fact(lambda: len({name for name in left if occupants(OWN / name)}) == 1, "the daemon alone")
    occupied = {name for name in left if occupants(OWN / name)}
    server.start()
    assert groups(OWN) & left == occupied, (groups(OWN), left, occupied)
    for name in occupied:
        for pid in occupants(OWN / name):
            os.kill(pid, signal.SIGKILL)
    await_fact(lambda: not groups(OWN) & left, "the end of the last one")
    print(f"   left by kill -9: {len(left)}, in use: {len(occupied)}, in the end: {len(groups(OWN) & left)}", flush=True)


def occupants(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def its_stop_leaves_nothing(server: Server) -> None:
    server.stop()
    assert groups(OWN) == set(), groups(OWN)
    OWN.rmdir()


def checks() -> list[tuple]:
    """Each with the server that it is about."""
    unit = Server(Path("/var/lib/fused"))
    plain = Server(Path("/root/one"))
    named = Server(Path("/root/two"), "--cgroup", str(OWN), "--user", "site")
    Path("/root").chmod(0o755)
    for each in (plain.data, named.data):
        each.mkdir()
    by_unit = [
        (a_unit_with_delegation_has_a_fuse, unit),
        (above_the_soft_limit_it_is_replaced_as_ever, unit),
        (a_subprocess_that_takes_too_much_ends_with_its_worker_and_nobody_else, unit),
        (with_the_master_stopped_the_kernel_alone_ends_it, unit),
        (systemd_saw_it_and_let_the_service_live, unit),
        (a_stop_leaves_nothing, unit),
        (under_real_pressure_the_idle_worker_that_has_grown_makes_room, unit),
    ]
    by_name = [
        (where_nothing_was_delegated_the_start_says_so_once, plain),
        (the_named_group_is_divided, named),
        (with_the_master_stopped_the_kernel_alone_ends_it, named),
        (after_kill_9_the_next_start_removes_what_is_left_but_what_is_in_use, named),
        (its_stop_leaves_nothing, named),
    ]
    return by_name if V1 else [*by_unit, *by_name]
