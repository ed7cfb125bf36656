"""A page of a Django project as most are: a list of fifty orders. No database, so that it is the server that differs.

/            the list, from a template that extends another one

Middleware and context processors are those of `startproject`; sessions are in cookies, of which a client here has none. `app` is
for WSGI, `asgi_app` for ASGI.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{% block title %}{% endblock %} - Shop</title>
  <link rel="stylesheet" href="/static/shop.css">
</head>
<body>
<header>
  <a href="{% url 'orders' %}">Orders</a>
  {% if user.is_authenticated %}<span>{{ user.username }}</span>
  {% else %}<a href="/login?next={{ request.path }}">Log in</a>{% endif %}
</header>
{% for message in messages %}<p class="{{ message.tags }}">{{ message }}</p>{% endfor %}
<main>
{% block content %}{% endblock %}
</main>
</body>
</html>
"""
LIST = """{% extends "frame.html" %}
{% block title %}Orders{% endblock %}
{% block content %}
<table>
  <thead><tr><th>Order</th><th>Customer</th><th>Date</th><th>Total</th><th>State</th></tr></thead>
  <tbody>
  {% for order in orders %}
    <tr class="{% cycle 'odd' 'even' %}">
      <td><a href="{% url 'order' order.number %}">{{ order.name }}</a></td>
      <td>{{ order.customer }}</td>
      <td>{{ order.date|date:"Y-m-d" }}</td>
      <td>{{ order.total|floatformat:2 }}</td>
      <td>{% if order.paid %}Paid{% else %}Open{% endif %}</td>
    </tr>
  {% endfor %}
  </tbody>
</table>
{% endblock %}
"""
ORDERS = [
    {
        "number": number,
        "name": f"SO{number:05}",
        "customer": f"Partner {number} & Sons",
        "date": dt.date(2026, 1, 1) + dt.timedelta(days=number),
        "total": Decimal(number) * 125 / 4,
        "paid": number % 3 == 0,
    }
    for number in range(1, 51)
]

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
    INSTALLED_APPS=[f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.cached.Loader",
                        [("django.template.loaders.locmem.Loader", {"frame.html": FRAME, "orders.html": LIST})],
                    )
                ],
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        }
    ],
)
django.setup()


def orders(request: HttpRequest, number: int = 0) -> HttpResponse:
    """All orders, or one of them."""
    return render(request, "orders.html", {"orders": [each for each in ORDERS if number in {0, each["number"]}]})


urlpatterns = [path("", orders, name="orders"), path("orders/<int:number>/", orders, name="order")]
app = get_wsgi_application()
asgi_app = get_asgi_application()
