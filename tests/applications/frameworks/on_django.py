"""Django's ways of answering, each at a route of its own; the routes are those of `on_werkzeug`."""

import json
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.static import serve
from notes import facts, note, parts, torn
from referee import refereed

settings.configure(
    SECRET_KEY="for tests on loopback only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware"],
)


class Stream(StreamingHttpResponse):
    """Notes its end."""

    def __init__(self, file, count):
        super().__init__(parts(file, count))
        self.file = file

    def close(self):
        super().close()
        note(self.file, "response closed")


def show_stream(request):
    return Stream(request.GET["trace"], int(request.GET["parts"]))


def show_torn(request):
    return StreamingHttpResponse(torn())


def show_file(request):
    return serve(request, request.GET["path"], "/")


def show_named(request):
    return FileResponse(open(request.GET["path"], "rb"), as_attachment=True, filename="日本 wörter.txt")


def show_empty(request):
    return HttpResponse(status=204)


def show_cookies(request):
    response = HttpResponse(json.dumps(request.COOKIES))
    response.set_cookie("one", "1", max_age=60)
    response.set_cookie("two", "a, b; c")
    response.delete_cookie("three")
    return response


def show_said(request, rest):
    return HttpResponse(json.dumps({"path": rest, "q": request.GET.getlist("q"), "pid": os.getpid()}))


def show_upload(request):
    return HttpResponse(json.dumps({**facts(request.FILES["file"]), "title": request.POST["title"]}))


urlpatterns = [
    path("stream", show_stream),
    path("torn", show_torn),
    path("file", show_file),
    path("named", show_named),
    path("empty", show_empty),
    path("cookies", show_cookies),
    path("said/<path:rest>", show_said),
    path("upload", show_upload),
]
app = refereed(get_wsgi_application(), visible=True)
