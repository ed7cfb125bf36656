from pathlib import Path

import pytest

from prefork.config import OPTIONS, Option, Settings
from prefork.config.docs import page
from prefork.config.hosted import ODOO_KEYS, is_secret, printable
from prefork.config.option import Derived
from prefork.config.settings import NAMES

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_every_option_is_a_field_and_every_name_is_unique() -> None:
    names = [name for each in OPTIONS.values() for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names)) == len(NAMES)
    assert set(OPTIONS) <= set(Settings.__dataclass_fields__)
    shared = {"db_host", "db_port", "db_user", "db_password", "db_name", "db_sslmode"}
    shared |= {"email_from", "smtp_server", "smtp_port", "smtp_ssl", "smtp_user", "smtp_password"}
    assert NAMES.keys() & ODOO_KEYS == shared, "ours and the host's"


@pytest.mark.parametrize("each", OPTIONS.values(), ids=OPTIONS.keys())
def test_a_declaration_is_complete(each: Option) -> None:
    assert each.help[0].isupper()
    assert not each.help.endswith(".")
    assert each.applies in {"reload", "restart"}
    default = each.default
    if not isinstance(default, Derived) and default not in (None, ()):
        assert each.parse(each.shown(default), Path("/")) == default


def test_names_in_the_environment_and_on_the_command_line() -> None:
    assert (OPTIONS["http_port"].environment, OPTIONS["http_port"].flag) == ("PREFORK_HTTP_PORT", "--http-port")


def test_secrets_are_known_by_their_names_or_their_text() -> None:
    assert [key for key in sorted(ODOO_KEYS) if is_secret(key)] == [
        "admin_passwd",
        "db_password",
        "proxy_access_token",
        "smtp_password",
    ]
    assert printable("db_name", "postgresql://odoo:hunter2@db/x") == "(not shown)"
    assert printable("db_name", "dbname=x password=hunter2") == "(not shown)"
    assert printable("addons_path", "/a,\n/b") == "/a, /b"


def test_the_documentation_is_the_generated_page() -> None:
    assert PAGE.read_text() == page(), "run `python -m prefork.config.docs > docs/configuration.md`"


def test_the_documentation_names_everything() -> None:
    text = page()
    assert all(f"| `{name}` |" in text for name in OPTIONS)
    assert all(f"`{name}`" in text for name in NAMES)
