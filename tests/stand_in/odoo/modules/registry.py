import contextlib

from psycopg2 import OperationalError


class Registry(dict):
    registries = {}

    def __new__(cls, name):
        return cls.registries[name]

    @classmethod
    def new(cls, name):
        if name == "away":
            raise OperationalError("connection refused")
        if name == "broken":
            raise SyntaxError("invalid syntax in an add-on")
        made = dict.__new__(cls)
        made.update({"ir.http": object()} if name != "empty" else {})
        cls.registries[name] = made
        return made

    def __init__(self, name=None):
        pass

    def cursor(self):
        return contextlib.nullcontext()
