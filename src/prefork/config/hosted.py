"""The keys of odoo.conf that are Odoo's own (14 to 19): accepted, kept as written, handed to the application's host.

Prefork neither reads nor checks their values, and never prints one that may hold a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.config.settings import Settings

ODOO_KEYS = frozenset(
    """
    addons_path admin_passwd bin_path csv_internal_sep
    db_app_name db_host db_maxconn db_maxconn_gevent db_name db_password db_port db_replica_host db_replica_port db_sslmode
    db_template db_user dbfilter demo dev_mode email_from from_filter
    geoip_city_db geoip_country_db geoip_database
    http_socket_timeout i18n_overwrite import_file_maxbytes import_file_timeout import_partial import_url_regex init
    language language_level list_db log_db log_db_level log_handler logrotate
    netrpc netrpc_interface netrpc_port osv_memory_age_limit osv_memory_count_limit overwrite_existing_translations
    pg_path pre_upgrade_scripts proxy_access_token publisher_warranty_url reinit reportgz root_path
    save screencasts screenshots secure_cert_file secure_pkey_file shell_file shell_interface skip_auto_install
    smtp_password smtp_port smtp_server smtp_ssl smtp_ssl_certificate_filename smtp_ssl_private_key_filename smtp_user
    static_http_document_root static_http_enable static_http_url_prefix syslog
    test_commit test_enable test_file test_report_directory test_tags timezone
    transient_age_limit transient_count_limit translate_in translate_modules translate_out unaccent update upgrade_path
    websocket_keep_alive_timeout websocket_rate_limit_burst websocket_rate_limit_delay with_demo without_demo x_sendfile
    xmlrpcs xmlrpcs_interface xmlrpcs_port
    """.split()
)

# Options of ours that Odoo knows by the same names, and reads for itself from the file: where one comes from elsewhere, it is told.
SHARED = (
    "http_enable",
    "http_interface",
    "http_port",
    "limit_memory_hard",
    "limit_memory_soft",
    "limit_request",
    "limit_time_cpu",
    "limit_time_real",
    "max_cron_threads",
    "proxy_mode",
    "server_wide_modules",
)

SECRET_KEY = re.compile(r"(?:^|_)(?:password|passwd|passphrase|secret|token|dsn)(?:$|_)")
SECRET_TEXT = re.compile(r"://[^/\s]*:[^/\s]*@|\bpassword\s*=", re.IGNORECASE)


def wants_reload(dev_mode: str) -> bool:
    """Whether Odoo's key `dev_mode`, a list, asks for a reload when the code changes."""
    return not {"reload", "all"}.isdisjoint(word.strip() for word in dev_mode.split(","))


def told(settings: Settings) -> dict[str, str]:
    """What Odoo cannot read in the file, or not without the comment behind it, as texts of its own options."""
    given = [name for name in SHARED if settings.source(name).layer in {"flag", "environment"}]
    return {
        **settings.host_told,
        **{name: odoos(settings.value(name)) for name in given},
        "workers": str(settings.most_workers),  # its own default is another
    }


def odoos(value: object) -> str:
    """A value of ours as Odoo reads it: seconds and bytes are whole numbers there."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value)) if isinstance(value, float) else str(value)


def is_secret(key: str) -> bool:
    """Whether the key's name says that its text is a password, a token or a DSN."""
    return SECRET_KEY.search(key) is not None


def printable(key: str, text: str) -> str:
    """The text of a hosted key as it may be printed."""
    return "(not shown)" if is_secret(key) or SECRET_TEXT.search(text) else " ".join(text.split())
