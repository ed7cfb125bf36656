"""Clients of a database: `clients.py leave|stay NUMBER`, with the address on standard input. Prints what they met."""

import asyncio
import json
import resource
import statistics
import sys
import time

import psycopg

QUESTIONS = 5  # of a client that stays
ARRIVING = 200  # clients that log in at the same time, which is work for both sides
PATIENCE = 110  # seconds


async def ask(dsn: str, questions: int, arriving: asyncio.Semaphore, together: asyncio.Barrier | None, took: list[float]) -> bool:
    """One client: whether it was served, after a wait for all others where it stays."""
    began = time.monotonic()
    try:
        async with arriving:
            connection = await psycopg.AsyncConnection.connect(
                dsn, autocommit=True, prepare_threshold=None, connect_timeout=PATIENCE
            )
    except psycopg.OperationalError:
        if together:
            await together.wait()
        return False
    try:
        if together:
            await together.wait()
            began = time.monotonic()
        for _ in range(questions):
            await connection.execute("SELECT count(*) FROM orders")
        took.append(time.monotonic() - began)
        return True
    except psycopg.OperationalError:
        return False
    finally:
        await connection.close()


async def main(manner: str, number: int, dsn: str) -> None:
    """All of them at once."""
    took: list[float] = []
    together = asyncio.Barrier(number) if manner == "stay" else None
    arriving, began = asyncio.Semaphore(ARRIVING), time.monotonic()
    served = await asyncio.gather(*(ask(dsn, QUESTIONS if together else 1, arriving, together, took) for _ in range(number)))
    seconds, median = time.monotonic() - began, statistics.median(took) if took else 0.0
    print(json.dumps({"served": sum(served), "refused": number - sum(served), "seconds": seconds, "median": median}))


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.stdin.read()))
