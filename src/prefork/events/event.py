"""What an event is: a value with a name, a level and a wording. The declarations are in the modules beside this one."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from dataclasses import Field

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Event:
    """Something that happened. Subclasses are dataclasses and declare `level` and `wording`, a format string over their fields."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    level: ClassVar[Level] = "info"
    wording: ClassVar[str] = ""

    @classmethod
    @cache  # every line of a JSON log asks
    def name(cls) -> str:
        """The event's name in JSON logs, tests and documentation: `WorkerReady` is `worker_ready`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    @cache  # and so do those of refusals, of which a client may cause as many as it likes
    def names(cls) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(field.name for field in fields(cls))

    def values(self) -> dict[str, object]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.names()}

    def sentence(self) -> str:
        """The event in words, without a full stop; a traceback follows on lines of its own."""
        text = self.wording.format(**{name: worded(value) for name, value in self.values().items()})
        traceback = getattr(self, "traceback", None)
        return f"{text}\n{traceback.rstrip()}" if traceback else text


def worded(value: object) -> object:
    """A field's value as people read it: lists joined, seconds rounded to milliseconds."""
    if isinstance(value, (tuple, list)):
        return ", ".join(str(item) for item in value)
    return round(value, 3) if isinstance(value, float) else value
