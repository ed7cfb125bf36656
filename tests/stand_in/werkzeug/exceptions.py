class Forbidden(Exception):
    """An answer with 403."""


class ServiceUnavailable(Exception):
    """An answer with 503."""
