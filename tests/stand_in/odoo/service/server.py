import logging

from odoo.modules.registry import Registry
from odoo.tools import config

server = None
loaded = []
preloaded = []


def restart():
    raise RuntimeError("Odoo's own server is not here")


def load_server_wide_modules():
    loaded.append(config.get("server_wide_modules"))


def preload_registries(names):
    for name in names:
        try:
            preloaded.append((name, dict(config["init"]), dict(config["update"])))
            Registry.new(name)
        except Exception:
            logging.getLogger("odoo").critical("Failed to initialize database `%s`.", name, exc_info=True)
            return -1
    return 0
