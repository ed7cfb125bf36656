"""How one setting becomes an option: the few shapes that the tables of all importers are made of.

A reader turns a value into the text of an option and raises ValueError with a sentence; a rule asks it and says what it means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prefork.config import quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prefork.importers.finding import Draft, Setting

    Rule = Callable[[Setting, Draft], None]
    Reader = Callable[[Setting], str]

ONE_AT_A_TIME = "a worker serves one request at a time"
UNLIMITED = dict.fromkeys(("limit_time_real", "limit_time_cpu", "limit_memory_soft", "limit_memory_hard", "limit_request"), "0")
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", "none", ""}


def word(setting: Setting) -> str:
    """Any text on one line."""
    return setting.text


def whole(setting: Setting) -> str:
    """A whole number."""
    if isinstance(setting.value, bool) or not re.fullmatch(r"\d+", setting.text, re.ASCII):
        raise ValueError(f'"{setting.text}" is not a whole number')
    return setting.text


def seconds(setting: Setting) -> str:
    """A time in seconds."""
    if not re.fullmatch(r"\d+(\.\d+)?", setting.text, re.ASCII):
        raise ValueError(f'"{setting.text}" is not a number of seconds')
    return setting.text


def size(setting: Setting) -> str:
    """A size in bytes."""
    return quantities.size_words(int(whole(setting)))


def mebibytes(setting: Setting) -> str:
    """A size in MiB."""
    return quantities.size_words(int(whole(setting)) * quantities.MIB)


def true(setting: Setting) -> bool:
    """Whether something is on, in the spelling of any of these files. Raises ValueError."""
    text = setting.text.lower()
    if text not in TRUE | FALSE:
        raise ValueError(f'"{setting.text}" is neither true nor false')
    return text in TRUE


def truth(setting: Setting) -> str:
    """As our file spells it."""
    return str(true(setting))


def octal(setting: Setting) -> str:
    """Permissions, as a number or as octal digits."""
    text = f"{setting.value:o}" if isinstance(setting.value, int) else setting.text.removeprefix("0o")
    if not re.fullmatch(r"[0-7]{1,4}", text):
        raise ValueError(f'"{setting.text}" is not a number of octal digits')
    return text[-3:].rjust(3, "0")


def same(option: str, reader: Reader = word, sentence: str = "") -> Rule:
    """It means the same under our name."""

    def rule(setting: Setting, draft: Draft) -> None:
        draft.carry(setting, {option: reader(setting)}, sentence)

    return rule


def near(option: str, sentence: str, reader: Reader = word) -> Rule:
    """It is set under our name, where it means something slightly different."""

    def rule(setting: Setting, draft: Draft) -> None:
        draft.change(setting, {option: reader(setting)}, sentence)

    return rule


def given(sentence: str) -> Rule:
    """It needs no option, because this server is always so."""

    def rule(setting: Setting, draft: Draft) -> None:
        draft.carry(setting, {}, sentence)

    return rule


def none(sentence: str) -> Rule:
    """There is nothing like it; the sentence names what comes closest."""

    def rule(setting: Setting, draft: Draft) -> None:
        draft.leave(setting, sentence)

    return rule


def where_true(rule: Rule) -> Rule:
    """A switch that says nothing while it is off."""

    def judge(setting: Setting, draft: Draft) -> None:
        if true(setting):
            rule(setting, draft)
        else:
            draft.carry(setting, {}, "it is off, as it is here")

    return judge


def threads(setting: Setting, draft: Draft) -> None:
    """Threads of a worker."""
    if int(whole(setting)) < 2:
        draft.carry(setting, {}, ONE_AT_A_TIME)
    else:
        draft.leave(setting, f"{ONE_AT_A_TIME}; where requests mostly wait, have {setting.text} × as many workers")


def home(setting: Setting, draft: Draft) -> None:
    """A virtual environment."""
    draft.carry(setting, {"python": f"{setting.text.rstrip('/')}/bin/python"}, "nothing of Prefork is installed there")


def import_path(setting: Setting, draft: Draft) -> None:
    """Directories of modules: a list, or a text with commas. One can go first."""
    first, *others = [part.strip() for part in setting.text.split(",")]
    if others:
        draft.change(setting, {"app_dir": first}, f"one directory goes first on sys.path; put {', '.join(others)} into PYTHONPATH")
    else:
        draft.carry(setting, {"app_dir": first})


def translate(settings: list[Setting], rules: Mapping[str, Rule], server: str, draft: Draft) -> None:
    """Give each setting to its rule. What has no rule, or cannot be read, is left out with a sentence."""
    for setting in settings:
        rule = rules.get(setting.name)
        if rule is None:
            draft.leave(setting, f"it is no setting of {server} that is known here; look whether prefork.conf needs it")
            continue
        try:
            rule(setting, draft)
        except ValueError as error:
            draft.leave(setting, f"its value cannot be taken over: {error}")
