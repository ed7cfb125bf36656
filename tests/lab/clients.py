"""Clients of a database: `clients.py leave|stay NUMBER RATE`, with the address on standard input. Prints what they met.

So many log in each second: a login costs both sides milliseconds of processor time, and all at once would only measure that.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg

LEAVING = ("SELECT pg_sleep(1), count(*) FROM orders",)  # a page, long enough that clients have to wait for one another
STAYING = ("SELECT count(*) FROM orders",) * 5
PATIENCE = 150  # seconds


@dataclass
class Crowd:
    """What clients of one address met: seconds of those that were served, and why others were not."""

    dsn: str
    took: list[float] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)

    async def come(self, after: float) -> psycopg.AsyncConnection | None:
        """A connection, some seconds from now; None where it is refused."""
        await asyncio.sleep(after)
        manner = {"autocommit": True, "prepare_threshold": None, "connect_timeout": PATIENCE}
        try:
            return await psycopg.AsyncConnection.connect(self.dsn, **manner)
        except psycopg.OperationalError as refusal:
            self.refuse(refusal)
            return None

    async def ask(self, connection: psycopg.AsyncConnection, questions: tuple[str, ...]) -> None:
        """Have questions answered, and leave."""
        began = time.monotonic()
        try:
            for each in questions:
                await connection.execute(each)
            self.took.append(time.monotonic() - began)
        except psycopg.OperationalError as refusal:
            self.refuse(refusal)
        finally:
            await connection.close()

    async def leave(self, after: float) -> None:
        """One client that comes, asks and leaves."""
        if connection := await self.come(after):
            await self.ask(connection, LEAVING)

    async def stay(self, after: float, together: asyncio.Barrier) -> None:
        """One client that comes, waits until all others are there, asks and goes on asking."""
        connection = await self.come(after)
        await together.wait()
        if connection:
            await self.ask(connection, STAYING)

    def refuse(self, refusal: psycopg.Error) -> None:
        """Remember why somebody was not served."""
        self.refusals[str(refusal).strip().splitlines()[-1]] += 1


async def main(manner: str, number: int, rate: float, dsn: str) -> None:
    """All of them."""
    crowd, together, began = Crowd(dsn), asyncio.Barrier(number), time.monotonic()
    afters = [each / rate for each in range(number)]
    await asyncio.gather(*(crowd.stay(each, together) if manner == "stay" else crowd.leave(each) for each in afters))
    seconds = time.monotonic() - began
    print(json.dumps({"took": crowd.took, "seconds": seconds, "refusals": crowd.refusals.most_common(3)}))


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.stdin.read()))
