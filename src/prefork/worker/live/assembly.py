"""Messages of a WebSocket that come in fragments: whole ones are texts, whose encoding is checked, or bytes."""

from __future__ import annotations

import codecs
from typing import Any, Union

UTF8 = codecs.getincrementaldecoder("utf-8")

Whole = Union[str, bytes]


class Assembly:
    """The fragments of one message. `framing` names the kinds of frames."""

    __slots__ = ("decoder", "framing", "parts")

    def __init__(self, framing: Any) -> None:
        self.framing = framing
        self.decoder: codecs.IncrementalDecoder | None = None  # of a text
        self.parts: list[Any] = []

    def add(self, frame: Any) -> Whole | None:
        """The message that ends with this frame; None where none does. Raises UnicodeDecodeError."""
        framing = self.framing
        if frame.opcode is framing.text:
            self.decoder = UTF8()
        elif frame.opcode is framing.binary:
            self.decoder = None
        elif frame.opcode is not framing.continuation:
            return None
        part = self.decoder.decode(frame.data, frame.fin) if self.decoder else bytes(frame.data)
        if part or not self.parts:  # empty ones count for no limit: of those that follow each other without end none is kept
            self.parts.append(part)
        if not frame.fin:
            return None
        parts, self.parts = self.parts, []
        whole: Whole = parts[0] if len(parts) == 1 else parts[0][:0].join(parts)
        return whole
