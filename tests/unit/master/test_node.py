"""The name that a server's workers claim jobs by: its own after a restart, and no other server's whatever was copied."""

from __future__ import annotations

import platform
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.unit.master.test_owner import no_room

from prefork.master import node
from prefork.master.node import FILE, name_of

if TYPE_CHECKING:
    from pathlib import Path

KEPT = "0123456789abcdef"


class Machine:
    """One with this hostname, machine-id and start."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.patch = place, monkeypatch
        monkeypatch.setattr(node, "FACTS", (place / "machine-id", place / "boot_id"))
        self.be()

    def be(self, name: str = "web1", machine: str | None = "4f2a\n", start: str | None = "b1\n") -> None:
        self.patch.setattr(platform, "node", lambda: name)
        for file, text in (("machine-id", machine), ("boot_id", start)):
            (self.place / file).unlink(missing_ok=True)
            if text is not None:
                (self.place / file).write_text(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.mark.usefixtures("machine")
def test_a_restart_on_the_same_machine_has_the_same_name(data_dir: Path) -> None:
    first = name_of(data_dir)
    assert first.startswith(f"web1:{data_dir}#")
    assert len(first.rpartition("#")[2]) == 16
    assert name_of(data_dir) == first
    assert [path.name for path in data_dir.iterdir()] == [FILE]
    assert (data_dir / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "another",
    [{"name": "web2"}, {"machine": "9c1b\n"}, {"start": "b2\n"}, {"machine": ""}, {"machine": None, "start": None}],
    ids=["hostname", "machine-id", "the same machine-id, another start", "an empty machine-id", "nothing but the hostname"],
)
def test_a_copy_on_another_machine_has_another_name(machine: Machine, data_dir: Path, another: dict[str, str]) -> None:
    machine.be()
    first = name_of(data_dir)
    machine.be(**another)
    copy = name_of(data_dir)
    assert copy.rpartition("#")[2] != first.rpartition("#")[2]
    assert name_of(data_dir) == copy, "and keeps it"


def test_two_clones_of_a_machine_are_two_nodes(machine: Machine, data_dir: Path, tmp_path: Path) -> None:
    name_of(data_dir)
    clone = tmp_path / "clone"
    shutil.copytree(data_dir, clone)
    machine.be(start="b2\n")
    first = name_of(data_dir)
    machine.be(start="b3\n")
    second = name_of(clone)
    assert first.rpartition("#")[2] != second.rpartition("#")[2]


def test_without_a_machine_id_a_container_keeps_its_name(machine: Machine, data_dir: Path) -> None:
    for absent in ("", None):
        machine.be(machine=absent)
        assert name_of(data_dir) == name_of(data_dir)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("lines", [[], [""], [""] * 5, [KEPT], [KEPT, "web1", "4f2a", ""], [KEPT, "web1", "4f2a", "b1"]])
def test_a_file_that_was_cut_short_is_made_anew(data_dir: Path, lines: list[str]) -> None:
    (data_dir / FILE).write_text("\n".join(lines))
    made = name_of(data_dir)
    assert not made.endswith(f"#{KEPT}")
    assert name_of(data_dir) == made


@pytest.mark.usefixtures("machine")
def test_where_there_is_no_room_it_has_a_name_all_the_same(data_dir: Path) -> None:
    with no_room():
        first, second = name_of(data_dir), name_of(data_dir)
    assert first != second, "nobody can know it again: its runs are released when their leases end"
    assert list(data_dir.iterdir()) == []
