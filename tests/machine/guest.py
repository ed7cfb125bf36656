"""Runs inside the machine: each check is a function, and says on the console whether it holds.

No check measures time. What it waits for comes or does not; the host ends a machine that waits for ever.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HARD = 100 << 20
FUSE = HARD * 5 // 4
PORT = 8069
LONGEST = 300  # seconds that anything takes where another machine's processors stand for ours
SYSTEM = Path("/sys/fs/cgroup")
V1 = (SYSTEM / "memory").is_dir()
OWN = SYSTEM / "memory/prefork" if V1 else SYSTEM / "prefork"  # made for the server, as an administrator would
UNIT = SYSTEM / "system.slice/mysite.service"
ME = SYSTEM / "system.slice/payload.service"


class Server:
    """A server, by its unit or by its command, and its log."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self.log = data / "log"
        self.flags = [*flags, "--data-dir", str(data), "--logfile", str(self.log)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        self.process = subprocess.Popen(prefork("serve", "-c", "/payload/prefork.conf", "--no-console", *self.flags))
        await_fact(lambda: self.process.poll() is not None or self.events("server_ready"), "an end of the start")
        assert self.process.poll() is None, "it did not start"

    def events(self, name: str) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait(self, name: str, count: int = 1) -> dict:
        await_fact(lambda: len(self.events(name)) >= count, f"{count} × {name}")
        return self.events(name)[-1]

    def status(self) -> dict:
        said = subprocess.run(prefork("status", "--json", "--data-dir", str(self.data)), check=True, capture_output=True).stdout
        return json.loads(said)

    def incident(self, name: str) -> dict:
        found = subprocess.run(
            prefork("incidents", name, "--json", "--data-dir", str(self.data)), check=True, capture_output=True
        ).stdout
        return json.loads(found)

    def pids(self) -> set[int]:
        return {worker["pid"] for worker in self.status()["workers"] if worker["state"] in {"idle", "busy"}}

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        assert self.process.wait() == 0

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()


def prefork(*words: str) -> list[str]:
    return [sys.executable, "-m", "prefork", *words]


def await_fact(fact, what: str) -> None:
    """Wait for what no event tells of."""
    since = time.monotonic()
    while not fact():
        time.sleep(0.1)
        if time.monotonic() - since > LONGEST:
            raise AssertionError(f"never came: {what}")


def get(path: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", path, headers={"Accept": "application/json"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def groups(ground: Path) -> set[str]:
    return {each.name for each in ground.iterdir() if each.is_dir() and each.name.startswith("prefork-")}


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], check=True, capture_output=True, text=True).stdout


# A unit of systemd, version 2, not as root.


def a_unit_with_delegation_has_a_fuse(server: Server) -> None:
    shutil.copy("/payload/mysite.service", "/run/systemd/system/mysite.service")
    systemctl("daemon-reload")
    systemctl("start", "mysite")
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
    assert systemctl("show", "-P", "ActiveState", "mysite").strip() == "active"
    assert systemctl("show", "-P", "NRestarts", "mysite").strip() == "0"


def a_stop_leaves_nothing(server: Server) -> None:
    systemctl("stop", "mysite")
    assert systemctl("show", "-P", "Result", "mysite").strip() == "success"
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
    amend("mysite", LITTLE)
    server.log.unlink()
    try:
        systemctl("start", "mysite")
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
        systemctl("stop", "mysite")
        amend("mysite", "")


def amend(unit: str, text: str) -> None:
    """Set what a unit's file does not."""
    more = Path(f"/run/systemd/system/{unit}.service.d/more.conf")
    more.parent.mkdir(exist_ok=True)
    more.write_text(text)
    systemctl("daemon-reload")


# The unit that `prefork render` writes, under its own restrictions.


def the_rendered_unit_gets_ready_under_its_own_restrictions(server: Server) -> None:
    rendered = Path("/payload/rendered/server/etc")
    shutil.copytree(rendered / "hardened", "/etc/hardened")
    shutil.copy(rendered / "systemd/system/hardened.service", "/run/systemd/system/hardened.service")
    systemctl("daemon-reload")
    systemctl("start", "hardened")  # comes back when the server has said that it is ready
    assert server.events("server_ready")
    print(f"   {systemctl('show', '-P', 'StatusText', 'hardened').strip()}", flush=True)
    for pid in {server.status()["pid"], *server.pids()}:
        state = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert state["NoNewPrivs"] == "1", state
        assert int(state["CapBnd"], 16) == 0, state
        assert state["Seccomp"] == "2", state
        assert state["Uid"].split()[0] != "0", state
    analysis = subprocess.run(["systemd-analyze", "security", "hardened"], check=False, capture_output=True, text=True).stdout
    print(f"   {analysis.strip().splitlines()[-1]}", flush=True)


def its_application_writes_to_its_data_directory_alone(_server: Server) -> None:
    status, said = get("/write")
    refused = {path: error for path, error in said["made"].items() if error}
    assert status == 200, said
    assert set(refused.values()) == {"Read-only file system"}, said
    assert set(said["made"]) - set(refused) == {"/var/lib/hardened/left"}, said


def its_limits_kill_and_leave_incidents(server: Server) -> None:
    """Each needs rights that a restriction could have taken: signals, `/proc`, stacks, children."""
    broken = {
        "/stay?seconds=600": ("limit_time_real", 504, "do_stay"),
        "/burn": ("limit_time_cpu", 504, "do_burn"),
        "/leak?mib=105&seconds=600": ("limit_memory_hard", 503, "do_leak"),
        "/crash": ("crash", 502, "do_crash"),
    }
    for target, (cause, expected, line) in broken.items():
        await_fact(lambda: len(server.pids()) == 2, "two workers")
        status, page = get(target)
        assert status == expected, (target, status, page)
        server.wait("incident_recorded")
        await_fact(
            lambda found=page["incident"]: found in {event["incident"] for event in server.events("incident_recorded")}, target
        )
        incident = server.incident(page["incident"])
        assert incident["cause"] == cause, incident
        assert incident["request"]["target"] == target, incident
        assert line in incident["stacks"], incident
        print(f"   {incident['cause']}: {incident['reason']}", flush=True)
    assert get("/fast")[0] == 200


def above_its_soft_limit_a_worker_is_replaced(server: Server) -> None:
    await_fact(lambda: len(server.pids()) == 2, "two workers")
    _, said = get("/leak?mib=78")
    await_fact(lambda: said["pid"] in {event["pid"] for event in server.events("limit_reached")}, "its limit")
    await_fact(lambda: len(server.pids()) == 2 and said["pid"] not in server.pids(), "a replacement")


def its_stacks_can_be_asked_for(server: Server) -> None:
    said = subprocess.run(prefork("stacks", "--data-dir", str(server.data)), check=True, capture_output=True, text=True).stdout
    assert said.count("most recent call first") >= 2, said


def it_reloads_as_systemd_is_told(server: Server) -> None:
    before = server.pids()
    systemctl("reload", "hardened")
    server.wait("reload_done")
    await_fact(lambda: len(server.pids()) == 2 and server.pids().isdisjoint(before), "new workers")


def systemd_restarts_a_master_that_hangs(server: Server) -> None:
    hung = server.status()["pid"]
    os.kill(hung, signal.SIGSTOP)
    await_fact(lambda: systemctl("show", "-P", "NRestarts", "hardened").strip() == "1", "the watchdog")
    await_fact(lambda: systemctl("show", "-P", "ActiveState", "hardened").strip() == "active", "the new server")
    assert server.status()["pid"] != hung
    assert get("/fast")[0] == 200


def its_end_leaves_nothing(server: Server) -> None:
    systemctl("stop", "hardened")
    assert systemctl("show", "-P", "Result", "hardened").strip() == "success"
    assert not (SYSTEM / "system.slice/hardened.service").exists()
    assert server.events("stopped")


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


def main() -> int:
    Path("/root/one").mkdir()
    Path("/root/two").mkdir()
    unit = Server(Path("/var/lib/mysite"))
    hardened = Server(Path("/var/lib/hardened"))
    plain = Server(Path("/root/one"))
    named = Server(Path("/root/two"), "--cgroup", str(OWN), "--user", "mysite")
    for each in (plain.data, named.data):
        each.chmod(0o755)
    Path("/root").chmod(0o755)
    by_unit = [
        (a_unit_with_delegation_has_a_fuse, unit),
        (above_the_soft_limit_it_is_replaced_as_ever, unit),
        (a_subprocess_that_takes_too_much_ends_with_its_worker_and_nobody_else, unit),
        (with_the_master_stopped_the_kernel_alone_ends_it, unit),
        (systemd_saw_it_and_let_the_service_live, unit),
        (a_stop_leaves_nothing, unit),
        (under_real_pressure_the_idle_worker_that_has_grown_makes_room, unit),
    ]
    by_rendering = [
        (the_rendered_unit_gets_ready_under_its_own_restrictions, hardened),
        (its_application_writes_to_its_data_directory_alone, hardened),
        (its_limits_kill_and_leave_incidents, hardened),
        (above_its_soft_limit_a_worker_is_replaced, hardened),
        (its_stacks_can_be_asked_for, hardened),
        (it_reloads_as_systemd_is_told, hardened),
        (systemd_restarts_a_master_that_hangs, hardened),
        (its_end_leaves_nothing, hardened),
    ]
    by_name = [
        (where_nothing_was_delegated_the_start_says_so_once, plain),
        (the_named_group_is_divided, named),
        (with_the_master_stopped_the_kernel_alone_ends_it, named),
        (after_kill_9_the_next_start_removes_what_is_left_but_what_is_in_use, named),
        (its_stop_leaves_nothing, named),
    ]
    checks = by_name if V1 else [*by_unit, *by_rendering, *by_name]
    failed = [check.__name__ for check, server in checks if not holds(check, server)]
    print(f"machine: version {1 if V1 else 2}, {len(checks)} checks, failed: {failed or 'none'}", flush=True)
    return bool(failed)


def holds(check, server: Server) -> bool:
    name = check.__name__.replace("_", " ")
    try:
        check(server)
    except Exception:
        print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        print("\n".join(server.log.read_text().splitlines()[-15:]) if server.log.exists() else "no log", flush=True)
        return False
    print(f"holds  {name}", flush=True)
    return True


sys.exit(main())
