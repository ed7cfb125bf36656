"""Whom the console tells, and what of it must not be overheard."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prefork import config
from prefork.config import Settings

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "security"), [("True", "starttls"), ("False", "off"), ("tls", "tls"), ("STARTTLS", "starttls"), ("none", "off")]
)
def test_odoos_switch_means_what_it_means_there(configure: Configure, text: str, security: str) -> None:
    assert configure(f"smtp_ssl = {text}").smtp_ssl == security


def test_odoo_still_gets_its_own_keys(configure: Configure) -> None:
    settings = configure("smtp_server = mail.example.com\nsmtp_port = 587\nemail_from = erp@example.com")
    assert settings.host_options == {"smtp_server": "mail.example.com", "smtp_port": "587", "email_from": "erp@example.com"}


def test_a_password_is_not_sent_over_a_network_in_the_clear(configure: Configure, problems: Problems) -> None:
    login = "smtp_server = mail.example.com\nsmtp_user = erp\nsmtp_password = x\n"
    (said,) = problems(f"{login}alert_email = ops@example.com")
    assert said.startswith("odoo.conf:4: alert_email: the password of smtp_user would travel unencrypted to mail.example.com, as")
    assert said.endswith("smtp_ssl is off (default); set it to starttls or tls")
    assert configure(f"{login}smtp_ssl = True\nalert_email = ops@example.com").alert_email == ("ops@example.com",)
    assert configure(login).smtp_user == "erp", "what only Odoo uses is Odoo's business"
    assert configure("smtp_user = erp\nalert_email = ops@example.com").smtp_server == "localhost"


def test_what_is_no_address_is_refused_without_repeating_a_secret(problems: Problems) -> None:
    assert problems("alert_email = ops") == ['odoo.conf:1: alert_email: "ops" is no mail address; write name@example.com']
    for wrong in ("ftp://example.com/s3cret", "s3cret", "https:///s3cret"):
        (said,) = problems(f"alert_webhook = {wrong}")
        assert said.startswith("odoo.conf:1: alert_webhook: it is no address of http or https")
        assert "s3cret" not in said


def test_secrets_are_not_shown(configure: Configure) -> None:
    settings = configure("alert_webhook = https://example.com/s3cret\nsmtp_password = s3cret")
    assert "s3cret" not in settings.shown("alert_webhook") + settings.shown("smtp_password") + repr(settings)


def test_a_credential_of_systemd_is_found_where_there_is_one(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "smtp_password").write_text("open sesame\n")
    settings = configure("", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert (settings.smtp_password_file, settings.alert_webhook_secret_file) == (tmp_path / "smtp_password", None)
    assert configure("").smtp_password_file is None


def test_without_a_console_nobody_watches(configure: Configure) -> None:
    settings = configure("app = a:b\nconsole = False\nalert_email = ops@example.com")
    said = [str(each) for each in config.warnings(settings, config.Machine(8, None))]
    assert said == ["odoo.conf:2: console: False leaves nobody who watches, and alert_email is set (odoo.conf:3); set this to True"]
