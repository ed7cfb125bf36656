"""The least that an application can be, on any Python: who serves it."""

import json
import os
import sys
from wsgiref.validate import validator


@validator
def app(environ, start_response):
    body = json.dumps({"pid": os.getpid(), "python": sys.version_info[:2]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
