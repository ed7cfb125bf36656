import json
import os
import threading
from urllib.parse import parse_qs

from odoo.service import server
from odoo.tools import config


class Endpoint:
    def __init__(self, func):
        self.func = func


class Rule:
    def __init__(self, func):
        self.endpoint = Endpoint(func)


class Session:
    uid = 7
    db = "shop"

    def expired(self):
        return os.path.exists(os.path.join(config["data_dir"], "expired"))


class HttpRequest:
    def __init__(self, environ):
        self.environ = self._HTTPRequest__environ = environ


class Current(threading.local):
    httprequest = None


request = Current()


class Request:
    def __init__(self, environ):
        self.httprequest = HttpRequest(environ)
        self.session = Session()
        self.db = "shop"

    def _set_request_dispatcher(self, rule):
        self.endpoint = rule.endpoint


class Home:
    def index(self, query):
        return {name: config.get(name) for name in ("workers", "db_name", "http_port", "proxy_mode", "server_wide_modules")}

    def restart(self, query):
        server.restart()
        return {}

    def file(self, query):
        return {}

    def pid(self, query):
        return {"pid": os.getpid(), "master": server.server.pid}

    def stop(self, query):
        os.kill(os.getpid(), 9)

    def publish(self, query):
        from odoo.addons.bus.models.bus import publish

        publish("news", query["text"][0])
        return {}

    def longpolling(self, query):
        from odoo.addons.bus.models.bus import dispatch

        asked = json.load(request.httprequest.environ["wsgi.input"])
        return dispatch.poll("shop", asked["channels"], asked["last"], asked.get("options"))


class Store:
    deleted = []

    def get(self, sid):
        return sid

    def delete(self, session):
        self.deleted.append(session)


class Application:
    session_store = Store()
    statics = nodb_routing_map = None
    visited = []

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        thread = threading.current_thread()
        thread.query_count, thread.query_time = 3, 0.25
        self.visited.append((path, environ.get("HTTP_X_FORWARDED_HOST")))
        headers = [("Content-Type", "application/json")]
        if path == "/web/login":
            headers.append(("Set-Cookie", "session_id=abc; Path=/"))
        made = Request(environ)
        request.httprequest = made.httprequest
        if path == "/websocket":
            return self.websocket(made, start_response)
        endpoint = getattr(Home(), path.strip("/").partition("/")[0] or "index", None)
        if endpoint is None:
            start_response("200 OK" if path == "/web/login" else "404 NOT FOUND", headers)
            return Answer(b"{}")
        made._set_request_dispatcher(Rule(endpoint))
        body = json.dumps(endpoint(parse_qs(environ["QUERY_STRING"]))).encode()
        if path == "/file":
            headers += [("X-Sendfile", os.path.join(config["data_dir"], "filestore", "a")), ("Content-Length", "0")]
            body = b""
        start_response("200 OK", headers)
        return Answer(body)

    def websocket(self, made, start_response):
        from odoo.addons.bus.websocket import WebsocketConnectionHandler
        from werkzeug.exceptions import Forbidden

        try:
            served = WebsocketConnectionHandler.open_connection(made, None)
        except Forbidden as error:
            start_response("403 FORBIDDEN", [("Content-Type", "text/plain")])
            return Answer(str(error).encode())
        start_response("101 SWITCHING PROTOCOLS", [("Upgrade", "websocket"), ("Set-Cookie", "session_id=abc")])
        answer = Answer()
        answer.close = served
        return answer


class Answer:
    def __init__(self, *parts):
        self.parts = parts

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        pass


root = Application()
