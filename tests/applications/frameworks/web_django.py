"""Django's ASGI handler: the same, but for background tasks, which it has not."""

import json
import os

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from notes import PART, block, facts, linger, note

settings.configure(SECRET_KEY="for tests on loopback only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)


def answer(**said: object) -> HttpResponse:
    return HttpResponse(json.dumps({**said, "pid": os.getpid()}), content_type="application/json")


async def said(request: HttpRequest, rest: str) -> HttpResponse:
    return answer(path=rest, q=request.GET.getlist("q"))


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def made():
        try:
            left = int(request.GET["parts"])
            while left:
                yield PART
                left -= 1
        finally:
            note(request.GET["trace"], "closed")

    return StreamingHttpResponse(made())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(request.GET["path"], "rb"))


def upload(request: HttpRequest) -> HttpResponse:
    return answer(**facts(request.FILES["file"]), title=request.POST["title"])


def threaded(request: HttpRequest) -> HttpResponse:
    block(request.GET["until"])
    return answer()


async def waiting(request: HttpRequest) -> HttpResponse:
    await linger(request.GET["until"])
    return answer()


async def torn(request: HttpRequest) -> HttpResponse:
    raise LookupError("torn")


plain = (stream, file, upload, threaded, waiting, torn)
urlpatterns = [path("said/<path:rest>", said), *(path(each.__name__, each) for each in plain)]
app = get_asgi_application()
