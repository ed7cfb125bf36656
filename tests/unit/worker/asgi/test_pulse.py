"""The stamps of a loop, and what its tasks wait for."""

import asyncio
import os

from tests.unit.worker.conftest import SCOREBOARD

from prefork.scoreboard import LAG, TURNED
from prefork.worker.asgi.pulse import EVERY, LATELY, Pulse
from prefork.worker.asgi.tasks import frames, write


def test_each_turn_is_stamped_and_the_longest_lag_is_kept_for_a_while() -> None:
    slot = SCOREBOARD.slot(8)
    slot.clear()
    now = [10**9]
    looks: list[int] = []
    loop = asyncio.new_event_loop()
    pulse = Pulse(loop, slot, looks.append, lambda: now[0])

    def turn(late: float) -> int:
        pulse.stop()
        now[0] = pulse.due + int(late * 1e9)
        pulse.beat()
        return slot[LAG]

    assert turn(0.0) == 0
    assert slot[TURNED] == now[0]
    assert turn(0.3) == 300_000_000
    assert turn(0.0) == 300_000_000
    for _ in range(2 * int(LATELY / EVERY) + 2):
        turn(0.0)
    assert slot[LAG] == 0
    assert len(looks) == 2 * int(LATELY / EVERY) + 5
    pulse.stop()
    loop.close()


async def innermost() -> None:
    await asyncio.sleep(10)


async def outermost() -> None:
    await innermost()


def test_where_a_task_stands() -> None:
    async def look() -> tuple[list[str], bytes]:
        task = asyncio.get_running_loop().create_task(outermost(), name="GET /x (abc)")
        await asyncio.sleep(0)
        file = os.memfd_create("stacks")
        write(file, [task])
        text = os.pread(file, 10_000, 0)
        os.close(file)
        lines = list(frames(task.get_coro()))
        task.cancel()
        return lines, text

    lines, text = asyncio.run(look())
    assert [line.rpartition(" ")[2] for line in lines] == ["outermost", "innermost", "sleep"]
    assert text.startswith(b"\nTask GET /x (abc) (most recent call first):\n")
    assert text.index(b"in sleep") < text.index(b"in innermost") < text.index(b"in outermost")
