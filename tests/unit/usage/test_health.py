"""What is said of the machine, from files as kernels write them."""

import os
from pathlib import Path

import pytest

from prefork.usage.health import Clock, kind, read_clock, read_health

MIB = 1 << 20
DEVICE = os.makedev(8, 1)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/stat", "cpu  300 0 100 500 100 0 0 0 0 0\ncpu0 1 1 1 1\n")
    write(tmp_path, "proc/loadavg", "0.50 1.25 2.00 1/100 4242\n")
    write(
        tmp_path,
        "proc/meminfo",
        "MemTotal: 4096 kB\nMemAvailable: 1024 kB\nSwapTotal: 2048 kB\nSwapFree: 1536 kB\nHugePages_Total: 0\n",
    )
    write(
        tmp_path, "proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00 avg60=0 avg300=0 total=0\n"
    )
    write(tmp_path, "proc/pressure/io", "some avg10=0.00 avg60=1.00 avg300=0.10 total=1\n")
    write(tmp_path, "proc/self/cgroup", "0::/site\n")
    write(tmp_path, "sys/fs/cgroup/site/memory.max", "1048576\n")
    write(tmp_path, "sys/fs/cgroup/site/memory.current", "524288\n")
    return tmp_path


def test_each_part(root: Path) -> None:
    health = read_health(Clock(800, 300), root / "not" / "made" / "yet", root)
    assert (health.cpu["percent"], health.cpu["load"]) == (50.0, [0.5, 1.25, 2.0])
    assert health.memory == {"total": 4 * MIB, "available": MIB, "percent": 75.0}
    assert health.swap == {"total": 2 * MIB, "used": MIB // 2, "percent": 25.0}
    assert health.pressure == {"cpu": 12.5, "memory": None, "io": 0.0}
    assert health.cgroup == {"path": str(root / "sys/fs/cgroup/site"), "memory": MIB, "used": MIB // 2, "percent": 50.0}
    assert health.disk["path"] == str(root)
    assert 0 <= health.disk["free"] <= health.disk["total"]


def test_where_nobody_may_look_is_no_failure(tmp_path: Path) -> None:
    health = read_health(read_clock(), tmp_path / ("a" * 1000) / "data")
    assert health.disk["path"] == str(tmp_path)
    assert health.disk["percent"] is not None


def test_a_machine_that_says_nothing_is_no_failure(tmp_path: Path) -> None:
    health = read_health(read_clock(tmp_path), tmp_path, tmp_path)
    assert (health.cpu["percent"], health.memory["total"], health.cgroup) == (None, None, None)
    assert health.swap == {"total": 0, "used": 0, "percent": None}


@pytest.mark.parametrize(
    ("disk", "rotational", "said"), [("sda", "1", "rotating"), ("nvme0n1", "0", "ssd"), ("vda", "1", "virtual")]
)
def test_kinds_of_disks_also_behind_a_partition(tmp_path: Path, disk: str, rotational: str, said: str) -> None:
    write(tmp_path, f"sys/devices/{disk}/queue/rotational", f"{rotational}\n")
    (tmp_path / "sys/devices" / disk / "part1").mkdir()
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block/8:1").symlink_to(tmp_path / "sys/devices" / disk / "part1")
    (tmp_path / "sys/dev/block/8:0").symlink_to(tmp_path / "sys/devices" / disk)
    assert kind(DEVICE, tmp_path) == kind(os.makedev(8, 0), tmp_path) == said


@pytest.mark.parametrize(("system", "said"), [("nfs4", "network"), ("tmpfs", "memory"), ("overlay", "unknown")])
def test_kinds_without_a_disk(tmp_path: Path, system: str, said: str) -> None:
    write(tmp_path, "proc/self/mountinfo", f"1 0 0:1 / / rw - x x rw\n42 1 8:1 / /srv rw shared:1 - {system} host:/srv rw\n")
    assert kind(DEVICE, tmp_path) == said
