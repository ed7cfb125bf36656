"""Fragments become whole messages."""

import pytest
from websockets.frames import Frame, Opcode

from prefork.worker.live.assembly import Assembly
from prefork.worker.live.lent import Framing, framing


@pytest.fixture
def library() -> Framing:
    import websockets

    return framing(websockets.__path__[0])


def test_texts_and_bytes_come_whole(library: Framing) -> None:
    assembly = Assembly(library)
    assert assembly.add(Frame(Opcode.TEXT, b"one", fin=True)) == "one"
    assert assembly.add(Frame(Opcode.TEXT, "ä".encode()[:1], fin=False)) is None
    assert assembly.add(Frame(Opcode.PING, b"x", fin=True)) is None
    assert assembly.add(Frame(Opcode.CONT, "ä".encode()[1:], fin=True)) == "ä"
    assert assembly.add(Frame(Opcode.BINARY, b"a", fin=False)) is None
    assert assembly.add(Frame(Opcode.CONT, b"b", fin=True)) == b"ab"


def test_a_text_that_is_not_utf_8_is_refused(library: Framing) -> None:
    with pytest.raises(UnicodeDecodeError):
        Assembly(library).add(Frame(Opcode.TEXT, b"\xff", fin=True))


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_of_fragments_without_contents_nothing_is_kept(library: Framing, opcode: Opcode) -> None:
    assembly = Assembly(library)
    assert assembly.add(Frame(opcode, b"", fin=False)) is None
    for _ in range(1000):
        assert assembly.add(Frame(Opcode.CONT, b"", fin=False)) is None
    assert len(assembly.parts) == 1
    assert assembly.add(Frame(Opcode.CONT, b"end", fin=False)) is None
    assert assembly.add(Frame(Opcode.CONT, b"", fin=True)) == ("end" if opcode is Opcode.TEXT else b"end")
    assert assembly.add(Frame(opcode, b"", fin=True)) == ("" if opcode is Opcode.TEXT else b"")
