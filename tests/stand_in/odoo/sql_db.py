import os

closed = []
reading, writing = os.pipe()


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
        pass


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
