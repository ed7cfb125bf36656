"""Werkzeug's ways of answering, each at a route of its own; the routes are those of `on_django`."""

import json
import os

from notes import facts, note, parts, torn
from referee import refereed
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response


@Request.application
def routed(request):
    route, _, rest = request.path[1:].partition("/")
    return globals()[f"show_{route}"](request, rest)


app = refereed(routed, visible=True)


def show_stream(request, rest):
    response = Response(parts(request.args["trace"], int(request.args["parts"])))
    response.call_on_close(lambda: note(request.args["trace"], "response closed"))
    return response


def show_torn(request, rest):
    return Response(torn())


def show_file(request, rest):
    return send_file(request.args["path"], request.environ, "text/plain")


def show_named(request, rest):
    return send_file(request.args["path"], request.environ, as_attachment=True, download_name="日本 wörter.txt")


def show_empty(request, rest):
    return Response(status=204)


def show_cookies(request, rest):
    response = Response(json.dumps(request.cookies))
    response.set_cookie("one", "1", max_age=60)
    response.set_cookie("two", "a, b; c")
    response.delete_cookie("three")
    return response


def show_said(request, rest):
    return Response(json.dumps({"path": rest, "q": request.args.getlist("q"), "pid": os.getpid()}))


def show_upload(request, rest):
    return Response(json.dumps({**facts(request.files["file"].stream), "title": request.form["title"]}))
