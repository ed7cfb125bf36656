"""Django with Channels: the same again."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from notes import note

settings.configure(SECRET_KEY="for tests on loopback only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)

    async def receive_json(self, content: object) -> None:
        await self.send_json({"room": self.scope["url_route"]["kwargs"]["room"], "said": content, "pid": os.getpid()})

    async def disconnect(self, code: int) -> None:
        if trace := parse_qs(self.scope["query_string"].decode()).get("trace"):
            note(trace[0], "left")


class Denied(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.close(code=1008)


async def ticks(request: HttpRequest) -> StreamingHttpResponse:
    async def parts() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: %s\n\n" % json.dumps(os.getpid()).encode()
                await asyncio.sleep(0.05)
        finally:
            if trace := request.GET.get("trace"):
                note(trace, "left")

    return StreamingHttpResponse(parts(), content_type="text/event-stream")


urlpatterns = [path("events/ticks", ticks)]
app = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("chat/<room>", Chat.as_asgi()), path("denied", Denied.as_asgi())]),
    }
)
