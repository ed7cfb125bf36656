"""What the lab's orders leave behind. Runs inside Odoo, 17 or later."""

import socket

from odoo import fields, models

ORDERED = "(regexp_match(body, 'order ([0-9]+)'))[1]"
WANTED = f"""
SELECT {ORDERED} FROM mail_message WHERE model = 'discuss.channel' AND body LIKE '%order %'
EXCEPT SELECT key FROM prefork_lab_work
"""


class Work(models.Model):
    _name = "prefork.lab.work"
    _description = "What was done for an order, and on which node"

    key = fields.Char(required=True, index=True)
    node = fields.Char(required=True)

    def fulfil(self):
        """Do what is owed for each order; the scheduled action."""
        self.env.cr.execute(WANTED)
        self.create([{"key": key, "node": socket.gethostname()} for (key,) in self.env.cr.fetchall()])
