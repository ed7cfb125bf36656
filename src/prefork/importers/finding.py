"""What an importer finds: each setting of the other server with what becomes of it, and the options that come out.

The words of a finding are for somebody who knows the other server and not yet this one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from prefork.config import texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Unreadable(Exception):
    """The file is not of its kind; the sentence says what is wrong, and where."""


def text_of(file: Path) -> str:
    """A file's text. Raises Unreadable."""
    try:
        return texts.text(file)
    except UnicodeDecodeError:
        raise Unreadable(f"{file}: it cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise Unreadable(f"{file}: it cannot be read: {error.strerror or error}") from None


class Verdict(StrEnum):
    """What becomes of a setting."""

    CARRIED = "carried over"
    CHANGED = "changed"
    LEFT = "left out"


@dataclass(frozen=True)
class Setting:
    """One setting of the other server: its name as that server documents it, and its value as the file's format has it.

    `ran`: the text does not tell the value, so the file was run.
    """

    name: str
    value: object
    line: int = 0
    ran: bool = False

    @property
    def text(self) -> str:
        """The value on one line."""
        if isinstance(self.value, dict):
            return json.dumps(self.value)
        if isinstance(self.value, (list, tuple)):
            return ", ".join(str(each) for each in self.value)
        return " ".join(str(self.value).split())


@dataclass(frozen=True)
class Finding:
    """A setting with its fate; `options` are those of ours that it has set."""

    setting: Setting
    verdict: Verdict
    options: tuple[str, ...]
    sentence: str


@dataclass
class Draft:
    """What has been found so far. A later setting of the same option wins, as it does in the other servers' files.

    `defaults` are options for what the other server does where its file is silent, and this one would do otherwise.
    """

    options: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def carry(self, setting: Setting, options: Mapping[str, str], sentence: str = "") -> None:
        """It means the same here."""
        self.take(setting, Verdict.CARRIED, options, sentence)

    def change(self, setting: Setting, options: Mapping[str, str], sentence: str) -> None:
        """It is set, and the sentence says what is different about it here."""
        self.take(setting, Verdict.CHANGED, options, sentence)

    def leave(self, setting: Setting, sentence: str) -> None:
        """There is nothing like it; the sentence names what comes closest."""
        self.take(setting, Verdict.LEFT, {}, sentence)

    def default(self, **options: str) -> None:
        """What the other server does by itself, unless its file has said otherwise."""
        self.defaults |= {name: text for name, text in options.items() if name not in self.options}

    def take(self, setting: Setting, verdict: Verdict, options: Mapping[str, str], sentence: str) -> None:
        """Note what becomes of it."""
        self.options.update(options)
        for name in options:
            self.defaults.pop(name, None)
        self.findings.append(Finding(setting, verdict, tuple(options), sentence))
