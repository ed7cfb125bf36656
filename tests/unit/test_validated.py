"""Which WSGI applications of the tests and examples are watched by `wsgiref.validate`, and why the others are not.

A file with an application in it, also in a string that a test writes to the disk, is found by how it begins; one that has no
referee needs a line here.
"""

import re

from tests.conftest import ROOT

APPLICATION = re.compile(r"def \w+\((?:self, )?environ, start_response\)|get_wsgi_application\(\)|@Request\.application|Flask\(")
REFEREE = re.compile(r"^(@validator\b|\w+(, \w+)? = (validator|refereed)\()", re.MULTILINE)
UNWATCHED = {
    "examples/django/mysite/wsgi.py": "an example shows what users write; Django is watched in tests/applications/frameworks",
    "examples/flask/app.py": "an example shows what users write; Werkzeug is watched in tests/applications/frameworks",
    "examples/shop/shop/__init__.py": "an example shows what users write; its tests have it watched",
    "tests/docs/project.py": "what the reader of a page has written before",
    "tests/docs/test_frameworks.py": "the same; Werkzeug is watched in tests/applications/frameworks",
    "tests/process/test_http_output.py": "it closes wsgi.errors on purpose, which a referee forbids, and answers nothing",
    "tests/stand_in/odoo/http.py": "it stands for Odoo, and says only what its host looks at",
    "tests/stories/apps/signed.py": "a referee makes an iterator of each answer, and one part in a list goes a way of its own",
    "tests/unit/config/test_layout.py": "texts that are read and not run, but for one, which has a validator",
    "tests/unit/worker/test_wsgi.py": "single calls, most of them wrong on purpose; two tests validate those that are right",
}
NONE = {"tests/process/apps/referee.py", "tests/unit/test_validated.py"}  # the referee, and this page


def test_every_application_has_a_referee_or_a_reason() -> None:
    unwatched = set()
    for path in (*(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")):
        name, text = str(path.relative_to(ROOT)), path.read_text()
        if ".venv" in name or name in NONE:
            continue
        if APPLICATION.search(text) and not REFEREE.search(text):
            unwatched.add(name)
    assert unwatched == set(UNWATCHED)
