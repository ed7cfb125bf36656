"""A route that is there once the module has been installed."""

from odoo.http import Controller, route


class Latecomer(Controller):
    @route("/later", type="http", auth="public")
    def later(self):
        return "here"
