"""What commands ask of a server, wherever it is: the contract, and the flags that say which server is meant.

`near.py` fulfils it on this machine, `far.py` through a console elsewhere. Each method ends the program where there is no answer,
so a command reads the same for both.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol

import click

from prefork.cli.settings import Meant, aimed

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefork.incidents import Incident

    Row = dict[str, Any]


class Server(Protocol):
    """A server. Rows are those that `--json` prints; what is listed is in the order in which it is shown."""

    def where(self) -> str:
        """For sentences: in which directory, or at which console."""

    def name(self) -> str:
        """For sentences that are about the server."""

    def status(self) -> Row:
        """The master's own answer, of whatever release it is."""

    def usage(self) -> Row:
        """Both measures, and the machine as `health`."""

    def past(self, span: str) -> Row:
        """What its console has recorded of it: `resolution`, `points` and `marks`."""

    def health(self) -> Row:
        """`status`, which is ok or degraded, the `reasons`, and the `machine`."""

    def stacks(self) -> list[Row]:
        """Those of all workers."""

    def retire(self, pid: int) -> None:
        """Have a worker replaced."""

    def routes(self) -> Row:
        """`uptime`, and `routes` with their shares and tips."""

    def incidents(self, name: str | None) -> list[Incident]:
        """All that are kept, the oldest first; with a name those of this id or of a request's, with everything about them."""

    def reload(self) -> Row:
        """`generation`, `seconds`, `restart_needed`."""

    def jobs(self, name: str | None) -> list[Row]:
        """All jobs, or those of this name or whose name ends in it."""

    def job(self, name: str) -> tuple[list[Row], list[Row]]:
        """A job's runs under way, and its last ended ones."""

    def history(self, job: str | None, limit: int) -> list[Row]:
        """What was done, the latest first."""

    def edit(self, job: Row, changes: Row) -> None:
        """Have a job's row say something else in some of its members."""

    def run(self, job: str) -> int:
        """Have a job run now; the run's number."""

    def pause(self, job: str) -> None:
        """Let a job rest."""

    def resume(self, job: str) -> None:
        """Let it go on."""


def reached(function: Callable[..., None]) -> Callable[..., None]:
    """Add what tells which server is meant, also one behind a console elsewhere. The function gets it as `server`."""

    @wraps(function)
    def reach(
        *arguments: Any, meant: Meant, console: str | None, instance: str | None, token_file: str | None, **named: Any
    ) -> None:
        function(*arguments, server=server(meant, console, instance, token_file), **named)

    command = click.option("--token-file", metavar="FILE", help="With --console: the file with the token for it.")(aimed(reach))
    command = click.option("--instance", metavar="ID", help="With --console: which of its servers; by default its own.")(command)
    return click.option("--console", metavar="URL", help="Ask the console there instead of a server on this machine.")(command)


def server(meant: Meant, console: str | None, instance: str | None, token_file: str | None) -> Server:
    """The one that the flags mean."""
    if console is None:
        if instance or token_file:
            raise click.UsageError("--instance and --token-file belong to --console, which says where they count")
        from prefork.cli.near import Near

        return Near(meant)
    if meant.flags:
        raise click.UsageError("--console asks a console elsewhere; --data-dir and --app-dir name a server on this machine")
    from prefork.cli.far import Far
    from prefork.instances.registry import OWN

    return Far(console, instance or OWN, Meant(meant.file, {"console_token_file": token_file} if token_file else {}))
