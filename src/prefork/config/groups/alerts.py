"""The options of what the console measures over time, and of whom it tells."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config import kinds
from prefork.config.option import Derived, Surroundings, grouped, option
from prefork.config.quantities import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def credential(name: str) -> Callable[[Mapping[str, Any], Surroundings], Path | None]:
    """A file that systemd has put there: systemd.exec(5), LoadCredential."""

    def find(_values: Mapping[str, Any], surroundings: Surroundings) -> Path | None:
        directory = surroundings.environ.get("CREDENTIALS_DIRECTORY")
        file = Path(directory, name) if directory else None
        return file if file and file.exists() else None

    return find


@grouped
class Alerts:
    """What the console keeps of this server's past, and whom it tells when something is wrong."""

    usage_interval: float = option(
        kinds.TIME, 300.0, "The console keeps what the server has done in spans of this length", minimum=60, maximum=3600
    )
    alert_email: tuple[str, ...] = option(kinds.EMAILS, (), "Who gets alerts by e-mail")
    alert_webhook: str | None = option(
        kinds.URL, None, "Where alerts are sent to as JSON, by POST: an address of http or https", secret=True
    )
    alert_webhook_secret_file: Path | None = option(
        kinds.PATH,
        Derived(credential("alert_webhook_secret"), "systemd's credential `alert_webhook_secret`, where there is one"),
        "The file with the secret that signs what is sent to `alert_webhook`",
    )
    alert_incidents: int = option(kinds.NUMBER, 5, "So many incidents within ten minutes are an alert", minimum=1, maximum=HIGHEST)
    email_from: str = option(
        kinds.WORD,
        Derived(lambda _values, _surroundings: f"prefork@{platform.node()}", "`prefork@` and the machine's name"),
        "The sender of alerts by e-mail",
    )
    smtp_server: str = option(kinds.WORD, "localhost", "The mail server that takes alerts")
    smtp_port: int = option(kinds.PORT, 25, "Its port", minimum=1, maximum=65535)
    smtp_ssl: str = option(
        kinds.ENCRYPTION, "off", "How the conversation with it is encrypted; its certificate has to be one that the machine trusts"
    )
    smtp_user: str | None = option(kinds.WORD, None, "Whom it knows us as; not set means that it takes mail without that")
    smtp_password: str | None = option(kinds.SECRET, None, "The password of `smtp_user`", secret=True)
    smtp_password_file: Path | None = option(
        kinds.PATH,
        Derived(credential("smtp_password"), "systemd's credential `smtp_password`, where there is one"),
        "The file with that password, which is read for each mail; it counts before `smtp_password`",
    )
