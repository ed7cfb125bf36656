"""A configuration file: Odoo's or Prefork's, read as the server reads it, without a look at what this machine lacks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prefork import config
from prefork.config.checks import contradictions
from prefork.config.layers import gather
from prefork.config.option import Surroundings
from prefork.config.reader import read_file
from prefork.config.settings import Settings
from prefork.doctor.evidence import Conf, Unseen

if TYPE_CHECKING:
    from prefork.config.problems import Problem
    from prefork.doctor.evidence import Started

ODOOS = {"addons_path", "admin_passwd", "db_maxconn", "dbfilter", "list_db", "without_demo", "x_sendfile"}  # in its files only


def unreadable(file: Path) -> str:
    """Why a file cannot be read, in a few words. It may stand below a directory that this account may not look into."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError:
        pass
    return "cannot be read by this account"


def read(file: Path, *, own: bool, started: Started | None = None) -> Conf | Unseen:
    """What a file says. `own` tells that a Prefork runs with it, so that its defaults hold; `started`, what it was told besides."""
    if not os.access(file, os.R_OK):
        return Unseen(f"{file} {unreadable(file)}: nothing that is set in it can be looked at")
    flags, cwd, environ = started or ({}, Path.cwd(), os.environ if own else {})
    draft = gather(file.absolute() if started else file, flags, environ, cwd)
    reading = read_file(file, str(file))
    if reading.problems:
        return Unseen(str(reading.problems[0]))
    settings = Settings(
        **draft.values,
        file=file.absolute(),
        host_options=draft.host_options,
        sources=draft.sources,
        surroundings=Surroundings(cwd, started.environ if started else os.environ),
    )
    strange = {source.problem(key, "").place for key, source in draft.strange}
    wrong = [each for each in draft.problems if each.place not in strange]
    wrong += contradictions(settings, draft.broken)
    written = {entry.key for entry in reading.entries}
    odoo = not own and bool(written & ODOOS or "odoo" in file.name.lower())
    unknown = [
        source.problem(key, sentence(draft.problems, draft.remarks, source.problem(key, "").place)) for key, source in draft.strange
    ]
    return Conf(file, settings, odoo, tuple(wrong), tuple(unknown))


def sentence(problems: list[Problem], remarks: list[Problem], place: str) -> str:
    """What is said about a key at a place."""
    return next((each.sentence for each in (*problems, *remarks) if each.place == place), "nobody knows it")


def locate(file: Path | None) -> Path | None:
    """The data directory that a file names; None where it cannot be told."""
    try:
        return config.locate(file, {}, os.environ, Path.cwd())
    except config.ConfigurationError:
        return None
