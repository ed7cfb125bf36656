"""The options of sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.option import Derived, Surroundings, grouped, option
from prefork.config.quantities import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def beside(name: str) -> Callable[[Mapping[str, Any], Surroundings], Path]:
    """A default place in the data directory."""
    return lambda values, _: Path(values["data_dir"], name)


@grouped
class Sessions:
    """What an application that uses `prefork.sessions` knows of its visitors: where it is kept, and for how long."""

    session_store: str = option(
        kinds.SESSIONS,
        "file",
        "Where sessions are kept: in files of `session_dir`, in Redis, or in PostgreSQL, which without an address is where Prefork "
        "keeps its own things; memory is for `workers = 0`",
        secret=True,
    )
    session_dir: Path = option(
        kinds.PATH,
        Derived(beside("sessions"), "`sessions` in `data_dir`"),
        "The directory of sessions in files; nodes that share sessions name one on a mount that they share",
        applies="restart",
    )
    session_secret_file: Path = option(
        kinds.PATH,
        Derived(beside("session.secret"), "`session.secret` in `data_dir`, made at the first start"),
        "The file with the secret that signs the cookies, the same on all nodes; of several lines the first one signs and all are "
        "accepted",
        applies="restart",
    )
    session_idle: float = option(
        kinds.TIME, 604_800.0, "A session that is not used for this long is over", minimum=1, maximum=LONGEST
    )
    session_lifetime: float = option(
        kinds.TIME, 2_592_000.0, "A session is over after this time, however much it is used", minimum=1, maximum=LONGEST
    )
