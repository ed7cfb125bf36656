"""What docs/operate.md tells to do for a service, done word by word, with a wheel of now and packages that the host has brought."""

import json
import os
import re
import subprocess
from pathlib import Path

from server import Server, await_fact, get, shown, systemctl

PAGE = Path("/payload/operate.md").read_text()
PROGRAM = "/opt/prefork/bin/prefork"
WHEELS = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/payload/wheels", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
APPLICATION = """\
import json
import sys
from wsgiref.validate import validator


@validator
def application(environ, start_response):
    body = json.dumps({"python": sys.prefix, "word": "before"}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
CODE = Path("/srv/mysite/mysite/wsgi.py")


def fenced(language: str) -> str:
    """The first fragment of the section in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE[PAGE.index("## Starting") :], re.DOTALL | re.MULTILINE)
    assert found, language
    return found[1]


def minute() -> list[str]:
    """The commands of the paragraph about a service."""
    told = PAGE[PAGE.index("A service in a minute") :]
    block = re.search(r"\n\n((?:    .*\n)+)", told)
    assert block
    return [line.strip() for line in block[1].splitlines()]


def installed() -> None:
    """Have what the page has for the application, then its commands one by one."""
    subprocess.run(["python3", "-m", "venv", "--without-pip", "/srv/mysite/venv"], check=True)
    CODE.parent.mkdir()
    (CODE.parent / "__init__.py").touch()
    CODE.write_text(APPLICATION)
    Path("/etc/mysite").mkdir()
    Path("/etc/mysite/prefork.conf").write_text(fenced("ini"))
    Path("/etc/systemd/system/mysite.service").write_text(fenced("systemd"))
    for command in minute():
        print(f"   # {command}", flush=True)
        done = subprocess.run(command, shell=True, env={**os.environ, **WHEELS}, check=False, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        print("".join(f"     {line}\n" for line in done.stdout.splitlines()[-2:]), end="", flush=True)


def a_minute_makes_a_service(_server: Server) -> None:
    installed()
    assert shown("mysite", "ActiveState") == "active"
    assert shown("mysite", "UnitFileState") == "enabled"
    print(f"   {shown('mysite', 'StatusText')}", flush=True)
    assert get("/")[1] == {"python": "/srv/mysite/venv", "word": "before"}
    journal = subprocess.run(["journalctl", "-u", "mysite", "--no-pager"], check=True, capture_output=True, text=True).stdout
    assert "Server is ready" in journal, journal


def its_commands_find_it(_server: Server) -> None:
    told = subprocess.run([PROGRAM, "status", "-c", "/etc/mysite/prefork.conf"], check=True, capture_output=True, text=True)
    assert "4 of 4 ready" in told.stdout, told
    said = subprocess.run(
        [PROGRAM, "doctor", "-c", "/etc/mysite/prefork.conf", "--json"], check=False, capture_output=True, text=True
    )
    verdicts = {each["check"]: each for each in json.loads(said.stdout)}
    for check in ("unit-enabled", "http-listening", "workers-appear", "workers-ready"):
        assert verdicts[check]["verdict"] == "pass", verdicts[check]


def new_code_is_loaded_and_bad_code_is_not(_server: Server) -> None:
    CODE.write_text(APPLICATION.replace("before", "after"))
    systemctl("reload", "mysite")
    assert get("/")[1]["word"] == "after"
    CODE.write_text("import nonsense\n")
    refused = subprocess.run(["systemctl", "reload", "mysite"], check=False, capture_output=True, text=True)
    CODE.write_text(APPLICATION)
    assert refused.returncode != 0, refused
    assert shown("mysite", "ActiveState") == "active"
    assert get("/")[1]["word"] == "after"


def doctor_says_that_it_would_not_come_back(_server: Server) -> None:
    systemctl("disable", "mysite")
    said = subprocess.run(
        [PROGRAM, "doctor", "-c", "/etc/mysite/prefork.conf", "--json"], check=False, capture_output=True, text=True
    )
    (told,) = (each for each in json.loads(said.stdout) if each["check"] == "unit-enabled")
    assert told["verdict"] != "pass", told
    fix = told["fix"].partition("    #")[0]
    print(f"   {fix}", flush=True)
    subprocess.run(fix, shell=True, check=True, capture_output=True)
    assert shown("mysite", "UnitFileState") == "enabled"


def it_stops(_server: Server) -> None:
    systemctl("stop", "mysite")
    assert shown("mysite", "Result") == "success"
    await_fact(lambda: shown("mysite", "ActiveState") == "inactive", "its end")


def checks() -> list[tuple]:
    """In their order."""
    server = Server(Path("/var/lib/mysite"))
    each = (
        a_minute_makes_a_service,
        its_commands_find_it,
        new_code_is_loaded_and_bad_code_is_not,
        doctor_says_that_it_would_not_come_back,
        it_stops,
    )
    return [(check, server) for check in each]
