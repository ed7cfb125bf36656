"""The pages that the lab's load asks for. An order is a message in a chat, and a run of the scheduled action follows from it."""

import json

from odoo.http import Controller, request, route

from .models import ORDERED

LEDGER = f"""
SELECT (SELECT coalesce(json_agg(key), '[]')
        FROM (SELECT {ORDERED}::bigint AS key FROM mail_message WHERE body LIKE '%%order %%') AS asked WHERE key >= %(first)s),
       (SELECT coalesce(json_agg(key::bigint), '[]') FROM prefork_lab_work WHERE key::bigint >= %(first)s),
       (SELECT coalesce(json_object_agg(node, count), '{{}}')
        FROM (SELECT node, count(*) FROM prefork_lab_work WHERE key::bigint >= %(first)s GROUP BY node) AS done)
"""


class Lab(Controller):
    @route("/orders", type="http", auth="user", methods=["POST"], csrf=False)
    def order(self):
        """Say it in the chat, and have the action begin."""
        key = int(request.httprequest.query_string)
        channel = request.env["discuss.channel"].search([("name", "=", "orders")], limit=1)
        channel.message_post(body=f"order {key}", message_type="comment", subtype_xmlid="mail.mt_comment")
        request.env.ref("prefork_lab.fulfil").sudo()._trigger()
        return json.dumps(key)

    @route("/last", type="http", auth="user")
    def last(self):
        """Read from the database."""
        request.env.cr.execute("SELECT max(id) FROM mail_message")
        return json.dumps(request.env.cr.fetchone()[0])

    @route("/slow", type="http", auth="user")
    def slow(self):
        """The same, in half a second."""
        request.env.cr.execute("SELECT max(id) FROM mail_message, pg_sleep(0.5)")
        return json.dumps(request.env.cr.fetchone()[0])

    @route("/ledger", type="http", auth="user")
    def ledger(self):
        """All orders from a number on, what was done for them, and where."""
        request.env.cr.execute(LEDGER, {"first": int(request.httprequest.query_string)})
        orders, fulfilled, nodes = request.env.cr.fetchone()
        return json.dumps({"orders": orders, "fulfilled": fulfilled, "nodes": nodes, "lost": 0})

    @route("/position", type="http", auth="user")
    def position(self):
        """The last notification of the bus: who has heard nothing would be given those of the last 50 s."""
        return json.dumps(request.env["bus.bus"].sudo()._bus_last_id())
