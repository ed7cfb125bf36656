class Forbidden(Exception):
    """An answer with 403."""
