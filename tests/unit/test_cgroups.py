"""Which control group is ours to divide, and what is written there: on a tree that behaves like the kernel's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.unit.kernel_groups import KernelGroups

from prefork import cgroups
from prefork.cgroups import MAIN, Ground, Toll, Unavailable, find

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "system.slice/mysite.service"


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelGroups:
    return KernelGroups(tmp_path, monkeypatch, 2)


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelGroups:
    return KernelGroups(tmp_path, monkeypatch, 1)


def delegate(monkeypatch: pytest.MonkeyPatch, group: Path, attribute: str = "user.delegate") -> None:
    def getxattr(path: Path, name: str) -> bytes:
        if (path, name) == (group, attribute):
            return b"1"
        raise OSError

    monkeypatch.setattr(os, "getxattr", getxattr)


@pytest.mark.parametrize("attribute", ["user.delegate", "trusted.delegate"])
def test_a_group_that_systemd_has_delegated(two: KernelGroups, monkeypatch: pytest.MonkeyPatch, attribute: str) -> None:
    group = two.make(UNIT, 10)
    two.belong("/" + UNIT)
    delegate(monkeypatch, group, attribute)
    assert find("auto", two.root) == Ground(group, 2, crowded=True)


def test_started_where_a_master_before_has_moved_its_parent(two: KernelGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    group = two.make(UNIT)
    two.make(f"{UNIT}/{MAIN}", 10)
    two.belong(f"/{UNIT}/{MAIN}")
    delegate(monkeypatch, group)
    assert find("auto", two.root) == Ground(group, 2, crowded=False)


def test_the_root_of_a_containers_own_namespace(two: KernelGroups) -> None:
    with pytest.raises(Unavailable, match="not delegated"):
        find("auto", two.root)
    (two.mount / "cgroup.type").write_text("domain\n")
    assert find("auto", two.root) == Ground(two.mount, 2, crowded=True)


@pytest.mark.parametrize("name", ["/../../elsewhere", "/user.slice/session-1.scope"])
def test_what_nobody_gave_us_is_not_ours(two: KernelGroups, name: str) -> None:
    two.make("user.slice/session-1.scope", 10)
    two.belong(name)
    with pytest.raises(Unavailable, match="not delegated" if name.startswith("/user") else "no control group of version 2"):
        find("auto", two.root)


def test_one_that_has_no_memory_controller(two: KernelGroups) -> None:
    group = two.make("mysite")
    (group / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(Unavailable, match="no memory controller"):
        find(str(group), two.root)


def test_one_that_may_not_be_written(two: KernelGroups, monkeypatch: pytest.MonkeyPatch) -> None:
    group = two.make("mysite")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("subtree_control"))
    with pytest.raises(Unavailable, match=r"cgroup.subtree_control cannot be written by this account"):
        find(str(group), two.root)


def test_a_group_that_the_option_names(two: KernelGroups) -> None:
    group = two.make("mysite")
    assert find(str(group), two.root) == Ground(group, 2, crowded=False)
    two.belong("/mysite")
    assert find(str(group), two.root) == Ground(group, 2, crowded=True)
    with pytest.raises(Unavailable, match=r"is no control group of memory; make it"):
        find(str(two.mount / "none"), two.root)


def test_version_1_is_had_by_its_name_only(one: KernelGroups) -> None:
    group = one.make("mysite")
    assert find(str(group), one.root) == Ground(group, 1, crowded=False)
    with pytest.raises(Unavailable, match="for version 1 set the option cgroup"):
        find("auto", one.root)


def test_off(two: KernelGroups) -> None:
    with pytest.raises(Unavailable, match="the option cgroup is off"):
        find("off", two.root)


def test_what_is_in_a_group_makes_room_and_comes_back(two: KernelGroups) -> None:
    group = two.make(UNIT, 10, 11)
    ground = Ground(group, 2, crowded=True)
    cgroups.settle(ground)
    assert (two.inside(group), two.inside(group / MAIN)) == ([], [10, 11])
    assert (group / "cgroup.subtree_control").read_text() == "memory"
    cgroups.restore(ground)
    assert (two.inside(group), two.groups(group)) == ([10, 11], set())
    assert (group / "cgroup.subtree_control").read_text() == ""


def test_a_group_that_others_divide_as_well_stays_divided(two: KernelGroups) -> None:
    group = two.make("mysite")
    ground = Ground(group, 2, crowded=False)
    cgroups.settle(ground)
    two.make("mysite/somebody-elses")
    cgroups.restore(ground)
    assert (group / "cgroup.subtree_control").read_text() == "memory"


def test_a_bound_of_version_2_leaves_no_way_to_swap(two: KernelGroups) -> None:
    group = two.make("mysite")
    assert cgroups.bound(group, 2, 5000)
    assert [(group / name).read_text() for name in ("memory.max", "memory.swap.max")] == ["5000", "0"]
    assert cgroups.bound(group, 2, 0)
    assert [(group / name).read_text() for name in ("memory.max", "memory.swap.max")] == ["max", "max"]


def test_a_bound_of_version_1(one: KernelGroups) -> None:
    group = one.make("mysite")
    assert cgroups.bound(group, 1, 5000)
    assert [(group / f"memory.{kind}limit_in_bytes").read_text() for kind in ("", "memsw.")] == ["5000", "5000"]
    (group / "memory.memsw.limit_in_bytes").unlink()
    assert cgroups.bound(group, 1, 0), "not every kernel counts swap"
    assert (group / "memory.limit_in_bytes").read_text() == "-1"


@pytest.mark.parametrize("version", [1, 2])
def test_no_bound_kills_by_being_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    group = KernelGroups(tmp_path, monkeypatch, version).make("mysite")
    assert not cgroups.bound(group, version, 900), "it holds 900 bytes and 100 of cache"
    assert cgroups.bound(group, version, 901)


def test_the_toll_tells_its_own_limit_from_what_happens_above_it(two: KernelGroups) -> None:
    group = two.make("mysite")
    counters = cgroups.open_counters(group, 2)
    assert cgroups.toll(group, 2, counters) == Toll(0, 0)
    (group / "memory.events").write_text("oom 0\noom_kill 1\n")
    assert cgroups.toll(group, 2, counters) == Toll(1, 0)
    (group / "memory.events").write_text("oom 2\noom_kill 3\n")
    assert cgroups.toll(group, 2, counters) == Toll(3, 2)
    assert cgroups.kills(counters) == 3
    os.close(counters)
    assert cgroups.kills(counters) == 0


def test_the_toll_of_version_1(one: KernelGroups) -> None:
    group = one.make("mysite")
    counters = cgroups.open_counters(group, 1)
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert cgroups.toll(group, 1, counters) == Toll(1, 0)
    (group / "memory.memsw.failcnt").write_text("6\n")
    assert cgroups.toll(group, 1, counters) == Toll(1, 6)
    (group / "memory.failcnt").write_text("1\n")
    assert cgroups.toll(group, 1, counters) == Toll(1, 7)
    os.close(counters)
