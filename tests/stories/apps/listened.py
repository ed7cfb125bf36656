"""An application on whose bus everybody may hear everything."""

from wsgiref.validate import validator


@validator
def app(environ, start_response):
    start_response("204 No Content", [])
    return []


def authorize(environ, channels):
    return True
