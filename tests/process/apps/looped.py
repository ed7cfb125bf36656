"""A plain ASGI application that says what it was asked, and does what it is told to."""

import asyncio
import hashlib
import json
import os
import resource
import signal
import time
from pathlib import Path
from urllib.parse import parse_qs

SEEN = {"disconnected": 0, "cancelled": 0, "finished": 0, "refused": 0, "broken_off": 0}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
        return
    query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    await globals()["do_" + (scope["path"].strip("/").partition("/")[0] or "echo")](scope, receive, send, query)


async def live(scope, receive, send):
    await receive()
    if os.environ.get("LIFESPAN") == "failed":
        await send({"type": "lifespan.startup.failed", "message": "no such database"})
        return
    scope["state"].update(loop=id(asyncio.get_running_loop()), given=[])
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if path := os.environ.get("GOODBYE"):
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
    await send({"type": "lifespan.shutdown.complete"})


def hold_first_turn(_worker):
    """For `worker_ready`: the loop is held up as soon as it turns, until the gate is opened."""

    def wait():
        with open(os.environ["GATE"]) as gate:
            gate.read()

    asyncio.get_event_loop().call_soon(wait)


async def answer(send, said, status=200, headers=()):
    body = json.dumps(said).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *headers]})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    """The body, and in how many parts it came."""
    parts, more = [], True
    while more:
        event = await receive()
        assert event["type"] == "http.request", event
        parts.append(event["body"])
        more = event["more_body"]
    return b"".join(parts), len(parts)


async def do_echo(scope, receive, send, query):
    body, parts = await read(receive)
    plain = {key: value for key, value in scope.items() if isinstance(value, (str, tuple, list, int)) and key != "headers"}
    texts = {key: scope[key].decode("latin-1") for key in ("raw_path", "query_string")}
    headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    state = scope["state"]["loop"] == id(asyncio.get_running_loop())
    digest = hashlib.sha256(body).hexdigest()
    said = {"headers": headers, "length": len(body), "digest": digest, "parts": parts, "pid": os.getpid(), "state": state}
    await answer(send, {**plain, **texts, **said})


async def do_mirror(scope, receive, send, query):
    """Send each part of the body back as it comes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        event = await receive()
        assert event["type"] == "http.request", event
        more = event["more_body"]
        await send({"type": "http.response.body", "body": event["body"], "more_body": more})


async def do_refuse(scope, receive, send, query):
    """Answer without a look at the body."""
    await answer(send, {"refused": True}, 403)


async def do_take(scope, receive, send, query):
    """Read the body, behind the gate if there is one, and count how it ends."""
    if "gate" in query:
        await asyncio.get_running_loop().run_in_executor(None, Path(query["gate"]).read_bytes)
    digest, length = hashlib.sha256(), 0
    while (event := await receive())["type"] == "http.request":
        digest.update(event["body"])
        length += len(event["body"])
        if not event["more_body"]:
            await answer(send, {"length": length, "digest": digest.hexdigest(), "pid": os.getpid()})
            return
    SEEN["broken_off"] += 1
    try:
        await answer(send, {"length": length})
    except OSError:
        SEEN["refused"] += 1
        raise


async def do_hold(scope, receive, send, query):
    """Answer when the gate is opened."""

    def wait():
        with open(query["gate"]) as gate:
            gate.read()

    await asyncio.get_running_loop().run_in_executor(None, wait)
    await do_echo(scope, receive, send, query)


async def do_sleep(scope, receive, send, query):
    """Wait; `stubborn`: whatever is said."""
    ends = time.monotonic() + float(query["seconds"])
    try:
        await asyncio.sleep(float(query["seconds"]))
    except asyncio.CancelledError:
        SEEN["cancelled"] += 1
        if "stubborn" not in query:
            raise
        await asyncio.sleep(ends - time.monotonic())
    await do_echo(scope, receive, send, query)


async def do_block(scope, receive, send, query):
    """Hold the loop up, for a time or until the gate is opened."""
    if "gate" in query:
        Path(query["gate"]).read_bytes()
    else:
        time.sleep(float(query["seconds"]))
    await do_echo(scope, receive, send, query)


async def do_compute(scope, receive, send, query):
    """Hold the loop up, and a processor."""
    ends = time.process_time() + float(query["seconds"])
    while time.process_time() < ends:
        pass
    await do_echo(scope, receive, send, query)


async def do_stream(scope, receive, send, query):
    """So many parts of so many bytes each."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/octet-stream")]})
    SEEN["sent"] = 0
    for _ in range(int(query["parts"])):
        try:
            await send({"type": "http.response.body", "body": b"x" * int(query["size"]), "more_body": True})
        except OSError:
            SEEN["refused"] += 1
            raise
        SEEN["sent"] += 1
    await send({"type": "http.response.body"})


async def do_whole(scope, receive, send, query):
    """One part of so many bytes."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * int(query["size"])})
    SEEN["finished"] += 1


async def do_wait(scope, receive, send, query):
    """Answer nothing until the client has left."""
    await read(receive)
    event = await receive()
    SEEN["disconnected"] += event["type"] == "http.disconnect"


async def do_seen(scope, receive, send, query):
    await answer(send, {**SEEN, "pid": os.getpid()})


async def do_file(scope, receive, send, query):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.pathsend", "path": query["path"]})


async def do_hint(scope, receive, send, query):
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    if "dies" in query and scope["prefork.attempt"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    await do_echo(scope, receive, send, query)


async def do_after(scope, receive, send, query):
    """Answer, and go on until the gate is opened."""
    await do_echo(scope, receive, send, query)

    def wait():
        with open(query["gate"]) as gate:
            gate.read()

    await asyncio.get_running_loop().run_in_executor(None, wait)
    SEEN["finished"] += 1


async def do_raise(scope, receive, send, query):
    if "late" in query:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    if "silent" not in query:
        raise LookupError("as it was told")


async def do_grow(scope, receive, send, query):
    """Take memory, and stay."""
    SEEN["memory"] = b"x" * (int(query["mib"]) << 20)
    await asyncio.sleep(float(query["seconds"]))
    await do_echo(scope, receive, send, query)


async def do_lack(scope, receive, send, query):
    """Have no descriptor left from now on, whatever is closed."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    await answer(send, {"pid": os.getpid()})
