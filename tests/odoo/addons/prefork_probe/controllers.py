"""Requests that tell what Odoo sees, and requests that do harm. Runs inside Odoo, 15 to 19, so nothing of Prefork is known here."""

import json
import logging
import mmap
import os
import time

from odoo.http import Controller, request, route

TEXT = "first"

log = logging.getLogger(__name__)
kept = []


class Probe(Controller):
    @route("/probe/text", type="http", auth="none", save_session=False)
    def text(self):
        return TEXT

    @route("/probe/worker", type="http", auth="none", save_session=False)
    def worker(self):
        log.debug("asked which worker this is")
        return str(os.getpid())

    @route("/probe/seen", type="http", auth="public")
    def seen(self):
        """What Odoo takes for the database, the user, the client and its own address."""
        asked = request.httprequest
        found = {"database": request.env.cr.dbname, "user": request.env.uid, "client": asked.remote_addr, "url": asked.host_url}
        return json.dumps(found)

    @route("/probe/publish", type="http", auth="public")
    def publish(self, text):
        """Tell all who listen to the channel `probe`."""
        request.env["bus.bus"].sudo()._sendone("probe", "probe", {"text": text})
        return "published"

    @route("/probe/trigger", type="http", auth="user")
    def trigger(self, action):
        """Have a scheduled action run as soon as possible; says when that was asked for, in seconds since 1970."""
        request.env["ir.cron"].sudo().browse(int(action))._trigger()
        return str(time.time())

    @route("/probe/revoke", type="http", auth="user")
    def revoke(self, identifier):
        """Log a device out, as its user does in the preferences, who is asked for the password first."""
        request.env["res.device"].sudo().search([("session_identifier", "=", identifier)])._revoke()
        return "revoked"

    @route("/probe/vacuum", type="http", auth="user")
    def vacuum(self):
        """Do what is done once a day."""
        request.env["ir.http"].sudo()._gc_sessions()
        return "vacuumed"

    @route("/probe/sleep", type="http", auth="user")
    def sleep(self, seconds):
        time.sleep(float(seconds))
        return "slept"

    @route("/probe/burn", type="http", auth="user")
    def burn(self, seconds):
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            pass
        return "burnt"

    @route("/probe/keep", type="http", auth="user")
    def keep(self, mib):
        """Take memory and never give it back, a MiB at a time, so that it can be seen to grow."""
        for _ in range(int(mib)):
            block = mmap.mmap(-1, 1 << 20)
            block.write(b"x" * (1 << 20))
            kept.append(block)
            time.sleep(0.001)
        return "kept"
