"""What is done with instances, on paper: nothing is taken where something is refused, and what fails is taken back."""

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.provision.conftest import PORTS, Paper, end_of

from prefork.events import Event, InstanceDied, InstanceFound, InstanceStarted, InstanceUnstarted, WatchFailed
from prefork.instances import database, provisions, registry
from prefork.instances.changes import BeyondPlan, Conflict, Invalid
from prefork.instances.database import Unusable
from prefork.instances.local import Denied
from prefork.provision import upgrades, works
from prefork.provision.keeper import CAP, Keeper, pause
from prefork.provision.nginx import Nginx
from prefork.provision.premises import Account, Premises
from prefork.provision.wish import Wish
from prefork.sizing.machine import GIB


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    """An application of the plan base."""
    (tmp_path / "app").mkdir()
    return Wish(app="shop:app", app_dir=str(tmp_path / "app"), plan="base")


def made(premises: Premises, wish: Wish, identity: str = "shop") -> Path:
    """An instance that runs; its file."""
    work = works.create(premises, "kim", identity, "Shop", wish)
    assert (end_of(premises, work).state, work.who) == ("done", "kim")
    return premises.place(identity).configuration


def said(file: Path) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in file.read_text().splitlines() if " = " in line)


def test_an_instance_is_made_for_its_account_alone_and_runs(premises: Premises, paper: Paper, wish: Wish) -> None:
    file = made(premises, wish)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {name: said(file)[name] for name in ("app", "plan", "workers", "console")} == {
        "app": "shop:app",
        "plan": "base",
        "workers": "2",
        "console": "False",
    }
    assert "start shop" in paper.asked
    assert sorted(path.name for path in file.parent.iterdir()) == ["data", "prefork.conf"]


def test_another_account_reads_its_file_and_owns_its_data_only(premises: Premises, wish: Wish) -> None:
    root = os.geteuid() == 0  # nobody else gives files away
    user, group = premises.account = Account(65_534, 65_534) if root else Account(os.geteuid(), os.getegid())
    file = made(premises, wish)
    ours = os.geteuid(), os.getegid()
    for path, owner, mode in (
        (premises.directory, ours, 0o711),
        (file.parent, (ours[0], group), 0o750),
        (file, (ours[0], group), 0o640),
        (file.parent / "data", (user, group), 0o700),
    ):
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (*owner, mode), path


def test_two_instances_share_nothing(premises: Premises, wish: Wish) -> None:
    first, second = said(made(premises, wish)), said(made(premises, wish, "other"))
    for name in ("http_port", "websocket_port", "data_dir", "logfile"):
        assert first[name] != second[name]


@pytest.mark.parametrize(
    ("change", "kind", "member"),
    [
        ({"workers": 3}, BeyondPlan, "workers"),
        ({"app_dir": "/nowhere/at/all"}, Invalid, "app_dir"),
        ({"python": "/no/python"}, Invalid, "python"),
        ({"options": {"limit_request": "many"}}, Invalid, "limit_request"),
        ({"options": {"no_such_thing": "1"}}, Invalid, "no_such_thing"),
        ({"odoo": "/opt", "app": None}, Invalid, "odoo"),
        ({"domain": "shop.example", "certificate": "/a.pem", "certificate_key": "/a.key"}, Invalid, "domain"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    premises: Premises, wish: Wish, change: dict[str, Any], kind: type[Invalid], member: str
) -> None:
    with pytest.raises(kind) as refused:
        works.create(premises, "kim", "shop", "Shop", replace(wish, **change))
    assert member in refused.value.sentences
    assert registry.find(premises.db, "shop") is None
    assert list(premises.directory.iterdir()) == []


def test_a_prospect_takes_nothing_and_is_what_is_made(premises: Premises, wish: Wish) -> None:
    found = works.prospect(premises, "shop", "Shop", wish)
    assert list(premises.directory.iterdir()) == []
    file = made(premises, wish)
    assert said(file)["workers"] == str(found.grant.workers)
    with pytest.raises(Conflict, match="choose another id"):
        works.create(premises, "kim", "shop", "Shop", wish)


def test_what_does_not_start_stays_stopped_and_says_why(premises: Premises, paper: Paper, wish: Wish) -> None:
    paper.fails = "no such program"
    end = end_of(premises, works.create(premises, "kim", "shop", "Shop", wish))
    assert (end.state, end.message) == ("failed", "no such program")
    assert premises.provision("shop").wanted == "stopped"
    assert paper.asked[-1] == "stop shop", "whoever revives it must not"


def test_start_stop_restart_and_delete(premises: Premises, paper: Paper, wish: Wish) -> None:
    file = made(premises, wish)
    with pytest.raises(Conflict, match="stop it first"):
        works.delete(premises, "shop", data=True)
    for act, wanted, up in (
        (works.stop, "stopped", set()),
        (works.start, "running", {"shop"}),
        (works.restart, "running", {"shop"}),
        (works.stop, "stopped", set()),
    ):
        assert end_of(premises, act(premises, "kim", "shop")).state == "done"
        assert (premises.provision("shop").wanted, paper.up) == (wanted, up)
    works.delete(premises, "shop", data=False)
    assert registry.find(premises.db, "shop") is None
    assert [path.name for path in file.parent.iterdir()] == ["data"]
    made(premises, wish)
    end_of(premises, works.stop(premises, "kim", "shop"))
    works.delete(premises, "shop", data=True)
    assert not file.parent.exists()


def test_what_a_full_disk_ends_is_noted_once_there_is_room(
    premises: Premises, paper: Paper, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(premises, wish)
    stop = paper.stop

    def fill_up(*given: Any) -> None:
        premises.db.change("PRAGMA query_only = ON")
        stop(*given)

    monkeypatch.setattr(database, "AGAIN", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(paper, "stop", fill_up)
        work = works.restart(premises, "kim", "shop")
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(20)
    assert provisions.busy(premises.db, "shop")
    premises.db.change("PRAGMA query_only = OFF")
    end = end_of(premises, work)
    assert (end.state, "attempt to write a readonly database" in end.message) == ("failed", True)
    assert end_of(premises, works.restart(premises, "kim", "shop")).state == "done"


def test_what_a_full_disk_keeps_from_being_made_leaves_nothing_behind(premises: Premises, wish: Wish) -> None:
    premises.db.change("PRAGMA query_only = ON")
    with pytest.raises(Unusable):
        works.create(premises, "kim", "shop", "Shop", wish)
    premises.db.change("PRAGMA query_only = OFF")
    file = made(premises, wish)
    end_of(premises, works.stop(premises, "kim", "shop"))

    premises.db.change("PRAGMA query_only = ON")
    with pytest.raises(Unusable):
        works.delete(premises, "shop", data=True)
    premises.db.change("PRAGMA query_only = OFF")
    works.delete(premises, "shop", data=True)
    assert (registry.find(premises.db, "shop"), file.parent.exists()) == (None, False)


def test_what_a_console_has_left_that_was_killed_is_named(premises: Premises, wish: Wish) -> None:
    file = made(premises, wish)
    registry.remove(premises.db, "shop")
    with pytest.raises(Conflict, match=f"{file} is left of an instance that is not known here; remove it"):
        works.create(premises, "kim", "shop", "Shop", wish)


def test_an_upgrade_that_there_is_no_room_to_note_is_noted_later(
    premises: Premises, paper: Paper, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(premises, wish)
    monkeypatch.setattr(database, "AGAIN", 0.01)
    answer = paper.answer

    def fill_up(command: str) -> dict[str, Any]:
        premises.db.change("PRAGMA query_only = ON")
        return answer(command)

    with monkeypatch.context() as patched:
        patched.setattr(paper, "answer", fill_up)
        work = upgrades.upgrade(premises, "kim", "shop", {"app": "shop:other"})
        for thread in threading.enumerate():
            if thread.name == "work":
                thread.join(20)
    premises.db.change("PRAGMA query_only = OFF")
    assert end_of(premises, work).state == "done"
    for thread in threading.enumerate():
        if thread.name == "insist":
            thread.join(20)
    assert premises.provision("shop").wish["app"] == "shop:other", "as its file says"


def test_a_step_that_there_is_no_room_for_stops_nothing(premises: Premises, wish: Wish) -> None:
    made(premises, wish)
    work = provisions.begin(premises.db, "shop", "kim", "stop")
    premises.db.change("PRAGMA query_only = ON")
    provisions.note_step(premises.db, work, "stopping")
    premises.db.change("PRAGMA query_only = OFF")


def test_one_thing_at_a_time(premises: Premises, wish: Wish) -> None:
    made(premises, wish)
    provisions.begin(premises.db, "shop", "kim", "stop")
    with pytest.raises(Conflict, match="wait for its end"):
        works.restart(premises, "lee", "shop")
    provisions.abandon(premises.db)
    assert end_of(premises, works.restart(premises, "lee", "shop")).state == "done"


def test_an_upgrade_changes_what_follows_from_it_and_nothing_else(premises: Premises, paper: Paper, wish: Wish) -> None:
    file = made(premises, wish)
    edited = file.read_text().replace("limit_time_real = 120", "limit_time_real = 77 ; for the reports")
    file.write_text(edited)
    assert end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"app": "shop:other"})).state == "done"
    assert file.read_text() == edited.replace("shop:app", "shop:other")
    assert "reload" in paper.asked
    assert end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"plan": "free"})).state == "done"
    assert (said(file)["plan"], said(file)["workers"]) == ("free", "1")
    assert paper.bounds[-2:] == [2 * GIB, GIB], "less only when what took more has gone"
    assert "77" in said(file)["limit_time_real"]


def test_an_upgrade_that_does_not_get_ready_is_taken_back(premises: Premises, paper: Paper, wish: Wish) -> None:
    file = made(premises, wish)
    before, provision = file.read_bytes(), premises.provision("shop")
    paper.reload = Denied("ImportError: no module named other", "Traceback …")
    end = end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"app": "other:app"}))
    assert (end.state, end.message) == ("rolled back", "ImportError: no module named other\nTraceback …")
    assert file.read_bytes() == before
    assert premises.provision("shop").wish == provision.wish


def test_a_smaller_plan_that_does_not_get_ready_has_the_old_memory(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    paper.reload = Denied("ImportError: no module named other", "Traceback …")
    end = end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"app": "other:app", "plan": "free"}))
    assert (end.state, paper.bounds) == ("rolled back", [2 * GIB] * 3)


@pytest.mark.parametrize(
    ("reasons", "state", "said"),
    [
        ([], "done", ""),
        (["no room"], "rolled back", "no room"),
        (["no room", "nor here"], "failed", "no room\nWhat it was before does not start either: nor here"),
    ],
)
def test_what_a_reload_does_not_apply_is_a_restart(
    premises: Premises, paper: Paper, wish: Wish, tmp_path: Path, reasons: list[str], state: str, said: str
) -> None:
    file = made(premises, wish)
    before = file.read_text()
    paper.asked.clear()
    paper.fails_next = reasons.copy()
    end = end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"options": {"filestore": str(tmp_path / "files")}}))
    assert (end.state, end.message) == (state, said)
    assert paper.asked[:2] == ["stop shop", "start shop"]
    assert (file.read_text() == before) == bool(reasons)


NGINX = """#!/bin/sh
echo "nginx $*" >> {log}
case "$*" in *-t*) if grep -qr broken {sites}; then echo "emerg: what is this"; exit 1; fi;; esac
"""


@pytest.fixture
def nginx(premises: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that refuses files with the word broken in them; what it was asked."""
    sites, log, program = tmp_path / "sites", tmp_path / "asked", tmp_path / "bin" / "nginx"
    sites.mkdir()
    program.parent.mkdir()
    program.write_text(NGINX.format(log=log, sites=sites))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    premises.nginx = Nginx(sites)
    return log


def tree(place: Path, version: int) -> str:
    """As much of an Odoo as says its version."""
    (place / "odoo").mkdir(parents=True)
    (place / "odoo" / "release.py").write_text(f"version_info = ({version}, 0, 0, 'final', 0, '')\n")
    return str(place)


WEB = {"certificate": "/etc/ssl/a.pem", "certificate_key": "/etc/ssl/a.key"}


def test_the_route_of_live_connections_switches_with_the_version(premises: Premises, nginx: Path, tmp_path: Path) -> None:
    assert premises.nginx
    old, new = tree(tmp_path / "odoo-15", 15), tree(tmp_path / "odoo-16", 16)
    made(premises, Wish(odoo=old, domain="erp.example", **WEB))
    site = premises.nginx.file("shop")
    assert "location /longpolling {" in site.read_text()
    assert "/websocket" not in site.read_text()
    nginx.unlink()
    assert end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"odoo": new})).state == "done"
    assert "location /websocket {" in site.read_text()
    assert "location /web/websocket {" in site.read_text()
    assert "/longpolling" not in site.read_text()
    assert nginx.read_text() == "nginx -t\nnginx -s reload\n"


def test_what_nginx_refuses_leaves_its_old_file_and_the_server_alone(
    premises: Premises, paper: Paper, nginx: Path, wish: Wish
) -> None:
    assert premises.nginx
    made(premises, replace(wish, domain="shop.example", **WEB))
    site, asked = premises.nginx.file("shop").read_bytes(), len(paper.asked)
    end = end_of(premises, upgrades.upgrade(premises, "kim", "shop", {"domain": "broken.example"}))
    assert (end.state, end.message) == ("failed", "nginx refuses: emerg: what is this")
    assert premises.nginx.file("shop").read_bytes() == site
    assert paper.asked[asked:] == []
    with pytest.raises(Invalid, match="emerg: what is this"):
        works.create(premises, "kim", "next", "Next", replace(wish, domain="broken.example", **WEB))
    assert registry.find(premises.db, "next") is None
    end_of(premises, works.stop(premises, "kim", "shop"))
    works.delete(premises, "shop", data=False)
    assert not premises.nginx.file("shop").exists()


def test_a_site_without_its_server_is_taken_back(
    premises: Premises, nginx: Path, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_asked: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(premises, "furnish", full)
    with pytest.raises(Conflict, match="no space left on device"):
        works.create(premises, "kim", "shop", "Shop", replace(wish, domain="shop.example", **WEB))
    assert premises.nginx
    assert list(premises.nginx.sites.iterdir()) == []
    assert nginx.read_text() == "nginx -t\nnginx -t\n"


def test_a_secret_in_an_option_is_in_the_file_and_not_told(premises: Premises, wish: Wish) -> None:
    from prefork.console.models.provisions import provision

    file = made(premises, replace(wish, options={"db_password": "swordfish", "db_host": "db1"}))
    assert said(file)["db_password"] == "swordfish"
    told = provision(premises.provision("shop"), premises.place("shop"), None).model_dump()
    assert "swordfish" not in json.dumps(told)
    assert told["run"]["options"]["db_host"] == "db1"


# What is to run is looked after.


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_ends_is_started_again_later_each_time(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    said, clock = list[Event](), Clock()
    keeper = Keeper(premises, said.append, clock)
    keeper.look()
    assert said == [InstanceFound("shop", os.getpid())]
    paper.up.clear()
    keeper.look()
    assert said[1:] == [InstanceDied("shop", "exit status 3", 1.0)]
    keeper.look()
    assert len(said) == 2, "not before its time"
    paper.fails = "no such program"
    clock.now += 1
    keeper.look()
    assert said[2:] == [InstanceUnstarted("shop", "no such program", 2.0)]
    paper.fails, clock.now = "", clock.now + 2
    keeper.look()
    assert said[3:] == [InstanceStarted("shop", os.getpid())]
    assert premises.provision("shop").failures == 2
    provisions.want(premises.db, "shop", "stopped")
    paper.up.clear()
    keeper.look()
    assert len(said) == 4, "what is to be stopped is left alone"


def test_where_somebody_else_starts_it_again_the_pause_is_theirs(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    said, paper.revives_after = list[Event](), 5.0
    paper.up.clear()
    keeper = Keeper(premises, said.append, Clock())
    keeper.look()
    assert said == [InstanceDied("shop", "exit status 3", 5.0)]
    paper.up.add("shop")
    keeper.look()
    assert said[1:] == [InstanceFound("shop", os.getpid())]


def test_what_ends_at_once_is_not_started_at_every_look(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    said, clock = list[Event](), Clock()
    keeper = Keeper(premises, said.append, clock)
    paper.short_lived = True
    paper.up.clear()
    keeper.look()
    clock.now += 1
    for _ in range(3):
        keeper.look()
    assert said == [
        InstanceDied("shop", "exit status 3", 1.0),
        InstanceUnstarted("shop", "it has ended at once: exit status 3", 2.0),
    ]


def test_a_disk_that_is_full_leaves_nobody_without_a_server(premises: Premises, paper: Paper, wish: Wish) -> None:
    for identity in ("shop", "wiki"):
        made(premises, wish, identity)
    said, clock = list[Event](), Clock()
    keeper = Keeper(premises, said.append, clock)
    keeper.look()
    premises.db.change("PRAGMA query_only = ON")
    paper.up.clear()
    said.clear()
    keeper.look()
    assert [event for event in said if isinstance(event, InstanceDied)] == [
        InstanceDied("shop", "exit status 3", 1.0),
        InstanceDied("wiki", "exit status 3", 1.0),
    ]
    keeper.look()
    assert paper.up == set(), "not before its time"
    clock.now += 1
    for _ in range(3):
        keeper.look()
    assert (paper.up, paper.asked.count("start shop"), paper.asked.count("start wiki")) == ({"shop", "wiki"}, 2, 2)
    assert sum(isinstance(event, WatchFailed) for event in said) == 1, "that it cannot be noted is said once"
    premises.db.change("PRAGMA query_only = OFF")
    keeper.look()
    found = premises.provision("shop")
    assert (found.pid, found.failures, found.ended_how) == (os.getpid(), 1, "exit status 3")


def test_a_clock_that_is_set_back_puts_off_no_start(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    said, clock = list[Event](), Clock()
    keeper = Keeper(premises, said.append, clock)
    paper.up.clear()
    keeper.look()
    clock.now -= 86_400
    keeper.look()
    assert said == [InstanceDied("shop", "exit status 3", 1.0), InstanceStarted("shop", os.getpid())]


def test_a_long_life_makes_its_end_the_first_one(premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    clock = Clock()
    keeper = Keeper(premises, lambda _: None, clock)
    paper.up.clear()
    keeper.look()
    ended = premises.provision("shop").ended_at
    assert ended
    clock.now = ended + 2
    keeper.look()
    keeper.look()
    assert premises.provision("shop").failures == 1
    clock.now = ended + 100
    keeper.look()
    assert premises.provision("shop").failures == 0


def test_a_console_that_was_not_there_finds_what_runs(tmp_path: Path, premises: Premises, paper: Paper, wish: Wish) -> None:
    made(premises, wish)
    provisions.begin(premises.db, "shop", "kim", "restart")
    provisions.note_process(premises.db, "shop", None, None)
    provisions.abandon(premises.db)
    later, said = Premises(premises.db, premises.directory, paper, ports=PORTS), list[Event]()
    Keeper(later, said.append).look()
    assert said == [InstanceFound("shop", os.getpid())]
    assert later.provision("shop").pid == os.getpid()


def test_the_pause_doubles_and_has_an_end() -> None:
    assert [pause(failures) for failures in (1, 2, 3, 9, 10, 1000)] == [1, 2, 4, 256, CAP, CAP]
