"""Hosts Odoo, 15 to 19, from its own tree and its own configuration file. Every name of Odoo's that we use is in this room."""
