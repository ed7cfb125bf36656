"""What the master says of connections that may be lent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from prefork import config
from prefork.master.status import lending

if TYPE_CHECKING:
    from pathlib import Path

    from prefork.master.loop import Master

ON = {"lend_connections": "True"}
TCP, UNIX = "http://127.0.0.1:8069", "unix:/run/shop.sock"


@pytest.mark.parametrize(
    ("given", "addresses", "reads", "obstacles"),
    [
        ({}, [TCP], True, []),
        (ON, [TCP], True, []),
        (ON, [], True, []),
        (ON | {"keepalive_timeout": "0"}, [TCP], True, ["keepalive_timeout = 0"]),
        (ON | {"limit_time_real_routes": "/slow/*:60"}, [TCP], True, ["limit_time_real_routes"]),
        (ON | {"lanes": "slow:/slow/*:1"}, [TCP], True, ["a lane that reserves workers"]),
        (ON | {"workers": "0"}, [TCP], True, ["workers = 0"]),
        (ON, [TCP], False, ["an interpreter that cannot have Prefork's parser"]),
        ({}, [TCP], False, ["an interpreter that cannot have Prefork's parser"]),
        (ON, [UNIX], True, ["unix sockets"]),
        (ON, [TCP, UNIX], True, []),
        ({}, [TCP, UNIX], True, ["unix sockets"]),
    ],
)
def test_what_keeps_them_from_being_lent(
    given: dict[str, str], addresses: list[str], reads: bool, obstacles: list[str], tmp_path: Path
) -> None:
    settings = config.load(None, {"app": "probe:app", **given}, {}, tmp_path)
    templates: Any = SimpleNamespace(generations={1: SimpleNamespace(reads=reads)})
    master = SimpleNamespace(settings=settings, addresses=addresses, templates=templates, generation=1)
    assert lending(cast("Master", master)) == {"on": "lend_connections" in given, "obstacles": obstacles}
