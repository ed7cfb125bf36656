"""Odoo's own configuration: read by Odoo, from its file and its command line, with what it cannot find there."""

from __future__ import annotations

import os
from typing import Any

from prefork.worker.app import Refused


def configure(file: str | None, arguments: list[str], told: dict[str, str]) -> Any:
    """Have Odoo read its configuration and set up its log, which is what this process prints. Raises Refused.

    `file` None stands for its defaults; what `told` says, as texts, is put above the file, and `arguments` above both.
    """
    import odoo

    config = odoo.tools.config
    config.parser.error = refuse
    flags, values = as_flags(config.parser, told)
    # Where it would log to a file itself, that file is ours already, and rotated by us.
    config.parse_config(["-c", file or os.devnull, "--logfile=", *flags, *arguments], **quietly(config))
    for key, value in values.items():
        config[key] = value
    return config


def as_flags(parser: Any, told: dict[str, str]) -> tuple[list[str], dict[str, Any]]:
    """Texts for options as flags of Odoo's command line; what it has no such flag for, as values to be put over the file's."""
    options = {option.dest: option for group in parser.option_groups for option in group.option_list}
    flags, values = [], {}
    for key, text in told.items():
        option = options.get(key)
        if option is not None and option.takes_value():
            flags.append(f"{option.get_opt_string()}={text}")
        else:
            values[key] = {"True": True, "False": False}.get(text, text)
    return flags, values


def quietly(config: Any) -> dict[str, bool]:
    """The argument by which parse_config is told to set up logging, where it wants to be told (from 18 on)."""
    return {"setup_logging": True} if "setup_logging" in config.parse_config.__code__.co_varnames else {}


def refuse(message: str) -> None:
    """What Odoo's command line says of wrong arguments; it would leave the process. Raises Refused."""
    raise Refused(f"Odoo refuses its configuration: {message}")


def databases_of(config: Any) -> list[str]:
    """The databases that are loaded before the first request: a list up to 18 is a text with commas."""
    named = config["db_name"] or []
    return [name.strip() for name in named.split(",") if name.strip()] if isinstance(named, str) else list(named)
