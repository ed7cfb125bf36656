"""A WebSocket that tells of new notes, whichever worker wrote them."""

import asyncio
import os

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .models import Note

PAUSE = 0.2  # seconds between two looks


class Live(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.accept()
        self.telling = asyncio.create_task(self.tell())

    async def tell(self):
        told = None
        while True:
            newest = await Note.objects.values_list("id", flat=True).afirst() or 0
            if newest != told:
                await self.send_json({"newest": newest, "worker": os.getpid()})
                told = newest
            await asyncio.sleep(PAUSE)

    async def disconnect(self, code):
        self.telling.cancel()
