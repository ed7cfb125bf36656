"""What an event is: a value with a name, a level and a wording. The declarations are in the modules beside this one."""

from __future__ import annotations

import re
from functools import cache
from typing import ClassVar, Literal, dataclass_transform

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@dataclass_transform(frozen_default=True)
class Event:
    """Something that happened. Subclasses declare fields, `level` and `wording`, a format string over the fields.

    They are dataclasses to whoever checks types. What `dataclasses` would write for each of them takes 14 KiB, in every process.
    """

    level: ClassVar[Level] = "info"
    wording: ClassVar[str] = ""
    fields: ClassVar[dict[str, str]] = {}  # their types, as texts, by name
    defaults: ClassVar[dict[str, object]] = {}

    def __init_subclass__(cls) -> None:
        """Take note of the fields, in their order."""
        cls.fields = cls.__annotations__
        cls.defaults = {name: vars(cls)[name] for name in cls.fields if name in vars(cls)}

    def __init__(self, *values: object, **named: object) -> None:
        """An event that says so. Raises TypeError where a field is missing, or there is none of a name."""
        said = {**self.defaults, **dict(zip(self.fields, values, strict=False)), **named}
        if said.keys() != self.fields.keys() or len(values) > len(said):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self.fields)}, and not {', '.join(said)}")
        self.__dict__ = said

    def __eq__(self, other: object) -> bool:
        """Two are equal when they say the same."""
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """As it would be written."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"

    @classmethod
    @cache  # every line of a JSON log asks
    def name(cls) -> str:
        """The event's name in JSON logs, tests and documentation: `WorkerReady` is `worker_ready`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def values(self) -> dict[str, object]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.fields}

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
