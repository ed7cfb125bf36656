"""Addresses of databases in libpq's words: made from options, and shown without their passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

URI = re.compile(r"postgres(ql)?://")
SQLITE = "sqlite:"
PASSWORD_IN_URI = re.compile(r"(://[^/@\s]*?):[^/\s]*@")
PASSWORD = re.compile(r"((?:ssl)?password\s*=\s*)('(?:\\.|[^'\\])*'|[^\s&]+)", re.IGNORECASE)


def dsn(text: str) -> str:
    """An address: `key=value …` or a URI; for threaded mode a file, `sqlite:/path`."""
    if URI.match(text) or re.match(r"\w+\s*=", text):
        return text
    if text.startswith(SQLITE):
        path = re.sub("^//(?=/)", "", text[len(SQLITE) :])
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("name the file by its whole path, as in sqlite:/srv/shop/store.db")
        return SQLITE + path
    raise ValueError(
        "this is no address of a database; write one such as dbname=shop host=db.example or postgresql://db.example/shop"
    )


def conninfo(words: Mapping[str, object]) -> str:
    """An address made of its words."""
    return " ".join(f"{key}={quoted(str(value))}" for key, value in words.items())


def quoted(value: str) -> str:
    """A value as libpq reads it."""
    if re.fullmatch(r"[\w./:-]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def without_password(text: str) -> str:
    """An address as it may be shown."""
    return PASSWORD.sub(r"\1(not shown)", PASSWORD_IN_URI.sub(r"\1:(not shown)@", text))
