"""The REST API of a console elsewhere: one call and its answer, or the end of the program with what went wrong.

The token comes from a file, the environment or the configuration, never from the command line, which everybody on a machine can
read; and it goes over TLS, or nowhere else but to this machine.
"""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from prefork import __version__
from prefork.cli.asking import MOMENT, UNREACHABLE
from prefork.cli.settings import FAILED
from prefork.config import texts
from prefork.instances.remote import check
from prefork.instances.users import Declined

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

    from prefork.cli.settings import Meant

UNAVAILABLE = 503  # the console answers, its server does not
MOST = 500  # items of a part of a list


class Api:
    """The console at `url`, for who has a token."""

    def __init__(self, url: str, meant: Meant) -> None:
        try:
            import httpx2
        except ImportError:
            raise click.ClickException("--console needs httpx2; install prefork[remote]") from None
        try:
            self.url = check(url)
        except Declined as error:
            raise click.UsageError(f"--console: {error}") from None
        self.errors = httpx2.TransportError
        self.patience = httpx2.TimeoutException
        self.client = httpx2.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token(meant)}", "User-Agent": f"prefork/{__version__}"},
            verify=ssl.create_default_context(),
            trust_env=self.url.startswith("https:"),  # no proxy gets to read a token
        )
        click.get_current_context().call_on_close(self.client.close)

    def get(self, place: str, **query: str | int | None) -> Any:
        """What is there."""
        return self._call("GET", place, {name: value for name, value in query.items() if value is not None})

    def post(self, place: str, timeout: float = MOMENT) -> Any:
        """What was done."""
        return self._call("POST", place, {}, timeout)

    def patch(self, place: str, changes: dict[str, Any]) -> Any:
        """What has become of something."""
        return self._call("PATCH", place, {}, body=changes)

    def every(self, place: str, **query: str | int | None) -> Iterator[Any]:
        """All of a list, part by part."""
        cursor: int | None = None
        while True:
            part = self.get(place, limit=MOST, cursor=cursor, **query)
            yield from part["items"]
            cursor = part["next"]
            if cursor is None:
                return

    def _call(
        self, method: str, place: str, query: dict[str, Any], timeout: float = MOMENT, body: dict[str, Any] | None = None
    ) -> Any:
        try:
            answer = self.client.request(method, place, params=query, timeout=timeout, json=body)
        except self.patience:
            end(f"the console at {self.url} did not answer within {timeout:g} s", UNREACHABLE)
        except self.errors as error:
            end(self._reason(error), UNREACHABLE)
        if not answer.is_success:
            self._refused(answer)
        return self._read(answer)

    def _reason(self, error: Exception) -> str:
        """Why there is no connection."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {self.url} is not accepted: {cause.verify_message}; have this machine trust who has signed it "
                "(SSL_CERT_FILE names a file with that one), or write the name that it is for"
            )
        if cause is not None:
            return f"what answers at {self.url} does not speak TLS as it should: {error}; look at its port, and at https or http"
        return f"no console can be reached at {self.url}: {str(error) or type(error).__name__}"

    def _refused(self, answer: httpx2.Response) -> NoReturn:
        """End the program with the console's own words."""
        if answer.status_code == 401:
            end(
                f"the console at {self.url} does not know this token; make one there (Account), or with POST /api/v1/tokens", FAILED
            )
        said = self._read(answer)
        detail = said.get("detail") if isinstance(said, dict) else None
        end(str(detail or f"the console at {self.url} answered {answer.status_code}"), code(answer.status_code))

    def _read(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            end(f"what answers at {self.url} is no console of Prefork's: status {answer.status_code}", FAILED)


def code(status: int) -> int:
    """The exit code for an answer that is none."""
    return UNREACHABLE if status == UNAVAILABLE else FAILED


def end(said: str, status: int) -> NoReturn:
    """End the program."""
    click.echo(f"prefork: {said}", err=True)
    sys.exit(status)


def token(meant: Meant) -> str:
    """What a command comes with, or the end of the program."""
    found = meant.values("console_token_file", "console_token")
    file: Path | None = found["console_token_file"]
    secret: str | None = found["console_token"] if file is None else first_line(file)
    if not secret:
        where = f"{file} is empty; write" if file else "--console needs a token; name a file with --token-file FILE, with"
        raise click.ClickException(f"{where} one that the console has made (Account), or set PREFORK_CONSOLE_TOKEN")
    if not (secret.isascii() and secret.isprintable()):
        raise click.ClickException("the token has signs that no token has; copy it again")
    return secret


def first_line(file: Path) -> str:
    """What stands there."""
    try:
        return next(iter(texts.text(file).splitlines()), "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} cannot be read: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
