"""Which line, and whose, stacks and tracebacks name."""

import pytest

from prefork.incidents import Incident
from prefork.instances import blame

LIB = "/usr/lib/python3.11"
TRACEBACK = f'''Traceback (most recent call last):
  File "/srv/shop/wsgi.py", line 3, in <module>
    from shop import views
  File "/srv/shop/views.py", line 12, in <module>
    engine = connect("db")
  File "/srv/venv/lib/python3.11/site-packages/sqlalchemy/engine.py", line 99, in connect
    raise Error(reason)
  File "{LIB}/socket.py", line 836, in create_connection
    raise exceptions[0]
ConnectionRefusedError: [Errno 111] Connection refused
'''
STACKS = f'''Thread 0x00007f0000000002 (most recent call first):
  File "/srv/shop/tasks.py", line 5 in beat
  File "{LIB}/threading.py", line 982 in run

Current thread 0x00007f0000000001 (most recent call first):
  File "{LIB}/re/__init__.py", line 166 in match
  File "/srv/shop/search.py", line 41 in find
  File "/srv/venv/lib/python3.11/site-packages/django/core/handlers/base.py", line 197 in _get_response
  File "/opt/prefork/src/prefork/worker/http.py", line 80 in serve
'''
ODOO = """Current thread 0x1 (most recent call first):
  File "/usr/lib/python3/dist-packages/odoo/fields.py", line 1200 in __get__
  File "/mnt/extra/addons/sale_margin_report/models/report.py", line 77 in _compute
  File "/opt/odoo/odoo/http.py", line 1900 in _serve_db
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (TRACEBACK, "views (/srv/shop/views.py, line 12, in <module>)"),
        (STACKS, "search (/srv/shop/search.py, line 41, in find)"),
        (ODOO, "sale_margin_report (/mnt/extra/addons/sale_margin_report/models/report.py, line 77, in _compute)"),
        (
            'Current thread 0x1 (most recent call first):\n  File "/v/lib/python3.12/site-packages/numpy/core.py", line 3 in dot\n',
            "numpy (/v/lib/python3.12/site-packages/numpy/core.py, line 3, in dot)",
        ),
        (
            '  File "/srv/shop/bad.py", line 7\n    def (:\n        ^\nSyntaxError: invalid syntax\n',
            "bad (/srv/shop/bad.py, line 7)",
        ),
        ("it wrote nothing: it is stopped", "None"),
        ("", "None"),
    ],
)
def test_the_innermost_frame_of_the_application_is_named(text: str, named: str) -> None:
    assert str(blame.place(text)) == named


def test_a_crash_loop_is_put_down_to_a_place_and_an_error() -> None:
    said = blame.crash_loop(TRACEBACK)
    assert said == "views (/srv/shop/views.py, line 12, in <module>): ConnectionRefusedError: [Errno 111] Connection refused"
    assert blame.crash_loop("it did not get ready within 60 s") == "it did not get ready within 60 s"
    assert blame.crash_loop(None) == "nothing is known of the cause"


def incident(stacks: str = "", job: str | None = None) -> Incident:
    about = {"name": job, "run": 7} if job else None
    return Incident("1a2b", 0.0, "n", "http.1", "http", 7, 1, "limit_time_real", "too long", "", job=about, stacks=stacks)


def test_the_worst_of_many_is_named_with_its_share() -> None:
    found = [incident(STACKS), incident(job="shop.tasks.report"), incident(STACKS), incident()]
    assert blame.incidents(found) == "search (/srv/shop/search.py, line 41, in find) in 2 of 4"
    assert blame.incidents([incident(STACKS, "shop.tasks.report")]) == "job shop.tasks.report in 1 of 1"
    assert blame.incidents([incident()]) == ""
