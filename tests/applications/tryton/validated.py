"""Tryton, watched by the standard library's referee.

One relaxation, SIZELESS: Werkzeug reads a body with `read()`, as every server allows it, and the referee wants a size.
"""

from wsgiref.validate import InputWrapper, validator

from trytond.application import app as trytond


class Sizeless(InputWrapper):
    def read(self, size=-1):
        return super().read(size)


def patient(environ, start_response):
    environ["wsgi.input"] = Sizeless(environ["wsgi.input"])
    return trytond(environ, start_response)


app = validator(patient)
