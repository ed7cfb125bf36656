"""Large bodies through nginx, both ways: every byte arrives, no client holds the worker, and one that leaves is forgotten."""

import hashlib
import json
from pathlib import Path

from tests.process.apps.echo import pattern
from tests.process.wire import Wire, request, until

from prefork.testing import Server

from .nginx import Nginx, Way

SIZE = 10 << 20
BODY = pattern(SIZE)
DIGEST = hashlib.sha256(BODY).hexdigest()
PART = 100_000


def saturation(server: Server) -> dict[str, int]:
    """What the dispatcher says of itself; nginx does not stand between."""
    with Wire(server) as wire:
        said: dict[str, int] = json.loads(wire.get("/_prefork/saturation").body)
        return {**said, "connections": said["connections"] - 1}


def chunked(body: bytes) -> list[bytes]:
    """A request with its body in chunks."""
    parts = [body[start : start + PART] for start in range(0, len(body), PART)]
    head = request("POST", "/echo", Transfer_Encoding="chunked")
    return [head, *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts), b"0\r\n\r\n"]


def test_a_counted_upload_arrives_whole(nginx: Nginx, way: Way) -> None:
    with Wire(nginx) as client:
        said = json.loads(client.send(request("POST", "/echo", BODY)).answer().body)
    assert (said["length"], said["CONTENT_LENGTH"], said["digest"]) == (SIZE, str(SIZE), DIGEST)
    assert said["SERVER_PROTOCOL"] == ("HTTP/1.1" if way.keep_alive else "HTTP/1.0")


def test_a_chunked_upload_arrives_whole(nginx: Nginx) -> None:
    with Wire(nginx) as client:
        said = json.loads(client.send(*chunked(BODY)).answer().body)
    assert (said["length"], said["digest"]) == (SIZE, DIGEST)


def test_a_slow_upload_holds_no_worker(nginx: Nginx, server: Server) -> None:
    head, *parts = chunked(BODY[: 5 * PART])
    with Wire(nginx) as slow, Wire(nginx) as other:
        slow.send(head, parts[0])
        for part in parts[1:]:
            assert other.get().status == 200, "the only worker is free although an upload is on its way"
            slow.send(part)
        assert json.loads(slow.answer().body)["length"] == 5 * PART


def test_a_slow_reader_gets_every_byte_and_holds_no_worker(nginx: Nginx) -> None:
    for target in (f"/plain/big?size={SIZE}", f"/big?size={SIZE}&part=70000"):
        with Wire(nginx, window=4096) as slow, Wire(nginx) as other:
            slow.send(request("GET", target))
            assert other.get().status == 200, "the only worker is free although the client has not read its answer"
            assert slow.answer().body == BODY
            assert slow.get().status == 200


def test_an_upload_that_is_given_up_never_reaches_the_application(nginx: Nginx, server: Server, way: Way, tmp_path: Path) -> None:
    called = tmp_path / "called"
    before = saturation(server)["connections"]
    upload = request("POST", f"/note?file={called}", BODY)
    leaving = [Wire(nginx).send(upload[: SIZE // 2]) for _ in range(3)]
    if not way.buffering:
        until(lambda: saturation(server)["connections"] >= len(leaving), "the uploads to have begun")
    for wire in leaving:
        wire.socket.close()
    until(lambda: saturation(server)["connections"] <= before, "the uploads to be forgotten")
    with Wire(nginx) as other:
        assert other.get().status == 200
    assert not called.exists()


def test_a_download_that_is_given_up_frees_its_worker(nginx: Nginx, server: Server) -> None:
    with Wire(nginx) as other:
        pid = json.loads(other.get().body)["pid"]
        for _ in range(3):
            mark = server.mark()
            with Wire(nginx, window=4096) as leaving:
                assert leaving.send(request("GET", "/plain/endless")).socket.recv(1)
            ended = server.wait_for("access", after=mark, target="/plain/endless")
            assert ended["status"] == 200
        until(lambda: saturation(server)["busy"] == 0, "the worker to be free")
        assert json.loads(other.get().body)["pid"] == pid
    assert not server.events("worker_died")
