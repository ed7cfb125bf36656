from odoo.tools.config import config
