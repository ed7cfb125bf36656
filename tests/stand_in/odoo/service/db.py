class DatabaseExists(Exception):
    """As Odoo has it."""


created = []


def _create_empty_database(name):
    if name != "new":
        raise DatabaseExists
    created.append(name)
