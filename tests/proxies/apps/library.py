"""A WSGI application that lets nginx send its files: it answers with their names only. It is validated."""

from wsgiref.validate import validator


@validator
def app(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("X-Accel-Redirect", "/shelf" + environ["PATH_INFO"])]
    start_response("200 OK", headers)
    return [b"the name of a file"]
