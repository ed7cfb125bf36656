import os
from pathlib import Path

import pytest

from prefork.config import Machine, read_machine


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    write(tmp_path / "proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_cgroups(root: Path) -> None:
    assert read_machine(root) == Machine(4.0, 8 << 30)


def test_version_2_where_the_tightest_ancestor_counts(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/a.slice/b.service\n")
    write(root / "sys/fs/cgroup/a.slice/b.service/memory.max", "max\n")
    write(root / "sys/fs/cgroup/a.slice/memory.max", f"{1 << 30}\n")
    write(root / "sys/fs/cgroup/a.slice/b.service/cpu.max", "150000 100000\n")
    write(root / "sys/fs/cgroup/cpu.max", "max 100000\n")
    assert read_machine(root) == Machine(1.5, 1 << 30, "cgroup")


def test_version_1(root: Path) -> None:
    write(root / "proc/self/cgroup", "9:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n")
    write(root / "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", f"{2 << 30}\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "200000\n")
    write(root / "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n")
    assert read_machine(root) == Machine(2.0, 2 << 30, "cgroup")


def test_version_1_without_limits(root: Path) -> None:
    write(root / "proc/self/cgroup", "9:memory:/\n4:cpu:/\n")
    write(root / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert read_machine(root) == Machine(4.0, 8 << 30)


def test_a_container_that_sees_its_own_cgroup_as_the_root(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/../../elsewhere\n")
    write(root / "sys/fs/cgroup/memory.max", f"{1 << 29}\n")
    assert read_machine(root).memory == 1 << 29


def test_nothing_to_read(tmp_path: Path) -> None:
    assert read_machine(tmp_path).memory is None


def test_this_machine() -> None:
    machine = read_machine()
    assert 0 < machine.cpus <= (os.cpu_count() or 1)
    assert machine.memory is not None
    assert machine.memory > 1 << 26


def test_the_longest_backlog(root: Path) -> None:
    write(root / "proc/sys/net/core/somaxconn", "128\n")
    assert read_machine(root) == Machine(4.0, 8 << 30, somaxconn=128)
