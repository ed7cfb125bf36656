"""Every option, declared once, and the way from file, environment and flags to frozen `Settings`.

This room imports no other. It reads one file and looks at this machine; it never starts, creates or prints anything.
"""

from prefork.config.addresses import UNIX
from prefork.config.checks import for_development, in_vain, is_loopback, unservable, warnings
from prefork.config.layers import config_file, load, locate, values
from prefork.config.machine import Machine, read_machine
from prefork.config.option import Option
from prefork.config.problems import ConfigurationError, Problem, Source
from prefork.config.settings import CONTROL_SOCKET, OPTIONS, Origin, Settings, restart_needed

__all__ = [
    "CONTROL_SOCKET",
    "OPTIONS",
    "UNIX",
    "ConfigurationError",
    "Machine",
    "Option",
    "Origin",
    "Problem",
    "Settings",
    "Source",
    "config_file",
    "for_development",
    "in_vain",
    "is_loopback",
    "load",
    "locate",
    "read_machine",
    "restart_needed",
    "unservable",
    "values",
    "warnings",
]
