"""Its names, for a database that is a few files."""


class Error(Exception):
    pass


class OperationalError(Error):
    pass


class ProgrammingError(Error):
    pass


class InterfaceError(Error):
    pass
