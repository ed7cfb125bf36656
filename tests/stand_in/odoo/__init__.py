"""Stands for Odoo where the tests have none: our own lines, with the names and calls that hosting Odoo 18 relies on."""

from odoo import api, http, netsvc, sql_db, tools
from odoo.modules import registry
from odoo.service import db, server

evented = False
SUPERUSER_ID = 1
