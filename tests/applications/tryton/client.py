"""A clerk, run by Tryton's own interpreter: enters parties and sales through proteus until its standard input is closed.

Prints one JSON line for each record: its name, and whether its creation was acknowledged, is unknown (sent, and answered 502), or
was never sent (an earlier request for it was answered 502). Any other failure ends the clerk with its traceback. Never repeats a
request: Python's XML-RPC transport does by itself, so it is kept from that.
"""

import base64
import http
import json
import re
import select
import sys
import xmlrpc.client
from decimal import Decimal

from proteus import Model, config

UNSENT, UNKNOWN, ACKNOWLEDGED = "unsent", "unknown", "acknowledged"
METHOD = re.compile(rb"<methodName>model\.(party\.party|sale\.sale)\.create</methodName>")


class Transport(xmlrpc.client.Transport):
    """One attempt for each request; remembers what became of the last creation."""

    creation = UNSENT

    def request(self, host, handler, request_body, verbose=False):
        creates = METHOD.search(request_body)
        if creates:
            self.creation = UNKNOWN
        answer = self.single_request(host, handler, request_body, verbose)
        if creates:
            self.creation = ACKNOWLEDGED
        return answer


def log_in(url: str, password: str) -> Transport:
    login = xmlrpc.client.ServerProxy(url, transport=Transport(use_builtin_types=True), allow_none=True)
    user, session, _ = login.common.db.login("admin", {"password": password})
    login("close")()
    token = base64.b64encode(f"admin:{user}:{session}".encode()).decode()
    transport = Transport(use_builtin_types=True, headers=[("Authorization", f"Session {token}")])
    config.set_xmlrpc(url, transport=transport)
    return transport


def enter_party(name: str) -> None:
    party = Model.get("party.party")(name=name)
    party.addresses[0].city = "Liège"
    party.save()


def enter_sale(name: str) -> None:
    (customer,) = Model.get("party.party").find([("name", "=", "Seed Trading")])
    (clock,) = Model.get("product.product").find([("name", "=", "Clock")])
    sale = Model.get("sale.sale")(party=customer, reference=name)
    line = sale.lines.new()
    line.product, line.quantity, line.unit_price = clock, 2.0, Decimal(40)
    sale.save()


def work(transport: Transport, clerk: str) -> None:
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        kind, enter = ("party", enter_party) if number % 2 else ("sale", enter_sale)
        name, failure = f"{clerk}-{number}", None
        transport.creation = UNSENT
        try:
            enter(name)
        except xmlrpc.client.ProtocolError as error:
            if error.errcode != http.HTTPStatus.BAD_GATEWAY:
                raise
            failure = error.errcode
        print(json.dumps({"kind": kind, "name": name, "creation": transport.creation, "failure": failure}), flush=True)


if __name__ == "__main__":
    url, password, clerk = sys.argv[1:]
    work(log_in(url, password), clerk)
