"""Django Channels with its layer in memory: what one client says, all hear; GET / has a short answer."""

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from hello import asgi_app

settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})


class Crowd(AsyncWebsocketConsumer):
    """One client."""

    groups = ("crowd",)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """It says something."""
        del bytes_data
        await self.channel_layer.group_send("crowd", {"type": "crowd.said", "text": text_data})

    async def crowd_said(self, event: dict[str, Any]) -> None:
        """Somebody has."""
        await self.send(text_data=event["text"])


app = ProtocolTypeRouter({"http": asgi_app, "websocket": Crowd.as_asgi()})
