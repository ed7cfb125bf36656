"""Large bodies through nginx, both ways: every byte arrives, no client holds the worker, and one that leaves is forgotten."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from tests.process.apps.echo import pattern
from tests.process.wire import Wire, request, until

from prefork.testing import Server

from .conftest import Echo
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


def open_files(server: Server, below: Path | str) -> list[str]:
    """The files below a directory that any process of the server has open, those without a name as well."""
    links = []
    for descriptors in (Path(f"/proc/{pid}/fd") for pid in server.tree()):
        for descriptor in descriptors.iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                links.append(os.readlink(descriptor))
    return [link for link in links if link.startswith(f"{below}/")]


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
    called, spool = tmp_path / "called", f"{server.data_dir}/spool"
    before = saturation(server)["connections"]
    upload = request("POST", f"/note?file={called}", BODY)
    leaving = [Wire(nginx).send(upload[: SIZE // 2]) for _ in range(3)]
    if not way.buffering:
        until(lambda: len(open_files(server, spool)) == len(leaving), "the uploads to have begun")
    for wire in leaving:
        wire.socket.close()
    until(lambda: saturation(server)["connections"] <= before, "the uploads to be forgotten")
    until(lambda: not open_files(server, spool), "what had arrived to be thrown away")
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
    until(lambda: not open_files(server, f"{server.data_dir}/spool"), "what nobody has read to be thrown away")
    assert not server.events("worker_died")


def test_a_static_file_goes_through_nginx_whole_or_in_part_and_is_closed_when_it_is_given_up(
    echo: Echo, way: Way, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "file").write_bytes(BODY)
    with echo(workers=1, static=f"/files={files}") as server, Nginx(server, tmp_path, way) as nginx:
        with Wire(nginx, window=4096) as slow, Wire(nginx, window=4096) as leaving:
            for wire in (slow, leaving):
                wire.send(request("GET", "/files/file"))
            assert leaving.socket.recv(1)
            leaving.socket.close()
            assert slow.answer().body == BODY
            part = slow.get("/files/file", Range="bytes=5000000-5999999")
            assert (part.status, part.body) == (206, BODY[5_000_000:6_000_000])
            assert slow.get("/files/file", If_None_Match=part.headers["etag"]).status == 304
        until(lambda: not open_files(server, files), "the file to be closed")
