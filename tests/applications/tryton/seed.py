"""Run once by Tryton's own interpreter: what a new company has before its first sale.

Gives the administrator a company, one product to sell, and a key for the REST interface.
"""

import sys
from decimal import Decimal

from proteus import Model, Wizard, config


def seed(uri: str, key: str) -> None:
    config.set_trytond(uri)
    company = make_company()
    user_of(company)
    make_product()
    Application = Model.get("res.user.application")  # noqa: N806
    Application(key=key, user=Model.get("res.user")(config.get_config().user), application="rest").save()


def make_company():
    euro = Model.get("currency.currency")(
        name="Euro", symbol="€", code="EUR", numeric_code="978", rounding=Decimal("0.01"), digits=2
    )
    euro.save()
    party = Model.get("party.party")(name="Seed Trading")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = party, euro
    wizard.execute("add")
    (company,) = Model.get("company.company").find()
    return company


def user_of(company) -> None:
    User = Model.get("res.user")  # noqa: N806
    user = User(config.get_config().user)
    if company not in user.companies:
        user.companies.append(company)
    user.company = company
    user.save()
    config.get_config()._context = User.get_preferences(True, {})


def make_product() -> None:
    (unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
    template = Model.get("product.template")(name="Clock", default_uom=unit, type="goods", list_price=Decimal(40), salable=True)
    template.save()


if __name__ == "__main__":
    seed(*sys.argv[1:])
