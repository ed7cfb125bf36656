"""A till in FastAPI: a pool of connections, work after the answer, and WebSockets that share memory with requests."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from psycopg_pool import AsyncConnectionPool

LATER = 0.02  # seconds from the answer until it is confirmed
pages: set[WebSocket] = set()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    async with AsyncConnectionPool(os.environ["TILL"], min_size=1, max_size=4) as pool:
        yield {"pool": pool}


app = FastAPI(lifespan=lifespan)


@app.post("/orders/{reference}")
async def place(reference: str, request: Request, tasks: BackgroundTasks) -> str:
    async with request.state.pool.connection() as connection:
        await connection.execute("INSERT INTO orders VALUES (%s) ON CONFLICT DO NOTHING", [reference])
    tasks.add_task(confirm, request.state.pool, reference)
    return reference


async def confirm(pool: AsyncConnectionPool, reference: str) -> None:
    await asyncio.sleep(LATER)
    async with pool.connection() as connection:
        await connection.execute("INSERT INTO confirmed VALUES (%s) ON CONFLICT DO NOTHING", [reference])
    for page in list(pages):
        with suppress(OSError, RuntimeError):  # it has gone meanwhile
            await page.send_text(reference)


@app.get("/orders")
async def count(request: Request) -> int:
    async with request.state.pool.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM orders")
        return (await cursor.fetchone())[0]


@app.websocket("/live")
async def live(page: WebSocket) -> None:
    await page.accept()
    pages.add(page)
    try:
        async for said in page.iter_text():
            await page.send_text(said)
    finally:
        pages.discard(page)
