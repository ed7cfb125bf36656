"""The options that say what is served."""

from __future__ import annotations

import sys
from pathlib import Path

from prefork.config import kinds
from prefork.config.hosted import wants_reload
from prefork.config.option import Derived, grouped, option

STORE_SOURCE = "prefork.jobs.source:source"


def odoo_in(app: str | None) -> Path | None:
    """The tree that `app = odoo:/path` names."""
    return Path(app.removeprefix(kinds.ODOO)) if app and app.startswith(kinds.ODOO) else None


@grouped
class Application:
    """What is served, and with which interpreter."""

    app: str | None = option(
        kinds.APP, None, "The application, or a factory that is called once to get it; `prefork serve APP` says the same"
    )
    interface: str = option(
        kinds.INTERFACE,
        "auto",
        "How the application is called; auto looks at what it can be called with, once it is imported",
    )
    odoo: Path | None = option(
        kinds.PATH,
        Derived(lambda values, _: odoo_in(values["app"]), "the path in `app = odoo:/path`"),
        "Odoo is served, from this directory, which holds its package `odoo` (and `odoo-bin`)",
    )
    odoo_args: tuple[str, ...] = option(
        kinds.WORDS,
        (),
        "Arguments for Odoo's own command line, such as `-d shop -u sale`; they may also stand behind a bare double dash on ours",
    )
    app_dir: Path = option(
        kinds.PATH,
        Derived(lambda _, surroundings: surroundings.cwd, "the current directory"),
        "The directory that goes first on the application's `sys.path` and is its current directory",
    )
    python: Path = option(
        kinds.PROGRAM,
        Derived(lambda _, __: Path(sys.executable), "Prefork's own interpreter"),
        "The interpreter of the application's environment, Python 3.9 or later; Prefork itself need not be installed there",
    )
    preload: str = option(
        kinds.PRELOAD,
        "auto",
        "Whether workers are forked from a process that has imported the application; auto imports in each worker instead "
        "when the import leaves threads or open connections behind",
    )
    dev: bool = option(
        kinds.SWITCH,
        Derived(lambda values, _: wants_reload(values["host_options"].get("dev_mode", "")), "yes where `dev_mode` names it"),
        "For development: whether the server reloads when a file of the application, or the configuration file, changes; the same "
        "as `reload` or `all` in Odoo's `dev_mode`",
    )
    after_fork: str | None = option(
        kinds.HOOK,
        None,
        "A function of the application that each new worker calls first: to reconnect, to start threads; what it raises means "
        "that the worker cannot get ready",
    )
    worker_ready: str | None = option(
        kinds.HOOK, None, "One that it calls last, right before it takes requests: to warm caches; as `after_fork` if it raises"
    )
    worker_exit: str | None = option(
        kinds.HOOK, None, "One that it calls when it leaves after its last request: to flush what is buffered; a failure is logged"
    )
    job_source: str | None = option(
        kinds.HOOK,
        Derived(lambda values, _: STORE_SOURCE if values["jobs"] else None, "the store, where `jobs` is set"),
        "A function of the application that each worker for scheduled jobs calls once, to get what it has its jobs from",
    )
    server_wide_modules: tuple[str, ...] = option(
        kinds.NAMES, (), "The modules that Odoo loads for every database", aliases=("load",)
    )
