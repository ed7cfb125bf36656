import os
from types import SimpleNamespace

closed = []
reading, writing = os.pipe()  # all connections of all processes
os.set_blocking(reading, False)


def notify(payload):
    os.write(writing, payload.encode() + b"\n")


def close_all():
    closed.append(True)


def close_db(name):
    closed.append(name)


def db_connect(name):
    return Database(name)


class Database:
    def __init__(self, name):
        self.name = name

    def cursor(self):
        return Cursor(self.name)


class Connection:
    def __init__(self):
        self.notifies = []

    def fileno(self):
        return reading

    def poll(self):
        try:
            said = os.read(reading, 65536).decode()
        except BlockingIOError:
            return
        self.notifies += [SimpleNamespace(payload=line) for line in said.splitlines()]


class Cursor:
    def __init__(self, database):
        self.database = database
        self._cnx = Connection()

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass

    def execute(self, query):
        self.answer = (False,) if "recovery" in query else (0.1,)

    def fetchone(self):
        return self.answer

    def commit(self):
        pass

    def close(self):
        pass
