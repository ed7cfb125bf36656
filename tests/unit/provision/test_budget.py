"""What Settings change of an instance that the console runs is taken of the machine and of the database, within its plan."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.provision.conftest import Paper, end_of

from prefork.config import Origin
from prefork.config.editing import rewrite
from prefork.instances import provisions
from prefork.instances.changes import BeyondPlan, Conflict, Intent, Invalid, judge
from prefork.instances.local import Reading
from prefork.provision import works
from prefork.provision.budget import afforded
from prefork.provision.holding import held
from prefork.provision.premises import Premises
from prefork.provision.upgrades import upgrade
from prefork.provision.wish import Wish
from prefork.sizing.machine import GIB, Machine


@pytest.fixture
def file(premises: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of an instance with two workers, on a machine of 8 GiB."""
    measured = Machine(4, 8 * GIB)
    monkeypatch.setattr("prefork.provision.free.read_machine", lambda: measured)
    (tmp_path / "app").mkdir()
    wish = Wish(app="shop:app", app_dir=str(tmp_path / "app"), plan="pro", workers=2, memory=3 * GIB)
    end_of(premises, works.create(premises, "kim", "shop", "Shop", wish))
    return premises.place("shop").configuration


def intent(file: Path, **changes: object) -> Intent:
    texts = {name: None if value is None else str(value) for name, value in changes.items()}
    return judge(Reading(Origin(file, {}, file.parent), {}), texts)


def saved(premises: Premises, change: Intent) -> None:
    rewrite(change.file, afforded(premises, "shop", change).texts())


def test_what_is_saved_is_taken_of_what_is_free(premises: Premises, file: Path) -> None:
    before, had = premises.free(), held(premises.provision("shop"), premises.place("shop"))
    saved(premises, intent(file, workers=1))
    fewer = premises.free()
    assert fewer.memory - before.memory == had.hard
    saved(premises, intent(file, workers=2))
    assert premises.free() == before


def test_by_hand_it_counts_as_well_and_what_cannot_be_read_is_as_it_was_given(premises: Premises, file: Path) -> None:
    before = premises.free()
    rewrite(file, {"max_cron_threads": "0"})
    assert premises.free().memory > before.memory
    file.write_text("workers = many\n")
    assert premises.free() == before


def test_all_processes_stay_within_their_connections(premises: Premises, file: Path) -> None:
    had = held(premises.provision("shop"), premises.place("shop"))
    made = afforded(premises, "shop", intent(file, workers=4, limit_memory_hard="512M", limit_memory_soft="400M"))
    processes = 4 + had.cron + 1
    assert made.after.connections_each * processes <= had.connections
    assert (made.old["db_maxconn"], made.new["db_maxconn"]) == (str(had.each), str(made.after.connections_each))
    unchanged = afforded(premises, "shop", intent(file, limit_request=77))
    assert unchanged.new == {"limit_request": "77"}


def test_where_more_processes_need_more_connections_they_get_them_while_there_are_some(premises: Premises, file: Path) -> None:
    small = {"limit_memory_hard": "64M", "limit_memory_soft": "50M"}
    many = afforded(premises, "shop", intent(file, workers=30, **small))
    assert (many.new["database_connections"], many.new["db_maxconn"]) == (str(2 * (30 + many.after.max_cron_threads + 1)), "2")
    with pytest.raises(Invalid, match="are free for it") as refused:
        afforded(premises, "shop", intent(file, workers=50, limit_memory_hard="32M", limit_memory_soft="20M"))
    assert refused.value.sentences.keys() == {"workers"}
    with pytest.raises(Invalid) as refused:
        afforded(premises, "shop", intent(file, database_connections=500))
    assert refused.value.sentences.keys() == {"database_connections"}


def test_more_memory_than_it_may_have_is_refused_with_the_numbers(premises: Premises, file: Path) -> None:
    with pytest.raises(Invalid, match="3 GiB were given to it") as refused:
        afforded(premises, "shop", intent(file, limit_memory_hard="2G", limit_memory_soft="1G"))
    assert refused.value.sentences.keys() == {"limit_memory_hard"}
    with pytest.raises(BeyondPlan, match="the plan pro comes with 8 GiB") as beyond:
        afforded(premises, "shop", intent(file, workers=5, limit_memory_hard="2G", limit_memory_soft="1G"))
    assert beyond.value.sentences.keys() == {"workers"}
    other = replace(Wish(**premises.provision("shop").wish), plan=None, memory=3 * GIB)
    end_of(premises, works.create(premises, "kim", "other", "Other", other))
    provisions.rewrite(premises.db, "shop", {**premises.provision("shop").wish, "memory": None}, premises.provision("shop").given)
    with pytest.raises(Invalid, match="of the machine's 8 GiB are free for it"):
        afforded(premises, "shop", intent(file, limit_memory_hard="2G", limit_memory_soft="1G"))


def test_no_limit_at_all_is_refused(premises: Premises, file: Path) -> None:
    with pytest.raises(Invalid, match="0 means no limit"):
        afforded(premises, "shop", intent(file, limit_memory_hard=0, limit_memory_soft=0))


def test_less_is_never_refused(premises: Premises, file: Path) -> None:
    rewrite(file, {"limit_memory_hard": "4G"})
    saved(premises, intent(file, limit_memory_hard="2G", limit_memory_soft="1G"))


def test_a_server_that_others_run_is_none_of_its_business(premises: Premises, file: Path) -> None:
    change = intent(file, limit_memory_hard="99G")
    assert afforded(premises, "default", change) is change


def test_the_plan_that_was_set_since_counts_in_an_upgrade(premises: Premises, paper: Paper, file: Path) -> None:
    saved(premises, intent(file, plan="free", workers=1))
    with pytest.raises(BeyondPlan, match="the plan free comes with 1 GiB"):
        upgrade(premises, "kim", "shop", {"memory": 2 * GIB})
    assert end_of(premises, upgrade(premises, "kim", "shop", {"app": "shop:other", "memory": GIB, "workers": 1})).state == "done"


def test_one_thing_at_a_time(premises: Premises, file: Path) -> None:
    provisions.begin(premises.db, "shop", "kim", "stop")
    with pytest.raises(Conflict, match="something is being done with shop"):
        afforded(premises, "shop", intent(file, workers=1))
    provisions.abandon(premises.db)
    row = ("shop", 0.0, "kim", "{}", "running")
    premises.db.change("INSERT INTO changes (instance_id, at, who, options, state) VALUES (?, ?, ?, ?, ?)", *row)
    with pytest.raises(Conflict, match="another change is being applied"):
        upgrade(premises, "kim", "shop", {})
