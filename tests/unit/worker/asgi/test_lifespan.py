"""The beginning and the end of an application: those that know the protocol, those that do not, those that fail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from prefork.worker.asgi.lifespan import Lifespan, LifespanFailed

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Application:
    """Answers as it is told; `seen` is what it heard."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = answers
        self.seen: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        scope["state"]["pool"] = 7
        for answer in self.answers:
            self.seen.append((await receive())["type"])
            await send({"type": f"{self.seen[-1]}.complete", **answer})


def lived(app: Any, within: float = 5) -> dict[str, Any]:
    """The state after a whole life."""

    async def live() -> dict[str, Any]:
        lifespan = Lifespan(app)
        state = await lifespan.start()
        await lifespan.stop(within)
        assert lifespan.task
        assert lifespan.task.done()
        return state

    return asyncio.run(live())


def test_an_application_starts_and_ends() -> None:
    app = Application({}, {})
    assert lived(app) == {"pool": 7}
    assert app.seen == ["lifespan.startup", "lifespan.shutdown"]


async def silent(scope: Any, receive: Receive, send: Send) -> None:
    """Knows no lifespan, and returns."""


async def strict(scope: Any, receive: Receive, send: Send) -> None:
    raise ValueError("only http is served here")


@pytest.mark.parametrize("app", [silent, strict])
def test_who_does_not_know_the_protocol_is_served(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert lived(app) == {}
    assert capsys.readouterr().err == ""


async def torn(scope: Any, receive: Receive, send: Send) -> None:
    await receive()
    raise LookupError("no such table")


def test_who_knows_it_and_raises_is_served_and_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert lived(torn) == {}
    assert "LookupError: no such table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({}, "lifespan.startup.failed"),
        ({"message": "no database"}, "lifespan.startup.failed: no database"),
        ({"message": "Traceback:\n  line 1\nOSError: no database\n"}, "lifespan.startup.failed: OSError: no database"),
    ],
)
def test_who_says_that_it_cannot_start_is_not_ready(message: dict[str, str], sentence: str) -> None:
    with pytest.raises(LifespanFailed) as failed:
        lived(Application({"type": "lifespan.startup.failed", **message}))
    assert str(failed.value) == sentence


def test_a_traceback_of_a_framework_goes_to_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LifespanFailed):
        lived(Application({"type": "lifespan.startup.failed", "message": "Traceback:\n  line 1\nOSError: no database"}))
    assert "line 1" in capsys.readouterr().err


def test_who_fails_to_end_says_so() -> None:
    with pytest.raises(LifespanFailed, match=r"shutdown\.failed: disk full"):
        lived(Application({}, {"type": "lifespan.shutdown.failed", "message": "disk full"}))


def test_who_does_not_end_is_cancelled() -> None:
    with pytest.raises(LifespanFailed, match=r"not answered lifespan\.shutdown in 0\.01 s"):
        lived(never_ends, within=0.01)


async def never_ends(scope: Any, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await asyncio.Event().wait()


def test_an_answer_that_nobody_waits_for_is_a_fault_of_the_application() -> None:
    async def early(scope: Any, receive: Receive, send: Send) -> None:
        with pytest.raises(RuntimeError, match="which nobody has asked for"):
            await send({"type": "lifespan.shutdown.complete"})

    assert lived(early) == {}
