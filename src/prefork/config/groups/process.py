"""The options of files, accounts and rights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.option import Derived, Surroundings, grouped, option

if TYPE_CHECKING:
    from collections.abc import Mapping


def home_for(values: Mapping[str, Any], surroundings: Surroundings) -> Path:
    """The data directory of an application: below the user's data, told apart by the application's path."""
    import hashlib  # here: OpenSSL comes with it, and stays as long as the server

    app_dir = str(values["app_dir"])
    mark = hashlib.sha256(os.fsencode(app_dir)).hexdigest()[:8]
    place = f"{os.path.basename(app_dir) or 'root'}-{mark}"
    data_home = surroundings.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data_home):
        return Path(data_home, "prefork", place)
    home = surroundings.environ.get("HOME") or os.path.expanduser("~")
    if not os.path.isabs(home):  # a user id without an account, as in some containers
        return Path(app_dir, ".prefork")
    return Path(home, ".local", "share", "prefork", place)


@grouped
class Process:
    """The server's own files and rights."""

    data_dir: Path = option(
        kinds.PATH,
        Derived(home_for, "`$XDG_DATA_HOME` or `~/.local/share`, then `prefork/` and a name made from `app_dir`"),
        "The directory of the control socket and everything else Prefork keeps",
        applies="restart",
    )
    filestore: Path = option(
        kinds.PATH,
        Derived(lambda values, _: values["data_dir"] / "filestore", "`filestore` in `data_dir`"),
        "The directory of `prefork.filestore`, for files that the application keeps; nodes name one on a mount that they share",
        applies="restart",
    )
    pidfile: Path | None = option(kinds.PATH, None, "The file that holds the master's process id while it runs", applies="restart")
    user: str | None = option(kinds.ACCOUNT, None, "The account workers run as; needs root", applies="restart")
    group: str | None = option(
        kinds.ACCOUNT, None, "The group workers run as; not set means the main group of `user`; needs root", applies="restart"
    )
    compiled: bool = option(
        kinds.SWITCH,
        True,
        "Whether the dispatcher runs as compiled code, where the installation has it; the same source is run without. With "
        "`lend_connections` workers do so, too, where their interpreter is the same as Prefork's, which saves up to half of "
        "their time where the application does little",
        applies="restart",
    )
    umask: int = option(
        kinds.MODE, 0o022, "Permissions removed from files that workers create; 022 lets others read them, 077 nobody else"
    )
    stop_after_init: bool = option(
        kinds.SWITCH,
        Derived(lambda values, _: "--stop-after-init" in values["odoo_args"], "whether `odoo_args` says so"),
        "Whether `prefork serve` only loads the application, with all that `-i` and `-u` ask of Odoo, and exits",
        applies="restart",
    )
